"""A text as the built-in generator reads it: its parts, their sentences, and which of those say most."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import sentencex
from markdown_it import MarkdownIt

__all__ = ["BLOCK", "Part", "key_sentences", "read"]

BLOCK = 60
"""How many sentences are compared with each other: the work grows with the square of it."""

_LONGEST = 600
_MIN_WORDS = 4
_WORD = re.compile(r"\w+")
# At the start of a line these would begin a heading, a list or a quotation.
_MARK = re.compile(r"(?=[#>+*-](\s|$))|(?<=\d)(?=[.)]\s)")


@dataclass(frozen=True)
class Part:
    """Some of a text: what stands under a heading, or before the first one."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Sentence:
    """What sumy wants of a sentence."""

    text: str
    words: tuple[str, ...]


def read(text: str) -> list[Part]:
    """The parts of a text, plain or Markdown, that have sentences; tables and code have none. It takes about a second
    for a million characters."""
    parts = []
    title, sentences = "", list[str]()
    for kind, content in _blocks(text):
        if kind == "heading":
            if sentences:
                parts.append(Part(title, tuple(sentences)))
            title, sentences = content, []
        elif kind not in ("th", "td"):
            sentences += _sentences(content)
    if sentences:
        parts.append(Part(title, tuple(sentences)))
    return parts


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    kind = ""
    # An indented line of a plain text is no program.
    for token in MarkdownIt("commonmark").enable("table").disable("code").parse(text):
        if token.type.endswith("_open"):
            kind = token.type.removesuffix("_open")
        elif token.type == "inline":
            yield kind, " ".join(token.content.split())


def _sentences(content: str) -> Iterator[str]:
    # The segmenter knows the abbreviations of a language; the marks that end a sentence it knows in all of them.
    for sentence in sentencex.segment("en", content):
        # A line of a table or of a program may go on for ever.
        for piece in textwrap.wrap(sentence.strip(), _LONGEST, break_on_hyphens=False):
            yield _MARK.sub(r"\\", piece, count=1) if _MARK.match(piece) or piece[:1].isdigit() else piece


@lru_cache(maxsize=256)  # a draft that was sent back is written from the same sentences
def key_sentences(sentences: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The `number` sentences that say most of what the others say too, in their order (LexRank).

    Its time grows with the square of the number of sentences: give it BLOCK of them at a time.
    """
    from sumy.summarizers.lex_rank import LexRankSummarizer  # takes a third of a second to import

    known = {sentence: tuple(_WORD.findall(sentence.lower())) for sentence in sentences}
    telling = {sentence: words for sentence, words in known.items() if len(words) >= _MIN_WORDS} or known
    if len(telling) <= number:
        return tuple(telling)
    document = SimpleNamespace(sentences=[_Sentence(text, words) for text, words in telling.items()])
    best: Sequence[_Sentence] = LexRankSummarizer()(document, number)
    return tuple(each.text for each in best)
