"""What was asked for in each run, and what came of it: for the list that outlives the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, literal, null, select, update
from sqlalchemy.orm import Session

from app.database import Database
from app.generation.events import ProviderName, RunMetadata
from app.generation.models import StoredRun
from app.generation.prompt import Length
from app.models import delete_oldest
from app.users import User

__all__ = ["RunRow", "RunTable"]


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
        """Remembers a run that has begun, unless an attempt before has, and forgets the user's oldest past `kept`."""

        def add(session: Session) -> None:
            fields = {name: getattr(run, name) for name in ("job_id", "prompt", "provider", "length", "text")}
            if session.execute(select(StoredRun.position).where(StoredRun.job_id == run.job_id)).first() is None:
                session.execute(insert(StoredRun).values(**fields, user_id=user.id))
            session.execute(delete_oldest(StoredRun, user.id, past=self._kept))

        await self._database.write(add)

    async def finish(self, job_id: str, output: str, metadata: RunMetadata) -> None:
        """Stores what came of a run."""
        values = {StoredRun.output: output, StoredRun.metadata_: metadata.model_dump_json()}
        statement = update(StoredRun).where(StoredRun.job_id == job_id).values(values)
        await self._database.write(lambda session: session.execute(statement))

    async def get(self, job_id: str, *, user: User) -> RunRow | None:
        """One run of a user's; None where there is none."""
        statement = select(StoredRun).where(StoredRun.job_id == job_id, StoredRun.user_id == user.id)
        row = await self._database.read(lambda session: session.scalar(statement))
        return None if row is None else _from_row(row)

    async def latest(self, limit: int, *, user: User) -> Sequence[RunRow]:
        """The newest runs of a user, newest first, without their texts and outputs."""
        statement = (
            select(
                StoredRun.job_id,
                StoredRun.prompt,
                StoredRun.provider,
                StoredRun.length,
                literal("").label("text"),
                null().label("output"),
                StoredRun.metadata_,
            )
            .where(StoredRun.user_id == user.id)
            .order_by(StoredRun.position.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return [_from_row(row) for row in rows]


def _from_row(row: Any) -> RunRow:
    return RunRow(
        job_id=row.job_id,
        prompt=row.prompt,
        provider=row.provider,
        length=row.length,
        text=row.text,
        output=row.output,
        metadata=None if row.metadata_ is None else RunMetadata.model_validate_json(row.metadata_),
    )
