"""What all readers share: how they fail, how they report, and what a title is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from app.process_main import Refused
from app.wording import beginning, brief, clip, count
from app.words import count_words

__all__ = [
    "MAX_CHARACTERS", "MAX_WARNINGS", "ExtractError", "Log", "Parts", "as_title", "batches", "brief", "clean",
    "count_words", "first_line", "span", "tell_left_out",
]  # fmt: skip

Log = Callable[[str, str], None]
"""Reports a line: its message and its level (info, success, warning, error)."""

MAX_CHARACTERS = 20_000_000
"""The longest text that is taken out of one document: past it, a small file has been made to explode."""

MAX_WARNINGS = 5
"""How many of the same kind are told one by one."""

_MAX_LINES = 40  # of progress for one document: a book is not a line for each page
_TITLE_LENGTH = 200
_FRAME = re.compile(r"^[^\w\s]*[#=*~_|/<>-][^\w\s]*\s+|\s+[#=*~_|/<>-]+$")  # `# Title`, `=== Title ===`
_FILE_NAME = re.compile(
    r"\S+\.(?:csv|html?|jpe?g|md|png|rst|txt|xhtml|xml)"
    r"|.*\S\.(?:docx?|dvi|indd|od[pst]|pdf|pptx?|ps|qxp|rtf|tex|tiff?|xlsx?)"
    r"|(?:[a-z][a-z0-9+.-]+:/|[a-z]:\\|www\.)\S*|(?:file:|[a-z]:\\).*",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"untitled(?: document)?\W*\d*|no title|document ?\d*|microsoft \w+ - .*|powerpoint presentation"
    r"|(?:#!|<[?!]|-\*-).*",
    re.IGNORECASE,
)


class ExtractError(Refused):
    """The document cannot be read. Its text says why, and what the user can do."""


class Parts:
    """The warnings of whatever reads the many parts of a document: the first five are passed on, the others counted.

    Arguments:
        log: the document's.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told = dict[str, None]()

    def log(self, part: str = "") -> Log:
        """What the reader of one part logs to.

        Arguments:
            part: which it is, as the beginning of a sentence (default: not said).
        """
        where = f"{part}: " if part else ""
        return lambda message, level: self.warn(f"{where}{message}") if level == "warning" else None

    def warn(self, message: str) -> None:
        """Passes a warning on, unless it has been told already."""
        if message not in self._told and len(self._told) < MAX_WARNINGS:
            self._log(message, "warning")
        self._told[message] = None

    def close(self) -> None:
        """Says how many were not passed on."""
        if len(self._told) > MAX_WARNINGS:
            self._log(f"{count(len(self._told) - MAX_WARNINGS, 'more warning')} of this kind", "warning")


def tell_left_out(names: list[str], log: Log) -> None:
    """Names the attached files that are not read, if there are any."""
    if names:
        shown = ", ".join(clip(name, 60) for name in names[:MAX_WARNINGS])
        also = f" and {len(names) - MAX_WARNINGS:,} more" if len(names) > MAX_WARNINGS else ""
        log(f"{count(len(names), 'attached file')} left out: {shown}{also}. Ingest what you need", "warning")


def as_title(candidate: str) -> str:
    """A candidate for a title as it may be shown, on one line of 200 characters at most; empty where it is none.

    A title has a letter, or a number of four digits. Lines (`=====`), counters (`1`), times, addresses, paths, names of
    files (`x.PDF`) and what programs put in place of a title (`Untitled`) are none.
    """
    title = " ".join(clean(candidate[:2000]).split())
    title = beginning(_FRAME.sub("", _FRAME.sub("", title)), _TITLE_LENGTH).strip()
    if not re.search(r"[^\W\d_]|\d{4}", title) or _FILE_NAME.fullmatch(title) or _PLACEHOLDER.fullmatch(title):
        return ""
    return title


def first_line(text: str) -> str:
    """The first line of a text that holds more than punctuation, if that is a title."""
    line = next((line for line in text.splitlines() if re.search(r"[^\W_]", line)), "")
    # A first line as long as a paragraph is the beginning of the text.
    return as_title(line) if len(line.strip()) <= 120 else ""


def clean(text: str) -> str:
    """`text` as it may be stored: composed, one kind of line end, no control characters or surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda m: "\n" if m[0] == "\f" else "", text)
    text = re.sub(r"(?<![ \t])[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def batches(items: Any) -> Iterator[tuple[int, int, Any]]:
    """`items` in at most _MAX_LINES runs, each with the 1-based number of its first and last."""
    step = max(1, -(-len(items) // _MAX_LINES))
    for start in range(0, len(items), step):
        batch = items[start : start + step]
        yield start + 1, start + len(batch), batch


def span(noun: str, first: int, last: int, total: int) -> str:
    span = f"{noun} {first:,}" if first == last else f"{noun}s {first:,}–{last:,}"
    return f"{span} of {total:,}"
