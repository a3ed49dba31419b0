"""`follow`: read from the cursor, hand over, wait for growth, repeat. The only read loop there is."""

from __future__ import annotations

import asyncio
import time
import weakref

from . import wire
from .filters import Filter, check_filter
from .log import Batch, EventLog, running_loop
from .options import DAY_SECONDS, check_count, check_cursor, check_number, wrong

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
        "__weakref__", "_asked", "_batch_delay", "_batch_size", "_cursor", "_filter", "_handed", "_heart", "_heartbeat",
        "_hidden", "_limit", "_log", "_more", "_served", "_status", "_stopped", "_waiter", "seen", "stalled",
    )  # fmt: skip

    def __init__(
        self, log: EventLog, after: int, filter: Filter | None, heartbeat: float, limit: int, batch_delay: float,
        batch_size: int | None,
    ) -> None:  # fmt: skip
        self._log = log
        self._filter = filter
        self._cursor = self.seen = log.start_at(after)
        self.stalled = -1
        self._heartbeat = heartbeat
        self._asked = self._handed = time.monotonic()
        self._limit = limit
        self._batch_delay = batch_delay
        self._batch_size = batch_size
        self._status: str | None = None
        self._stopped = False
        self._served = False
        self._more = False
        self._hidden = False
        self._waiter: asyncio.Future[bool] | None = None
        self._heart: _Heart | None = None
        log.add_follower(self)

    @property
    def lag(self) -> int:
        """How many events it has still to be done with."""
        return max(self._log.counts().last - self.seen, 0)

    def __aiter__(self) -> Follow:
        return self

    async def __anext__(self) -> Batch:
        log = self._log
        handed = now = self._handed
        wait = quiet = False
        while not self._stopped:
            served, self._served = self._served, False
            if served:
                self.seen = self._cursor
                if log.behind:
                    log.has_read()
                # What has come since is not read at once: a producer in another thread would be read an entry at a
                # time.
                wait = not self._more
            if self._more:  # than one batch holds: let the others have their turn between two
                await asyncio.sleep(0)
            if now - handed >= self._heartbeat:  # much has come, and nothing of it is shown
                return self._beat()
            if wait and (waiter := self._begin_wait(self._cursor, served)) is not None:
                try:
                    quiet = not await waiter
                finally:
                    self._end_wait()
            if served and self._batch_delay and not quiet and not self._more:
                await self._gather()
            if self._stopped:
                break
            wait = False
            log.read_at = now = time.monotonic()
            batch = log.read(self._cursor, self._limit)
            if batch:
                self._cursor = batch.last
                self._more = batch.more
                self._served = True
                if self._filter is not None:
                    frames = self._filter.select(batch.frames)
                    self._hidden = frames is not batch.frames
                    if self._hidden:
                        batch = Batch(frames, batch.last, batch.more)
                if batch:
                    self._handed = now
                    return batch
                quiet = False
                continue
            if log.status != self._status and not log.closed:
                self._status = status = log.status
                if status is not None:
                    return Batch(wire.status_frame(status))
                continue
            if log.ended or (log.closed and self._cursor >= log.last):
                break
            if quiet:
                return self._beat()
            wait = True
        self.stop()
        raise StopAsyncIteration

    def _beat(self) -> Batch:
        """An empty batch, which moves the cursor where the last events were not shown."""
        self._handed = now = time.monotonic()
        log = self._log
        waited = min(now, log.steady_until) - max(self._asked, log.steady_since)
        if 0 < log.lag_seconds <= waited and log.status != "lost" and self._cursor > log.last:
            self._cursor = 0  # the event is not on its way any more: the id is from another log
        hidden, self._hidden = self._hidden, False
        return Batch(last=self._cursor) if hidden else Batch()

    def _begin_wait(self, after: int, served: bool) -> asyncio.Future[bool] | None:
        """What is done when there is more than ``after`` (True), or when the heartbeat is due (False); None: look at
        once."""
        loop = running_loop()
        self._waiter = waiter = loop.create_future()
        if not self._log.watch(self, after, self._status, served=served):
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

    async def _gather(self) -> None:
        """Let more come, so that it goes out in one batch."""
        log = self._log
        loop = asyncio.get_running_loop()
        until = loop.time() + self._batch_delay
        timer = loop.call_at(until, self.wake)
        try:
            while not (self._stopped or log.closed or log.ended or log.status != self._status):
                last = log.last
                full = self._batch_size is not None and last - self._cursor >= self._batch_size
                if full or loop.time() >= until:
                    return
                waiter = self._begin_wait(last, served=True)
                if waiter is not None:
                    try:
                        await waiter
                    finally:
                        self._end_wait()
        finally:
            timer.cancel()

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
        self._log.remove_follower(self)
        self.wake()

    async def aclose(self) -> None:
        """`stop`, for ``async with contextlib.aclosing(follow(log)) as batches``: a log that waits for its followers
        (``overflow="block"``) no longer waits for this one."""
        self.stop()


def follow(
    log: EventLog, after: int = 0, *, filter: Filter | None = None, heartbeat: float = HEARTBEAT_SECONDS,
    limit: int = BATCH_BYTES, batch_delay: float = 0.0, batch_size: int | None = None,
) -> Follow:  # fmt: skip
    """Follow a log: ``async for batch in follow(log, after=7): ...``.

    Args:
        log: the log to read.
        after: the id of the last event already seen (default 0: from the beginning). An id that the log does not
            have reads from the beginning; where the job runs in another process, only after two of its leases, since
            the store may lag behind what that process has shown its own viewers.
        filter: which events to give (default: all); see `Filter`.
        heartbeat: after so many seconds without an event, 0.01 or more, an empty batch comes (default 15). Where events
            were not given because of the filter, its ``last`` is the id of the last of them, else 0.
        limit: about how many bytes of frames one batch holds at the most (default 65,536).
        batch_delay: for so many seconds events wait for others to go with them (default 0.0, no longer than
            ``heartbeat``). What is there at the start, and the end of the log, do not wait.
        batch_size: so many waiting events go at once (default: they wait for ``batch_delay``).

    The iteration ends after the last event of a closed log, or when the log is no longer kept here (`EventLog.end`), or
    by `Follow.aclose`; ``contextlib.aclosing`` calls it where the loop is left early.

    Raises:
        ValueError: an option is out of its range, or there is a ``batch_size`` without a delay.

    Guarantees: every event after the cursor once, in order, those apart that the filter does not show; where some are
    gone, a gap says how many. All that is ready comes in one batch. Any number of followers see everything, and none
    holds up another; nor the job, unless the log was made to (``overflow="block"``).
    """
    check_heartbeat(heartbeat)
    check_cursor("after", after)
    check_count("limit", limit)
    check_filter(filter)
    check_batching("batch_delay", batch_delay, batch_size, heartbeat, "seconds")
    return Follow(log, after, filter, heartbeat, limit, batch_delay, batch_size)


def check_heartbeat(heartbeat: float) -> float:
    """Raise ValueError for what is no time between two heartbeats."""
    why = "it cannot be turned off: a viewer that left, or a proxy that waits, is noticed by it"
    return check_number("heartbeat", heartbeat, 0.01, DAY_SECONDS, "seconds", why=why)


def check_batching(name: str, delay: float, batch_size: int | None, most: float, unit: str) -> None:
    """Raise ValueError for what is no size of a batch; ``name``: what the delay is called."""
    check_number(name, delay, 0, most, unit, why="no longer than the time between two heartbeats")
    if batch_size is None:
        return
    check_count("batch_size", batch_size)
    if not delay:
        raise wrong("batch_size", batch_size, f"there is no {name}: say how long events may wait for others")
