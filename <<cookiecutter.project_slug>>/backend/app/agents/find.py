"""Finds what the agents know of documents, and which are about the same. It is done apart from the server: the tags of
a document, and what all others hold, decide how long it takes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from app.snapshot import snapshot
from app.terms import phrase

__all__ = ["latest"]

_RELATED = 3


def latest(path: str, user_id: str, limit: int, document_id: str | None) -> list[dict[str, Any]]:
    """What is known about a user's documents, as `Findings.latest` gives it.

    Arguments:
        path: the database's file.
        user_id: whose.
        limit: how many to give at most.
        document_id: which one alone, or None.
    """
    with snapshot(path) as connection:
        return _latest(connection, user_id, limit, document_id)


def _latest(connection: sqlite3.Connection, user_id: str, limit: int, document_id: str | None) -> list[dict[str, Any]]:
    documents = connection.execute(
        "SELECT document_id, max(position) AS latest FROM agent_findings "
        "WHERE user_id = :user AND (:document IS NULL OR document_id = :document) "
        "GROUP BY document_id ORDER BY latest DESC LIMIT :limit",
        {"user": user_id, "document": document_id, "limit": limit},
    ).fetchall()
    return [_findings(connection, row["document_id"], user_id) for row in documents]


def _findings(connection: sqlite3.Connection, document_id: str, user_id: str) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT * FROM agent_findings WHERE document_id = ? ORDER BY position", (document_id,)
    ).fetchall()
    found: dict[str, Any] = {}
    for row in rows:
        found |= json.loads(row["found"])
    tags = found.get("tags", [])
    return {
        "document_id": document_id,
        "title": rows[-1]["title"],
        "tags": tags,
        "summary": found.get("summary", []),
        "related": _related(connection, document_id, user_id, tags),
        "work": [{name: row[name] for name in ("agent_name", "status", "finished_at")} for row in rows],
    }


def _related(
    connection: sqlite3.Connection, document_id: str, user_id: str, tags: Sequence[str]
) -> list[dict[str, Any]]:
    """The user's other documents that have half of the tags, those in which they weigh most first (BM25)."""
    phrases = list(filter(None, map(phrase, tags)))
    if not phrases:
        return []
    halves = [f"({' AND '.join(half)})" for half in combinations(phrases, (len(phrases) + 1) // 2)]
    rows = connection.execute(
        "SELECT f.document_id, f.title FROM agent_index i JOIN agent_findings f ON f.position = i.rowid "
        "WHERE agent_index MATCH ? AND f.document_id != ? AND f.user_id = ? ORDER BY i.rank LIMIT ?",
        (" OR ".join(halves), document_id, user_id, _RELATED),
    ).fetchall()
    return [dict(row) for row in rows]
