"""What a store is, and the stores that this process has open."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from ..errors import InvalidStore
from ..events import is_job_id
from ..forks import after_fork
from ..log import AttemptLog, EventLog

_logger = logging.getLogger("streamator")

# Every store of this process, so that a job is found by its id alone.
_stores: weakref.WeakSet[Store] = weakref.WeakSet()
lock = threading.RLock()
"""Held while a store is made or registered. A forked child replaces it, so use it as ``base.lock``."""


class Job:
    """What a store keeps of a job that runs, or ran, in this process."""

    __slots__ = (
        "cancel", "cancel_requested", "cooperates", "flush", "flushed", "has_result", "log", "on_track", "result",
    )  # fmt: skip

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.cancel: Callable[[], bool] | None = None
        """Asks the job's task to stop, and returns whether it will; None if no task is tracked."""
        self.cancel_requested = False
        self.cooperates = False
        """Whether the job is known to check `cancel_requested`."""
        self.on_track: Callable[[Job], None] | None = None
        """Called when the job can be cancelled; for a store that lets other processes do so."""
        self.flush: Callable[[float | None, bool], bool] | None = None
        """For a store with a writer: waits up to so many seconds (None: as long as `JobLogger.close` does) until
        everything logged is stored, and returns whether it is. The second argument says that the job is over: missing
        events are then reported. None if there is nothing to wait for."""
        self.flushed: Callable[[float | None, bool], Awaitable[bool]] | None = None
        """`flush` on an event loop."""
        self.result: Any = None
        self.has_result = False

    attempt = 1
    """Which attempt of the job it is."""
    is_buffer = False
    """Whether viewers read what the store has, and not ``log``."""
    elsewhere = False
    """Whether the job may have gone on in another process."""

    @property
    def handle(self) -> EventLog:
        """What the job appends to."""
        return self.log

    def ask_to_stop(self) -> str | None:
        """Cancel the job: ``"cancelled"`` if its task stops, ``"requested"`` if it stops at its next check, None if it
        is over, or not known to check."""
        if self.log.closed:
            return None
        self.cancel_requested = True
        if self.cancel is not None and self.cancel():
            return "cancelled"
        return "requested" if self.cooperates else None


class Attempt(Job):
    """One attempt of a job: see `JobLogger`.

    Args:
        log: the log that the store keeps for it.
        handle: what the attempt appends to.
        number: 1, 2, 3, ...
        is_buffer: see `Job`.
    """

    __slots__ = ("attempt", "handle", "is_buffer")

    def __init__(self, log: EventLog, handle: AttemptLog, number: int, *, is_buffer: bool) -> None:
        super().__init__(log)
        self.handle: AttemptLog = handle
        self.attempt = number
        self.is_buffer = is_buffer

    @property
    def elsewhere(self) -> bool:  # type: ignore[override]  # a plain job never is
        return self.is_buffer and bool(self.handle.over or self.log.closed)

    def fenced(self, job_id: str) -> None:
        """A newer attempt has begun: tell this one."""
        self.cancel_requested = True
        _logger.warning(
            "job %r: attempt %d is fenced: a newer attempt has begun, and what this one logs is dropped", job_id,
            self.attempt, extra={"job_id": job_id},
        )  # fmt: skip
        if self.cancel is not None:
            self.cancel()


@runtime_checkable
class Store(Protocol):
    """What a logger and a route need of a store. `MemoryStore` is one; derive from it or write your own, and run
    `streamator.testing.StoreContract` on it.

    A store whose jobs may have several attempts has ``open_attempt`` too: see `MemoryStore.open_attempt`."""

    def create(self, job_id: str, start: float | None = None) -> Job:
        """Begin a job here. Never blocks. Raises `InvalidJobId` or `JobExists`."""

    def get(self, job_id: str) -> Job | None:
        """A job whose log is in this process. Never blocks, accepts any string."""

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log, wherever the job runs; None for a job that does not exist. Accepts any string."""

    async def cancel(self, job_id: str) -> bool:
        """Ask the job to stop, wherever it runs; False if there is nobody to ask. Accepts any string."""

    def evict(self, *, closed_before: float) -> int:
        """Forget the jobs whose log was closed before this `time.monotonic` reading; returns how many."""

    @property
    def degraded(self) -> str | None:
        """None while all is well, else a sentence that says what is wrong."""

    def close(self) -> None:
        """Flush what is pending, within a bound, and stop. May be called twice."""


def add_store(store: Store) -> None:
    """Make the jobs of ``store`` known by their id alone, to the routes and to `JobEmitter`'s class methods.

    `MemoryStore` and what derives from it does this by itself; a `JobLogger` does it for the store it is given.
    """
    with lock:
        try:
            _stores.add(store)
        except TypeError as error:  # it defines __eq__ alone, or __slots__ without __weakref__
            raise InvalidStore(
                f"{type(store).__name__} cannot be kept track of ({error}): a store needs a __hash__ (a dataclass: "
                "eq=False) and, with __slots__, a __weakref__ slot"
            ) from error


def stores() -> list[Store]:
    """Every registered store of this process that is still in use."""
    with lock:
        return list(_stores)


def find_job(job_id: str) -> Job | None:
    """The job with this id whose log is in this process, in whichever store; None if there is none."""
    if is_job_id(job_id):
        for store in stores():
            job = store.get(job_id)
            if job is not None:
                return job
    return None


def evict_closed(ttl_seconds: float) -> int:
    """Forget, in every store here, the jobs that ended more than ``ttl_seconds`` ago; returns how many. A store that
    raises is logged, and the others go on."""
    before = time.monotonic() - ttl_seconds
    gone = 0
    for store in stores():
        try:
            gone += store.evict(closed_before=before)
        except Exception:
            _logger.exception("%s could not forget its finished jobs; it is asked again", type(store).__name__)
    return gone


@after_fork
def _after_fork() -> None:
    """In the child: the thread that held the lock is not there, and nobody sees what is logged to the parent's jobs."""
    global lock
    lock = threading.RLock()
    for store in stores():
        if hasattr(store, "_after_fork"):
            store._after_fork()
