"""Finds the documents that match a search. It is done apart from the server: the words, and what is in the library,
decide how long it takes."""

from __future__ import annotations

from itertools import chain, starmap
from typing import Any

from sqlalchemy import ARRAY, REAL, ColumnElement, and_, cast, column, func, or_, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Session

from app.ingest.models import NEWEST, DocumentRow, Terms, ToIndex
from app.ingest.search import Phrase, Search
from app.snapshot import snapshot
from app.terms import lexeme, tsquery, unpack_terms

__all__ = ["matching"]

_SNIPPET_WITHIN = 500_000
"""The characters of each document in which its snippet is looked for, so that many long ones take no time."""
_SNIPPETS_WITHIN = 10_000_000
"""The same of all documents together: some seconds. Of many each is looked at for less."""
_RANKED = 500
"""The most finds that are ranked: for that SQLite looks at each place of each word. What more documents than these have
says little of any of them."""


def matching(url: str, user_id: str, query: str, limit: int) -> dict[str, Any]:
    """The user's documents that match a query, as `Library.find` gives them.

    Arguments:
        url: the database's.
        user_id: whose.
        query: as `Search` understands it, and takes it.
        limit: how many to give at most.
    """
    search = Search(query)
    if not search.wanted:
        return {"documents": [], "total": 0}
    return snapshot(url, lambda session: _matching(session, user_id, search, limit))


def _matching(session: Session, user_id: str, search: Search, limit: int) -> dict[str, Any]:
    find = _in_postgres if session.get_bind().dialect.name == "postgresql" else _in_sqlite
    total, best = find(session, user_id, search, limit)
    within = min(_SNIPPET_WITHIN, _SNIPPETS_WITHIN // max(1, len(best)))
    columns = (getattr(DocumentRow, name) for name in ("id", "title", "source", "kind", "words", "bytes", "created_at"))
    shown = select(*columns, NEWEST.label("version"), func.substr(DocumentRow.text, 1, within).label("snippet"))
    documents = []
    for position in best:
        row = session.execute(shown.where(DocumentRow.position == position)).one()
        found = {**row._mapping, "created_at": row.created_at.isoformat(), "snippet": search.snippet(row.snippet)}
        documents.append(found)
    answer = {"documents": documents, "total": total}
    waiting = select(func.count()).join_from(ToIndex, DocumentRow, DocumentRow.position == ToIndex.position)
    unindexed = session.scalar(waiting.where(DocumentRow.user_id == user_id))
    return {**answer, "unindexed": unindexed} if unindexed else answer


# With + SQLite asks the index once, and not for each of the user's documents.
_OF_USER = "MATCH :search AND +rowid IN (SELECT position FROM documents WHERE user_id = :user)"
_FOUND = text(f"SELECT rowid FROM documents_index WHERE documents_index {_OF_USER} ORDER BY rowid DESC")
# A word in the title weighs as much as several in the text.
_RANK = text(
    f"SELECT rowid FROM documents_index WHERE documents_index {_OF_USER} "
    "ORDER BY bm25(documents_index, 8.0, 1.0), rowid DESC LIMIT :limit"
)
_TITLED = text(f"SELECT rowid FROM titles_index WHERE titles_index {_OF_USER} ORDER BY rowid DESC LIMIT :limit")


def _in_sqlite(session: Session, user_id: str, search: Search, limit: int) -> tuple[int, list[int]]:
    """How many documents are found, and the positions of those that are shown. None of their texts is read."""
    given = {"search": search.expression, "user": user_id, "limit": limit}
    # One question for how many there are and which are new: each takes a look at every place of a word in quotes.
    newest = session.scalars(_FOUND, given).all()
    if len(newest) <= _RANKED:
        return len(newest), [*session.scalars(_RANK, given)]
    return len(newest), list(dict.fromkeys([*session.scalars(_TITLED, given), *newest[:limit]]))[:limit]


_ROWS = table("documents_index", column("position"), column("words", TSVECTOR))
_WEIGHTS = cast([0.125, 0.125, 0.125, 1.0], ARRAY(REAL))  # as above: the last is that of the title


def _in_postgres(session: Session, user_id: str, search: Search, limit: int) -> tuple[int, list[int]]:
    """The same. PostgreSQL tells which documents have all terms, and not whether they stand together, for a tsvector
    has no room for the places of many: that is looked for in the terms of these documents."""
    any_of = (tsquery([term], prefix) for each in chain.from_iterable(search.wanted) for term, prefix in _parts(each))
    words = cast(" | ".join(any_of), TSQUERY)
    found = (
        select(_ROWS.c.position, _has(search, "A").label("titled"))
        .join(DocumentRow, DocumentRow.position == _ROWS.c.position)
        .where(DocumentRow.user_id == user_id, _ROWS.c.words.op("@@")(words))
        .group_by(_ROWS.c.position)
        .having(_has(search))
        .order_by(func.sum(func.ts_rank(_WEIGHTS, _ROWS.c.words, words, 1)).desc(), _ROWS.c.position.desc())
    )
    together = [phrases for phrases in search.wanted if any(len(each.terms) > 1 for each in phrases)]
    ranked, titled = [], []
    for position, is_titled in session.execute(found).all():
        if together:
            terms = session.execute(select(Terms.title, Terms.text).where(Terms.position == position)).one()
            title, text = (f" {' '.join(each.split())} " for each in (terms.title, unpack_terms(terms.text)))
            if not all(any(each.is_in(title) or each.is_in(text) for each in phrases) for phrases in together):
                continue
            is_titled = is_titled and all(any(each.is_in(title) for each in phrases) for phrases in together)
        ranked.append(position)
        titled += [position] * is_titled
    if len(ranked) > _RANKED:
        ranked = list(dict.fromkeys([*sorted(titled, reverse=True), *sorted(ranked, reverse=True)]))
    return len(ranked), ranked[:limit]


def _has(search: Search, weight: str = "") -> ColumnElement[bool]:
    """Whether the rows of a document have the terms of a search, each in one of them."""

    def has(term: str, prefix: bool) -> ColumnElement[bool]:
        query = f"{lexeme(term)}:{'*' * prefix}{weight}".rstrip(":")
        return func.bool_or(_ROWS.c.words.op("@@")(cast(query, TSQUERY)))

    groups = ((and_(*starmap(has, _parts(each))) for each in phrases) for phrases in search.wanted)
    return and_(*(or_(*group) for group in groups))


def _parts(phrase: Phrase) -> list[tuple[str, bool]]:
    return [(term, phrase.prefix and n == len(phrase.terms)) for n, term in enumerate(phrase.terms, 1)]
