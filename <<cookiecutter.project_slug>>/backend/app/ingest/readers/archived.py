"""Documents that are ZIP archives of XML: Word (docx), EPUB, OpenDocument."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from app.ingest.readers.common import MAX_CHARACTERS, ExtractError, Log, batches, brief, count_words, span
from app.ingest.readers.html import flat
from app.wording import clip, count, size

__all__ = ["docx", "epub", "opendocument"]

_MAX_MEMBER = 100_000_000
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
        title = _title(archive, "docProps/core.xml")
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
        root = _xml(archive, "content.xml")
        title = _title(archive, "meta.xml")
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
    from lxml import etree, html

    with _opened(path, "EPUB") as archive:
        container = _xml(archive, "META-INF/container.xml")
        package = next((each.get("full-path") for each in container.iter("{*}rootfile")), None) or ""
        root = _xml(archive, package)
        files = {each.get("id"): each.get("href") or "" for each in root.iter("{*}item")}
        hrefs = [files[each.get("idref")] for each in root.iter("{*}itemref") if each.get("idref") in files]
        chapters = [posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(href))) for href in hrefs]
        protected = _read(archive, "META-INF/encryption.xml", missing=b"").decode("utf-8", "replace")
        if any(chapter in unquote(protected) for chapter in chapters):
            raise ExtractError("This book is protected (DRM) and cannot be read: give one without protection.")
        title = next((" ".join((each.text or "").split()) for each in root.iter("{*}title")), "")
        log(f"Opened the book: {count(len(chapters), 'chapter')}", "info")
        texts: list[str] = []
        length = 0
        for first, last, batch in batches(chapters):
            for chapter in batch:
                try:
                    tree = html.document_fromstring(_read(archive, chapter), parser=html.HTMLParser(encoding="utf-8"))
                except (ExtractError, etree.ParserError) as error:
                    log(f"Chapter {clip(posixpath.basename(chapter))} is left out: {error}", "warning")
                    continue
                etree.strip_elements(tree, etree.Comment, "script", "style", "head", with_tail=False)
                texts.append(flat(tree))
                length += len(texts[-1])
                if length > MAX_CHARACTERS:
                    raise ExtractError(f"The text of this book is longer than {MAX_CHARACTERS:,} characters: split it.")
            words = sum(map(count_words, texts[len(texts) - len(batch) :]))
            log(f"{span('Chapter', first, last, len(chapters))}: {count(words, 'word')}", "info")
    return [title], "\n\n".join(text for text in texts if text)


def _opened(path: Path, what: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ExtractError(f"This {what} is damaged ({error}): save it anew and try again.") from error
    large = next((each for each in archive.infolist() if each.file_size > _MAX_MEMBER), None)
    if large is not None:
        raise ExtractError(
            f"This {what} unpacks to more than {size(_MAX_MEMBER)} ({large.filename[:60]!r}): it was refused."
        )
    return archive


def _read(archive: zipfile.ZipFile, name: str, missing: bytes | None = None) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        if missing is not None:
            return missing
        raise ExtractError(
            f"This document is damaged ({name[:60]!r} is missing): save it anew and try again."
        ) from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError) as error:
        raise ExtractError(f"This document is damaged ({error}): save it anew and try again.") from error


def _xml(archive: zipfile.ZipFile, name: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    root = etree.fromstring(_read(archive, name), parser)
    if root is None:
        raise ExtractError(f"This document is damaged ({name[:60]!r} is no XML): save it anew and try again.")
    return root


def _title(archive: zipfile.ZipFile, name: str) -> str:
    if name not in archive.namelist():
        return ""
    return next((" ".join((each.text or "").split()) for each in _xml(archive, name).iter("{*}title")), "")
