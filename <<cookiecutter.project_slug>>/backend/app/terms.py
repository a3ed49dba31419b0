"""What a text can be found by: its terms, the same for the index and for what is searched for.

A term is a word without case, accents and vowel marks, or a symbol that makes a word another one. Any database that
splits at blanks can index them.

- Compatibility forms are what they stand for (NFKC: ligatures, full width, presentation forms), digits are ASCII's.
- Soft hyphens and characters without a width are left out; a word that is broken over two lines is one word, and can
  be found by its parts too. What is written in several ways is found by each of them: `e-mail` and `email`, `Käse` and
  `Kaese`, `צה״ל` and `צהל`, a Persian word with, without and instead of its half space, a Hindi one with either nasal.
- Scripts that put no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, which writes
  compounds and particles solid, are indexed by bigrams: for each character one term, of it and the one that follows
  it in the same run. What a phrase of such terms finds is what a search for the characters would find.
- `C++`, `F#`, `#tag`, `@name`, `.NET` and `3.11` have their symbol as a term beside the word. One that follows its
  word is written with `~`, so that C# is not C #1.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile
from operator import add
from typing import NamedTuple, TypeAlias

__all__ = [
    "MAX_TERM", "SOLID", "WITHIN", "PackedTerms", "Term", "fold", "fts5", "is_solid", "is_symbol", "joined_terms",
    "lexeme", "pack_terms", "phrase", "terms", "tsquery", "unpack_terms",
]  # fmt: skip

PackedTerms: TypeAlias = bytes
"""What `pack_terms` gives."""

MAX_TERM = 100
"""Characters of a term; what differs after so many is the same to the search."""

_MAX_MARKS = 8
"""Marks on one character: to put thousands into their order takes a time by their square."""

_PIECE = 65_536
_CACHED_WORDS, _CACHED_LENGTH = 20_000, 40


def _ranges(codes: Iterable[int]) -> str:
    """Code points in rising order, as they stand in a character class."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)


_MARKS = _ranges(code for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M")
_MARKS += "\U000e0100-\U000e01ef"  # variants of Han characters
_NO_WIDTH = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
# Letters of the blocks alone: their digits and punctuation are as everybody's. The radicals, which many a PDF has in
# place of the characters, are symbols to Unicode.
_RADICALS = "\u2e80-\u2fdf"
_UNSPACED = _RADICALS + _ranges(
    code
    for first, last in (
        (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0x3005, 0x3007),
        (0x3021, 0x303C), (0x3041, 0x312F), (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF),
        (0xAA60, 0xAADF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F),
    )
    for code in range(first, last + 1)
    if unicodedata.category(chr(code)) in ("Lo", "Lm", "Nl")
)  # fmt: skip
_UNSPACED += "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb\uffa0-\uffdc"
SOLID = _UNSPACED + _HANGUL
"""The letters of the scripts that are indexed by bigrams, as they stand in a character class."""

_ATTACHED = _MARKS + _NO_WIDTH
_COMPOSING = (
    "\uff9e\uff9f\u1160-\u11ff\ud7b0-\ud7fb"  # half width voicing marks; vowels and finals of a Hangul syllable
)

_WORD = rf"(?:[^\W_]|[{_RADICALS}])[^\W_]*(?:[{_ATTACHED}{_RADICALS}]+[^\W_]*)*"
_LINE_END = r"[ \t]*\r?\n[ \t]*"
_HEBREW = "\u05d0-\u05ea"
# Within a word that is also written without it. It stands first: it is looked for faster than what is around it.
_JOINED = (
    rf"(?:(?:(?<=[^\W\d_][-‐‑·])(?<![{SOLID}].)|(?<=[{_ATTACHED}][-‐‑·]))(?=[^\W\d_])(?![{SOLID}])"
    rf"|(?<=[{_HEBREW}][\"״'’׳])(?=[{_HEBREW}]))"
)
_JOINT = rf"[-‐‑·\"״'’׳]{_JOINED}"
WITHIN = re.compile(rf"[-‐‑·\u00ad\"״'’׳](?:(?<=[-‐\u00ad]){_LINE_END}|{_JOINED})")
"""What may stand within a word that is written without it, too: a hyphen, before the end of a line or not."""

_HALF_SPACE = re.compile("(?<=[\u0620-\u06d3])\u200c(?=[\u0620-\u06d3])")
_TOKEN = re.compile(
    r"(?:(?<![.．])[.．](?=\d|[^\W_]{2})|[@＠#＃])?"
    rf"{_WORD}"
    rf"(?:(?:(?:[-‐]|(?<=\u00ad)){_LINE_END}(?=[^\W\d_])|(?<=[{_UNSPACED}{_ATTACHED}]){_LINE_END}(?=[{_UNSPACED}])|{_JOINT})"
    rf"{_WORD})*"
    r"(?:[+＋]{2,}|[+＋](?![^\W_])|[#＃])?"
)
_BEFORE = re.compile(r"[.．@＠#＃]")
_AFTER = re.compile(r"[+＋#＃]+$")
_BREAK = re.compile(rf"([-‐]?){_LINE_END}|{_JOINT}")
_RUN = re.compile(rf"[{SOLID}][{SOLID}{_ATTACHED}]*|[^{SOLID}]+")
_IN_SOLID = re.compile(f"[{SOLID}]")
_IN_UNSPACED = re.compile(f"[{_UNSPACED}]")
_TONES = "\u0e48-\u0e4b\u0ec8-\u0ecb"
_ATOM = re.compile(
    rf"(?:เเ|[{SOLID}])[{_ATTACHED}{_COMPOSING}]*(?:(?:(?<=[\u0e4d\u0ecd])|(?<=[\u0e4d\u0ecd][{_TONES}]))[\u0e32\u0eb2])?"
)
_UNIT = re.compile(rf"[^{_MARKS} ][{_MARKS}]*")
_COMBINES = re.compile(f"[{_ATTACHED}{_COMPOSING}]|เเ")
_TOO_MANY_MARKS = re.compile(rf"([{_MARKS}]{{{_MAX_MARKS}}})[{_MARKS}]+")
# With one of these in a text NFKC takes a hundred times as long for all of it.
_COMMON_FORMS = re.compile("[\u00a0\u2026\uff01-\uff5e]+")
# What NFKC takes apart, and a PDF may have in any order: the vowel am, of Thai and of Lao.
_AM = re.compile(f"[\u0e4d\u0ecd]([{_TONES}]?)([\u0e32\u0eb2])|([{_TONES}])[\u0e4d\u0ecd]([\u0e32\u0eb2])")

# Before a consonant of its own kind a nasal is as well written as a dot: हिन्दी and हिंदी.
_NASAL = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")
_SPELLED = str.maketrans(
    {
        **{"ä": "ae", "ö": "oe", "ø": "oe", "ü": "ue", "å": "aa"},
        **{"Ä": "Ae", "Ö": "Oe", "Ø": "Oe", "Ü": "Ue", "Å": "Aa"},
    }
)
# What only a token has that has more than one spelling.
_MANY = re.compile("[\n\u200c\u0308\u030aäöøüåÄÖØÜÅ\"״'’׳‐‑·-]")

_SYMBOLS = ".@#+"
_LETTERS = str.maketrans(
    {
        **{"æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"},
        **{"ё": "е", "ѐ": "е", "ѝ": "и"},  # й, ї and ў are letters of their own
        # As people type them: alef without its hamza, yeh and kaf of any keyboard, no tatweel.
        **{"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ـ": ""},
        "ँ": "ं",
    }
)
_DROPPED_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e8\u06ea-\u06ed\u0730-\u074a\u08ca-\u08ff\u093c"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
_WITH = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH ")
_WITHOUT_ACCENTS = ("LATIN ", "GREEK ", "DEVANAGARI ")


class _Folds(dict[int, str]):
    """What each character is to the search, for `str.translate`; made as they come."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = "".join(map(_folded, _without_accents(chr(code)).casefold().translate(_LETTERS)))
        return folded


def _without_accents(character: str) -> str:
    name = unicodedata.name(character, "")
    if not name.startswith(_WITHOUT_ACCENTS):
        return character
    plain = _DROPPED_MARKS.sub("", unicodedata.normalize("NFD", character))
    # A stroke or a hook is part of the letter to Unicode; for all but the alphabet it stands in, it is an accent.
    stroke = _WITH.match(name) if plain == character else None
    return stroke[1] if stroke else plain


def _folded(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or _DROPPED_MARKS.match(character):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    # An apostrophe that is a letter to Unicode (Ukrainian, Uzbek) parts a word as any other does.
    if character in "ʻʼ" or not (character.isalnum() or category[0] == "M" or character in _SYMBOLS):
        return " "
    return character


_FOLDS = _Folds()


def fold(text: str) -> str:
    """A text without what the search does not tell apart; what is no part of a term is a blank, unless all is ASCII."""
    if text.isascii():
        return text.lower()
    text = _COMMON_FORMS.sub(_compatible, _TOO_MANY_MARKS.sub(r"\1", text))
    text = unicodedata.normalize("NFKC", text).replace("เเ", "แ")
    if "\u0e4d" in text or "\u0ecd" in text:
        text = _AM.sub(_am, text)
    text = text.translate(_FOLDS)
    return _NASAL.sub("ं", text) if "\u094d" in text else text


def _compatible(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", found[0])


def _am(found: re.Match[str]) -> str:
    return (found[1] or found[3] or "") + ("\u0e33" if "\u0e32" in found[0] else "\u0eb3")


class Term(NamedTuple):
    """A term, and the place of what it stands for in the text."""

    term: str
    start: int
    end: int


_Place: TypeAlias = "tuple[str, int, int]"  # the same of a token
_Stretch: TypeAlias = "list[tuple[int, int]]"  # where the parts of one word are in a token


def is_symbol(term: str) -> bool:
    """Whether a term is a symbol beside a word."""
    return term[0] in ".@#~"


def is_solid(term: str) -> bool:
    """Whether a term is of one or two characters of a script that is indexed by bigrams."""
    return _IN_SOLID.search(term) is not None


def terms(text: str, start: int = 0, end: int | None = None) -> Iterator[Term]:
    """The terms of a text in their order; at the end, what words are in their other spellings, each after a `~`, so
    that no phrase goes on into it.

    Arguments:
        text: any text. The time is in proportion to its length.
        start, end: the part of it that is looked at; default: all.
    """
    others: list[Term] = []
    for piece in _pieces(text, start, len(text) if end is None else min(end, len(text))):
        for token in _TOKEN.finditer(text, *piece):
            at = token.start()
            of_token, spellings = _terms(token[0])
            for term, first, last in of_token:
                yield Term(term, at + first, at + last)
            others += (Term(term, at + first, at + last) for term, first, last in spellings)
    yield from others


def joined_terms(text: str) -> Iterator[str]:
    """The same terms, with blanks between them, in pieces to be put together with blanks."""
    known = _Known()
    others: list[str] = []
    for piece in _pieces(text, 0, len(text)):
        tokens = _TOKEN.findall(text, *piece)
        yield " ".join(map(known.__getitem__, tokens))
        others += filter(known.many.__contains__, tokens)
    for token in others:
        yield " ".join(spelling[0] for spelling in _terms(token)[1])


def phrase(text: str) -> tuple[list[str], bool]:
    """The terms of some text as it stands, and whether the last is but the beginning of one: what follows the last
    character of a script without blanks is not known."""
    found = list(takewhile("~".__ne__, " ".join(joined_terms(text)).split()))  # other spellings come after a ~
    return found, bool(found) and is_solid(found[-1])


def fts5(terms: Sequence[str], prefix: bool) -> str:
    """The expression of SQLite's FTS5 for terms that stand together, the last of them also as the beginning of one."""
    # Quoted, so that none of its operators, columns or punctuation are typed by accident or on purpose.
    return f'"{" ".join(terms)}"' + "*" * prefix


def tsquery(terms: Sequence[str], prefix: bool) -> str:
    """The expression of PostgreSQL for terms that are all there, wherever, the last also as the beginning of one."""
    return " & ".join(map(lexeme, terms)) + ":*" * prefix


def lexeme(term: str) -> str:
    """A term as PostgreSQL has it in a tsvector and in a tsquery."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def pack_terms(text: str) -> PackedTerms:
    """The same terms with blanks between them, compressed; a tenth of a second for a million characters."""
    compressor, packed = zlib.compressobj(), []
    for piece in joined_terms(text):
        packed.append(compressor.compress(f"{piece} ".encode()))
    return b"".join([*packed, compressor.flush()])


def unpack_terms(packed: PackedTerms) -> str:
    """What `pack_terms` has packed."""
    return zlib.decompress(packed).decode()


class _Known(dict[str, str]):
    """The terms of each token; those of short ones are kept, of which a text is made. `many` has those with
    more than one spelling."""

    def __init__(self) -> None:
        super().__init__()
        self.many: set[str] = set()

    def __missing__(self, token: str) -> str:
        found = _joined(token)
        if _MANY.search(token) and _terms(token)[1]:
            self.many.add(token)
        if len(token) <= _CACHED_LENGTH and len(self) < _CACHED_WORDS:
            self[token] = found
        return found


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where to cut a text so that no expression has much to remember: after a blank, if there is one."""
    while end - start > _PIECE:
        cut = text.rfind(" ", start + _PIECE // 2, start + _PIECE) + 1 or start + _PIECE
        yield start, cut
        start = cut
    yield start, end


def _joined(token: str) -> str:
    """The terms of one token with blanks between them: what `_terms` gives, without the places, which take time."""
    before, start, end, after = _symbols(token)
    found = [before] if before else []
    for stretch in _stretches(token, start, end):
        for run in _RUN.findall("".join(token[first:last] for first, last in stretch)):
            if _IN_SOLID.match(run):
                units = _UNIT.findall(fold(run))
                found += map(add, units, units[1:])
                found += units[-1:]
            else:
                found += (word[:MAX_TERM] for word in fold(run).split())
    return " ".join([*found, after] if after else found)


def _terms(token: str) -> tuple[Sequence[_Place], Sequence[_Place]]:
    """The terms of one token, each with its place in it; and those of its other spellings."""
    return _terms_of_known(token) if len(token) <= _CACHED_LENGTH else _terms_of_token(token)


def _terms_of_token(token: str) -> tuple[Sequence[_Place], Sequence[_Place]]:
    found: list[_Place] = []
    others: list[_Place] = []
    before, start, end, after = _symbols(token)
    if before:
        found.append((before, 0, start))
    stretches = _stretches(token, start, end)
    for stretch in stretches:
        found += _terms_of_stretch(token, stretch)
        others += _spelled_out(token, stretch)
    for spelling in _spellings(token, stretches):
        others.append(("~", start, start))
        for parts in spelling:
            others += _terms_of_stretch(token, parts)
    if after:
        found.append((after, end, len(token)))
    return found, others


_terms_of_known = lru_cache(_CACHED_WORDS)(_terms_of_token)


def _symbols(token: str) -> tuple[str, int, int, str]:
    """The term of the symbol before a word, where the word begins and ends, and that of the symbols after it."""
    start, end = 0, len(token)
    before = after = ""
    if _BEFORE.match(token):
        start, before = 1, unicodedata.normalize("NFKC", token[0])
    if (found := _AFTER.search(token, start)) is not None:
        end, after = found.start(), "~" + unicodedata.normalize("NFKC", found[0])
    return before, start, end, after


def _stretches(token: str, start: int, end: int) -> list[_Stretch]:
    """The parts of a token that line ends and joints leave, those of one word together."""
    stretches = [[(start, end)]]
    for found in _BREAK.finditer(token, start, end):
        first = stretches[-1].pop()[0]
        stretches[-1].append((first, found.start()))
        before, after = token[first : found.start()], token[found.end()]
        letter = next((each for each in reversed(before) if each.isalnum()), "")
        if "\n" not in found[0]:
            whole = False
        elif found[1] or before.endswith("\u00ad"):
            # Well-⏎known is one word here, and 2010-⏎2020 or Anglo-⏎Saxon are two.
            whole = (letter.islower() and after.islower()) or (letter.isupper() and after.isupper())
        else:
            whole = _IN_UNSPACED.match(letter) is not None
        if not whole:
            stretches.append([])
        stretches[-1].append((found.end(), end))
    return stretches


def _spellings(token: str, stretches: Sequence[_Stretch]) -> Iterator[Sequence[_Stretch]]:
    """The other spellings of a token's words: the parts that a line end or half spaces leave; all without joints."""
    words: list[list[_Stretch]] = []
    for stretch in stretches:
        pieces = [part for each in stretch for part in _between(_HALF_SPACE, token, *each)]
        if len(pieces) > 1 and not _IN_UNSPACED.match(token, pieces[1][0]):
            yield [[piece] for piece in pieces]
        if words and "\n" not in token[words[-1][-1][-1][1] : stretch[0][0]]:
            words[-1].append(stretch)
        else:
            words.append([stretch])
    yield from ([[part for stretch in word for part in stretch]] for word in words if len(word) > 1)


def _between(pattern: re.Pattern[str], token: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in pattern.finditer(token, start, end):
        yield start, found.start()
        start = found.end()
    yield start, end


def _spelled_out(token: str, stretch: _Stretch) -> Sequence[_Place]:
    """The terms of a word with umlauts as keyboards without them have it."""
    text = unicodedata.normalize("NFC", "".join(token[start:end] for start, end in stretch))
    spelled = text.translate(_SPELLED)
    if spelled == text or _IN_SOLID.search(text):
        return ()
    first, last = stretch[0][0], stretch[-1][1]
    return [("~", first, first), *((word[:MAX_TERM], first, last) for word in fold(spelled).split())]


def _terms_of_stretch(token: str, parts: _Stretch) -> Iterator[_Place]:
    text = "".join(token[start:end] for start, end in parts)
    place: Callable[[int], int]
    if len(parts) == 1:
        place = parts[0][0].__add__
    else:
        place = [index for start, end in parts for index in range(start, end)].__getitem__
    if _IN_SOLID.search(text) is None:
        yield from _words(text, 0, place)
        return
    for run in _RUN.finditer(text):
        if _IN_SOLID.match(run[0]):
            yield from _bigrams(run[0], run.start(), place)
        else:
            yield from _words(run[0], run.start(), place)


def _words(text: str, start: int, place: Callable[[int], int]) -> Iterator[_Place]:
    first, last = place(start), place(start + len(text) - 1) + 1
    return ((word[:MAX_TERM], first, last) for word in fold(text).split())


def _bigrams(run: str, start: int, place: Callable[[int], int]) -> Iterator[_Place]:
    units: list[_Place]
    plain = _UNIT.findall(fold(run))
    if len(plain) == len(run) and _COMBINES.search(run) is None:
        units = [(unit, place(start + index), place(start + index) + 1) for index, unit in enumerate(plain)]
    else:
        units = [
            (unit, place(start + atom.start()), place(start + atom.end() - 1) + 1)
            for atom in _ATOM.finditer(run)
            for unit in _units(atom[0])
        ]
    for one, next_one in pairwise(units):
        yield one[0] + next_one[0], one[1], next_one[2]
    if units:
        yield units[-1]


@lru_cache(_CACHED_WORDS)
def _units(atom: str) -> list[str]:
    return _UNIT.findall(fold(atom))
