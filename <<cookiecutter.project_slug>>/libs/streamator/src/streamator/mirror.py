"""The mirrors: local logs of jobs that run elsewhere, filled from a remote store by one thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import Final

from .chunk import GAP, Chunk, Fetch, Fetched, Key
from .errors import StoreError
from .fault import StoreFault, Trouble, as_fault, logger
from .log import EventLog

POLL_SECONDS: Final = 0.25  # between two reads of a job whose lines are coming
POLL_IDLE_SECONDS: Final = 2.0  # between two reads of a quiet one, at the most
FETCH_KEYS: Final = 100
MIRROR_IDLE_SECONDS: Final = 60.0  # a follower shows itself every 15 s
FRESH_SECONDS: Final = 1.0  # the wait for news of a job that is here already
FIND_TRIES: Final = 3  # reads that fail, before whoever asks is told
MAX_FINDS: Final = 1_000  # waiting at once
MISSING_SECONDS: Final = 0.5
MISSING_KEPT: Final = 10_000
# A producer is lost when its beat stood still for so many leases: reads at both ends included, within two.
LOST_LEASES: Final = 1.25
ODD_READS: Final = 8  # two seconds of reads that do not join on: no read is stale for so long


class _Mirror:
    """A job that runs elsewhere, as the poller's thread sees it."""

    __slots__ = (
        "anew", "beat", "carry", "due", "hunt", "index", "interval", "lease", "log", "odd", "ok_at", "past",
        "polled_at", "quiet", "ready", "tail", "window",
    )  # fmt: skip

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.index = 0
        self.carry = ""
        """What is read of the event after the log's last."""
        self.beat = 0
        self.lease = 10.0
        self.tail = 0
        self.hunt: tuple[int, int] | None = None
        """Chunks are gone: (one that is not there, a later one that is)."""
        self.past = False
        """Whether the chunk ``index`` is known to be whole: the next read begins after it."""
        self.window = 1
        self.interval = POLL_SECONDS
        self.due = 0.0
        self.polled_at = 0.0
        self.ok_at: float | None = None
        self.quiet = 0.0
        """Seconds for which the beat has been seen to stand still."""
        self.odd = 0
        """Reads in a row that do not fit what was read before."""
        self.anew = False
        """Whether it was read from chunk 0 again since, in vain so far."""
        self.ready = False
        """Whether it has been read to its end once."""

    def keys(self) -> list[int]:
        if self.hunt is not None:
            low, high = self.hunt
            return sorted({low + (high - low) * k // 8 for k in range(1, 9)} - {low})
        start = self.index + self.past
        return list(range(start, start + self.window))

    def joins(self, chunk: Chunk) -> bool:
        return (chunk.first, chunk.offset) <= (self.log.last + 1, len(self.carry))

    def append(self, chunk: Chunk) -> bool:
        """Append what is new in a chunk that joins on. Returns whether there was something."""
        log = self.log
        before = log.last, len(self.carry)
        event_id, offset = chunk.first, chunk.offset
        *lines, part = chunk.text.split("\n")
        for n, line in enumerate(lines, 1):
            gap = GAP.fullmatch(line)
            if gap:
                event_id += int(gap[1])
                log.skip(event_id - 1)
                self.carry = ""
            else:
                if event_id == log.last + 1:
                    text = self.carry[:offset] + line
                    self.carry = ""
                    if chunk.closed and n == len(lines):
                        log.close(json_text=text)
                    else:
                        log.append_json(text)
                event_id += 1
            offset = 0
        if part and event_id == log.last + 1 and offset + len(part) > len(self.carry):
            self.carry = self.carry[:offset] + part
        return before != (log.last, len(self.carry))

    def jump(self, chunk: Chunk) -> None:
        """Give up what lies before a chunk: it is lost."""
        self.carry = ""
        self.log.skip(chunk.first if chunk.offset else chunk.first - 1)


class Mirrors:
    """The jobs of other processes that are followed here, each once, however many viewers it has.

    Args:
        place: where the data comes from, for messages.
        fetch: the store's read; it is made from the poller's thread alone.
        max_mirrors: how many jobs are held. Past it the one whose last look-up is the oldest goes.
        maxlen, pace: those of each `EventLog`.

    Guarantees: a log grows by what is stored, in order, each event once. The thread runs while there is a job
    to follow, and a job is followed while somebody reads its log.
    """

    def __init__(self, place: str, fetch: Fetch, *, max_mirrors: int, maxlen: int, pace: float) -> None:
        self._place = place
        self._fetch = fetch
        self._max_mirrors = max_mirrors
        self._maxlen = maxlen
        self._pace = pace
        self._lock = threading.Lock()
        self._mirrors: OrderedDict[str, _Mirror] = OrderedDict()
        self._finds: dict[str, Future[EventLog | None]] = {}
        self._missing: OrderedDict[str, float] = OrderedDict()
        """Jobs that were not there: until when that is taken for an answer."""
        self._lost: OrderedDict[str, int] = OrderedDict()
        """Jobs whose producer was lost: the beat at which it stood still."""
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._trouble: Trouble | None = None
        self._warned = False

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log as it is in the store now, give or take `POLL_SECONDS`; None if it is not there.

        Raises:
            StoreError: the store could not be read, or too many ask at once.
        """
        held, answer = self._look(job_id)
        if answer is None:
            return held
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def done(_: object) -> None:
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                if not loop.is_closed():  # with the loop, whoever waited is gone
                    raise

        # The future itself is not awaited: its answer is for all who ask, and one of them may be cancelled.
        answer.add_done_callback(done)
        await asyncio.wait([waiter], timeout=FRESH_SECONDS if held is not None else None)
        return answer.result() if answer.done() else held

    def _look(self, job_id: str) -> tuple[EventLog | None, Future[EventLog | None] | None]:
        """The log that is here, and what will be known after the next read, if there is to be one."""
        now = time.monotonic()
        held: EventLog | None = None
        with self._lock:
            mirror = self._mirrors.get(job_id)
            if mirror is not None and mirror.ready and not mirror.log.ended:
                mirror.log.read_at = now
                self._mirrors.move_to_end(job_id)
                held = mirror.log
                if held.closed or self._trouble is not None or now < mirror.polled_at + POLL_SECONDS:
                    return held, None
                mirror.due = now
            elif self._missing.get(job_id, now) > now:
                return None, None
            future = self._finds.get(job_id)
            if future is None:
                if len(self._finds) >= MAX_FINDS:
                    raise StoreError(f"{self._place}: {MAX_FINDS:,} searches are waiting; try again later")
                future = self._finds[job_id] = Future()
            self._start()
            self._wake.set()
            return held, future

    def forget_missing(self, job_id: str) -> None:
        """Look again for a job that was not there."""
        with self._lock:
            self._missing.pop(job_id, None)

    # The thread

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="streamator-poller", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._finds.clear()
                raise StoreError(f"{self._place}: the reader could not be started: {error}") from error
            self._thread = thread

    def _run(self) -> None:
        me = threading.current_thread()
        with self._lock:  # held until _thread is set
            pass
        while self._thread is me:
            self._wake.clear()
            wait = self._round()
            if self._thread is not me:
                return
            with self._lock:
                if not self._mirrors and not self._finds:
                    self._thread = None
                    return
            if wait > 0:
                self._wake.wait(wait)

    def _round(self) -> float:
        """Read what is due, in one fetch. Returns the seconds until more is due."""
        now = time.monotonic()
        ended: list[EventLog] = []
        with self._lock:
            for job_id, mirror in list(self._mirrors.items()):
                if mirror.log.ended or (mirror.ready and now - mirror.log.read_at > MIRROR_IDLE_SECONDS):
                    del self._mirrors[job_id]
                    ended.append(mirror.log)
            while len(self._mirrors) > self._max_mirrors:
                _, oldest = self._mirrors.popitem(last=False)
                ended.append(oldest.log)
            asked = [job_id for job_id in self._finds if job_id not in self._mirrors][: FETCH_KEYS // 2]
            keys = [(job_id, 0) for job_id in asked]
            polled: list[tuple[str, _Mirror]] = []
            for job_id, mirror in sorted(self._mirrors.items(), key=lambda item: item[1].due):
                if mirror.log.closed:
                    continue
                wanted = mirror.keys()
                if mirror.due > now or len(keys) + len(wanted) > FETCH_KEYS:
                    break
                polled.append((job_id, mirror))
                keys += [(job_id, n) for n in wanted]
        for log in ended:
            log.end()
        if keys:
            self._poll(keys, asked, polled)
        now = time.monotonic()
        with self._lock:
            if self._trouble is not None and self._finds:
                return self._trouble.wait(1.0)
            if any(job_id not in self._mirrors for job_id in self._finds):
                return 0.0
            return min(
                (m.due - now for m in self._mirrors.values() if not m.log.closed),
                default=MIRROR_IDLE_SECONDS / 4,
            )

    def _poll(self, keys: list[Key], asked: list[str], polled: list[tuple[str, _Mirror]]) -> None:
        began = time.monotonic()
        try:
            fetched = self._fetch(keys)
        except Exception as error:
            self._failed(as_fault(error), asked, polled, time.monotonic() - began)
            return
        now = time.monotonic()
        self._trouble = None
        if self._warned:
            self._warned = False
            logger.warning("%s: reading works again", self._place)
        answers: dict[str, EventLog | None] = {}
        for job_id in asked:
            if (job_id, 0) in fetched.found:
                mirror = _Mirror(EventLog(maxlen=self._maxlen, pace=self._pace))
                with self._lock:
                    self._mirrors[job_id] = mirror
                polled.append((job_id, mirror))
            elif (job_id, 0) not in fetched.unknown:
                with self._lock:
                    self._missing[job_id] = now + MISSING_SECONDS
                    self._missing.move_to_end(job_id)
                    if len(self._missing) > MISSING_KEPT:
                        self._missing.popitem(last=False)
                answers[job_id] = None
        for job_id, mirror in polled:
            if self._take(job_id, mirror, fetched, now) and mirror.ready:
                answers[job_id] = mirror.log
        self._answer(answers)

    def _answer(self, answers: dict[str, EventLog | None]) -> None:
        with self._lock:
            asked = [(job_id, log) for job_id, log in answers.items() if job_id in self._finds]
            futures = [(self._finds.pop(job_id), log) for job_id, log in asked]
        for future, log in futures:
            if log is not None:
                log.read_at = time.monotonic()
            future.set_result(log)

    def _take(self, job_id: str, mirror: _Mirror, fetched: Fetched, now: float) -> bool:
        """Append what a read gave, and decide when to read next. Returns whether the end was reached."""
        wanted = mirror.keys()
        mirror.polled_at = now
        beat, grown, known = mirror.beat, False, True
        fits = True
        more = True  # there may be more to read at once
        if mirror.hunt is not None:
            known = more = self._hunt(mirror, job_id, fetched, mirror.hunt)
            wanted = []
        current = mirror.index
        for n in wanted:
            chunk = fetched.found.get((job_id, n))
            if chunk is None:
                known = (job_id, n) not in fetched.unknown
                if known and n == current and mirror.beat:
                    fits = False  # it was there before: a stale read, or the chunks are gone
                if known and mirror.tail > n > current:
                    mirror.hunt = n, mirror.tail
                else:
                    more = False
                break
            if chunk.beat > mirror.beat:
                mirror.beat = chunk.beat
                if mirror.log.status == "lost":
                    self._lost.pop(job_id, None)
                    mirror.log.set_status("running")
            mirror.lease = chunk.lease
            mirror.tail = max(mirror.tail, chunk.tail)
            if not mirror.joins(chunk):
                expired = n <= mirror.tail and not mirror.ready
                if not expired and (mirror.odd + 1 < ODD_READS or not mirror.anew):
                    fits = more = False
                    break
                mirror.jump(chunk)
            mirror.index = n
            grown = mirror.append(chunk) or grown
            if mirror.log.closed:
                mirror.ready = True
                return True
        if known:  # what could be read of a window does not tell that the rest fits
            mirror.odd = 0 if fits else mirror.odd + 1
        if grown:
            mirror.anew = False
        # What does not fit says nothing of the producer, until it is known that nothing fits.
        self._watch_lease(job_id, mirror, known and (not mirror.odd or mirror.anew), mirror.beat != beat, now)
        if mirror.odd >= ODD_READS:  # not stale, then: the store has lost it, and the job is written anew
            mirror.odd = 0
            mirror.index = mirror.tail = 0
            mirror.anew = True
        mirror.past = more
        if more:  # by ever larger steps, but never so large as to ask for much that is not there
            mirror.window = min(max(2, mirror.index // 3), FETCH_KEYS // 2)
            mirror.due = now
            return False
        mirror.window = 2
        if known and not mirror.ready and not mirror.odd:
            mirror.ready = True
            if self._lost.get(job_id) == mirror.beat:  # no news of a producer that was lost before
                mirror.quiet = max(mirror.quiet, LOST_LEASES * mirror.lease)
                mirror.log.set_status("lost")
        longest = min(POLL_IDLE_SECONDS, mirror.lease / 5)
        mirror.interval = POLL_SECONDS if grown or mirror.odd else mirror.interval * 1.5
        mirror.interval = min(mirror.interval, longest)
        mirror.due = now + mirror.interval if known else now + 0.05
        return known

    def _hunt(self, mirror: _Mirror, job_id: str, fetched: Fetched, between: tuple[int, int]) -> bool:
        """Look for the first chunk that is still there, where those before it have expired."""
        low, high = between
        for n in mirror.keys():
            if (job_id, n) in fetched.unknown:
                return False
            if (job_id, n) in fetched.found:
                high = n
                break
            low = n
        if low >= high:  # not even the last one is there
            mirror.hunt = None
            mirror.tail = 0
            return True
        mirror.hunt = low, high
        if high == low + 1:
            mirror.hunt = None
            chunk = fetched.found.get((job_id, high))
            if chunk is not None:
                if not mirror.joins(chunk):
                    mirror.jump(chunk)
                mirror.index = high
                mirror.append(chunk)
        return True

    def _watch_lease(self, job_id: str, mirror: _Mirror, known: bool, alive: bool, now: float) -> None:
        """Tell viewers when the producer seems dead, and when it is back.

        Only time between two good reads counts, and of that no more than two such reads are apart: an outage
        of the store, a reader that was stopped, or a clock that jumps, make no producer look dead.
        """
        if alive:
            mirror.quiet = 0.0
        elif known and mirror.ok_at is not None:
            mirror.quiet += min(now - mirror.ok_at, 2 * mirror.interval + 0.1)
        mirror.ok_at = now if known else None
        if mirror.quiet >= LOST_LEASES * mirror.lease and mirror.log.status != "lost":
            mirror.log.set_status("lost")
            self._lost[job_id] = mirror.beat
            if len(self._lost) > self._max_mirrors:
                self._lost.popitem(last=False)
        if mirror.quiet >= (LOST_LEASES + 1) * mirror.lease:
            mirror.log.end()

    def _failed(
        self, fault: StoreFault, asked: list[str], polled: list[tuple[str, _Mirror]], took: float
    ) -> None:
        self._trouble = trouble = Trouble.after(self._trouble, fault)
        due = time.monotonic() + trouble.wait(POLL_IDLE_SECONDS)
        for _, mirror in polled:
            mirror.ok_at = None
            mirror.due = due
        if trouble.serious and not self._warned:
            self._warned = True
            logger.warning("%s: reading fails: %s", self._place, fault.reason)
        # Whoever asks for a job that is here gets what there is of it.
        self._answer({job_id: mirror.log for job_id, mirror in polled if mirror.ready})
        # To the others one fault is no answer yet: a viewer that is turned away may not come back.
        if trouble.tries >= FIND_TRIES or took > FRESH_SECONDS or fault.kind == "denied":
            self._refuse(f"could not be read: {fault.reason}", [*asked, *(job_id for job_id, _ in polled)])

    def _refuse(self, why: str, job_ids: list[str]) -> None:
        with self._lock:
            futures = [self._finds.pop(job_id) for job_id in job_ids if job_id in self._finds]
        for future in futures:
            future.set_exception(StoreError(f"{self._place} {why}"))

    @property
    def degraded(self) -> str | None:
        """What is wrong, and since when; None while all is well."""
        trouble = self._trouble
        if trouble is None or not trouble.serious:
            return None
        return f"reading fails since {trouble.clock}: {trouble.reason}"

    def stop(self) -> None:
        """Send the readers away and end the thread."""
        with self._lock:
            mirrors, self._mirrors = self._mirrors, OrderedDict()
            self._thread = None
            waiting = list(self._finds)
        self._wake.set()
        for mirror in mirrors.values():
            mirror.log.end()
        self._refuse("is closed", waiting)
