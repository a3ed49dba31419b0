"""What sort of document a file is: by its content first, by what it is called only among kinds of text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from app.ingest.charset import unmarked_unicode

__all__ = ["ACCEPT", "ENVELOPE", "HEAD_BYTES", "SUPPORTED", "Identified", "Kind", "UnsupportedType", "identify"]

Kind = Literal[
    "text", "markdown", "html", "pdf", "docx", "epub", "opendocument", "rtf", "email", "mhtml", "csv", "subtitles"
]  # fmt: skip

HEAD_BYTES = 64 * 1024
"""How much of a file `identify` wants to see."""

_LABELS: dict[Kind, str] = {
    "text": "plain text", "markdown": "Markdown", "html": "HTML", "pdf": "PDF", "docx": "Word (docx)", "epub": "EPUB",
    "opendocument": "OpenDocument", "rtf": "RTF", "email": "an email", "mhtml": "a saved page (MHTML)", "csv": "CSV",
    "subtitles": "subtitles",
}  # fmt: skip
SUPPORTED = "text, Markdown, HTML, PDF, Word (docx), OpenDocument, EPUB, RTF, emails (eml), MHTML, CSV or subtitles"
"""What can be ingested, as it stands in messages."""

_EXTENSIONS: dict[str, Kind] = {
    ".txt": "text", ".text": "text", ".log": "text",
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mkd": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf", ".docx": "docx", ".epub": "epub", ".odt": "opendocument", ".odp": "opendocument",
    ".ods": "opendocument", ".rtf": "rtf", ".eml": "email", ".mbox": "email", ".mhtml": "mhtml", ".mht": "mhtml",
    ".csv": "csv", ".tsv": "csv", ".srt": "subtitles", ".vtt": "subtitles", ".sbv": "subtitles",
}  # fmt: skip
_MEDIA_TYPES: dict[str, Kind] = {
    "text/markdown": "markdown", "text/x-markdown": "markdown",
    "text/html": "html", "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "opendocument",
    "application/vnd.oasis.opendocument.presentation": "opendocument",
    "application/vnd.oasis.opendocument.spreadsheet": "opendocument",
    "application/rtf": "rtf", "text/rtf": "rtf",
    "message/rfc822": "email", "application/mbox": "email",
    "multipart/related": "mhtml", "application/x-mimearchive": "mhtml",
    "text/csv": "csv", "text/tab-separated-values": "csv",
    "application/x-subrip": "subtitles", "text/vtt": "subtitles",
}  # fmt: skip
ACCEPT = ",".join((*_EXTENSIONS, "text/*", *(each for each in _MEDIA_TYPES if not each.startswith("text/"))))
"""The same for a form's file field: names and content types, as in `<input accept>`."""

_BINARY = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (doc, xls, ppt, msg), or one with a password"),
    (b"%!PS", "a PostScript document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"RIFF", "a recording or a WebP image"),
    (b"SQLite format 3\0", "an SQLite database"),
)
# The members of a ZIP archive are told by the first local headers; a mimetype comes first, unpacked.
_ZIPS: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip", re.DOTALL), "epub"),
    (
        re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.(?:text|pres|spread)", re.DOTALL),
        "opendocument",
    ),
    (re.compile(rb"PK\x03\x04.{26}word/", re.DOTALL), "docx"),
)
_OFFICE = (
    (re.compile(rb"PK\x03\x04.{26}xl/", re.DOTALL), "an Excel workbook: save it as CSV"),
    (re.compile(rb"PK\x03\x04.{26}ppt/", re.DOTALL), "a PowerPoint presentation: save it as PDF"),
)
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HTML_START = re.compile(
    rb"(?:\s|<\?xml[^>]*>|<!--(?:[^-]|-(?!->))*-->)*<(?:!doctype\s+html|html|head|body|title|meta|script|style)\b",
    re.IGNORECASE,
)
_DAY, _MONTH = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", rb"[A-Z][a-z]{2}"
_DATE = rb"%b,? +(?:%b +\d+|\d+ +%b) [^\r\n]{0,40}\d\d:\d\d" % (_DAY, _MONTH, _MONTH)
ENVELOPE = rb"From [^\r\n]{0,200}\b%b[^\r\n]*\r?\n" % _DATE
"""The line that stands in front of each mail in an mbox (RFC 4155, appendix A)."""
_ENVELOPE = re.compile(ENVELOPE)
_HEADERS = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]{1,60}:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_OF_MAIL = {b"message-id", b"received", b"mime-version", b"return-path"}
_COMMON = _OF_MAIL | {b"from", b"to", b"date", b"subject", b"content-type"}
_MHTML = re.compile(rb"^(?:Content-Type:\s*multipart/related|Snapshot-Content-Location:)", re.IGNORECASE | re.MULTILINE)
_TIME = rb"(?:\d+:)?\d\d?:\d\d(?:[,.:]\d+)?"
_CUE = re.compile(
    rb"(?:\d+[ \t]*(?:\r\n?|\n)\s*)?%b[ \t]*-->|\d+:\d\d:\d\d\.\d+,\d+:\d\d:\d\d\.\d+[ \t]*[\r\n]"
    rb"|WEBVTT(?:[ \t][^\r\n]*)?(?:[\r\n]|\Z)" % _TIME
)
_NOT_READ = (
    (re.compile(rb"\[Script Info\]", re.IGNORECASE), "subtitles of SubStation Alpha (ass, ssa): save them as SRT"),
    (re.compile(rb"\{\d+\}\{\d*\}"), "subtitles of MicroDVD (sub): save them as SRT"),
    (re.compile(rb"<SAMI\b", re.IGNORECASE), "subtitles of SAMI (smi): save them as SRT"),
    (re.compile(rb"BEGIN:VCALENDAR\b", re.IGNORECASE), "a calendar (iCalendar, ics): save what you need as text"),
    (re.compile(rb"BEGIN:VCARD\b", re.IGNORECASE), "contacts (vCard, vcf): save what you need as CSV"),
    (re.compile(rb"-----BEGIN PGP MESSAGE-----"), "encrypted with PGP: decrypt it"),
)
"""Files of text that are written for programs."""
_TAG = re.compile(rb"<(?:p|div|span|a|h[1-6]|ul|ol|table|br|img|article|section|main|body|html)\b", re.IGNORECASE)
_CONTROLS = bytes(set(range(32)) - {8, 9, 10, 12, 13, 26, 27})


class UnsupportedType(Exception):
    """The content is of no kind that can be ingested. Its text says what it seems to be, and the fix."""


@dataclass(frozen=True)
class Identified:
    """A document's kind, and how it is known."""

    kind: Kind
    reason: str
    """In a few words, for a person: `its content`, `its name`, `its content type`."""
    expected: str | None = None
    """What name or content type promised, where the content is something else."""

    @property
    def label(self) -> str:
        """The kind as people call it, such as `plain text`."""
        return _LABELS[self.kind]


def identify(head: bytes, *, name: str, media_type: str = "") -> Identified:
    """Tells the kind of a document from its first HEAD_BYTES.

    Arguments:
        head: the beginning of the content; not empty.
        name: its file name, or the last part of its URL.
        media_type: the content type it was sent with, parameters and all.

    Raises:
        UnsupportedType: it is none of these; an archive is not opened for it.
    """
    by_name = _EXTENSIONS.get(PurePosixPath(name.lower()).suffix)
    declared = media_type.split(";")[0].strip().lower()
    by_media = _MEDIA_TYPES.get(declared)
    promised = by_name or by_media
    # Readers of PDF accept rubbish before the header, and real files have it.
    if b"%PDF-" in head[:1024]:
        return Identified("pdf", "its content", _promise("pdf", promised))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf"):
        return Identified("rtf", "its content", _promise("rtf", promised))
    if head.startswith(b"PK\x03\x04"):
        for pattern, kind in _ZIPS:
            if pattern.search(head):
                return Identified(kind, "its content", _promise(kind, promised))
        for pattern, label in _OFFICE:
            if pattern.search(head):
                raise UnsupportedType(f"{name!r} is {label} and try again")
        if promised in ("docx", "epub", "opendocument"):  # its first member is longer than what is seen
            return Identified(promised, "its name" if by_name else "its content type")
    for magic, label in _BINARY:
        if head.startswith(magic) and not (magic == b"MZ" and _has_few_controls(head)):
            raise UnsupportedType(_refusal(name, label))
    if not _reads_as_text(head):
        raise UnsupportedType(_refusal(name, "binary data"))
    text = head.replace(b"\0", b"")
    text = text[3:] if text.startswith(codecs.BOM_UTF8) else text.lstrip(b"\xff\xfe")
    if by_name != "markdown" and _HTML_START.match(text[:4096]):
        return Identified("html", "its content", _promise("html", promised))
    start = text.lstrip()
    if by_name != "markdown":
        for pattern, label in _NOT_READ:
            if pattern.match(start):
                raise UnsupportedType(f"{name!r} is {label} and try again")
    if by_name != "markdown" and (_CUE.match(start) or (promised == "subtitles" and _CUE.search(start))):
        return Identified("subtitles", "its content", _promise("subtitles", promised))
    if (mime := _mime(start, promised)) is not None and by_name in (None, "text", "email", "mhtml"):
        return Identified(mime, "its content", _promise(mime, promised))
    if promised == "csv":
        return Identified("csv", "its name" if by_name else "its content type")
    if by_name == "markdown" or (by_name is None and by_media == "markdown"):
        return Identified("markdown", "its name" if by_name else "its content type")
    if promised == "html" and _TAG.search(text):
        return Identified("html", "its name" if by_name else "its content type")
    return Identified("text", "its content", _promise("text", promised))


def _mime(start: bytes, promised: Kind | None) -> Kind | None:
    """Whether a text is a mail, of an mbox too, or a saved page: all begin with headers."""
    envelope = _ENVELOPE.match(start)
    headers = _HEADERS.match(start[envelope.end() if envelope else 0 :][:16_384])
    names = {line.partition(b":")[0].lower() for line in headers[0].splitlines()} if headers else set()
    if len(names & _COMMON) < 2 or not (envelope or names & _OF_MAIL or promised in ("email", "mhtml")):
        return None
    return "mhtml" if promised == "mhtml" or (headers and _MHTML.search(headers[0])) else "email"


def _promise(kind: Kind, promised: Kind | None) -> str | None:
    return None if promised is None or promised == kind else _LABELS[promised]


def _reads_as_text(head: bytes) -> bool:
    return head.startswith(_BOMS) or _has_few_controls(head) or unmarked_unicode(head) is not None


def _has_few_controls(head: bytes) -> bool:
    controls = len(head) - len(head.translate(None, _CONTROLS))
    # A few stray control characters occur in real text, and a NUL in what a program wrote.
    return controls <= 4 + len(head) // 200 and (b"\0" not in head or 20 * controls <= len(head))


def _refusal(name: str, label: str) -> str:
    return f"{name!r} is {label}, which cannot be ingested: use {SUPPORTED}"
