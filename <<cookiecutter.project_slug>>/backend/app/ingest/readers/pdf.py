"""PDF."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from app.ingest.readers.common import MAX_CHARACTERS, MAX_WARNINGS, ExtractError, Log, batches, brief, count_words, span
from app.wording import clip, count

__all__ = ["pdf"]

_PLACEHOLDER_TITLES = re.compile(
    r"(untitled|no title|document\d*|microsoft \w+ - .*|.*\.(docx?|indd|tex|dvi|qxp))", re.I
)


def pdf(path: Path, log: Log) -> tuple[str, str]:
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
            f"This PDF is damaged ({brief(error)}): export it again, or repair it with a tool such as qpdf."
        ) from error
    if not total:
        raise ExtractError("This PDF has no pages: nothing to store. Export it again.")
    log(f"Opened the PDF: {count(total, 'page')}, {_pdf_facts(reader)}", "info")
    texts: list[str] = []
    empty = length = unreadable = 0
    for first, last, numbers in batches(range(total)):
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
                if unreadable <= MAX_WARNINGS:
                    log(f"Page {number + 1} cannot be read and is left out ({brief(error)})", "warning")
                text = ""
            length += len(text)
            if length > MAX_CHARACTERS:
                raise ExtractError(f"The text of this PDF is longer than {MAX_CHARACTERS:,} characters: split it.")
            empty += not text.strip()
            words += count_words(text)
            texts.append(text)
        log(f"{span('Page', first, last, total)}: {count(words, 'word')}", "info")
    if unreadable > MAX_WARNINGS:
        log(f"{count(unreadable - MAX_WARNINGS, 'more page')} cannot be read", "warning")
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
    return ExtractError(f"This PDF unpacks to more than is allowed ({brief(error)}): it was refused.")


def _pdf_facts(reader: Any) -> str:
    facts = [f"version {str(reader.pdf_header).removeprefix('%PDF-')[:8]}"]
    try:
        info = reader.metadata
        if info and info.producer:
            facts.append(f"made by {clip(str(info.producer), 40)}")
        if info and isinstance(info.creation_date, datetime):
            facts.append(f"on {info.creation_date:%Y-%m-%d}")
    except Exception as error:  # metadata is decoration: broken, it must not cost the text
        facts.append(f"metadata unreadable ({brief(error)})")
    return ", ".join(facts)


def _pdf_title(reader: Any) -> str:
    try:
        title = str((reader.metadata and reader.metadata.title) or "").strip()
    except Exception:  # reported by _pdf_facts already
        return ""
    return "" if _PLACEHOLDER_TITLES.fullmatch(title) else title
