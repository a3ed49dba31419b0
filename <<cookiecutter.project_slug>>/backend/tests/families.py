"""Hostile texts of any size, the parsers that take one, and how their time grows. `python -m tests.families` prints it,
and what each family costs at each place of a request; `--help` says more.

A family is one kind of text at any length: a character repeated, brackets nested, a table, half a link over and over.
The parsers are found in the package `app`, the places of a request in its OpenAPI schema: a new one is covered when it
is there.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import inspect
import itertools
import math
import pkgutil
import sys
import time
import typing
import unicodedata
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import app as package
from app.bodies import RequestBody
from app.terms import pack_terms
from tests.here import cost as spent

Make: TypeAlias = Callable[[int], str]
"""A family: gives its text of so many characters, or a few less."""


def _repeated(unit: str) -> Make:
    return lambda size: unit * max(1, size // len(unit))


def _nested(opening: str, closing: str) -> Make:
    def make(size: int) -> str:
        depth = max(1, size // (len(opening) + len(closing)))
        return opening * depth + closing * depth

    return make


def _numbered(unit: str) -> Make:
    """Each with a number of its own: nothing is there twice."""

    def make(size: int) -> str:
        length = len(unit.format(size))
        return "".join(map(unit.format, range(max(1, size // length))))

    return make


def _growing(unit: str, before: str = "", after: str = "") -> Make:
    """Pieces of one unit, then two, then three: their number is the root of the size."""

    def make(size: int) -> str:
        steps = max(1, math.isqrt(2 * size // len(unit)))
        return "".join(f"{before}{unit * step}{after}" for step in range(1, steps))

    return make


def _after(head: str, unit: str, tail: str = "") -> Make:
    return lambda size: head + unit * max(1, (size - len(head) - len(tail)) // len(unit)) + tail


# One of each class of characters that some parser treats in its own way.
_SIGNS = (
    "\"'`“”«「」" "()[]{<>" " \t\xa0\u3000" "\n\r\u2028\f" ".,:;!-_…。" "*#|~+=/\\&%@" "0٣²" "aAéяﬁ" "\u0301\u0e31"
    "\u200b\u200d\xad\ufeff" "中のไ" "אا\u202e" "\0\x02\x1b\x85" "😀𠮷" "\ud800\udc00"
)  # fmt: skip

FAMILIES: Mapping[str, Make] = {
    **{f"U+{ord(sign):04X} {unicodedata.name(sign, '').lower()}".strip(): _repeated(sign) for sign in _SIGNS},
    # Plain text: words, sentences, lines.
    "words": _repeated("word and "),
    "distinct words": _numbered("w{} "),
    "distinct numbers": _numbered("{} "),
    "sentences": _repeated("It is so. "),
    "distinct sentences": _numbered("The {} of it is in the house that was so. "),
    "sentences without blanks": _repeated("It.Is."),
    "initials": _repeated("A. "),
    "ends after quotes": _repeated(".”"),
    "open quotes and ends": _after("“", "It is so. "),
    "quoted sentences": _repeated("“It is so.” "),
    "Chinese sentences": _repeated("他在这里。"),
    "short lines": _repeated("a\n"),
    "blank lines": _repeated("a\n\n"),
    "line ends of Windows": _repeated("\r\n"),
    "blanks at line ends": _repeated("a    \n"),
    "blanks before the end": _after("a", " ", "a"),
    "one long word and a blank": _after("", "a", " b"),
    "accents on one letter": _after("a", "\u0301"),
    "accents in the wrong order": _repeated("a\u0301\u0323"),
    "joined letters": _repeated("a\u200d"),
    "apostrophes": _repeated("a'"),
    "underscores": _repeated("a_"),
    "hyphens": _repeated("a-"),
    "points": _repeated("a."),
    "signs and letters": _repeated("a@"),
    "umlauts spelled out": _repeated("aeoeue"),
    "Hebrew acronym": _repeated('א"'),
    "half spaces": _repeated("می\u200c"),
    "Thai words": _repeated("ภาษาไทย"),
    "Korean words": _repeated("한국어 "),
    "regional indicators": _repeated("🇩"),
    "emoji joined": _repeated("👩\u200d"),
    "right to left and back": _repeated("\u202e\u202c"),
    # Markdown: openings without an end, marks that may pair with each other, what is looked up.
    "half a link": _repeated("[a]("),
    "half a picture": _repeated("!["),
    "links": _repeated("[a](b) "),
    "links that differ": _numbered("[a](http://b.example/{}) "),
    "references": _numbered("[{}]: a\n"),
    "references used": _after("[a]: b\n\n", "[a]"),
    "brackets nested": _nested("[", "]"),
    "brackets nested and a target": _nested("[", "](a)"),
    "parentheses nested": _nested("(", ")"),
    "emphasis opened": _repeated("*a "),
    "emphasis closed": _repeated("a* "),
    "emphasis nested": _nested("*a ", " b*"),
    "emphasis of two marks": _repeated("*a _b "),
    "emphasis strong": _repeated("a**b"),
    "code of growing marks": _growing("`", after=" "),
    "fences": _repeated("```\n"),
    "fences opened": _growing("`", "```", "\n"),
    "quotes nested": _repeated("> "),
    "quotes of lines": _repeated("> a\n"),
    "quotes of growing depth": _growing(">", after="a\n"),
    "lists": _repeated("- a\n"),
    "lists on one line": _repeated("- "),
    "lists of growing depth": _growing("  ", after="- a\n"),
    "numbered lists": _repeated("1. "),
    "headings": _repeated("# a\n"),
    "headings that differ": _numbered("## {}\n\nIt is so.\n\n"),
    "headings underlined": _repeated("a\n=\n"),
    "rules": _repeated("***\n"),
    "entities": _repeated("&amp;"),
    "half an entity": _repeated("&#"),
    "half a tag": _repeated("<a "),
    "half a comment": _repeated("<!--"),
    "half an address": _repeated("<http://"),
    "backslashes": _repeated("\\["),
    "columns of a table": lambda size: "|a" * (size // 4) + "|\n" + "|-" * (size // 4) + "|\n",
    "rows of a table": _after("|a|b|\n|-|-|\n", "|c|d|\n"),
    "columns and short rows": lambda size: "|a" * (size // 6) + "|\n" + "|-" * (size // 6) + "|\n" * (size // 6),
    "front matter": _after("---\n", "a: b\n", "---\n"),
    "front matter without an end": _after("---\n", "a: b\n"),
    "front matter nested": _after("---\na: ", "[", "\n---\n"),
    "aliases of YAML": lambda size: "---\na0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, max(2, min(size // 24, 400)))
    ) + "---\n",
    # HTML and XML.
    "elements": _repeated("<p>a</p>"),
    "elements nested": _nested("<div>", "</div>"),
    "elements opened": _repeated("<b>"),
    "elements opened in turn": _repeated("<b><i>"),
    "elements closed": _repeated("</p>"),
    "paragraphs in formatting": _repeated("<a><p>"),
    "tables nested": _nested("<table><tr><td>", "</td></tr></table>"),
    "attributes": lambda size: "<p" + "".join(f" a{n}=b" for n in range(size // 9)) + ">a</p>",
    "one long attribute": _after("<p a='", "b", "'>a</p>"),
    "scripts": _repeated("<script>a</script>"),
    "half a script": _repeated("<script>"),
    "comments": _repeated("<!-- a -->"),
    "comments of hyphens": _after("<!--", "- ", "-->"),
    "metas": _repeated('<meta name="a" content="b">'),
    "refreshes": _repeated('<meta http-equiv="refresh" content="0; url=a">'),
    "character data": _repeated("<![CDATA[a]]>"),
    "half a doctype": _repeated("<!DOCTYPE "),
    "half a declaration": _repeated("<?xml "),
    "pictures": _repeated("<img alt='a'>"),
    "half a picture of HTML": _repeated("<img alt="),
    "items of a feed": _after(
        '<rss version="2.0"><channel>', "<item><link>http://a.example/</link></item>", "</channel></rss>"
    ),
    "places of a sitemap": _after("<urlset>", "<url><loc>http://a.example/</loc></url>", "</urlset>"),
    "feed of JSON": _after('{"version":"https://jsonfeed.org/version/1.1","items":[', '{"id":"a"},', "{}]}"),
    "lines of robots": _repeated("Sitemap: http://a.example/\n"),
    "namespaces": lambda size: "<rss" + "".join(f' xmlns:a{n}="b"' for n in range(size // 16)) + "><channel/></rss>",
    # Mail, tables, subtitles, RTF, dates, addresses, and what patterns stumble on.
    "headers of a mail": _repeated("From: a\n"),
    "header folded": _after("Subject: a", "\n a", "\n\nb"),
    "words of a header": _after("Subject: ", "=?utf-8?q?a?= ", "\n\nb"),
    "half a word of a header": _after("Subject: ", "=?", "\n\nb"),
    "parts of a mail": _after('Content-Type: multipart/mixed; boundary="b"\n\n', "--b\n\na\n"),
    "parameters of a mail": _after("Content-Type: text/plain", "; a=b", "\n\na"),
    "mails of an mbox": _repeated("From a@b Mon Jan  1 00:00:00 2024\nFrom: a\nTo: b\n\nc\n"),
    "cells": _repeated("a,"),
    "cells quoted": _repeated('"a",'),
    "half a cell": _repeated('"a'),
    "rows": _repeated("a,b\n"),
    "rows of growing length": _growing("a,", after="\n"),
    "cues": _repeated("1\n00:00:00,000 --> 00:00:01,000\na\n\n"),
    "half a cue": _repeated("0:00 -->"),
    "times": _repeated("00:"),
    "groups of RTF": _nested("{\\b ", "}"),
    "characters of RTF": _repeated("\\'e9"),
    "signs of RTF": _repeated("\\u8212?"),
    "fonts of RTF": _numbered("{{\\f{}\\fcharset0 a;}}"),
    "dates": _repeated("1/2/2024 "),
    "address": _after("http://a.example/", "a/"),
    "address of points": _after("http://", "a."),
    "address of parameters": _after("http://a.example/?", "a=b&"),
    "addresses": _repeated("http://a.example/ "),
    "half an address of a name": _repeated("http://a@"),
    "half an address of digits": _after("http://[", ":"),
    "marks of a model": _repeated("<|a|>"),
    "thoughts of a model": _repeated("<think>a</think>"),
    "half a thought": _repeated("<think>"),
    "events of a stream": _repeated("data: {}\n\n"),
    "numbers of many digits": _after("1", "0"),
    "parts of a token": _repeated("e30."),
    "cookies": _repeated("a=b; "),
    "fields of a form": _repeated("a=b&"),
    "percent": _repeated("%41"),
    "path upwards": _repeated("../"),
}  # fmt: skip

TELLING = (
    "U+0022 quotation mark", "U+201C left double quotation mark", "U+0020 space", "U+000A",
    "U+0061 latin small letter a", "U+0301 combining acute accent", "U+4E2D cjk unified ideograph-4e2d",
    "distinct words", "distinct sentences", "open quotes and ends", "blanks before the end", "half a link",
    "half a picture", "emphasis opened", "code of growing marks", "columns and short rows", "lists of growing depth",
    "references",
    "half a tag", "elements opened in turn", "tables nested", "attributes", "half a cell", "half an address of a name",
)  # fmt: skip
"""The families that show most of what the others do: those of the short tests."""


# --- Parsers -------------------------------------------------------------------------------------------------------

Parser: TypeAlias = Callable[[str], object]

NOT_STRANGERS: Mapping[str, str] = {
    "app.auth.tokens.load_secret": "reads a secret of the operator's",
    "app.ingest.addresses.resolve": "asks the network",
    "app.settings_table.main": "a command of the developers'",
    "app.storage.open_storage": "reads a setting of the operator's",
}
"""Functions of a text that no stranger writes, or that do more than read it, and why."""

GIVEN: Mapping[str, Any] = {
    "language": "en", "charset": None, "html": True, "name": "a", "media_type": "", "whole": True, "noun": "page",
    "keep": lambda link: False, "log": lambda *said: None,
    "url": "http://a.example/", "known": ("a", "b"), "one": "page",
    "terms": pack_terms("some words"), "for_postgres": True, "prefix": True,
}  # fmt: skip
"""What parsers take beside the text, by the name of the parameter."""

_PIECES = 40
_TEXTS = (Iterable[str], Sequence[str], Collection[str], list[str], tuple[str, ...])


class UnknownParser(Exception):
    """A public function of a text cannot be called, for want of one of its arguments."""


def parsers(folder: Path) -> dict[str, Parser]:
    """Every public function of the app that reads a text (str, bytes, pieces of either), what the pages add to those
    (methods, kinds of documents), and the models of bodies.

    Arguments:
        folder: where the files go that some of them read.

    Raises:
        UnknownParser: a function wants an argument that is in no `GIVEN`; the text names both.
    """
    pages = list(_pages())
    given = {**GIVEN, **{name: value for page in pages for name, value in getattr(page, "GIVEN", {}).items()}}
    found: dict[str, Parser] = {}
    for module in _modules():
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            label = f"{module.__name__}.{name}"
            if inspect.isroutine(inspect.unwrap(function)) and label not in NOT_STRANGERS:
                parser = _called(label, function, given)
                if parser is not None and function.__module__ == module.__name__:
                    found[label] = parser
    for page in pages:
        found.update(page.parsers(folder))
    for body in _bodies(RequestBody):
        found[f"{body.__module__}.{body.__name__}"] = partial(_as_fields, body)
    return found


def documents() -> dict[str, tuple[str, Callable[[str], bytes]]]:
    """For each kind of documents that the pages take, the ending of its name, and a text as a document of it."""
    return {kind: made for page in _pages() for kind, made in getattr(page, "DOCUMENTS", {}).items()}


def _modules() -> Iterator[Any]:
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not each.name.endswith("__main__") and ".migrations" not in each.name:
            yield importlib.import_module(each.name)


def _pages() -> Iterator[Any]:
    """What the pages say of their own: the `parsers.py` beside the tests of each, where it has one."""
    import tests

    for each in pkgutil.iter_modules(tests.__path__, "tests."):
        if each.ispkg and importlib.util.find_spec(f"{each.name}.parsers"):
            yield importlib.import_module(f"{each.name}.parsers")


def _called(label: str, function: Any, given: Mapping[str, Any]) -> Parser | None:
    """A call of a function with a text as its first argument; None where that is no text."""
    parameters = list(inspect.signature(function).parameters.values())
    hints = typing.get_type_hints(inspect.unwrap(function))
    convert = _converter(hints.get(parameters[0].name)) if parameters else None
    if (
        convert is None
        or parameters[0].kind is inspect.Parameter.VAR_KEYWORD
        or parameters[0].name in ("path", "database")
    ):
        return None
    options: dict[str, Any] = {}
    same: list[str] = []
    for each in parameters[1:]:
        hint = hints.get(each.name)
        if each.default is not each.empty or each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
            continue
        if hint is str and each.name in ("source", "text"):
            same.append(each.name)
        elif typing.get_origin(hint) is typing.Literal:
            options[each.name] = typing.get_args(hint)[0]
        elif hint is int:
            options[each.name] = 80
        elif hint == Sequence[str]:
            options[each.name] = ()
        elif each.name in given:
            value = given[each.name]
            options[each.name] = value.model_dump() if hint == Mapping[str, Any] else value
        else:
            raise UnknownParser(f"{label}() reads a text, and nothing is known for its {each.name}: add it to GIVEN")

    def call(text: str) -> object:
        return _read_out(function(convert(text), **options, **dict.fromkeys(same, text)))

    return call


def _converter(annotation: Any) -> Callable[[str], Any] | None:
    if annotation is str or annotation == str | None:
        return str
    if annotation is bytes:
        return as_bytes
    if annotation in _TEXTS:
        return lambda text: tuple(cut(text))
    if annotation == AsyncIterable[bytes]:
        return lambda text: _sent(as_bytes(text))
    return None


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def cut(text: str) -> list[str]:
    step = max(1, -(-len(text) // _PIECES))
    return [text[start : start + step] for start in range(0, len(text), step)]


async def _sent(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 4_096):
        yield data[start : start + 4_096]


def _read_out(found: Any) -> object:
    """All of what a parser gives, also where it gives it piece by piece."""
    if inspect.iscoroutine(found):
        return asyncio.run(found)
    if isinstance(found, AsyncIterator):
        return asyncio.run(_drained(found))
    return deque(found, maxlen=0) if isinstance(found, Iterator) else found


async def _drained(found: AsyncIterator[object]) -> None:
    async for _ in found:
        pass


def _bodies(of: type[RequestBody]) -> Iterator[type[RequestBody]]:
    for each in of.__subclasses__():
        yield each
        yield from _bodies(each)


def _as_fields(body: type[RequestBody], text: str) -> None:
    """The text as each field of a body, as the name of a field, and cut up as a list and as many fields."""
    pieces = cut(text)
    for name in body.names():
        for value in (text, pieces, [pieces], {text: text}):
            attempt(body.model_validate, {name: value})
    attempt(body.model_validate, {text: text})
    attempt(body.model_validate, {f"{number}{piece}": piece for number, piece in enumerate(pieces)})


def attempt(call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except Exception as error:
        str(error)


# --- What a parser takes -------------------------------------------------------------------------------------------

BOUND = 1.5
"""The steepest that time may grow with size: its exponent, of which a linear parser has 1 and a quadratic one 2."""


@dataclass(frozen=True)
class Growth:
    """How the time of a parser grows: `seconds` of processor at `size`, and the exponent there."""

    size: int
    seconds: float
    slope: float


def growth(
    parser: Parser,
    family: Make,
    *,
    largest: int = 65_536,
    floor: float = 0.02,
    clock: Callable[[], float] = time.thread_time,
) -> Growth:
    """How a parser's time grows over a family, in processor time of this thread: a busy machine does not matter.

    Sizes are doubled from 500 until the time is more than noise. A steep step there is measured again: at that size,
    twice and four times it, the best of three runs each. The last step counts: what is read in pieces grows steeply up
    to the size of one, and no further.

    Arguments:
        largest: where to stop, in characters. What takes less than `floor` there has the slope 0.
        floor: the seconds below which times are noise.
        clock: gives the processor time of this thread, in seconds.
    """
    steps = itertools.count()  # no text twice: parsers have caches

    def cost(size: int) -> float:
        text = family(size + next(steps))
        return spent(lambda: attempt(parser, text), clock)

    size, before, now = 500, 0.0, cost(500)
    if now >= floor:
        now = min(now, cost(500))
    while now < floor and size < largest:
        size, before, now = 2 * size, now, cost(2 * size)
    if now < floor or now < before * 2**BOUND or not before:
        return Growth(size, now, math.log2(now / before) if before and now >= floor else 0.0)
    times = [min(cost(size * factor) for _ in range(3)) for factor in (1, 2)]
    if times[1] < times[0] * 2**BOUND or times[1] > 3:
        return Growth(2 * size, times[1], math.log2(times[1] / times[0]))
    last = min(cost(4 * size) for _ in range(3))
    return Growth(4 * size, last, math.log2(last / times[1]))


def main() -> int:
    """Prints what the families cost, a line each; gives 1 where one is more than it may be."""
    from tests import trials

    parse = argparse.ArgumentParser(prog="python -m tests.families", description=trials.__doc__)
    parse.add_argument("what", choices=("parsers", "places", "answers"), help="alone, in requests, or whole answers")
    parse.add_argument("--only", default="", metavar="TEXT", help="the parsers or places with this in their names")
    parse.add_argument("--family", default="", metavar="TEXT", help="the families with this in their names")
    parse.add_argument("--short", action="store_true", help="the telling families, and not the largest sizes")
    parse.add_argument("--failing", action="store_true", help="print those alone that are more than they may be")
    asked = parse.parse_args()
    failed = 0
    for trial in trials.all_of(asked.what, only=asked.only, family=asked.family, short=asked.short):
        failed += bool(trial.fails)
        if trial.fails or not asked.failing:
            print(trial, flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
