"""A run: one job in this process, from its claim to its end, over as many attempts as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, cast

from pydantic import BaseModel, ValidationError
from starlette.datastructures import State
from streamator import JobExists, Store, StoreError

from app.jobs.engines import Engine
from app.jobs.job import INTERRUPTED, Job, JobError, JobStatus
from app.jobs.registry import JobKind
from app.jobs.table import Claim, JobTable
from app.logs import bound
from app.users import LOCAL_USER, User
from app.wording import count, duration

__all__ = ["SYSTEM", "WORKER_LOST", "Run", "RunContext", "StopReason"]

logger = logging.getLogger(__name__)

SYSTEM = User("system", "The app itself")
"""Whose jobs those are that the app starts by itself. Nobody is shown them, and they count against nobody's limit."""

WORKER_LOST = "The server or worker that ran it was lost."

StopReason = Literal["cancel", "timeout", "stop", "lost"]
"""Why an attempt is to end early: somebody wants it to, it took too long, this process stops, or it is not this
process's any more."""

_FIRST_PAUSE_SECONDS = 0.1
"""What is waited before a store or a database is asked again; each further time twice as long."""

_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class RunContext:
    """What all runs of a process work with.

    Arguments:
        table, store, kinds, state, engine, seconds, pause: as `JobRunner` has them.
        stopping: set once this process stops.
    """

    table: JobTable
    store: Store
    kinds: Mapping[str, JobKind[Any]]
    state: State
    engine: Engine
    seconds: float
    pause: float
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class Run:
    """One job that is this process's, from its claim to its end.

    Guarantee: its row says how it ended before its log is closed; an attempt that is not this process's any more
    changes neither.
    """

    def __init__(self, context: RunContext, claim: Claim) -> None:
        self.claim = claim
        self.is_ending = False
        """Whether its end is decided: nothing stops it any more."""
        self.task: asyncio.Task[None] | None = None
        self.opened = asyncio.Event()
        """Set once it has a log, or is over."""
        self.over = asyncio.Event()
        """Set once its row and its log say how it ended, or it is not this process's any more."""
        self._context = context
        self._kind = context.kinds[claim.kind]
        self._job: Job | None = None
        self._handle: _Handle | None = None
        self._stopped = asyncio.Event()
        self._stop_reason: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        """Has it end; the first reason counts."""
        if self._stop_reason is None:
            self._stop_reason = reason
            self._stopped.set()
            if self._handle is not None and self._job is not None:
                self._job.goes_on_elsewhere = reason == "lost" or (reason == "stop" and self._kind.retries > 0)
                Job.cancel(self._job.job_id)

    async def to_its_end(self, reason: str | None) -> None:
        """Runs attempts until the job is over, or not this process's any more.

        Arguments:
            reason: why there has to be another attempt; None for the first.
        """
        try:
            with bound(job_id=self.claim.job_id):
                while next_reason := await self._attempt(reason):
                    self.is_ending = True
                    claim = await self._context.table.again(self.claim.job_id, self.claim.attempt)
                    if claim is None:
                        return
                    self.claim, self._job, self.is_ending, reason = claim, None, False, next_reason
        except Exception:
            # The row is as it was: the next sweep goes on with it.
            logger.exception("job %s: it could not be seen to its end", self.claim.job_id)
        finally:
            self.opened.set()
            self.over.set()

    async def give_up(self, timeout: float) -> None:
        """Says in its row and its log that this process stops, where its function has not let go of it in time."""
        if self._job is not None and not self.is_ending:
            with bound(job_id=self.claim.job_id):
                logger.error("job %s did not end %s s after it was cancelled", self.claim.job_id, timeout)
                await self._end_with_process()

    async def _attempt(self, reason: str | None) -> str | None:
        """Runs one attempt; gives why there has to be another."""
        claim, kind = self.claim, self._kind
        self._job = job = await self._open_log(reason)
        if job is None:
            return None
        with bound(trace_id=job.trace_id):
            if claim.tries > 1 + kind.retries or claim.args is None:  # None: of an earlier version of the app
                await self._end_poison()
                return None
            try:
                args = kind.arguments.model_validate_json(claim.args)
            except ValidationError as unfit:
                await self._end("failed", _unfit(unfit))
                return None
            job.retries_left = kind.retries - claim.tries + 1
            outcome, error = await self._call(job, args)
            if self.is_ending:  # give_up() was quicker
                return None
            if isinstance(error, asyncio.CancelledError):
                await self._end_early()
            elif error is None:
                await self._end("completed", None, outcome)
            elif isinstance(error, JobError) or claim.tries > kind.retries:
                code = error.code if isinstance(error, JobError) else None
                await self._end("failed", _reason(error), {"code": code} if code else None, error)
            else:
                return await self._pause_before_next(error)
        return None

    async def _open_log(self, reason: str | None) -> Job | None:
        """The log of the attempt. While the store is away a first one begins all the same; later ones wait for it,
        since only the store can fence the one before."""
        context, claim, pause = self._context, self.claim, _FIRST_PAUSE_SECONDS
        while not self._stop_reason:
            try:
                job = await _open(context, claim, claim.attempt, reason)
            except JobExists:
                # It was closed, and its server lost before the row said so: the log is what viewers have seen.
                await self._end("interrupted", INTERRUPTED)
                return None
            except StoreError as error:
                logger.warning("job %s: its log cannot be opened: %s", claim.job_id, error)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                await self._wait_unless_stopped(pause)
            else:
                self.opened.set()
                return job
        await self._end_early()
        return None

    async def _call(self, job: Job, args: BaseModel) -> tuple[Mapping[str, Any] | None, BaseException | None]:
        """Calls the function; gives its result, or what it raised."""
        kind, claim, started = self._kind, self.claim, time.monotonic()

        async def call() -> Any:
            with job.in_trace():
                return await kind(job, args)

        handle = _Handle(asyncio.create_task(call(), name=f"{kind.name} {job.job_id}, attempt {claim.attempt}"))
        job.track(handle)
        self._handle = handle
        timer = asyncio.get_running_loop().call_later(kind.timeout or self._context.seconds, self.stop, "timeout")
        logger.info("job %s begins: %s, attempt %d", job.job_id, kind.name, claim.attempt)
        if self._stop_reason:
            handle.cancel()
        try:
            await asyncio.wait([handle.task])
        finally:
            timer.cancel()
        error = asyncio.CancelledError() if handle.task.cancelled() else handle.task.exception()
        result = None if error is not None else handle.task.result()
        logger.info("job %s: the attempt took %.2f s", job.job_id, time.monotonic() - started)
        return (result.model_dump(mode="json") if isinstance(result, BaseModel) else result), error

    async def _pause_before_next(self, error: BaseException) -> str:
        claim = self.claim
        pause = self._context.pause * 2.0 ** (claim.tries - 1)
        logger.error("job %s failed, and is tried again in %g s", claim.job_id, pause, exc_info=error)
        again = f"It is tried again in {duration(pause)} ({claim.tries} of {self._kind.retries})."
        self._leave(f"{_reason(error)} {again}")
        # Cancelled or stopped meanwhile: the next attempt begins, and ends at once for that reason.
        await self._wait_unless_stopped(pause)
        return f"Unexpected {type(error).__name__}"

    async def _wait_unless_stopped(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    # Its end

    async def _end_early(self) -> None:
        if self._stop_reason == "timeout":
            timeout = self._kind.timeout
            seconds = timeout or self._context.seconds
            limit = "the limit of its kind" if timeout else f"MAX_JOB_SECONDS is {seconds:g}"
            took = f"It ran for {duration(seconds)}, and {limit}"
            await self._end("failed", f"{took}: give it less to do, or raise the limit.")
        elif self._stop_reason == "stop":
            await self._end_with_process()
        elif self._stop_reason == "lost":
            self._leave_to_others()
        else:
            await self._end("cancelled", None)

    async def _end_with_process(self) -> None:
        """The process stops while the job runs: it is queued again where it may be retried, else interrupted."""
        context, claim = self._context, self.claim
        self.is_ending = True
        if not self._kind.retries:
            if self._job is not None:
                self._job.log("The server is stopping: start this job again later.", "warning")
            await self._end("interrupted", INTERRUPTED)
        elif await context.table.release(claim.job_id, claim.attempt):
            self._leave("The server is stopping: the job goes on at its next start, or at another one.")
            logger.info("job %s is queued again: the server is stopping", claim.job_id)
            if not context.engine.here:
                await context.engine.submit(claim.job_id, claim.attempt)

    async def _end_poison(self) -> None:
        """It has no try left, and those that ran it were lost each time."""
        if not self._kind.retries or self.claim.args is None:
            await self._end("interrupted", INTERRUPTED)
            return
        times = count(self.claim.tries - 1, "time")
        lost = f"It was begun {times}, and each time the server or worker that ran it was lost or it failed"
        await self._end("failed", f"{lost}: it is not tried again.")

    def _leave(self, last_line: str) -> None:
        """Ends the attempt and not the job."""
        self._finish_handle()
        if self._job is not None:
            self._job.leave(last_line)

    def _leave_to_others(self) -> None:
        """Ends the attempt of a job that is not this process's any more."""
        self.is_ending = True
        logger.warning("job %s goes on elsewhere: this attempt is over", self.claim.job_id)
        self._leave("This attempt was taken for lost, and another one goes on.")

    async def _end(
        self,
        status: JobStatus,
        reason: str | None,
        result: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Ends the job: its row, then its log, then the row says that the log is closed."""
        self.is_ending = True
        context, claim, pause = self._context, self.claim, _FIRST_PAUSE_SECONDS
        while True:
            try:
                mine = await context.table.finish(claim.job_id, claim.attempt, status, reason, result)
                break
            except Exception as failure:
                if context.stopping.is_set():
                    raise  # the job is taken over when the database is back
                logger.warning("job %s: how it ended cannot be stored yet: %s", claim.job_id, failure)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)
        if not mine:
            self._leave_to_others()
            return
        unexpected = error if error is not None and not isinstance(error, JobError) else None
        logger.log(
            logging.INFO if unexpected is None else logging.ERROR,
            "job %s %s%s",
            claim.job_id,
            status,
            f": {reason}" if reason else "",
            exc_info=unexpected,
        )
        if self._job is None:  # between two attempts
            await close_log(context, replace(claim, status=status, error=reason))
            return
        if result is not None and status == "completed":
            self._job.set_result(dict(result))
        _close(context, self._job, status, reason)
        self._finish_handle()
        self.over.set()
        await _clean_up(context, claim, status, self._job)

    def _finish_handle(self) -> None:
        if self._handle is not None and not self._handle.done():
            self._handle.set_result(None)


async def close_log(context: RunContext, claim: Claim) -> None:
    """Closes the log of a job that is over: whose process was lost before it did, or that was cancelled while it
    waited. A store that is away is left to the next sweep."""
    reason = "It was cancelled." if claim.status == "cancelled" else WORKER_LOST
    try:
        job: Job | None = await _open(context, claim, claim.attempt + 1, reason)
    except JobExists:
        job = None  # it was closed, and only the row had still to say so
    except StoreError as error:
        logger.warning("job %s: its log cannot be closed yet: %s", claim.job_id, error)
        return
    if job is not None:
        _close(context, job, claim.status, claim.error)
    await _clean_up(context, claim, claim.status, job)


async def _open(context: RunContext, claim: Claim, attempt: int, reason: str | None) -> Job:
    user = _user(claim)
    open_job = partial(Job, context.store, claim.job_id, user, context.state, attempt, reason=reason, trace=claim.trace)
    return open_job() if attempt == 1 else await asyncio.to_thread(open_job)  # only a later one waits for the store


def _close(context: RunContext, job: Job, status: str, reason: str | None) -> None:
    """Says in the log how the job ended, and closes it."""
    stopping = context.stopping.is_set()
    if status == "cancelled":
        job.log("Cancelled.", "warning")
    elif status == "failed" or (status == "interrupted" and not stopping):
        job.log(reason or INTERRUPTED, "error")
    job.close("failed" if status == "interrupted" and not stopping else _DONE[cast(JobStatus, status)])


async def _clean_up(context: RunContext, claim: Claim, status: str, job: Job | None) -> None:
    """Does what there is to do after a job, and waits until the store has its log, if that is this process's: as long
    as the row names a server, whoever finds that one gone closes the log."""
    kind = context.kinds.get(claim.kind)
    if kind is not None and claim.args is not None:
        try:
            await kind.ended(context.state, claim.args, status)
        except Exception:
            logger.exception("job %s: it could not be cleaned up after it", claim.job_id)
    while job is not None and not await job.flushed():
        if context.stopping.is_set():
            return
        if context.store.degraded is None:  # it is another attempt's by now, or refused for good
            break
        await asyncio.sleep(_FIRST_PAUSE_SECONDS)
    await context.table.closed(claim.job_id, claim.attempt)


_DONE: Mapping[JobStatus, str] = {
    "completed": "completed", "failed": "failed", "cancelled": "cancelled", "interrupted": "cancelled",
}  # fmt: skip


class _Handle(asyncio.Future[None]):
    """What the log knows of a job's task: to cancel it cancels the task; it is done when the log is closed, so that the
    log is not closed before the row is written."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        super().__init__(loop=task.get_loop())
        self.task = task

    def cancel(self, msg: Any = None) -> bool:
        return self.task.cancel()


def _user(claim: Claim) -> User:
    return next((user for user in (LOCAL_USER, SYSTEM) if user.id == claim.user_id), User(claim.user_id, ""))


def _reason(error: BaseException) -> str:
    """What a failed job says: the sentence of a `JobError`; of anything else only the name, since its text was not
    written for users and may hold what is not theirs."""
    if isinstance(error, JobError) and (text := str(error).strip()):
        return text
    return f"Unexpected {type(error).__name__}: the server made a mistake; its log says more."


def _unfit(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "arguments"
    return f"What it was asked for does not fit this version of the app ({where}: {first['msg']}): start it again."
