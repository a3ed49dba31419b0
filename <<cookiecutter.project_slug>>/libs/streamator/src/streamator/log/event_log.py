"""`EventLog`: append-only, in memory, read by cursors.

An append is one operation on one list, atomic in Python, so that a job never waits for a reader. Entries move on into
blocks in runs. A reader is nothing but its cursor, the last id it has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from sys import maxsize
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from ..events import clip, encode_event
from ..loops import on_event_loop, running_loop
from ..options import DAY_SECONDS, MOST, check, check_choice, check_count, check_number, check_timeout, wrong
from ..section import UNINTERRUPTED, Section, interrupted, later
from .backpressure import Follower, Followers
from .blocks import Batch, BlockList
from .waking import Alarm, Reader, Waker, waker_here

# What a full log does with a new event: see `EventLog`.
Overflow = Literal["drop_oldest", "drop_newest", "block"]
OVERFLOWS: Final = ("drop_oldest", "drop_newest", "block")
BLOCK_SECONDS: Final = 5.0
# How many short entries may wait to be put into a block; a longer text goes into one at once. Waiting entries are not
# counted in the log's size, so they must be few.
RUN_ENTRIES = 128
LONG_TEXT = 1_024
# How much of an evicted log is kept while its job goes on.
EVICTED_BYTES = 1_048_576

# In place of a level, for an event in JSON: it still lacks its t, or it is complete.
_TIMELESS, _COMPLETE = None, ""


class LogCounts(NamedTuple):
    """A log's events, at one moment."""

    last: int
    """The newest one's id, even if it is not in a block yet."""
    refused: int
    """How many came after it and were not taken: see ``overflow="drop_newest"``."""
    dropped: int
    """How many are gone, including the refused ones."""


class EventLog:
    """The append-only log of one job's events.

    Args:
        maxlen: how many events are kept (default 1,000,000).
        overflow: what happens past it. ``"drop_oldest"`` (default): the oldest events go; a reader that had not seen
            them gets ``{"event": "gap", "missed": n}`` in their place. ``"drop_newest"``: new events are dropped, and
            one gap in front of the last event says how many. ``"block"``: a thread that appends waits for the slowest
            follower, for ``block_seconds`` at the most; after a timeout the oldest events go, and that follower is
            skipped until its cursor moves. An event loop never waits: a job that runs on one awaits `drain`. Without
            followers nobody waits.
        block_seconds: see ``overflow`` (default 5).
        pace: the least time in seconds between two wakes of the same readers while the log is busy (default 0.005).
            The first event after a quiet time wakes them at once.
        start: the `time.monotonic` reading that ``t`` counts from (default: now).
        account: called with the log when `size` has changed, from any thread and without the log's lock, so that a
            store can bound the memory of its logs (default: none).

    The attributes are for reading; only the log sets them, except `read_at` and `charged`.

    Guarantees: every method may be called from any thread. Ids are 1, 2, 3, ... in the order of the appends (of a
    job's first attempt: see `ATTEMPT_IDS`), and ``t`` never falls from one id of an attempt to the next. What was
    appended does not change. Once closed, a log takes nothing. An append never waits for readers, unless ``overflow``
    says so.
    """

    __slots__ = (
        "_account", "_armed", "_block_seconds", "_blocks", "_counts", "_followers", "_lock", "_memo", "_pace", "_raw",
        "_room", "_spare", "_wakers", "charged", "closed", "closed_at", "disowned", "evicted", "maxlen", "read_at",
        "start", "status",
    )  # fmt: skip

    base = 0
    """The id that the first event follows: more than 0 in the log that a later attempt writes, see `AttemptLog`."""
    over = ""
    """Why an attempt may not write any more; see `AttemptLog`."""

    def __init__(
        self, *, maxlen: int = 1_000_000, overflow: Overflow = "drop_oldest", block_seconds: float = BLOCK_SECONDS,
        pace: float = 0.005, start: float | None = None, account: Callable[[EventLog], None] | None = None,
    ) -> None:  # fmt: skip
        check_log_options(maxlen, overflow, block_seconds, pace)
        self.start = monotonic() if start is None else start
        if start is not None:
            check_number("start", start, -MOST, MOST, "seconds of time.monotonic()")
        check(account is None or callable(account), "account", account, "give a function that takes the log, or None")
        self.maxlen = maxlen
        self.closed = False
        """Whether the job is over: the last event is in, and no other will come."""
        self.closed_at: float | None = None
        """The `time.monotonic` reading when the log was closed; None while it is open."""
        self.evicted = False
        """Whether readers are sent away without a last event: see `evict`."""
        self.disowned = False
        """Whether this is a copy in a forked process: see `disown`."""
        self.status: str | None = None
        """What is known of a job that runs in another process: None, ``"running"`` or ``"lost"``."""
        self.read_at = self.start
        """The `time.monotonic` reading when a reader last read here or waited here."""
        self.charged = 0
        """How much of `size` the store has counted."""
        self._account = account
        self._pace = pace
        self._block_seconds = block_seconds if overflow == "block" else None
        # With overflow="block", an append checks the followers once there is room for fewer events than this.
        self._spare = min(RUN_ENTRIES, max(maxlen // 4, 1)) if overflow == "block" else RUN_ENTRIES
        # Appended, and not yet in a block: three slots an entry. It is always the same list, and an append touches
        # nothing else, so it needs no lock. Everything else happens under the lock.
        self._raw: list[Any] = []
        # How many slots may wait there before an append has more to do: see `_appended`. -1 in a closed log.
        self._room = 3 * self._spare - 1
        self._lock = Section()
        self._blocks = BlockList(maxlen, self.start, overflow == "drop_newest")
        self._followers: Followers | None = None
        self._armed: list[Alarm] = []
        self._wakers: dict[asyncio.AbstractEventLoop, Waker] = {}
        self._memo: tuple[tuple[int, int, int], Batch] | None = None
        self._counts: LogCounts | None = None

    # State

    @property
    def last(self) -> int:
        """The id of the newest event; 0 in an empty log."""
        with self._lock:
            self._settle()
            return self._blocks.last

    @property
    def size(self) -> int:
        """About how many bytes of memory the events take. The newest, up to 128 short ones, may not be counted."""
        return self._blocks.size

    @property
    def newest_at(self) -> float:
        """The `time.monotonic` reading of the newest event that has been put into a block."""
        return self._blocks.newest_at

    @property
    def dropped(self) -> int:
        """How many events the log has refused or dropped: a reader that begins at the start misses them."""
        with self._lock:
            self._settle()
            return self._blocks.dropped

    @property
    def lag(self) -> int:
        """How many events the slowest follower has not finished yet; 0 without followers."""
        with self._lock:
            self._settle()
            return 0 if self._followers is None else max(self._blocks.last - self._followers.slowest(stalled=True), 0)

    def counts(self, *, final: bool = False) -> LogCounts:
        """How many events there are. It moves nothing into blocks, so that counting many logs is cheap.

        Args:
            final: keep this answer for all later calls: events that come from now on are not counted.
        """
        with self._lock:
            waiting = 0 if self.closed else len(self._raw) // 3
            counts = LogCounts(self._blocks.last + waiting, self._blocks.refused, self._blocks.dropped)
            if final and self._counts is None:
                self._counts = counts
            return self._counts or counts

    # Writing

    def append_log(self, message: str, level: str) -> bool:
        """Append a log entry; ``level`` must be one of ``LEVELS``, and a ``message`` past 65,536 characters is cut.

        Returns False, and appends nothing, if the log is closed.
        """
        if len(message) > LONG_TEXT:
            return self._append(clip(message), level)
        raw = self._raw  # `_append` without its call, which takes a tenth of `JobLogger.log`
        raw += (monotonic(), message, level)
        if self._armed or len(raw) > self._room:
            return self._appended(message)
        return True

    def append(self, event: Mapping[str, Any]) -> bool:
        """`append_json` of an event as it is now; ``t`` is the log's. Never raises for what ``event`` holds."""
        return self._append(encode_event(event), _TIMELESS)

    def append_json(self, text: str, *, add_time: bool = False) -> bool:
        """Append an event that is already encoded: one JSON object without a line break, and with ``add_time`` without
        a ``t``, which it gets. Returns False, and appends nothing, if the log is closed."""
        return self._append(text, _TIMELESS if add_time else _COMPLETE)

    def _append(self, text: str, level: str | None) -> bool:
        raw = self._raw
        raw += (monotonic(), text, level)
        if self._armed or len(raw) > self._room or len(text) > LONG_TEXT:
            return self._appended(text)
        return True

    def _appended(self, text: str, late: bool = False) -> bool:
        """The rare work of an append: wake readers, move entries into blocks, find that the log is closed.

        ``late``: the append came from a signal handler and was put off; its caller was told that it succeeded.
        """
        if interrupted():
            in_time = not self.closed
            later(partial(self._appended, text, in_time))
            return in_time
        self._wake()
        if len(self._raw) <= self._room and len(text) <= LONG_TEXT and self._block_seconds is None:
            return True
        with self._lock:
            self._settle()
            in_time = not (self.closed and self._take_back(text))
        if late and not in_time:
            warnings.warn("an event came from a signal handler while its log was being closed: dropped", stacklevel=2)
        if self._account is not None and self.size != self.charged:
            self._account(self)
        if self._block_seconds is not None and not self.closed:
            self._make_room(self._block_seconds)
        return in_time

    def _take_back(self, text: str) -> bool:
        """Remove a text that came too late; False if it was in time. Each entry that waits in a closed log is one
        call's: a call must remove its own, or the call of another thread would report success."""
        for at in range(1, len(self._raw), 3):
            if self._raw[at] is text:
                del self._raw[at - 1 : at + 2]
                return True
        return False

    def close(self, event: Mapping[str, Any] | None = None, *, json_text: str | None = None) -> bool:
        """Append the last event and close the log, in one step.

        Args:
            event: the last event (default ``{"event": "done", "status": "completed"}``); ``t`` is added.
            json_text: the last event, already encoded, in place of ``event``.

        Returns:
            True for the one call that closed the log, False for every later one. Where a signal handler interrupts
            another call of its thread, the log is closed when that call is done.
        """
        if interrupted():
            later(partial(self.close, event, json_text=json_text))
            return not self.closed
        if json_text is not None and not isinstance(json_text, str):
            raise wrong("json_text", json_text, "give the last event as JSON, or None")
        level = _TIMELESS if json_text is None else _COMPLETE
        if json_text is None:
            json_text = encode_event({"event": "done", "status": "completed"} if event is None else event)
        with self._lock:
            if self.closed:
                return False
            self._room = -1  # from here on every append checks whether it was in time
            self._blocks.add([*self._take(), monotonic(), json_text, level], self._seen(), final=True)
            self.closed = True
            self.closed_at = monotonic()
        self._wake()
        self.has_read()
        if self._account is not None:
            self._account(self)
        return True

    def begin_attempt(self, event_id: int, json_text: str) -> None:
        """Append the event that begins another attempt, with its id; see `ATTEMPT_IDS`. Ids between are no gap."""
        with self._lock:
            self._settle()
            self._blocks.skip(event_id - 1)
            self._blocks.add([monotonic(), json_text, _COMPLETE])
        self._wake()

    def reopened(self, start: float) -> EventLog:
        """A new, open log that begins with the events of this one, which is closed."""
        log = EventLog(
            maxlen=self.maxlen, pace=self._pace, start=start, account=self._account,
            block_seconds=BLOCK_SECONDS if self._block_seconds is None else self._block_seconds,
            overflow="block" if self._block_seconds is not None else self._blocks.overflow,
        )  # fmt: skip
        with self._lock:
            log._blocks = self._blocks.copied(start)
        log.charged = self.charged
        return log

    def skip(self, last: int) -> None:
        """Record that the events up to the id ``last`` are lost: the next one appended gets ``last + 1``, and
        readers get a gap. Does nothing if ``last`` is not ahead of the log."""
        with self._lock:
            self._settle()
            self._blocks.skip(last)
        self._wake()

    def trim(self, size: int) -> None:
        """Drop the oldest events, until the others take ``size`` bytes or less; readers get a gap."""
        with self._lock:
            self._settle()
            if self._lock.depth == 1:
                self._blocks.trim(size)

    def set_status(self, status: str) -> None:
        """Tell readers of a passing state of the job's producer (``"lost"``, ``"running"``); it is no event."""
        with self._lock:
            self.status = status
        self._wake()

    def evict(self) -> None:
        """Send readers away without a last event: the log is no longer kept here. It says nothing about the job.

        While the job goes on, 1 MiB of its newest events are kept.
        """
        if interrupted():
            later(self.evict)
            return
        with self._lock:
            self.evicted = True
            self._blocks.trim(EVICTED_BYTES)
        self._wake()
        self.has_read()

    @property
    def ended(self) -> bool:
        """Deprecated: `evicted`."""
        warnings.warn("EventLog.ended is deprecated: use evicted", DeprecationWarning, stacklevel=2)
        return self.evicted

    def end(self) -> None:
        """Deprecated: `evict`."""
        warnings.warn("EventLog.end() is deprecated: use evict()", DeprecationWarning, stacklevel=2)
        self.evict()

    def disown(self) -> None:
        """Accept no more events: this process is a fork, and the job is its parent's. Only for the hook after a fork:
        the lock may be held by a thread that the fork does not have."""
        self._lock = Section()
        self._armed.clear()
        self._followers = None
        self._wakers = {}
        self._room = -1
        self._raw.clear()
        self.disowned = self.closed = True

    def _wake(self) -> None:
        while self._armed:
            try:
                alarm = self._armed.pop()
            except IndexError:  # another thread was faster
                return
            with UNINTERRUPTED:
                alarm.notify()

    def _settle(self, encode: bool = False) -> None:
        """Under the lock: move waiting entries into blocks, which gives them their ids."""
        if self._raw and not self.closed and self._lock.depth == 1:  # deeper: it has interrupted another call
            self._blocks.add(self._take(), self._seen(), encode=encode)
            if self.evicted:
                self._blocks.trim(EVICTED_BYTES)

    def _take(self) -> list[Any]:
        taken = self._raw[:]
        del self._raw[: len(taken)]
        return taken

    def _seen(self) -> int:
        """The id up to which events may be dropped: with ``overflow="block"`` the slowest follower's."""
        return maxsize if self._block_seconds is None or self._followers is None else self._followers.slowest()

    # Backpressure

    def _is_read(self, left: int, *, stalled: bool = False) -> bool:
        """Whether the slowest follower has ``left`` or fewer of the kept events to read."""
        with self._lock:
            self._settle()
            if self._followers is None or self.evicted:
                return True
            return self._blocks.last - max(self._followers.slowest(stalled=stalled), self._blocks.floor) <= left

    def _make_room(self, seconds: float) -> None:
        """Wait until the slowest follower has room for a run. After a timeout, and on an event loop, the oldest go."""
        left = self.maxlen - self._spare
        followers = self._followers
        if followers is None or self._is_read(left):
            return
        waits = not on_event_loop()
        if waits and followers.wait(lambda: self.closed or self._is_read(left), seconds):
            return
        with self._lock:
            if waits:
                followers.stall(self._blocks.last - left)
            self._blocks.let_go()

    async def drain(self, left: int | None = None, timeout: float = 30.0) -> bool:
        """Wait until the slowest follower has few events to read, without blocking the event loop.

        Args:
            left: how many (default: half of ``maxlen``).
            timeout: seconds to wait at the most (default 30).

        Returns False on timeout. Without followers it is True at once.
        """
        check_timeout("timeout", timeout)
        most = self.maxlen // 2 if left is None else check_count("left", left, 0)
        running_loop()
        await asyncio.sleep(0)  # even without a wait, other tasks have their turn
        followers = self._followers
        return followers is None or await followers.drained(lambda: self._is_read(most, stalled=True), timeout)

    def add_follower(self, follower: Follower) -> None:
        """Count ``follower``, weakly, among those who read all of the log, until `remove_follower`."""
        with self._lock:
            if self._followers is None:
                self._followers = Followers()
            self._followers.add(follower)

    def remove_follower(self, follower: Follower) -> None:
        """Take back an `add_follower`; quiet if there is none."""
        with self._lock:
            if self._followers is not None:
                self._followers.discard(follower)
        self.has_read()

    def has_read(self) -> None:
        """A follower's ``seen`` has grown: tell whoever waits for that."""
        if self._followers is not None and self._followers.waiting:
            self._followers.moved()

    # Reading

    def start_at(self, after: int, since: float | None = None) -> int:
        """The cursor for a reader that has seen ``after``, and waits since the `time.monotonic` reading ``since``
        (default: now). An id that the log does not have is another log's: the reader starts at the beginning."""
        return after if 0 <= after <= self.last else 0

    def is_over_for(self, after: int) -> bool:
        """Whether a reader that has seen ``after`` has all there will be. An id past the last one is another log's."""
        return self.closed and 0 < after == self.last

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
            self._settle(encode=after == self._blocks.last)
            last = self._blocks.last
            if after >= last:
                return Batch()
            # Readers that wait together read the same: a kept batch is read in two thirds of the time, and a `Filter`
            # knows its bytes again.
            key = (after, last, limit)
            if self._memo is None or self._memo[0] != key:
                self._memo = (key, self._blocks.read(after, limit))
            return self._memo[1]

    def watch(self, reader: Reader, after: int, status: str | None = None, *, served: bool = False) -> bool:
        """Ask for one ``reader.wake()``, on the running event loop, when there is more than ``after``: events, a status
        other than ``status``, or the end. A reader that no longer waits must `unwatch`.

        ``served``: the reader comes from a read that gave it events. Its next wake is then at least ``pace`` away, even
        if there is more by now. Returns False, and asks for nothing, if there is more now.
        """
        with self._lock:
            if self.closed or self.evicted or self.status != status:
                return False
            waker = waker_here(self._wakers, self._pace)
            waker.add(reader, served)
            if self._arm(waker, after):
                return True
        return waker.may_wait(reader)

    def unwatch(self, reader: Reader) -> None:
        """Take back a `watch`; quiet if there is none."""
        for waker in list(self._wakers.values()):
            waker.discard(reader)

    def alarm(self, alarm: Alarm, after: int) -> bool:
        """`watch` for a thread: ask for one ``alarm.notify()``. The thread that appends, closes or evicts calls it: it
        must be quick. Returns False, and asks for nothing, if there is more now, or the log is closed or evicted."""
        with self._lock:
            if self.closed or self.evicted:
                return False
            if self._arm(alarm, after):
                return True
            with contextlib.suppress(ValueError):  # it has rung meanwhile
                self._armed.remove(alarm)
            return False

    def _arm(self, alarm: Alarm, after: int) -> bool:
        """Arm the alarm; returns whether there is nothing more than ``after``. It arms first and looks second, an
        append does it the other way round: so one of the two sees the other."""
        if alarm not in self._armed:
            self._armed.append(alarm)
        return not self._raw and self._blocks.last <= after


def check_log_options(maxlen: int, overflow: str, block_seconds: float, pace: float) -> None:
    """Raise ValueError for an option that an `EventLog` does not take."""
    check_count("maxlen", maxlen)
    check_choice("overflow", overflow, OVERFLOWS)
    check_number("block_seconds", block_seconds, 0, DAY_SECONDS, "seconds")
    check_number("pace", pace, 0, 60, "seconds")
