"""Databases as versions up to 0.3.0 made them, and whether the tables of one are what the models say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from app import features  # noqa: F401  # their models
from app.migrations.hand_made import STEPS
from app.models import Base

__all__ = ["earlier_database", "have_no_differences", "references"]


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


def differences(connection: Connection) -> list[object]:
    """What the models have and the tables have not, or otherwise."""

    def is_ours(_: object, __: object, kind: str, reflected: bool, compared_to: object) -> bool:
        return not (kind == "table" and reflected and compared_to is None)

    context = MigrationContext.configure(connection, opts={"include_object": is_ours})
    found = compare_metadata(context, Base.metadata)
    return [each for each in found if not is_of_0_3_0(*(each[0] if isinstance(each, list) else each))]


def have_no_differences(connection: Connection) -> None:
    assert differences(connection) == []


def is_of_0_3_0(kind: str, *what: Any) -> bool:
    """Whether it is only that the tables of 0.3.0 say the same in other words: keys are never null there either, and
    what a column's REFERENCES says is not read; see below for that."""
    return kind in ("add_fk", "remove_fk") or (
        kind == "modify_nullable" and what[2] in Base.metadata.tables[what[1]].primary_key.columns
    )


def references(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the columns of each table refer to, as SQLite has it."""
    with closing(sqlite3.connect(path)) as connection:
        pragma = 'SELECT "table", "from", coalesce("to", \'position\'), on_delete FROM pragma_foreign_key_list(?)'
        return {name: connection.execute(pragma, (name,)).fetchall() for name in Base.metadata.tables}
