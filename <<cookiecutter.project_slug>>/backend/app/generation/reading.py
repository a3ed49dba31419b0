"""A text as the built-in generator reads it: its parts, their sentences, and which of those say most."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import sentencex
from markdown_it import MarkdownIt

__all__ = ["BLOCK", "Language", "Part", "is_telling", "key_sentences", "language_of", "read"]

BLOCK = 60
"""How many sentences are compared with each other: the work grows with the square of it."""

_LONGEST = 600
_MIN_WORDS = 4
_WORD = re.compile(r"\w+")
# At the start of a line these would begin a heading, a list or a quotation.
_MARK = re.compile(r"(?=[#>+*-](\s|$))|(?<=\d)(?=[.)]\s)")


@dataclass(frozen=True)
class Language:
    """A language: its code, and its name where sumy has its stop words and nltk a stemmer."""

    code: str
    name: str


_ENGLISH = Language("en", "english")
_LANGUAGES = (
    _ENGLISH,
    Language("fr", "french"),
    Language("de", "german"),
    Language("it", "italian"),
    Language("pt", "portuguese"),
    Language("es", "spanish"),
    Language("sv", "swedish"),
)


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


def language_of(text: str) -> Language:
    """The language of whose most frequent words the text has most; English where it has none of any."""
    words = Counter(_WORD.findall(text[:20_000].lower()))
    return max(_LANGUAGES, key=lambda language: sum(words[word] for word in _stop_words(language)))


def read(text: str, language: Language = _ENGLISH) -> list[Part]:
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
            sentences += _sentences(content, language)
    if sentences:
        parts.append(Part(title, tuple(sentences)))
    return parts


def is_telling(sentence: str) -> bool:
    """Whether a sentence has enough words to say something by itself."""
    return len(_WORD.findall(sentence)) >= _MIN_WORDS


@lru_cache(maxsize=256)  # a draft that was sent back is written from the same sentences
def key_sentences(sentences: tuple[str, ...], number: int, language: Language = _ENGLISH) -> tuple[str, ...]:
    """The `number` sentences that have most in common with the others, in their order (by sumy's Reduction).

    Its time grows with the square of the number of sentences: give it BLOCK of them at a time.
    """
    from nltk.stem.snowball import SnowballStemmer
    from sumy.summarizers.reduction import ReductionSummarizer  # takes a third of a second to import

    known = {sentence: tuple(_WORD.findall(sentence.lower())) for sentence in sentences}
    telling = {sentence: words for sentence, words in known.items() if is_telling(sentence)} or known
    if len(telling) <= number:
        return tuple(telling)
    rank = ReductionSummarizer(SnowballStemmer(language.name).stem)
    rank.stop_words = _stop_words(language)
    document = SimpleNamespace(sentences=[_Sentence(text, words) for text, words in telling.items()])
    best: Sequence[_Sentence] = rank(document, number)
    return tuple(each.text for each in best)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    kind = ""
    # An indented line of a plain text is no program, and a tag is what the text says.
    parser = MarkdownIt("commonmark").enable("table").disable(["code", "html_block", "html_inline"])
    for token in parser.parse(text):
        if token.type.endswith("_open"):
            kind = token.type.removesuffix("_open")
        elif token.type == "inline":
            yield kind, " ".join(token.content.split())


def _sentences(content: str, language: Language) -> Iterator[str]:
    for sentence in sentencex.segment(language.code, content):
        # A line of a program, say, may go on for ever.
        for piece in textwrap.wrap(sentence.strip(), _LONGEST, break_on_hyphens=False):
            yield _MARK.sub(r"\\", piece, count=1) if _MARK.match(piece) or piece[0].isdigit() else piece


@lru_cache
def _stop_words(language: Language) -> frozenset[str]:
    from sumy.utils import get_stop_words

    return frozenset(get_stop_words(language.name))
