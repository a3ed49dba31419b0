"""What the agents have found out about documents, and which run they report to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import BaseModel

from app.agents.events import WorkerName
from app.database import Database, Migration
from app.documents import SourceDocument
from app.searches import Searches
from app.terms import TOKENIZER
from app.users import User

__all__ = ["MIGRATIONS", "AgentWork", "DocumentFindings", "Findings", "RelatedDocument"]

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE agent_runs (
            position INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL UNIQUE,
            started_at TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE agent_findings (
            position INTEGER PRIMARY KEY,
            document_id TEXT NOT NULL,
            agent_name TEXT NOT NULL,
            user_id TEXT NOT NULL,
            title TEXT NOT NULL,
            status TEXT NOT NULL,
            found TEXT NOT NULL,
            finished_at TEXT NOT NULL,
            UNIQUE (document_id, agent_name)
        )
        """,
        "CREATE INDEX agent_findings_of_user ON agent_findings (user_id, position)",
        # The words of a document, under the position of what its indexer found; gone with it.
        """
        CREATE VIRTUAL TABLE agent_index USING fts5 (text, tokenize="unicode61 remove_diacritics 2")
        """,
        """
        CREATE TRIGGER agent_findings_removed AFTER DELETE ON agent_findings WHEN old.agent_name = 'indexer' BEGIN
            DELETE FROM agent_index WHERE rowid = old.position;
        END
        """,
    ),
    ("ALTER TABLE agent_findings ADD COLUMN version INTEGER NOT NULL DEFAULT 1",),
    # The index is over terms, as the search's is. The indexer makes it anew.
    (
        "DELETE FROM agent_findings WHERE agent_name = 'indexer'",
        "DROP TABLE agent_index",
        f"CREATE VIRTUAL TABLE agent_index USING fts5 (text, {TOKENIZER})",
    ),
)

_KEPT_RUNS = 10


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

    async def begin_run(self, run_id: str) -> None:
        """Makes a run the one that is shown, and forgets old ones."""

        def insert(connection: sqlite3.Connection) -> None:
            added = connection.execute("INSERT INTO agent_runs (run_id, started_at) VALUES (?, ?)", (run_id, _now()))
            connection.execute("DELETE FROM agent_runs WHERE position <= ?", ((added.lastrowid or 0) - _KEPT_RUNS,))

        await self._database.write(insert)

    async def runs(self) -> list[str]:
        """The ids of the latest runs, the one that is shown first."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT run_id FROM agent_runs ORDER BY position DESC").fetchall()
        )
        return [row["run_id"] for row in rows]

    async def done(self) -> dict[tuple[str, int], set[str]]:
        """For each document, by its id and its version, who has worked on it."""
        statement = "SELECT document_id, version, agent_name FROM agent_findings"
        rows = await self._database.read(lambda connection: connection.execute(statement).fetchall())
        done: dict[tuple[str, int], set[str]] = {}
        for row in rows:
            done.setdefault((row["document_id"], row["version"]), set()).add(row["agent_name"])
        return done

    async def add(
        self,
        agent_name: WorkerName,
        document: SourceDocument,
        found: Mapping[str, Any],
        *,
        failed: bool = False,
        index: str | None = None,
    ) -> None:
        """Stores what a worker has found out about a document.

        Arguments:
            agent_name: the worker.
            document: what it worked on.
            found: what it found, as JSON.
            failed: whether it gave up: it is not asked again by itself.
            index: the terms by which the document is to be found from others, with blanks between them.
        """
        values = (
            document.id, document.version, agent_name, document.user_id, document.title,
            "failed" if failed else "completed", json.dumps(found), _now(),
        )  # fmt: skip

        def insert(connection: sqlite3.Connection) -> None:
            added = connection.execute(
                "INSERT INTO agent_findings "
                "(document_id, version, agent_name, user_id, title, status, found, finished_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            if index is not None:
                connection.execute("INSERT INTO agent_index (rowid, text) VALUES (?, ?)", (added.lastrowid, index))

        await self._database.write(insert)

    async def remove(self, documents: Iterable[tuple[str, int]]) -> None:
        """Forgets what was found out about documents, each by its id and its version."""
        statement = "DELETE FROM agent_findings WHERE document_id = ? AND version = ?"
        await self._database.write(lambda connection: connection.executemany(statement, documents))

    async def forget(self, document_id: str, *, user: User) -> bool:
        """Forgets what was found out about one document of a user; gives whether there was anything."""
        statement = "DELETE FROM agent_findings WHERE document_id = ? AND user_id = ?"
        values = (document_id, user.id)
        return await self._database.write(lambda connection: connection.execute(statement, values).rowcount > 0)

    async def latest(self, limit: int, *, user: User, document_id: str | None = None) -> list[DocumentFindings]:
        """What is known about a user's documents, those last worked on first, or about one of them.

        Raises:
            SearchFailed: it took too long to find which are about the same.
        """
        found = await self._searches.run("app.agents.find:latest", user.id, limit, document_id, user=user.id)
        return [DocumentFindings(**each) for each in found]

    async def count(self, *, user: User, document_id: str | None = None) -> int:
        """How many documents of a user's something is known about, or whether it is of one of them."""
        statement = (
            "SELECT count(DISTINCT document_id) AS number FROM agent_findings "
            "WHERE user_id = :user AND (:document IS NULL OR document_id = :document)"
        )
        values = {"user": user.id, "document": document_id}
        row = await self._database.read(lambda connection: connection.execute(statement, values).fetchone())
        return int(row["number"])


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
