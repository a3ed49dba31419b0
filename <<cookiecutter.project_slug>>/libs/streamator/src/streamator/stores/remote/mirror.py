"""The mirrors: local logs of jobs that run elsewhere, filled from a remote store by one thread."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from math import inf
from typing import Any, Final, Generic, TypeVar

from ... import ending
from ...errors import StoreError
from ...log import EventLog, MirroredLog
from ...loops import running_loop
from .faults import MAX_BACKOFF_SECONDS, Health, StoreFault, Trouble, logger

MIRROR_IDLE_SECONDS: Final = 60.0  # without a reader; a follower reads every 15 s at the least
FRESH_SECONDS: Final = 1.0  # the wait for news of a job that is mirrored already
FIND_TRIES: Final = 3  # failed reads before a find fails
MAX_FINDS: Final = 1_000  # waiting at once
# With more finds than this waiting, a job that is not there is not looked for again.
GRACE_JOBS: Final = 50
MISSING_SECONDS: Final = 0.5  # how long a find takes the last answer that a job is not there
# After an outage of the store, other processes' writes may be on their way for their longest backoff and a moment. How
# long they are looked for, and how often.
LATE_SECONDS: Final = MAX_BACKOFF_SECONDS + 1.0
LATE_STEP: Final = 0.25
MISSING_KEPT: Final = 10_000
# A producer is lost when its beat stood still for so many leases; with the reads at both ends, within two.
LOST_LEASES: Final = 1.25
# After so many leases an event is stored, or its producer is known to be lost.
LAG_LEASES: Final = 2.0


class Mirror:
    """A job that runs elsewhere, as the reader's thread sees it."""

    __slots__ = ("attempt", "beat", "lease", "log", "ok_at", "quiet", "ready")

    def __init__(self, log: MirroredLog, attempt: int = 0) -> None:
        self.log = log
        self.attempt = attempt
        """The newest one that is known; 0 for a job without attempts."""
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

    A subclass reads them, in `_read`.

    Args:
        place: where the data comes from, for messages.
        grace: seconds for which a job that is not there is looked for again, every ``grace_step`` seconds: a job that
            has just begun on another server may not be stored yet.
        max_mirrors: how many jobs are held. Past it the one that was not looked up for the longest time goes.
        maxlen, pace: those of each `EventLog`.

    Guarantees: a log grows by what is stored, in order, each event once. The thread runs while there is a job
    to follow, and a job is followed while somebody reads its log.
    """

    def __init__(
        self, place: str, *, grace: float, grace_step: float, max_mirrors: int, maxlen: int, pace: float
    ) -> None:
        self._place = place
        self._grace = grace
        self._grace_step = grace_step
        self._max_mirrors = max_mirrors
        self._maxlen = maxlen
        self._pace = pace
        self._lock = threading.Lock()
        self._mirrors: OrderedDict[str, Followed] = OrderedDict()
        self._finds: dict[str, Future[EventLog | None]] = {}
        self._asked: dict[str, tuple[float, float]] = {}
        """Jobs that finds wait for and that were not there: since when, and when to look again. The thread's own."""
        self._missing: OrderedDict[str, float] = OrderedDict()
        """Jobs that were not there: until when a find takes that for an answer."""
        self._lost: OrderedDict[str, Any] = OrderedDict()
        """Jobs whose producer was lost: its last beat."""
        self._thread: threading.Thread | None = None
        self._health = Health(place, "reading fails", "reading works again")
        self._late_until = 0.0
        """Until when a job that is not there may still be on its way into the store."""
        self._notify: Callable[[], object] = lambda: None
        """Tells the thread that there is something new to do. It never waits, and may be called from any thread."""

    # For subclasses

    @abstractmethod
    def _read(self) -> None:
        """The thread's work: read the jobs that are followed and looked for, until there are none, or another thread
        has taken over."""

    def _is_fresh(self, mirror: Followed, now: float) -> bool:
        """Whether a find may return a mirrored job as it is; else the job is read once more first."""
        return True

    # For the store

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
                if not loop.is_closed():  # else nobody waits any more
                    raise

        # The future itself is not awaited: all finds of a job share it, and one of them may be cancelled.
        answer.add_done_callback(done)
        await ending.wait(waiter, FRESH_SECONDS if held is not None else None)
        if answer.done():
            return answer.result()
        if held is None:
            raise StoreError(f"{self._place}: the server stops before the store has answered: ask again")
        return held

    def _look(self, job_id: str) -> tuple[EventLog | None, Future[EventLog | None] | None]:
        """The mirrored log, if there is one, and the answer of the next read, if one is needed."""
        now = time.monotonic()
        held: EventLog | None = None
        with self._lock:
            mirror = self._mirrors.get(job_id)
            if mirror is not None and mirror.ready and not mirror.log.evicted:
                mirror.log.read_at = now
                self._mirrors.move_to_end(job_id)
                held = mirror.log
                # Another attempt may have opened a log again that was closed.
                fresh = not mirror.attempt if held.closed else self._is_fresh(mirror, now)
                if fresh or self._health.trouble is not None:
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
        """Forget that a job was not there."""
        with self._lock:
            self._missing.pop(job_id, None)

    @property
    def degraded(self) -> str | None:
        """What is wrong, and since when; None while all is well."""
        trouble = self._health.trouble
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
            mirror.log.evict()
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
        except Exception:  # a bug: finds would wait for a dead thread forever
            logger.exception("%s: the reader failed; the next find starts it again", self._place)
            if self._thread is threading.current_thread():
                self.stop()

    def _is_over(self, thread: threading.Thread) -> bool:
        """Whether the thread has nothing more to do, or another one has taken its place."""
        with self._lock:
            if self._thread is thread and not self._mirrors and not self._finds:
                self._thread = None
            return self._thread is not thread

    def _due(self, now: float) -> tuple[list[str], dict[str, Followed]]:
        """The jobs to look for now, and those that are followed. Jobs that nobody reads, and those past
        ``max_mirrors``, are forgotten."""
        gone: list[EventLog] = []
        with self._lock:
            for job_id, mirror in list(self._mirrors.items()):
                if mirror.log.evicted or (mirror.ready and now - mirror.log.read_at > MIRROR_IDLE_SECONDS):
                    del self._mirrors[job_id]
                    gone.append(mirror.log)
            while len(self._mirrors) > self._max_mirrors:
                gone.append(self._mirrors.popitem(last=False)[1].log)
            asked = [job_id for job_id in self._finds if self._look_at(job_id) <= now]
            mirrors = {job_id: mirror for job_id, mirror in self._mirrors.items() if not mirror.log.closed}
        for log in gone:
            log.evict()
        return asked, mirrors

    def _look_at(self, job_id: str) -> float:
        """When to look for a job that a find waits for; never for one that is followed already."""
        mirror = self._mirrors.get(job_id)
        if mirror is not None and not (mirror.attempt and mirror.log.closed):
            return inf
        return self._asked.get(job_id, (0.0, 0.0))[1]

    def _still_closed(self, job_id: str, attempt: int | None) -> EventLog | None:
        """The log of a job that was read to its end, if the store knows of no newer attempt."""
        with self._lock:
            mirror = self._mirrors.get(job_id)
        if mirror is None or not mirror.log.closed or (attempt or 0) > mirror.attempt:
            return None
        return mirror.log

    def _is_missing(self, job_id: str, now: float) -> bool:
        """A job is not there. False if it may be on its way into the store: it is then looked for again."""
        began = self._asked.setdefault(job_id, (now, now))[0]
        until = max(began + self._grace, self._late_until)
        # A flood of made-up ids gets no second look.
        if now < until and len(self._finds) <= GRACE_JOBS:
            step = self._grace_step if now < began + self._grace else LATE_STEP
            self._asked[job_id] = began, min(now + step, until)
            return False
        with self._lock:
            self._missing[job_id] = now + MISSING_SECONDS
            self._missing.move_to_end(job_id)
            if len(self._missing) > MISSING_KEPT:
                self._missing.popitem(last=False)
        return True

    def _new_log(self) -> MirroredLog:
        return MirroredLog(maxlen=self._maxlen, pace=self._pace)

    def _answer(self, answers: dict[str, EventLog | None]) -> None:
        with self._lock:
            asked = [(job_id, log) for job_id, log in answers.items() if job_id in self._finds]
            futures = [(self._finds.pop(job_id), log) for job_id, log in asked]
        for job_id in answers:
            self._asked.pop(job_id, None)
        for future, log in futures:
            if log is not None:
                log.read_at = time.monotonic()
            future.set_result(log)

    def _refuse(self, why: str, job_ids: Collection[str]) -> None:
        with self._lock:
            futures = [self._finds.pop(job_id) for job_id in job_ids if job_id in self._finds]
        for job_id in job_ids:
            self._asked.pop(job_id, None)
        for future in futures:
            future.set_exception(StoreError(f"{self._place} {why}"))

    # The lease

    def _was_lost(self, job_id: str, mirror: Followed) -> None:
        """A job is read to its end: its producer is still lost if its beat is still the last one."""
        if self._lost.get(job_id) == mirror.beat:
            mirror.quiet = max(mirror.quiet, LOST_LEASES * mirror.lease)
            mirror.log.set_status("lost")

    def _is_back(self, job_id: str, mirror: Followed) -> None:
        """A producer gave a sign of life."""
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
        if mirror.quiet >= (LOST_LEASES + 1) * mirror.lease and not mirror.attempt:  # else another attempt may come
            log.evict()

    # Faults

    def _worked(self) -> None:
        """A read succeeded."""
        if self._health.trouble is not None and self._health.trouble.severe:
            self._late_until = time.monotonic() + LATE_SECONDS
        self._health.worked()

    def _failed(self, fault: StoreFault, asked: list[str], mirrors: dict[str, Followed], took: float) -> Trouble:
        """A read of these failed, after ``took`` seconds. Finds of mirrored jobs get what there is of them. The others
        fail only after several faults: a viewer that is turned away may not come back."""
        trouble = self._health.failed(fault)
        for mirror in mirrors.values():
            mirror.ok_at = None
        self._answer({job_id: mirror.log for job_id, mirror in mirrors.items() if mirror.ready})
        if trouble.tries >= FIND_TRIES or took > FRESH_SECONDS or fault.kind == "denied":
            self._refuse(f"could not be read: {fault.reason}", [*asked, *mirrors])
        return trouble
