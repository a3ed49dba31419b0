"""Databases as versions up to 0.3.0 made them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.migrations.hand_made import STEPS

__all__ = ["earlier_database"]


@contextmanager
def earlier_database(path: Path, **steps: int) -> Iterator[sqlite3.Connection]:
    """A new database, with all steps of each part, or with so many of those that are named; what is written is kept."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        for part, all_steps in STEPS.items():
            taken = all_steps[: steps.get(part)]
            for step in taken:
                for statement in step:
                    connection.execute(statement)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?)", (part, len(taken)))
        yield connection
