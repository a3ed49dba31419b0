"""The runner that owns the tasks of jobs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from streamator import JobEmitter, Store
from streamator.tracing import Headers

from app.jobs.job import INTERRUPTED, Job, JobStatus, utc_now
from app.jobs.table import JobTable
from app.logs import bound
from app.progress import ProgressReader
from app.users import LOCAL_USER, User
from app.wording import count, duration

__all__ = ["JobError", "JobRunner", "TooManyJobs", "Work"]

logger = logging.getLogger(__name__)

Work = Callable[[JobEmitter], Awaitable[Mapping[str, Any] | None]]
"""A job: it logs to the emitter it is given, and returns its result or raises."""

WATCH_SECONDS = 1.0
"""How often a server looks for what other servers have left behind."""

_MAX_LISTED = 1_000
"""How many running jobs of a user are told at once, of all servers together."""


class JobError(Exception):
    """A job cannot go on, for a reason that its user understands: the text is shown as it is."""


class TooManyJobs(Exception):
    """As many jobs as may run at once are running, or as many of this user."""


class JobRunner:
    """Starts jobs and sees each of them to its end. One per app; use it from the event loop's thread.

    Guarantees: a job's task is referenced until it has ended; however it ends, its log is closed and its row
    says how: `completed`; `failed`, after an error entry; `cancelled`, also when it was cancelled before its
    first step; `interrupted` where `shutdown` ended it.

    Arguments:
        table: where jobs are remembered.
        store: where their logs go.
        limit: how many may run at once (MAX_RUNNING_JOBS).
        per_user: of them, how many of one user who has signed in (MAX_RUNNING_JOBS_PER_USER; default: all).
        seconds: how long one may run (MAX_JOB_SECONDS; default: a year); then it has failed.
    """

    def __init__(
        self,
        table: JobTable,
        store: Store,
        *,
        limit: int,
        per_user: int | None = None,
        seconds: float = 31_536_000,
    ) -> None:
        self._table = table
        self._store = store
        self._progress = ProgressReader(store)
        self._limit = limit
        self._per_user = limit if per_user is None else per_user
        self._seconds = seconds
        # By their user: the jobs that are being prepared, which have a place already.
        self._preparing: Counter[str] = Counter()
        self._tasks: dict[str, asyncio.Task[Mapping[str, Any] | None]] = {}
        self._emitters: dict[str, JobEmitter] = {}
        # The truth on jobs whose row is not written yet: a viewer that has seen `done` and asks at once
        # must not be told "running".
        self._live: dict[str, Job] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._emitters)

    @contextmanager
    def preparing(self, user: User = LOCAL_USER) -> Iterator[None]:
        """A place for a job of a user, held while work is put into preparing it. `start` the job once this is left, and
        before anything is awaited: then the place is the job's.

        Raises:
            TooManyJobs: `start` would raise it.
        """
        self._ensure_room(user)
        self._preparing[user.id] += 1
        try:
            yield
        finally:
            self._preparing[user.id] -= 1
            if not self._preparing[user.id]:
                del self._preparing[user.id]

    def _ensure_room(self, user: User) -> None:
        if self._stopping:
            raise TooManyJobs("the server is stopping: try again in a few seconds")
        of_user = self._preparing[user.id] + sum(self._live[each].user_id == user.id for each in self._emitters)
        if user.id != LOCAL_USER.id and of_user >= self._per_user:
            raise TooManyJobs(
                f"{of_user} of your jobs are running and MAX_RUNNING_JOBS_PER_USER is {self._per_user}: "
                "wait for one to end, or cancel one"
            )
        running = self.running + self._preparing.total()
        if running >= self._limit:
            raise TooManyJobs(
                f"{running} jobs are running and MAX_RUNNING_JOBS is {self._limit}: wait for one to end, or cancel one"
            )

    async def start(
        self,
        kind: str,
        source: str,
        work: Work,
        *,
        user: User = LOCAL_USER,
        on_end: Callable[[], None] | None = None,
        trace: Headers | None = None,
    ) -> Job:
        """Starts `work` as a task and gives the job, which is running.

        Arguments:
            kind: what sort of job it is, such as "ingest".
            source: what it works on, in the user's words.
            work: the job itself.
            user: whose job it is (default: that of an app where nobody signs in).
            on_end: called once when the job is over, also when it never made its first step; to clean up.
                It must not block or raise. Not called when this method raises.
            trace: the headers of the request that asks for it; the job belongs to the trace that their `traceparent`
                names (default: the trace of OpenTelemetry's current span, if there is one).

        Raises:
            TooManyJobs: `limit` jobs are running, or `per_user` of this user, or the server is stopping.
        """
        self._ensure_room(user)
        emitter = JobEmitter(store=self._store, trace=trace)
        job = Job(
            job_id=emitter.job_id,
            user_id=user.id,
            kind=kind,
            source=source,
            status="running",
            created_at=utc_now(),
        )
        # The place is taken before the first await, so that the cap holds for requests that come together.
        self._emitters[job.job_id] = emitter
        self._live[job.job_id] = job
        with bound(job_id=job.job_id, trace_id=emitter.trace_id):  # what is logged in its task, and when that ends
            try:
                await self._table.add(job)
            except BaseException:
                del self._emitters[job.job_id], self._live[job.job_id]
                emitter.close("failed")
                raise
            if self._stopping:
                self._end(job, emitter, on_end, None, asyncio.CancelledError())
                return self._live.get(job.job_id, job)
            task = asyncio.create_task(self._run(work, emitter), name=f"{kind} {job.job_id}")
            self._tasks[job.job_id] = task
            # Ours goes first: track() would close the log before we have said why it ended.
            task.add_done_callback(partial(self._task_done, job, emitter, on_end))
            emitter.track(task)
            logger.info("job %s started: %s %s", job.job_id, kind, source)
        return job

    async def latest(self, limit: int, *, user: User, kind: str | None = None) -> list[Job]:
        """The newest `limit` jobs of a user, of this and earlier runs of the server, newest first.

        Arguments:
            user: whose jobs.
            kind: only those of this kind (default: of all).
        """
        # Kept as it was before the read: a row may be read just before it is written anew, and its job leave
        # `_live` before the read returns.
        before = dict(self._live)

        def truth(row: Job) -> Job:
            job = self._live.get(row.job_id)
            return job or (before.get(row.job_id, row) if row.status == "running" else row)

        return [truth(row) for row in await self._table.latest(limit, user=user, kind=kind)]

    async def get(self, job_id: str, *, user: User) -> Job | None:
        """One job of this or an earlier run of the server; None where there is none, or it is somebody else's."""
        job = self._live.get(job_id) or await self._table.get(job_id)
        return job if job is not None and job.user_id == user.id else None

    async def with_progress(self, jobs: Sequence[Job]) -> list[Job]:
        """The same, those that run with their age and how far they are: also those of other server processes."""
        running = [job.job_id for job in jobs if job.status == "running"]
        progress, now = await self._progress.of(running), utc_now()
        return [
            job.model_copy(
                update={
                    "step": progress[job.job_id].step,
                    "percent": progress[job.job_id].percent,
                    "age_seconds": round(max((now - job.created_at).total_seconds(), 0.0), 1),
                }
            )
            if job.job_id in progress
            else job
            for job in jobs
        ]

    async def running_of(self, user: User) -> list[Job]:
        """The user's jobs that run, in whichever process, newest first, with how far they are."""
        rows = await self._table.latest(_MAX_LISTED, user=user, status="running")
        live = [self._live.get(row.job_id, row) for row in rows]
        return await self.with_progress([job for job in live if job.status == "running"])

    async def totals(self, *, user: User, since: datetime) -> tuple[dict[str, int], int]:
        """How many jobs a user has of each status, and how many of them have ended since a time."""
        return await self._table.totals(user=user, since=since)

    async def watch(self) -> None:
        """Marks the jobs of other servers on the same database as interrupted once those were killed, for ever."""
        while True:
            try:
                await self.interrupt_abandoned()
            except Exception:
                logger.exception("the jobs of other servers could not be looked at; the next look is in a moment")
            await asyncio.sleep(WATCH_SECONDS)

    async def interrupt_abandoned(self) -> None:
        """Marks the jobs of servers that live no more as interrupted, and says so in the server's log."""
        interrupted = await self._table.interrupt_abandoned()
        if interrupted:
            logger.warning("%s left running by a server that is gone: interrupted", count(interrupted, "job"))

    async def shutdown(self, timeout: float = 5.0) -> None:
        """Cancels what runs and waits for it, `timeout` seconds at most. Later starts are refused.

        A job that does not let go in time is left to the end of the process; its log is closed and its row
        says interrupted all the same.
        """
        self._stopping = True
        for job_id, task in self._tasks.items():
            if job_id in self._emitters:
                self._emitters[job_id].log("The server is stopping: start this job again later.", "warning")
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout)
        for job_id in list(self._tasks):
            if job_id in self._emitters:
                with bound(job_id=job_id):
                    logger.error("job %s did not end %s s after it was cancelled", job_id, timeout)
                    self._end(self._live[job_id], self._emitters[job_id], None, None, asyncio.CancelledError())
        if self._endings:
            await asyncio.wait(self._endings)

    async def _run(self, work: Work, emitter: JobEmitter) -> Mapping[str, Any] | None:
        task, expired = asyncio.current_task(), False
        assert task is not None

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        timer = asyncio.get_running_loop().call_later(self._seconds, expire)
        try:
            with emitter.in_trace():
                return await work(emitter)
        except asyncio.CancelledError:
            if not expired or self._stopping:
                raise
            took = f"It ran for {duration(self._seconds)}, and MAX_JOB_SECONDS is {self._seconds:g}"
            raise JobError(f"{took}: give it less to do, or raise the limit.") from None
        finally:
            timer.cancel()

    def _task_done(
        self,
        job: Job,
        emitter: JobEmitter,
        on_end: Callable[[], None] | None,
        task: asyncio.Task[Mapping[str, Any] | None],
    ) -> None:
        self._tasks.pop(job.job_id, None)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if job.job_id in self._emitters:  # else shutdown() has given up on it and closed its log
            self._end(job, emitter, on_end, task.result() if error is None else None, error)
        elif on_end is not None:
            on_end()

    def _end(
        self,
        job: Job,
        emitter: JobEmitter,
        on_end: Callable[[], None] | None,
        result: Mapping[str, Any] | None,
        error: BaseException | None,
    ) -> None:
        """Closes the log, frees the job's place, and has the row written. In this order: what a viewer asks
        for after `done` is answered from `_live` until the row is there."""
        status: JobStatus
        if error is None:
            status, reason = "completed", None
        elif isinstance(error, asyncio.CancelledError):
            status = "interrupted" if self._stopping else "cancelled"
            reason = INTERRUPTED if self._stopping else None
        else:
            status, reason = "failed", _reason(error)
        document_id, partial = (result.get("document_id"), result.get("partial")) if result else (None, None)
        ended = job.model_copy(
            update={
                "status": status,
                "finished_at": utc_now(),
                "error": reason,
                "document_id": document_id if isinstance(document_id, str) else None,
                "partial": partial if isinstance(partial, str) else None,
            }
        )
        del self._emitters[job.job_id]
        self._live[job.job_id] = ended
        if status == "completed":
            if result is not None:
                emitter.set_result(dict(result))
            emitter.close("completed")
        elif status == "failed":
            emitter.log(reason or "", "error")
            emitter.close("failed")
        else:
            if status == "cancelled":
                emitter.log("Cancelled.", "warning")
            emitter.close("cancelled")
        unexpected = error if status == "failed" and not isinstance(error, JobError) else None
        logger.log(
            logging.INFO if unexpected is None else logging.ERROR,
            "job %s %s after %.2f s%s",
            job.job_id,
            status,
            time.monotonic() - emitter.start_t,
            f": {reason}" if reason else "",
            exc_info=unexpected,
        )
        if on_end is not None:
            on_end()
        ending = asyncio.create_task(self._store_ending(ended, result))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _store_ending(self, job: Job, result: Mapping[str, Any] | None) -> None:
        try:
            await self._table.finish(job, result)
        except Exception:
            # The log has told the viewer how it ended; the row will say interrupted after a restart.
            logger.exception("job %s: how it ended could not be stored", job.job_id)
        else:
            del self._live[job.job_id]


def _reason(error: BaseException) -> str:
    """What a failed job says: the sentence of a `JobError`, the name alone of anything else, whose text was not written
    for users and may hold what is not theirs."""
    if isinstance(error, JobError) and (text := str(error).strip()):
        return text
    return f"Unexpected {type(error).__name__}: the server made a mistake; its log says more."
