"""Mails (EML), many of them in one file (mbox), and pages that a browser saved as one file (MHTML): all are MIME."""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import Message
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from app.ingest.charset import decode
from app.ingest.identify import ENVELOPE
from app.ingest.readers.common import (
    MAX_WARNINGS,
    ExtractError,
    Log,
    Parts,
    batches,
    brief,
    count_words,
    span,
    tell_left_out,
)
from app.ingest.readers.html import html, text_of
from app.wording import clip, count

__all__ = ["mail", "mhtml"]

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_NEXT = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))" + ENVELOPE + rb"(?=>?[A-Za-z][\w-]*[: ])")
_QUOTED_FROM = re.compile(rb"^>(?=>*From )", re.MULTILINE)
_ENCODED_WORD = re.compile(r"=\?([!-)+->@-~]+)(?:\*[^?\s]*)?\?([bq])\?((?:[^?]|\?(?!=)){0,1000})\?=", re.IGNORECASE)
_BASE64 = re.compile(rb"(?=.*[A-Za-z0-9])[^\s=]+={0,2}")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_BROKEN_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t\r]*\Z)")
_OF_PROGRAMS = frozenset(("calendar", "css", "directory", "javascript", "rtf", "vcard", "x-amp-html", "x-vcard", "xml"))
"""Kinds of `text/` that nobody reads as they stand."""
_SIGNATURES = re.compile(r"application/(?:pgp|(?:x-)?pkcs7)-signature")
_PACKED = {
    "multipart/encrypted": "PGP", "application/pkcs7-mime": "S/MIME", "application/x-pkcs7-mime": "S/MIME",
}  # fmt: skip


class _AsWritten(policy.Compat32):
    """Gives headers as they are: the parsers of the standard library lose what is in charsets that Python lacks."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


class _Text(NamedTuple):
    text: str
    apart: bool
    """Whether it is no part of what the mail itself says: a file, a mail that was forwarded."""


@dataclass
class _Mails:
    """What is found while mails are read."""

    parts: Parts
    left_out: list[str] = field(default_factory=list)
    defects: dict[str, None] = field(default_factory=dict)
    packed: str = ""
    """What the text is packed by that cannot be unpacked."""

    def tell(self, log: Log) -> None:
        if self.defects:
            log(f"It is damaged ({', '.join(list(self.defects)[:MAX_WARNINGS])}): read as far as it goes", "warning")
        tell_left_out(self.left_out, log)
        self.parts.close()


def mail(path: Path, log: Log) -> tuple[list[str], str]:
    """Mails, one after the other: who wrote each to whom, above its text. The title of a single one is its subject.

    Mails that were forwarded and text files that are attached are read where they stand; other files are named.

    Raises:
        ExtractError: there is no text.
    """
    mails = _separate(path.read_bytes())
    found, texts, subject, total = _Mails(Parts(log)), list[str](), "", 0
    for first, last, batch in batches(mails):
        words = 0
        for number, data in enumerate(batch, first):
            try:
                message = _parsed(data, found)
                subject, head = _head(message, found)
                body = _joined(_texts(message, found))
            except MemoryError:
                raise
            except Exception as error:
                if len(mails) == 1:
                    raise
                found.parts.warn(f"Mail {number:,} is left out ({brief(error)})")
            else:
                words += count_words(body)
                texts.append(f"{head}\n\n{body}")
        log(f"{span('Mail', first, last, len(mails))}: {count(words, 'word')}", "info")
        total += words
    found.tell(log)
    if not total and found.packed:
        raise ExtractError(
            f"The text of this mail is packed by {found.packed}, encrypted or signed: save it without that and try "
            "again."
        )
    if not total:
        raise ExtractError("This mail holds no text: give its attachments by themselves.")
    return [subject] if len(mails) == 1 else [], "\n\n".join(texts)


def mhtml(path: Path, log: Log) -> tuple[list[str], str]:
    """A saved page; what it loads (pictures, styles) is passed over.

    Raises:
        ExtractError: it holds no page.
    """
    found = _Mails(Parts(log))
    message = _parsed(path.read_bytes(), found)
    subject, _ = _head(message, found)
    pages = [part for part in message.walk() if part.get_content_type() in ("text/html", "application/xhtml+xml")]
    if not pages:
        raise ExtractError("This saved page (MHTML) holds no HTML: save it again as HTML.")
    page = _first(pages, message)
    source = decode(_content(page, found), _charset(page), log, html=True)
    found.tell(log)
    titles, text = html(source, log)
    return [*titles, subject], text


def _separate(data: bytes) -> list[bytes]:
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    starts = list(_NEXT.finditer(data))
    if not starts or starts[0].start():
        return [data]
    ends = [*(each.start() for each in starts[1:]), len(data)]
    return [_QUOTED_FROM.sub(b"", data[each.end() : end]) for each, end in zip(starts, ends, strict=True)]


def _parsed(data: bytes, found: _Mails) -> Message:
    message = message_from_bytes(data, policy=_AsWritten())
    found.defects.update((type(defect).__name__, None) for part in message.walk() for defect in part.defects)
    return message


# What a mail says


def _texts(part: Message, found: _Mails, within: str = "") -> list[_Text]:
    """The texts in a part, in their order.

    Arguments:
        within: the content type of the multipart that it is in.
    """
    kind = part.get_content_type()
    children: list[Any] = part.get_payload() if part.is_multipart() else []  # type: ignore[assignment]
    if kind in _PACKED:
        found.packed = _PACKED[kind]
        found.left_out.append(_name(part, found) or f"a part that is packed by {found.packed}")
        return []
    if kind == "multipart/alternative":
        return _best([_texts(child, found, kind) for child in children])
    if kind == "multipart/related" and children:
        first = _first(children, part)
        rest = (child for child in children if child is not first)
        return [*_texts(first, found), *(text for child in rest for text in _texts(child, found, kind))]
    if kind.startswith("message/") and children:
        if not children[0].keys() and part.get("content-transfer-encoding"):  # encoded, which RFC 2046 forbids
            children[0]["content-transfer-encoding"] = part["content-transfer-encoding"]
            children = [_parsed(_content(children[0], found), found)]
        return [_Text("\n\n".join(_forwarded(kind, child, found) for child in children), apart=True)]
    if part.get_content_maintype() == "multipart" and children:
        return [text for child in children for text in _texts(child, found, kind)]
    return list(_leaf(part, found, within))


def _leaf(part: Message, found: _Mails, within: str) -> Iterator[_Text]:
    name, attached = _name(part, found), part.get_content_disposition() == "attachment"
    main, sub = part.get_content_maintype(), part.get_content_subtype()
    if main in ("text", "multipart") and sub not in _OF_PROGRAMS:  # a multipart without its parts is damaged
        log = found.parts.log(f"Attached {clip(name, 60)}" if name else "")
        text = decode(_content(part, found), _charset(part), log, html=sub == "html")
        if text.lstrip().startswith("-----BEGIN PGP MESSAGE-----"):
            found.packed = "PGP"
            found.left_out.append(name or "a text that is packed by PGP")
        elif text.strip():
            try:
                text = text_of(text) if sub == "html" else text.strip("\r\n")
            except ExtractError as error:
                log(str(error), "warning")
            else:
                yield _Text(f"{name}\n\n{text}" if name else text, apart=attached or bool(name))
    elif attached or (within not in ("multipart/alternative", "multipart/related")
                      and not _SIGNATURES.fullmatch(part.get_content_type())):  # fmt: skip
        found.left_out.append(name or part.get_content_type())


def _forwarded(kind: str, message: Message, found: _Mails) -> str:
    if kind.endswith("delivery-status"):
        return "\n".join(f"{name}: {_header(message, name, found)}" for name in message)
    _, head = _head(message, found)
    return f"{head}\n\n{_joined(_texts(message, found))}".strip()


def _best(choices: list[list[_Text]]) -> list[_Text]:
    """The plainest of some versions of a text, unless another says much more; and the files of all of them."""
    best, most = 0, 0
    for number, texts in enumerate(choices):
        words = sum(count_words(each.text) for each in texts if not each.apart)
        if not number or (words > most and (most < 20 or words > 2 * most)):
            best, most = number, words
    return [each for number, texts in enumerate(choices) for each in texts if number == best or each.apart]


def _first(parts: list[Message], related: Message) -> Message:
    """The part that a multipart/related shows, with the others (RFC 2387)."""
    start = related.get_param("start")
    return next((part for part in parts if start and part.get("content-id", "").strip() == start), parts[0])


def _joined(texts: list[_Text]) -> str:
    return "\n\n".join(each.text for each in texts)


# Bytes


def _content(part: Message, found: _Mails) -> bytes:
    """A part's bytes, decoded as far as they can be."""
    encoding = re.sub(r"[\s\"']|;.*", "", part.get("content-transfer-encoding", "")).lower()
    if encoding in ("base64", "quoted-printable"):
        del part["content-transfer-encoding"]  # the standard library gives broken base64 as it is
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return b""
    if encoding == "base64":
        return _from_base64(data, found)
    if encoding != "quoted-printable":
        return data
    if _BROKEN_QUOTED.search(data):
        found.defects["broken quoted-printable"] = None
    return quopri.decodestring(data)


def _from_base64(data: bytes, found: _Mails) -> bytes:
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    encoded = [line for line in lines if _BASE64.fullmatch(line)]
    # A mailing list puts its own text behind, as it is.
    plain = [line for line in lines if not _BASE64.fullmatch(line)]
    decoded, whole = _base64(b"".join(encoded))
    if plain or not whole:
        found.defects["broken base64"] = None
    if lines and (lines[0] not in encoded[:1] or (plain and len(lines[0]) % 4)):
        return data  # it is not encoded at all
    return b"\n".join([decoded, *plain])


def _base64(data: bytes) -> tuple[bytes, bool]:
    """What some base64 stands for, and whether that is all of it."""
    clean = _NO_BASE64.sub(b"", data)
    pieces = re.split(rb"=+", clean)  # some programs put one behind the other
    whole = clean == data and not len(clean) % 4 and not any(len(piece) % 4 == 1 for piece in pieces)
    pieces = [piece[: len(piece) - (len(piece) % 4 == 1)] for piece in pieces]
    return b"".join(binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)) for piece in pieces), whole


# Headers


def _head(message: Message, found: _Mails) -> tuple[str, str]:
    """A mail's subject, and those of its headers that are shown."""
    headers = {name: text for name in _SHOWN if (text := _header(message, name, found))}
    return headers.get("Subject", ""), "\n".join(f"{name}: {text}" for name, text in headers.items())


def _header(message: Message, name: str, found: _Mails) -> str:
    text = _decoded(message.get(name, ""), message, found.parts.log(f"The header {name}"))
    if name == "Date":
        try:
            return format_datetime(parsedate_to_datetime(text))
        except ValueError:
            return text
    return text


def _decoded(header: str, message: Message, log: Log) -> str:
    """A header's text, on one line; encoded words (RFC 2047) may be split anywhere, also within a character."""
    pieces: list[tuple[str | None, bytes]] = []
    end = 0
    for word in _ENCODED_WORD.finditer(header):
        charset, encoding, content = word[1].lower(), word[2].lower(), _raw(word[3])
        between = header[end : word.start()]
        if between.strip() or not pieces:
            pieces.append((None, _raw(between)))
        data = _base64(b"".join(content.split()))[0] if encoding == "b" else quopri.decodestring(content, header=True)
        if pieces[-1][0] == charset:
            data = pieces.pop()[1] + data
        pieces.append((charset, data))
        end = word.end()
    pieces.append((None, _raw(header[end:])))
    of_parts = next((charset for part in message.walk() if (charset := _charset(part))), None)
    texts = (
        # Plain ASCII needs no charset of the parts, whose own warnings are enough.
        decode(data, charset or (None if data.isascii() and b"\x1b" not in data else of_parts), log, html=False)
        for charset, data in pieces
    )
    return " ".join("".join(texts).split())


def _charset(part: Message) -> str | None:
    charset = part.get_content_charset()
    # Whoever says ASCII says nothing of other bytes.
    return None if charset in ("us-ascii", "ascii") else charset


def _ascii(label: str | None) -> str | None:
    return label if label and label.isascii() else None


def _raw(text: str) -> bytes:
    return text.encode("ascii", "surrogateescape")


def _name(part: Message, found: _Mails) -> str:
    """What a part is called, without a path."""
    log = found.parts.log("The name of an attached file")
    for parameter, header in (("filename", "content-disposition"), ("name", "content-type")):
        value = part.get_param(parameter, header=header)
        if isinstance(value, tuple):  # RFC 2231: its charset, its language and its bytes as characters
            text = decode(value[2].encode("latin-1", "replace"), _ascii(value[0]), log, html=False)
        else:
            text = _decoded(value or "", part, log)
        if text.strip():
            return re.split(r"[/\\]", text.strip())[-1]
    return ""
