from __future__ import annotations

from collections.abc import Callable

import pytest
import regex

from app.generation.reading import read
from app.ingest.readers.common import as_title
from app.ingest.search import Search
from app.ingest.upload import safe_name
from app.wording import beginning, clip

WHOLE = ["👩‍👩‍👧‍👦", "ab🇩🇪", "x\u0323\u0301", "ที่", "नि", "👍🏽"]
CUTS: dict[str, Callable[[str], str]] = {
    "beginning": lambda text: beginning(text, 240),
    "clip": lambda text: clip(text)[1:-2],
    "title": lambda text: as_title("a" + text),
    "file name": safe_name,
    "sentence": lambda text: read(text)[0].sentences[0],
    "end of a snippet": lambda text: Search("word").snippet("word " + text).split("\x03 ")[1][:-1],
    "begin of a snippet": lambda text: Search("word").snippet(f"{text}。word")[1:].split("。")[0],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("whole", WHOLE, ids=ascii)
def test_nothing_that_is_shown_cuts_what_a_reader_takes_for_one_character(whole: str, cut: str) -> None:
    for before in range(len(whole)):
        shown = CUTS[cut]("a" * before + whole * 1_000)
        assert 0 < len(shown) < 1_000
        assert set(regex.findall(r"\X", shown)) <= {"a", *regex.findall(r"\X", whole)}


def test_what_is_longer_than_any_character_is_cut() -> None:
    assert beginning("e" + "\u0301" * 500, 100) == "e" + "\u0301" * 99
