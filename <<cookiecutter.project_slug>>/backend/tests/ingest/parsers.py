"""What ingest adds to the parsers of tests/families.py: what its methods read, and the kinds of documents."""

from __future__ import annotations

import io
import typing
import zipfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from app.ingest import extract_process
from app.ingest.dates import DateReader
from app.ingest.identify import Kind
from app.ingest.search import Search
from app.ingest.unpacking import Unpacker
from tests.families import GIVEN, Parser, UnknownParser, as_bytes, cut
from tests.pdf import make_pdf

__all__ = ["DOCUMENTS", "parsers"]


def _zipped(members: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, as_bytes(content), packing)
    return out.getvalue()


def _escaped(text: str) -> str:
    kept = "".join(sign for sign in text if sign >= " " or sign in "\t\n")
    return kept.replace("&", "&amp;").replace("<", "&lt;")


def _docx(text: str) -> bytes:
    names = "http://schemas.openxmlformats.org"
    kind = f"{names}/officeDocument/2006/relationships/officeDocument"
    lines = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in _escaped(text).split("\n"))
    return _zipped({
        "[Content_Types].xml": f'<Types xmlns="{names}/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{names}/package/2006/relationships">'
        f'<Relationship Id="r" Type="{kind}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{names}/wordprocessingml/2006/main"><w:body>{lines}</w:body>'
        "</w:document>",
    })  # fmt: skip


def _opendocument(text: str) -> bytes:
    spaces = 'xmlns:office="urn:o" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    lines = "".join(f"<text:p>{line}</text:p>" for line in _escaped(text).split("\n"))
    return _zipped({
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:body {spaces}>{lines}</office:body>",
        "META-INF/manifest.xml": "<manifest/>",
    })  # fmt: skip


def _epub(text: str) -> bytes:
    return _zipped({
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:c"><rootfile full-path="a.opf"/></container>',
        "a.opf": '<package xmlns="urn:p"><metadata/><manifest><item id="a" href="a.xhtml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>',
        "a.xhtml": f"<html><body><p>a</p>{text}</body></html>",
    })  # fmt: skip


def _pdf(text: str) -> bytes:
    return make_pdf(cut("".join(sign for sign in text if 32 <= ord(sign) < 127) or "a"))


def _rtf(text: str) -> bytes:
    return b"{\\rtf1\\ansi a " + as_bytes(text) + b"}"


def _mail(text: str) -> bytes:
    head = "Message-ID: <a@b>\nFrom: a@b\nTo: b@a\nSubject: "
    return as_bytes(f"{head}{' '.join(text[:1_000].split())}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n")


def _mhtml(text: str) -> bytes:
    head = "From: a\nSubject: a\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\n"
    return as_bytes(f"{head}Content-Type: text/html; charset=utf-8\n\n<p>a</p>{text}\n--b--\n")


def _mbox(text: str) -> bytes:
    return b"From a@b Mon Jan  1 00:00:00 2024\n" + as_bytes(f"From: a@b\nMessage-ID: <a@b>\nSubject: a\n{text}\n\na\n")


DOCUMENTS: Mapping[str, tuple[str, Callable[[str], bytes]]] = {
    "text": ("txt", as_bytes),
    "markdown": ("md", as_bytes),
    "html": ("html", lambda text: as_bytes(f"<!doctype html><html><body><p>a</p>{text}</body></html>")),
    "csv": ("csv", as_bytes),
    "subtitles": ("srt", lambda text: as_bytes(f"1\n00:00:00,000 --> 00:00:01,000\na {text}\n")),
    "rtf": ("rtf", _rtf),
    "email": ("eml", _mail),
    "mhtml": ("mhtml", _mhtml),
    "docx": ("docx", _docx),
    "opendocument": ("odt", _opendocument),
    "epub": ("epub", _epub),
    "pdf": ("pdf", _pdf),
}
"""For each kind that is ingested, the ending of its name, and a text as a document of it."""


def parsers(folder: Path) -> dict[str, Parser]:
    """What methods of ingest read, and the reading of each kind of document and of channels.

    Arguments:
        folder: where the files go.

    Raises:
        UnknownParser: a kind of document is not in DOCUMENTS.
    """
    search = Search("house “so that”")

    def write(kind: str, content: bytes) -> str:
        path = folder / kind
        path.write_bytes(content)
        return str(path)

    def read(kind: Any, make: Callable[[str], bytes], text: str) -> None:
        path, log, out = write(kind, make(text)), GIVEN["log"], str(folder / "out")
        extract_process.read_document(path, kind, "a", None, kind == "html", out, log)

    def feed(text: str) -> None:
        address, path, out = GIVEN["url"], write("feed", as_bytes(text)), str(folder / "out")
        extract_process.read_feed(path, address, address, None, "", out, GIVEN["log"])

    if unknown := set(typing.get_args(Kind)) - set(DOCUMENTS):
        raise UnknownParser(f"no document of the kind {', '.join(sorted(unknown))} can be made: add it to DOCUMENTS")
    return {
        "app.ingest.search.Search": lambda text: Search(text[:500]),  # the route takes no more
        "app.ingest.search.Search.snippet": search.snippet,
        "app.ingest.search.Search.snippet of itself": lambda text: Search(f"{text[:100]}zzz").snippet(text),
        "app.ingest.dates.DateReader.read": lambda text: DateReader([text]).read(text),
        "app.ingest.unpacking.Unpacker.feed": lambda text: deque(Unpacker().feed(as_bytes(text)), maxlen=0),
        **{f"read {kind}": partial(read, kind, make) for kind, (_, make) in DOCUMENTS.items()},
        "read mbox": partial(read, "email", _mbox),
        "read feed": feed,
    }
