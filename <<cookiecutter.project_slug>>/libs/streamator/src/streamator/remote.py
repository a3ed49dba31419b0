"""What remote stores share: local logs, a writer for jobs that run here, a mirror of jobs that run elsewhere.

A job's log is kept in the store as *chunks* 0, 1, 2, ... A chunk holds events as lines of JSON and says with
which event it begins; a line without its end goes on in the next chunk. Only the last chunk, the *tail*, is
ever written again, and chunk n+1 only after chunk n is known to be stored. So whoever reads a chunk that
joins on to what it has may append it, and whoever reads one that does not has read something stale and looks
again. Nothing else is needed to read exactly: no index, no counter, no lock.

Each write of a job carries a *beat*, a number that only grows. A producer with nothing to say writes it anew
every third of its lease: a reader to whom it stands still for long enough knows that the producer is dead.
And a store that compares beats cannot be set back by a write that was given up and arrives late.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import random
import re
import sys
import threading
import time
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal

from . import wire
from .errors import JobExists, StoreError
from .events import is_job_id
from .log import EventLog
from .store import Job, MemoryStore

logger = logging.getLogger("streamator")

# Characters in one chunk. JSON in ASCII takes 12 bytes for the costliest of them, so that a chunk of any
# content is within 393,216 bytes, and fits a store's limit of 400 KB even where nothing can be compressed.
CHUNK_CHARS: Final = 32_768
# A tail is left as it is when its next write would bring it to more stored bytes than these. Each flush
# writes the tail once more, so large chunks cost writes, and small ones reads. So a busy job pays 1 or 2
# write units a flush.
FULL_BYTES: Final = 2_560
# An idle job's tail is rewritten for its beat alone: in one write unit, if it is smaller than this.
IDLE_BYTES: Final = 900

POLL_SECONDS: Final = 0.25  # between two reads of a job whose lines are coming
POLL_IDLE_SECONDS: Final = 2.0  # between two reads of a quiet one, at the most
FETCH_KEYS: Final = 100
MIRROR_IDLE_SECONDS: Final = 60.0  # a follower shows itself every 15 s
MAX_FINDS: Final = 1_000  # waiting at once
MISSING_SECONDS: Final = 0.5
MISSING_KEPT: Final = 10_000
LOST_LEASES: Final = 1.5
ODD_READS: Final = 8  # two seconds of reads that do not join on: no read is stale for so long
CHECK_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.1
RETRY_CAP_SECONDS: Final = 5.0
RETRY_DENIED_SECONDS: Final = 30.0

_GAP = re.compile(r'\{"event":"gap","missed":([0-9]{1,18})\}')


@dataclass(slots=True)
class Chunk:
    """Some of a job's events, as they are stored."""

    first: int
    """The id of the event that `text` begins with."""
    offset: int
    """How many characters of that event are in the chunks before."""
    text: str
    """Events, a line of JSON each; lost ones as ``{"event":"gap","missed":n}``. A last line without its end
    goes on in the next chunk."""
    beat: int
    """Grows with each write of the job."""
    lease: float
    """Seconds: the beat grows at least three times in so long, while the producer lives."""
    closed: bool = False
    """Whether the last line is the job's last event."""
    tail: int = 0
    """In chunk 0, when it was written again to keep it from expiring: the number of the tail at that time."""


Key = tuple[str, int]
FaultKind = Literal["busy", "down", "denied", "refused", "conflict", "gone"]


class StoreFault(Exception):
    """Why a store did not do what it was asked. How the store base goes on depends on the kind:

    - ``busy``: this request was turned away (throttled, 5xx); others may pass.
    - ``down``: no answer; nothing passes.
    - ``denied``: credentials, region or rights are wrong; tried again slowly.
    - ``refused``: this chunk will never be taken; a smaller one may.
    - ``conflict``: the chunk belongs to another run.
    - ``gone``: what the store had is lost (its table was deleted); it is written again from the start.
    """

    def __init__(self, kind: FaultKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FaultKind = kind
        self.reason = reason


@dataclass(slots=True)
class Fetched:
    """What a read gave. A key in neither field is not stored; nothing is known of one in ``unknown``."""

    found: dict[Key, Chunk] = field(default_factory=dict)
    unknown: set[Key] = field(default_factory=set)


@dataclass(slots=True)
class _Trouble:
    kind: FaultKind
    reason: str
    began: float = field(default_factory=time.monotonic)
    clock: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
    tries: int = 0

    @property
    def serious(self) -> bool:
        """Whether to tell: a request turned away now and then is what stores do under load."""
        return self.kind not in ("busy", "gone") or time.monotonic() - self.began > 2


def _place_after(first: int, offset: int, text: str) -> tuple[int, int]:
    """Where a chunk that follows ``text`` begins: (event id, characters of it that are stored)."""
    *lines, part = text.split("\n")
    for line in lines:
        gap = _GAP.fullmatch(line)
        first += int(gap[1]) if gap else 1
    return first, len(part) if lines else offset + len(part)


class _Outgoing:
    """A job that runs here, as its writer sees it. Only the writer's thread touches it, but for `unsaved`."""

    __slots__ = (
        "beat", "checked_at", "closed", "dead", "due", "first", "full", "head_at", "index", "job_id", "limit",
        "log", "offset", "read", "renew_at", "rest", "run", "saved", "size", "stored", "text", "trouble",
    )

    def __init__(self, job_id: str, log: EventLog) -> None:
        self.job_id = job_id
        self.log = log
        self.run = uuid.uuid4().hex
        self.beat = 0
        self.limit = CHUNK_CHARS
        self.closed = False
        """Whether the last event is known to be stored."""
        self.dead = False
        self.due = 0.0
        self.trouble: _Trouble | None = None
        self.rewind()

    def rewind(self) -> None:
        """Begin anew: the store has nothing of this job."""
        self.index = 0
        self.first, self.offset = 1, 0
        self.text = ""
        self.stored = -1
        """How many characters of `text` are known to be stored; -1: not even the chunk itself."""
        self.size = 0
        self.full = False
        self.rest = ""
        """Read from the log, but not yet in a chunk."""
        self.read = 0
        self.saved = 0
        self.renew_at = 0.0
        self.head_at = 0.0
        self.checked_at = 0.0

    @property
    def unsaved(self) -> int:
        """How many events are not known to be stored."""
        return max(self.log.last - self.saved, 0)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do for this job."""
        if self.dead:
            return self.log.closed or self.log.ended
        evicted = self.log.ended and not self.log.closed
        return self.closed or (evicted and self.stored >= 0 and not self.pending)

    @property
    def pending(self) -> bool:
        """Whether there is something to write, leases apart."""
        if self.dead or self.closed:
            return False
        return self.stored < len(self.text) or bool(self.rest) or self.log.last > self.read or self.log.closed

    def fill(self) -> bool:
        """Move what is new in the log into the tail, as far as it has room. True if the last event is in."""
        closed = self.log.closed  # before reading: what is read after it was true is all there will be
        while not self.full:
            if not self.rest:
                batch = self.log.read(self.read)
                if not batch:
                    return closed
                self.rest = b"\n".join([*wire.json_parts(batch.frames), b""]).decode()
                self.read = batch.last
            room = self.limit - len(self.text)
            cut = len(self.rest)
            if cut > room:
                cut = self.rest.rfind("\n", 0, max(room, 0)) + 1
                if not cut and not self.text:
                    cut = room  # one event that is longer than a chunk
                self.full = True
            self.text += self.rest[:cut]
            self.rest = self.rest[cut:]
        return closed and not self.rest and self.read >= self.log.last

    def step(self) -> None:
        """Leave the tail as it is stored and begin the next chunk."""
        self.first, self.offset = _place_after(self.first, self.offset, self.text)
        self.index += 1
        self.text = ""
        self.stored = -1
        self.size = 0
        self.full = False

    def split(self) -> bool:
        """Make the chunk that was refused smaller; False if it cannot be."""
        if self.stored < 0 and len(self.text) <= 1_024:
            return False
        kept = max(self.stored, 0)
        if not kept:
            self.limit = max(min(self.limit, len(self.text)) // 2, 1_024)
        self.rest = self.text[kept:] + self.rest
        self.text = self.text[:kept]
        self.full = False
        if kept:
            self.step()
        return True


class _Mirror:
    """A job that runs elsewhere, as the poller's thread sees it."""

    __slots__ = (
        "anew", "beat", "carry", "due", "hunt", "index", "interval", "lease", "log", "odd", "ok_at", "past",
        "polled_at", "quiet", "ready", "tail", "window",
    )

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
            gap = _GAP.fullmatch(line)
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


class RemoteStore(MemoryStore):
    """The base of stores that other processes see: see `DynamoStore` for one.

    A store derives from it and gives `_write`, `_fetch` and `_place`; they are called from the store's own
    threads only, never from an event loop.

    Args:
        ttl_days: how long what is written is kept, in days (default 7).
        lease_seconds: how long after its last sign of life a producer counts as alive (default 10). Its
            viewers see ``lost`` within two leases of its death.
        flush_seconds: how often what is new is written (default 0.2).
        close_seconds: how long `close`, and the end of the process, may wait for writes (default 5).
        max_mirrors: how many jobs of other processes are held here (default 1,000). Past it the one that was
            not looked for for the longest time goes first.
        options: those of `MemoryStore`.

    Guarantees: logging never waits for the store. Events are stored in order, each once; while the store
    fails they wait in the job's log, and those that fall out of it (``maxlen``) are a gap to readers. One
    thread writes, one reads; both start when there is something to do and end when there is not. `get` knows
    the jobs made here alone; `find` those of every process.
    """

    def __init__(
        self, *, ttl_days: float = 7, lease_seconds: float = 10, flush_seconds: float = 0.2,
        close_seconds: float = 5, max_mirrors: int = 1_000, max_jobs: int = 10_000, maxlen: int = 1_000_000,
        pace: float = 0.005,
    ) -> None:
        super().__init__(max_jobs=max_jobs, maxlen=maxlen, pace=pace)
        for name, value in (
            ("ttl_days", ttl_days), ("lease_seconds", lease_seconds), ("flush_seconds", flush_seconds),
            ("max_mirrors", max_mirrors),
        ):
            if not value > 0:
                raise ValueError(f"{name} is {value}: give a number greater than 0")
        self._ttl_seconds = ttl_days * 86_400
        self._lease = lease_seconds
        self._flush_seconds = flush_seconds
        self._close_seconds = close_seconds
        self._max_mirrors = max_mirrors
        self._reset()
        _live.add(self)

    def _after_fork(self) -> None:
        super()._after_fork()
        self._reset()  # the threads are the parent's, and what they write is too

    def _reset(self) -> None:
        """The state of a store whose threads have not run yet."""
        self._lock = threading.Lock()
        self._outgoing: OrderedDict[str, _Outgoing] = OrderedDict()
        self._writer: threading.Thread | None = None
        self._writer_wake = threading.Event()
        self._settled = threading.Condition()
        self._hurry = 0
        self._stopping = False
        self._down_until = 0.0
        self._warned = False
        self._given_up = 0
        self._mirrors: OrderedDict[str, _Mirror] = OrderedDict()
        self._finds: dict[str, Future[EventLog | None]] = {}
        self._missing: OrderedDict[str, float] = OrderedDict()
        self._lost: OrderedDict[str, int] = OrderedDict()
        self._poller: threading.Thread | None = None
        self._poller_wake = threading.Event()
        self._read_trouble: _Trouble | None = None
        self._read_warned = False

    # What a store gives

    @property
    def _place(self) -> str:
        """Where the store's data is, for messages: ``DynamoDB table 'my-logs'``."""
        raise NotImplementedError

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        """Store a chunk; return its size in bytes, as it is billed.

        Args:
            run: what tells this run of the job from another. A chunk of another run must not be overwritten,
                nor one with a later beat.
            known: the chunk was stored before: if it is not there, that is a `StoreFault` of kind ``gone``.

        Raises:
            StoreFault: it is not known to be stored.
        """
        raise NotImplementedError

    def _fetch(self, keys: list[Key]) -> Fetched:
        """Read up to 100 chunks, by (job id, number). Raises `StoreFault` where nothing could be read."""
        raise NotImplementedError

    # Jobs that run here

    def create(self, job_id: str, start: float | None = None) -> Job:
        """Begin a job here; other processes see it after the next flush. See `MemoryStore.create`."""
        with self._lock:
            if job_id in self._outgoing:
                raise JobExists(
                    f"job id {job_id!r} is in use: give each run an id of its own, or leave job_id out"
                )
        job = super().create(job_id, start)
        with self._lock:
            self._outgoing[job_id] = _Outgoing(job_id, job.log)
            self._missing.pop(job_id, None)
            over = len(self._outgoing) - 2 * self._max_jobs
            if over > 0:  # the store fails for so long that what waits for it must be bounded
                _, gone = self._outgoing.popitem(last=False)
                self._given_up += gone.unsaved
            self._start_writer()
        return job

    def _start_writer(self) -> None:
        self._stopping = False
        if self._writer is None:
            self._writer_wake.clear()
            _flush_at_exit()
            self._writer = threading.Thread(target=self._write_loop, name="streamator-writer", daemon=True)
            try:
                self._writer.start()
            except RuntimeError as error:  # the interpreter ends, or the system has no more threads
                self._writer = None
                logger.warning("%s: the writer could not be started: %s", self._place, error)

    def _write_loop(self) -> None:
        me = threading.current_thread()
        while True:
            if not self._hurry:
                self._writer_wake.wait(self._flush_seconds)
            self._writer_wake.clear()
            if self._writer is not me:  # another process than the one that started this thread
                return
            more = self._write_round()
            self._tell()
            with self._lock:
                for job_id in [job_id for job_id, out in self._outgoing.items() if out.finished]:
                    del self._outgoing[job_id]
                if not self._outgoing or self._stopping:
                    self._writer = None
            with self._settled:
                self._settled.notify_all()
            if self._writer is None:
                return
            if self._hurry and not more:
                self._writer_wake.wait(0.02)  # in a hurry, but what is left waits for its next try

    def _write_round(self) -> bool:
        """One write for each job in turn, as long as one has more to write. True if something was written."""
        wrote = False
        busy = True
        while busy:
            busy = False
            for out in list(self._outgoing.values()):
                now = time.monotonic()
                if now < self._down_until:
                    return wrote
                if now < out.due or out.dead or out.closed:
                    continue
                if out.index and now >= out.head_at + self._ttl_seconds / 2:
                    self._write_head(out)
                elif out.pending or out.stored < 0 or now >= out.renew_at:
                    if self._write_tail(out):
                        wrote = True
                        busy = busy or bool(out.rest)
        return wrote

    def _write_tail(self, out: _Outgoing) -> bool:
        if out.stored == len(out.text) and (out.full or (not out.pending and out.size > IDLE_BYTES)):
            out.step()
        before = out.size
        closed = out.fill()
        out.beat += 1
        chunk = Chunk(out.first, out.offset, out.text, out.beat, self._lease, closed)
        try:
            if out.index and out.stored < 0:
                self._check_head(out, closed)
            out.size = self._write(out.job_id, out.index, chunk, out.run, out.stored >= 0)
        except Exception as error:
            self._write_failed(out, _as_fault(error))
            return False
        now = time.monotonic()
        out.stored = len(out.text)
        out.full = out.full or 2 * out.size - before > FULL_BYTES
        out.saved = _place_after(out.first, out.offset, out.text)[0] - 1
        out.closed = closed
        out.renew_at = now + self._lease / 3
        if out.index == 0:
            out.head_at = out.checked_at = now
        out.trouble = None
        return True

    def _check_head(self, out: _Outgoing, closed: bool) -> None:
        """Before a new chunk: are the others still there? Only a write to a chunk that was there tells."""
        now = time.monotonic()
        if not closed and now < out.checked_at + CHECK_SECONDS:
            return
        try:
            fetched = self._fetch([(out.job_id, 0)])
        except StoreFault:
            return  # perhaps this process may write, but not read; what is wrong shows where it matters
        out.checked_at = now
        if not fetched.found and not fetched.unknown:
            raise StoreFault("gone", f"the log of job {out.job_id!r} is not there any more")

    def _write_head(self, out: _Outgoing) -> None:
        """Keep chunk 0, by which a job is found, from expiring; let it point past what does expire."""
        head = _Outgoing(out.job_id, out.log)
        head.fill()
        # What the log no longer has may still be in the chunks that follow: no gap is to hide it.
        text = "" if _GAP.match(head.text) else head.text
        out.beat += 1
        chunk = Chunk(1, 0, text, out.beat, self._lease, tail=out.index)
        try:
            self._write(out.job_id, 0, chunk, out.run, False)
        except Exception as error:
            self._write_failed(out, _as_fault(error))
        else:
            out.head_at = time.monotonic()

    def _write_failed(self, out: _Outgoing, fault: StoreFault) -> None:
        now = time.monotonic()
        if fault.kind == "refused" and out.split():
            return
        trouble = out.trouble or _Trouble(fault.kind, fault.reason)
        trouble.kind, trouble.reason = fault.kind, fault.reason
        trouble.tries += 1
        out.trouble = trouble
        if fault.kind == "conflict":
            out.dead = True
            logger.warning(
                "%s: the job id %r was used by another run, whose log is kept; this one's is not stored: "
                "give each run an id of its own, or leave job_id out", self._place, out.job_id,
            )
            return
        if fault.kind == "gone":
            if any(other.stored >= 0 or other.index for other in list(self._outgoing.values())):
                logger.warning("%s: %s; what is still in memory is written again", self._place, fault.reason)
            for other in list(self._outgoing.values()):
                other.rewind()
        slow = fault.kind in ("denied", "refused")
        wait = _backoff(trouble.tries, RETRY_DENIED_SECONDS if slow else self._cap)
        if self._hurry:
            wait = min(wait, 0.5)
        if fault.kind in ("busy", "refused"):
            out.due = now + wait
        else:
            self._down_until = now + wait

    @property
    def _cap(self) -> float:
        """The longest wait before another try: short enough that a lease outlives an outage of the store."""
        return min(RETRY_CAP_SECONDS, self._lease / 2)

    # Jobs that run elsewhere

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log, wherever the job runs; None for a job that no process has written.

        The log of a job of another process is read from the store to its present end before it is given, and
        grows as long as somebody reads it.

        Raises:
            StoreError: the store could not be read, or too many ask at once. There may be such a job.
        """
        if not is_job_id(job_id):
            return None
        job = self.get(job_id)
        if job is not None:
            return job.log
        now = time.monotonic()
        with self._lock:
            out = self._outgoing.get(job_id)
            if out is not None and not out.log.ended:
                return out.log  # forgotten here before it was all written
            mirror = self._mirrors.get(job_id)
            if mirror is not None and mirror.ready and not mirror.log.ended:
                mirror.log.read_at = now
                self._mirrors.move_to_end(job_id)
                if not mirror.log.closed and mirror.due > now + POLL_SECONDS:
                    mirror.interval = POLL_SECONDS
                    mirror.due = max(mirror.polled_at + POLL_SECONDS, now)
                    self._poller_wake.set()
                return mirror.log
            if self._missing.get(job_id, now) > now:
                return None
            future = self._finds.get(job_id)
            if future is None:
                if len(self._finds) >= MAX_FINDS:
                    raise StoreError(f"{self._place}: {MAX_FINDS:,} searches are waiting; try again later")
                future = self._finds[job_id] = Future()
            self._start_poller()
            self._poller_wake.set()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def answer() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def done(_: object) -> None:
            try:
                loop.call_soon_threadsafe(answer)
            except RuntimeError:
                if not loop.is_closed():  # with the loop, whoever waited is gone
                    raise

        # The future itself is not awaited: its answer is for all who ask, and one of them may be cancelled.
        future.add_done_callback(done)
        await waiter
        return future.result()

    def _start_poller(self) -> None:
        if self._poller is None:
            poller = threading.Thread(target=self._poll_loop, name="streamator-poller", daemon=True)
            try:
                poller.start()
            except RuntimeError as error:
                self._finds.clear()
                raise StoreError(f"{self._place}: the reader could not be started: {error}") from error
            self._poller = poller

    def _poll_loop(self) -> None:
        me = threading.current_thread()
        with self._lock:  # held until _poller is set
            pass
        while self._poller is me:
            self._poller_wake.clear()
            wait = self._poll_round()
            if self._poller is not me:
                return
            with self._lock:
                if not self._mirrors and not self._finds:
                    self._poller = None
                    return
            if wait > 0:
                self._poller_wake.wait(wait)

    def _poll_round(self) -> float:
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
            if self._read_trouble is not None and self._finds:
                return _backoff(self._read_trouble.tries, 1.0)
            if any(job_id not in self._mirrors for job_id in self._finds):
                return 0.0
            return min(
                (m.due - now for m in self._mirrors.values() if not m.log.closed),
                default=MIRROR_IDLE_SECONDS / 4,
            )

    def _poll(self, keys: list[Key], asked: list[str], polled: list[tuple[str, _Mirror]]) -> None:
        try:
            fetched = self._fetch(keys)
        except Exception as error:
            self._read_failed(_as_fault(error), asked, polled)
            return
        now = time.monotonic()
        self._read_trouble = None
        if self._read_warned:
            self._read_warned = False
            logger.warning("%s: reading works again", self._place)
        answers: list[tuple[Future[EventLog | None], EventLog | None]] = []
        for job_id in asked:
            chunk = fetched.found.get((job_id, 0))
            if chunk is not None:
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
                    answers.append((self._finds.pop(job_id), None))
        for job_id, mirror in polled:
            self._take(job_id, mirror, fetched, now)
            if mirror.ready and job_id in self._finds:
                with self._lock:
                    future = self._finds.pop(job_id, None)
                if future is not None:
                    mirror.log.read_at = now
                    answers.append((future, mirror.log))
        for future, answer in answers:
            future.set_result(answer)

    def _take(self, job_id: str, mirror: _Mirror, fetched: Fetched, now: float) -> None:
        """Append what a read gave, and decide when to read next."""
        wanted = mirror.keys()
        mirror.polled_at = now
        beat, grown, known = mirror.beat, False, True
        more = True  # there may be more to read at once
        if mirror.hunt is not None:
            known = more = self._hunt(job_id, mirror, fetched, mirror.hunt)
            wanted = []
        current = mirror.index
        for n in wanted:
            chunk = fetched.found.get((job_id, n))
            if chunk is None:
                known = (job_id, n) not in fetched.unknown
                if known and n == current and mirror.beat:
                    mirror.odd += 1  # it was there before: a stale read, or the chunks are gone
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
                mirror.odd += 1
                expired = n <= mirror.tail and not mirror.ready
                if not expired and (mirror.odd < ODD_READS or not mirror.anew):
                    more = False
                    break
                mirror.jump(chunk)
            mirror.odd = 0
            mirror.index = n
            grown = mirror.append(chunk) or grown
            if mirror.log.closed:
                mirror.ready = True
                return
        if grown:
            mirror.anew = False
        if mirror.odd >= ODD_READS:  # not stale, then: the store has lost it, and the job is written anew
            mirror.odd = 0
            mirror.index = mirror.tail = 0
            mirror.anew = True
        self._watch_lease(job_id, mirror, known, mirror.beat != beat, now)
        mirror.past = more
        if more:  # by ever larger steps, but never so large as to ask for much that is not there
            mirror.window = min(max(2, mirror.index // 3), FETCH_KEYS // 2)
            mirror.due = now
            return
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

    def _hunt(self, job_id: str, mirror: _Mirror, fetched: Fetched, between: tuple[int, int]) -> bool:
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

    def _read_failed(self, fault: StoreFault, asked: list[str], polled: list[tuple[str, _Mirror]]) -> None:
        now = time.monotonic()
        trouble = self._read_trouble or _Trouble(fault.kind, fault.reason)
        trouble.kind, trouble.reason = fault.kind, fault.reason
        trouble.tries += 1
        self._read_trouble = trouble
        wait = _backoff(trouble.tries, POLL_IDLE_SECONDS)
        for _, mirror in polled:
            mirror.ok_at = None
            mirror.due = now + wait
        if trouble.serious and not self._read_warned:
            self._read_warned = True
            logger.warning("%s: reading fails: %s", self._place, fault.reason)
        with self._lock:
            waiting = [*asked, *(job_id for job_id, _ in polled)]
            futures = [self._finds.pop(job_id) for job_id in waiting if job_id in self._finds]
        for future in futures:
            future.set_exception(StoreError(f"{self._place} could not be read: {fault.reason}"))

    # The store as a whole

    @property
    def degraded(self) -> str | None:
        """None while all is well; else what is wrong, since when, and how many events wait to be written."""
        parts = []
        with self._lock:
            outs = list(self._outgoing.values())
        troubles = [out.trouble for out in outs if out.trouble is not None and out.trouble.serious]
        if troubles:
            worst = min(troubles, key=lambda trouble: trouble.began)
            waiting = [out.unsaved for out in outs if out.unsaved]
            parts.append(
                f"writing fails since {worst.clock}: {worst.reason}; "
                f"{_count(sum(waiting), 'event')} of {_count(len(waiting), 'job')} waiting"
            )
        if self._given_up:
            parts.append(f"{_count(self._given_up, 'event')} were given up")
        trouble = self._read_trouble
        if trouble is not None and trouble.serious:
            parts.append(f"reading fails since {trouble.clock}: {trouble.reason}")
        return f"{self._place}: {'; '.join(parts)}" if parts else None

    def _tell(self) -> None:
        """One warning when writing begins to fail, one line when it works again."""
        failing = [o.trouble for o in self._outgoing.values() if o.trouble is not None and o.trouble.serious]
        if failing and not self._warned and failing[0].kind != "conflict":
            self._warned = True
            logger.warning("%s: writing fails: %s; events wait in memory", self._place, failing[0].reason)
        elif not failing and self._warned:
            lost, self._given_up = self._given_up, 0
            self._warned = False
            note = f"; {_count(lost, 'event')} were given up" if lost else ""
            logger.warning("%s: writing works again%s", self._place, note)

    def flush(self, timeout: float = 5.0) -> int:
        """Wait until what was logged before is stored.

        Args:
            timeout: seconds to wait at the most (default 5).

        Returns:
            How many events are not known to be stored; 0 when all are.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            outs = [(out, out.log.last) for out in self._outgoing.values() if not out.dead]
            if outs:
                self._start_writer()
            self._hurry += 1
            self._down_until = 0.0
            for out, _ in outs:
                out.due = 0.0
        self._writer_wake.set()
        try:
            with self._settled:
                while (left := self._left(outs)) and (wait := deadline - time.monotonic()) > 0:
                    self._settled.wait(min(wait, 0.1))
            return left
        finally:
            with self._lock:
                self._hurry -= 1

    @staticmethod
    def _left(outs: Iterable[tuple[_Outgoing, int]]) -> int:
        return sum(max(last - out.saved, 0) for out, last in outs)

    def close(self) -> None:
        """Write what is pending, for ``close_seconds`` at the most, and stop; what is not stored by then is
        reported as a warning, with its count. Quiet the second time. A job that is made later starts the
        store again."""
        left = self.flush(self._close_seconds)
        if left:
            troubles = [out.trouble for out in list(self._outgoing.values()) if out.trouble is not None]
            reason = troubles[0].reason if troubles else "the store did not answer in time"
            logger.warning("%s: closed with %s not stored: %s", self._place, _count(left, "event"), reason)
        with self._lock:
            self._stopping = True
            mirrors, self._mirrors = self._mirrors, OrderedDict()
            finds, self._finds = self._finds, {}
            writer, self._poller = self._writer, None
        self._writer_wake.set()
        self._poller_wake.set()
        for mirror in mirrors.values():
            mirror.log.end()
        for future in finds.values():
            future.set_exception(StoreError(f"{self._place}: the store was closed"))
        if writer is not None and not left:
            writer.join(self._close_seconds)


def _backoff(tries: int, cap: float) -> float:
    """Seconds before the next try: twice as many each time, half of them by chance, so that not all come at
    once."""
    wait: float = min(RETRY_SECONDS * 2 ** min(tries - 1, 20), cap)
    return wait * (0.5 + random.random() / 2)


def _as_fault(error: Exception) -> StoreFault:
    if isinstance(error, StoreFault):
        return error
    logger.error("a store failed in a way it does not know", exc_info=error)
    return StoreFault("down", f"{type(error).__name__}: {error}")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


_live: weakref.WeakSet[RemoteStore] = weakref.WeakSet()


_exits_in: int | None = None


def _at_exit() -> None:
    for store in list(_live):
        if store._outgoing:
            store.close()


def _flush_at_exit() -> None:
    """Let this process write what it has before it ends."""
    global _exits_in
    if _exits_in == os.getpid():
        return
    _exits_in = os.getpid()
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        # A child that multiprocessing forked ends without running what atexit has.
        sys.modules["multiprocessing.util"].Finalize(None, _at_exit, exitpriority=0)
    else:
        atexit.register(_at_exit)
