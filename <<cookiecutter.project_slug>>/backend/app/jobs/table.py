"""The table that remembers jobs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from app.database import Database, Migration
from app.jobs.job import INTERRUPTED, Job, JobStatus, utc_now
from app.servers import Server
from app.users import User

__all__ = ["MIGRATIONS", "JobTable"]

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE jobs (
            position INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            source TEXT NOT NULL,
            status TEXT NOT NULL,
            created_at TEXT NOT NULL,
            finished_at TEXT,
            result TEXT,
            error TEXT
        )
        """,
        "CREATE INDEX jobs_running ON jobs (status) WHERE status = 'running'",
    ),
    (
        "ALTER TABLE jobs ADD COLUMN user_id TEXT NOT NULL DEFAULT 'local'",
        "CREATE INDEX jobs_of_user ON jobs (user_id, position)",
        "ALTER TABLE jobs ADD COLUMN server TEXT",  # the one that runs it, by its `Server.name`
    ),
)


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

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO jobs (job_id, user_id, kind, source, status, created_at, server) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    job.job_id,
                    job.user_id,
                    job.kind,
                    job.source,
                    job.status,
                    job.created_at.isoformat(),
                    self._server.name,
                ),
            )
            connection.execute(
                "DELETE FROM jobs WHERE user_id = :user AND status != 'running' AND position <= "
                "(SELECT position FROM jobs WHERE user_id = :user ORDER BY position DESC LIMIT 1 OFFSET :kept)",
                {"user": job.user_id, "kept": self._kept},
            )

        await self._database.write(insert)

    async def finish(self, job: Job, result: Mapping[str, Any] | None) -> None:
        """Stores how `job` ended."""
        values = (
            job.status,
            job.finished_at.isoformat() if job.finished_at else None,
            None if result is None else json.dumps(result),
            job.error,
            job.job_id,
        )
        statement = "UPDATE jobs SET status = ?, finished_at = ?, result = ?, error = ? WHERE job_id = ?"
        await self._database.write(lambda connection: connection.execute(statement, values))

    async def interrupt_abandoned(self) -> int:
        """Marks the jobs of servers that live no more as interrupted; gives how many. Those of a server that lives,
        this one's among them, are left alone."""

        def abandoned(connection: sqlite3.Connection) -> list[str | None]:
            rows = connection.execute("SELECT DISTINCT server FROM jobs WHERE status = 'running'").fetchall()
            # A row without a server is of an earlier version of the app, which had to be stopped for this one.
            return [row["server"] for row in rows if row["server"] is None or not self._server.lives(row["server"])]

        def interrupt(connection: sqlite3.Connection) -> int:
            statement = (
                "UPDATE jobs SET status = 'interrupted', finished_at = ?, error = ? "
                "WHERE status = 'running' AND server IS ?"
            )
            now = utc_now().isoformat()
            return sum(connection.execute(statement, (now, INTERRUPTED, name)).rowcount for name in gone)

        gone = await self._database.read(abandoned)
        return await self._database.write(interrupt) if gone else 0

    async def latest(
        self, limit: int, *, user: User, kind: str | None = None, status: JobStatus | None = None
    ) -> list[Job]:
        """The newest `limit` jobs of a user, of one kind and status or of all, newest first."""
        statement = (
            "SELECT * FROM jobs WHERE user_id = :user AND (:kind IS NULL OR kind = :kind) "
            "AND (:status IS NULL OR status = :status) ORDER BY position DESC LIMIT :limit"
        )
        values = {"user": user.id, "kind": kind, "status": status, "limit": limit}
        rows = await self._database.read(lambda connection: connection.execute(statement, values).fetchall())
        return [_from_row(row) for row in rows]

    async def totals(self, *, user: User, since: datetime) -> tuple[dict[str, int], int]:
        """How many jobs a user has of each status, and how many of them have ended since a time."""
        statement = "SELECT status, count(*), sum(finished_at >= ?) FROM jobs WHERE user_id = ? GROUP BY status"
        values = (since.isoformat(), user.id)
        rows = await self._database.read(lambda connection: connection.execute(statement, values).fetchall())
        return {row[0]: row[1] for row in rows}, sum(row[2] or 0 for row in rows)

    async def get(self, job_id: str) -> Job | None:
        """One job, or None where there is none of this id."""
        row = await self._database.read(
            lambda connection: connection.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        )
        return None if row is None else _from_row(row)


_RESULT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _from_row(row: sqlite3.Row) -> Job:
    fields = {name: row[name] for name in row.keys() if name in Job.model_fields}  # noqa: SIM118
    result = _RESULT.validate_json(row["result"]) if row["result"] else {}
    return Job(**fields, document_id=result.get("document_id"), partial=result.get("partial"))
