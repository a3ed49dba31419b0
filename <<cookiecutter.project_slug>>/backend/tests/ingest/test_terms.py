from __future__ import annotations

import random
import sqlite3

import pytest

from app.ingest.search import Search
from app.migrations.hand_made import TOKENIZER
from app.terms import fts5, joined_terms, pack_terms, phrase, terms, unpack_terms

PIECES = (
    *"aBßﬁéёйđİς7٣²½Ａ＋#@.+-‐_'ʼ\"”「」、\u3000東京⽇々ーﾊﾟかヿ한ไทเาຳ״לـﷺ🎉",
    *"\n \u00ad\u200b\u0301\u0001\x00\u3099\u0e4d\u0e49",
    *"\u1112\u1161\u11ab\U00020000\U000e0100", *"ँि",
    "e\u0301", "x1", "++", "-\n", "\r\n", "น้ำ", "ក្រ", "မြ", "क़", "שָׁ", "ال", "كِ", "x" * 120, "\u0301" * 40,
)  # fmt: skip


def texts(number: int) -> list[str]:
    chance = random.Random(15)
    return ["".join(chance.choices(PIECES, k=chance.randint(1, 30))) for _ in range(number)]


@pytest.mark.parametrize(
    "text", ["東" * 70_000 + "京", "word " * 20_000 + "end", "x" * 200_000, "a\u0301" * 50_000, "ä-" * 35_000]
)
def test_a_long_text_is_indexed_as_its_parts_are(text: str) -> None:
    assert unpack_terms(pack_terms(text)).split() == [term for term, _, _ in terms(text)]


def test_what_is_indexed_is_what_is_looked_for_and_has_its_place() -> None:
    for text in texts(3_000):
        found = list(terms(text))
        assert " ".join(joined_terms(text)).split() == [each.term for each in found], repr(text)
        assert all(0 <= each.start <= each.end <= len(text) for each in found), repr(text)
        assert not any(set(each.term) & set(' "*()') for each in found), repr(text)


def test_every_text_finds_itself_and_no_query_is_an_error() -> None:
    index = sqlite3.connect(":memory:")
    index.execute(f"CREATE VIRTUAL TABLE i USING fts5 (text, content='', {TOKENIZER})")
    shelf = texts(300)
    rows = ((number, " ".join(joined_terms(text))) for number, text in enumerate(shelf))
    index.executemany("INSERT INTO i (rowid, text) VALUES (?, ?)", rows)
    for number, text in enumerate(shelf):
        search = Search(text)
        search.snippet(text)
        if search.expression:
            found = index.execute("SELECT rowid FROM i WHERE i MATCH ?", (search.expression,)).fetchall()
            assert (number,) in found, repr(text)


@pytest.mark.parametrize(
    ("text", "part", "others"),
    [
        ("東京都の川", "東京", "京東"), ("東京都の川", "都", "郡"), ("ที่นี่มีแม่น้ำกว้าง", "แม่น้ำ", "แม่มี"), ("ที่นี่มี", "ที่", "น้ำ"),
        ("die STRASSE der Stadt", "Straße der", "der Straße"), ("한국어를 배워요", "한국어", "한글"),
        ("AI技術の本", "AI技術", "技術AI"),
        ("Die Straßenbahn", "die", "Straße"),
    ],
)  # fmt: skip
def test_a_phrase_finds_the_text_that_it_stands_in(text: str, part: str, others: str) -> None:
    index = sqlite3.connect(":memory:")
    index.execute(f"CREATE VIRTUAL TABLE i USING fts5 (text, {TOKENIZER})")
    index.execute("INSERT INTO i VALUES (?)", (" ".join(joined_terms(text)),))
    found = [index.execute("SELECT count(*) FROM i WHERE i MATCH ?", (fts5(*phrase(each)),)) for each in (part, others)]
    assert [each.fetchone()[0] for each in found] == [1, 0]


def test_a_text_without_terms_makes_no_phrase() -> None:
    assert [phrase(each) for each in ("", " \n", "!?", '"')] == [([], False)] * 4
