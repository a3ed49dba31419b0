from __future__ import annotations

from collections.abc import Callable

import pytest

from app.wording import beginning, clip
from tests.clusters import WHOLE, expect_whole

CUTS: dict[str, Callable[[str], str]] = {
    "beginning": lambda text: beginning(text, 240),
    "clip": lambda text: clip(text)[1:-2],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("whole", WHOLE, ids=ascii)
def test_nothing_that_is_shown_cuts_what_a_reader_takes_for_one_character(whole: str, cut: str) -> None:
    expect_whole(CUTS[cut], whole)


def test_what_is_longer_than_any_character_is_cut() -> None:
    assert beginning("e" + "\u0301" * 500, 100) == "e" + "\u0301" * 99
