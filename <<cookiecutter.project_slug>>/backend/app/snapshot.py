"""The database as a process reads it that is not the server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["snapshot"]


@contextmanager
def snapshot(path: str) -> Iterator[sqlite3.Connection]:
    """A connection that sees a database as it is at its first statement, and cannot write.

    Arguments:
        path: the file.
    """
    connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()
