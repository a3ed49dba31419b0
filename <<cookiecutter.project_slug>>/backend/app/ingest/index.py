"""The index by which documents are found: FTS5 on SQLite, rows of tsvectors on PostgreSQL, of the same terms."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import delete, insert, text
from sqlalchemy.orm import Session

from app.ingest.models import Terms
from app.terms import PackedTerms, joined_terms, lexeme, unpack_terms

__all__ = ["Entry", "make_entry", "put_entry", "remove_entry"]

_ROW_BYTES = 500_000
"""Of the terms in a row: a tsvector holds a megabyte."""

_MOST_COUNTED = 5
"""So often a term counts that is in a text more often."""

_ADD = text("INSERT INTO documents_index (rowid, title, text) VALUES (:position, :title, :text)")
_ADD_TITLE = text("INSERT INTO titles_index (rowid, title) VALUES (:position, :title)")
_REMOVE = text(
    "INSERT INTO documents_index (documents_index, rowid, title, text) VALUES ('delete', :position, :title, :text)"
)
_REMOVE_TITLE = text("INSERT INTO titles_index (titles_index, rowid, title) VALUES ('delete', :position, :title)")
_ADD_ROW = text("INSERT INTO documents_index (position, words) VALUES (:position, CAST(:words AS tsvector))")
_REMOVE_ROWS = text("DELETE FROM documents_index WHERE position = :position")


class Entry(NamedTuple):
    """What the index is given of a document. `rows`: what PostgreSQL is given, empty for SQLite."""

    title: str
    text: PackedTerms
    rows: list[str]


async def make_entry(title: str, terms: PackedTerms, *, for_postgres: bool) -> Entry:
    """The entry of a document of this title and these terms of its text; made in a thread, for a long text takes some
    tenths of a second."""
    title_terms = " ".join(joined_terms(title))
    rows = await asyncio.to_thread(lambda: list(_rows(title_terms, terms))) if for_postgres else []
    return Entry(title_terms, terms, rows)


def put_entry(session: Session, position: int, entry: Entry) -> None:
    """Adds a document to the index."""
    session.execute(insert(Terms).values(position=position, title=entry.title, text=entry.text))
    if entry.rows:
        session.execute(_ADD_ROW, [{"position": position, "words": row} for row in entry.rows])
    else:
        session.execute(_ADD, {"position": position, "title": entry.title, "text": unpack_terms(entry.text)})
        session.execute(_ADD_TITLE, {"position": position, "title": entry.title})


def remove_entry(session: Session, position: int) -> None:
    """Takes a document out of the index, if it is there."""
    row = session.get(Terms, position)
    if row is None:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_REMOVE_ROWS, {"position": position})
    else:
        # FTS5 has to be given the same again: terms made anew, by a newer Unicode, would leave it broken.
        session.execute(_REMOVE, {"position": position, "title": row.title, "text": unpack_terms(row.text)})
        session.execute(_REMOVE_TITLE, {"position": position, "title": row.title})
    session.execute(delete(Terms).where(Terms.position == position))


def _rows(title: str, terms: PackedTerms) -> Iterator[str]:
    """The different terms of a document as tsvectors: how often each is there, in place of where, and an A where it is
    in the title."""
    in_title, counts = set(title.split()), Counter(unpack_terms(terms).split())
    counts.update(in_title)
    row: list[str] = []
    left = _ROW_BYTES
    for term, number in counts.items():
        places = [str(place) for place in range(1, min(number, _MOST_COUNTED) + 1)]
        places[0] += "A" * (term in in_title)
        row.append(f"{lexeme(term)}:{','.join(places)}")
        left -= len(term.encode()) + 2 * len(places) + 4
        if left <= 0:
            yield " ".join(row)
            row, left = [], _ROW_BYTES
    yield " ".join(row)
