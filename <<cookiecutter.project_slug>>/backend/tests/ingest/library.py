"""A library of long documents, for tests of what they cost."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from sqlalchemy import select

from app.auth.models import UserRow
from app.database import Database
from app.ingest.documents import Library, NewDocument
from app.processes import Processes
from app.searches import Searches
from app.terms import pack_terms
from app.users import User
from tests.ingest.archives import archive_in, arrival

__all__ = ["fill_library"]


def fill_library(data: Path, *, documents: int = 30, characters: int = 300_000, largest: int = 12_000_000) -> None:
    """Gives ada some long documents, and one that is as long as an upload may make it."""

    async def fill() -> None:
        archive = archive_in(data)
        await archive.open()
        database = Database(f"sqlite:///{data / 'app.db'}")
        await database.open()
        library = Library(database, archive, Searches(database, Processes()))
        ada = await database.read(lambda session: session.scalars(select(UserRow.id).filter_by(name="ada")).one())
        end = " the house"
        terms = pack_terms(f"it is so{end}")  # of the words alone: they need not be all
        for number in range(documents + 1):
            length = largest if number == documents else characters
            text = f"{number} " + 'it is “so”. "It" is\nso. ' * (length // 24) + end
            content = text.encode()
            path = arrival(data, content)
            new = NewDocument(
                hashlib.sha256(content).hexdigest(),
                f"T{number}", "a.txt", "a.txt", "text", 3, len(content), text, terms=terms,
            )  # fmt: skip
            await library.add(new, path, user=User(ada, "ada"))
            path.unlink()
        await library.close()
        await database.close()

    asyncio.run(fill())
