"""Stores: what holds the logs of many jobs."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from heapq import heapify, heapreplace
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .counts import Counts, Totals
from .errors import OWN_ID, InvalidStore, JobExists
from .events import check_job_id, is_job_id
from .log import BLOCK_SECONDS, EventLog, Overflow, check_log_options
from .options import check_count, check_number
from .section import Section

if TYPE_CHECKING:
    from .dynamo import DynamoStore as DynamoStore
    from .redis import RedisStore as RedisStore


class Job:
    """What a store keeps of a job that runs, or ran, in this process."""

    __slots__ = (
        "cancel", "cancel_requested", "cooperates", "flush", "flushed", "has_result", "log", "on_track", "result",
    )  # fmt: skip

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.cancel: Callable[[], bool] | None = None
        """Asks the job's task to stop, and returns whether it will; None where no task is tracked."""
        self.cancel_requested = False
        self.cooperates = False
        """Whether the job is known to stop by looking at `cancel_requested`."""
        self.on_track: Callable[[Job], None] | None = None
        """Called when the job can be cancelled; for a store that lets other processes do so."""
        self.flush: Callable[[float | None, bool], bool] | None = None
        """For a store with a writer: waits so many seconds (None: as long as is due to the end of a job) until all that
        is logged is stored, and returns whether it is. The second argument says that the job is over: what is missing
        is then reported. None where there is nothing to wait for."""
        self.flushed: Callable[[float | None, bool], Awaitable[bool]] | None = None
        """`flush` on an event loop."""
        self.result: Any = None
        self.has_result = False

    def ask_to_stop(self) -> str | None:
        """Cancel the job: ``"cancelled"`` where its task stops, ``"requested"`` where it stops when it looks, None
        where it is over, or nobody is known to look."""
        if self.log.closed:
            return None
        self.cancel_requested = True
        if self.cancel is not None and self.cancel():
            return "cancelled"
        return "requested" if self.cooperates else None


@runtime_checkable
class Store(Protocol):
    """What a logger and a route need of a store. `MemoryStore` is one; derive from it or write your own, and run
    `streamator.testing.StoreContract` on it."""

    def create(self, job_id: str, start: float | None = None) -> Job:
        """Begin a job here. Never blocks. Raises `InvalidJobId` or `JobExists`."""

    def get(self, job_id: str) -> Job | None:
        """A job whose log is in this process. Never blocks, accepts any string."""

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log, wherever the job runs; None for a job that does not exist. Accepts any string."""

    async def cancel(self, job_id: str) -> bool:
        """Ask the job to stop, wherever it runs; False where there is nobody to ask. Accepts any string."""

    def evict(self, *, closed_before: float) -> int:
        """Forget the jobs whose log was closed before this `time.monotonic` reading; returns how many."""

    @property
    def degraded(self) -> str | None:
        """None while all is well, else a sentence that says what is wrong."""

    def close(self) -> None:
        """Flush what is pending, within a bound, and stop. May be called twice."""


_logger = logging.getLogger("streamator")

# In place of a log's charge: the store has forgotten it.
NOT_CHARGED = -1

# Every store of this process, so that a job is found by its id alone.
_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_shared: dict[tuple[Any, ...], Store] = {}
_lock = threading.RLock()
_shared_lock = threading.RLock()


class MemoryStore:
    """Logs in this process's memory: gone with the process, and seen by it alone.

    Args:
        max_jobs: how many jobs are kept (default 10,000). Past it the oldest closed job goes, or, where all are
            open, the oldest one; its viewers are sent away.
        maxlen: how many events one log keeps (default 1,000,000); see `EventLog`.
        overflow: what happens past it, ``"drop_oldest"`` (default), ``"drop_newest"`` or ``"block"``; see `EventLog`.
        block_seconds: how long an append may wait with ``"block"``, in seconds (default 5); see `EventLog`.
        max_bytes: about how many bytes of memory all events take (default 268,435,456: 256 MiB). Past it closed jobs
            go, the one that was closed first before the others; where that is not enough, the largest logs lose the
            older half of their events, and a viewer who had not seen them gets a gap.
        pace: the least time in seconds between two wakes of a busy log's readers (default 0.005); see `EventLog`.

    Guarantees: whatever the jobs do, the memory is bounded by ``max_bytes`` and, for each open job, 128 events of up
    to 1,024 characters that are not counted yet. Results (`JobEmitter.set_result`) are not counted.
    """

    _is_remote = False
    """Whether an event is with all its readers only when a writer has stored it."""

    def __init__(
        self, *, max_jobs: int = 10_000, maxlen: int = 1_000_000, max_bytes: int = 268_435_456, pace: float = 0.005,
        overflow: Overflow = "drop_oldest", block_seconds: float = BLOCK_SECONDS,
    ) -> None:  # fmt: skip
        check_count("max_jobs", max_jobs)
        check_count("max_bytes", max_bytes)
        check_log_options(maxlen, overflow, block_seconds, pace)
        self._max_jobs = max_jobs
        self._overflow = overflow
        self._block_seconds = block_seconds
        self._max_bytes = max_bytes
        self._bytes = 0
        # Weakly: a store that nobody uses must not live on in the logs that jobs still hold.
        self._account = partial(_account, weakref.ref(self))
        self._maxlen = maxlen
        self._pace = pace
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._jobs_lock = Section()
        self._in_vain = 0
        self._totals = Totals()  # of the logs that are forgotten, and what a log does not know
        register(self)

    def create(self, job_id: str, start: float | None = None) -> Job:
        """Begin a job here.

        Args:
            job_id: 1 to 128 letters, digits, ``_`` or ``-``; new for each run.
            start: the `time.monotonic` reading that ``t`` counts from (default: now).

        Raises:
            InvalidJobId: the id is not of that form.
            JobExists: the id is in use here.
        """
        check_job_id(job_id)
        log = EventLog(
            maxlen=self._maxlen, overflow=self._overflow, block_seconds=self._block_seconds, pace=self._pace,
            start=start, account=self._account,
        )  # fmt: skip
        job = Job(log)
        with self._jobs_lock:
            if job_id in self._jobs:
                raise JobExists(f"job id {job_id!r} is in use: {OWN_ID}")
            self._jobs[job_id] = job
            victim = self._take_out() if len(self._jobs) > self._max_jobs and self._jobs_lock.depth == 1 else None
        if victim is not None:
            victim.log.end()
        return job

    def _take_out(self) -> Job:
        """Make room: remove the oldest closed job, else the oldest."""
        # After a look at all of them that was in vain, some more jobs are made before the next one: else each would
        # pay for all the open ones.
        look = 100 if self._in_vain else len(self._jobs)
        for job_id, job in islice(self._jobs.items(), look):
            if job.log.closed:
                return self._forget(job_id)
        self._in_vain = self._in_vain - 1 if self._in_vain else len(self._jobs) // 100
        return self._forget(next(iter(self._jobs)))

    def _forget(self, job_id: str) -> Job:
        job = self._jobs.pop(job_id)
        self._bytes -= job.log.charged
        job.log.charged = NOT_CHARGED
        counts = job.log.counts(final=True)
        self._totals.published += counts.last + counts.refused
        self._totals.dropped += counts.dropped
        return job

    @property
    def size(self) -> int:
        """About how many bytes of memory the events take; see ``max_bytes``."""
        return self._bytes

    def counts(self) -> Counts:
        """What the jobs have logged, and what has become of it, since the process began: for metrics.

        The totals never fall, also where jobs are forgotten. A job that is forgotten while it is open counts up to
        then. ``publish`` is sampled: about one event in 100 and the last one of each job, from the call that logged
        it until it is there for readers and room is made for it; those are the calls that take longest.
        """
        with self._jobs_lock:
            logs = [job.log for job in list(self._jobs.values())]
            totals = self._totals.copy()
        active = 0
        for log in logs:  # without the lock: one that is forgotten meanwhile says what was counted then
            counts = log.counts()
            totals.published += counts.last + counts.refused
            totals.dropped += counts.dropped
            active += not log.closed
        return Counts(totals, active, self._bytes)

    def _charge(self, log: EventLog) -> None:
        """Count what a log has grown by, and make room where it is too much."""
        with self._jobs_lock:
            if log.charged == NOT_CHARGED:
                return
            if not self._is_remote:
                self._totals.publish.note(time.monotonic() - log.newest_at)
            self._count(log)
            if self._bytes > self._max_bytes:
                # More than needed, because looking through all jobs is worth it only now and then.
                self._make_room(self._max_bytes - self._max_bytes // 16)

    def _count(self, log: EventLog) -> None:
        size = log.size
        self._bytes += size - log.charged
        log.charged = size

    def _make_room(self, limit: int) -> None:
        closed: list[tuple[float, str]] = []
        sizes: list[tuple[int, str]] = []
        for job_id, job in list(self._jobs.items()):  # a copy: a signal handler may begin a job
            closed_at = job.log.closed_at
            if closed_at is None:
                sizes.append((-job.log.charged, job_id))
            else:
                closed.append((closed_at, job_id))
        for _, job_id in sorted(closed):
            if self._bytes <= limit:
                return
            self._forget(job_id)
        # Each job is looked at once, and again only when it has lost half of its events: jobs log while this goes on.
        heapify(sizes)
        while self._bytes > limit and sizes:
            before, job_id = -sizes[0][0], sizes[0][1]
            log = self._jobs[job_id].log
            log.trim(before // 2)
            self._count(log)
            if log.charged >= before:  # it has grown as fast: this thread has had its share of the work
                return
            heapreplace(sizes, (-log.charged, job_id))

    def get(self, job_id: str) -> Job | None:
        """A job that this store knows here, or None."""
        return self._jobs.get(job_id)

    async def find(self, job_id: str) -> EventLog | None:
        """The job's log, or None."""
        job = self.get(job_id)
        return job.log if job is not None else None

    async def cancel(self, job_id: str) -> bool:
        """Ask the job to stop. False for a job that is unknown, over, or takes no cancellations."""
        job = self.get(job_id)
        return job is not None and job.ask_to_stop() is not None

    def evict(self, *, closed_before: float) -> int:
        """Forget the jobs whose log was closed before this `time.monotonic` reading; returns how many.

        A viewer that still reads such a log reads it to its end.
        """
        check_number("closed_before", closed_before, -inf, inf)
        with self._jobs_lock:
            gone = [
                job_id
                for job_id, job in list(self._jobs.items())
                if job.log.closed_at is not None and job.log.closed_at < closed_before
            ]
            for job_id in gone:
                self._forget(job_id)
        return len(gone)

    def _after_fork(self) -> None:
        """In the child: the jobs are the parent's."""
        self._jobs_lock = Section()
        jobs, self._jobs = self._jobs, OrderedDict()
        self._bytes = 0
        self._totals = Totals()
        for job in jobs.values():
            job.log.disown()

    @property
    def degraded(self) -> str | None:
        """None: memory does not fail apart from the process."""
        return None

    def close(self) -> None:
        """Nothing to flush."""


def _account(store: weakref.ref[MemoryStore], log: EventLog) -> None:
    found = store()
    if found is not None:
        found._charge(log)


def register(store: Store) -> None:
    """Make the jobs of ``store`` known by their id alone, to the routes and to `JobEmitter`'s class methods.

    `MemoryStore` and what derives from it does this by itself; a `JobLogger` does it for the store it is given.
    """
    with _lock:
        try:
            _stores.add(store)
        except TypeError as error:  # it defines __eq__ alone, or __slots__ without __weakref__
            raise InvalidStore(
                f"{type(store).__name__} cannot be kept track of ({error}): a store needs a __hash__ (a dataclass: "
                "eq=False) and, with __slots__, a __weakref__ slot"
            ) from error


def stores() -> list[Store]:
    """Every registered store of this process that is still in use."""
    with _lock:
        return list(_stores)


def find_job(job_id: str) -> Job | None:
    """The job with this id whose log is in this process, in whichever store; None if there is none."""
    if is_job_id(job_id):
        for store in stores():
            job = store.get(job_id)
            if job is not None:
                return job
    return None


def open_store(store: str | Store = "memory", **options: Any) -> Store:
    """The store that ``store`` means: a name with its options, or a store itself.

    Args:
        store: ``"memory"``, ``"dynamo"``, ``"redis"``, or a `Store`, which is returned as it is.
        options: what that store's class takes, ``table="my-logs", ttl_days=1`` for instance.

    Returns:
        The same object for the same name and options, so that loggers and routes meet in it.

    Raises:
        InvalidStore: the name is unknown, or an option does not fit. It is a `StoreError` and a ValueError.
        StoreError: the store's extra is not installed.
    """
    if isinstance(store, MemoryStore) and not options:  # the usual one; it has registered itself
        return store
    if not isinstance(store, str):
        if not isinstance(store, Store) or isinstance(store, type):
            needed = ("create", "get", "find", "cancel", "evict", "degraded", "close")
            missing = [name for name in needed if not hasattr(store, name)]
            lacks = f"it lacks {', '.join(missing)}" if missing else "it is a class; give an object of it"
            raise InvalidStore(f"{type(store).__name__} is no store: {lacks}; see streamator.Store")
        if options:
            raise InvalidStore(f"options {sorted(options)} with a store object: give them to the store itself")
        register(store)
        return store
    if store == "memory":
        kind: type[Store] = MemoryStore
    elif store == "dynamo":
        from .dynamo import DynamoStore

        kind = DynamoStore
    elif store == "redis":
        from .redis import RedisStore

        kind = RedisStore
    else:
        raise InvalidStore(f"unknown store {store!r}: use 'memory', 'dynamo', 'redis' or a Store object")
    try:
        # True equals 1, and is not the same option.
        key = (store, *sorted((name, isinstance(value, bool), value) for name, value in options.items()))
        hash(key)
    except TypeError as error:
        raise InvalidStore(f"options {options!r} of store {store!r} cannot be compared: {error}") from error
    with _shared_lock:
        found = _shared.get(key)
        if found is None:
            try:
                found = _shared[key] = kind(**options)
            except TypeError as error:
                raise InvalidStore(f"options {sorted(options)} do not fit the {store} store: {error}") from error
            except ValueError as error:
                raise InvalidStore(f"{store} store: {error}") from error
    return found


def _after_fork() -> None:
    """In the child: the threads that held the locks are not there, and nobody sees what it would log to these jobs."""
    global _lock, _shared_lock
    _lock = threading.RLock()
    _shared_lock = threading.RLock()
    for store in list(_stores):
        if isinstance(store, MemoryStore):
            store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def evict_closed(ttl_seconds: float) -> int:
    """Forget, in every store here, the jobs that ended more than ``ttl_seconds`` ago; returns how many. A store that
    fails is told of in the log ``streamator``, and keeps the others from nothing."""
    before = time.monotonic() - ttl_seconds
    gone = 0
    for store in stores():
        try:
            gone += store.evict(closed_before=before)
        except Exception:
            _logger.exception("%s could not forget its finished jobs; it is asked again", type(store).__name__)
    return gone


def __getattr__(name: str) -> Any:
    if name == "DynamoStore":
        from .dynamo import DynamoStore

        return DynamoStore
    if name == "RedisStore":
        from .redis import RedisStore

        return RedisStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
