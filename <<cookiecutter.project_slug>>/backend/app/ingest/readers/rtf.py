"""RTF."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.ingest.charset import decode
from app.ingest.readers.common import Log
from app.wording import count

__all__ = ["rtf"]

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\(.)|([{}])|([^\\{}\r\n\0]+)|[\r\n\0]+", re.DOTALL
)
_CODE_PAGES = {
    708: "iso-8859-6", 10000: "macintosh", 10001: "shift_jis", 10002: "big5", 10003: "euc-kr", 10006: "mac-greek",
    10007: "x-mac-cyrillic", 10008: "gb2312", 10029: "mac-latin2", 10081: "mac-turkish", 20866: "koi8-r",
    21866: "koi8-u", 65001: "utf-8",
}  # fmt: skip
"""Those that are called otherwise than `cp` and their number."""
_WESTERN = "cp1252"
_ANSI, _ANY = 0, (1, 2, 42)
"""Charsets of fonts: what Windows calls so, and those that say nothing (the default, and of symbols)."""


def rtf(path: Path, log: Log) -> tuple[list[str], str]:
    """The text of an RTF document. Its title is what it says of itself."""
    from striprtf import striprtf

    rtf_to_text: Any = striprtf.rtf_to_text  # it has no types
    source, title = _with_characters(path.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n"), striprtf.charset_map, log)
    text = _paired(rtf_to_text(source, errors="replace")).strip()
    lone = len(re.findall(r"[\ud800-\udfff]", text))
    if lone:
        log(f"{count(lone, 'character')} could not be decoded and became “\ufffd”", "warning")
    return [_paired(title)], re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _with_characters(source: bytes, charsets: dict[int, str], log: Log) -> tuple[str, str]:
    """The same document with all of its text as characters, not as bytes of some code page, and its title.

    A run of bytes is in the code page of its font, or else of the document. Those of one code page are decoded
    together: so it shows best whether they are in it.

    Arguments:
        charsets: the code page of each charset of fonts.
    """
    out = list[str]()
    runs: dict[bytes | None, list[tuple[int, bytes]]] = defaultdict(list)  # by font: their places in `out`
    said = dict[int, str]()  # the text at places in `out`
    of_title = set[int]()
    groups = list[tuple[bytes | None, int, bool]]()
    notes = list[int]()  # how many groups each footnote stands in
    fonts = dict[bytes | None, str | int]()
    document, default, run, skip, at = _WESTERN, None, b"", 0, 0
    font, alternatives, in_title = default, 1, False

    def text(characters: str | None) -> None:
        if out and out[-1][-1:].isalnum():
            out.append(" ")  # else it would be a part of the control word
        if in_title:
            of_title.add(len(out))
        said[len(out)] = characters or ""
        out.append("")

    while token := _TOKEN.match(source, at):
        at = token.end()
        word, number, code, symbol, brace, plain = token.groups()
        if code or plain or (symbol and symbol in b"\\{}"):
            piece = bytes.fromhex(code.decode()).translate(bytes.maketrans(b"\r\n", b"  ")) if code else plain or symbol
            run, skip = run + piece[skip:], max(0, skip - len(piece))
            continue
        if not (word or symbol or brace):
            continue
        if run:
            text(None)
            runs[font].append((len(out) - 1, run))
        run, skip = b"", 0
        value = int(number or 0)
        if brace == b"{":
            groups.append((font, alternatives, in_title))
        elif brace and groups:
            if notes and notes[-1] == len(groups):
                notes.pop()
                out.append("]")
            font, alternatives, in_title = groups.pop()
        elif word and word.startswith(b"bin"):  # striprtf looks for it in any place
            at += max(0, value) if word == b"bin" else 0
            continue
        elif word == b"u":
            value += 0x10000 if value < 0 else 0
            text(chr(value) if 0 <= value <= 0x10FFFF else "\ud800")
            skip = alternatives
            continue
        elif word == b"uc":
            alternatives = max(0, value)
            continue
        elif word == b"footnote":  # striprtf leaves them out
            notes.append(len(groups))
            out.append("  [" if out and out[-1][-1:].isalnum() else " [")
            continue
        elif word in (b"ansicpg", b"mac", b"pc", b"pca"):
            value = {b"mac": 10000, b"pc": 437, b"pca": 850}.get(word, value)
            document = _CODE_PAGES.get(value, f"cp{value}") if value else _WESTERN
        elif word == b"deff":
            font = default = number
        elif word == b"plain":
            font = default
        elif word == b"f":
            font = number
        elif word == b"fcharset":
            fonts[font] = value
        elif word == b"cpg":
            fonts[font] = _CODE_PAGES.get(value, f"cp{value}")
        elif word == b"title":
            of_title.clear()  # the last one counts: it may come a second time, in Unicode
            in_title = True
        out.append("\\par " if symbol in (b"\r", b"\n") else token[0].decode("latin-1"))

    own = {charsets.get(each) if isinstance(each, int) else each for each in fonts.values()}
    by_charset: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    for each, places in runs.items():
        charset = fonts.get(each, 1)
        if charset in _ANY:
            charset = document
        elif charset == _ANSI:
            # By the letter Western; but programs that know no other font call so what the document is in.
            charset = _WESTERN if document in own else document
        by_charset[charset if isinstance(charset, str) else charsets.get(charset, document)] += places
    for charset, places in by_charset.items():
        # No character holds a line feed; nor does one begin with it, as a byte order mark might.
        decoded = decode(b"\n" + b"\n".join(run for _, run in places), charset, log, html=False)
        said.update(zip((place for place, _ in places), decoded.split("\n")[1:], strict=True))
    for place, characters in said.items():
        out[place] = re.sub(r"[\\{}]", lambda each: f"\\u{ord(each[0])}?", characters)
    return "".join(out), "".join(said[place] for place in sorted(of_title))


def _paired(text: str) -> str:
    """The same with surrogates that belong together as the one character they are."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
