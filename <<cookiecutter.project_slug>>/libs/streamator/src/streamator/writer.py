"""The writer: the thread that brings the logs of this process's jobs into a remote store."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from sys import maxsize
from typing import Final, Generic, NamedTuple, TypeVar

from . import shutdown
from .counts import Totals
from .deadletter import DeadLetters, make_letter
from .errors import OWN_ID
from .fault import StoreFault, Trouble, count, logger
from .log import EventLog

CLOSE_TIMEOUTS: Final = 6
# After a close that waited in vain, each waits for so long, until the store takes something again: an outage costs the
# jobs of a thread pool one wait, and not one each.
AGAIN_SECONDS: Final = 0.2
RETRY_CAP_SECONDS: Final = 5.0
RETRY_DENIED_SECONDS: Final = 30.0
# What is stored in the place of an event that the store refuses: to readers it is lost.
MISSING: Final = '{"event":"gap","missed":1}'
_T = re.compile(r'.*"t":([0-9]+\.[0-9]+)', re.DOTALL)  # the last one: an event of a job's own may hold others


class Wake:
    """Wakes the one thread that waits here. A signal handler may set it, also one that has interrupted `set`, where a
    `threading.Event` would wait for its own lock for ever."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        if self._queue.empty():
            self._queue.put(None)

    def is_set(self) -> bool:
        return not self._queue.empty()

    def wait(self, seconds: float) -> None:
        """Wait until it is set, ``seconds`` at the most, and clear it."""
        with contextlib.suppress(queue.Empty):
            self._queue.get(timeout=max(seconds, 0.0))

    def clear(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()


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
        """Whether nothing is written any more: the id belongs to another run, or the job was given up or evicted."""
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

    def release(self) -> None:
        """Nothing is written any more: let go of what was needed for it."""
        self.dead = not self.closed


Out = TypeVar("Out", bound=Outgoing)


class _Flush(Generic[Out]):
    """Somebody who waits until jobs are stored as far as they have logged by now.

    Args:
        outs: the jobs.
        tell: called by the writer's thread when fewer events are left, or when it ends.
    """

    __slots__ = ("tell", "told", "wanted")

    def __init__(self, outs: list[Out], tell: Callable[[], None]) -> None:
        self.wanted = [(out, out.log.last) for out in outs]
        self.tell = tell
        self.told = self.left

    @property
    def left(self) -> int:
        """How many events are still to be stored."""
        return sum(max(last - out.saved, 0) for out, last in self.wanted if not out.dead)

    def look(self, stopped: bool = False) -> None:
        left = self.left
        if left != self.told or stopped:
            self.told = left
            self.tell()


class Writer(ABC, Generic[Out]):
    """Writes the logs it is given until they are closed and stored: each in order, several in turn.

    How they are written is for a class that derives from it to say, in `_outgoing` and `_round`.

    Args:
        place: where the data goes, for messages.
        lease: seconds after its last sign of life in which a producer counts as alive.
        flush_seconds: how often what is new is written.
        close_seconds: how long the end of a job is waited for while the store takes nothing.
        ttl_seconds: how long the store keeps what is written.
        max_jobs: how many jobs may wait. Past it the oldest is given up.
        dead_letters: takes the events that the store refuses for good.

    Guarantees: `add` never waits for the store. What could not be written is tried again, for as long as its
    log keeps it. An event counts as refused for good when the store does not take it by itself, but takes a gap in its
    place: then the rest of the log goes on. A store that takes neither is out of order, and is tried again. The last
    event of a log is never given up. The thread runs while there is a job to write.
    """

    def __init__(
        self, place: str, *, lease: float, flush_seconds: float, close_seconds: float, ttl_seconds: float,
        max_jobs: int, dead_letters: DeadLetters,
    ) -> None:  # fmt: skip
        self._place = place
        self._lease = lease
        self._flush_seconds = flush_seconds
        self._close_seconds = close_seconds
        self._ttl_seconds = ttl_seconds
        self._max_jobs = max_jobs
        self._dead_letters = dead_letters
        self._letters_fail = False
        # The longest wait before another try: short enough that a lease outlives an outage of the store.
        self._retry_cap = min(RETRY_CAP_SECONDS, lease / 2)
        self._lock = threading.RLock()  # a signal handler may close a job while its thread holds it
        self._jobs: OrderedDict[str, Out] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._wake = Wake()
        self._flushes: list[_Flush[Out]] = []
        self._in_vain = False
        """Whether a close has waited in vain, and the store has taken nothing since."""
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

    def add(self, job_id: str, log: EventLog) -> Out:
        """Write this log from now on. What it returns is for `flush_job`."""
        with self._lock:
            out = self._jobs[job_id] = self._outgoing(job_id, log)
            log.add_follower(out)
            if len(self._jobs) > self._max_jobs:  # the store fails for long, and what waits must be bounded
                _, gone = self._jobs.popitem(last=False)
                unsaved = gone.unsaved
                self._given_up += unsaved
                self._totals.unstored += unsaved
                gone.dead = True
            self._start()
        return out

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

    @property
    def _hurry(self) -> bool:
        """Whether somebody waits."""
        return bool(self._flushes)

    def _urgent(self) -> list[Out]:
        """The jobs that somebody waits for."""
        with self._lock:
            return list(dict.fromkeys(out for flush in self._flushes for out, _ in flush.wanted))

    def _look(self, out: Out) -> None:
        """A job has come on: tell those who wait for it alone."""
        for flush in list(self._flushes):
            if len(flush.wanted) == 1 and flush.wanted[0][0] is out:
                flush.look()

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
            if wrote:
                self._in_vain = False
            self._tell()
            with self._lock:
                for job_id in self._finished():
                    self._jobs.pop(job_id).release()
                stop = self._stopping or not self._jobs
                if stop:
                    self._thread = None
                for flush in self._flushes:
                    flush.look(stop)
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
            logger.error(
                "%s: the job id %r was used by another run, whose log is kept; nothing of this one's is stored: %s",
                self._place, out.job_id, OWN_ID, extra={"job_id": out.job_id},
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

    def flush(self, timeout: float, only: Out | None = None, patience: int = 1) -> int:
        """Wait until what was logged before is stored.

        Args:
            timeout: seconds to wait at the most while the store takes nothing.
            only: the job to wait for (default: all of them).
            patience: it waits so many times as long at the most, as long as the store takes something (default 1).

        Returns how many events are not known to be stored. It waits for nothing in the writer's own thread, and
        while the interpreter ends.
        """
        moved = threading.Event()
        with self._flushing(moved.set, only) as flush:
            end = time.monotonic() + patience * timeout
            while (left := flush.left) and self._runs() and (wait := end - time.monotonic()) > 0:
                if not moved.wait(min(timeout, wait)) and flush.left == left:
                    break
                moved.clear()
            return flush.left

    async def flushed(self, timeout: float, only: Out | None = None, patience: int = 1) -> int:
        """`flush` on an event loop, which goes on meanwhile. When the server is told to stop it waits no longer."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and who waited with it
                loop.call_soon_threadsafe(moved.set)

        with self._flushing(tell, only) as flush:
            end = loop.time() + patience * timeout
            while (left := flush.left) and self._runs() and (wait := end - loop.time()) > 0:
                told = asyncio.ensure_future(moved.wait())
                try:
                    if not await shutdown.wait(told, min(timeout, wait)) and flush.left == left:
                        break
                finally:
                    told.cancel()
                moved.clear()
            return flush.left

    @contextlib.contextmanager
    def _flushing(self, tell: Callable[[], None], only: Out | None) -> Iterator[_Flush[Out]]:
        """Write what there is at once, and go on trying, as long as the context lasts."""
        with self._lock:
            outs = list(self._jobs.values()) if only is None else [only]
            flush = _Flush(outs, tell)
            if flush.left:
                self._start()
            self._flushes.append(flush)
            self._down_until = 0.0
            for out in outs:
                out.due = 0.0
        self._wake.set()
        try:
            yield flush
        finally:
            with self._lock:
                self._flushes.remove(flush)

    def _runs(self) -> bool:
        """Whether a thread writes that may be waited for here."""
        return self._thread not in (None, threading.current_thread()) and not sys.is_finalizing()

    def flush_job(self, out: Out, timeout: float | None, closing: bool = False) -> bool:
        """Wait until all that a job has logged is stored; see `flush`.

        Args:
            out: what `add` has returned.
            timeout: seconds to wait at the most (None: as long as the end of a job is waited for).
            closing: whether the job is over, so that what is not stored is reported.

        Returns False where the store lacks some of it, also where it never gets it.
        """
        last = out.log.last
        seconds, patience = self._bounds(timeout)
        left = self.flush(seconds, out, patience)
        return self._waited(out, last, seconds, left, closing)

    async def flushed_job(self, out: Out, timeout: float | None, closing: bool = False) -> bool:
        """`flush_job` on an event loop; see `flushed`."""
        last = out.log.last
        seconds, patience = self._bounds(timeout)
        left = await self.flushed(seconds, out, patience)
        return self._waited(out, last, seconds, left, closing)

    def _bounds(self, timeout: float | None) -> tuple[float, int]:
        if timeout is not None:
            return timeout, 1
        return min(self._close_seconds, AGAIN_SECONDS) if self._in_vain else self._close_seconds, CLOSE_TIMEOUTS

    def _waited(self, out: Out, last: int, seconds: float, left: int, closing: bool) -> bool:
        if left and closing and seconds and self._thread is not threading.current_thread():
            self._in_vain = True
            logger.warning(
                "%s: the end of job %r was waited for in vain: %s of it in memory only: %s", self._place,
                out.job_id, count(left, "event"), self._reason(), extra={"job_id": out.job_id},
            )  # fmt: skip
        return last <= out.saved and not out.refused

    def _reason(self) -> str:
        """Why the store has not taken all."""
        reasons = [out.trouble.reason for out in self._all() if out.trouble is not None]
        return reasons[0] if reasons else "the store did not answer in time"

    def stop(self, timeout: float) -> None:
        """Write what is pending; report what could not be; end the thread.

        It gives up when ``timeout`` seconds brought nothing into the store, and after six times as long.
        """
        left = self.flush(timeout, patience=CLOSE_TIMEOUTS)
        if left:
            logger.warning("%s: closed with %s not stored: %s", self._place, count(left, "event"), self._reason())
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._wake.set()
        if thread is not None and not left and thread is not threading.current_thread():
            thread.join(timeout)
