"""The table that remembers jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.database import Database
from app.jobs.job import INTERRUPTED, Job, JobStatus, utc_now
from app.jobs.models import JobRow
from app.models import delete_oldest, table_of
from app.servers import Server
from app.users import User

__all__ = ["JobTable"]


class JobTable:
    """The jobs in the database, across restarts, of every server that uses it.

    Arguments:
        database: where they are.
        server: this server, which the jobs that are added here run on.
        kept: how many jobs of each user are remembered (MAX_KEPT_JOBS).
    """

    def __init__(self, database: Database, server: Server, *, kept: int = 10_000) -> None:
        self._database = database
        self._server = server
        self._kept = kept

    async def add(self, job: Job) -> None:
        """Remembers a new job, and forgets its user's oldest past `kept`, but none that runs."""

        row = {name: getattr(job, name) for name in ("job_id", "user_id", "kind", "source", "status", "created_at")}
        row["server"] = self._server.name

        def add(session: Session) -> None:
            session.execute(_ADD, row)
            session.execute(_FORGET, {"user": job.user_id, "past": self._kept})

        await self._database.write(add)

    async def finish(self, job: Job, result: Mapping[str, Any] | None) -> None:
        """Stores how `job` ended."""
        values = {
            "job": job.job_id,
            "status": job.status,
            "finished_at": job.finished_at,
            "result": None if result is None else json.dumps(result),
            "error": job.error,
        }
        await self._database.write(lambda session: session.execute(_FINISH, values))

    async def interrupt_abandoned(self) -> int:
        """Marks the jobs of servers that live no more as interrupted; gives how many. Those of a server that lives,
        this one's among them, are left alone."""
        running = select(JobRow.server).where(JobRow.status == "running").distinct()
        servers = await self._database.read(lambda session: session.scalars(running).all())
        # A row without a server is of an earlier version of the app, which had to be stopped for this one.
        gone = [name for name in servers if name is None or not self._server.lives(name)]
        if not gone:
            return 0
        statement = (
            update(JobRow)
            .where(JobRow.status == "running", or_(*(JobRow.server.is_not_distinct_from(name) for name in gone)))
            .values(status="interrupted", finished_at=utc_now(), error=INTERRUPTED)
            .returning(JobRow.job_id)
        )
        return await self._database.write(lambda session: len(session.scalars(statement).all()))

    async def latest(
        self, limit: int, *, user: User, kind: str | None = None, status: JobStatus | None = None
    ) -> list[Job]:
        """The newest `limit` jobs of a user, of one kind and status or of all, newest first."""
        statement = _ROWS.where(JobRow.user_id == user.id).order_by(JobRow.position.desc()).limit(limit)
        if kind is not None:
            statement = statement.where(JobRow.kind == kind)
        if status is not None:
            statement = statement.where(JobRow.status == status)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return [_from_row(row) for row in rows]

    async def totals(self, *, user: User, since: datetime) -> tuple[dict[str, int], int]:
        """How many jobs a user has of each status, and how many of them have ended since a time."""
        ended = func.count().filter(JobRow.finished_at >= since)
        statement = select(JobRow.status, func.count(), ended).where(JobRow.user_id == user.id).group_by(JobRow.status)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return {status: number for status, number, _ in rows}, sum(number for _, _, number in rows)

    async def get(self, job_id: str) -> Job | None:
        """One job, or None where there is none of this id."""
        statement = _ROWS.where(JobRow.job_id == job_id)
        row = await self._database.read(lambda session: session.execute(statement).one_or_none())
        return None if row is None else _from_row(row)


# What each job asks for is made once: to make a statement takes SQLAlchemy longer than SQLite to do it.
_JOBS = table_of(JobRow)
_ADD = insert(_JOBS)
_FORGET = delete_oldest(JobRow, bindparam("user"), past=bindparam("past")).where(_JOBS.c.status != "running")
_FINISH = (
    update(_JOBS)
    .where(_JOBS.c.job_id == bindparam("job"))
    .values({name: bindparam(name) for name in ("status", "finished_at", "result", "error")})
)
_SHOWN = ("job_id", "user_id", "kind", "source", "status", "created_at", "finished_at", "error")
_ROWS = select(*(getattr(JobRow, name) for name in (*_SHOWN, "result")))
_RESULT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _from_row(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    stored = values.pop("result")
    result = _RESULT.validate_json(stored) if stored else {}
    return Job(**values, document_id=result.get("document_id"), partial=result.get("partial"))
