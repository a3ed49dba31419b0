"""`MemoryStore`: logs in this process's memory."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from functools import partial
from heapq import heapify, heapreplace
from itertools import islice
from math import inf
from typing import Final

from ..errors import OWN_ID, JobExists
from ..events import ATTEMPT_IDS, attempt_parts, check_job_id, last_before
from ..log import BLOCK_SECONDS, EventLog, LogCounts, Overflow, SharedLog, check_log_options
from ..options import check_count, check_number
from ..section import Section
from .base import Attempt, Job, add_store
from .counts import Counts, Totals

# A log's `charged` once the store has forgotten it.
NOT_CHARGED: Final = -1


class MemoryStore:
    """Logs in this process's memory: gone with the process, and seen by it alone.

    Args:
        max_jobs: how many jobs are kept (default 10,000). Past it the oldest closed job goes or, if all are open, the
            oldest one; its viewers are sent away.
        maxlen: how many events one log keeps (default 1,000,000); see `EventLog`.
        overflow: what happens past it, ``"drop_oldest"`` (default), ``"drop_newest"`` or ``"block"``; see `EventLog`.
        block_seconds: how long an append may wait with ``"block"``, in seconds (default 5); see `EventLog`.
        max_bytes: about how many bytes of memory all events take (default 268,435,456: 256 MiB). Past it closed jobs
            go, in the order in which they closed; if that is not enough, the largest logs lose the older half of their
            events, and a viewer that had not seen them gets a gap.
        pace: the least time in seconds between two wakes of a busy log's readers (default 0.005); see `EventLog`.

    Guarantees: whatever the jobs do, the memory is bounded by ``max_bytes`` and, for each open job, 128 events of up
    to 1,024 characters that are not counted yet. Results (`JobEmitter.set_result`) are not counted.
    """

    _is_remote = False
    """Whether all readers have an event only when a writer has stored it."""

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
        # Weakly: the logs that jobs still hold must not keep an unused store alive.
        self._account = partial(_account, weakref.ref(self))
        self._maxlen = maxlen
        self._pace = pace
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._jobs_lock = Section()
        self._opening = threading.RLock()
        """Held while an attempt begins."""
        self._skipped_looks = 0
        self._totals = Totals()  # of forgotten logs, and what no log counts
        add_store(self)

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
        victim = self._keep(job_id, job)
        if victim is not None:
            victim.log.evict()
        return job

    def _keep(self, job_id: str, job: Job) -> Job | None:
        """Add a job; returns the one that has to go for it."""
        with self._jobs_lock:
            if job_id in self._jobs:
                raise JobExists(f"job id {job_id!r} is in use: {OWN_ID}")
            self._jobs[job_id] = job
            return self._take_out() if len(self._jobs) > self._max_jobs and self._jobs_lock.depth == 1 else None

    def _forget_job(self, job_id: str, job: Job) -> None:
        """Forget a job, unless the id is another one's by now."""
        with self._jobs_lock:
            if self._jobs.get(job_id) is job:
                self._forget(job_id)

    def open_attempt(self, job_id: str, reason: str, reopen: bool, least: int) -> Attempt:
        """Begin a job here, or the next attempt of one that was begun so; the attempt before is fenced.

        Args:
            job_id: see `create`.
            reason: why there is another attempt, for its viewers.
            reopen: whether it may follow the end of a closed log.
            least: its number at least, where the attempts before and their log may be lost; 0: nobody counts them.

        Raises:
            InvalidJobId: the id is not of the form that `create` takes.
            JobExists: the job has no attempts, or its log is closed.
        """
        start = time.monotonic()
        with self._opening:
            before = self.get(check_job_id(job_id))
            if before is None:
                log, number, guard = self.create(job_id, start).log, max(least, 1), threading.RLock()
            else:
                log, number = before.log, max(before.attempt + 1, least)
                check_attempt(job_id, isinstance(before, Attempt), log.closed, reopen)
                assert isinstance(before, Attempt) and isinstance(before.handle, SharedLog)
                guard = before.handle.guard
            with guard:
                checkpoint = None
                if isinstance(before, Attempt):
                    before.handle.fence()
                    checkpoint = before.handle.checkpoint
                    log = log.reopened(start) if log.closed else log
                if number > 1:
                    head, tail = attempt_parts(reason)
                    log.begin_attempt(last_before(number, log.last) + 1, f"{head}{number}{tail}")
                handle = SharedLog(log, guard, start=start)
                handle.checkpoint = checkpoint
            job = Attempt(log, handle, number, is_buffer=False)
            handle.on_over = partial(_attempt_is_over, job_id, job)
            with self._jobs_lock:
                if before is not None and before.log is not log:
                    before.log.charged = NOT_CHARGED
                self._jobs[job_id] = job
        return job

    def _take_out(self) -> Job:
        """Make room: remove the oldest closed job, else the oldest."""
        # After a scan of all jobs that found no closed one, the next scan is put off: else each new job would pay for
        # all the open ones.
        look = 100 if self._skipped_looks else len(self._jobs)
        for job_id, job in islice(self._jobs.items(), look):
            if job.log.closed:
                return self._forget(job_id)
        self._skipped_looks = self._skipped_looks - 1 if self._skipped_looks else len(self._jobs) // 100
        return self._forget(next(iter(self._jobs)))

    def _forget(self, job_id: str) -> Job:
        job = self._jobs.pop(job_id)
        self._bytes -= job.log.charged
        job.log.charged = NOT_CHARGED
        counts = job.log.counts(final=True)
        self._totals.published += _published(job.log, counts)
        self._totals.dropped += counts.dropped - job.log.base % ATTEMPT_IDS
        return job

    @property
    def size(self) -> int:
        """About how many bytes of memory the events take; see ``max_bytes``."""
        return self._bytes

    def counts(self) -> Counts:
        """What the jobs have logged since the process began: for metrics.

        The totals never fall, even when jobs are forgotten. A job that is forgotten while it is open counts up to then.
        ``publish`` is sampled: about one event in 100 and the last one of each job, whose calls take longest. It is the
        time from the call until readers can see the event and room is made for it.
        """
        with self._jobs_lock:
            logs = [job.log for job in list(self._jobs.values())]
            totals = self._totals.copy()
        active = 0
        for log in logs:  # without the lock: a log that is forgotten meanwhile keeps its counts
            counts = log.counts()
            totals.published += _published(log, counts)
            totals.dropped += counts.dropped - log.base % ATTEMPT_IDS
            active += not log.closed
        return Counts(totals, active, self._bytes)

    def _charge(self, log: EventLog) -> None:
        """Count what a log has grown by, and make room if it is too much."""
        with self._jobs_lock:
            if log.charged == NOT_CHARGED:
                return
            if not self._is_remote:
                self._totals.publish.note(time.monotonic() - log.newest_at)
            self._count(log)
            if self._bytes > self._max_bytes:
                # More than needed, so that the scan of all jobs is rare.
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
        # Each job comes up once, and again only when it has lost half of its events: jobs log while this goes on.
        heapify(sizes)
        while self._bytes > limit and sizes:
            before, job_id = -sizes[0][0], sizes[0][1]
            log = self._jobs[job_id].log
            log.trim(before // 2)
            self._count(log)
            if log.charged >= before:  # it grew as fast as it was trimmed: enough for this call
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
        self._opening = threading.RLock()
        jobs, self._jobs = self._jobs, OrderedDict()
        self._bytes = 0
        self._totals = Totals()
        for job in jobs.values():
            job.log.disown()
            job.handle.disown()

    @property
    def degraded(self) -> str | None:
        """None: memory fails only with the process."""
        return None

    def close(self) -> None:
        """Nothing to flush."""


def check_attempt(job_id: str, has_attempts: bool, closed: bool, reopen: bool) -> None:
    """Raise JobExists for a job whose log no other attempt may open."""
    if not has_attempts:
        raise JobExists(
            f"job id {job_id!r} is in use by a job without attempts: begin each run of it with attempt='next', "
            f"also the first; or {OWN_ID}"
        )
    if closed and not reopen:
        raise JobExists(
            f"the log of job {job_id!r} is closed: give reopen=True to follow its end with another attempt, or {OWN_ID}"
        )


def _attempt_is_over(job_id: str, job: Attempt) -> None:
    if job.handle.over == "fenced":
        job.fenced(job_id)


def _published(log: EventLog, counts: LogCounts) -> int:
    """How many events have been logged here."""
    return counts.last % ATTEMPT_IDS - log.base % ATTEMPT_IDS + counts.refused


def _account(store: weakref.ref[MemoryStore], log: EventLog) -> None:
    found = store()
    if found is not None:
        found._charge(log)
