from __future__ import annotations

import sqlite3

import pytest

from app.ingest.search import Search, TooManyWords
from app.migrations.hand_made import TOKENIZER
from app.terms import pack_terms, unpack_terms
from tests.here import cost

TEXT = "One fox. " + "Nothing of note. " * 40 + "A quick brown fox, and FOXES in Reykjavík. " + "And on. " * 40


@pytest.mark.parametrize(
    ("query", "text", "snippet"),
    [
        ("needle", "a needle, two needles", "a \x02needle\x03, two \x02needle\x03s"),
        ("need", "a Needle", "a \x02Need\x03le"),
        ("eedle", "a needle", "a needle"),
        ('"need"', "a needle, a need", "a needle, a \x02need\x03"),
        ('"brown fox" quick', "quick, brown-fox", "\x02quick\x03, \x02brown-fox\x03"),
        ("reykjavik", "in REYKJAVÍK", "in \x02REYKJAVÍK\x03"),
        ("straße", "die Straße", "die \x02Straße\x03"),
        ("a.b", "see a.b or a b", "see \x02a.b\x03 or \x02a b\x03"),
        ("snake", "a_snake_case", "a_\x02snake\x03_case"),
        ("Ǆ 🎉 ﬁ", "ǆ, ﬁ", "\x02ǆ\x03, \x02ﬁ\x03"),
    ],
)
def test_what_was_searched_for_is_marked(query: str, text: str, snippet: str) -> None:
    assert Search(query).snippet(text) == snippet


def test_a_snippet_of_a_long_text_is_about_its_first_find() -> None:
    snippet = Search("brown").snippet(TEXT)
    assert (snippet[0], snippet[-1]) == ("…", "…")
    assert "A quick \x02brown\x03 fox" in snippet
    assert 100 < len(snippet) <= 204
    assert Search("one").snippet(TEXT).startswith("\x02One\x03 fox. Nothing")
    assert Search("giraffe").snippet(TEXT).startswith("One fox. Nothing")
    assert Search("on").snippet("And " + "x" * 5_000 + " on and on") == "…\x02on\x03 and \x02on\x03"


@pytest.mark.parametrize("query", ["fox", "fo", '"brown fox"', "quick reykjavik", "Ω", "note brown", "x y z"])
def test_the_index_finds_what_is_marked(query: str) -> None:
    index = sqlite3.connect(":memory:")
    index.execute(f"CREATE VIRTUAL TABLE i USING fts5 (text, {TOKENIZER})")
    index.execute("INSERT INTO i VALUES (?)", (unpack_terms(pack_terms(TEXT)),))
    found = index.execute("SELECT count(*) FROM i WHERE i MATCH ?", (Search(query).expression,)).fetchone()[0]
    assert found == ("\x02" in Search(query).snippet(TEXT))


@pytest.mark.parametrize(
    ("text", "phrase", "beside"),
    [("首都和首都，北京。" * 20_000, "首都的首都", "海港"), ("the the, then a fox. " * 20_000, '"the fox"', "harbour")],
)
def test_a_phrase_is_looked_for_as_fast_as_a_word_that_is_nowhere(text: str, phrase: str, beside: str) -> None:
    def seconds(query: str) -> float:
        search = Search(query)
        assert "\x02" not in search.snippet(text)
        return cost(lambda: search.snippet(text))

    assert seconds(phrase) < 6 * seconds(beside)  # where its words are looked for by themselves: 50 times as long


@pytest.mark.parametrize("query", ["", " ", '""', "_", "-- ( *", "\0", "🎉"])
def test_nothing_to_search_for_is_no_expression(query: str) -> None:
    assert Search(query).expression == ""


def test_a_search_of_too_many_words_is_refused_and_one_that_repeats_them_is_not() -> None:
    words = [f"w{number}" for number in range(17)]
    with pytest.raises(TooManyWords, match="more than 16 words: leave some out"):
        Search(" ".join(words))
    for query in (" ".join(words[1:] * 9), f"“{' '.join(words)}”", "! " * 250):
        Search(query)
