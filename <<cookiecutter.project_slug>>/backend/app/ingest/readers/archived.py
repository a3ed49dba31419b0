"""Documents that are ZIP archives of XML: Word (docx), EPUB, OpenDocument."""

from __future__ import annotations

import contextlib
import posixpath
import re
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from app.ingest.charset import decode
from app.ingest.readers.common import MAX_CHARACTERS, ExtractError, Log, Parts, batches, brief, count_words, span
from app.ingest.readers.html import flat, text_of
from app.wording import clip, count, size

__all__ = ["docx", "epub", "opendocument"]

_MAX_MEMBER = 100_000_000
_NO_PAGE = re.compile(r"(?:image/(?!svg)|audio/|video/|font/|application/pdf)")
_COVER = re.compile(r"cover(?:[-_. ]?page)?(?:\.x?html?)?", re.IGNORECASE)
_DRM = (
    ("META-INF/license.lcpl", b"", "Readium LCP"),
    ("META-INF/sinf.xml", b"", "Apple FairPlay"),
    ("META-INF/rights.xml", b"ns.adobe.com/adept", "Adobe ADEPT"),
    ("META-INF/rights.xml", b"kdrm", "Kobo"),
)
"""Protections, each by a file and what stands in it."""
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def docx(path: Path, log: Log) -> tuple[list[str], str]:
    """Word: its title and its text with notes; no pictures, no headers and footers.

    Raises:
        ExtractError: it is damaged, or unpacks to more than 100 MB.
    """
    import mammoth
    from lxml import html

    with _opened(path, "Word document") as archive, path.open("rb") as file:
        no_picture = mammoth.images.img_element(lambda image: {"src": ""})
        try:
            converted = mammoth.convert_to_html(file, convert_image=no_picture, style_map="p[style-name='Title'] => h1")
        except (KeyError, zipfile.BadZipFile, zlib.error, OSError) as error:
            raise ExtractError(
                f"This Word document is damaged ({brief(error)}): save it anew and try again."
            ) from error
        parts = Parts(log)
        title = _title(archive, "docProps/core.xml", parts)
        parts.close()
        pictures = sum(name.startswith("word/media/") for name in archive.namelist())
    tree = html.document_fromstring(f"<body>{converted.value}</body>")
    heading = next((" ".join(each.text_content().split()) for each in tree.iter("h1", "h2")), "")
    text = flat(tree)
    log(f"Opened the Word document: {count(count_words(text), 'word')}, {count(pictures, 'picture')}", "info")
    return [title, heading], text


def opendocument(path: Path, log: Log) -> tuple[list[str], str]:
    """OpenDocument: a text's, a presentation's or a spreadsheet's paragraphs.

    Raises:
        ExtractError: it is damaged, wants a password, or unpacks to more than 100 MB.
    """
    with _opened(path, "OpenDocument file") as archive:
        if b"encryption-data" in _read(archive, "META-INF/manifest.xml"):
            raise ExtractError("This document wants a password: save it without one and try again.")
        parts = Parts(log)
        root = _xml(archive, "content.xml", parts)
        title = _title(archive, "meta.xml", parts)
        parts.close()
    for each in root.iter(f"{_TEXT}tracked-changes"):
        each.clear()
    for each in root.iter(f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"):
        each.text = " "
    paragraphs = [
        each for each in root.iter(f"{_TEXT}p", f"{_TEXT}h") if next(each.iterancestors(f"{_TEXT}p"), None) is None
    ]
    lines = [" ".join("".join(each.itertext()).split()) for each in paragraphs]
    heading = next((line for each, line in zip(paragraphs, lines, strict=True) if each.tag == f"{_TEXT}h"), "")
    log(f"Opened the document: {count(len(lines), 'paragraph')}", "info")
    text = "\n\n".join(line for line in lines if line)
    return [title, heading], text


def epub(path: Path, log: Log) -> tuple[list[str], str]:
    """EPUB: the chapters in their order.

    Raises:
        ExtractError: it is damaged or protected, or unpacks to more than is allowed.
    """
    with _opened(path, "EPUB") as archive:
        parts = Parts(log)
        members = _Members(archive)
        container = _xml(archive, "META-INF/container.xml", parts)
        package = next((each.get("full-path") for each in container.iter("{*}rootfile")), None) or ""
        root = _xml(archive, members.name(package), parts)
        folder = posixpath.dirname(package)
        items = {each.get("id"): each for each in root.iter("{*}item")}
        spine = [items[each.get("idref")] for each in root.iter("{*}itemref") if each.get("idref") in items]
        around = {
            members.name(folder, each.get("href") or "")
            for each in root.iter("{*}reference")
            if each.get("type") in ("cover", "toc")
        }
        pages = [each for each in spine if not _NO_PAGE.match(each.get("media-type") or "")]
        all_pages = [members.name(folder, each.get("href") or "") for each in pages]
        chapters = [
            name
            for name, each in zip(all_pages, pages, strict=True)
            if name not in around and "nav" not in (each.get("properties") or "").split() and not _is_cover(each)
        ] or all_pages
        _refuse_protected(archive, set(all_pages), members, parts)
        title = next((" ".join((each.text or "").split()) for each in root.iter("{*}title")), "")
        left_out = len(all_pages) - len(chapters)
        without = f", without its cover and table of contents ({count(left_out, 'page')})" if left_out else ""
        log(f"Opened the book: {count(len(chapters), 'chapter')}{without}", "info")
        texts: list[str] = []
        length, failure = 0, ""
        for first, last, batch in batches(chapters):
            for chapter in batch:
                what = f"Chapter {clip(posixpath.basename(chapter))}"
                try:
                    text = text_of(decode(_read(archive, chapter), None, parts.log(what), html=True))
                except MemoryError:
                    raise
                except Exception as error:  # of a stranger's parser: one chapter is not the book
                    failure = str(error) if isinstance(error, ExtractError) else brief(error)
                    parts.warn(f"{what} is left out: {failure}")
                    text = ""
                texts.append(text)
                length += len(text)
                if length > MAX_CHARACTERS:
                    raise ExtractError(f"The text of this book is longer than {MAX_CHARACTERS:,} characters: split it.")
            words = sum(map(count_words, texts[len(texts) - len(batch) :]))
            log(f"{span('Chapter', first, last, len(chapters))}: {count(words, 'word')}", "info")
        parts.close()
    if failure and not any(texts):
        raise ExtractError(f"No chapter of this book can be read. The last one: {failure}")
    return [title], "\n\n".join(text for text in texts if text)


class _Members:
    """Finds a member of an archive by a reference to it, whatever both make of letters that are not ASCII."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._exact = set(archive.namelist())
        self._folded = dict[str, str]()
        for each in archive.infolist():
            name = each.filename
            if not each.flag_bits & 0x800:  # not said to be UTF-8, and often is
                with contextlib.suppress(UnicodeError):
                    name = name.encode("cp437").decode("utf-8")
            self._folded.setdefault(self._fold(name), each.filename)

    def name(self, *reference: str) -> str:
        """The member's name, or what it should be called where there is none."""
        path = posixpath.normpath(posixpath.join(*reference)).partition("#")[0]
        return path if path in self._exact else self._folded.get(self._fold(path), unquote(path))

    @staticmethod
    def _fold(name: str) -> str:
        return unicodedata.normalize("NFC", unquote(name)).casefold()


def _is_cover(item: Any) -> bool:
    names = (item.get("id") or "", posixpath.basename(item.get("href") or ""))
    return any(_COVER.fullmatch(each) for each in names)


def _refuse_protected(archive: zipfile.ZipFile, pages: set[str], members: _Members, parts: Parts) -> None:
    names = archive.namelist()
    if "META-INF/encryption.xml" not in names:
        return
    encryption = _xml(archive, "META-INF/encryption.xml", parts)
    if pages.isdisjoint(members.name(each.get("URI") or "") for each in encryption.iter("{*}CipherReference")):
        return  # fonts alone
    by = next((f": {name}" for file, mark, name in _DRM if file in names and mark in _read(archive, file)), "")
    raise ExtractError(f"This book is protected (DRM{by}) and cannot be read: give one without protection.")


def _opened(path: Path, what: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ExtractError(f"This {what} is damaged ({error}): save it anew and try again.") from error
    if any(each.flag_bits & 1 for each in archive.infolist()):
        raise ExtractError(f"This {what} wants a password: save it without one and try again.")
    large = next((each for each in archive.infolist() if each.file_size > _MAX_MEMBER), None)
    if large is not None:
        raise ExtractError(
            f"This {what} unpacks to more than {size(_MAX_MEMBER)} ({large.filename[:60]!r}): it was refused."
        )
    return archive


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise ExtractError(
            f"This document is damaged ({name[:60]!r} is missing): save it anew and try again."
        ) from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError) as error:
        raise ExtractError(f"This document is damaged ({error}): save it anew and try again.") from error


def _xml(archive: zipfile.ZipFile, name: str, parts: Parts) -> Any:
    from lxml import etree

    # The XML parser knows fewer charsets than there are, and reads an empty document where it knows none.
    text = decode(_read(archive, name), None, parts.log(clip(name, 60)), html=False)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = etree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text).encode(), parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        raise ExtractError(f"This document is damaged ({name[:60]!r} is no XML): save it anew and try again.")
    return root


def _title(archive: zipfile.ZipFile, name: str, parts: Parts) -> str:
    if name not in archive.namelist():
        return ""
    return next((" ".join((each.text or "").split()) for each in _xml(archive, name, parts).iter("{*}title")), "")
