"""Finds the documents that match a search. It is done apart from the server: the words, and what is in the library,
decide how long it takes."""

from __future__ import annotations

import sqlite3
from typing import Any

from app.ingest.search import Search
from app.snapshot import snapshot

__all__ = ["matching"]

_SNIPPET_WITHIN = 500_000
"""The characters of each document in which its snippet is looked for, so that many long ones take no time."""
_SNIPPETS_WITHIN = 10_000_000
"""The same of all documents together: some seconds. Of many each is looked at for less."""
_RANKED = 500
"""The most finds that are ranked: for that SQLite looks at each place of each word. What more documents than these have
says little of any of them."""
# With + SQLite asks the index once, and not for each of the user's documents.
_OF_USER = "AND +rowid IN (SELECT position FROM documents WHERE user_id = ?)"
_FOUND = f"SELECT rowid FROM documents_index WHERE documents_index MATCH ? {_OF_USER}"
_FOUND_IN_TITLES = f"SELECT rowid FROM titles_index WHERE titles_index MATCH ? {_OF_USER}"


def matching(path: str, user_id: str, query: str, limit: int) -> dict[str, Any]:
    """The user's documents that match a query, as `Library.find` gives them.

    Arguments:
        path: the database's file.
        user_id: whose.
        query: as `Search` understands it, and takes it.
        limit: how many to give at most.
    """
    search = Search(query)
    if not search.expression:
        return {"documents": [], "total": 0}
    with snapshot(path) as connection:
        return _matching(connection, user_id, search, limit)


def _matching(connection: sqlite3.Connection, user_id: str, search: Search, limit: int) -> dict[str, Any]:
    # One question for how many there are and which are new: each takes a look at every place of a word in quotes.
    found = connection.execute(f"{_FOUND} ORDER BY rowid DESC", (search.expression, user_id)).fetchall()
    best = _best(connection, user_id, search, limit, [row[0] for row in found])
    within = min(_SNIPPET_WITHIN, _SNIPPETS_WITHIN // max(1, len(best)))
    documents = []
    for position in best:
        row = connection.execute(
            "SELECT d.id, d.title, d.source, d.kind, d.words, d.bytes, d.created_at, "
            "(SELECT 1 + count(*) FROM document_versions v WHERE v.document_id = d.id) AS version, "
            "substr(d.text, 1, ?) AS snippet FROM documents d WHERE position = ?",
            (within, position),
        ).fetchone()
        documents.append({**row, "snippet": search.snippet(row["snippet"])})
    answer = {"documents": documents, "total": len(found)}
    unindexed: int = connection.execute(
        "SELECT count(*) FROM documents_to_index t JOIN documents d ON d.position = t.position WHERE d.user_id = ?",
        (user_id,),
    ).fetchone()[0]
    return {**answer, "unindexed": unindexed} if unindexed else answer


def _best(connection: sqlite3.Connection, user_id: str, search: Search, limit: int, newest: list[int]) -> list[int]:
    """The positions of what is shown of the documents found. None of their texts is read."""
    given = (search.expression, user_id, limit)
    if len(newest) <= _RANKED:
        # A word in the title weighs as much as several in the text.
        ranked = f"{_FOUND} ORDER BY bm25(documents_index, 8.0, 1.0), rowid DESC LIMIT ?"
        return [row[0] for row in connection.execute(ranked, given)]
    titled = connection.execute(f"{_FOUND_IN_TITLES} ORDER BY rowid DESC LIMIT ?", given)
    return list(dict.fromkeys([*(row[0] for row in titled), *newest[:limit]]))[:limit]
