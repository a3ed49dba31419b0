"""Text and title out of a document's bytes. Plain functions with no state, run in a process of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.ingest.charset import decode
from app.ingest.identify import Kind
from app.ingest.readers.archived import docx, epub, opendocument
from app.ingest.readers.common import ExtractError, Log, as_title, clean, count_words, first_line
from app.ingest.readers.html import html
from app.ingest.readers.mail import mail, mhtml
from app.ingest.readers.markdown import markdown
from app.ingest.readers.pdf import pdf
from app.ingest.readers.rtf import rtf
from app.ingest.readers.subtitles import subtitles
from app.ingest.readers.tables import table
from app.ingest.readers.text import plain
from app.wording import beginning, clip

__all__ = ["ExtractError", "Extracted", "Log", "extract"]

_MAX_TITLE = 200
_ROWS: frozenset[Kind] = frozenset(("csv", "email", "subtitles"))
"""Whose first line is no more than any other."""


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
    of_files: dict[Kind, Callable[[Path, Log], tuple[list[str], str]]] = {
        "pdf": pdf, "docx": docx, "epub": epub, "opendocument": opendocument, "rtf": rtf, "email": mail, "mhtml": mhtml,
    }  # fmt: skip
    of_texts: dict[Kind, Callable[[str, Log], tuple[list[str], str]]] = {
        "text": plain, "markdown": markdown, "html": html, "csv": table, "subtitles": subtitles,
    }  # fmt: skip
    if kind in of_files:
        titles, text = of_files[kind](path, log)
    else:
        titles, text = of_texts[kind](decode(path.read_bytes(), charset, log, html=kind == "html"), log)
    text = clean(text)
    words = count_words(text)
    if not words:
        raise ExtractError("There are no words in this document: nothing to store. Give one with text in it.")
    title = next(filter(None, map(as_title, titles)), "")
    if not title and kind not in _ROWS:
        title = first_line(text)
    if not title:
        title = beginning(stem, _MAX_TITLE)
        log(f"No title found in it, taking its name: {clip(title)}", "info")
    return Extracted(title=title, text=text, words=words)
