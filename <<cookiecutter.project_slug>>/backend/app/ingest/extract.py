"""Text and title out of a document's bytes. Plain functions with no state, run in a process of their own.

Each reports what it finds through `log(message, level)` while it works.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.ingest.identify import Kind
from app.wording import clip, count

__all__ = ["ExtractError", "Extracted", "Log", "extract"]

Log = Callable[[str, str], None]
"""Reports a line: its message and its level (info, success, warning, error)."""

MAX_CHARACTERS = 20_000_000
"""The longest text that is taken out of one document: past it, a small file has been made to explode."""

_MAX_TITLE = 200
_MAX_LINES = 40  # of progress for one document: a book is not a line for each page
_MAX_WARNINGS = 5
_PLACEHOLDER_TITLES = re.compile(
    r"(untitled|no title|document\d*|microsoft \w+ - .*|.*\.(docx?|indd|tex|dvi|qxp))", re.I
)
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", re.DOTALL)
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # written without spaces: a character is a word
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’\-][^\W{_CJK}]+)*")


class ExtractError(Exception):
    """The document cannot be read. Its text says why, and what the user can do."""


@dataclass(frozen=True)
class Extracted:
    """What was in a document."""

    title: str
    text: str
    words: int


def extract(path: Path, kind: Kind, *, name: str, charset: str | None, log: Log) -> Extracted:
    """Takes the text and the title out of a document.

    Arguments:
        path: the file.
        kind: what it is.
        name: its file name, the last resort for a title.
        charset: what its content type said of its charset, if anything.
        log: takes the progress.

    Raises:
        ExtractError: there is no text to be had, for a reason that it states.
    """
    stem = re.sub(r"[-_]+", " ", Path(name).stem).strip() or name or "Untitled"
    if kind == "pdf":
        title, text = _pdf(path, log)
    else:
        data = path.read_bytes()
        decoded = _decode(data, charset, log, html=kind == "html")
        if kind == "html":
            title, text = _html(decoded, log)
        elif kind == "markdown":
            title, text = _markdown(decoded, log)
        else:
            title, text = _plain(decoded, log)
    text = _clean(text)
    words = count_words(text)
    if not words:
        raise ExtractError("There are no words in this document: nothing to store. Give one with text in it.")
    title = " ".join(_clean(title).split())[:_MAX_TITLE].strip()
    if not title:
        title = stem[:_MAX_TITLE]
        log(f"No title found in it, taking its name: {clip(title)}", "info")
    return Extracted(title=title, text=text, words=words)


def count_words(text: str) -> int:
    """How many words `text` has; each Chinese or Japanese character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def _clean(text: str) -> str:
    """`text` as it may be stored: composed, one kind of line end, no control characters or surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda m: "\n" if m[0] == "\f" else "", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# Text: charset, then lines


def _decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    for bom, codec in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(bom):
            return _decoded(data, codec, "its byte order mark", log)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = error
    else:
        label = "ASCII" if data.isascii() else "UTF-8"
        log(f"Read as {label}: {count(len(text), 'character')}", "info")
        return text
    # Valid UTF-8 is UTF-8 whatever is declared; only what is not is believed to be something else.
    declared = charset
    if html and not declared:
        match = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", data[:4096], re.IGNORECASE)
        declared = match[1].decode("ascii") if match else None
    if declared:
        try:
            if codecs.lookup(declared).name != "utf-8":
                return _decoded(data, declared, "as it declares", log)
            log(f"It says UTF-8 but is not: byte {data[bad.start]:#04x} at {bad.start:,}", "warning")
        except (LookupError, UnicodeError):  # no codec of that name, or one that is not for whole texts
            log(f"It declares the charset {clip(declared, 40)}, which does not exist", "warning")
    from charset_normalizer import from_bytes

    best = from_bytes(data[:500_000]).best()
    if best is not None:
        return _decoded(data, best.encoding, "guessed from its bytes", log)
    return _decoded(data, "cp1252", "the last resort", log)


def _decoded(data: bytes, codec: str, why: str, log: Log) -> str:
    text = data.decode(codec, "replace")
    lost = text.count("�")
    log(f"Read as {codec.removesuffix('-sig').upper()} ({why}): {count(len(text), 'character')}", "info")
    if lost:
        log(f"{count(lost, 'character')} could not be decoded and became “�”", "warning")
    return text


def _plain(text: str, log: Log) -> tuple[str, str]:
    blocks = [block for block in re.split(r"\n\s*\n", _clean(text)) if block.strip()]
    if len(blocks) > 1:
        for first, last, batch in _batches(blocks):
            words = sum(count_words(block) for block in batch)
            log(f"{_range('Paragraph', first, last, len(blocks))}: {count(words, 'word')}", "info")
    first_line = next((line.strip() for block in blocks for line in block.splitlines() if line.strip()), "")
    # A first line as long as a paragraph is the beginning of the text, and no title.
    return (first_line if len(first_line) <= 120 else "", text)


# Markdown, and HTML by way of it


def _markdown(source: str, log: Log) -> tuple[str, str]:
    source, title = _front_matter(source, log)
    sections = list(_sections(source))
    if not title:
        title = next((heading for level, heading, _ in sections if level == 1), "") or next(
            (heading for _, heading, _ in sections if heading), ""
        )
    _log_sections(sections, log)
    parts = (part for _, heading, body in sections for part in (heading, body) if part)
    return title, "\n\n".join(parts)


def _front_matter(source: str, log: Log) -> tuple[str, str]:
    match = _FRONT_MATTER.match(source)
    if match is None:
        return source, ""
    fields = re.findall(r"^([A-Za-z][\w-]*):", match[1], re.MULTILINE)
    log(f"Front matter: {', '.join(fields[:8]) or 'empty'}", "info")
    title = re.search(r"^title:[ \t]*(.+)$", match[1], re.MULTILINE | re.IGNORECASE)
    return source[match.end() :], title[1].strip().strip("\"'") if title else ""


def _sections(source: str) -> Iterator[tuple[int, str, str]]:
    """Level, heading and text of each section; level 0 for what stands before the first heading."""
    from markdown_it import MarkdownIt

    level, heading, body = 0, "", list[str]()
    in_heading = False
    row: list[str] | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.type == "heading_open":
            if heading or body:
                yield level, heading, "\n\n".join(body)
            level, heading, body = int(token.tag[1:]), "", []
            in_heading = True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "inline":
            text = "".join(_inline(token.children or []))
            if in_heading:
                heading = text.strip()
            elif row is not None:
                row.append(text)
            elif text.strip():
                body.append(text)
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            body.append(" | ".join(row or []))
            row = None
        elif token.type in ("fence", "code_block") and token.content.strip():
            body.append(token.content.rstrip())
        elif token.type == "html_block":
            text = re.sub(r"<!--.*?-->|<[^>]*>", " ", token.content, flags=re.DOTALL).strip()
            if text:
                body.append(text)
    if heading or body:
        yield level, heading, "\n\n".join(body)


def _inline(tokens: list[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline"):
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "image":
            yield "".join(_inline(token.children or []))


def _log_sections(sections: list[tuple[int, str, str]], log: Log) -> None:
    for first, last, batch in _batches(sections):
        words = sum(count_words(f"{heading} {body}") for _, heading, body in batch)
        if len(batch) > 1:
            log(f"{_range('Section', first, last, len(sections))}: {count(words, 'word')}", "info")
        else:
            heading = batch[0][1]
            what = f"Section {clip(heading, 60)}" if heading else "Before the first heading"
            log(f"{what}: {count(words, 'word')}", "info")


def _html(source: str, log: Log) -> tuple[str, str]:
    import trafilatura
    from lxml import etree, html

    try:
        tree = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", source))
    except (etree.ParserError, ValueError) as error:
        raise ExtractError(f"This HTML cannot be parsed ({error}): open it in a browser and save it again.") from error
    log(
        f"Parsed the page: {count(sum(1 for _ in tree.iter()), 'element')}, "
        f"{count(len(tree.findall('.//a')), 'link')}, {count(len(tree.findall('.//img')), 'image')}",
        "info",
    )
    document = trafilatura.extract_with_metadata(
        deepcopy(tree), output_format="markdown", include_formatting=True, include_comments=False
    )
    page_title = " ".join((tree.findtext(".//title") or "").split())
    title = (document.title if document else None) or page_title
    if document:
        facts = [
            f"by {document.author}" if document.author else "",
            f"published {document.date}" if document.date else "",
        ]
        facts.append(f"on {document.sitename}" if document.sitename else "")
        if any(facts):
            log("The page says: " + ", ".join(fact for fact in facts if fact), "info")
    # The metadata comes a second time, as front matter.
    article = _FRONT_MATTER.sub("", document.text or "", count=1) if document else ""
    if article.strip():
        log(f"Found the main article: {count(count_words(article), 'word')}", "info")
        sections = list(_sections(article))
        _log_sections(sections, log)
        return title, "\n\n".join(part for _, heading, body in sections for part in (heading, body) if part)
    log("No main article found: keeping all the text of the page", "warning")
    etree.strip_elements(tree, etree.Comment, "script", "style", "noscript", "template", "head", with_tail=False)
    return title, "\n".join(text.strip() for text in tree.itertext() if text.strip())


# PDF


def _pdf(path: Path, log: Log) -> tuple[str, str]:
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError, PyPdfError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            if not reader.decrypt(""):
                raise ExtractError(
                    "This PDF is encrypted and wants a password: remove the password (print it to a new PDF, "
                    "for instance) and try again."
                )
            log("The PDF is encrypted, but opens without a password", "info")
        total = len(reader.pages)
    except ExtractError:
        raise
    except LimitReachedError as error:
        raise _bomb(error) from error
    except Exception as error:  # a broken file can make the parser raise almost anything
        raise ExtractError(
            f"This PDF is damaged ({_brief(error)}): export it again, or repair it with a tool such as qpdf."
        ) from error
    if not total:
        raise ExtractError("This PDF has no pages: nothing to store. Export it again.")
    log(f"Opened the PDF: {count(total, 'page')}, {_pdf_facts(reader)}", "info")
    texts: list[str] = []
    empty = length = unreadable = 0
    for first, last, numbers in _batches(range(total)):
        words = 0
        for number in numbers:
            try:
                text = reader.pages[number].extract_text()
            except LimitReachedError as error:
                raise _bomb(error) from error
            except (
                PyPdfError,
                ValueError,
                TypeError,
                KeyError,
                IndexError,
                AttributeError,
                RecursionError,
            ) as error:
                unreadable += 1
                if unreadable <= _MAX_WARNINGS:
                    log(f"Page {number + 1} cannot be read and is left out ({_brief(error)})", "warning")
                text = ""
            length += len(text)
            if length > MAX_CHARACTERS:
                raise ExtractError(f"The text of this PDF is longer than {MAX_CHARACTERS:,} characters: split it.")
            empty += not text.strip()
            words += count_words(text)
            texts.append(text)
        log(f"{_range('Page', first, last, total)}: {count(words, 'word')}", "info")
    if unreadable > _MAX_WARNINGS:
        log(f"{count(unreadable - _MAX_WARNINGS, 'more page')} cannot be read", "warning")
    if empty == total:
        raise ExtractError(
            "No page of this PDF holds text: it is probably a scan. Run text recognition on it first "
            "(ocrmypdf does that) and try again."
        )
    if empty:
        log(f"{count(empty, 'page')} of {total:,} without text: pictures, or scans", "warning")
    title = _pdf_title(reader)
    if not title:
        first_line = next((line.strip() for text in texts for line in text.splitlines() if line.strip()), "")
        title = first_line if 3 <= len(first_line) <= 120 else ""
    return title, "\n\n".join(texts)


def _bomb(error: Exception) -> ExtractError:
    return ExtractError(f"This PDF unpacks to more than is allowed ({_brief(error)}): it was refused.")


def _pdf_facts(reader: Any) -> str:
    facts = [f"version {str(reader.pdf_header).removeprefix('%PDF-')[:8]}"]
    try:
        info = reader.metadata
        if info and info.producer:
            facts.append(f"made by {clip(str(info.producer), 40)}")
        if info and isinstance(info.creation_date, datetime):
            facts.append(f"on {info.creation_date:%Y-%m-%d}")
    except Exception as error:  # metadata is decoration: broken, it must not cost the text
        facts.append(f"metadata unreadable ({_brief(error)})")
    return ", ".join(facts)


def _pdf_title(reader: Any) -> str:
    try:
        title = str((reader.metadata and reader.metadata.title) or "").strip()
    except Exception:  # reported by _pdf_facts already
        return ""
    return "" if _PLACEHOLDER_TITLES.fullmatch(title) else title


# Progress


def _batches(items: Any) -> Iterator[tuple[int, int, Any]]:
    """`items` in at most _MAX_LINES runs, each with the 1-based number of its first and last."""
    step = max(1, -(-len(items) // _MAX_LINES))
    for start in range(0, len(items), step):
        batch = items[start : start + step]
        yield start + 1, start + len(batch), batch


def _range(noun: str, first: int, last: int, total: int) -> str:
    span = f"{noun} {first:,}" if first == last else f"{noun}s {first:,}–{last:,}"
    return f"{span} of {total:,}"


def _brief(error: BaseException) -> str:
    return clip(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 120).strip("“”")
