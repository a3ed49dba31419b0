"""The database: SQLite, or PostgreSQL by DATABASE_URL. Work on it is a function of a SQLAlchemy session, and one
transaction."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from alembic.util import CommandError
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.errors import ApiError
from app.snapshot import READ_ONLY

__all__ = ["Database", "DatabaseError", "DatabaseUnavailable", "Lane"]

T = TypeVar("T")

Lane = Literal["main", "auth", "library"]
"""Where a read waits: `auth` for what each request asks before all else, `library` for texts, which take longer the
longer they are, `main` for all between. A search has processes of its own (`app.searches`)."""

_PLACES: Mapping[str, int] = {"main": 4, "auth": 2, "library": 2, "write": 4}
"""How many of each are under way at once, each with a connection. SQLite has one that writes."""

READ_SECONDS = 30.0
"""A read that has no answer so long after it was asked for is given up."""

_START_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_MIGRATING = 0x73747265616D  # the first of the numbers that are locks of ours in PostgreSQL

# What SQLite does is asked so often whether to go on: a fraction of a millisecond, at some promille of its time.
_STEPS = 10_000

_ERRORS = (SQLAlchemyError, OSError, asyncio.TimeoutError)
_AWAY = ("08", "53", "57P")
"""SQLSTATEs: no connection, no room for another, and a PostgreSQL that stops or starts."""
_TAKES_NOTHING = (
    "attempt to write a readonly",
    "database is locked",
    "database or disk is full",
    "disk I/O",
    "unable to",
)

logger = logging.getLogger(__name__)


class DatabaseError(Exception):
    """The database cannot be used. Its text says why, and what to do."""


class DatabaseUnavailable(ApiError):
    """The database cannot be reached now, or takes nothing: 503. Its cause says more."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message, {"retry-after": "5"})


class Database:
    """The database that a URL names.

    `read` and `write` run a function with a SQLAlchemy session, and may be awaited by any number of tasks. With
    PostgreSQL that is `AsyncSession.run_sync`, on the event loop. With SQLite it is a worker thread: a transaction is
    one change of threads there, and ten through an asynchronous driver of SQLite, which takes four times as long.

    Arguments:
        url: as `Settings.database` has it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_postgres = make_url(url).get_backend_name() == "postgresql"
        self._running: set[asyncio.Task[Any]] = set()
        self._is_open = False
        if self.is_postgres:
            self._async_engine = create_async_engine(
                url,
                pool_size=sum(_PLACES.values()),
                pool_pre_ping=True,  # what an earlier PostgreSQL has left is connected anew
                connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": READ_SECONDS},
            )
        else:
            # `_PLACES` bound the connections, and a read that was given up may hold one for a moment more.
            self._engine = create_engine(url, pool_size=sum(_PLACES.values()), max_overflow=-1)
            event.listen(self._engine, "connect", _prepare)
            event.listen(self._engine, "begin", _begin)

    async def open(self, *, patience: float = _START_SECONDS) -> None:
        """Connects, and brings the tables up to date; another server that starts waits meanwhile.

        Arguments:
            patience: for how many seconds a PostgreSQL that cannot be reached is asked again.

        Raises:
            DatabaseError: it cannot be used, or was made by a newer version.
        """
        from app.migrations import upgrade

        self._limits = {name: CapacityLimiter(places) for name, places in _PLACES.items()}
        if not self.is_postgres:
            self._limits["write"] = CapacityLimiter(1)
        await self.migrate(upgrade, patience=patience)
        self._is_open = True

    async def migrate(self, work: Callable[[Connection], None], *, patience: float = 0.0) -> None:
        """Runs `work(connection)` in one transaction, while no other server does so. See `open`."""
        ends_at = time.monotonic() + patience
        while True:
            try:
                if self.is_postgres:
                    # Not of the pool: a step may take longer than anything else.
                    engine = create_async_engine(
                        self.url, poolclass=NullPool, connect_args={"timeout": _CONNECT_SECONDS}
                    )
                    async with engine.begin() as connection:
                        await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
                        await connection.run_sync(work)
                else:
                    await to_thread.run_sync(self._migrate_file, work)
                return
            except CommandError as error:
                raise DatabaseError(
                    f"The database {self._name} was made by a newer version of this app ({error}): update the app, or "
                    "use another database."
                ) from error
            except _ERRORS as error:
                if not _is_away(error) or time.monotonic() > ends_at:
                    raise DatabaseError(self._explain(error)) from error
                logger.warning("PostgreSQL at %s cannot be reached (%s): trying again", self._name, _reason(error))
                await asyncio.sleep(min(1.0, patience))

    def _migrate_file(self, work: Callable[[Connection], None]) -> None:
        Path(self._engine.url.database or "").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
            work(connection)

    async def read(self, work: Callable[[Session], T], *, lane: Lane = "main", seconds: float = READ_SECONDS) -> T:
        """Gives what `work(session)` returns, which sees the database as it is at its first statement, whatever is
        written meanwhile. `work` must not write.

        Guarantee: it waits for reads of its own lane alone, and its place is free again soon after the caller is
        cancelled or the time is up, whatever the database is at.

        Arguments:
            work: what to do; what it does between two statements is not interrupted.
            lane: where it waits (default: main).
            seconds: for how long, from now to the answer (default: 30).

        Raises:
            DatabaseUnavailable: it took longer, or the database is away.
        """
        return await self._run(work, lane, seconds)

    async def write(self, work: Callable[[Session], T], *, lock: str | None = None) -> T:
        """Gives what `work(session)` returns, run in a transaction of its own.

        Guarantee: all of it is on disk when this returns, and none of it when `work` raises. When the caller
        is cancelled, none of it is stored, unless the commit had begun already.

        Arguments:
            work: what to do.
            lock: what it reads and then changes: on PostgreSQL, writes of the same lock wait for each other, on all
                servers (default: none). On SQLite all writes do, in the order in which they were asked for.

        Raises:
            DatabaseUnavailable: the database is away, or takes nothing.
        """
        return await self._run(work, "write", None, lock)

    async def close(self) -> None:
        """Waits for what is under way and closes the connections. Closing twice is fine."""
        self._is_open = False
        while self._running:
            await asyncio.wait(self._running)
        if self.is_postgres:
            await self._async_engine.dispose()
        else:
            await to_thread.run_sync(self._engine.dispose)

    async def _run(self, work: Callable[[Session], T], place: str, seconds: float | None, lock: str | None = None) -> T:
        if not self._is_open:
            raise RuntimeError("the database is not open: call open() first, and nothing after close()")
        over = threading.Lock()  # taken once: by the commit, or by whoever gives it up before
        limit = self._limits[place]
        if self.is_postgres:
            task = asyncio.create_task(self._on_loop(work, limit, None if place == "write" else READ_ONLY, lock))
        else:
            begin = "BEGIN IMMEDIATE" if place == "write" else "BEGIN"
            task = asyncio.create_task(to_thread.run_sync(self._in_thread, work, begin, over, limiter=limit))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            if not task.done():
                over.acquire(blocking=False)
                if self.is_postgres:
                    task.cancel()
        if not task.done():
            raise DatabaseUnavailable(f"the database took longer than {seconds:g} s: ask for less, or try again later")
        try:
            return task.result()
        except _ERRORS as error:
            if _is_away(error):
                raise DatabaseUnavailable("the database cannot be reached: try again in a few seconds") from error
            if isinstance(error, OperationalError) and str(error.orig).startswith(_TAKES_NOTHING):
                raise DatabaseUnavailable(f"the database takes nothing ({error.orig}): try again later") from error
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # of one that was given up nobody else asks for it

    def _in_thread(self, work: Callable[[Session], T], begin: str, over: threading.Lock) -> T:
        if over.locked():  # it has waited in vain
            raise asyncio.CancelledError
        with Session(self._engine, expire_on_commit=False) as session:
            connection = session.connection(execution_options={"begin": begin}).connection.driver_connection
            assert connection is not None
            connection.set_progress_handler(over.locked, _STEPS)
            try:
                result = work(session)
                session.flush()
            finally:
                connection.set_progress_handler(None, 0)
            if not over.acquire(blocking=False):
                raise asyncio.CancelledError
            session.commit()
            return result

    async def _on_loop(
        self, work: Callable[[Session], T], limit: CapacityLimiter, options: Mapping[str, Any] | None, lock: str | None
    ) -> T:
        async with limit, AsyncSession(self._async_engine, expire_on_commit=False) as session:
            await session.connection(execution_options=options)
            if lock is not None:
                await session.execute(select(func.pg_advisory_xact_lock(_MIGRATING + zlib.crc32(lock.encode()) + 1)))
            result = await session.run_sync(work)
            await session.commit()
            return result

    @property
    def _name(self) -> str:
        """The database, without the password."""
        url = make_url(self.url)
        return f"{url.host}:{url.port or 5432}/{url.database}" if self.is_postgres else str(url.database)

    def _explain(self, error: BaseException) -> str:
        if not self.is_postgres:
            fix = "make its directory writable, or move the file away"
            return f"The database {self._name} cannot be opened ({_reason(error)}): {fix}."
        if _is_away(error):
            return (
                f"PostgreSQL at {self._name} cannot be reached ({_reason(error)}): start it, or correct DATABASE_URL."
            )
        return f"PostgreSQL at {self._name} refuses ({_reason(error)}): correct DATABASE_URL, or what is wrong there."


def _prepare(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Where two make a new file a WAL at once, SQLite refuses one of them, and does not wait as it does elsewhere.
    ends_at = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends_at:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(connection.get_execution_options().get("begin", "BEGIN"))


def _is_away(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or str(getattr(error.orig, "sqlstate", "")).startswith(_AWAY)
    return not isinstance(error, SQLAlchemyError)


def _reason(error: BaseException) -> str:
    """What the database says, without the statement."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0] or type(error).__name__
