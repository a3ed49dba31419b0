"""What a person searches for: as an expression of SQLite's FTS5, and where a text holds it."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["Search"]

_MAX_TERMS = 16
_BEFORE, _LENGTH = 60, 200  # characters


class Search:
    """A query as it was typed: words, each of which must occur, whole or as the start of a word; "words in quotes"
    must stand together. No other character means anything, so that no query is an error.

    Arguments:
        query: what was typed.

    Attributes:
        expression: the same for FTS5; empty where there is nothing to search for.
    """

    def __init__(self, query: str) -> None:
        expressions: list[str] = []
        patterns: list[str] = []
        for phrase, word in re.findall(r'"([^"]*)"|([^\s"]+)', query):
            term = (phrase or word).replace("\0", " ")
            words = re.findall(r"[^\W_]+", _fold(term))
            if words and len(patterns) < _MAX_TERMS:
                # Quoted, so that none of FTS5's operators, columns or punctuation are typed by accident or on purpose.
                expressions.append(f'"{term}"' if phrase else f'"{term}"*')
                patterns.append(r"[\W_]+".join(words) + (r"(?![^\W_])" if phrase else ""))
        self.expression = " ".join(expressions)
        self._pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(patterns)})")

    def snippet(self, text: str) -> str:
        """The part of a text where it first holds something searched for, with U+0002 and U+0003 around each of it;
        its beginning where it holds nothing.

        FTS5's own takes time by the square of the occurrences: most of a minute for a word in 50,000 lines. This
        one reads the text once, up to the first.
        """
        folded = _fold(text)
        first = self._pattern.search(folded)
        begin = first.start() - _BEFORE if first is not None else 0
        if begin > 0:
            begin = text.find(" ", begin, begin + _BEFORE) + 1 or begin
        begin = max(begin, 0)
        end = begin + _LENGTH
        if end < len(text):
            end = text.rfind(" ", begin + _LENGTH // 2, end) + 1 or end
        parts, done = [], begin
        for hit in self._pattern.finditer(folded, begin, end) if first is not None else ():
            parts += [text[done : hit.start()], "\x02", text[hit.start() : hit.end()], "\x03"]
            done = hit.end()
        return "".join(["…" if begin > 0 else "", *parts, text[done:end], "…" if end < len(text) else ""])


def _fold(text: str) -> str:
    """A text as the index sees it, small and without diacritics, each character in its place."""
    if text.isascii():
        return text.lower()
    return text.translate({ord(character): _plain(character) for character in set(text)})


def _plain(character: str) -> str:
    plain = unicodedata.normalize("NFD", character)[0].casefold()
    return plain if len(plain) == 1 else character
