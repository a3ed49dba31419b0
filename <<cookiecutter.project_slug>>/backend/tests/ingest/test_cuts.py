from __future__ import annotations

from collections.abc import Callable

import pytest

from app.ingest.readers.common import as_title
from app.ingest.search import Search
from app.ingest.upload import safe_name
from tests.clusters import WHOLE, expect_whole

CUTS: dict[str, Callable[[str], str]] = {
    "title": lambda text: as_title("a" + text),
    "file name": safe_name,
    "end of a snippet": lambda text: Search("word").snippet("word " + text).split("\x03 ")[1][:-1],
    "begin of a snippet": lambda text: Search("word").snippet(f"{text}。word")[1:].split("。")[0],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("whole", WHOLE, ids=ascii)
def test_nothing_that_is_shown_cuts_what_a_reader_takes_for_one_character(whole: str, cut: str) -> None:
    expect_whole(CUTS[cut], whole)
