"""`follow`: read from the cursor, hand over, wait for growth, repeat. The only read loop there is."""

from __future__ import annotations

import asyncio
import time
from weakref import WeakValueDictionary

from . import wire
from .filters import Filter, check_filter
from .log import Batch, EventLog
from .loops import running_loop
from .options import DAY_SECONDS, check_count, check_cursor, check_number, wrong

HEARTBEAT_SECONDS = 15.0
BATCH_BYTES = 65_536


class _Heart:
    """The heartbeat of all followers that wait on one event loop with the same interval.

    One timer for all: with a timer for each wait, a turn of 1,000 readers takes half as long again.
    """

    __slots__ = ("__weakref__", "_interval", "_loop", "_ticking", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._ticking = False
        self.waiting: dict[Follow, float] = {}
        """When each follower is due, the first one first."""

    def add(self, follower: Follow) -> None:
        self.waiting[follower] = self._loop.time() + self._interval
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(self._interval, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        for follower, due in list(self.waiting.items()):
            if due > now:  # it may be a sixteenth late, which saves timers
                self._loop.call_later(max(due - now, self._interval / 16), self._beat)
                return
            del self.waiting[follower]
            follower.wake(False)
        self._ticking = False


# Weak: the followers that wait, and the loop's timer, keep a heart alive.
_hearts: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, float], _Heart] = WeakValueDictionary()


class Follow:
    """An asynchronous iterator over a log's batches: ``async for batch in follow(log, after=7): ...``.

    Args:
        log: the log to read.
        after: the id of the last event already seen (default 0: from the beginning). An id that the log does not
            have reads from the beginning; where the job runs in another process, only after two of its leases, since
            the store may lag behind what that process has shown its own viewers.
        filter: which events to give (default: all); see `Filter`.
        heartbeat: seconds without an event, 0.01 or more, after which an empty batch comes (default 15). Its ``last``
            is the id of the last event if the filter has hidden it, else 0.
        limit: about how many bytes of frames one batch holds at the most (default 65,536).
        batch_delay: seconds that events wait for others to join their batch (default 0.0, no longer than
            ``heartbeat``). Events that are there at the start, and the end of the log, do not wait.
        batch_size: as soon as so many events wait they go, even before ``batch_delay`` is over (default: they wait).

    The iteration ends after the last event of a closed log, or when the log is no longer kept here (`EventLog.evict`),
    or by `Follow.aclose`; ``contextlib.aclosing`` calls it if the loop is left early.

    Raises:
        ValueError: an option is out of its range, or there is a ``batch_size`` without a delay.

    Guarantees: every event after the cursor once, in order, except those that the filter hides; where some are gone, a
    gap says how many. Everything that is ready comes in one batch. Any number of followers see everything, and none
    holds up another; nor the job, unless the log was made to (``overflow="block"``).
    """

    __slots__ = (
        "__weakref__", "_asked", "_batch_delay", "_batch_size", "_cursor", "_filter", "_handed", "_heart", "_heartbeat",
        "_hidden", "_limit", "_log", "_loop", "_more", "_served", "_status", "_stopped", "_waiter", "seen", "stalled",
    )  # fmt: skip

    def __init__(
        self, log: EventLog, after: int = 0, *, filter: Filter | None = None, heartbeat: float = HEARTBEAT_SECONDS,
        limit: int = BATCH_BYTES, batch_delay: float = 0.0, batch_size: int | None = None,
    ) -> None:  # fmt: skip
        check_heartbeat(heartbeat)
        check_cursor("after", after)
        check_count("limit", limit)
        check_filter(filter)
        check_batching("batch_delay", batch_delay, batch_size, heartbeat, "seconds")
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
        self._stopped = self._served = self._more = self._hidden = False
        self._waiter: asyncio.Future[bool] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heart: _Heart | None = None
        log.add_follower(self)

    @property
    def lag(self) -> int:
        """How many events it has not finished yet."""
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
                log.has_read()
                # Newer events are not read at once: with a producer in another thread that would be one entry a turn.
                wait = not self._more
            if self._more:  # than one batch holds: let other tasks run between two
                await asyncio.sleep(0)
            if now - handed >= self._heartbeat:  # many events came, and the filter hides them all
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
                self._cursor, self._more, self._served = batch.last, batch.more, True
                if self._filter is not None:
                    frames = self._filter.select(batch.frames)
                    self._hidden = frames is not batch.frames
                    if self._hidden:
                        batch = Batch(frames, batch.last, batch.more)
                if batch:
                    self._handed = now
                    return batch
                quiet = False
            elif log.status != self._status and not log.closed:
                self._status = log.status
                if log.status is not None:
                    return Batch(wire.status_frame(log.status))
            elif batch.last:  # another attempt is about to begin
                self._cursor = batch.last
            elif log.evicted or (log.closed and self._cursor >= log.last):
                break
            elif quiet:
                return self._beat()
            else:
                wait = True
        self.stop()
        raise StopAsyncIteration

    def _beat(self) -> Batch:
        """An empty batch, which moves the cursor where the last events were not shown."""
        self._handed = time.monotonic()
        self._cursor = self._log.start_at(self._cursor, self._asked)
        hidden, self._hidden = self._hidden, False
        return Batch(last=self._cursor) if hidden else Batch()

    def _begin_wait(self, after: int, served: bool) -> asyncio.Future[bool] | None:
        """A future: True when there is more than ``after``, False when the heartbeat is due. None: read at once."""
        loop = running_loop()
        self._waiter = waiter = loop.create_future()
        if not self._log.watch(self, after, self._status, served=served):
            self._waiter = None
            return None
        if self._heart is None or self._loop is not loop:
            self._loop, key = loop, (loop, self._heartbeat)
            self._heart = _hearts.get(key) or _hearts.setdefault(key, _Heart(*key))
        self._heart.add(self)
        return waiter

    def _end_wait(self) -> None:
        self._waiter = None
        if self._heart is not None:
            self._heart.waiting.pop(self, None)
        self._log.unwatch(self)

    async def _gather(self) -> None:
        """Wait for more events, so that they go out in one batch."""
        log = self._log
        loop = asyncio.get_running_loop()
        until = loop.time() + self._batch_delay
        timer = loop.call_at(until, self.wake)
        try:
            while not (self._stopped or log.closed or log.evicted or log.status != self._status):
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

    def wake(self, grown: bool = True) -> None:
        """Read again now or, if nothing has ``grown``, give a heartbeat. On the event loop that iterates."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(grown)

    def stop(self) -> None:
        """End the iteration, even while it waits. On the event loop that iterates."""
        self._stopped = True
        self._log.remove_follower(self)
        self.wake()

    async def aclose(self) -> None:
        """`stop`, for ``async with contextlib.aclosing(follow(log)) as batches``: a log that waits for its followers
        (``overflow="block"``) no longer waits for this one."""
        self.stop()


follow = Follow


def check_heartbeat(heartbeat: float) -> float:
    """Raise ValueError for an interval that is out of range."""
    why = "it cannot be turned off: a viewer that left, or a proxy that waits, is noticed by it"
    return check_number("heartbeat", heartbeat, 0.01, DAY_SECONDS, "seconds", why=why)


def check_batching(name: str, delay: float, batch_size: int | None, most: float, unit: str) -> None:
    """Raise ValueError for a delay or a size that is out of range; ``name``: the delay's option."""
    check_number(name, delay, 0, most, unit, why="no longer than the time between two heartbeats")
    if batch_size is None:
        return
    check_count("batch_size", batch_size)
    if not delay:
        raise wrong("batch_size", batch_size, f"there is no {name}: say how long events may wait for others")
