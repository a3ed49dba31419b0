"""`follow`: read from the cursor, hand over, wait for growth, repeat. The only read loop there is."""

from __future__ import annotations

import asyncio
import time
import weakref

from . import wire
from .log import Batch, EventLog

HEARTBEAT_SECONDS = 15.0
BATCH_BYTES = 65_536


class Follow:
    """An asynchronous iterator over a log's batches: see `follow`."""

    __slots__ = (
        "_cursor", "_heartbeat", "_limit", "_log", "_more", "_quiet_since", "_served", "_status", "_stopped", "_timer",
        "_waiter", "__weakref__",
    )  # fmt: skip

    def __init__(self, log: EventLog, after: int, heartbeat: float, limit: int) -> None:
        self._log = log
        self._cursor = log.start_at(after)
        self._heartbeat = heartbeat
        self._limit = limit
        self._status: str | None = None
        self._stopped = False
        self._served = False
        self._more = False
        self._waiter: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0

    def __aiter__(self) -> Follow:
        return self

    async def __anext__(self) -> Batch:
        log = self._log
        served, self._served = self._served, False
        waited = False
        if self._more:  # than one batch holds: let the others have their turn between two
            await asyncio.sleep(0)
        elif served:
            # What has come since is not read at once: a producer in another thread would be read an entry at a time.
            waited = not await self._wait(served)
        while not self._stopped:
            log.read_at = time.monotonic()
            batch = log.read(self._cursor, self._limit)
            if batch:
                self._cursor = batch.last
                self._more = batch.more
                self._served = True
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
        self.stop()
        raise StopAsyncIteration

    async def _wait(self, served: bool = False) -> bool:
        """Wait for growth; False where the heartbeat is due first."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiter = waiter
        if not self._log.watch(self, self._cursor, self._status, served=served):
            self._waiter = None
            return True
        self._quiet_since = loop.time()
        if self._timer is None:
            self._start_timer(self._heartbeat)
        try:
            return await waiter
        finally:
            self._waiter = None
            self._log.unwatch(self)

    def beat(self) -> None:
        """Look whether it was quiet for long enough. One timer serves many waits: most are over long before."""
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        left = self._quiet_since + self._heartbeat - waiter.get_loop().time()
        if left > 0:
            self._start_timer(left)
        else:
            waiter.set_result(False)

    def _start_timer(self, seconds: float) -> None:
        # Weakly: an iteration that its reader has left must not live on until its timer is due.
        self._timer = asyncio.get_running_loop().call_later(seconds, _beat, weakref.ref(self))

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
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.wake()


def _beat(reader: weakref.ref[Follow]) -> None:
    follower = reader()
    if follower is not None:
        follower.beat()


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
