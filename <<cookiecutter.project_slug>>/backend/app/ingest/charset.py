"""The text of some bytes: which charset they are in."""

from __future__ import annotations

import codecs
import re
import unicodedata
from operator import ne
from typing import NamedTuple

import regex
import webencodings

from app.ingest.readers.common import Log
from app.wording import clip, count

__all__ = ["decode", "unmarked_unicode"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Python's codecs that read the most of what is sent under a name of the standard, where its own choice reads less.
_CODECS = {
    "gbk": ("gb18030",),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "iso-2022-jp": ("iso2022_jp_ext", "iso2022_jp_2004"),
    "big5": ("big5hkscs", "cp950"),
}
_REPLACED = {"hz-gb-2312": "hz", "iso-2022-kr": "iso2022_kr", "csiso2022kr": "iso2022_kr"}
_NO_CHARSETS = frozenset({"charmap", "idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined",
                          "unicode-escape"})  # fmt: skip
_DECLARATIONS = 64 * 1024  # bytes
_XML = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']\s*([\w.:-]+)""")
_EDITORS = re.compile(
    rb"(?:-\*-.*?\bcoding|\bvim?:.*?\bf(?:ile)?enc(?:oding)?)\s*[:=]\s*([\w.-]+?)(?:-unix|-dos|-mac)?(?![\w.-])"
)
_NAME, _VALUE = rb"[^\s/>=][^\s/>=]*", rb"""(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*)"""
_MARKUP = re.compile(
    rb"<!--(?:-?>|.*?(?:-->|\Z))|</?([a-z][^\s/>]*)((?:[\s/]+(?:%b(?:\s*=\s*%b)?)?)*)" % (_NAME, _VALUE),
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(%b)(?:\s*=\s*(%b))?" % (_NAME, _VALUE))
_CONTENT = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_TAG = re.compile(rb"<[^<>]*>")
_LONG_ASCII = re.compile(rb"(\A|[\0-\x7f]{30})[\0-\x7f]+(\Z|[\0-\x7f]{30})")
_MIXED = regex.compile(
    r"(?V1)[[\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}]&&\p{L}]\p{Latin}|\p{Latin}[[\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}]&&\p{L}]"
)
_SHIFTS = re.compile(rb"\x1b(?:\$[@B]|\([JI])")
_OTHER_THAN_ASCII = re.compile(r"[^\0-\x7f]+")
_GUESSED = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "tis-620",
    "koi8-r", "koi8-u", "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9",
    "iso8859-13", "iso8859-15", "cp850", "cp852", "cp866",
    "big5hkscs", "cp932", "cp949", "euc_jis_2004", "gb18030",
)  # fmt: skip
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
_SURE = 0.2
"""From this confidence on chardet was wrong for 2 of 1,140 short texts in 33 languages, below it for 14 of 372."""


def decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    """The text of some bytes, without byte order mark and NUL characters.

    A byte order mark decides; then whether the bytes are valid UTF-8, whatever is declared; then what is declared, by
    `charset`, or within the bytes; then a guess. Text that is UTF-8 but for some bytes, or for its end, stays UTF-8.

    Arguments:
        data: the bytes.
        charset: what their content type says, if anything: a label of the Encoding Standard, or a name that Python
            knows.
        log: told how they are read. What is lost, or not sure, is of the level `warning`.
        html: whether they may declare their charset as HTML does; if not, as Emacs and Vim have it.

    Source: the Encoding Standard's labels (https://encoding.spec.whatwg.org), the prescan of the HTML standard.
    """
    text = _decode(data, charset, log, html=html)
    if "\0" in text:
        log(f"{count(text.count(chr(0)), 'NUL character')} left out", "info")
    return text.replace("\0", "")


def unmarked_unicode(head: bytes) -> str | None:
    """`utf-16-le` or the like, if bytes with NULs among them are text in it, without a byte order mark; else None.

    Arguments:
        head: the beginning, of any length; 4,000 bytes are looked at.
    """
    found: dict[str, int] = {}
    head = head[:4000]
    if b"\0" in head and 5 * len(head.translate(None, _PRINTABLE)) > len(head):
        for codec in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
            try:
                text = codecs.getincrementaldecoder(codec)().decode(head)  # the end may be cut
            except UnicodeDecodeError:
                continue
            kinds = [unicodedata.category(each)[0] for each in text if each not in "\t\n\r"]
            # What has a NUL is an ASCII character, be it no more than the end of a line.
            if any(each < "\x80" for each in text) and 100 * kinds.count("C") <= len(kinds) <= 2 * kinds.count("L"):
                # Read the wrong way round, text is of letters too, but of many more scripts.
                found[codec] = len({ord(each) >> 8 for each in text})
    return min(found, key=found.__getitem__, default=None)


class _Charset(NamedTuple):
    name: str
    codecs: tuple[str, ...]
    """Python's, the likeliest first."""

    def decode(self, data: bytes) -> str:
        return min((data.decode(codec, "replace") for codec in self.codecs), key=_lost)


_WESTERN = _Charset("windows-1252", ("cp1252",))
_JAPANESE = _Charset("iso-2022-jp", _CODECS["iso-2022-jp"])


def _decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return _tell(data[len(bom) :].decode(codec, "replace"), codec, "its byte order mark", log)
    label = charset or _declared(data, html=html)
    declared = _lookup(label) if label else None
    ascii_only = data.isascii()
    if ascii_only and declared is not None and declared.codecs[0].startswith(("hz", "iso2022", "utf-7")):
        return _tell(declared.decode(data), declared.name, "as it declares", log)
    if ascii_only and _SHIFTS.search(data) is not None:
        return _tell(_JAPANESE.decode(data), _JAPANESE.name, "by its escape sequences", log)
    text = data.decode("utf-8", "replace")
    lost = _lost(text) - data.count(b"\xef\xbf\xbd")
    if unmarked := unmarked_unicode(data):
        return _tell(data.decode(unmarked, "replace"), unmarked, "its NULs", log)
    valid = _length(text) - lost
    if not lost or valid > (lost if declared is not None and declared.name == "utf-8" else 2 * lost):
        return _tell(text, "ASCII" if ascii_only else "utf-8", "", log, lost)
    if label and declared is None:
        log(f"It declares the charset {clip(label, 40)}, which is not known", "warning")
    elif declared is not None:
        text = declared.decode(data)
        if declared.name != "utf-8" and 2 * _lost(text) <= _length(text):
            likely, confidence = _guess(data)
            if (confidence >= _SURE or _mixes_alphabets(text)) and _differ(text, likely.decode(data)):
                log(
                    f"It declares {declared.name}, but looks like {likely.name}: see if its letters are right",
                    "warning",
                )
            return _tell(text, declared.name, "as it declares", log)
        log(f"It declares {declared.name}, but is not in it", "warning")
    likely, confidence = _guess(data)
    if confidence < _SURE:
        log(
            f"Its charset is a guess, and not a sure one: {likely.name}. If letters are wrong, save it as UTF-8 and "
            "try again.",
            "warning",
        )
    return _tell(likely.decode(data), likely.name, "guessed from its bytes", log)


def _tell(text: str, name: str, why: str, log: Log, lost: int | None = None) -> str:
    name = name.upper() if name.startswith("utf") else name
    log(f"Read as {name}{f' ({why})' if why else ''}: {count(len(text), 'character')}", "info")
    if lost := _lost(text) if lost is None else lost:
        log(f"{count(lost, 'character')} could not be decoded and became “\ufffd”", "warning")
    return text


def _lost(text: str) -> int:
    return text.count("\ufffd")


def _length(text: str) -> int:
    """How many characters are not ASCII."""
    return sum(map(len, _OTHER_THAN_ASCII.findall(text)))


def _lookup(label: str) -> _Charset | None:
    """The charset that has a label."""
    found = webencodings.lookup(label)
    if found is None:
        try:
            b"x".decode(label, "replace")
            codec = codecs.lookup(label).name
        except (LookupError, UnicodeError, ValueError):  # none of that name; not one for whole texts; a NUL in it
            return None
        found = webencodings.lookup(codec)  # `latin-1` is a name that only Python knows
        if found is None:
            return None if codec in _NO_CHARSETS else _Charset(codec, (codec,))
    if found.name == "replacement":  # by the standard unreadable, lest it hides scripts from a filter
        readable = _REPLACED.get(label.strip().lower())
        return None if readable is None else _Charset(readable, (readable,))
    if found.name == "x-user-defined":
        return _WESTERN
    return _Charset(found.name, _CODECS.get(found.name, (found.codec_info.name,)))


def _declared(data: bytes, *, html: bool) -> str | None:
    """What stands in the document itself, if it is known."""
    head = data[:_DECLARATIONS]
    labels = [match[1] for match in (_XML.match(head),) if match is not None]
    if html:
        labels += filter(None, (_in_meta(match[2]) for match in _MARKUP.finditer(head) if _is_meta(match[1])))
    else:
        lines = b"\n".join(line[:200] for line in head.split(b"\n", 2)[:2])
        labels += [match[1] for match in (_EDITORS.search(lines),) if match is not None]
    for label in labels:
        charset = _lookup(label.decode("latin-1"))
        if charset is not None:
            # Whoever can read this by its bytes has no UTF-16 before him.
            return "utf-8" if charset.name.startswith("utf-16") else charset.name
    return None


def _is_meta(tag: bytes | None) -> bool:
    return tag is not None and tag.lower() == b"meta"


def _in_meta(attributes: bytes) -> bytes | None:
    found: dict[bytes, bytes] = {}
    for name, value in _ATTRIBUTE.findall(attributes):
        found.setdefault(name.lower(), value.strip(b"\"'"))
    if b"charset" in found:
        return found[b"charset"]
    if found.get(b"http-equiv", b"").lower() != b"content-type":
        return None
    content = _CONTENT.search(found.get(b"content", b""))
    return content[1] if content is not None else None


def _guess(data: bytes) -> tuple[_Charset, float]:
    """The charset that some bytes are likely to be in, and chardet's confidence in it."""
    import chardet

    # Much ASCII (the tags of a page, the program of which this is a string) looks like English, which hides what
    # the few other bytes are. An ASCII byte after another one is never a part of a longer character.
    sample = _LONG_ASCII.sub(rb"\1 \2", _TAG.sub(b" ", data))[:200_000]
    left = list(_GUESSED)
    while True:
        found = chardet.detect(sample, include_encodings=left, prefer_superset=False, compat_names=False)
        name = found["encoding"]
        charset = (name and _lookup(name)) or _WESTERN
        if name not in left or len(left) < len(_GUESSED) - 3 or not _mixes_alphabets(charset.decode(sample)):
            return charset, found["confidence"]
        left.remove(name)


def _differ(one: str, other: str) -> bool:
    """Whether two readings of the same bytes differ by more than what kin charsets have of their own."""
    return len(one) != len(other) or 10 * sum(map(ne, one, other)) > _length(one)


def _mixes_alphabets(text: str) -> bool:
    """Whether many words are of letters that no language puts in one word: `cittа`, of Latin and Cyrillic ones."""
    return 10 * len(_MIXED.findall(text)) > _length(text)
