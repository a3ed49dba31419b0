"""The table that owns jobs: each change of one is a transaction that names the attempt that it is of."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Update, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.database import Database
from app.jobs.job import JobRecord, JobStatus, utc_now
from app.jobs.models import JobRow
from app.jobs.owner import is_gone, new_owner
from app.models import delete_oldest
from app.users import User

__all__ = ["Claim", "JobTable", "NewJob"]

_OPEN = ("queued", "running")
_SWEPT = 200
"""How many jobs one look for those that were left behind gives at most."""


@dataclass(frozen=True)
class NewJob:
    """A job as it is asked for. `args`: JSON."""

    job_id: str
    user_id: str
    kind: str
    source: str
    args: str
    trace: str | None


@dataclass(frozen=True)
class Claim:
    """A job that is this server's to run, or whose log it has to close: `status` says how it has ended then."""

    job_id: str
    user_id: str
    kind: str
    source: str
    status: str
    args: str | None
    attempt: int
    tries: int
    error: str | None
    trace: str | None


class JobTable:
    """The jobs in the database, of all servers and workers that use it.

    Arguments:
        database: where they are.
        lease: seconds without a sign of life after which who runs a job is gone.
        kept: how many jobs of each user are remembered (MAX_KEPT_JOBS).
    """

    def __init__(self, database: Database, *, lease: float = 10.0, kept: int = 10_000) -> None:
        self._database = database
        self._owner = new_owner()
        self.lease = lease
        """Seconds without a sign of life after which who runs a job is gone."""
        self._kept = kept
        self._doubted_until = float("-inf")
        # One clock for all machines, the database's; SQLite is one machine's.
        kind = JobRow.seen_at.type
        self._now: ColumnElement[datetime] = (
            func.clock_timestamp(type_=kind) if database.is_postgres else bindparam(None, callable_=utc_now, type_=kind)
        )

    def doubt_leases(self) -> None:
        """The database was away, and nobody could say that they live: for as long as a lease takes, one that has run
        out means nothing."""
        self._doubted_until = time.monotonic() + self.lease

    async def add(
        self,
        job: NewJob,
        *,
        begun: bool,
        room: Callable[[int, int], None] | None = None,
        once: bool = False,
    ) -> JobRecord | None:
        """Accepts a job, and forgets its user's oldest past `kept`, but none that is open.

        Arguments:
            begun: whether this server runs it now; else it is queued.
            room: is told how many jobs of the user are open, and how many of all are queued; raises what refuses it.
            once: whether there must be no open job of its kind and source; gives None where there is one.
        """
        columns = {name: getattr(job, name) for name in ("job_id", "user_id", "kind", "source", "args", "trace")}
        state: dict[str, Any] = {"status": "queued"}
        if begun:
            state = {"status": "running", "attempt": 1, "tries": 1, "server": self._owner, "seen_at": self._now}
        same = select(JobRow.position).where(_open(), JobRow.kind == job.kind, JobRow.source == job.source)

        def add(session: Session) -> Row[Any] | None:
            if once and session.execute(same).first() is not None:
                return None
            if room is not None:
                of_user = select(func.count()).where(_open(), JobRow.user_id == job.user_id)
                queued = select(func.count()).where(JobRow.status == "queued")
                room(session.scalar(of_user) or 0, session.scalar(queued) or 0)
            session.execute(insert(JobRow).values(**columns, **state, created_at=self._now))
            session.execute(delete_oldest(JobRow, job.user_id, past=self._kept).where(JobRow.status.not_in(_OPEN)))
            return session.execute(_ROWS.where(JobRow.job_id == job.job_id)).one()

        row = await self._database.write(add, lock=f"jobs of {job.user_id}")
        return None if row is None else _from_row(row)

    async def claim(self, job_id: str, kinds: Collection[str]) -> Claim | None:
        """Makes a job this server's: one that is queued, or whose owner is gone, as its next attempt; or one that is
        over, whose owner was gone before its log was closed. None for any other, and for one of another kind."""

        def claim(session: Session) -> Row[Any] | None:
            row = session.execute(
                select(*self._lease, JobRow.status, JobRow.attempt, JobRow.kind).where(JobRow.job_id == job_id)
            ).one_or_none()
            if row is None or row.kind not in kinds or not (row.status == "queued" or self._is_left(row)):
                return None
            values: dict[str, Any] = {"server": self._owner, "seen_at": self._now}
            if row.status in _OPEN:
                values |= {"status": "running", "attempt": row.attempt + 1, "tries": JobRow.tries + 1}
            as_it_was = and_(
                JobRow.job_id == job_id,
                JobRow.attempt == row.attempt,
                JobRow.status == row.status,
                JobRow.server.is_not_distinct_from(row.server),
            )
            changed = session.execute(update(JobRow).where(as_it_was).values(**values))
            return session.execute(_CLAIM.where(JobRow.job_id == job_id)).one() if _rows(changed) else None

        row = await self._database.write(claim)
        return None if row is None else _claim(row)

    @property
    def _lease(self) -> tuple[Any, ...]:
        """What `_is_left` has to know of a job, beside its status."""
        return JobRow.server, JobRow.seen_at, self._now.label("now")

    def _is_left(self, row: Any) -> bool:
        if row.server is None:  # queued, over and closed, or of an earlier version of the app
            return bool(row.status == "running")
        if row.server == self._owner:  # the runner knows what it is at with
            return True
        if is_gone(row.server):
            return True
        if time.monotonic() < self._doubted_until:
            return False
        return bool(row.seen_at is None or row.now - row.seen_at >= timedelta(seconds=self.lease))

    async def left(self, *, queued_for: float) -> list[tuple[str, int, bool]]:
        """The jobs that wait for somebody, the oldest first, some of them if there are many: each with its attempt, and
        whether it is this server's.

        They are those that are queued for longer than `queued_for` seconds, those whose owner is gone, and this
        server's own, of which the runner has to know which it is at with.
        """
        columns = (JobRow.job_id, JobRow.attempt, JobRow.status, JobRow.created_at, *self._lease)
        queued = select(*columns).where(JobRow.status == "queued").order_by(JobRow.position).limit(_SWEPT)
        waits = timedelta(seconds=queued_for)
        held = select(*columns).where(or_(JobRow.server.is_not(None), JobRow.status == "running"))

        def look(session: Session) -> Sequence[Row[Any]]:
            return [*session.execute(held.order_by(JobRow.position)), *session.execute(queued)]

        rows = await self._database.read(look)
        return [
            (row.job_id, row.attempt, row.server == self._owner)
            for row in rows
            if (row.now - row.created_at >= waits if row.status == "queued" else self._is_left(row))
        ]

    async def beat(self) -> None:
        """Says that this server lives."""
        held = update(JobRow).where(JobRow.server == self._owner).values(seen_at=self._now)
        await self._database.write(lambda session: session.execute(held))

    async def mine(self) -> dict[str, tuple[int, bool]]:
        """The jobs that this server runs: their attempt, and whether somebody wants them to stop."""
        statement = select(JobRow.job_id, JobRow.attempt, JobRow.cancel).where(JobRow.server == self._owner)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return {job_id: (attempt, cancel) for job_id, attempt, cancel in rows}

    async def again(self, job_id: str, attempt: int) -> Claim | None:
        """The next attempt of a job that this server runs; None where it is not this server's any more."""
        mine = _of_attempt(job_id, attempt).values(attempt=attempt + 1, tries=JobRow.tries + 1, seen_at=self._now)

        def begin(session: Session) -> Row[Any] | None:
            changed = _rows(session.execute(mine))
            return session.execute(_CLAIM.where(JobRow.job_id == job_id)).one() if changed else None

        row = await self._database.write(begin)
        return None if row is None else _claim(row)

    async def release(self, job_id: str, attempt: int) -> bool:
        """Queues a job that this server runs; the attempt does not count. False where it is not this server's."""
        statement = _of_attempt(job_id, attempt).values(status="queued", server=None, tries=JobRow.tries - 1)
        return await self._database.write(lambda session: _rows(session.execute(statement)))

    async def finish(
        self, job_id: str, attempt: int, status: JobStatus, error: str | None, result: Mapping[str, Any] | None
    ) -> bool:
        """Stores how a job ended; its log is still to be closed. False where it is not this server's any more."""
        statement = _of_attempt(job_id, attempt).values(
            status=status,
            finished_at=self._now,
            error=error,
            result=None if result is None else _RESULT.dump_json(dict(result)).decode(),
        )
        return await self._database.write(lambda session: _rows(session.execute(statement)))

    async def closed(self, job_id: str, attempt: int) -> None:
        """The log of a job that is over has been closed, and it is cleaned up."""
        over = and_(JobRow.job_id == job_id, JobRow.attempt == attempt, JobRow.status.not_in(_OPEN))
        statement = update(JobRow).where(over).values(server=None, args=None)
        await self._database.write(lambda session: session.execute(statement))

    async def cancel(self, job_id: str) -> Claim | None:
        """Asks who runs a job to stop it. One that waits is over at once: its log is then this server's to close."""
        waiting = (
            update(JobRow)
            .where(JobRow.job_id == job_id, JobRow.status == "queued")
            .values(status="cancelled", finished_at=self._now, server=self._owner, seen_at=self._now)
        )
        running = update(JobRow).where(JobRow.job_id == job_id, JobRow.status == "running").values(cancel=True)

        def ask(session: Session) -> Row[Any] | None:
            if _rows(session.execute(waiting)):
                return session.execute(_CLAIM.where(JobRow.job_id == job_id)).one()
            session.execute(running)
            return None

        row = await self._database.write(ask)
        return None if row is None else _claim(row)

    async def latest(
        self,
        limit: int,
        *,
        user: User,
        kind: str | None = None,
        source: str | None = None,
        is_open: bool | None = None,
    ) -> list[JobRecord]:
        """The newest `limit` jobs of a user, newest first: of one kind, on one source, and those that are open, or
        all."""
        statement = _ROWS.where(JobRow.user_id == user.id).order_by(JobRow.position.desc()).limit(limit)
        if kind is not None:
            statement = statement.where(JobRow.kind == kind)
        if source is not None:
            statement = statement.where(JobRow.source == source)
        if is_open:
            statement = statement.where(_open())
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return [_from_row(row) for row in rows]

    async def totals(self, *, user: User, since: datetime) -> tuple[dict[str, int], int]:
        """How many jobs a user has of each status, and how many of them have ended since a time."""
        ended = func.count().filter(JobRow.finished_at >= since)
        statement = select(JobRow.status, func.count(), ended).where(JobRow.user_id == user.id).group_by(JobRow.status)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return {status: number for status, number, _ in rows}, sum(number for _, _, number in rows)

    async def open_of(self, user: User) -> int:
        """How many jobs of a user wait or run."""
        statement = select(func.count()).where(_open(), JobRow.user_id == user.id)
        return await self._database.read(lambda session: session.scalar(statement)) or 0

    async def get(self, job_id: str) -> JobRecord | None:
        """One job, or None where there is none of this id."""
        statement = _ROWS.where(JobRow.job_id == job_id)
        row = await self._database.read(lambda session: session.execute(statement).one_or_none())
        return None if row is None else _from_row(row)


_SHOWN = ("job_id", "user_id", "kind", "source", "status", "attempt", "created_at", "finished_at", "error")
_ROWS = select(*(getattr(JobRow, name) for name in (*_SHOWN, "result")))
_CLAIM = select(*(getattr(JobRow, name) for name in Claim.__dataclass_fields__))
_RESULT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _open() -> ColumnElement[bool]:
    return JobRow.status.in_(_OPEN)


def _of_attempt(job_id: str, attempt: int) -> Update:
    return update(JobRow).where(and_(JobRow.job_id == job_id, JobRow.attempt == attempt, JobRow.status == "running"))


def _rows(result: Any) -> bool:
    return bool(result.rowcount)


def _claim(row: Row[Any]) -> Claim:
    return Claim(**row._mapping)


def _from_row(row: Row[Any]) -> JobRecord:
    fields, stored = row[:-1], row[-1]
    result = _RESULT.validate_json(stored) if stored else {}
    values: dict[str, Any] = dict(zip(_SHOWN, fields, strict=True))
    waits = values["status"] == "queued"
    return JobRecord(
        **{**values, "status": "running" if waits else values["status"]},
        waits=waits,
        document_id=result.get("document_id"),
        partial=result.get("partial"),
        code=result.get("code"),
    )
