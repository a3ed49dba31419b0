"""Characters that come in halves."""

from __future__ import annotations

import codecs
import re

__all__ = ["Characters", "whole_characters"]

_FIRST_HALF = re.compile(r"[\ud800-\udbff]\Z")
# All surrogates but those that stand for a byte.
_LONE_HALF = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")


class Characters:
    """Puts the halves of characters together that come in different pieces of a text.

    They are halves of UTF-16, as JSON may escape them, or bytes of UTF-8 that stand as surrogates (PEP 383). A half
    that stays alone becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.broken = 0
        """How many characters were lost."""
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: str, *, whole: bool = False) -> str:
        """The text that is whole with this piece.

        Arguments:
            piece: what comes next.
            whole: whether it is the last one. Before, half a character at its end is held back.
        """
        text = self._held + piece
        self._held = ""
        if not whole and (half := _FIRST_HALF.search(text)):
            self._held, text = half[0], text[: half.start()]
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        given = _LONE_HALF.sub("\ufffd", paired)
        joined = self._decoder.decode(given.encode("utf-8", "surrogateescape"), whole)
        self.broken += joined.count("\ufffd") - paired.count("\ufffd")
        return joined


def whole_characters(text: str) -> str:
    """A text without halves of characters."""
    return Characters().add(text, whole=True)
