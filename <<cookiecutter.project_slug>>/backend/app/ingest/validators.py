"""What servers said of the documents that came from them, so that they can be asked whether they have changed."""

from __future__ import annotations

import sqlite3

from app.database import Database, Migration
from app.ingest.fetch import Validators
from app.users import User

__all__ = ["MIGRATION", "ValidatorTable"]

MIGRATION: Migration = (
    """
    CREATE TABLE validators (
        position INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        source TEXT NOT NULL,
        scope TEXT NOT NULL,
        url TEXT NOT NULL,
        etag TEXT,
        last_modified TEXT,
        UNIQUE (user_id, source, scope)
    )
    """,
)


class ValidatorTable:
    """The validators of each user's addresses.

    Arguments:
        database: where they are.
        kept: how many of each user; the oldest are forgotten first, and what they were for is fetched whole again.
    """

    def __init__(self, database: Database, *, kept: int = 10_000) -> None:
        self._database = database
        self._kept = kept

    async def get(self, source: str, scope: str, *, user: User) -> Validators | None:
        """What was said of the address when it was last taken in so."""
        statement = "SELECT url, etag, last_modified FROM validators WHERE user_id = ? AND source = ? AND scope = ?"
        row = await self._database.read(
            lambda connection: connection.execute(statement, (user.id, source, scope)).fetchone()
        )
        return None if row is None else Validators(**row)

    async def put(self, source: str, scope: str, found: Validators | None, *, user: User) -> None:
        """Keeps what was said of an address, in place of what was said before; None forgets it.

        Arguments:
            source: the address.
            scope: what was taken in of it: `document`; of a channel its limit; or what it is as an item of which
                channel, with the item's mark for its ETag.
        """
        await self._database.write(lambda connection: _put(connection, (user.id, source, scope), found, self._kept))


def _put(connection: sqlite3.Connection, key: tuple[str, str, str], found: Validators | None, kept: int) -> None:
    connection.execute("DELETE FROM validators WHERE user_id = ? AND source = ? AND scope = ?", key)
    if found is None:
        return
    connection.execute(
        "INSERT INTO validators (user_id, source, scope, url, etag, last_modified) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, found.url, found.etag, found.last_modified),
    )
    connection.execute(
        "DELETE FROM validators WHERE user_id = :user AND position <= "
        "(SELECT position FROM validators WHERE user_id = :user ORDER BY position DESC LIMIT 1 OFFSET :kept)",
        {"user": key[0], "kept": kept},
    )
