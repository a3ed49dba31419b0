"""What servers said of the documents that came from them, so that they can be asked whether they have changed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.orm import Session

from app.database import Database
from app.ingest.fetch import Validators
from app.ingest.models import ValidatorRow
from app.models import delete_oldest
from app.users import User

__all__ = ["ValidatorTable"]


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
        statement = select(ValidatorRow.url, ValidatorRow.etag, ValidatorRow.last_modified).where(
            *_is(source, scope, user)
        )
        row = await self._database.read(lambda session: session.execute(statement).one_or_none())
        return None if row is None else Validators(**row._mapping)

    async def put(self, source: str, scope: str, found: Validators | None, *, user: User) -> None:
        """Keeps what was said of an address, in place of what was said before; None forgets it.

        Arguments:
            source: the address.
            scope: what was taken in of it: `document`; of a channel its limit; or what it is as an item of which
                channel, with the item's mark for its ETag.
        """

        def put(session: Session) -> None:
            session.execute(delete(ValidatorRow).where(*_is(source, scope, user)))
            if found is not None:
                values = {"url": found.url, "etag": found.etag, "last_modified": found.last_modified}
                session.execute(insert(ValidatorRow).values(user_id=user.id, source=source, scope=scope, **values))
                session.execute(delete_oldest(ValidatorRow, user.id, past=self._kept))

        await self._database.write(put, lock=f"validators {user.id}")


def _is(source: str, scope: str, user: User) -> tuple[ColumnElement[bool], ...]:
    return ValidatorRow.user_id == user.id, ValidatorRow.source == source, ValidatorRow.scope == scope
