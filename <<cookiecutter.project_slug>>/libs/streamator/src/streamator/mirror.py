"""The mirrors: local logs of jobs that run elsewhere, filled from a remote store by one thread."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from . import shutdown
from .errors import StoreError
from .fault import StoreFault, Trouble, logger
from .log import EventLog, running_loop
from .writer import RETRY_CAP_SECONDS

MIRROR_IDLE_SECONDS: Final = 60.0  # a follower shows itself every 15 s
FRESH_SECONDS: Final = 1.0  # the wait for news of a job that is here already
FIND_TRIES: Final = 3  # reads that fail, before whoever asks is told
MAX_FINDS: Final = 1_000  # waiting at once
# So many jobs that are not there are looked for again, in case they were begun a moment ago.
GRACE_JOBS: Final = 50
MISSING_SECONDS: Final = 0.5
# So long after the store was away, what others had to write meanwhile may be on its way: their longest wait between two
# tries, and a moment.
LATE_SECONDS: Final = RETRY_CAP_SECONDS + 1.0
MISSING_KEPT: Final = 10_000
# A producer is lost when its beat stood still for so many leases: reads at both ends included, within two.
LOST_LEASES: Final = 1.25
# By then what a producer has logged is stored, or it is known to be lost.
LAG_LEASES: Final = 2.0


class Mirror:
    """A job that runs elsewhere, as the reader's thread sees it."""

    __slots__ = ("beat", "lease", "log", "ok_at", "quiet", "ready")

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.beat: Any = 0
        self.lease = 10.0
        self.ok_at: float | None = None
        self.quiet = 0.0
        """Seconds for which the beat has been seen to stand still."""
        self.ready = False
        """Whether it has been read to its end once."""


Followed = TypeVar("Followed", bound=Mirror)


class Mirrors(ABC, Generic[Followed]):
    """The jobs of other processes that are followed here, each once, however many viewers it has.

    How they are read is for a class that derives from it to say, in `_read`.

    Args:
        place: where the data comes from, for messages.
        max_mirrors: how many jobs are held. Past it the one whose last look-up is the oldest goes.
        maxlen, pace: those of each `EventLog`.

    Guarantees: a log grows by what is stored, in order, each event once. The thread runs while there is a job
    to follow, and a job is followed while somebody reads its log.
    """

    def __init__(self, place: str, *, max_mirrors: int, maxlen: int, pace: float) -> None:
        self._place = place
        self._max_mirrors = max_mirrors
        self._maxlen = maxlen
        self._pace = pace
        self._lock = threading.Lock()
        self._mirrors: OrderedDict[str, Followed] = OrderedDict()
        self._finds: dict[str, Future[EventLog | None]] = {}
        self._missing: OrderedDict[str, float] = OrderedDict()
        """Jobs that were not there: until when that is taken for an answer."""
        self._lost: OrderedDict[str, Any] = OrderedDict()
        """Jobs whose producer was lost: the beat at which it stood still."""
        self._thread: threading.Thread | None = None
        self._trouble: Trouble | None = None
        self._late_until = 0.0
        """Until when a job that is not there may still be on its way into the store."""
        self._warned = False

    # What a mirror gives

    @abstractmethod
    def _read(self) -> None:
        """The thread: read what is followed and asked for, until there is nothing, or another thread is at it."""

    @abstractmethod
    def _notify(self) -> None:
        """Tell the thread that there is something new to do. It never waits, and may be called from any thread."""

    def _is_fresh(self, mirror: Followed, now: float) -> bool:
        """Whether a job that is here can be given as it is; else it is read once more first."""
        return True

    # What it is to others

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log as it is in the store now; None if it is not there.

        Raises:
            StoreError: the store could not be read, too many ask at once, or the server was told to stop.
        """
        held, answer = self._look(job_id)
        if answer is None:
            return held
        loop = running_loop()
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
        await shutdown.wait(waiter, FRESH_SECONDS if held is not None else None)
        if answer.done():
            return answer.result()
        if held is None:
            raise StoreError(f"{self._place}: the server stops, and had not been answered: ask again")
        return held

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
                if held.closed or self._trouble is not None or self._is_fresh(mirror, now):
                    return held, None
            elif self._missing.get(job_id, now) > now:
                return None, None
            future = self._finds.get(job_id)
            if future is None:
                if len(self._finds) >= MAX_FINDS:
                    raise StoreError(f"{self._place}: {MAX_FINDS:,} searches are waiting; try again later")
                future = self._finds[job_id] = Future()
            self._start()
            self._notify()
            return held, future

    def forget_missing(self, job_id: str) -> None:
        """Look again for a job that was not there."""
        with self._lock:
            self._missing.pop(job_id, None)

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
        self._notify()
        for mirror in mirrors.values():
            mirror.log.end()
        self._refuse("is closed", waiting)

    # The thread

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._begin, name="streamator-reader", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._finds.clear()
                raise StoreError(f"{self._place}: the reader could not be started: {error}") from error
            self._thread = thread

    def _begin(self) -> None:
        with self._lock:  # held until _thread is set
            pass
        try:
            self._read()
        except Exception:  # a mistake: whoever waits for a thread that is gone would wait for ever
            logger.exception("%s: the reader failed; it begins anew when it is asked again", self._place)
            if self._thread is threading.current_thread():
                self.stop()

    def _let_go(self, now: float) -> list[EventLog]:
        """Under the lock: forget what nobody reads any more, and what is too much. The logs are for the caller to
        end, without it."""
        gone: list[EventLog] = []
        for job_id, mirror in list(self._mirrors.items()):
            if mirror.log.ended or (mirror.ready and now - mirror.log.read_at > MIRROR_IDLE_SECONDS):
                del self._mirrors[job_id]
                gone.append(mirror.log)
        while len(self._mirrors) > self._max_mirrors:
            gone.append(self._mirrors.popitem(last=False)[1].log)
        return gone

    def _new_log(self) -> EventLog:
        return EventLog(maxlen=self._maxlen, pace=self._pace)

    def _note_missing(self, job_id: str, now: float) -> None:
        with self._lock:
            self._missing[job_id] = now + MISSING_SECONDS
            self._missing.move_to_end(job_id)
            if len(self._missing) > MISSING_KEPT:
                self._missing.popitem(last=False)

    def _answer(self, answers: dict[str, EventLog | None]) -> None:
        with self._lock:
            asked = [(job_id, log) for job_id, log in answers.items() if job_id in self._finds]
            futures = [(self._finds.pop(job_id), log) for job_id, log in asked]
        for future, log in futures:
            if log is not None:
                log.read_at = time.monotonic()
            future.set_result(log)

    def _refuse(self, why: str, job_ids: Iterable[str]) -> None:
        with self._lock:
            futures = [self._finds.pop(job_id) for job_id in job_ids if job_id in self._finds]
        for future in futures:
            future.set_exception(StoreError(f"{self._place} {why}"))

    # The lease

    def _was_lost(self, job_id: str, mirror: Followed) -> None:
        """A job is read to its end: is there no news of a producer that was lost before?"""
        if self._lost.get(job_id) == mirror.beat:
            mirror.quiet = max(mirror.quiet, LOST_LEASES * mirror.lease)
            mirror.log.set_status("lost")

    def _is_back(self, job_id: str, mirror: Followed) -> None:
        """There is news of a producer."""
        if mirror.log.status == "lost":
            self._lost.pop(job_id, None)
            mirror.log.set_status("running")

    def _watch_lease(self, job_id: str, mirror: Followed, known: bool, alive: bool, now: float, longest: float) -> None:
        """Tell viewers when the producer seems dead.

        Only time between two good reads counts, and of that no more than ``longest``: an outage of the store, a
        reader that was stopped, or a clock that jumps, make no producer look dead.
        """
        log = mirror.log
        log.lag_seconds = LAG_LEASES * mirror.lease
        if not known or mirror.ok_at is None or (alive and mirror.quiet >= mirror.lease / 2):
            log.steady_since = now
        if alive:
            log.steady_until = now
            mirror.quiet = 0.0
        elif known and mirror.ok_at is not None:
            mirror.quiet += min(now - mirror.ok_at, longest)
        mirror.ok_at = now if known else None
        if mirror.quiet >= LOST_LEASES * mirror.lease and log.status != "lost":
            log.set_status("lost")
            self._lost[job_id] = mirror.beat
            if len(self._lost) > self._max_mirrors:
                self._lost.popitem(last=False)
        if mirror.quiet >= (LOST_LEASES + 1) * mirror.lease:
            log.end()

    # Faults

    def _worked(self) -> None:
        """A read came through."""
        if self._trouble is not None and self._trouble.severe:
            self._late_until = time.monotonic() + LATE_SECONDS
        self._trouble = None
        if self._warned:
            self._warned = False
            logger.warning("%s: reading works again", self._place)

    def _note(self, fault: StoreFault, mirrors: Iterable[tuple[str, Followed]]) -> Trouble:
        """A read of these failed. Whoever asks for a job that is here gets what there is of it."""
        self._trouble = trouble = Trouble.after(self._trouble, fault)
        if trouble.serious and not self._warned:
            self._warned = True
            logger.warning("%s: reading fails: %s", self._place, fault.reason)
        held: dict[str, EventLog | None] = {}
        for job_id, mirror in mirrors:
            mirror.ok_at = None
            if mirror.ready:
                held[job_id] = mirror.log
        self._answer(held)
        return trouble
