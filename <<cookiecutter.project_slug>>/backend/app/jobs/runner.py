"""The runner: starts, cancels and lists jobs, and takes over what other processes left. `run.py` has one job's way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import State
from streamator import Store, StoreError
from streamator.tracing import Headers

from app.database import DatabaseUnavailable
from app.jobs.engines import Engine
from app.jobs.job import JobRecord, TooManyJobs, utc_now
from app.jobs.registry import JobKind
from app.jobs.run import SYSTEM, WORKER_LOST, Run, RunContext, close_log
from app.jobs.table import Claim, JobTable, NewJob
from app.logs import bound
from app.progress import ProgressReader
from app.users import LOCAL_USER, User

__all__ = ["SYSTEM", "JobRunner"]

logger = logging.getLogger(__name__)

Arguments = TypeVar("Arguments", bound=BaseModel)

TICK_SECONDS = 0.25
"""How often it is looked whether somebody wants a job of this process to stop."""

_BEATS = 5
"""How many signs of life a lease has."""

_PAUSE_SECONDS = 1.0
"""What the first retry after an exception waits; each further one twice as long."""

_LOOK_SECONDS = 0.1
_OPEN_SECONDS = 1.0
_MAX_LISTED = 1_000
_MAX_TRACE = 200


class JobRunner:
    """Starts jobs, cancels and lists them; one per app, used from the event loop's thread.

    The table owns a job, its log is for those who watch, and the engine brings it to where it runs.

    Guarantees: a job that `start` has given runs, or its end is told, whatever is killed: at each moment its row says
    whose it is, and who finds it left behind goes on with it. An attempt that was taken for lost and goes on changes
    nothing. However a job ends, its row says how before its log is closed: who has seen `done` finds the row ended.

    Arguments:
        table: the jobs.
        store: where their logs go.
        kinds: what this process can run; other jobs are left to others.
        state: the app's, for the jobs' functions.
        engine: brings jobs to where they run.
        limit: how many may run here at once (MAX_RUNNING_JOBS).
        per_user: how many of one user who has signed in may be open on all servers (default: all).
        queued: how many may wait for a worker (MAX_QUEUED_JOBS).
        seconds: how long an attempt may take (MAX_JOB_SECONDS; default: a year); then the job has failed.
        pause: seconds before the first retry.
    """

    def __init__(
        self,
        table: JobTable,
        store: Store,
        kinds: Sequence[JobKind[Any]],
        state: State,
        engine: Engine,
        *,
        limit: int,
        per_user: int | None = None,
        queued: int = 1_000,
        seconds: float = 31_536_000,
        pause: float = _PAUSE_SECONDS,
    ) -> None:
        self._table = table
        self._store = store
        self._kinds = {kind.name: kind for kind in kinds}
        self._engine = engine
        self._context = RunContext(table, store, self._kinds, state, engine, seconds, pause)
        self._stopping = self._context.stopping
        engine.run = self.run
        self._progress = ProgressReader(store)
        self._limit = limit
        self._per_user = per_user
        self._queued = queued
        self._preparing: Counter[str] = Counter()
        self._runs: dict[str, Run] = {}
        self._held: set[str] = set()  # what this process is at with besides, for a moment
        self._again: set[asyncio.Task[None]] = set()
        self._unknown: set[str] = set()
        self._looks: dict[str, float] = {}

    @property
    def running(self) -> int:
        """How many jobs run here now."""
        return sum(not run.is_ending for run in self._runs.values())

    @property
    def degraded(self) -> str | None:
        """What keeps jobs from being run, as a sentence; None where nothing does."""
        return self._engine.degraded

    # For who starts jobs

    @asynccontextmanager
    async def preparing(self, user: User = LOCAL_USER) -> AsyncIterator[None]:
        """A place for a job of a user, held while work is put into preparing it.

        Raises:
            TooManyJobs: `start` would raise it.
        """
        self._ensure_place()
        self._preparing[user.id] += 1
        try:
            self._ensure_room(user, await self._table.open_of(user), 0, preparing=self._preparing[user.id] - 1)
            yield
        finally:
            self._preparing[user.id] -= 1

    def _ensure_place(self) -> None:
        """Whether this process may take one more."""
        if self._stopping.is_set():
            raise TooManyJobs("the server is stopping: try again in a few seconds")
        running = self._running_of_users() + self._preparing.total()
        if self._engine.here and running >= self._limit:
            raise TooManyJobs(
                f"{running} jobs are running and MAX_RUNNING_JOBS is {self._limit}: wait for one to end, or cancel one"
            )

    def _running_of_users(self) -> int:
        return sum(run.claim.user_id != SYSTEM.id and not run.is_ending for run in self._runs.values())

    def _ensure_room(self, user: User, of_user: int, queued: int, preparing: int = 0) -> None:
        of_user += preparing
        if self._per_user is not None and user.id != LOCAL_USER.id and of_user >= self._per_user:
            raise TooManyJobs(
                f"{of_user} of your jobs are running and MAX_RUNNING_JOBS_PER_USER is {self._per_user}: "
                "wait for one to end, or cancel one"
            )
        if queued >= self._queued:
            raise TooManyJobs(f"{queued} jobs wait and MAX_QUEUED_JOBS is {self._queued}: wait for some to end")

    async def start(
        self,
        kind: JobKind[Arguments],
        args: Arguments,
        *,
        source: str,
        user: User = LOCAL_USER,
        trace: Headers | None = None,
    ) -> JobRecord:
        """Accepts a job, and has it run.

        Arguments:
            kind: what sort of job it is.
            args: what its function is given.
            source: what it works on, in the user's words.
            user: whose job it is (default: that of an app where nobody signs in).
            trace: the headers of the request that asks for it; the job belongs to the trace that their `traceparent`
                names (default: that of OpenTelemetry's current span, if there is one).

        Raises:
            TooManyJobs: no more may run here, or of this user's anywhere, or wait; or the server is stopping.
        """
        self._ensure_place()
        # The place is taken before the first await, so that the cap holds for requests that come together.
        self._preparing[user.id] += 1
        try:
            record = await self._add(kind, args, source, user, trace, once=False)
        finally:
            self._preparing[user.id] -= 1
        assert record is not None
        return record

    async def start_once(self, kind: JobKind[Arguments], args: Arguments, *, source: str) -> None:
        """Starts a job of the app itself, unless there is an open one of its kind and source."""
        if not self._stopping.is_set():
            await self._add(kind, args, source, SYSTEM, None, once=True)

    async def _add(
        self,
        kind: JobKind[Arguments],
        args: Arguments,
        source: str,
        user: User,
        trace: Headers | None,
        *,
        once: bool,
    ) -> JobRecord | None:
        new = NewJob(str(uuid.uuid4()), user.id, kind.name, source, args.model_dump_json(), _traceparent(trace))

        def room(of_user: int, queued: int) -> None:
            self._ensure_room(user, of_user, queued)

        here = self._engine.here
        with self._holding(new.job_id), bound(job_id=new.job_id):
            record = await self._table.add(new, begun=here, room=None if user is SYSTEM else room, once=once)
            if record is None:
                return None
            logger.info("job %s accepted: %s %s", record.job_id, kind.name, source)
            if here:
                claim = Claim(**new.__dict__, status="running", attempt=1, tries=1, error=None)
                await self._begin(claim, None)
            else:
                await self._engine.submit(record.job_id, record.attempt)
        return record

    async def begun(self, job_id: str, *, user: User | None, patience: float) -> bool:
        """Waits until a job has a log that can be followed, or is over. A job whose log is not there has not begun yet,
        or was left behind and is about to be taken over.

        Arguments:
            user: whose it has to be; None: anybody's.
            patience: for so many seconds at most.

        Returns:
            False if it is not there, or somebody else's.

        Raises:
            asyncio.TimeoutError: it still waits.
        """
        ends_at = time.monotonic() + patience
        while True:
            record = await self._table.get(job_id)
            if record is None or (user is not None and record.user_id != user.id):
                return False
            if (run := self._runs.get(job_id)) is not None:
                await asyncio.wait_for(run.opened.wait(), max(ends_at - time.monotonic(), 0.001))
                return True
            if record.status != "running" or await self._has_log(job_id):
                return True
            if time.monotonic() > ends_at:
                raise asyncio.TimeoutError
            await asyncio.sleep(_LOOK_SECONDS)

    async def _has_log(self, job_id: str) -> bool:
        with contextlib.suppress(StoreError):
            return await self._store.find(job_id) is not None
        return True  # the route says what is wrong with the store

    async def ended(self, job_id: str, *, user: User) -> JobRecord | None:
        """Waits until a job is over, wherever it runs; None where it is not there."""
        while True:
            run = self._runs.get(job_id)
            if run is not None:
                await run.over.wait()
            record = await self.get(job_id, user=user)
            if record is None or record.status != "running" or self._stopping.is_set():
                return record
            await asyncio.sleep(TICK_SECONDS)

    async def cancel(self, job_id: str) -> bool:
        """Asks a job to stop, wherever it is; within a second it knows. True if it runs here, waited, or is over."""
        if (run := self._runs.get(job_id)) is not None:
            run.stop("cancel")
            return True
        with self._holding(job_id):
            claim = await self._table.cancel(job_id)
            if claim is not None:
                await close_log(self._context, claim)
                return True
        record = await self._table.get(job_id)
        return record is None or record.status != "running"

    # For who looks

    async def latest(
        self, limit: int, *, user: User, kind: str | None = None, source: str | None = None
    ) -> list[JobRecord]:
        """The newest `limit` jobs of a user, newest first; of one kind or of all, on one source or on all."""
        return await self._table.latest(limit, user=user, kind=kind, source=source)

    async def get(self, job_id: str, *, user: User) -> JobRecord | None:
        """One job; None where there is none, or it is somebody else's."""
        record = await self._table.get(job_id)
        return record if record is not None and record.user_id == user.id else None

    async def with_progress(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        """The same, those that run with their age and how far they are, wherever they run."""
        running = [record.job_id for record in records if record.status == "running" and not record.waits]
        progress, now = await self._progress.of(running), utc_now()

        def completed(record: JobRecord) -> JobRecord:
            if record.status != "running":
                return record
            known: dict[str, Any] = {"age_seconds": round(max((now - record.created_at).total_seconds(), 0.0), 1)}
            if record.job_id in progress:
                known |= {"step": progress[record.job_id].step, "percent": progress[record.job_id].percent}
            else:
                known["step"] = "Waiting for a worker"
            return record.model_copy(update=known)

        return [completed(record) for record in records]

    async def running_of(self, user: User) -> list[JobRecord]:
        """The user's jobs that run or wait, wherever they are, newest first, with how far they are."""
        return await self.with_progress(await self._table.latest(_MAX_LISTED, user=user, is_open=True))

    async def totals(self, *, user: User, since: datetime) -> tuple[dict[str, int], int]:
        """How many jobs a user has of each status, and how many of them have ended since a time."""
        return await self._table.totals(user=user, since=since)

    # For the engine

    async def run(self, job_id: str) -> None:
        """Runs a job to its end, if it is there to be run and this process knows its kind; else does nothing."""
        if self._stopping.is_set() or job_id in self._runs or job_id in self._held:
            return
        with self._holding(job_id):
            claim = await self._table.claim(job_id, self._kinds)
            if claim is None:
                await self._tell_of_unknown(job_id)
                return
            if claim.status != "running":
                await close_log(self._context, claim)
                return
            run = await self._begin(claim, WORKER_LOST if claim.tries > 1 else "It was stopped with its server.")
        if run.task is not None:
            await asyncio.wait([run.task])

    @contextmanager
    def _holding(self, job_id: str) -> Iterator[None]:
        self._held.add(job_id)
        try:
            yield
        finally:
            self._held.discard(job_id)

    async def _tell_of_unknown(self, job_id: str) -> None:
        record = await self._table.get(job_id)
        if record is not None and record.kind not in self._kinds and record.kind not in self._unknown:
            self._unknown.add(record.kind)
            logger.warning("jobs of the kind %r are left to others: this version of the app knows none", record.kind)

    async def watch(self) -> None:
        """Keeps this process's jobs its own, and sees to what others have left behind, for ever."""
        beat_at = swept_at = float("-inf")
        while True:
            now = time.monotonic()
            try:
                if self._runs and now - beat_at >= self._table.lease / _BEATS:
                    await self._table.beat()
                    beat_at = now
                if self._runs:
                    await self._look_at_mine()
                if now - swept_at >= self._engine.sweep_seconds:
                    await self.sweep()
                    swept_at = now
                await self._look_for_missed()
            except DatabaseUnavailable as error:
                self._table.doubt_leases()
                logger.warning("the jobs could not be looked at: %s", error)
            except Exception:
                logger.exception("the jobs could not be looked at; the next look is in a moment")
            await asyncio.sleep(TICK_SECONDS)

    async def sweep(self) -> None:
        """Has what was left behind taken over, by a worker or here."""
        for job_id, attempt, own in await self._table.left(queued_for=self._engine.queued_seconds):
            if self._stopping.is_set() or (self._engine.here and self._running_of_users() >= self._limit):
                return
            if job_id in self._runs or job_id in self._held:
                continue
            if own:  # it could not be seen to its end, or its log not be closed
                task = asyncio.create_task(self.run(job_id))
                self._again.add(task)
                task.add_done_callback(self._again.discard)
            else:
                await self._engine.submit(job_id, attempt)

    async def _look_at_mine(self) -> None:
        before = [(run, run.claim) for run in self._runs.values() if not run.is_ending]
        mine = await self._table.mine()
        for run, claim in before:
            attempt, cancel = mine.get(claim.job_id, (None, False))
            if run.is_ending or run.claim is not claim:  # it has ended meanwhile, or is at its next attempt
                continue
            if attempt != claim.attempt:
                run.stop("lost")
            elif cancel:
                run.stop("cancel")

    async def _look_for_missed(self) -> None:
        for kind in self._kinds.values():
            if kind.missed_every and time.monotonic() - self._looks.get(kind.name, -1e9) >= kind.missed_every:
                self._looks[kind.name] = time.monotonic()
                for source, args in (await kind.look(self._context.state)).items():
                    await self.start_once(kind, args, source=source)

    async def work(self) -> None:
        """Runs what the queue delivers, as a worker does, until it is cancelled."""
        await self._engine.work(self._limit)

    async def shutdown(self, timeout: float = 5.0) -> None:
        """Stops what runs here and waits for it, `timeout` seconds at most. Later starts are refused. What may be
        retried is queued for the next start or another worker; the rest is interrupted.

        A job that does not let go in time is left to the end of the process; its row and its log say the same.
        """
        self._stopping.set()
        for run in list(self._runs.values()):
            run.stop("stop")
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        for run in list(self._runs.values()):
            await run.give_up(timeout)
        self._runs.clear()

    async def _begin(self, claim: Claim, reason: str | None) -> Run:
        run = self._runs[claim.job_id] = Run(self._context, claim)
        run.task = asyncio.create_task(run.to_its_end(reason), name=f"{claim.kind} {claim.job_id}")
        run.task.add_done_callback(lambda _: self._forget(run))
        # With a store that answers it has a log when `start` returns.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(run.opened.wait(), _OPEN_SECONDS)
        return run

    def _forget(self, run: Run) -> None:
        if self._runs.get(run.claim.job_id) is run:
            del self._runs[run.claim.job_id]


def _traceparent(trace: Headers | None) -> str | None:
    """The trace that a job belongs to: that of a request, or else OpenTelemetry's current one."""
    if trace is not None and (given := trace.get("traceparent")):
        return given[:_MAX_TRACE]
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
