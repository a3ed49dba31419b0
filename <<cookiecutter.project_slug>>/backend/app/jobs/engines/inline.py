"""The engine that runs jobs in the process that starts them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["InlineEngine"]


class InlineEngine:
    """Runs jobs as tasks of this process. Those of one that was killed are taken over by the next that starts, or by
    another that uses the same database."""

    here = True
    sweep_seconds = 1.0
    queued_seconds = 0.0
    degraded: str | None = None

    def __init__(self) -> None:
        self.run: Callable[[str], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Has nothing to open."""

    async def submit(self, job_id: str, attempt: int) -> None:
        """Runs it."""
        assert self.run is not None
        task = asyncio.ensure_future(self.run(job_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def work(self, concurrency: int) -> None:
        """Is never asked to: jobs are brought nowhere else."""
        raise NotImplementedError

    async def close(self) -> None:
        """Waits for what is under way; the runner has stopped it."""
        if self._tasks:
            await asyncio.wait(self._tasks)
