"""The engine that has jobs run by workers, over a queue in Redis: Docket. See `docs/queue.md` for why."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from docket import Docket, Worker
from redis.exceptions import RedisError

__all__ = ["QueueEngine"]

logger = logging.getLogger(__name__)

_FAULTS = (RedisError, OSError, asyncio.TimeoutError)
_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_REDELIVERY = timedelta(seconds=60)


class QueueEngine:
    """Brings the ids of jobs to workers on any number of machines.

    The queue is given an id and nothing else, and is asked for nothing but to deliver it: a job that it forgets, or
    delivers twice, is as the table says.

    Arguments:
        url: the Redis server.
        name: before the keys of this app's queue.
    """

    here = False
    sweep_seconds = 1.0
    queued_seconds = 5.0

    def __init__(self, url: str, name: str) -> None:
        self.degraded: str | None = None
        self.run: Callable[[str], Awaitable[None]] | None = None
        self._docket = Docket(name=f"{name}-jobs", url=url, execution_ttl=timedelta(0))

    async def open(self) -> None:
        """Begins to look at the queue, which may be away."""
        self._stack = contextlib.AsyncExitStack()
        await self._stack.enter_async_context(self._docket)
        self._docket.register(self._deliver, ["job"])
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Lets go of the queue."""
        self._looking.cancel()
        await self._stack.aclose()

    async def submit(self, job_id: str, attempt: int) -> None:
        """Puts a job into the queue, once for each attempt."""
        try:
            add = self._docket.add("job", key=f"{job_id}.{attempt}")(job_id)
            await asyncio.wait_for(add, _ANSWER_SECONDS)
        except _FAULTS as error:
            self._tell(error)

    async def work(self, concurrency: int) -> None:
        """Runs what the queue delivers, so many jobs at once, until it is cancelled. A queue that is away is waited
        for."""
        async with Worker(
            self._docket,
            concurrency=concurrency,
            redelivery_timeout=_REDELIVERY,
            reconnection_delay=timedelta(seconds=1),
            schedule_automatic_tasks=False,
        ) as worker:
            await worker.run_forever()

    async def _deliver(self, job_id: str) -> None:
        assert self.run is not None
        await self.run(job_id)

    async def _look(self) -> None:
        while True:
            try:
                workers = await asyncio.wait_for(self._docket.workers(), _ANSWER_SECONDS)
            except _FAULTS as error:
                self._tell(error)
            else:
                self.degraded = None if workers else "no worker runs: start one with `make worker`"
            await asyncio.sleep(_LOOK_SECONDS)

    def _tell(self, error: BaseException) -> None:
        if self.degraded is None or not self.degraded.startswith("the queue"):
            logger.warning("the queue of jobs cannot be reached: jobs wait for it (%s)", error or "no answer")
        self.degraded = "the queue of jobs cannot be reached: jobs wait until it can"
