"""The database as a process reads it that is not the server."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

__all__ = ["READ_ONLY", "snapshot"]

T = TypeVar("T")

READ_ONLY = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Of a transaction of PostgreSQL that sees the database as it is at its first statement."""

_SECONDS = 60.0


def snapshot(url: str, work: Callable[[Session], T]) -> T:
    """Gives what `work(session)` returns, which sees a database as it is at its first statement, and cannot write.

    Arguments:
        url: the database's, as `Settings.database` has it.
        work: what to do.
    """
    if make_url(url).get_backend_name() == "sqlite":
        file = Path(make_url(url).database or "").as_uri()
        engine = create_engine(url, creator=lambda: sqlite3.connect(f"{file}?mode=ro", uri=True), poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        event.listen(engine, "connect", _prepare)
        with Session(engine) as session:
            return work(session)
    return asyncio.run(_on_postgres(url, work))


def _prepare(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say
    connection.execute("PRAGMA busy_timeout = 5000")


async def _on_postgres(url: str, work: Callable[[Session], T]) -> T:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    # Who asks is gone after MAX_SEARCH_SECONDS, and this process with it. PostgreSQL may learn of that only at the end.
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"command_timeout": _SECONDS})
    async with AsyncSession(engine) as session:
        await session.connection(execution_options=READ_ONLY)
        return await session.run_sync(work)
