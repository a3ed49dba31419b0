"""`RemoteStore`: local logs, a writer for jobs that run here, mirrors of jobs that run elsewhere."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
import uuid
from collections.abc import Collection
from functools import partial
from typing import Any

from ... import ending
from ...dropped import end_dropped
from ...errors import OWN_ID, InvalidStore, JobExists, StoreError
from ...events import check_job_id, is_job_id, last_before
from ...log import BLOCK_SECONDS, AttemptLog, EventLog, Overflow
from ...loops import on_event_loop
from ...options import DAY_SECONDS, check_count, check_kind, check_number, check_timeout
from ..base import Attempt, Job, stores
from ..counts import Counts
from ..memory import MemoryStore
from .cancel import CancelRequests
from .deadletters import DeadLetterFile, DeadLetters
from .faults import StoreFault, Trouble, as_fault
from .mirror import Mirrors
from .outgoing import Opened
from .writer import CLOSE_TIMEOUTS, Writer


class RemoteStore(MemoryStore):
    """The base of stores that other processes see.

    A subclass defines `_place`, `_new_writer` and `_new_mirrors`; a store that keeps chunks derives from
    `chunks.store.ChunkStore`.

    Args:
        ttl_days: how long the store keeps a log, in days (default 7).
        lease_seconds: how long after its last sign of life a producer counts as alive (default 10). Its
            viewers see ``lost`` within two leases of its death.
        flush_seconds: seconds between two writes (default 0.2).
        close_seconds: how long the end of a job (see `JobLogger.close`), `close`, and the end of the process wait for a
            store that takes nothing (default 5; 0: not at all). For a slow one they wait up to six times as long.
        cancel_seconds: how often a process checks for requests to cancel its jobs (default 1; with Redis 0.1), while it
            has a job with a task, see `JobEmitter.track`.
        max_mirrors: how many jobs of other processes are held here (default 1,000). Past it the one that was not looked
            up for the longest time goes first.
        dead_letters: where events go that the store refuses for good, because they are too large for it or of a form
            that it does not take: the path of a file that `streamator.deadletter` prints and replays (default: see
            `deadletter.default_path`), or a function that is given each as a dict, in the thread that writes.
        max_jobs, maxlen, max_bytes, pace, overflow, block_seconds: those of `MemoryStore`; mirrored logs are not
            counted. With ``overflow="block"`` a job waits for the writer as for any viewer.

    Guarantees: logging never waits for the store. Events are stored in order, each once; while the store
    fails they wait in the job's log, and those that fall out of it (``maxlen``) are a gap to readers. An
    event that the store refuses for good is a gap of one to viewers in other processes, and a dead letter. One
    thread writes, one reads; both start when there is something to do and end when there is not. `get` knows
    the jobs made here alone; `find` those of every process.
    """

    _is_remote = True

    def __init__(
        self, *, ttl_days: float = 7, lease_seconds: float = 10, flush_seconds: float = 0.2,
        close_seconds: float = 5, cancel_seconds: float = 1.0, max_mirrors: int = 1_000, max_jobs: int = 10_000,
        maxlen: int = 1_000_000, max_bytes: int = 268_435_456, pace: float = 0.005, overflow: Overflow = "drop_oldest",
        block_seconds: float = BLOCK_SECONDS, dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    ) -> None:  # fmt: skip
        check_number("ttl_days", ttl_days, 0, 36_500, "days", above=True)
        # These are timers: with almost no time between two turns the threads would do nothing else.
        check_number("lease_seconds", lease_seconds, 0.1, DAY_SECONDS, "seconds")
        check_number("flush_seconds", flush_seconds, 0.001, 3_600, "seconds")
        check_number("close_seconds", close_seconds, 0, 3_600, "seconds")
        check_number("cancel_seconds", cancel_seconds, 0.01, 3_600, "seconds")
        check_count("max_mirrors", max_mirrors)
        if dead_letters is not None and not callable(dead_letters):
            check_kind("dead_letters", dead_letters, (str, os.PathLike), "give a file's path, a function, or None")
        super().__init__(
            max_jobs=max_jobs, maxlen=maxlen, max_bytes=max_bytes, pace=pace, overflow=overflow,
            block_seconds=block_seconds,
        )  # fmt: skip
        self._ttl_days = ttl_days
        self._lease = lease_seconds
        self._flush_seconds = flush_seconds
        self._close_seconds = close_seconds
        self._cancel_seconds = cancel_seconds
        self._max_mirrors = max_mirrors
        self._dead_letters = dead_letters if callable(dead_letters) else DeadLetterFile(dead_letters)
        self._reset()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._reset()  # the threads are the parent's, and what they write is too

    def _reset(self) -> None:
        """The state of a store whose threads have not run yet."""
        self._writer = self._new_writer(
            lease=self._lease, flush_seconds=self._flush_seconds, close_seconds=self._close_seconds,
            ttl_seconds=self._ttl_days * 86_400, max_jobs=2 * self._max_jobs, dead_letters=self._dead_letters,
        )  # fmt: skip
        self._mirrors = self._new_mirrors(max_mirrors=self._max_mirrors, maxlen=self._stored_len, pace=self._pace)
        self._cancels = CancelRequests(self._place, self._read_cancels, self._cancel_seconds)

    @property
    def _stored_len(self) -> int:
        """How many events of a job are stored: with ``drop_newest`` one more, the last event."""
        return self._maxlen + (self._overflow == "drop_newest")

    # For subclasses

    _place: str
    """Where the store's data is, for messages: ``DynamoDB table 'my-logs'``. Set before `RemoteStore.__init__`."""

    def _new_writer(self, **options: Any) -> Writer[Any]:
        """The writer for the jobs of this process; the options are those of `Writer`."""
        raise NotImplementedError

    def _new_mirrors(self, **options: Any) -> Mirrors[Any]:
        """The mirrors of the jobs of others; the options are those of `Mirrors`."""
        raise NotImplementedError

    def _write_cancel(self, job_id: str) -> None:
        """Store a request to cancel a job, for a minute or longer. It may block, and raises `StoreFault`."""
        raise NotImplementedError

    def _read_cancels(self) -> Collection[str]:
        """The ids of the jobs with a request. It may block, and raises `StoreFault`."""
        raise NotImplementedError

    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        """Begin an attempt, in one atomic step; it may block. See `open_attempt`.

        Args:
            run: identifies the attempt. From now on the store refuses what other runs of the job write.

        Raises:
            StoreFault: it is not known to have begun, and may be tried again.
            JobExists: see `MemoryStore.open_attempt`.
        """
        raise InvalidStore(
            f"{type(self).__name__} keeps no attempts, as it has no _begin_attempt(): see `RemoteStore`, use one of "
            "streamator's stores, or leave attempt out"
        )

    # For loggers and routes

    def create(self, job_id: str, start: float | None = None) -> Job:
        """Begin a job here; other processes see it after the next flush. See `MemoryStore.create`."""
        if self._writer.get(job_id) is not None:  # forgotten here, but not all written yet
            raise JobExists(f"job id {job_id!r} is in use: {OWN_ID}")
        job = super().create(job_id, start)
        _flush_at_exit()
        self._register(job_id, job)
        return job

    def open_attempt(self, job_id: str, reason: str, reopen: bool, least: int) -> Attempt:
        """See `MemoryStore.open_attempt`. It waits for the store, as long as the end of a job does, but for the first
        attempt of a caller who counts them (``least=1``): as any job, that begins with what is written first.

        Raises:
            StoreError: the store could not be reached, or this is an event loop.
        """
        check_job_id(job_id)
        if least == 1:
            return self._write_attempt(job_id, Opened(uuid.uuid4().hex, 1, 0, "", None, begun=False))
        if on_event_loop():
            raise StoreError(
                f"job {job_id!r}: an attempt waits for {self._place} to let it begin, which would hold up this event "
                "loop: await asyncio.to_thread(JobLogger, ...), with the same arguments"
            )
        self._writer.flush_ended(job_id)
        return self._write_attempt(job_id, self._opened(job_id, reason, reopen, max(least, 1)))

    def _write_attempt(self, job_id: str, opened: Opened) -> Attempt:
        log = AttemptLog(
            last_before(opened.attempt, opened.last), maxlen=self._maxlen, overflow=self._overflow,
            block_seconds=self._block_seconds, pace=self._pace, account=self._account,
        )  # fmt: skip
        log.checkpoint = opened.checkpoint
        if opened.event:
            log.append_json(opened.event)
        # All that is logged of a first attempt is in its own log, and shown from there while the store is away.
        job = Attempt(log, log, opened.attempt, is_buffer=opened.begun)
        log.on_over = partial(self._attempt_is_over, job_id, job)
        with self._opening:
            before = self.get(job_id)
            if before is not None and before.attempt >= job.attempt:  # another thread was faster
                log.fence()
                return job
            if before is not None:
                if isinstance(before, Attempt):
                    before.handle.fence()
                self._forget_job(job_id, before)
            victim = self._keep(job_id, job)
        if victim is not None:
            victim.log.evict()
        _flush_at_exit()
        self._register(job_id, job, opened)
        return job

    def _opened(self, job_id: str, reason: str, reopen: bool, least: int) -> Opened:
        run = uuid.uuid4().hex
        began = time.monotonic()
        trouble: Trouble | None = None
        while True:
            try:
                return self._begin_attempt(job_id, run, reason, reopen, least)
            except (StoreFault, OSError) as error:
                trouble = Trouble.after(trouble, as_fault(error))
                wait = trouble.backoff(1.0)
                answers = trouble.kind in ("busy", "gone", "conflict")
                most = self._close_seconds * (CLOSE_TIMEOUTS if answers else 1)
                if trouble.kind == "denied" or time.monotonic() + wait > began + most:
                    raise StoreError(
                        f"{self._place}: an attempt of job {job_id!r} could not begin: {trouble.reason}; try again "
                        "when the store can be reached"
                    ) from error
                time.sleep(wait)

    def _attempt_is_over(self, job_id: str, job: Attempt) -> None:
        self._forget_job(job_id, job)
        if job.handle.over == "fenced":
            job.fenced(job_id)

    def _register(self, job_id: str, job: Job, opened: Opened | None = None) -> None:
        """Write the job's log, and look for requests to cancel it."""
        job.on_track = partial(self._cancels.watch, job_id)
        out = self._writer.add(job_id, job.log, opened)
        job.flush = partial(self._writer.flush_job, out)
        job.flushed = partial(self._writer.flushed_job, out)
        self._mirrors.forget_missing(job_id)

    async def find(self, job_id: str) -> EventLog | None:
        """A job's log, wherever the job runs; None for a job that no process has written.

        The log of another process's job is read from the store to its present end before it is returned, and grows
        while somebody reads it.

        Raises:
            StoreError: the store could not be read, or too many ask at once. There may be such a job.
        """
        if not is_job_id(job_id):
            return None
        job = self.get(job_id)
        if job is not None and not job.is_buffer:
            return job.log
        log = self._writer.get(job_id)
        if log is not None and not log.evicted and not isinstance(log, AttemptLog):
            return log
        return await self._mirrors.find(job_id)

    async def cancel(self, job_id: str) -> bool:
        """Ask the job's task to stop, in whichever process it runs: its process sees it within ``cancel_seconds``.

        Returns:
            False for a job that is unknown or over, or has no task here. For a job of another process it is True when
            the request is stored; whether there is a task is known there alone.

        Raises:
            StoreError: the store could not be reached, or the server was told to stop.
        """
        job = self.get(job_id)
        if job is not None and not job.elsewhere:
            return await super().cancel(job_id)
        log = await self.find(job_id)
        if log is None or log.closed:
            return False
        request = asyncio.ensure_future(asyncio.to_thread(self._write_cancel, job_id))
        try:
            if not await ending.wait(request):
                raise StoreError(f"{self._place}: the server stops, and the request to cancel may not be stored")
            request.result()
        except (StoreFault, OSError) as error:
            reason = as_fault(error).reason
            raise StoreError(f"{self._place}: the request to cancel was not stored: {reason}") from error
        finally:
            request.cancel()
        return True

    def counts(self) -> Counts:
        """As `MemoryStore.counts`, and the outcome of the writes: see `Writer.totals`."""
        counts = super().counts()
        counts.totals.add(self._writer.totals)
        counts.pending = self._writer.pending
        return counts

    @property
    def degraded(self) -> str | None:
        """None while all is well; else what is wrong, since when, and how many events wait to be written."""
        parts = [part for part in (self._writer.degraded, self._mirrors.degraded) if part]
        return f"{self._place}: {'; '.join(parts)}" if parts else None

    def flush(self, timeout: float = 5.0) -> int:
        """Wait until what was logged before is stored.

        Args:
            timeout: seconds to wait at the most (default 5).

        Returns:
            How many events are not known to be stored; 0 when all are.
        """
        return self._writer.flush(check_timeout("timeout", timeout))

    def close(self) -> None:
        """Write what is pending, see ``close_seconds``, and stop; what is not stored by then is reported as a
        warning, with its count. Quiet the second time. A job that is made later starts the store again."""
        self._cancels.stop()
        self._writer.stop(self._close_seconds)
        self._mirrors.stop()


_exits_in: int | None = None


def _at_exit() -> None:
    end_dropped()
    for store in stores():
        if isinstance(store, RemoteStore) and store._writer.busy:
            store.close()


def _flush_at_exit() -> None:
    """Let this process write what is pending before it ends."""
    global _exits_in
    if _exits_in == os.getpid():
        return
    _exits_in = os.getpid()
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        # A child that multiprocessing forked ends without running atexit's hooks.
        sys.modules["multiprocessing.util"].Finalize(None, _at_exit, exitpriority=0)
    else:
        atexit.register(_at_exit)
