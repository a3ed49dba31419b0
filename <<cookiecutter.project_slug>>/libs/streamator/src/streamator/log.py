"""The event log: append-only, in memory, read by cursors.

Entries are kept as they came, three slots of a flat list each, and encoded once, when somebody first reads them.
A block of some hundred entries is sealed when it is full; its frames are then kept joined, so that a late reader
is a few large sends. A reader is nothing but the id it has seen last.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Protocol

from . import wire
from .events import Event, encode_event, encode_log, to_utf8, with_time

# 256 entries of 120 characters are about 50 KiB of frames: one block is one send.
BLOCK_ENTRIES = 256
BLOCK_BYTES = 65_536
# What a text may hold before it counts against BLOCK_BYTES: counting each short one would cost more than it saves.
LONG_TEXT = 1_024


class Batch:
    """Consecutive events read from a log, in their wire form.

    Iterating gives the events as dicts. A batch may begin with ``{"event": "gap", "missed": n}`` where the reader's
    next events are gone. An empty batch is false: it is what a reader gets when nothing came for a while.
    """

    __slots__ = ("frames", "last")

    def __init__(self, frames: bytes = b"", last: int = 0) -> None:
        self.frames = frames
        """The events as SSE frames, joined."""
        self.last = last
        """The id to read after next; 0 in a batch that moves no cursor."""

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __iter__(self) -> Iterator[Event]:
        return map(json.loads, wire.json_parts(self.frames))


class Reader(Protocol):
    """What a log wakes: see `EventLog.watch`."""

    def wake(self) -> None: ...


class _Block:
    """Consecutive entries: first the encoded ones, then the raw ones, three slots each (t, text, level)."""

    __slots__ = ("data", "ends", "first", "frames", "raw", "size")

    def __init__(self, first: int) -> None:
        self.first = first
        self.raw: list[Any] = []
        self.frames: list[bytes] = []
        self.size = 0  # of long texts only; see LONG_TEXT
        self.data: bytes | None = None
        self.ends: array[int] | None = None

    def count(self) -> int:
        return len(self.ends) if self.ends is not None else len(self.frames) + len(self.raw) // 3

    def encode(self) -> None:
        """Turn what is raw into frames."""
        raw = self.raw
        if not raw:
            return
        event_id = self.first + len(self.frames)
        slots = iter(raw)
        for t, text, level in zip(slots, slots, slots, strict=True):
            if level is not None:
                text = encode_log(text, level, t)
            elif t is not None:
                text = with_time(text, t)
            self.frames.append(to_utf8(f"id: {event_id}\ndata: {text}\n\n"))
            event_id += 1
        self.raw = []

    def join(self) -> None:
        """Keep the frames of a full block as one piece."""
        if self.data is None:
            self.encode()
            self.data = b"".join(self.frames)
            self.ends = array("I", accumulate(map(len, self.frames)))
            self.frames = []

    def slice(self, skip: int, limit: int) -> tuple[bytes, int]:
        """The frames after the first ``skip``, about ``limit`` bytes, at least one: (bytes, how many)."""
        if self.ends is None or self.data is None:
            self.encode()
            frames = self.frames[skip:]
            size = 0
            for n, item in enumerate(frames, 1):
                size += len(item)
                if size >= limit:
                    return b"".join(frames[:n]), n
            return b"".join(frames), len(frames)
        start = self.ends[skip - 1] if skip else 0
        if len(self.data) - start <= limit:
            return (self.data[start:] if start else self.data), len(self.ends) - skip
        stop = max(bisect_right(self.ends, start + limit), skip + 1)
        return self.data[start : self.ends[stop - 1]], stop - skip


class _Signal:
    """The wake of one log on one event loop: however many readers wait there, an append costs one."""

    __slots__ = ("due", "loop", "pace", "readers", "scheduled", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, pace: float) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.pace = pace
        self.due = 0.0
        self.scheduled = False
        self.readers: set[Reader] = set()

    def notify(self) -> None:
        """From any thread: wake the readers, at once if the last wake is ``pace`` ago, else when it is."""
        try:
            if threading.get_ident() == self.thread:
                self._schedule()
            else:
                self.loop.call_soon_threadsafe(self._schedule)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            self.readers.clear()  # the loop is gone, and its readers with it

    def _schedule(self) -> None:
        if self.scheduled:
            return
        wait = self.due - self.loop.time()
        if wait <= 0:
            self._fire()
        else:
            self.scheduled = True
            self.loop.call_later(wait, self._fire)

    def _fire(self) -> None:
        self.scheduled = False
        self.due = self.loop.time() + self.pace
        readers, self.readers = self.readers, set()
        for reader in readers:
            reader.wake()


class EventLog:
    """The append-only log of one job's events.

    Args:
        maxlen: how many events are kept (default 1,000,000). Past it the oldest are dropped; a reader that had not
            seen them gets ``{"event": "gap", "missed": n}`` in their place.
        pace: the least time in seconds between two wakes of the same readers while the log is busy (default 0.005).
            The first event after a quiet time wakes them at once.
        start: the `time.monotonic` reading that ``t`` counts from (default: now).

    Guarantees: every method may be called from any thread. Ids are 1, 2, 3, ... in the order of the appends, and
    ``t`` never falls from one id to the next. What was appended does not change. Once closed, a log takes nothing.
    """

    __slots__ = (
        "_armed", "_blocks", "_closed", "_closed_at", "_disowned", "_ended", "_firsts", "_last", "_lock",
        "_maxlen", "_memo", "_open", "_pace", "_signals", "_status", "read_at", "start",
    )

    def __init__(self, *, maxlen: int = 1_000_000, pace: float = 0.005, start: float | None = None) -> None:
        if maxlen < 1:
            raise ValueError(f"maxlen is {maxlen}: a log keeps at least 1 event; give a larger maxlen")
        self.start = time.monotonic() if start is None else start
        self.read_at = self.start
        """The `time.monotonic` reading when a reader last read here or waited here."""
        self._lock = threading.Lock()
        self._maxlen = maxlen
        self._pace = pace
        self._open = _Block(1)
        self._blocks = [self._open]
        self._firsts = [1]
        self._last = 0
        self._closed = False
        self._closed_at: float | None = None
        self._ended = False
        self._disowned = False
        self._status: str | None = None
        self._armed: list[_Signal] = []
        self._signals: dict[asyncio.AbstractEventLoop, _Signal] = {}
        self._memo: tuple[int, int, int, Batch] | None = None

    # State

    @property
    def last(self) -> int:
        """The id of the newest event; 0 while there is none."""
        return self._last

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
        return self._append(True, message, level)

    def append(self, event: Mapping[str, Any]) -> bool:
        """Append an event as it is now; ``t`` is the log's. Never raises for what ``event`` holds.

        Returns False, and appends nothing, if the log is closed.
        """
        return self._append(True, encode_event(event), None)

    def append_json(self, text: str, *, add_time: bool = False) -> bool:
        """Append an event that is already encoded: one JSON object without a line break.

        Args:
            text: the object. It holds its ``t``, or none and gets one.
            add_time: whether to add ``t`` (default False).

        Returns False, and appends nothing, if the log is closed.
        """
        return self._append(add_time, text, None)

    def _append(self, timed: bool, text: str, level: str | None, close: bool = False) -> bool:
        with self._lock:
            if self._closed:
                return False
            block = self._open
            block.raw += (time.monotonic() - self.start if timed else None, text, level)
            self._last += 1
            if len(text) > LONG_TEXT:
                block.size += len(text)
            if self._last - block.first >= BLOCK_ENTRIES - 1 or block.size >= BLOCK_BYTES:
                self._seal(self._last + 1)
            if close:
                self._closed = True
                self._closed_at = time.monotonic()
            armed = self._armed
            if armed:
                self._armed = []
        if armed:
            for signal in armed:
                signal.notify()
        return True

    def close(self, event: Mapping[str, Any] | None = None, *, json_text: str | None = None) -> bool:
        """Append the last event and close the log, in one step.

        Args:
            event: the last event (default ``{"event": "done", "status": "completed"}``); ``t`` is added.
            json_text: the last event, already encoded, in place of ``event``.

        Returns:
            True for the one call that closed the log, False for every later one.
        """
        if json_text is not None:
            return self._append(False, json_text, None, close=True)
        if event is None:
            event = {"event": "done", "status": "completed"}
        return self._append(True, encode_event(event), None, close=True)

    def skip(self, last: int) -> None:
        """Record that the events up to the id ``last`` are lost: the next one appended gets ``last + 1``, and
        readers get a gap. Does nothing where ``last`` is not ahead of the log."""
        with self._lock:
            if last <= self._last:
                return
            self._last = last
            self._seal(last + 1)
            armed, self._armed = self._armed, []
        for signal in armed:
            signal.notify()

    def set_status(self, status: str) -> None:
        """Tell readers of a passing state of the job's producer (``"lost"``, ``"running"``); it is no event."""
        with self._lock:
            self._status = status
            armed, self._armed = self._armed, []
        for signal in armed:
            signal.notify()

    def end(self) -> None:
        """Send readers away without a last event: the log is no longer kept here. It says nothing of the job."""
        with self._lock:
            self._ended = True
            armed, self._armed = self._armed, []
        for signal in armed:
            signal.notify()

    def disown(self) -> None:
        """Take nothing more: this process is a fork, and the job is its parent's. For the hook after a fork alone,
        which cannot know what threads that are not there any more were at."""
        self._lock = threading.Lock()
        self._armed = []
        self._signals = {}
        self._disowned = self._closed = True

    def _seal(self, first: int) -> None:
        """Start a new block at the id ``first``, and let go of blocks that are wholly past ``maxlen``."""
        block = self._open
        if block.frames and not block.raw:
            block.join()
        if block.count() == 0:
            self._blocks.pop()
            self._firsts.pop()
        self._open = _Block(first)
        self._blocks.append(self._open)
        self._firsts.append(first)
        floor = self._last - self._maxlen
        gone = 0
        while gone < len(self._blocks) - 1 and self._firsts[gone + 1] <= floor + 1:
            gone += 1
        if gone:
            del self._blocks[:gone]
            del self._firsts[:gone]

    # Reading

    def start_at(self, after: int) -> int:
        """The cursor for a reader that says it has seen ``after``: an id that does not exist (yet) is from
        another log, and reads from the beginning of what there is."""
        return after if 0 <= after <= self._last else 0

    def read(self, after: int = 0, limit: int = 65_536) -> Batch:
        """The events that follow the id ``after``: as many as fit ``limit`` bytes, at least one if there is one.

        The bytes are shared between readers. A batch that starts with lost events begins with a gap.
        """
        with self._lock:
            if after >= self._last:
                return Batch()
            memo = self._memo
            if memo is not None and memo[:3] == (after, self._last, limit):
                return memo[3]  # readers that wait together read the same
            batch = self._read(after, limit)
            self._memo = (after, self._last, limit, batch)
            return batch

    def _read(self, after: int, limit: int) -> Batch:
        start = max(after, self._last - self._maxlen)
        index = max(bisect_right(self._firsts, start + 1) - 1, 0)
        pieces: list[bytes] = []
        size = 0
        for block in self._blocks[index:]:
            skip = max(start + 1 - block.first, 0)
            if skip >= block.count() and block is not self._open:
                continue
            missed = max(block.first, start + 1) - 1 - after
            if missed:
                pieces.append(wire.gap_frame(after + missed, missed))
                after += missed
            if skip < block.count():
                if block is not self._open:
                    block.join()
                data, count = block.slice(skip, limit - size)
                pieces.append(data)
                size += len(data)
                after += count
                if size >= limit // 2 or after < block.first + block.count() - 1:
                    break
            start = after
        return Batch(pieces[0] if len(pieces) == 1 else b"".join(pieces), after)

    def watch(self, reader: Reader, after: int, status: str | None = None) -> bool:
        """Ask for one ``reader.wake()``, on the running event loop, when there is more than ``after``.

        Returns False, and asks for nothing, if there is more now: events, a status other than ``status``, or the end.
        A watcher that no longer waits must `unwatch`.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._last > after or self._closed or self._ended or self._status != status:
                return False
            signal = self._signals.get(loop)
            if signal is None:
                for other in [other for other in self._signals if other.is_closed()]:
                    del self._signals[other]
                signal = self._signals[loop] = _Signal(loop, self._pace)
            signal.thread = threading.get_ident()  # a loop may have moved to another thread since
            signal.readers.add(reader)
            if signal not in self._armed:
                self._armed.append(signal)
            return True

    def unwatch(self, reader: Reader) -> None:
        """Take back a `watch`; quiet if there is none."""
        # No loop may be running: a reader whose loop closed under it comes here when it is garbage-collected. That may
        # be in any thread and at any point, in an append as well: so without the lock.
        for signal in list(self._signals.values()):
            signal.readers.discard(reader)
