"""What sort of document a file is: by its content first, by what it is called only among kinds of text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from app.ingest.charset import unmarked_unicode

__all__ = ["HEAD_BYTES", "Identified", "Kind", "UnsupportedType", "identify"]

Kind = Literal["text", "markdown", "html", "pdf"]

HEAD_BYTES = 64 * 1024
"""How much of a file `identify` wants to see."""

_LABELS: dict[Kind, str] = {"text": "plain text", "markdown": "Markdown", "html": "HTML", "pdf": "PDF"}
_EXTENSIONS: dict[str, Kind] = {
    ".txt": "text", ".text": "text", ".log": "text", ".csv": "text",
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mkd": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
}  # fmt: skip
_MEDIA_TYPES: dict[str, Kind] = {
    "text/markdown": "markdown", "text/x-markdown": "markdown",
    "text/html": "html", "application/xhtml+xml": "html",
    "application/pdf": "pdf",
}  # fmt: skip
_BINARY = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive or an Office document (docx, xlsx, odt, epub)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (doc, xls, ppt)"),
    (b"{\\rtf", "an RTF document"),
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
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HTML_START = re.compile(
    rb"(?:\s|<\?xml[^>]*>|<!--(?:[^-]|-(?!->))*-->)*<(?:!doctype\s+html|html|head|body|title|meta|script|style)\b",
    re.IGNORECASE,
)
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
        UnsupportedType: it is no text, Markdown, HTML or PDF.
    """
    by_name = _EXTENSIONS.get(PurePosixPath(name.lower()).suffix)
    declared = media_type.split(";")[0].strip().lower()
    by_media = _MEDIA_TYPES.get(declared)
    promised = by_name or by_media
    # Readers of PDF accept rubbish before the header, and real files have it.
    if b"%PDF-" in head[:1024]:
        return Identified("pdf", "its content", _promise("pdf", promised))
    for magic, label in _BINARY:
        if head.startswith(magic) and not (label == "a program" and magic == b"MZ" and _reads_as_text(head)):
            raise UnsupportedType(_refusal(name, label))
    if not _reads_as_text(head):
        raise UnsupportedType(_refusal(name, "binary data"))
    text = head.replace(b"\0", b"")
    text = text[3:] if text.startswith(codecs.BOM_UTF8) else text.lstrip(b"\xff\xfe")
    if by_name != "markdown" and _HTML_START.match(text[:4096]):
        return Identified("html", "its content", _promise("html", promised))
    if by_name == "markdown" or (by_name is None and by_media == "markdown"):
        return Identified("markdown", "its name" if by_name else "its content type")
    if promised == "html" and _TAG.search(text):
        return Identified("html", "its name" if by_name else "its content type")
    return Identified("text", "its content", _promise("text", promised))


def _promise(kind: Kind, promised: Kind | None) -> str | None:
    return None if promised is None or promised == kind else _LABELS[promised]


def _reads_as_text(head: bytes) -> bool:
    if head.startswith(_BOMS):
        return True
    controls = len(head) - len(head.translate(None, _CONTROLS))
    # A few stray control characters occur in real text, and a NUL in what a program wrote.
    if controls <= 4 + len(head) // 200 and (b"\0" not in head or 20 * controls <= len(head)):
        return True
    return unmarked_unicode(head) is not None


def _refusal(name: str, label: str) -> str:
    return f"{name!r} is {label}, which cannot be ingested: use text, Markdown, HTML or PDF"
