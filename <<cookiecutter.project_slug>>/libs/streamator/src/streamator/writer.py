"""The writer: the thread that brings the logs of this process's jobs into a remote store."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from typing import Final

from . import wire
from .chunk import GAP, Chunk, Fetch, Write, place_after
from .fault import StoreFault, Trouble, as_fault, count, logger
from .log import EventLog

# Characters in one chunk. JSON in ASCII takes 12 bytes for the costliest of them, so that a chunk of any
# content is within 393,216 bytes, and fits a store's limit of 400 KB even where nothing can be compressed.
CHUNK_CHARS: Final = 32_768
# A tail is left as it is when its next write would bring it to more stored bytes than these. Each flush
# writes the tail once more, so large chunks cost writes, and small ones reads. So a busy job pays 1 or 2
# write units a flush.
FULL_BYTES: Final = 2_304
# An idle job's tail is rewritten for its beat alone: in one write unit, if it is smaller than this.
IDLE_BYTES: Final = 900

CHECK_SECONDS: Final = 2.0
CLOSE_TIMEOUTS: Final = 6
RETRY_CAP_SECONDS: Final = 5.0
RETRY_DENIED_SECONDS: Final = 30.0


class _Outgoing:
    """A job that runs here. Only the writer's thread touches it, but for `unsaved` and `due`."""

    __slots__ = (
        "beat", "checked_at", "closed", "dead", "due", "first", "full", "head_at", "index", "job_id", "limit",
        "log", "offset", "proven", "read", "renew_at", "rest", "run", "saved", "size", "stored", "text",
        "trouble",
    )  # fmt: skip

    def __init__(self, job_id: str, log: EventLog) -> None:
        self.job_id = job_id
        self.log = log
        self.run = uuid.uuid4().hex
        self.beat = 0
        self.limit = CHUNK_CHARS
        self.closed = False
        """Whether the last event is known to be stored."""
        self.dead = False
        """Whether the id belongs to another run: nothing is written any more."""
        self.due = 0.0
        self.trouble: Trouble | None = None
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
        self.proven = True
        """Whether the chunks before this one are known to have been there when it was begun, or later."""

    @property
    def unsaved(self) -> int:
        """How many events are not known to be stored."""
        return 0 if self.dead else max(self.log.last - self.saved, 0)

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
        self.first, self.offset = place_after(self.first, self.offset, self.text)
        self.index += 1
        self.text = ""
        self.stored = -1
        self.size = 0
        self.full = False
        self.proven = False

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


class Writer:
    """Writes the logs it is given until they are closed and stored: each in order, several in turn.

    Args:
        place: where the data goes, for messages.
        write, fetch: the store's calls; they are made from the writer's thread alone.
        lease: seconds after its last sign of life in which a producer counts as alive.
        flush_seconds: how often what is new is written.
        ttl_seconds: how long the store keeps what is written.
        max_jobs: how many jobs may wait. Past it the oldest is given up.

    Guarantees: `add` never waits for the store. What could not be written is tried again, for as long as its
    log keeps it. The thread runs while there is a job to write.
    """

    def __init__(
        self, place: str, write: Write, fetch: Fetch, *, lease: float, flush_seconds: float,
        ttl_seconds: float, max_jobs: int,
    ) -> None:  # fmt: skip
        self._place = place
        self._write = write
        self._fetch = fetch
        self._lease = lease
        self._flush_seconds = flush_seconds
        self._ttl_seconds = ttl_seconds
        self._max_jobs = max_jobs
        # The longest wait before another try: short enough that a lease outlives an outage of the store.
        self._retry_cap = min(RETRY_CAP_SECONDS, lease / 2)
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Outgoing] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._settled = threading.Condition()
        self._hurry = 0
        self._stopping = False
        self._down_until = 0.0
        self._warned = False
        self._given_up = 0

    def add(self, job_id: str, log: EventLog) -> None:
        """Write this log from now on."""
        with self._lock:
            self._jobs[job_id] = _Outgoing(job_id, log)
            if len(self._jobs) > self._max_jobs:  # the store fails for long, and what waits must be bounded
                _, gone = self._jobs.popitem(last=False)
                self._given_up += gone.unsaved
            self._start()

    def get(self, job_id: str) -> EventLog | None:
        """The log of a job that is not all written yet."""
        out = self._jobs.get(job_id)
        return None if out is None else out.log

    @property
    def busy(self) -> bool:
        """Whether there are jobs that are open, or not all written yet."""
        return bool(self._jobs)

    def _outgoing(self) -> list[_Outgoing]:
        """The jobs, as they are now: others may come at any time."""
        with self._lock:
            return list(self._jobs.values())

    # The thread

    def _start(self) -> None:
        self._stopping = False
        if self._thread is None:
            self._wake.clear()
            self._thread = threading.Thread(target=self._run, name="streamator-writer", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # the interpreter ends, or the system has no more threads
                self._thread = None
                logger.warning("%s: the writer could not be started: %s", self._place, error)

    def _run(self) -> None:
        while True:
            if not self._hurry:
                self._wake.wait(self._flush_seconds)
            self._wake.clear()
            wrote = self._round()
            self._tell()
            with self._lock:
                for job_id in [job_id for job_id, out in self._jobs.items() if out.finished]:
                    del self._jobs[job_id]
                stop = self._stopping or not self._jobs
                if stop:
                    self._thread = None
            with self._settled:
                self._settled.notify_all()
            if stop:
                return
            if self._hurry and not wrote:
                self._wake.wait(0.02)  # in a hurry, but what is left waits for its next try

    def _round(self) -> bool:
        """One write for each job in turn, as long as one has more to write. True if something was written."""
        wrote = False
        busy = True
        while busy:
            busy = False
            for out in self._outgoing():
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
            if not out.proven:
                self._check_head(out, closed)
            out.size = self._write(out.job_id, out.index, chunk, out.run, out.stored >= 0)
        except Exception as error:
            self._failed(out, as_fault(error))
            return False
        now = time.monotonic()
        out.stored = len(out.text)
        out.full = out.full or 2 * out.size - before > FULL_BYTES
        out.saved = place_after(out.first, out.offset, out.text)[0] - 1
        out.closed = closed
        out.renew_at = now + self._lease / 3
        if out.index == 0:
            out.head_at = out.checked_at = now
        out.trouble = None
        return True

    def _check_head(self, out: _Outgoing, closed: bool) -> None:
        """Are the chunks before the tail still there? A write of the tail tells of a loss since the tail was
        begun, but not of one before: that is looked for now and then, and always before the last write."""
        now = time.monotonic()
        if not closed and now < out.checked_at + CHECK_SECONDS:
            return
        try:
            fetched = self._fetch([(out.job_id, 0)])
            if fetched.unknown:
                raise StoreFault("busy", f"the log of job {out.job_id!r} could not be looked for")
        except StoreFault as fault:
            if closed and fault.kind != "denied":  # perhaps this process may write, but not read
                raise
            return
        if not fetched.found:
            raise StoreFault("gone", f"the log of job {out.job_id!r} is not there any more")
        out.checked_at = now
        out.proven = out.stored >= 0

    def _write_head(self, out: _Outgoing) -> None:
        """Keep chunk 0, by which a job is found, from expiring; let it point past what does expire."""
        head = _Outgoing(out.job_id, out.log)
        head.fill()
        # What the log no longer has may still be in the chunks that follow: no gap is to hide it.
        text = "" if GAP.match(head.text) else head.text
        out.beat += 1
        chunk = Chunk(1, 0, text, out.beat, self._lease, tail=out.index)
        try:
            self._write(out.job_id, 0, chunk, out.run, False)
        except Exception as error:
            self._failed(out, as_fault(error))
        else:
            out.head_at = time.monotonic()

    def _failed(self, out: _Outgoing, fault: StoreFault) -> None:
        if fault.kind == "refused" and out.split():
            return
        out.trouble = Trouble.after(out.trouble, fault)
        if fault.kind == "conflict":
            out.dead = True
            logger.warning(
                "%s: the job id %r was used by another run, whose log is kept; this one's is not stored: "
                "give each run an id of its own, or leave job_id out", self._place, out.job_id,
            )  # fmt: skip
            return
        if fault.kind == "gone":
            jobs = self._outgoing()
            if any(other.stored >= 0 or other.index for other in jobs):
                logger.warning("%s: %s; what is still in memory is written again", self._place, fault.reason)
            for other in jobs:
                other.rewind()
        slow = fault.kind in ("denied", "refused")
        wait = out.trouble.wait(RETRY_DENIED_SECONDS if slow else self._retry_cap)
        if self._hurry:
            wait = min(wait, 0.5)
        if fault.kind in ("busy", "refused"):
            out.due = time.monotonic() + wait
        else:
            self._down_until = time.monotonic() + wait

    # What is told

    def _troubles(self) -> list[Trouble]:
        """What keeps jobs from being written, the oldest first."""
        troubles = [out.trouble for out in self._outgoing() if out.trouble is not None and not out.dead]
        return sorted((t for t in troubles if t.serious), key=lambda trouble: trouble.began)

    def _tell(self) -> None:
        """One warning when writing begins to fail, one line when it works again."""
        troubles = self._troubles()
        if troubles and not self._warned:
            self._warned = True
            logger.warning("%s: writing fails: %s; events wait in memory", self._place, troubles[0].reason)
        elif not troubles and self._warned:
            self._warned = False
            with self._lock:
                lost, self._given_up = self._given_up, 0
            note = f"; {count(lost, 'event')} were given up" if lost else ""
            logger.warning("%s: writing works again%s", self._place, note)

    @property
    def degraded(self) -> str | None:
        """What is wrong, since when, and how many events wait; None while all is well."""
        parts = []
        troubles = self._troubles()
        if troubles:
            waiting = [n for out in self._outgoing() if (n := out.unsaved)]
            parts.append(
                f"writing fails since {troubles[0].clock}: {troubles[0].reason}; "
                f"{count(sum(waiting), 'event')} of {count(len(waiting), 'job')} waiting"
            )
        if self._given_up:
            parts.append(f"{count(self._given_up, 'event')} were given up")
        return "; ".join(parts) or None

    # Waiting for it

    def flush(self, timeout: float) -> int:
        """Wait until what was logged before is stored, ``timeout`` seconds at the most. Returns how many
        events are not known to be."""
        deadline = time.monotonic() + timeout
        with self._lock:
            wanted = [(out, out.log.last) for out in self._jobs.values()]
            if wanted:
                self._start()
            self._hurry += 1
            self._down_until = 0.0
            for out, _ in wanted:
                out.due = 0.0
        self._wake.set()

        def left() -> int:
            return sum(max(last - out.saved, 0) for out, last in wanted if not out.dead)

        try:
            with self._settled:
                while left() and (wait := deadline - time.monotonic()) > 0:
                    self._settled.wait(wait)
            return left()
        finally:
            with self._lock:
                self._hurry -= 1

    def stop(self, timeout: float) -> None:
        """Write what is pending; report what could not be; end the thread.

        It gives up when ``timeout`` seconds brought nothing into the store, and after six times as long.
        """
        deadline = time.monotonic() + CLOSE_TIMEOUTS * timeout
        before = sum(out.unsaved for out in self._outgoing())
        left = self.flush(timeout)
        while 0 < left < before and time.monotonic() < deadline:
            before, left = left, self.flush(timeout)
        if left:
            reasons = [out.trouble.reason for out in self._outgoing() if out.trouble is not None]
            reason = reasons[0] if reasons else "the store did not answer in time"
            logger.warning("%s: closed with %s not stored: %s", self._place, count(left, "event"), reason)
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._wake.set()
        if thread is not None and not left:
            thread.join(timeout)
