"""Whether the server can do its work, for those who send it requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from streamator import Store, StoreError
from streamator.shutdown import is_ending

from app.database import Database, DatabaseUnavailable
from app.storage import Storage, StorageError

__all__ = ["FRESH_SECONDS", "PATIENCE_SECONDS", "Readiness"]

FRESH_SECONDS = 2.0
"""An answer is given to all who ask within this time of the look that it is from."""

PATIENCE_SECONDS = 2.0
"""What takes longer to answer counts as unable to work, until it has answered."""

# A write of what is there: a look alone tells neither of a full disk nor of one that cannot be written.
_SAME_AGAIN = text("UPDATE alembic_version SET version_num = version_num")

# No job has this id: looking for it asks the store, and finds nothing.
_NO_JOB = "readyz"

Look = Callable[[], Awaitable[str | None]]


class Readiness:
    """Whether the store, the database and the storage of files can be worked with. Use it from the event loop's thread.

    Guarantee: however many ask, and however long an answer takes, there is one look at each at a time, and none within
    FRESH_SECONDS of the one before.

    Arguments:
        store: it has to be readable, and well by its own account.
        database: it has to be writable.
        storage: it has to answer.
    """

    def __init__(self, store: Store, database: Database, storage: Storage) -> None:
        self._store = store
        self._database = database
        self._storage = storage
        self._looks = [
            _Look("the store", self._read_store),
            _Look("the database", self._write_database),
            _Look("the storage", self._ask_storage),
        ]

    async def problems(self) -> list[str]:
        """Why the server cannot do its work, a sentence for each reason; empty where it can."""
        if is_ending():
            return ["the server is stopping"]
        found = await asyncio.gather(*(look.problem() for look in self._looks))
        return [problem for problem in found if problem is not None]

    async def _read_store(self) -> str | None:
        try:
            await self._store.find(_NO_JOB)
        except StoreError as error:
            return str(error)
        return self._store.degraded

    async def _write_database(self) -> str | None:
        try:
            await self._database.write(lambda session: session.execute(_SAME_AGAIN))
        except DatabaseUnavailable as error:
            return f"the database cannot be written: {error.__cause__}"
        except SQLAlchemyError as error:
            return f"the database cannot be written: {error}"
        return None

    async def _ask_storage(self) -> str | None:
        try:
            await self._storage.size(_NO_JOB)
        except StorageError as error:
            return f"files cannot be kept: {error}"
        return None


class _Look:
    """One look at a time at one thing, and what came of the last."""

    def __init__(self, name: str, look: Look) -> None:
        self._name = name
        self._look = look
        self._task: asyncio.Task[str | None] | None = None
        self._ended_at = float("-inf")

    async def problem(self) -> str | None:
        task = self._task
        if task is None or (task.done() and time.monotonic() - self._ended_at >= FRESH_SECONDS):
            task = self._task = asyncio.create_task(self._run(), name=f"readiness of {self._name}")
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        return task.result() if task.done() else f"{self._name} has not answered within {PATIENCE_SECONDS:g} s"

    async def _run(self) -> str | None:
        try:
            return await self._look()
        finally:
            self._ended_at = time.monotonic()
