"""What the agents have found out about documents, and which run they report to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.agents.events import WorkerName
from app.agents.models import AgentFinding
from app.database import Database
from app.documents import SourceDocument
from app.searches import Searches
from app.users import User

__all__ = ["AgentWork", "DocumentFindings", "Findings", "RelatedDocument"]


class RelatedDocument(BaseModel):
    """Another document about the same."""

    document_id: str
    title: str


class AgentWork(BaseModel):
    """How a worker's work on a document ended."""

    agent_name: WorkerName
    status: Literal["completed", "failed"]
    finished_at: datetime


class DocumentFindings(BaseModel):
    """What is known about a document."""

    document_id: str
    title: str
    tags: list[str]
    summary: list[str]
    related: list[RelatedDocument]
    work: list[AgentWork]


class Findings:
    """The tables of the agents.

    Arguments:
        database: where they are.
        searches: where it is looked for what is about the same.
    """

    def __init__(self, database: Database, searches: Searches) -> None:
        self._database = database
        self._searches = searches

    async def done(self) -> dict[tuple[str, int], set[str]]:
        """For each document, by its id and its version, who has worked on it."""
        statement = select(AgentFinding.document_id, AgentFinding.version, AgentFinding.agent_name)
        done: dict[tuple[str, int], set[str]] = {}
        rows = await self._database.read(lambda session: session.execute(statement).all())
        for document_id, version, agent_name in rows:
            done.setdefault((document_id, version), set()).add(agent_name)
        return done

    async def add(
        self,
        agent_name: WorkerName,
        document: SourceDocument,
        found: Mapping[str, Any],
        *,
        run_id: str,
        failed: bool = False,
        index: str | None = None,
    ) -> None:
        """Stores what a worker has found out about a document.

        Arguments:
            agent_name: the worker.
            document: what it worked on.
            found: what it found, as JSON.
            run_id: the run in which it did.
            failed: whether it gave up: it is not asked again by itself.
            index: the terms by which the document is to be found from others, with blanks between them.
        """
        finding = AgentFinding(
            document_id=document.id,
            version=document.version,
            agent_name=agent_name,
            user_id=document.user_id,
            title=document.title,
            status="failed" if failed else "completed",
            found=json.dumps(found),
            finished_at=_now(),
            run_id=run_id,
        )

        def add(session: Session) -> None:
            session.add(finding)
            session.flush()
            if index is not None:
                statement = _INDEX_ON_POSTGRES if self._database.is_postgres else _INDEX
                session.execute(statement, {"position": finding.position, "terms": index})

        await self._database.write(add)

    async def remove(self, documents: Iterable[tuple[str, int]]) -> None:
        """Forgets what was found out about documents, each by its id and its version."""

        def remove(session: Session) -> None:
            for document_id, version in documents:
                session.execute(
                    delete(AgentFinding).where(AgentFinding.document_id == document_id, AgentFinding.version == version)
                )

        await self._database.write(remove)

    async def run_of(self, document_id: str, *, user: User) -> str | None:
        """The last run in which somebody worked on a document of a user; None where nothing is known of one."""
        owned = (AgentFinding.document_id == document_id, AgentFinding.user_id == user.id)
        statement = select(AgentFinding.run_id).where(*owned).order_by(AgentFinding.position.desc()).limit(1)
        return await self._database.read(lambda session: session.scalar(statement))

    async def forget(self, document_id: str, user: User) -> bool:
        """Forgets what was found out about one document of a user; gives whether there was anything."""
        owned = delete(AgentFinding).where(AgentFinding.document_id == document_id, AgentFinding.user_id == user.id)
        statement = owned.returning(AgentFinding.position)
        return await self._database.write(lambda session: bool(session.scalars(statement).all()))

    async def latest(self, limit: int, *, user: User, document_id: str | None = None) -> list[DocumentFindings]:
        """What is known about a user's documents, those last worked on first, or about one of them.

        Raises:
            SearchFailed: it took too long to find which are about the same.
        """
        found = await self._searches.run("app.agents.find:latest", user.id, limit, document_id, user=user.id)
        return [DocumentFindings(**each) for each in found]

    async def count(self, *, user: User, document_id: str | None = None) -> int:
        """How many documents of a user's something is known about, or whether it is of one of them."""
        statement = select(func.count(AgentFinding.document_id.distinct())).where(AgentFinding.user_id == user.id)
        if document_id is not None:
            statement = statement.where(AgentFinding.document_id == document_id)
        return await self._database.read(lambda session: session.scalars(statement).one())


# The words of a document, under the position of what its indexer found; they are gone with it.
_INDEX = text("INSERT INTO agent_index (rowid, text) VALUES (:position, :terms)")
_INDEX_ON_POSTGRES = text(
    "INSERT INTO agent_index (position, words) "
    "VALUES (:position, array_to_tsvector(regexp_split_to_array(trim(:terms), ' +')))"
)


def _now() -> datetime:
    return datetime.now(timezone.utc)
