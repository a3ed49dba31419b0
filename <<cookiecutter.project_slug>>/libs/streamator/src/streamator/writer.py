"""The writer: the thread that brings the logs of this process's jobs into a remote store."""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from sys import maxsize
from typing import Final, Generic, NamedTuple, TypeVar

from .counts import Totals
from .deadletter import DeadLetters, make_letter
from .fault import StoreFault, Trouble, count, logger
from .log import EventLog

CLOSE_TIMEOUTS: Final = 6
RETRY_CAP_SECONDS: Final = 5.0
RETRY_DENIED_SECONDS: Final = 30.0
# What is stored in the place of an event that the store refuses: to readers it is lost.
MISSING: Final = '{"event":"gap","missed":1}'
_T = re.compile(r'.*"t":([0-9]+\.[0-9]+)', re.DOTALL)  # the last one: an event of a job's own may hold others


class Refusal(NamedTuple):
    """An event that the store did not take, even by itself."""

    id: int
    event: str | None
    """Its JSON; None where the log has let go of it."""
    reason: str


class Outgoing(ABC):
    """A job that runs here, and a follower of its log. Only the writer's thread touches it, but for `unsaved`, `seen`,
    `stalled` and `due`."""

    __slots__ = (
        "__weakref__", "_saved", "closed", "dead", "due", "job_id", "log", "reached", "refused", "stalled", "trouble",
    )  # fmt: skip

    def __init__(self, job_id: str, log: EventLog) -> None:
        self.job_id = job_id
        self.log = log
        self._saved = 0
        self.reached = 0
        """The largest that `saved` has been: what comes up to there is written again."""
        self.stalled = -1
        self.closed = False
        """Whether the last event is known to be stored."""
        self.dead = False
        """Whether the id belongs to another run: nothing is written any more."""
        self.due = 0.0
        self.trouble: Trouble | None = None
        self.refused: set[int] = set()
        """The ids of the events that are dead letters."""

    @property
    def saved(self) -> int:
        """The id of the last event that is known to be stored."""
        return self._saved

    @saved.setter
    def saved(self, value: int) -> None:
        self._saved = value
        self.reached = max(self.reached, value)
        self.log.has_read()

    @property
    def seen(self) -> int:
        """As a follower of the log, see `EventLog.add_follower`: a job that is not written holds nobody up."""
        return maxsize if self.dead else self._saved

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
        return self.closed or (evicted and self.settled)

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether all that there is now is written."""

    @abstractmethod
    def rewind(self) -> None:
        """Begin anew: the store has nothing of this job."""


Out = TypeVar("Out", bound=Outgoing)


class Writer(ABC, Generic[Out]):
    """Writes the logs it is given until they are closed and stored: each in order, several in turn.

    How they are written is for a class that derives from it to say, in `_outgoing` and `_round`.

    Args:
        place: where the data goes, for messages.
        lease: seconds after its last sign of life in which a producer counts as alive.
        flush_seconds: how often what is new is written.
        ttl_seconds: how long the store keeps what is written.
        max_jobs: how many jobs may wait. Past it the oldest is given up.
        dead_letters: takes the events that the store refuses for good.

    Guarantees: `add` never waits for the store. What could not be written is tried again, for as long as its
    log keeps it. An event counts as refused for good when the store does not take it by itself, but takes a gap in its
    place: then the rest of the log goes on. A store that takes neither is out of order, and is tried again. The last
    event of a log is never given up. The thread runs while there is a job to write.
    """

    def __init__(
        self, place: str, *, lease: float, flush_seconds: float, ttl_seconds: float, max_jobs: int,
        dead_letters: DeadLetters,
    ) -> None:  # fmt: skip
        self._place = place
        self._lease = lease
        self._flush_seconds = flush_seconds
        self._ttl_seconds = ttl_seconds
        self._max_jobs = max_jobs
        self._dead_letters = dead_letters
        self._letters_fail = False
        # The longest wait before another try: short enough that a lease outlives an outage of the store.
        self._retry_cap = min(RETRY_CAP_SECONDS, lease / 2)
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Out] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._settled = threading.Condition()
        self._hurry = 0
        self._stopping = False
        self._down_until = 0.0
        self._warned = False
        self._given_up = 0
        self._totals = Totals()

    # What a writer gives

    @abstractmethod
    def _outgoing(self, job_id: str, log: EventLog) -> Out:
        """The state of a job of which nothing is written."""

    @abstractmethod
    def _round(self) -> bool:
        """Write what is due. True if something was written."""

    def _pause(self) -> None:
        """Wait until there may be something to write."""
        self._wake.wait(self._flush_seconds)

    # What it is to others

    def add(self, job_id: str, log: EventLog) -> None:
        """Write this log from now on."""
        with self._lock:
            out = self._jobs[job_id] = self._outgoing(job_id, log)
            log.add_follower(out)
            if len(self._jobs) > self._max_jobs:  # the store fails for long, and what waits must be bounded
                _, gone = self._jobs.popitem(last=False)
                unsaved = gone.unsaved
                self._given_up += unsaved
                self._totals.unstored += unsaved
            self._start()

    def get(self, job_id: str) -> EventLog | None:
        """The log of a job that is not all written yet."""
        out = self._jobs.get(job_id)
        return None if out is None else out.log

    @property
    def busy(self) -> bool:
        """Whether there are jobs that are open, or not all written yet."""
        return bool(self._jobs)

    def _all(self) -> list[Out]:
        """The jobs, as they are now: others may come at any time."""
        with self._lock:
            return list(self._jobs.values())

    # What is counted; but for `pending`, in the writer's thread

    @property
    def totals(self) -> Totals:
        """What has come of the writes: ``failures``, ``retries``, ``unstored``, ``refused``; and ``publish``, for the
        first event of each write that brought new ones: from the call that logged it, to the millisecond, until it was
        stored."""
        return self._totals

    @property
    def pending(self) -> int:
        """How many events are not known to be stored."""
        return sum(max(out.log.counts().last - out.saved, 0) for out in self._all() if not out.dead)

    def _note_stored(self, out: Out, event: str) -> None:
        """A write was good, and this event, in JSON, is the first that it brought."""
        found = _T.match(event)
        if found:  # a gap has no t
            self._totals.publish.note(max(time.monotonic() - out.log.start - float(found[1]), 0.0))

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
                self._pause()
            self._wake.clear()
            try:
                wrote = self._round()
            except Exception:  # a mistake: without a thread, its jobs would wait for ever, and so would all later ones
                logger.exception("%s: the writer failed; it tries again in %g s", self._place, self._retry_cap)
                self._down_until = time.monotonic() + self._retry_cap
                wrote = False
            self._tell()
            with self._lock:
                for job_id in self._finished():
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

    def _finished(self) -> list[str]:
        """Under the lock: the jobs that need no writer any more."""
        return [job_id for job_id, out in self._jobs.items() if out.finished]

    def _failed(self, out: Out, fault: StoreFault) -> None:
        """Note why a job could not be written, and when to try again."""
        out.trouble = Trouble.after(out.trouble, fault)
        if fault.kind == "conflict":
            out.dead = True
            logger.warning(
                "%s: the job id %r was used by another run, whose log is kept; this one's is not stored: "
                "give each run an id of its own, or leave job_id out", self._place, out.job_id,
                extra={"job_id": out.job_id},
            )  # fmt: skip
            return
        slow = fault.kind in ("denied", "refused")
        wait = out.trouble.wait(RETRY_DENIED_SECONDS if slow else self._retry_cap)
        if self._hurry:
            wait = min(wait, 0.5)
        if fault.kind in ("busy", "refused"):
            out.due = time.monotonic() + wait
        else:
            self._down_until = time.monotonic() + wait

    def _bury(self, out: Out, refusal: Refusal) -> None:
        """A gap is stored in the place of an event: let it be a dead letter."""
        if not out.refused:  # one warning a job; the letters tell the rest
            logger.warning(
                "%s: event %d of job %r is refused for good, and goes to the dead letters: %s",
                self._place, refusal.id, out.job_id, refusal.reason, extra={"job_id": out.job_id},
            )  # fmt: skip
        out.refused.add(refusal.id)
        self._totals.refused += 1
        try:
            if refusal.event is None:
                raise LookupError(f"event {refusal.id} of job {out.job_id!r} is no longer in memory")
            self._dead_letters(make_letter(self._place, out.job_id, refusal.id, refusal.reason, refusal.event))
        except Exception as error:  # also a function of the application: the job is not to end for it
            if not self._letters_fail:
                text = "%s: a dead letter could not be kept, and is lost: %s: %s"
                about = {"job_id": out.job_id}
                logger.warning(text, self._place, type(error).__name__, error, exc_info=error, extra=about)
            self._letters_fail = True
        else:
            self._letters_fail = False

    # What is told

    def _troubles(self) -> list[Trouble]:
        """What keeps jobs from being written, the oldest first."""
        troubles = [out.trouble for out in self._all() if out.trouble is not None and not out.dead]
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
            waiting = [n for out in self._all() if (n := out.unsaved)]
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
        before = sum(out.unsaved for out in self._all())
        left = self.flush(timeout)
        while 0 < left < before and time.monotonic() < deadline:
            before, left = left, self.flush(timeout)
        if left:
            reasons = [out.trouble.reason for out in self._all() if out.trouble is not None]
            reason = reasons[0] if reasons else "the store did not answer in time"
            logger.warning("%s: closed with %s not stored: %s", self._place, count(left, "event"), reason)
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._wake.set()
        if thread is not None and not left:
            thread.join(timeout)
