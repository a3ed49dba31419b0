"""The event log: append-only, in memory, read by cursors.

An append is one operation on one list, atomic in Python, so that a job never waits for a reader. What is appended
moves on in runs: into blocks that keep the entries as they came, and become wire bytes when somebody first reads
them. A block is a few hundred entries and one send. A reader is nothing but the id it has seen last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import warnings
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import accumulate, islice
from operator import attrgetter
from sys import getsizeof, maxsize
from time import monotonic
from typing import Any, Final, Literal, Protocol
from weakref import WeakSet

from . import wire
from .counts import LogCounts
from .events import Event, encode_event, encode_run
from .options import DAY_SECONDS, MOST, check_callable, check_choice, check_count, check_number, check_timeout, wrong
from .section import UNINTERRUPTED, Section, interrupted, later

# 256 entries of 120 characters are about 50 KiB on the wire: one block is one send.
BLOCK_ENTRIES = 256
BLOCK_BYTES = 65_536
# Half a block: so many short entries may wait to be put into one.
RUN_ENTRIES = 128
# A longer text is put into a block at once: what waits is not counted yet, and must be little.
LONG_TEXT = 1_024
# What becomes of an event that a full log has no room for: see `EventLog`.
Overflow = Literal["drop_oldest", "drop_newest", "block"]
# No viewer of a job's own process is further ahead of what is stored: an id past that is from another log.
MOST_AHEAD: Final = 1_000_000
OVERFLOWS: Final = ("drop_oldest", "drop_newest", "block")
BLOCK_SECONDS: Final = 5.0
# What is kept of a log that its store has let go of, while its job goes on.
ENDED_BYTES = 1_048_576

# About what Python adds to the characters: to an entry as it came, and to a block.
_ENTRY_OVERHEAD = 80
_BLOCK_OVERHEAD = 300
# In place of a level, for JSON: whether it is still without its t, or complete.
_TIMELESS, _COMPLETE = None, ""

_FRAME_END = re.compile(rb"\n\n")
_last_id = attrgetter("last")

# Of consecutive entries: the `time.monotonic` readings, the texts, the levels. Floats are kept in an array because
# they are not only four times as large each: scattered among them, what lives longer would hold on to their memory.
Run = tuple["array[float]", list[str], list[str | None]]


class Batch:
    """Consecutive events read from a log, in their wire form.

    Iterating gives the events as dicts. A batch may begin with ``{"event": "gap", "missed": n}`` where the reader's
    next events are gone. An empty batch is false: it is what a reader gets when nothing came for a while.
    """

    __slots__ = ("frames", "last", "more")

    def __init__(self, frames: bytes = b"", last: int = 0, more: bool = False) -> None:
        self.frames = frames
        """The events as SSE frames, joined."""
        self.last = last
        """The id to read after next; 0 in a batch that moves no cursor."""
        self.more = more
        """Whether the limit cut it short: the next batch is there already."""

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __iter__(self) -> Iterator[Event]:
        return map(json.loads, wire.json_parts(self.frames))


class Reader(Protocol):
    """What a log wakes: see `EventLog.watch`."""

    def wake(self) -> None: ...


class Follower(Protocol):
    """Who a log that blocks waits for: see `EventLog.add_follower`."""

    stalled: int
    """Where it was when it was waited for in vain: it is not waited for again before it has moved on. -1 at first."""

    @property
    def seen(self) -> int:
        """The id up to which it is done with the events. It is asked under the log's lock."""


class Alarm(Protocol):
    """What a log calls from the thread that appends: see `EventLog.alarm`."""

    def notify(self) -> None: ...


class _Block:
    """Consecutive entries: as they came, or, once read, as their frames."""

    __slots__ = ("count", "data", "first", "raw", "size")

    def __init__(self, first: int, count: int, raw: Run | None, data: bytes, size: int) -> None:
        self.first = first
        self.count = count
        self.raw = raw
        self.data = data
        self.size = size
        """About how many bytes of memory it takes."""

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def takes(self, other: _Block) -> bool:
        """Whether the two are better kept as one: they follow each other, and are not too large for one send."""
        return (
            self.last + 1 == other.first
            and (self.raw is None) == (other.raw is None)
            and self.count + other.count <= BLOCK_ENTRIES
            and self.size + other.size <= 2 * BLOCK_BYTES
        )

    def join(self, other: _Block) -> None:
        """Take the block that follows, which must be in the same state, into this one."""
        if self.raw is not None and other.raw is not None:
            self.raw[0].extend(other.raw[0])
            self.raw[1].extend(other.raw[1])
            self.raw[2].extend(other.raw[2])
        self.data += other.data
        self.count += other.count
        self.size += other.size - _BLOCK_OVERHEAD

    def encode(self, start: float) -> int:
        """Turn entries into frames; returns by how much the size has grown (it mostly shrinks)."""
        if self.raw is None:
            return 0
        self.data = encode_run(self.first, *self.raw, start)
        self.raw = None
        before, self.size = self.size, len(self.data) + _BLOCK_OVERHEAD
        return self.size - before

    def slice(self, skip: int, limit: int) -> tuple[bytes, int]:
        """The frames after the first ``skip``, about ``limit`` bytes, at least one: (bytes, how many)."""
        data = self.data
        if skip == 0 and len(data) <= limit:
            return data, self.count
        ends = [match.end() for match in _FRAME_END.finditer(data)]
        start = ends[skip - 1] if skip else 0
        stop = max(bisect_right(ends, start + limit), skip + 1)
        return data[start : ends[stop - 1]], stop - skip


class _Signal:
    """The wake of one log on one event loop: however many readers wait there, an append costs one.

    While the log is busy its wakes are ``pace`` apart, counted from when the last reader of a round is done with
    what it got: however many they are, the job has its turn in between. However slow they are, it is not put off
    for more than 20 times ``pace``.
    """

    __slots__ = ("due", "fired", "loop", "pace", "readers", "scheduled", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, pace: float) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.pace = pace
        self.due = 0.0
        self.fired = 0.0
        self.scheduled = False
        self.readers: set[Reader] = set()

    def notify(self) -> None:
        """From any thread: wake the readers, at once if it is time, else when it is."""
        try:
            if threading.get_ident() == self.thread:
                self.schedule()
            else:
                self.loop.call_soon_threadsafe(self.schedule)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            self.readers.clear()  # the loop is gone, and its readers with it

    # The rest is called on the loop's thread.

    def add(self, reader: Reader, served: bool) -> None:
        self.readers.add(reader)
        if served:
            self.due = min(self.loop.time(), self.fired + 19 * self.pace) + self.pace

    def is_due(self) -> bool:
        """Whether a reader may go on at once; it then counts as woken."""
        now = self.loop.time()
        if now < self.due:
            return False
        self.fired = now
        return True

    def schedule(self) -> None:
        if self.scheduled or not self.readers:
            return
        wait = self.due - self.loop.time()
        if wait <= 0:
            self._fire()
        else:
            self.scheduled = True
            self.loop.call_later(wait, self._look_again)

    def _look_again(self) -> None:
        self.scheduled = False
        self.schedule()

    def _fire(self) -> None:
        self.fired = self.loop.time()
        readers, self.readers = self.readers, set()
        for reader in readers:
            reader.wake()


class EventLog:
    """The append-only log of one job's events.

    Args:
        maxlen: how many events are kept (default 1,000,000).
        overflow: what happens past it. ``"drop_oldest"`` (default): the oldest events go; a reader that had not seen
            them gets ``{"event": "gap", "missed": n}`` in their place. ``"drop_newest"``: what comes is dropped, and
            one gap in front of the last event says how much. ``"block"``: a thread that appends waits for the
            slowest follower, for ``block_seconds`` at the most, and not again for that one until it has moved on; an
            event loop never waits, and `drain` is for the job that runs on one. What was waited for in vain goes as
            with ``"drop_oldest"``, and where nobody follows, nobody waits.
        block_seconds: see ``overflow`` (default 5).
        pace: the least time in seconds between two wakes of the same readers while the log is busy (default 0.005).
            The first event after a quiet time wakes them at once.
        start: the `time.monotonic` reading that ``t`` counts from (default: now).
        account: called with the log, from any thread and without its lock, when `size` has changed: for the one who
            bounds the memory of many logs (default: nobody).

    Guarantees: every method may be called from any thread. Ids are 1, 2, 3, ... in the order of the appends, and
    ``t`` never falls from one id to the next. What was appended does not change. Once closed, a log takes nothing.
    An append never waits for readers, unless ``overflow`` says so.
    """

    __slots__ = (
        "_account", "_armed", "_block_seconds", "_blocks", "_cap", "_closed", "_closed_at", "_counts", "_disowned",
        "_ended", "_followers", "_kept", "_last", "_lock", "_maxlen", "_memo", "_pace", "_passed", "_raw", "_refused",
        "_room", "_run", "_signals", "_size", "_status", "_t", "behind", "charged", "lag_seconds",
        "read_at", "start", "steady_since", "steady_until",
    )  # fmt: skip

    def __init__(
        self, *, maxlen: int = 1_000_000, overflow: Overflow = "drop_oldest", block_seconds: float = BLOCK_SECONDS,
        pace: float = 0.005, start: float | None = None, account: Callable[[EventLog], None] | None = None,
    ) -> None:  # fmt: skip
        check_log_options(maxlen, overflow, block_seconds, pace)
        if start is not None:
            check_number("start", start, -MOST, MOST, "seconds of time.monotonic()")
        if account is not None:
            check_callable("account", account, "give a function that takes the log, or None")
        self.start = monotonic() if start is None else start
        self.read_at = self.start
        """The `time.monotonic` reading when a reader last read here or waited here."""
        self.charged = 0
        """What the one who accounts for this log has counted of its size."""
        self.lag_seconds = 0.0
        """For how long an event may be missing here that a viewer elsewhere has seen already; 0 where the job runs
        here. What another process has logged is with its own viewers before it is in the store."""
        self.steady_since = self.steady_until = self.start
        """Of that time only this counts: the store was read, with news of the job's process. By `time.monotonic`."""
        self._account = account
        self._maxlen = maxlen
        # The id past which nothing is taken.
        self._cap = maxlen if overflow == "drop_newest" else maxsize
        self._refused = 0
        # None where an append waits for nobody.
        self._block_seconds = block_seconds if overflow == "block" else None
        # So many entries may be appended before one of them looks whether there is room.
        self._run = min(RUN_ENTRIES, max(maxlen // 4, 1)) if overflow == "block" else RUN_ENTRIES
        self._pace = pace
        # Appended, and not yet in a block: three slots an entry. It is always the same list, and appends touch
        # nothing else, so they need no lock; all else happens under it.
        self._raw: list[Any] = []
        # How many slots may wait there before an append has more to do: see `_settle`. -1 in a closed log.
        self._room = 3 * self._run - 1
        self._lock = Section()
        self._blocks: list[_Block] = []
        self._kept = 0  # events in the blocks
        self._last = 0  # of what is in the blocks, or lost
        self._passed = 0  # the id up to which events are given up although a follower has not seen them
        self._followers: WeakSet[Any] | None = None
        self.behind: list[Callable[[], None]] = []
        """Of those who wait for followers: what `has_read` calls."""
        self._t = self.start
        self._size = 0
        self._closed = False
        self._closed_at: float | None = None
        self._ended = False
        self._disowned = False
        self._status: str | None = None
        self._armed: list[Alarm] = []
        self._signals: dict[asyncio.AbstractEventLoop, _Signal] = {}
        self._memo: tuple[int, int, int, Batch] | None = None
        self._counts: LogCounts | None = None

    # State

    @property
    def last(self) -> int:
        """The id of the newest event; 0 while there is none."""
        with self._lock:
            self._settle()
            return self._last

    @property
    def size(self) -> int:
        """About how many bytes of memory the events take. The newest, up to 128 short ones, may not be counted."""
        return self._size

    @property
    def dropped(self) -> int:
        """How many events the log had no room for, or has let go of: a reader that begins at the start misses them."""
        with self._lock:
            self._settle()
            return self._dropped()

    @property
    def lag(self) -> int:
        """How many events the slowest follower has still to be done with; 0 where nobody follows."""
        with self._lock:
            self._settle()
            return max(self._last - self._seen(stalled=True), 0)

    @property
    def newest_at(self) -> float:
        """The `time.monotonic` reading of the newest event that has been put into a block."""
        return self._t

    def counts(self, *, final: bool = False) -> LogCounts:
        """How many events there are. It moves nothing and waits for little, also where many logs are looked at.

        Args:
            final: keep the answer, and give it to all who ask later: what comes from now on is not counted.
        """
        with self._lock:
            if self._counts is not None:
                return self._counts
            waiting = 0 if self._closed else len(self._raw) // 3
            counts = LogCounts(self._last + waiting, self._refused, self._dropped())
            if final:
                self._counts = counts
            return counts

    @property
    def maxlen(self) -> int:
        """How many events are kept."""
        return self._maxlen

    @property
    def closed(self) -> bool:
        """Whether the job is over: the last event is in, and no other will come."""
        return self._closed

    @property
    def closed_at(self) -> float | None:
        """The `time.monotonic` reading when the log was closed; None while it is open."""
        return self._closed_at

    @property
    def ended(self) -> bool:
        """Whether readers are sent away without a last event: see `end`."""
        return self._ended

    @property
    def disowned(self) -> bool:
        """Whether this is a copy in a forked process: see `disown`."""
        return self._disowned

    @property
    def status(self) -> str | None:
        """What is known of a job that runs in another process: None, ``"running"`` or ``"lost"``."""
        return self._status

    # Writing

    def append_log(self, message: str, level: str) -> bool:
        """Append a log entry; ``message`` must be a ``str``, ``level`` one of ``LEVELS``.

        Returns False, and appends nothing, if the log is closed.
        """
        raw = self._raw
        raw += (monotonic(), message, level)
        if self._armed or len(raw) > self._room or len(message) > LONG_TEXT:
            return self._appended(message)
        return True

    def append_short(self, message: str, level: str) -> bool:
        """`append_log` for a message that is known to have at most ``LONG_TEXT`` characters: the usual case of what
        jobs do most."""
        raw = self._raw
        raw += (monotonic(), message, level)
        if self._armed or len(raw) > self._room:
            return self._appended(message)
        return True

    def append(self, event: Mapping[str, Any]) -> bool:
        """Append an event as it is now; ``t`` is the log's. Never raises for what ``event`` holds.

        Returns False, and appends nothing, if the log is closed.
        """
        return self.append_json(encode_event(event), add_time=True)

    def append_json(self, text: str, *, add_time: bool = False) -> bool:
        """Append an event that is already encoded: one JSON object without a line break.

        Args:
            text: the object. It holds its ``t``, or none and gets one.
            add_time: whether to add ``t`` (default False).

        Returns False, and appends nothing, if the log is closed.
        """
        raw = self._raw
        raw += (monotonic(), text, _TIMELESS if add_time else _COMPLETE)
        if self._armed or len(raw) > self._room or len(text) > LONG_TEXT:
            return self._appended(text)
        return True

    def _appended(self, text: str) -> bool:
        """What an append does but rarely: wake readers, move entries into blocks, find that the log is closed."""
        if interrupted():
            was_closed = self._closed
            later(partial(self._appended if was_closed else self._appended_late, text))
            return not was_closed
        self._wake()
        if len(self._raw) <= self._room and len(text) <= LONG_TEXT and self._block_seconds is None:
            return True
        with self._lock:
            if self._closed:
                # What waits in a closed log came too late, and each such entry has a call that gets here: to take out
                # its own, and not that of another thread, whose call would then say that it was in time.
                for at in range(1, len(self._raw), 3):
                    if self._raw[at] is text:
                        del self._raw[at - 1 : at + 2]
                        return False
                return True
            self._settle()
            crowded = self._block_seconds is not None and self._lag() > self._maxlen - self._run
        if self._account is not None and self._size != self.charged:
            self._account(self)
        if crowded:
            self._make_room()
        return True

    def _appended_late(self, text: str) -> None:
        """`_appended`, for what was logged by whoever interrupted this thread."""
        if not self._appended(text):
            warnings.warn("an event came from a signal handler while its log was being closed: dropped", stacklevel=2)

    def _make_room(self) -> None:
        """Wait for the slowest follower; in vain, or on an event loop, give up what it has not seen."""
        if not on_event_loop():
            left = self._maxlen - self._run
            if self._wait_until(left, self._block_seconds or 0.0):
                return
            with self._lock:
                for follower in self._followers or ():
                    if self._last - max(follower.seen, self._passed) > left:
                        follower.stalled = follower.seen
        with self._lock:
            if self._lag() > self._maxlen:
                self._passed = max(self._passed, self._last - self._maxlen)
            self._forget_old()

    def _wait_until(self, left: int, timeout: float) -> bool:
        """Wait until the slowest follower has ``left`` events or less to read; False where it takes longer."""
        until = monotonic() + timeout
        moved = threading.Event()
        while True:
            moved.clear()
            with self._lock:
                # First asked, then looked at: a follower does it the other way round.
                self.behind.append(moved.set)
                if self._lag() <= left or self._closed or self._ended:
                    self.behind.remove(moved.set)
                    return True
            if not moved.wait(max(until - monotonic(), 0.0)):
                with self._lock, contextlib.suppress(ValueError):  # it has moved just now
                    self.behind.remove(moved.set)
                return False

    async def drain(self, left: int | None = None, timeout: float = 30.0) -> bool:
        """Wait until the slowest follower has few events to read, on an event loop, which goes on meanwhile.

        Args:
            left: how many (default: half of ``maxlen``).
            timeout: seconds to wait at the most (default 30).

        Returns False where it took longer. Where nobody follows it is True at once.
        """
        check_timeout("timeout", timeout)
        left = self._maxlen // 2 if left is None else check_count("left", left, 0)
        loop = running_loop()
        until = loop.time() + timeout
        await asyncio.sleep(0)  # also where nothing is to be waited for, the others have their turn
        while True:
            moved = asyncio.Event()

            def tell(moved: asyncio.Event = moved) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is gone, and who waited with it
                    loop.call_soon_threadsafe(moved.set)

            try:
                with self._lock:
                    self._settle()
                    self.behind.append(tell)  # before the look: see `_wait_until`
                    if self._last - max(self._seen(stalled=True), self._passed) <= left or self._ended:
                        return True
                await asyncio.wait_for(moved.wait(), max(until - loop.time(), 0.0))
            except asyncio.TimeoutError:
                return False
            finally:
                with self._lock, contextlib.suppress(ValueError):  # it was told
                    self.behind.remove(tell)

    def close(self, event: Mapping[str, Any] | None = None, *, json_text: str | None = None) -> bool:
        """Append the last event and close the log, in one step.

        Args:
            event: the last event (default ``{"event": "done", "status": "completed"}``); ``t`` is added.
            json_text: the last event, already encoded, in place of ``event``.

        Returns:
            True for the one call that closed the log, False for every later one. For a call that interrupts another one
            of the same thread, from a signal handler, it is closed when that one is done.
        """
        if interrupted():
            later(partial(self.close, event, json_text=json_text))
            return not self._closed
        if json_text is not None and not isinstance(json_text, str):
            raise wrong("json_text", json_text, "give the last event as JSON, or None")
        if json_text is None:
            text, level = encode_event({"event": "done", "status": "completed"} if event is None else event), _TIMELESS
        else:
            text, level = json_text, _COMPLETE
        with self._lock:
            if self._closed:
                return False
            self._room = -1  # from here on every append asks whether it was in time
            run = self._take()
            if self._refused:
                if run:
                    self._settle(run)
                run = []
                self._last += self._refused
                self._refused = 0
            self._settle([*run, monotonic(), text, level])
            self._closed = True
            self._closed_at = monotonic()
        self._wake()
        self.has_read()
        if self._account is not None:
            self._account(self)
        return True

    def skip(self, last: int) -> None:
        """Record that the events up to the id ``last`` are lost: the next one appended gets ``last + 1``, and
        readers get a gap. Does nothing where ``last`` is not ahead of the log."""
        with self._lock:
            self._settle()
            if last <= self._last:
                return
            self._last = last
            self._forget_old()
        self._wake()

    def trim(self, size: int) -> None:
        """Let go of the oldest events, until the others take ``size`` bytes or less; readers get a gap."""
        with self._lock:
            self._settle()
            self._trim(size)

    def set_status(self, status: str) -> None:
        """Tell readers of a passing state of the job's producer (``"lost"``, ``"running"``); it is no event."""
        with self._lock:
            self._status = status
        self._wake()

    def end(self) -> None:
        """Send readers away without a last event: the log is no longer kept here. It says nothing of the job.

        While the job goes on, 1 MiB of its newest events are kept.
        """
        if interrupted():
            later(self.end)
            return
        with self._lock:
            self._ended = True
            self._trim(ENDED_BYTES)
        self._wake()
        self.has_read()

    def disown(self) -> None:
        """Take nothing more: this process is a fork, and the job is its parent's. For the hook after a fork alone,
        which cannot know what threads that are not there any more were at."""
        self._lock = Section()
        self._armed.clear()
        self._followers = None
        self.behind = []
        self._signals = {}
        self._room = -1
        self._raw.clear()
        self._disowned = self._closed = True

    def _wake(self) -> None:
        armed = self._armed
        while armed:
            try:
                signal = armed.pop()
            except IndexError:  # another thread was faster
                return
            with UNINTERRUPTED:
                signal.notify()

    # Under the lock

    def _take(self) -> list[Any]:
        """What waits; appends that come meanwhile stay."""
        count = len(self._raw)
        taken = self._raw[:count]
        del self._raw[:count]
        room = max(self._cap - self._last, 0)
        if count > 3 * room:
            self._refused += count // 3 - room
            del taken[3 * room :]
        return taken

    def _settle(self, run: list[Any] | None = None) -> None:
        """Move what waits (or ``run``) into blocks: it gets its ids, and is counted."""
        if self._lock.depth > 1:  # the one that was interrupted is at it
            return
        if run is None:
            if not self._raw or self._closed:
                return
            run = self._take()
            if not run:
                return
        times, texts, levels = self._columns(run)
        size = getsizeof("".join(texts)) + len(texts) * _ENTRY_OVERHEAD + _BLOCK_OVERHEAD
        self._add(_Block(self._last + 1, len(texts), (array("d", times), texts, levels), b"", size))

    def _columns(self, run: list[Any]) -> tuple[list[float], list[str], list[str | None]]:
        times = run[::3]
        if times[0] < self._t or times != sorted(times):  # of two threads, the first to look at the clock came second
            times = list(accumulate([self._t, *times], max))[1:]
        self._t = times[-1]
        return times, run[1::3], run[2::3]

    def _add(self, block: _Block) -> None:
        """Keep a new block: as one with the block before it, if both are as they came."""
        blocks = self._blocks
        self._last += block.count
        self._kept += block.count
        if block.raw is not None and blocks and blocks[-1].takes(block):
            self._size -= blocks[-1].size
            blocks[-1].join(block)
        else:
            # Blocks read one entry at a time are joined like the digits of a binary number that counts: each entry
            # moves a few times at the most, and the blocks stay few.
            while len(blocks) > 1 and blocks[-2].count <= blocks[-1].count and blocks[-2].takes(blocks[-1]):
                self._size -= blocks[-1].size + blocks[-2].size
                last = blocks.pop()
                blocks[-1].join(last)
                self._size += blocks[-1].size
            blocks.append(block)
        self._size += blocks[-1].size
        self._forget_old()

    def _forget_old(self) -> None:
        """Let go of blocks that are wholly past ``maxlen``."""
        if self._kept > self._maxlen:
            self._drop(bisect_right(self._blocks, self._floor(), key=_last_id))
        if self._ended and self._size > ENDED_BYTES:
            self._trim(ENDED_BYTES)

    def _floor(self) -> int:
        """The id up to which events are gone, although their block may still be there for those that follow them."""
        excess = self._kept - self._maxlen
        if excess <= 0 or self._cap != maxsize:
            return 0
        floor = 0
        for block in self._blocks:
            floor = block.first - 1 + min(excess, block.count)
            excess -= block.count
            if excess <= 0:
                break
        if self._block_seconds is not None:
            floor = self._passed = min(floor, max(self._seen(), self._passed))
        return floor

    def _dropped(self) -> int:
        hidden = max(self._floor() - self._blocks[0].first + 1, 0) if self._blocks else 0
        return self._last - self._kept + hidden + self._refused

    def _lag(self) -> int:
        """How many events the slowest follower lacks, of those that the log still has for it."""
        return max(self._last - max(self._seen(), self._passed), 0)

    def _seen(self, *, stalled: bool = False) -> int:
        """The id that all followers are done with; those that were waited for in vain count if ``stalled``."""
        low = maxsize
        for follower in self._followers or ():
            seen = follower.seen
            if seen < low and (stalled or seen != follower.stalled):
                low = seen
        return low

    def _trim(self, size: int) -> None:
        if self._lock.depth > 1:
            return
        count = 0
        left = self._size
        while left > size and count < len(self._blocks):
            left -= self._blocks[count].size
            count += 1
        self._drop(count)

    def _drop(self, count: int) -> None:
        """Forget so many blocks, the oldest."""
        if count:
            self._size -= sum(block.size for block in self._blocks[:count])
            self._kept -= sum(block.count for block in self._blocks[:count])
            del self._blocks[:count]

    # Reading

    def start_at(self, after: int) -> int:
        """The cursor for a reader that says it has seen ``after``: an id that does not exist is from another log, and
        reads from the beginning of what there is. In a log that may lag (`lag_seconds`) it may be one that is still on
        its way, and stays."""
        last = self.last
        if last < after <= last + MOST_AHEAD and self.lag_seconds and not self._closed:
            return after
        return after if 0 <= after <= last else 0

    def is_over_for(self, after: int) -> bool:
        """Whether a reader that has seen ``after`` has all there will be. An id past the last one is another log's."""
        return self._closed and 0 < after == self.last

    def read(self, after: int = 0, limit: int = 65_536) -> Batch:
        """The events that follow the id ``after``: as many as fit ``limit`` bytes, at least one if there is one.

        The bytes are shared between readers. A batch that starts with lost events begins with a gap.
        """
        if type(after) is not int or after < 0:
            check_count("after", after, 0)
        if type(limit) is not int or limit < 1:
            check_count("limit", limit)
        with self._lock:
            if self._lock.depth > 1:
                return Batch()
            if after == self._last and self._raw and not self._closed:
                self._settle_read()
            else:
                self._settle()
            if after >= self._last:
                return Batch()
            memo = self._memo
            if memo is not None and memo[:3] == (after, self._last, limit):
                return memo[3]  # readers that wait together read the same
            batch = self._newest(after, limit) or self._read(after, limit)
            self._memo = (after, self._last, limit, batch)
            return batch

    def _settle_read(self) -> None:
        """`_settle` for a reader that waits for just this: it is encoded at once."""
        run = self._take()
        if not run:
            return
        times, texts, levels = self._columns(run)
        data = encode_run(self._last + 1, times, texts, levels, self.start)
        self._add(_Block(self._last + 1, len(texts), None, data, len(data) + _BLOCK_OVERHEAD))

    def _newest(self, after: int, limit: int) -> Batch | None:
        """`_read` for the usual case of a live reader: all it lacks is the newest block, as it is."""
        if not self._blocks:
            return None
        block = self._blocks[-1]
        if block.count > self._maxlen:
            return None
        if block.raw is not None or block.first != after + 1 or block.last != self._last or len(block.data) > limit:
            return None
        return Batch(block.data, block.last)

    def _read(self, after: int, limit: int) -> Batch:
        blocks = self._blocks
        start = max(after, self._floor())
        pieces: list[bytes] = []
        size = 0
        for block in islice(blocks, bisect_right(blocks, start, key=_last_id), None):
            start = max(start, block.first - 1)
            if start > after:
                pieces.append(wire.gap_frame(start, start - after))
            self._size += block.encode(self.start)
            data, count = block.slice(start + 1 - block.first, limit - size)
            pieces.append(data)
            size += len(data)
            after = start = start + count
            if size >= limit // 2 or after < block.last:
                break
        else:
            if after < self._last:
                pieces.append(wire.gap_frame(self._last, self._last - after))
                after = self._last
        return Batch(pieces[0] if len(pieces) == 1 else b"".join(pieces), after, after < self._last)

    def watch(self, reader: Reader, after: int, status: str | None = None, *, served: bool = False) -> bool:
        """Ask for one ``reader.wake()``, on the running event loop, when there is more than ``after``.

        Args:
            reader: what to wake.
            after: the id that the reader has seen last.
            status: the status that it has seen last.
            served: whether it comes from a read that gave it something. The next wake is then ``pace`` away at the
                least, also where there is more by now.

        Returns False, and asks for nothing, if there is more now: events, a status other than ``status``, or the end.
        A watcher that no longer waits must `unwatch`.
        """
        loop = running_loop()
        with self._lock:
            if self._closed or self._ended or self._status != status:
                return False
            signal = self._signals.get(loop)
            if signal is None:
                for other in [other for other in self._signals if other.is_closed()]:
                    del self._signals[other]
                signal = self._signals[loop] = _Signal(loop, self._pace)
            signal.thread = threading.get_ident()  # a loop may have moved to another thread since
            signal.add(reader, served)
            if signal not in self._armed:
                self._armed.append(signal)
            # First armed, then looked at: an append does it the other way round, so that one of the two sees it.
            if not self._raw and self._last <= after:
                return True
        if signal.is_due():
            signal.readers.discard(reader)
            return False
        signal.schedule()
        return True

    def alarm(self, alarm: Alarm, after: int) -> bool:
        """Ask for one ``alarm.notify()`` when there is more than ``after``: for a thread, where `watch` is for an event
        loop. It is called by whoever appends, closes or ends, and must be quick.

        Returns False, and asks for nothing, if there is more now, or the log is closed or ended.
        """
        with self._lock:
            if self._closed or self._ended:
                return False
            if alarm not in self._armed:
                self._armed.append(alarm)
            # First armed, then looked at: see `watch`.
            if not self._raw and self._last <= after:
                return True
            with contextlib.suppress(ValueError):  # it has rung meanwhile
                self._armed.remove(alarm)
            return False

    def add_follower(self, follower: Follower) -> None:
        """Count ``follower``, weakly, among those who read all of the log, until `remove_follower`."""
        with self._lock:
            if self._followers is None:
                self._followers = WeakSet()
            self._followers.add(follower)

    def remove_follower(self, follower: Follower) -> None:
        """Take back an `add_follower`; quiet if there is none."""
        with self._lock:
            if self._followers is not None:
                self._followers.discard(follower)
        self.has_read()

    def has_read(self) -> None:
        """A follower's ``seen`` has grown: for those who wait for that, see `behind`."""
        if self.behind:
            with self._lock:
                waiting, self.behind = self.behind, []
            for tell in waiting:
                tell()

    def unwatch(self, reader: Reader) -> None:
        """Take back a `watch`; quiet if there is none."""
        for signal in list(self._signals.values()):
            signal.readers.discard(reader)


def check_log_options(maxlen: int, overflow: str, block_seconds: float, pace: float) -> None:
    """Raise ValueError for what an `EventLog` does not take."""
    check_count("maxlen", maxlen)
    check_choice("overflow", overflow, OVERFLOWS)
    check_number("block_seconds", block_seconds, 0, DAY_SECONDS, "seconds")
    check_number("pace", pace, 0, 60, "seconds")


def running_loop() -> asyncio.AbstractEventLoop:
    """asyncio's running event loop, which all that waits here needs. Raises RuntimeError where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise RuntimeError(
            f"streamator waits on asyncio's event loop, and none runs here ({error}): under trio it does not work; run "
            'the server or the task on asyncio (hypercorn: worker_class = "asyncio", anyio: backend="asyncio")'
        ) from error


def on_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
