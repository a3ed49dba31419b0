"""The text of some bytes: which charset they are in."""

from __future__ import annotations

import codecs
import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value
from operator import ne
from typing import NamedTuple

import regex
import webencodings

from app.ingest.readers.common import Log
from app.wording import clip, count

__all__ = ["charset_of", "decode", "unmarked_unicode"]

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
# What Python calls some charsets that the standard has under another name.
_NAMES = {
    "big5hkscs": "big5", "cp874": "windows-874", "cp932": "shift_jis", "cp949": "euc-kr", "euc_jis_2004": "euc-jp",
    "mac-cyrillic": "x-mac-cyrillic", "mac-roman": "macintosh", "utf-8-sig": "utf-8",
}  # fmt: skip
_NO_CHARSETS = frozenset({"charmap", "idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined",
                          "unicode-escape"})  # fmt: skip
_DECLARATIONS = 64 * 1024  # bytes
_LONGEST_TYPE = 1_000
"""Of a content type so many characters are read: the parser's time grows with the square of its parameters."""
_XML = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']\s*([\w.:-]+)""")
_CODING = rb"\s*[:=]\s*([\w.-]+?)(?:-unix|-dos|-mac)?(?![\w.-])"
_EDITORS = re.compile(
    rb"(?:-\*-.*?\bcoding|\bvim?:.*?\bf(?:ile)?enc(?:oding)?|\bLocal Variables:(?s:.{0,2000}?)\bcoding)%b" % _CODING
)
_COMMENTS = re.compile(rb"^[ \t]*(?:#|%%|//|;|--|:).{0,80}?coding%b" % _CODING, re.IGNORECASE | re.MULTILINE)
_NAME, _VALUE = rb"[^\s/>=][^\s/>=]*", rb"""(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*)"""
_MARKUP = re.compile(
    rb"<!--(?:-?>|.*?(?:-->|\Z))|</?([a-z][^\s/>]*)((?:[\s/]+(?:%b(?:\s*=\s*%b)?)?)*)" % (_NAME, _VALUE),
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(%b)(?:\s*=\s*(%b))?" % (_NAME, _VALUE))
_CONTENT = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_TAG = re.compile(rb"<[^<>\x80-\xff]*>")
_LONG_ASCII = re.compile(rb"(\A|[\0-\x7f]{30})[\0-\x7f]+(\Z|[\0-\x7f]{30})")
_MIXED = regex.compile(
    r"(?V1)[[\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}]&&\p{L}]\p{Latin}|\p{Latin}[[\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}]&&\p{L}]"
)
_OTHER_THAN_ASCII = re.compile(r"[^\0-\x7f]+")
_BAD = re.compile(r"[\ufffd\x80-\x9f]")
_OF_MORE_BYTES = re.compile(r"[^\0-\x7f\ufffd]")
_OF_LEGACY = frozenset("".join(bytes(range(128, 256)).decode(f"cp{page}", "ignore") for page in range(1250, 1259)))
_GUESSED = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "tis-620",
    "koi8-r", "koi8-u", "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9",
    "iso8859-13", "iso8859-15", "cp850", "cp852", "cp855", "cp866", "mac-cyrillic", "mac-roman",
    "big5hkscs", "cp932", "cp949", "euc_jis_2004", "gb18030", "johab",
)  # fmt: skip
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
_SURE = 97  # percent
_BUT_LOOKS = "It declares {}, but looks like {}{}: see if its letters are right"


def decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    """The text of some bytes, without byte order mark and NUL characters.

    A byte order mark decides; then whether the bytes are valid UTF-8, whatever is declared; then what is declared, by
    `charset`, or within the bytes; then a guess, which is always a warning and says how sure it is. Text that is UTF-8
    but for some bytes, or for its end, stays UTF-8.

    Arguments:
        data: the bytes.
        charset: what their content type says, if anything: a label of the Encoding Standard, or a name that Python
            knows.
        log: told how they are read. What is lost, or not sure, is of the level `warning`.
        html: whether they may declare their charset as HTML does; if not, as editors and programs have it in comments.

    Source: the Encoding Standard's labels (https://encoding.spec.whatwg.org), the prescan of the HTML standard.
    """
    text = _decode(data, charset, log, html=html)
    if "\0" in text:
        log(f"{count(text.count(chr(0)), 'NUL character')} left out", "info")
    return text.replace("\0", "")


def charset_of(content_type: str) -> str | None:
    """What a content type, as it stands in a header, says of the charset."""
    header = Message()
    header["content-type"] = content_type[:_LONGEST_TYPE]
    charset = header.get_param("charset")
    return collapse_rfc2231_value(charset).strip(" '") if charset else None


def unmarked_unicode(head: bytes) -> str | None:
    """`utf-16-le` or the like, if bytes with NULs among them are text in it, without a byte order mark; else None.

    Arguments:
        head: the beginning, of any length; 4,000 bytes are looked at.
    """
    found: dict[str, int] = {}
    head = head[:4000]
    if b"\0" in head and 5 * len(head.translate(None, _PRINTABLE)) > len(head):
        for codec in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
            text = codecs.getincrementaldecoder(codec)("replace").decode(head)  # the end may be cut
            kinds = [unicodedata.category(each)[0] for each in text if each not in "\t\n\r"]
            bad = kinds.count("C") + _lost(text)
            # What has a NUL is an ASCII character, be it no more than the end of a line.
            if any(each < "\x80" for each in text) and 100 * bad <= len(kinds) <= 2 * kinds.count("L"):
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
# Charsets that look like ASCII: what shows them.
_SHIFTED = (
    (re.compile(rb"\x1b\$\)C"), _Charset("iso-2022-kr", ("iso2022_kr",))),
    (re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ]|\([JI])"), _Charset("iso-2022-jp", _CODECS["iso-2022-jp"])),
    (re.compile(rb"~\{(?:[!-w][!-~]){2,}~\}"), _Charset("hz-gb-2312", ("hz",))),
)


def _decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return _tell(data[len(bom) :].decode(codec, "replace"), codec, "its byte order mark", log)
    declared = _declared(data, charset, log, html=html)
    ascii_only = data.isascii()
    if ascii_only and declared is not None and declared.codecs[0].startswith(("hz", "iso2022", "utf-7")):
        return _tell(declared.decode(data), declared.name, "as it declares", log)
    if ascii_only and (shifted := _shifted(data)) is not None:
        if declared is None or shifted.name.startswith("iso-2022"):
            return _tell_guess(data, shifted, 99, log)
        log(_BUT_LOOKS.format(declared.name, shifted.name, ""), "warning")
    if unmarked := unmarked_unicode(data):
        return _tell(data.decode(unmarked, "replace"), unmarked, "its NULs", log)
    text = data.decode("utf-8", "replace")
    lost = _lost(text) - data.count(b"\xef\xbf\xbd")
    others = declared is not None and declared.name != "utf-8"
    needed = lost * (1 + others)
    evidence = _evidence(text, max(needed, 3))
    if evidence >= needed and (evidence >= 1 or not others or ascii_only):
        if declared is not None and others and not lost and 0 < evidence < 3:
            log(_BUT_LOOKS.format(declared.name, "UTF-8", ""), "warning")
        return _tell(text, "ASCII" if ascii_only else "utf-8", "", log, lost)
    if declared is not None:
        text = declared.decode(data)
        if others and 2 * _lost(text) <= _length(text):
            likely, sure = _guess(data)
            if (sure >= _SURE or _mixes_alphabets(text)) and _differ(text, likely.decode(data)):
                log(_BUT_LOOKS.format(declared.name, likely.name, f" ({sure} % sure)"), "warning")
            return _tell(text, declared.name, "as it declares", log)
        log(f"It declares {declared.name}, but is not in it", "warning")
    return _tell_guess(data, *_guess(data), log)


def _shifted(data: bytes) -> _Charset | None:
    """The charset whose shift sequences are in some ASCII, if it makes letters of what is between them."""
    for shifts, charset in _SHIFTED:
        if shifts.search(data) is not None:
            text = charset.decode(data)
            if 10 * _lost(text) < _length(text):
                return charset
    return None


def _evidence(text: str, enough: float) -> float:
    """How many characters speak for UTF-8, if less than `enough`: in a legacy text nearly no byte is followed by what
    UTF-8 wants there, and two bytes that are make no letter that a legacy charset had a use for."""
    found = 0.0
    for each in _OF_MORE_BYTES.finditer(text):
        found += 1 if each[0] >= "\u0800" or each[0] in _OF_LEGACY else 0.25
        if found >= enough:
            break
    return found


def _tell_guess(data: bytes, likely: _Charset, sure: int, log: Log) -> str:
    log(
        f"Its charset is a guess: {likely.name}, {sure} % sure. If letters are wrong, save it as UTF-8 and try again.",
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
    found = webencodings.lookup(label) or webencodings.lookup(label.replace("-", ""))  # latin-2, as Emacs has it
    if found is None:
        try:
            b"x".decode(label, "replace")
            codec = codecs.lookup(label).name
        except (LookupError, UnicodeError, ValueError):  # none of that name; not one for whole texts; a NUL in it
            return None
        found = webencodings.lookup(_NAMES.get(codec, codec))  # `latin-1` is a name that only Python knows
        if found is None:
            return None if codec in _NO_CHARSETS else _Charset(codec, (codec,))
    if found.name == "replacement":  # by the standard unreadable, lest it hides scripts from a filter
        readable = _REPLACED.get(label.strip().lower())
        return None if readable is None else _Charset(readable, (readable,))
    if found.name == "x-user-defined":
        return _WESTERN
    return _Charset(found.name, _CODECS.get(found.name, (found.codec_info.name,)))


def _declared(data: bytes, charset: str | None, log: Log, *, html: bool) -> _Charset | None:
    """The first charset that is declared and known: by the content type, or else in the document itself."""
    found = _lookup(charset) if charset else None
    unknown = [charset] if charset and found is None else []
    for label in () if found else _labels(data, html=html):
        found = _lookup(label)
        if found is not None:
            # Whoever can read this by its bytes has no UTF-16 before him.
            found = _lookup("utf-8") if found.name.startswith("utf-16") else found
            break
        unknown.append(label)
    if unknown:
        log(f"It declares the charset {clip(unknown[0], 40)}, which is not known", "warning")
    return found


def _labels(data: bytes, *, html: bool) -> list[str]:
    """What a document says of its charset, in the order in which it is to be believed."""
    head = data[:_DECLARATIONS]
    found = [_in_meta(match[2]) for match in _MARKUP.finditer(head) if html and _is_meta(match[1])]
    found += [match[1] for match in (_XML.match(head),) if match is not None]
    if not html:
        first = b"\n".join(line[:200] for line in head.split(b"\n", 5)[:5])
        last = b"\n".join(line[:200] for line in data[-3000:].split(b"\n")[-10:])
        found += _EDITORS.findall(first + b"\n" + last)[:1]
        # Other comments may speak of coding and mean none.
        found += [label for label in _COMMENTS.findall(first) if _lookup(label.decode("latin-1")) is not None]
    return [label.decode("latin-1") for label in found if label]


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


def _guess(data: bytes) -> tuple[_Charset, int]:
    """The charset that some bytes are likely to be in, and how likely that is, in percent."""
    import chardet

    # Much ASCII (the tags of a page, the program of which this is a string) looks like English, which hides what
    # the few other bytes are. An ASCII byte after another one is never a part of a longer character.
    sample = _LONG_ASCII.sub(rb"\1 \2", _TAG.sub(b" ", data))[:200_000]
    # chardet drops a charset for one byte that it does not have: it is asked for each without its few bad ones.
    kept: dict[str, float] = {}
    cleaned: dict[bytes, list[str]] = {}
    for codec in _GUESSED:
        text = sample.decode(codec, "replace")
        bad = len(_BAD.findall(text))
        kept[codec] = 1 - 20 * bad / max(len(text), 1)
        if kept[codec] > 0:
            cleaned.setdefault(_BAD.sub("", text).encode(codec, "ignore") if bad else sample, []).append(codec)
    found: list[tuple[float, str]] = []
    for part, names in cleaned.items():
        for each in chardet.detect_all(
            part, ignore_threshold=True, include_encodings=names, no_match_encoding=names[0], prefer_superset=False,
            compat_names=False,
        ):  # fmt: skip
            name = each["encoding"]
            if name in kept and each["language"]:  # without a language it is what it says where it has found nothing
                found.append((each["confidence"] * kept[name], name))
    best = [(_lookup(name) or _WESTERN, confidence) for confidence, name in sorted(found, reverse=True)[:4]]
    pure = [each for each in best if not _mixes_alphabets(each[0].decode(sample))]
    charset, confidence = [*pure, *best, (_WESTERN, 0.0)][0]
    # Measured: with each 0.035 of what chardet calls its confidence, half of the doubt is gone.
    return charset, min(99, round(100 - 100 * 0.5 ** (confidence / 0.035)))


def _differ(one: str, other: str) -> bool:
    """Whether two readings of the same bytes differ by more than what kin charsets have of their own."""
    return len(one) != len(other) or 50 * sum(map(ne, one, other)) > _length(one)


def _mixes_alphabets(text: str) -> bool:
    """Whether many words are of letters that no language puts in one word: `cittа`, of Latin and Cyrillic ones."""
    return 10 * len(_MIXED.findall(text)) > _length(text)
