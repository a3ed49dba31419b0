"""SQLite, off the event loop: one thread that writes, and a few that read, in lanes that do not wait for each other."""

from __future__ import annotations

import asyncio
import contextvars
import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from app.errors import ApiError

__all__ = ["Database", "DatabaseError", "Lane", "Migration"]

T = TypeVar("T")

Migration = Sequence[str]
"""The statements of one step of a schema. Once released it is never edited: append another."""

Lane = Literal["main", "auth", "library"]
"""Where a read waits: `auth` for what each request asks before all else, `library` for texts, which take longer the
longer they are, `main` for all between. A search has processes of its own (`app.searches`)."""

_THREADS: Mapping[Lane, int] = {"main": 2, "auth": 1, "library": 1}

READ_SECONDS = 30.0
"""A read that has no answer so long after it was asked for is given up."""

# A read is asked so often whether to go on: a fraction of a millisecond, at some promille of its time.
_STEPS = 10_000


class DatabaseError(Exception):
    """The database file cannot be used. Its text says why, and what to do."""


class Database:
    """One SQLite file, in WAL mode: readers never wait for the writer.

    `read` and `write` run a function with a connection in a thread of this database, and may be awaited by
    any number of tasks. Writes are whole transactions, in the order in which they were asked for.

    Arguments:
        path: the file; its directory is made when needed.
        migrations: for each part of the app, its steps from the first on. Each part is counted by itself,
            so that a part can be added or deleted and the others never notice.
    """

    def __init__(self, path: Path, migrations: Mapping[str, Sequence[Migration]]) -> None:
        self._path = path
        self._migrations = migrations
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._readers = {
            lane: ThreadPoolExecutor(threads, thread_name_prefix=f"sqlite-{lane}") for lane, threads in _THREADS.items()
        }
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Makes the file and brings its tables up to date.

        Raises:
            DatabaseError: the file cannot be opened, is no database, or was made by a newer version.
        """
        try:
            await self._run(self._writer, self._prepare)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(
                f"The database {self._path} cannot be opened ({error}): "
                "make its directory writable, or move the file away."
            ) from error

    async def read(
        self, work: Callable[[sqlite3.Connection], T], *, lane: Lane = "main", seconds: float = READ_SECONDS
    ) -> T:
        """Gives what `work(connection)` returns, which sees the database as it is at its first statement, whatever is
        written meanwhile. `work` must not write.

        Guarantee: it waits for reads of its own lane alone, and its thread is free again soon after the caller is
        cancelled or the time is up, whatever SQLite is at.

        Arguments:
            work: what to do; what it does between two statements is not interrupted.
            lane: where it waits (default: main).
            seconds: for how long, from now to the answer (default: 30).

        Raises:
            ApiError: 503, it took longer.
        """
        cancelled = threading.Event()
        ends_at = time.monotonic() + seconds

        def is_over() -> bool:
            return cancelled.is_set() or time.monotonic() > ends_at

        def snapshot() -> T:
            connection = self._connection()
            connection.execute("BEGIN")
            connection.set_progress_handler(is_over, _STEPS)
            try:
                if is_over():  # it has waited in vain
                    raise sqlite3.OperationalError("interrupted")
                return work(connection)
            except sqlite3.OperationalError as error:
                if not is_over():
                    raise
                message = f"the database took longer than {seconds:g} s: ask for less, or try again later"
                raise ApiError(503, message, {"retry-after": "5"}) from error
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute("ROLLBACK")

        try:
            return await self._run(self._readers[lane], snapshot)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Gives what `work(connection)` returns, run in a transaction of its own.

        Guarantee: all of it is on disk when this returns, and none of it when `work` raises. When the caller
        is cancelled, none of it is stored, unless the commit had begun already.
        """
        commit = threading.Lock()  # taken once: by the commit, or by the cancellation that forestalls it

        def transaction() -> T:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                if not commit.acquire(blocking=False):
                    raise asyncio.CancelledError
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        try:
            return await self._run(self._writer, transaction)
        except asyncio.CancelledError:
            commit.acquire(blocking=False)
            raise

    async def close(self) -> None:
        """Waits for what is under way and closes the file. Closing twice is fine."""
        for executor in (*self._readers.values(), self._writer):
            await asyncio.get_running_loop().run_in_executor(None, executor.shutdown)
        with self._lock:
            while self._connections:
                self._connections.pop().close()

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        # In the caller's context: what is logged there is of the caller's request or job.
        in_context = partial(contextvars.copy_context().run, work)
        return await asyncio.get_running_loop().run_in_executor(executor, in_context)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Each thread has its own; only close() touches it from another, when its thread is gone.
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _prepare(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One process after another: where two make a new file a WAL at once, SQLite refuses one of them, and does not
        # wait as it does elsewhere.
        with self._path.with_name(f"{self._path.name}.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            self._migrate(self._connection())

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
        )
        for part, steps in self._migrations.items():
            # The version is read inside the transaction: no step is made twice.
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute("SELECT version FROM schema_versions WHERE part = ?", (part,)).fetchone()
                version = row["version"] if row else 0
                if version > len(steps):
                    raise DatabaseError(
                        f"The database {self._path} was made by a newer version of this app ({part} is at "
                        f"step {version}, this one knows {len(steps)}): update the app, or move it away."
                    )
                for step in steps[version:]:
                    for statement in step:
                        connection.execute(statement)
                connection.execute(
                    "INSERT INTO schema_versions VALUES (?, ?) "
                    "ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                    (part, len(steps)),
                )
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
