"""What a person searches for, in terms, and where a text holds it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from app.process_main import Refused
from app.terms import MAX_TERM, SOLID, WITHIN, Term, fold, fts5, is_solid, is_symbol, terms
from app.wording import beginning

__all__ = ["Phrase", "Search", "TooManyWords"]

_MAX_WORDS = 16
_BEFORE, _LENGTH = 60, 200  # characters
# Characters in which a snippet is looked for at once: in blocks that grow, and then within the one that may have it.
_FIRST_BLOCK, _BLOCK, _WINDOW = 128, 2_048, 64

_CLOSING = '"”“»«」』〞〟＂'
_OPENING = "“”„‟«»「『〝＂"
_QUOTES = _CLOSING + _OPENING
_STOPS = r"\s\u3000-\u3004\u3008-\u3020\u3030\u303d-\u303f！，：；？（）"  # between words where no blanks are
_QUERY = re.compile(
    rf"[{_OPENING}](?P<curly>[^{_QUOTES}]*)[{_CLOSING}]"
    r'|(?<![^\W_])"(?P<straight>[^"]*)"(?![^\W_])'
    # צה"ל is a word.
    rf'|(?P<word>[^{_QUOTES}{_STOPS}]+(?:(?<=[^\W_])"(?=[^\W_])[^{_QUOTES}{_STOPS}]+)*)'
)
# What is written onto the beginning of a word where other languages have a word of its own: the, and, in, to, from.
_GLUED = {
    "arabic": ("ال", "و", "وال", "ب", "بال", "ل", "لل"),
    "hebrew": ("ה", "ו", "ב", "ל", "מ", "ש", "כ", "וה", "שה", "מה"),
}
_SPELLED = re.compile("([aou])e|aa")
_MAX_OTHERS = 3  # spellings of what is typed, of which each doubles what is looked for
# Persian verbs and plurals, with a half space, a blank or nothing between their parts.
_HALF_SPACED = re.compile(
    r"(?<!\w)(?P<verb>ن?م[یي])[ \u200c]?(?=[^\W\d_]{3})|(?<=[^\W\d_]{2})[ \u200c]?(?P<plural>ها(?:ی|يی|یی)?)(?!\w)"
)


class TooManyWords(Refused):
    """A query has more words than are looked for at once. Its text says how many that are, and the fix."""


class Phrase(NamedTuple):
    """Terms that must stand together, the last of them also as the beginning of one."""

    terms: tuple[str, ...]
    prefix: bool

    def is_in(self, terms: str) -> bool:
        """Whether a text has the phrase, by its terms with a blank before and after each."""
        return f" {' '.join(self.terms)}{'' if self.prefix else ' '}" in terms

    @property
    def pattern(self) -> str:
        """Finds every place in a folded text where the phrase may be, and a few others."""
        parts: list[str] = []
        for index, term in enumerate(self.terms):
            if is_solid(term):
                # A bigram goes on in the one before it.
                before = self.terms[index - 1] if index and is_solid(self.terms[index - 1]) else ""
                known = next((len(before) - at for at in range(1, len(before)) if term.startswith(before[at:])), 0)
                characters = r"\s*".join(map(re.escape, term[known:]))
                if known:
                    parts[-1] += r"\s*" + characters if characters else ""
                else:
                    parts.append(characters)
                continue
            word = re.escape(term.removeprefix("~"))
            loose = _SPELLED.sub(_may_be_spelled, word)
            if not index and not is_symbol(term):
                # The word stands first, where it can: it is looked for faster than what may not be before it.
                loose = _edge("") + loose if loose != word else word + _edge(word)
            parts.append(loose)
            if len(term) >= MAX_TERM:
                break
        return r"[\W_]*".join(parts)

    def at(self, places: Sequence[Term], index: int) -> bool:
        """Whether a text's terms are this phrase from `index` on."""
        last = index + len(self.terms) - 1
        if last >= len(places):
            return False
        found, expected = places[last].term, self.terms[-1]
        if found != expected and not (self.prefix and found.startswith(expected)):
            return False
        return all(each.term == term for each, term in zip(places[index:last], self.terms[:-1], strict=True))


class Search:
    """A query as it was typed: words, each of which must occur, whole or as the start of a word; what is “in quotes” of
    any kind must stand together and end with a whole word. In scripts that put no blanks between words, a word may be
    any part of a text. Nothing else means anything, so that no query is an error but for its length.

    Arguments:
        query: what was typed.

    Attributes:
        wanted: phrases of terms, of which a text has to have one of each group; empty where there is nothing to search
            for.
        expression: the same for SQLite's FTS5.

    Raises:
        TooManyWords: more words, or phrases, than are looked for at once.
    """

    def __init__(self, query: str) -> None:
        wanted: dict[tuple[Phrase, ...], None] = {}
        for found in _QUERY.finditer(_half_spaced(query)):
            word, phrase = found["word"], found["curly"] or found["straight"] or ""
            if phrases := _phrases(word or phrase, quoted=word is None):
                wanted[tuple(phrases)] = None
            if len(wanted) > _MAX_WORDS:
                raise TooManyWords(
                    f"the search has more than {_MAX_WORDS} words: leave some out, or put those that stand together in "
                    "quotes"
                )
        self.wanted = [*wanted]
        groups = (" OR ".join(fts5(*phrase) for phrase in phrases) for phrases in wanted)
        self.expression = " AND ".join(f"({group})" for group in groups)
        self._phrases = [phrase for phrases in wanted for phrase in phrases]
        self._pattern = re.compile("|".join(phrase.pattern for phrase in self._phrases))
        # A find in a window may have begun so many characters before it, marks and a line end included.
        self._reach = 16 + 3 * max((sum(map(len, phrase.terms)) for phrase in self._phrases), default=0)

    def snippet(self, text: str) -> str:
        """The part of a text where it first holds something searched for, with U+0002 and U+0003 around each of it;
        its beginning where it holds nothing.

        The text is read once, up to the first, and its terms are made only where there may be one.
        """
        hits = next(filter(None, (self._hits(text, start) for start in self._candidates(text))), [])
        begin = hits[0][0] - _BEFORE if hits else 0
        if begin > 0:
            first = max(0, begin - _LENGTH)
            begin = text.find(" ", begin, begin + _BEFORE) + 1 or first + len(beginning(text, begin - first, first))
        begin = max(begin, 0)
        end = begin + _LENGTH
        if end < len(text):
            end = text.rfind(" ", begin + _LENGTH // 2, end) + 1 or begin + len(beginning(text, _LENGTH, begin))
        parts, done = [], begin
        for first, last in hits:
            if last <= end:
                parts += [text[done:first], "\x02", text[first:last], "\x03"]
                done = last
        return "".join(["…" if begin > 0 else "", *parts, text[done:end], "…" if end < len(text) else ""])

    def _candidates(self, text: str) -> Iterator[int]:
        """Where the windows begin that may have what is searched for."""
        # In scripts without blanks hardly anything is written in two ways: to fold all of a text takes longer.
        if all(is_solid(term) for phrase in self._phrases for term in phrase.terms) and (
            found := self._pattern.search(text)
        ):
            yield found.start()
        block, size = 0, _FIRST_BLOCK
        while self._phrases and block < len(text):
            end = min(block + size, len(text))
            if self._may_be_in(text, block, end):
                yield from (
                    start for start in range(block, end, _WINDOW) if self._may_be_in(text, start, start + _WINDOW)
                )
            block, size = end, min(2 * size, _BLOCK)

    def _may_be_in(self, text: str, start: int, end: int) -> bool:
        part = text[max(0, start - self._reach) : end]
        whole = WITHIN.sub("", part)
        return self._pattern.search(fold(part)) is not None or (
            whole != part and self._pattern.search(fold(whole)) is not None
        )

    def _hits(self, text: str, start: int) -> list[tuple[int, int]]:
        """Where a window of a text, and what a snippet shows after it, has what is searched for, without overlaps."""
        begin, end = max(0, start - self._reach), start + _WINDOW
        if begin:
            begin = text.find(" ", begin, start) + 1 or begin
        places = list(terms(text, begin, end + _LENGTH))
        hits: list[tuple[int, int]] = []
        for first, last in sorted(self._marks(text, places)):
            if hits and first < hits[-1][1]:
                hits[-1] = (hits[-1][0], max(last, hits[-1][1]))
            else:
                hits.append((first, last))
        return hits if hits and hits[0][0] < end else []

    def _marks(self, text: str, places: Sequence[Term]) -> Iterator[tuple[int, int]]:
        first_terms = tuple(phrase.terms[0] for phrase in self._phrases)
        for index, first in enumerate(places):
            for phrase in self._phrases if first.term.startswith(first_terms) else ():
                if phrase.at(places, index):
                    last = places[index + len(phrase.terms) - 1]
                    yield first.start, _end(text, last, phrase.terms[-1]) if phrase.prefix else last.end


def _phrases(typed: str, *, quoted: bool) -> list[Phrase]:
    """What a word or a phrase may be in the index; nothing where no word is in it."""
    found = list(terms(typed))
    others = [index for index, each in enumerate(found) if each.term == "~"]
    spellings = [found[: others[0]] if others else found]
    for index, next_one in pairwise([*others[:_MAX_OTHERS], len(found)]):
        other = found[index + 1 : next_one]
        spellings += [_with(each, other) for each in spellings]
    return list(dict.fromkeys(phrase for each in spellings for phrase in _spelled(each, quoted=quoted)))


def _edge(word: str) -> str:
    """After a word, or before what is not of one length: that no letter stands before it."""
    return rf"(?:(?<![^\W_]{word})|(?<=[{SOLID}]{word}))"


def _may_be_spelled(found: re.Match[str]) -> str:
    return f"{found[1] or 'a'}{found[0][1]}?"


def _with(found: Sequence[Term], other: Sequence[Term]) -> list[Term]:
    """Terms with another spelling in its place."""
    before = (each for each in found if each.end <= other[0].start)
    return [*before, *other, *(each for each in found if each.start >= other[-1].end)]


def _half_spaced(query: str) -> str:
    return _HALF_SPACED.sub(lambda found: f"{found['verb'] or ''}\u200c{found['plural'] or ''}", query)


def _spelled(found: Sequence[Term], *, quoted: bool) -> list[Phrase]:
    words = [each.term for each in found]
    if all(map(is_symbol, words)):
        return []
    if len(found) > 1 and is_solid(words[-1]) and found[-2].end == found[-1].end:
        words.pop()  # what follows is not known
    prefix = is_solid(words[-1]) or not (quoted or is_symbol(words[-1]))
    phrases = [Phrase(tuple(words), prefix)]
    if not quoted and len("".join(words)) > 1:
        script = unicodedata.name(words[0][0], "").split(" ")[0].lower()
        phrases += (Phrase((glued + words[0], *words[1:]), prefix) for glued in _GLUED.get(script, ()))
    # St.Gallen is St. Gallen; .csv and 3.11 are nothing else.
    dots = [index for index in range(1, len(words)) if words[index] == "." and words[index - 1].isalpha()]
    if dots:
        phrases.append(Phrase(tuple(word for index, word in enumerate(words) if index not in dots), prefix))
    return phrases


def _end(text: str, place: Term, beginning: str) -> int:
    """Where in a text the beginning of a term ends."""
    if len(place.term) == place.end - place.start:
        return place.start + len(beginning)
    for end in range(place.start + 1, place.end):
        if len("".join(fold(WITHIN.sub("", text[place.start : end])).split())) >= len(beginning):
            # What is without a width, or a mark on the last letter, belongs to it.
            while end < place.end and not fold("x" + text[end]).strip("x"):
                end += 1
            return end
    return place.end
