from __future__ import annotations

import sqlite3

import pytest

from app.ingest.search import Search
from app.migrations.hand_made import TOKENIZER
from app.terms import joined_terms
from tests.ingest.searches import SHELF


@pytest.fixture(scope="module")
def index() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute(f"CREATE VIRTUAL TABLE i USING fts5 (text, content='', {TOKENIZER})")
    rows = enumerate(" ".join(joined_terms(each.text)) for each in SHELF)
    made.executemany("INSERT INTO i (rowid, text) VALUES (?, ?)", rows)
    return made


def finds(index: sqlite3.Connection, query: str) -> set[int]:
    return {row for (row,) in index.execute("SELECT rowid FROM i WHERE i MATCH ?", (Search(query).expression,))}


def test_of_five_hundred_searches_in_twenty_languages_nearly_all_find_what_they_should() -> None:
    right = sum(len(each.finds) + len(each.never) for each in SHELF)
    searches = right + sum(len(each.missed) for each in SHELF)
    assert searches >= 500
    assert right / searches >= 0.97
    assert len({each.language for each in SHELF}) >= 20


@pytest.mark.parametrize("number", range(len(SHELF)), ids=[f"{each.language}-{n}" for n, each in enumerate(SHELF)])
def test_speakers_find_what_they_search_for_and_nothing_else(index: sqlite3.Connection, number: int) -> None:
    searched = SHELF[number]
    missed = [query for query in searched.finds if number not in finds(index, query)]
    wrong = [query for query in searched.never + searched.missed if number in finds(index, query)]
    assert (missed, wrong) == ([], [])


@pytest.mark.parametrize("number", range(len(SHELF)), ids=[f"{each.language}-{n}" for n, each in enumerate(SHELF)])
def test_what_speakers_find_is_marked_in_the_original_text(number: int) -> None:
    searched = SHELF[number]
    unmarked = [query for query in searched.finds if "\x02" not in Search(query).snippet(searched.text)]
    assert unmarked == []
