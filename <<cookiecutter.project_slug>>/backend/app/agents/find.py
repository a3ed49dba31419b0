"""Finds what the agents know of documents, and which are about the same. It is done apart from the server: the tags of
a document, and what all others hold, decide how long it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.agents.models import AgentFinding
from app.snapshot import snapshot
from app.terms import fts5, phrase, tsquery

__all__ = ["latest"]

_MOST_RELATED = 3


def latest(url: str, user_id: str, limit: int, document_id: str | None) -> list[dict[str, Any]]:
    """What is known about a user's documents, as `Findings.latest` gives it.

    Arguments:
        url: the database's.
        user_id: whose.
        limit: how many to give at most.
        document_id: which one alone, or None.
    """
    return snapshot(url, lambda session: _latest(session, user_id, limit, document_id))


def _latest(session: Session, user_id: str, limit: int, document_id: str | None) -> list[dict[str, Any]]:
    documents = (
        select(AgentFinding.document_id)
        .where(AgentFinding.user_id == user_id)
        .group_by(AgentFinding.document_id)
        .order_by(func.max(AgentFinding.position).desc())
        .limit(limit)
    )
    if document_id is not None:
        documents = documents.where(AgentFinding.document_id == document_id)
    return [_findings(session, each, user_id) for each in session.scalars(documents).all()]


def _findings(session: Session, document_id: str, user_id: str) -> dict[str, Any]:
    statement = select(AgentFinding).where(AgentFinding.document_id == document_id).order_by(AgentFinding.position)
    rows = session.scalars(statement).all()
    found: dict[str, Any] = {}
    for row in rows:
        found |= json.loads(row.found)
    tags = found.get("tags", [])
    return {
        "document_id": document_id,
        "title": rows[-1].title,
        "tags": tags,
        "summary": found.get("summary", []),
        "related": _related(session, document_id, user_id, tags),
        "work": [
            {"agent_name": row.agent_name, "status": row.status, "finished_at": row.finished_at.isoformat()}
            for row in rows
        ],
    }


_RELATED = text(
    "SELECT f.document_id, f.title FROM agent_index i JOIN agent_findings f ON f.position = i.rowid "
    "WHERE agent_index MATCH :halves AND f.document_id != :document AND f.user_id = :user ORDER BY i.rank LIMIT :limit"
)
# PostgreSQL has no positions here: the words of a tag are in the document, wherever.
_RELATED_ON_POSTGRES = text(
    "SELECT f.document_id, f.title FROM agent_index i JOIN agent_findings f ON f.position = i.position, "
    "CAST(:halves AS tsquery) halves WHERE i.words @@ halves AND f.document_id != :document AND f.user_id = :user "
    "ORDER BY ts_rank(i.words, halves) DESC, f.position LIMIT :limit"
)


def _related(session: Session, document_id: str, user_id: str, tags: Sequence[str]) -> list[dict[str, Any]]:
    """The user's other documents that have half of the tags, those in which they weigh most first."""
    on_postgres = session.get_bind().dialect.name == "postgresql"
    write, both, either = (tsquery, " & ", " | ") if on_postgres else (fts5, " AND ", " OR ")
    phrases = [write(terms, prefix) for terms, prefix in map(phrase, tags) if terms]
    if not phrases:
        return []
    halves = [f"({both.join(half)})" for half in combinations(phrases, (len(phrases) + 1) // 2)]
    given = {"halves": either.join(halves), "document": document_id, "user": user_id, "limit": _MOST_RELATED}
    rows = session.execute(_RELATED_ON_POSTGRES if on_postgres else _RELATED, given)
    return [{"document_id": row.document_id, "title": row.title} for row in rows]
