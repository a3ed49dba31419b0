"""`follow`: read from the cursor, hand over, wait for growth, repeat. The only read loop there is."""

from __future__ import annotations

import asyncio
import time

from . import wire
from .log import Batch, EventLog

HEARTBEAT_SECONDS = 15.0
BATCH_BYTES = 65_536


class Follow:
    """An asynchronous iterator over a log's batches: see `follow`."""

    __slots__ = ("_cursor", "_heartbeat", "_limit", "_log", "_status", "_stopped", "_waiter", "_yield")

    def __init__(self, log: EventLog, after: int, heartbeat: float, limit: int) -> None:
        self._log = log
        self._cursor = log.start_at(after)
        self._heartbeat = heartbeat
        self._limit = limit
        self._status: str | None = None
        self._stopped = False
        self._yield = False
        self._waiter: asyncio.Future[bool] | None = None

    def __aiter__(self) -> Follow:
        return self

    async def __anext__(self) -> Batch:
        log = self._log
        if self._yield:  # more was pending than one batch holds: let the others have their turn between two
            self._yield = False
            await asyncio.sleep(0)
        waited = False
        while not self._stopped:
            log.read_at = time.monotonic()
            batch = log.read(self._cursor, self._limit)
            if batch:
                self._cursor = batch.last
                self._yield = batch.last < log.last
                return batch
            if log.status != self._status and not log.closed:
                self._status = status = log.status
                if status is not None:
                    return Batch(wire.status_frame(status))
                continue
            if log.ended or (log.closed and self._cursor >= log.last):
                break
            if waited:
                return Batch()
            waited = not await self._wait()
        raise StopAsyncIteration

    async def _wait(self) -> bool:
        """Wait for growth; False where the heartbeat is due first."""
        loop = asyncio.get_running_loop()
        if not self._log.watch(self, self._cursor, self._status):
            return True
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_later(self._heartbeat, self._answer, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None
            self._log.unwatch(self)

    def _answer(self, grown: bool) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(grown)

    def wake(self) -> None:
        """Look again now. On the event loop that iterates."""
        self._answer(True)

    def stop(self) -> None:
        """End the iteration, also one that waits. On the event loop that iterates."""
        self._stopped = True
        self.wake()


def follow(
    log: EventLog, after: int = 0, *, heartbeat: float = HEARTBEAT_SECONDS, limit: int = BATCH_BYTES
) -> Follow:
    """Follow a log: ``async for batch in follow(log, after=7): ...``.

    Args:
        log: the log to read.
        after: the id of the last event already seen (default 0: from the beginning). An id that the log does not
            have reads from the beginning.
        heartbeat: after so many seconds without an event an empty batch comes (default 15).
        limit: about how many bytes of frames one batch holds at the most (default 65,536).

    The iteration ends after the last event of a closed log, or when the log is no longer kept here (`EventLog.end`).

    Guarantees: every event after the cursor once, in order; where some are gone, a gap says how many. All that is
    ready comes in one batch. Any number of followers see everything, and none holds up another or the job.
    """
    return Follow(log, after, heartbeat, limit)
