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
from typing import Final, Generic, TypeVar

from ... import ending
from ...errors import OWN_ID
from ...log import AttemptLog, EventLog
from ..counts import Totals
from .deadletters import DeadLetters, make_letter
from .faults import MAX_BACKOFF_SECONDS, StoreFault, Trouble, count, logger
from .outgoing import Opened, Outgoing, Refusal

CLOSE_TIMEOUTS: Final = 6
# After a close that timed out, each later one waits for so long, until a write succeeds: an outage costs the jobs of a
# thread pool one long wait, not one each.
AGAIN_SECONDS: Final = 0.2
# The longest backoff where the store denies or refuses a write, in seconds: another try hardly helps.
DENIED_SECONDS: Final = 30.0
_T = re.compile(r'.*"t":([0-9]+\.[0-9]+)', re.DOTALL)  # the last one: an event of a job's own may hold others


class Wake:
    """Wakes the one thread that waits here. A signal handler may set it even if it has interrupted `set`, where a
    `threading.Event` would wait forever for its own lock."""

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


Out = TypeVar("Out", bound=Outgoing)


class _Flush(Generic[Out]):
    """A wait until everything that some jobs have logged by now is stored.

    Args:
        outs: the jobs.
        tell: called by the writer's thread when `left` has changed, or when the thread ends.
    """

    def __init__(self, outs: list[Out], tell: Callable[[], None]) -> None:
        self.wanted = [(out, out.log.last) for out in outs]
        self.news = 0
        """How often `tell` was called."""
        self._tell = tell
        self._told = self.left

    @property
    def left(self) -> int:
        """How many events are still to be stored."""
        return sum(max(last - out.saved, 0) for out, last in self.wanted if not out.dead)

    def look(self, stopped: bool = False) -> None:
        left = self.left
        if left != self._told or stopped:
            self._told = left
            self.news += 1
            self._tell()


class Writer(ABC, Generic[Out]):
    """Writes the logs it is given until they are closed and stored: each in order, several in turn.

    A subclass writes them, in `_outgoing` and `_round`.

    Args:
        place: where the data goes, for messages.
        lease: seconds after its last sign of life in which a producer counts as alive.
        flush_seconds: seconds between two writes.
        close_seconds: how long the end of a job waits while the store takes nothing.
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
        # Short, so that after an outage of the store the lease is renewed in time.
        self._max_backoff = min(MAX_BACKOFF_SECONDS, lease / 2)
        self._lock = threading.RLock()  # a signal handler may close a job while its thread holds it
        self._jobs: OrderedDict[str, Out] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._wake = Wake()
        self._flushes: list[_Flush[Out]] = []
        self._close_timed_out = False
        """Whether a close timed out, and the store has taken nothing since."""
        self._stopping = False
        self._down_until = 0.0
        self._warned = False
        self._given_up = 0
        self._totals = Totals()

    # For subclasses

    @abstractmethod
    def _outgoing(self, job_id: str, log: EventLog, opened: Opened | None) -> Out:
        """The state of a job of which nothing is written, or of an attempt that the store has let begin."""

    @abstractmethod
    def _round(self) -> bool:
        """Write what is due. True if something was written."""

    def _pause(self) -> None:
        """Wait until there may be something to write."""
        self._wake.wait(self._flush_seconds)

    # For the store

    def add(self, job_id: str, log: EventLog, opened: Opened | None = None) -> Out:
        """Write this log from now on. What it returns is for `flush_job`."""
        with self._lock:
            if opened is not None and job_id in self._jobs:  # the attempt before
                self._jobs.pop(job_id).release()
            out = self._jobs[job_id] = self._outgoing(job_id, log, opened)
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

    def flush_ended(self, job_id: str) -> None:
        """Wait for what is left to write of an attempt that is over here."""
        out = self._jobs.get(job_id)
        if out is not None and (out.log.closed or out.log.over):
            self.flush_job(out, None, True)

    @property
    def busy(self) -> bool:
        """Whether there are jobs that are open, or not all written yet."""
        return bool(self._jobs)

    def _all(self) -> list[Out]:
        """The jobs, as they are now: others may come at any time."""
        with self._lock:
            return list(self._jobs.values())

    # Counting; except for `pending`, in the writer's thread

    @property
    def totals(self) -> Totals:
        """The outcome of the writes: ``failures``, ``retries``, ``unstored``, ``refused``; and ``publish``, for the
        first new event of each write, the time from the call that logged it until it was stored, to the millisecond."""
        return self._totals

    @property
    def pending(self) -> int:
        """How many events are not known to be stored."""
        return sum(max(out.log.counts().last - out.saved, 0) for out in self._all() if not out.dead)

    def _note_stored(self, out: Out, event: str) -> None:
        """A write succeeded; ``event``, in JSON, is the first new one that it brought."""
        found = _T.match(event)
        if found:  # a gap has no t
            self._totals.publish.note(max(time.monotonic() - out.log.start - float(found[1]), 0.0))

    @property
    def _is_flushing(self) -> bool:
        """Whether somebody waits for a flush."""
        return bool(self._flushes)

    def _urgent(self) -> list[Out]:
        """The jobs that somebody waits for."""
        with self._lock:
            return list(dict.fromkeys(out for flush in self._flushes for out, _ in flush.wanted))

    def _look(self, out: Out) -> None:
        """A job made progress: tell those who wait for it alone."""
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
            if not self._is_flushing:
                self._pause()
            self._wake.clear()
            try:
                wrote = self._round()
            except Exception:  # a bug: without a thread, all jobs would wait forever
                logger.exception("%s: the writer failed; it tries again in %g s", self._place, self._max_backoff)
                self._down_until = time.monotonic() + self._max_backoff
                wrote = False
            if wrote:
                self._close_timed_out = False
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
            if self._is_flushing and not wrote:
                self._wake.wait(0.02)  # somebody waits, but the rest is backing off

    def _finished(self) -> list[str]:
        """Under the lock: the jobs that need no writer any more."""
        return [job_id for job_id, out in self._jobs.items() if out.finished]

    def _failed(self, out: Out, fault: StoreFault) -> bool:
        """A write failed. Returns whether the job is to be written again at once, in a smaller write."""
        self._totals.failures[fault.kind] += 1
        if fault.kind == "refused" and out.narrow(fault):
            return True
        self._put_off(out, fault)
        return False

    def _put_off(self, out: Out, fault: StoreFault) -> None:
        """Note why a job could not be written, and when to try again."""
        out.trouble = Trouble.after(out.trouble, fault)
        if fault.kind == "conflict":
            out.dead = True
            if isinstance(out.log, AttemptLog):
                out.log.fence()
                return
            logger.error(
                "%s: the job id %r was used by another run, whose log is kept; nothing of this one's is stored: %s",
                self._place, out.job_id, OWN_ID, extra={"job_id": out.job_id},
            )  # fmt: skip
            return
        wait = out.trouble.backoff(DENIED_SECONDS if fault.kind in ("denied", "refused") else self._max_backoff)
        due = time.monotonic() + (min(wait, 0.5) if self._is_flushing else wait)
        if fault.kind in ("busy", "refused"):
            out.due = due
        else:
            self._down_until = due

    def _worked(self, out: Out) -> None:
        """A write succeeded."""
        out.trouble = None
        if out.trial is not None:
            self._quarantine(out, out.trial)
            out.trial = None
            out.limit = out.MOST  # the size was not the reason

    def _quarantine(self, out: Out, refusal: Refusal) -> None:
        """A gap is stored in the place of an event: make the event a dead letter."""
        if not out.refused:  # one warning a job; the letters have the rest
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
        except Exception as error:  # it may be the application's function, which must not stop the writer
            if not self._letters_fail:
                text = "%s: a dead letter could not be kept, and is lost: %s: %s"
                about = {"job_id": out.job_id}
                logger.warning(text, self._place, type(error).__name__, error, exc_info=error, extra=about)
            self._letters_fail = True
        else:
            self._letters_fail = False

    # Reporting

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

    # Flushing

    def flush(self, timeout: float, only: Out | None = None, patience: int = 1) -> int:
        """Wait until what was logged before is stored.

        Args:
            timeout: seconds to wait at the most while the store takes nothing.
            only: the job to wait for (default: all of them).
            patience: how many times as long it waits at the most while the store takes something (default 1).

        Returns how many events are not known to be stored. It does not wait in the writer's own thread, nor while the
        interpreter ends.
        """
        moved = threading.Event()
        with self._flushing(moved.set, only) as flush:
            for seconds in self._waits(flush, timeout, patience):
                moved.wait(seconds)
                moved.clear()
            return flush.left

    async def flushed(self, timeout: float, only: Out | None = None, patience: int = 1) -> int:
        """`flush` without blocking the event loop. It stops waiting when the server shuts down."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(moved.set)

        with self._flushing(tell, only) as flush:
            for seconds in self._waits(flush, timeout, patience):
                told = asyncio.ensure_future(moved.wait())
                try:
                    await ending.wait(told, seconds)
                finally:
                    told.cancel()
                moved.clear()
            return flush.left

    def _waits(self, flush: _Flush[Out], timeout: float, patience: int) -> Iterator[float]:
        """Gives the seconds to wait for news, each time, until all is stored or a wait brings no news."""
        end = time.monotonic() + patience * timeout
        while flush.left and self._runs() and (wait := end - time.monotonic()) > 0:
            news = flush.news
            yield min(timeout, wait)
            if flush.news == news:
                return

    @contextlib.contextmanager
    def _flushing(self, tell: Callable[[], None], only: Out | None) -> Iterator[_Flush[Out]]:
        """While the context lasts, write at once, and retry soon."""
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
        """Whether the writer's thread runs, and this thread may wait for it."""
        return self._thread not in (None, threading.current_thread()) and not sys.is_finalizing()

    def flush_job(self, out: Out, timeout: float | None, closing: bool = False) -> bool:
        """Wait until all that a job has logged is stored; see `flush`.

        Args:
            out: what `add` has returned.
            timeout: seconds to wait at the most (None: as long as the end of a job waits).
            closing: whether the job is over, so that events that are not stored are reported.

        Returns False if the store lacks some of it, even if it has refused that for good.
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
        return min(self._close_seconds, AGAIN_SECONDS) if self._close_timed_out else self._close_seconds, CLOSE_TIMEOUTS

    def _waited(self, out: Out, last: int, seconds: float, left: int, closing: bool) -> bool:
        if left and closing and seconds and self._thread is not threading.current_thread():
            self._close_timed_out = True
            logger.warning(
                "%s: the end of job %r timed out: %s of it in memory only: %s", self._place,
                out.job_id, count(left, "event"), self._reason(), extra={"job_id": out.job_id},
            )  # fmt: skip
        return last <= out.saved and not out.refused

    def _reason(self) -> str:
        """Why the store has not taken all."""
        reasons = [out.trouble.reason for out in self._all() if out.trouble is not None]
        return reasons[0] if reasons else "the store did not answer in time"

    def stop(self, timeout: float) -> None:
        """Write what is pending; report what could not be written; end the thread.

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
