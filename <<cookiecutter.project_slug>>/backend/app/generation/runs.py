"""What was asked for in each run, and what came of it: for the list that outlives the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from app.database import Database, Migration
from app.generation.events import ProviderName, RunMetadata
from app.generation.prompt import Length
from app.users import User

__all__ = ["MIGRATIONS", "RunRow", "RunTable"]

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE runs (
            position INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL UNIQUE,
            user_id TEXT NOT NULL DEFAULT 'local',
            prompt TEXT NOT NULL,
            provider TEXT NOT NULL,
            length TEXT NOT NULL,
            text TEXT NOT NULL,
            output TEXT,
            metadata TEXT
        )
        """,
        "CREATE INDEX runs_of_user ON runs (user_id, position)",
    ),
)


@dataclass(frozen=True)
class RunRow:
    """A run as it is stored. `output` and `metadata` are there once there is an output."""

    job_id: str
    prompt: str
    provider: ProviderName
    length: Length
    text: str
    output: str | None = None
    metadata: RunMetadata | None = None


class RunTable:
    """The runs in the database.

    Arguments:
        database: where they are.
        kept: how many of each user are remembered, with their texts (MAX_KEPT_RUNS).
    """

    def __init__(self, database: Database, *, kept: int = 200) -> None:
        self._database = database
        self._kept = kept

    async def add(self, run: RunRow, *, user: User) -> None:
        """Remembers a run that has begun, and forgets the user's oldest past `kept`."""
        values = (run.job_id, user.id, run.prompt, run.provider, run.length, run.text)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO runs (job_id, user_id, prompt, provider, length, text) VALUES (?, ?, ?, ?, ?, ?)", values
            )
            connection.execute(
                "DELETE FROM runs WHERE user_id = :user AND position <= "
                "(SELECT position FROM runs WHERE user_id = :user ORDER BY position DESC LIMIT 1 OFFSET :kept)",
                {"user": user.id, "kept": self._kept},
            )

        await self._database.write(insert)

    async def finish(self, job_id: str, output: str, metadata: RunMetadata) -> None:
        """Stores what came of a run."""
        values = (output, metadata.model_dump_json(), job_id)
        statement = "UPDATE runs SET output = ?, metadata = ? WHERE job_id = ?"
        await self._database.write(lambda connection: connection.execute(statement, values))

    async def get(self, job_id: str, *, user: User) -> RunRow | None:
        """One run of a user's; None where there is none."""
        statement = "SELECT * FROM runs WHERE job_id = ? AND user_id = ?"
        row = await self._database.read(lambda connection: connection.execute(statement, (job_id, user.id)).fetchone())
        return None if row is None else _from_row(row)

    async def latest(self, limit: int, *, user: User) -> Sequence[RunRow]:
        """The newest runs of a user, newest first, without their texts and outputs."""
        statement = (
            "SELECT job_id, prompt, provider, length, '' AS text, NULL AS output, metadata "
            "FROM runs WHERE user_id = ? ORDER BY position DESC LIMIT ?"
        )
        rows = await self._database.read(lambda connection: connection.execute(statement, (user.id, limit)).fetchall())
        return [_from_row(row) for row in rows]


def _from_row(row: sqlite3.Row) -> RunRow:
    return RunRow(
        job_id=row["job_id"],
        prompt=row["prompt"],
        provider=row["provider"],
        length=row["length"],
        text=row["text"],
        output=row["output"],
        metadata=None if row["metadata"] is None else RunMetadata.model_validate_json(row["metadata"]),
    )
