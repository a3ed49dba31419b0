"""Engines: how a job gets to where it runs. The table owns it; an engine that loses one has it swept in again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """What the runner needs of an engine."""

    here: bool
    """Whether jobs run in the process that starts them."""
    sweep_seconds: float
    """Between two looks for jobs that were left behind."""
    queued_seconds: float
    """How long a job is queued before it counts as such."""
    run: Callable[[str], Awaitable[None]] | None
    """`JobRunner.run`, once there is one."""
    degraded: str | None
    """What keeps it from bringing jobs to where they run, as a sentence."""

    async def submit(self, job_id: str, attempt: int) -> None:
        """Has `JobRunner.run(job_id)` called, here or at a worker. It never raises: what cannot be handed over is swept
        in later. The same attempt may be given again."""

    async def open(self) -> None:
        """Begins; what it works with may be away."""

    async def work(self, concurrency: int) -> None:
        """Runs what is brought here, so many jobs at once, until it is cancelled."""

    async def close(self) -> None:
        """Lets go of what it works with."""
