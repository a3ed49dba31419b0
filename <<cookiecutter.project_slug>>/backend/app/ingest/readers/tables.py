"""Tables as text: CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import islice

from app.ingest.readers.common import MAX_CHARACTERS, ExtractError, Log, batches, brief, count_words, span
from app.wording import count

__all__ = ["table"]

_DELIMITERS = ",;\t|"
_DECLARED = re.compile(r"\"?sep=(.)\"?[ \t]*(?:\r\n?|\n|\Z)", re.IGNORECASE)
_SAMPLE = 50
"""Rows that show which character separates the cells."""


def table(text: str, log: Log) -> tuple[list[str], str]:
    """A line for each row, with ` | ` between its cells. The title is a first row of one cell.

    The delimiter is that of a first line `sep=;`, as Excel has it, or else the one that makes most of the rows equal.

    Raises:
        ExtractError: a cell is longer than a document may be.
    """
    csv.field_size_limit(MAX_CHARACTERS)
    text = text.lstrip("\ufeff")
    declared = _DECLARED.match(text)
    if declared is not None:
        text = text[declared.end() :]
    try:
        rows = _rows(text, declared[1] if declared else max(_DELIMITERS, key=lambda each: _fits(text, each)))
    except csv.Error as error:
        raise ExtractError(f"This table cannot be read ({brief(error)}): save it anew and try again.") from error
    columns = max(map(len, rows), default=0)
    log(f"Read the table: {count(len(rows), 'row')}, {count(columns, 'column')}", "info")
    for first, last, batch in batches(rows):
        words = sum(count_words(cell) for row in batch for cell in row)
        log(f"{span('Row', first, last, len(rows))}: {count(words, 'word')}", "info")
    alone = [cell for cell in rows[0] if cell] if rows and columns > 1 else []
    _tell_of_unequal(rows[1:] if len(alone) == 1 else rows, log)
    if text.count('"') % 2 and rows and any("\n" in cell for cell in rows[-1]):
        log("A quotation mark has no second one: the rows behind it may have become one cell", "warning")
    return (alone if len(alone) == 1 else []), "\n".join(" | ".join(row) for row in rows)


def _rows(text: str, delimiter: str, number: int | None = None) -> list[list[str]]:
    # As lines end in CSV: to Python U+2028 and others end one too.
    read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [row for row in ([cell.strip() for cell in row] for row in islice(read, number)) if any(row)]


def _fits(text: str, delimiter: str) -> tuple[int, int]:
    """How many of the first rows have the same number of cells, more than one, and how many cells that is."""
    lengths = Counter(map(len, _rows(text, delimiter, _SAMPLE)))
    return max(((number, cells) for cells, number in lengths.items() if cells > 1), default=(0, 0))


def _tell_of_unequal(rows: list[list[str]], log: Log) -> None:
    (usual, _), *others = Counter(map(len, rows)).most_common() or [(0, 0)]
    if others:
        number = sum(each for _, each in others)
        example = " | ".join(next(row for row in rows if len(row) != usual))[:60]
        log(f"{count(number, 'row')} of {len(rows):,} without the {count(usual, 'cell')} of the others, such as "
            f"{example!r}: see if they are whole", "warning")  # fmt: skip
