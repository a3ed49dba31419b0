"""A text as the built-in generator reads it: its parts, their sentences, and which of those say most."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import SimpleNamespace

from markdown_it import MarkdownIt

from app.sentences import frequent_words, sentences
from app.wording import beginning
from app.words import words

__all__ = ["BLOCK", "Part", "is_telling", "key_sentences", "read"]

BLOCK = 60
"""How many sentences are compared with each other: the work grows with the square of it."""

_LONGEST = 600
_MIN_WORDS = 4
# As sumy calls the languages that it has stop words of, and nltk those that it has a stemmer for.
_NAMES = {
    "ar": "arabic", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "he": "hebrew", "hu": "hungarian", "it": "italian", "ja": "japanese",
    "ko": "korean", "nb": "norwegian", "nl": "dutch", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sk": "slovak", "sv": "swedish", "th": "thai", "uk": "ukrainian", "zh": "chinese",
}  # fmt: skip
# What at the start of a line would begin a heading, a list, a quotation, a table, code, a line, or what links lead to.
_MARK = re.compile(
    r"(?=(?:#{1,6}|[+*-])(?:\s|$)|>|\||```|~~~|(?:[-*_]\s*){3,}$|=+\s*$|\[[^\]]*\]:)|(\d{1,9})(?=[.)](?:\s|$))"
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


def read(text: str, language: str = "en") -> list[Part]:
    """The parts of a text, plain or Markdown, that have sentences; tables and code have none. It takes one to three
    seconds for a million characters."""
    parts = []
    title, found = "", list[str]()
    for kind, content in _blocks(text):
        if kind == "heading":
            if found:
                parts.append(Part(title, tuple(found)))
            title, found = content, []
        elif kind not in ("th", "td"):
            found += _lines(content, language)
    if found:
        parts.append(Part(title, tuple(found)))
    return parts


def is_telling(sentence: str) -> bool:
    """Whether a sentence has enough words to say something by itself."""
    return sum(1 for _ in islice(words(sentence), _MIN_WORDS)) == _MIN_WORDS


@lru_cache(maxsize=256)  # a draft that was sent back is written from the same sentences
def key_sentences(sentences: tuple[str, ...], number: int, language: str = "en") -> tuple[str, ...]:
    """The `number` sentences that have most in common with the others, in their order (by sumy's Reduction).

    Its time grows with the square of the number of sentences: give it BLOCK of them at a time.
    """
    from nltk.stem.snowball import SnowballStemmer
    from sumy.summarizers.reduction import ReductionSummarizer  # takes a third of a second to import

    known = {sentence: tuple(sentence[start:end].lower() for start, end in words(sentence)) for sentence in sentences}
    telling = {sentence: known[sentence] for sentence in known if is_telling(sentence)} or known
    if len(telling) <= number:
        return tuple(telling)
    name = _NAMES.get(language, "")
    rank = ReductionSummarizer(SnowballStemmer(name).stem if name in SnowballStemmer.languages else str)
    rank.stop_words = _stop_words(language)
    document = SimpleNamespace(sentences=[_Sentence(text, content) for text, content in telling.items()])
    best: Sequence[_Sentence] = rank(document, number)
    return tuple(each.text for each in best)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    kind = ""
    # An indented line of a plain text is no program, and a tag is what the text says.
    # What is within a paragraph is not parsed: only the sentences of it are wanted.
    parser = MarkdownIt("commonmark").enable("table").disable(["code", "html_block", "inline"])
    for token in parser.parse(text):
        if token.type.endswith("_open"):
            kind = token.type.removesuffix("_open")
        elif token.type == "inline":
            yield kind, " ".join(token.content.split())


def _lines(content: str, language: str) -> Iterator[str]:
    for sentence in sentences(content, language):
        # A line of a program, say, may go on for ever.
        for piece in _pieces(sentence):
            yield _MARK.sub(r"\1\\", piece, count=1) if _MARK.match(piece) else piece


def _pieces(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST:
        piece = beginning(sentence, _LONGEST)
        piece = piece[: piece.rfind(" ") + 1] or piece
        yield piece.rstrip()
        sentence = sentence[len(piece) :]
    yield sentence


@lru_cache
def _stop_words(language: str) -> frozenset[str]:
    from sumy.utils import get_stop_words

    try:
        return frequent_words(language) | frozenset(get_stop_words(_NAMES.get(language, "")))
    except LookupError:
        return frequent_words(language)
