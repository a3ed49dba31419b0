"""What readers take for one character, and that no shortened text is cut within one."""

from __future__ import annotations

from collections.abc import Callable

import regex

WHOLE = ["👩‍👩‍👧‍👦", "ab🇩🇪", "x\u0323\u0301", "ที่", "नि", "👍🏽"]


def expect_whole(cut: Callable[[str], str], whole: str) -> None:
    """Shortens very long texts of these characters, which begin at each place of one."""
    for before in range(len(whole)):
        shown = cut("a" * before + whole * 1_000)
        assert 0 < len(shown) < 1_000
        assert set(regex.findall(r"\X", shown)) <= {"a", *regex.findall(r"\X", whole)}
