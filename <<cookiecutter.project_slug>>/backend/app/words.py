"""Where the words of a text are, in any script: what search indexes, tags are made of, and lengths are counted in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import regex
from icu4py.breakers import WordBreaker

__all__ = ["count_words", "is_spaced", "words"]

_CJ = r"[[\p{Han}\p{Hiragana}\p{Katakana}ーｰ]&&[\p{L}〇]]"
# Scripts written without blanks between words: Chinese, Japanese; Thai, Lao, Khmer, Burmese and their kin, which are
# the class SA of Unicode's line breaking (UAX #14).
_UNSPACED = rf"[{_CJ}||[\p{{Line_Break=Complex_Context}}&&\p{{L}}]]"
_SPACED = rf"[[\p{{L}}\p{{N}}]--{_UNSPACED}]"
# Marks, and what stands inside of a word and is not seen: soft hyphens, joiners.
_ATTACHED = r"[\p{M}\u00ad\u200c\u200d\u2060]"
_SPACED_PART = rf"{_SPACED}[{_SPACED}||{_ATTACHED}]*+"
_JOINT = r"""(?:['’‘ʼ·׳״\-‐‑]|_++|(?<=\p{Hebrew})"(?=\p{Hebrew}))"""
_SPACED_WORD = rf"{_SPACED_PART}(?:{_JOINT}{_SPACED_PART})*+"
_UNSPACED_RUN = rf"(?P<run>{_UNSPACED}[{_UNSPACED}||{_ATTACHED}]*+)"
# A longer run without any punctuation is no text, and would keep the breaker busy for as long as it is.
_BOUNDED_RUN = _UNSPACED_RUN.replace("*+", "{0,1999}+")

_WORD = regex.compile(rf"(?V1){_BOUNDED_RUN}|{_SPACED_WORD}")
_COUNTED = regex.compile(rf"(?V1){_CJ}|{_BOUNDED_RUN.replace(_UNSPACED, f'[{_UNSPACED}--{_CJ}]')}|{_SPACED_WORD}")
# What has neither a letter nor a digit is passed over as a whole: to look into a row of brackets from each of them
# would take a time by the square of it.
_BEFORE_LETTER = rf"(?:(?!{_SPACED})[^\s{_UNSPACED}])"
_BETWEEN_BLANKS = rf"{_BEFORE_LETTER}*+{_SPACED}[^\s{_UNSPACED}]*+|{_BEFORE_LETTER}++(*SKIP)(*FAIL)"
_COUNTED_BY_BLANKS = regex.compile(_COUNTED.pattern.replace(_SPACED_WORD, _BETWEEN_BLANKS))
# The same for what is ASCII: `re` takes a fraction of the time.
_ASCII_COUNTED = re.compile(r"[A-Za-z0-9]+(?:(?:['-]|_+)[A-Za-z0-9]+)*")
_PART = regex.compile(rf"(?V1){_UNSPACED_RUN}|{_SPACED_PART}")
_CHARACTER = regex.compile(rf"(?V1){_UNSPACED}{_ATTACHED}*+")


def words(text: str, *, parts: bool = False) -> Iterator[tuple[int, int]]:
    """The places of the words of `text`: `(start, end)` for each, so that `text[start:end]` is the word.

    A word begins with a letter or a digit and goes on with letters, digits and marks (vowel signs, accents, the soft
    hyphen, zero-width joiners). What stands between words (blanks, punctuation, symbols, emoji) is in none of them. The
    text is taken as it is: who wants `ＡＢＣ`, `ﬁ` or `É` to be the same as other forms normalizes it before.

    Arguments:
        text: any text, of any length.
        parts: False gives words as a reader counts them. An apostrophe, a hyphen, a middle dot or underscores between
            letters or digits belong to the word (`don't`, `stop-gap`, `snake_case`, `צה״ל`), other punctuation ends it
            (`3.14` is two). Chinese, Japanese, Thai, Lao, Khmer and Burmese are divided by ICU's dictionaries.

            True gives what an index needs, where a query must be found wherever the text holds it. Nothing joins
            (`stop`, `gap`). Text without blanks is not divided by a dictionary, which divides the same characters
            in another way in other surroundings, but given as overlapping pairs of neighbouring characters, marks
            included, and the last character by itself: `東京都` is `東京`, `京都`, `都`. As a unit begins at each
            character, a query's units in this order, the last of them taken as a prefix, are found exactly where the
            query's characters are, be it `東京都`, `京` or `都`.

    Guarantees:
        Starts ascend. Without `parts` no two words overlap. The places do not depend on what stands further than the
        next blank or punctuation (in text without blanks: than 2,000 characters). The time grows with the length
        of the text: a second for 5 MB or more of it.

    Source: the rules of Unicode's UAX #29 for what belongs to a word, but for full stops, commas, hyphens and
    underscores.
    """
    if parts:
        yield from _parts(text)
        return
    for match in _WORD.finditer(text):
        if match["run"] is None:
            yield match.span()
            continue
        start = match.start()
        for word in WordBreaker(match[0], "en"):  # not its segments(): they count a character like 𠮷 as two
            yield start, (start := start + len(word))


def count_words(text: str, *, by_blanks: bool = False) -> int:
    """How many words `text` has, as word processors count: each Chinese or Japanese character is one.

    Arguments:
        text: any text.
        by_blanks: False counts all else as `words(text)` gives it. True counts what blanks separate as one word, if a
            letter or digit is in it: an address, `3.14`, `and/or`.
    """
    return sum(_count(line, _COUNTED_BY_BLANKS if by_blanks else _COUNTED) for line in text.split("\n"))


def _count(line: str, pattern: regex.Pattern[str]) -> int:
    if pattern is _COUNTED and line.isascii():
        return len(_ASCII_COUNTED.findall(line))
    # Of each word what is without blanks in it, and to be divided: most have nothing.
    runs = pattern.findall(line)
    return len(runs) + sum(sum(1 for _ in WordBreaker(run, "en")) - 1 for run in filter(None, runs))


def is_spaced(word: str) -> bool:
    """Whether a word is of a script that has blanks between words."""
    return _CHARACTER.match(word) is None


def _parts(text: str) -> Iterator[tuple[int, int]]:
    for match in _PART.finditer(text):
        start, end = match.span()
        if match["run"] is None:
            yield start, end
            continue
        starts = [each.start() for each in _CHARACTER.finditer(text, start, end)]
        yield from zip(starts, [*starts[2:], end, end], strict=False)  # a run of one character has one end
