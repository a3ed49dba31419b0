"""Tables as text: CSV and TSV."""

from __future__ import annotations

import csv

from app.ingest.readers.common import MAX_CHARACTERS, Log, batches, count_words, span
from app.wording import count

__all__ = ["table"]


def table(text: str, log: Log) -> tuple[list[str], str]:
    """A line for each row, with ` | ` between its cells. The title is a first row of one cell."""
    csv.field_size_limit(MAX_CHARACTERS)
    text = text.replace("\0", "")
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:8_192], delimiters=",;\t|")
    except csv.Error:  # one column, or no clear sign
        dialect = csv.excel_tab if "\t" in text.partition("\n")[0] else csv.excel
    cells = (([cell.strip() for cell in row]) for row in csv.reader(text.splitlines(keepends=True), dialect))
    rows = [row for row in cells if any(row)]
    columns = max(map(len, rows), default=0)
    log(f"Read the table: {count(len(rows), 'row')}, {count(columns, 'column')}", "info")
    for first, last, batch in batches(rows):
        words = sum(count_words(cell) for row in batch for cell in row)
        log(f"{span('Row', first, last, len(rows))}: {count(words, 'word')}", "info")
    alone = [cell for cell in rows[0] if cell] if rows and columns > 1 else []
    return (alone if len(alone) == 1 else []), "\n".join(" | ".join(row) for row in rows)
