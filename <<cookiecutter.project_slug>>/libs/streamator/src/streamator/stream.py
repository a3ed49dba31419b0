"""`follow`: read from the cursor, hand over, wait for growth, repeat. The only read loop there is."""

from __future__ import annotations

import asyncio
import time
import weakref

from . import wire
from .log import Batch, EventLog

HEARTBEAT_SECONDS = 15.0
BATCH_BYTES = 65_536


class _Heart:
    """The heartbeat of all that wait on one event loop with the same interval: one timer, however many they are."""

    __slots__ = ("__weakref__", "interval", "loop", "ticking", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self.loop = loop
        self.interval = interval
        self.ticking = False
        self.waiting: dict[Follow, float] = {}
        """Until when, the first to be due first."""

    def add(self, follower: Follow) -> None:
        self.waiting[follower] = self.loop.time() + self.interval
        if not self.ticking:
            self.ticking = True
            self.loop.call_later(self.interval, self._beat)

    def _beat(self) -> None:
        now = self.loop.time()
        for follower, due in list(self.waiting.items()):
            if due > now:  # some may be a sixteenth late: the timer is not set for each of them
                self.loop.call_later(max(due - now, self.interval / 16), self._beat)
                return
            del self.waiting[follower]
            follower.beat()
        self.ticking = False


# To find them by, and weakly: what keeps one is its loop's timer, and those that wait.
_hearts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakValueDictionary[float, _Heart]]
_hearts = weakref.WeakKeyDictionary()


def _heart(loop: asyncio.AbstractEventLoop, interval: float) -> _Heart:
    hearts = _hearts.get(loop)
    if hearts is None:
        hearts = _hearts[loop] = weakref.WeakValueDictionary()
    heart = hearts.get(interval)
    if heart is None:
        heart = hearts[interval] = _Heart(loop, interval)
    return heart


class Follow:
    """An asynchronous iterator over a log's batches: see `follow`."""

    __slots__ = (
        "_cursor", "_heart", "_heartbeat", "_limit", "_log", "_more", "_served", "_status", "_stopped", "_waiter",
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
        self._heart: _Heart | None = None

    def __aiter__(self) -> Follow:
        return self

    async def __anext__(self) -> Batch:
        log = self._log
        served, self._served = self._served, False
        # What has come since is not read at once: a producer in another thread would be read an entry at a time.
        wait = served and not self._more
        quiet = False
        if self._more:  # than one batch holds: let the others have their turn between two
            await asyncio.sleep(0)
        while not self._stopped:
            if wait and (waiter := self._begin_wait(served)) is not None:
                try:
                    quiet = not await waiter
                finally:
                    self._end_wait()
                if self._stopped:
                    break
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
                wait = False
                continue
            if log.ended or (log.closed and self._cursor >= log.last):
                break
            if quiet:
                return Batch()
            wait, served = True, False
        self.stop()
        raise StopAsyncIteration

    def _begin_wait(self, served: bool) -> asyncio.Future[bool] | None:
        """What is done when the log has grown (True), or when the heartbeat is due (False); None: look at once."""
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        if not self._log.watch(self, self._cursor, self._status, served=served):
            self._waiter = None
            return None
        if self._heart is None or self._heart.loop is not loop:
            self._heart = _heart(loop, self._heartbeat)
        self._heart.add(self)
        return waiter

    def _end_wait(self) -> None:
        self._waiter = None
        if self._heart is not None:
            self._heart.waiting.pop(self, None)
        self._log.unwatch(self)

    def _answer(self, grown: bool) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(grown)

    def beat(self) -> None:
        """It was quiet for as long as a heartbeat. On the event loop that iterates."""
        self._answer(False)

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
