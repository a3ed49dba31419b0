from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import features  # noqa: F401  # their models
from app.auth.models import Attempt
from app.database import Database, DatabaseError, DatabaseUnavailable, Lane
from app.models import Base
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.server)], indirect=True
)

KEYS = select(Attempt.key).order_by(Attempt.key)


def note(key: bytes) -> Callable[[Session], None]:
    return lambda session: session.add(Attempt(key=key, level=1.0, at=1.0))


async def keys(database: Database) -> list[bytes]:
    return [*await database.read(lambda session: session.scalars(KEYS).all())]


async def test_what_is_written_is_there_after_a_restart(database_url: str) -> None:
    for expected in ([b"1"], [b"1", b"2"]):
        database = Database(database_url)
        await database.open()
        await database.write(note(expected[-1]))
        assert await keys(database) == expected
        await database.close()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        for _ in range(2):
            session.execute(insert(Attempt).values(key=b"a", level=1.0, at=1.0))

    with pytest.raises(IntegrityError):
        await database.write(work)
    assert await keys(database) == []


@ON_SQLITE
async def test_a_cancelled_write_leaves_nothing(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        note(b"a")(session)
        session.flush()
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await database.write(note(b"b"))
    assert await keys(database) == [b"b"]


@ON_POSTGRES
async def test_a_cancelled_write_of_postgres_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        note(b"a")(session)
        session.execute(SLOW)

    writing = [asyncio.create_task(database.write(work, lock="notes")) for _ in range(3)]
    while not await sleeping(database):
        await asyncio.sleep(0.01)
    for task in writing:
        task.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    await asyncio.wait_for(database.write(note(b"b"), lock="notes"), 10)
    assert await keys(database) == [b"b"]


@ON_SQLITE
async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        note(b"a")(session)
        session.flush()
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    assert await asyncio.wait_for(keys(database), 5) == []
    go_on.set()
    await task
    assert await keys(database) == [b"a"]


async def test_writes_of_one_lock_that_read_first_count_each_other(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(2)]
    for database in databases:
        await database.open()

    def count(session: Session) -> None:
        row = session.get(Attempt, b"n")
        if row is None:
            session.add(Attempt(key=b"n", level=1.0, at=1.0))
        else:
            row.level += 1

    await asyncio.gather(*(database.write(count, lock="count") for database in databases for _ in range(20)))
    assert await databases[0].read(lambda session: session.scalar(select(Attempt.level))) == 40
    for database in databases:
        await database.close()


async def test_what_is_read_together_is_of_one_moment(database_url: str) -> None:
    database, other = Database(database_url), Database(database_url)
    await database.open()
    await other.open()
    loop, written = asyncio.get_running_loop(), []

    def count_twice(session: Session) -> list[int]:
        counts = []
        for number in range(2):
            counts.append(len(session.scalars(KEYS).all()))
            if not number and not database.is_postgres:
                asyncio.run_coroutine_threadsafe(other.write(note(b"a")), loop).result(10)
            if not number and database.is_postgres:
                written.append(loop.create_task(other.write(note(b"a"))))
                session.execute(text("SELECT pg_sleep(0.3)"))
        return counts

    assert await database.read(count_twice) == [0, 0]
    await asyncio.gather(*written)
    assert await keys(database) == [b"a"]
    await database.close()
    await other.close()


# What takes too long

ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
SLOW = text("SELECT pg_sleep(60)")


def endless(session: Session) -> None:
    session.execute(SLOW if session.get_bind().dialect.name == "postgresql" else ENDLESS)


async def sleeping(database: Database) -> int:
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    return int(await database.read(lambda session: session.scalar(statement) or 0, lane="auth"))


@pytest.fixture
async def busy() -> AsyncIterator[Callable[..., Awaitable[list[asyncio.Task[None]]]]]:
    """Fills a lane of a database with reads that never end by themselves."""
    tasks: list[asyncio.Task[None]] = []

    async def fill(database: Database, lane: Lane, reads: int = 10) -> list[asyncio.Task[None]]:
        begun: list[int] = []

        def work(session: Session) -> None:
            begun.append(1)
            endless(session)

        tasks.extend(asyncio.create_task(database.read(work, lane=lane, seconds=60)) for _ in range(reads))
        await eventually_async(lambda: begun)
        return tasks

    yield fill
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Fill = Callable[..., Awaitable[list["asyncio.Task[None]"]]]


@pytest.mark.parametrize("slow", ["main", "library"])
async def test_slow_reads_hold_up_none_of_another_lane(database: Database, busy: Fill, slow: Lane) -> None:
    await busy(database, slow)
    lanes: tuple[Lane, ...] = ("auth", "main", "library")
    for lane in lanes:
        if lane != slow:
            assert await asyncio.wait_for(database.read(lambda _: 1, lane=lane), 10) == 1
    await database.write(note(b"a"))


async def test_a_read_whose_caller_is_cancelled_is_interrupted(database: Database, busy: Fill) -> None:
    for task in await busy(database, "main"):
        task.cancel()
    assert await asyncio.wait_for(keys(database), 10) == []
    await asyncio.wait_for(database.close(), 10)


async def test_a_read_takes_no_longer_than_it_may_waiting_included(database: Database, busy: Fill) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"took longer than 0\.2 s") as refused:
        await database.read(endless, seconds=0.2)
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})
    assert await keys(database) == [], "the connection is as it was"

    asked: list[int] = []
    tasks = await busy(database, "auth", 2)
    with pytest.raises(DatabaseUnavailable, match="took longer"):
        await database.read(lambda _: asked.append(1), lane="auth", seconds=0.05)
    tasks[0].cancel()
    assert await asyncio.wait_for(database.read(lambda _: 1, lane="auth"), 10) == 1
    assert asked == [], "nobody waits for the answer any more"


async def test_after_it_is_closed_nothing_is_read_or_written_and_nothing_left_open(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(RuntimeError, match="not open"):
        await database.read(lambda _: 1)
    await database.open()
    await database.close()
    await database.close()
    for use in (database.read, database.write):
        with pytest.raises(RuntimeError, match="not open"):
            await use(lambda _: 1)


# Tables


def differences(connection: Connection) -> list[object]:
    """What the models have and the tables have not."""
    options = {
        "include_object": lambda _, __, kind, reflected, other: not (kind == "table" and reflected and not other)
    }
    found = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    return [each for each in found if "autoindex" not in str(each)]


async def test_the_tables_are_what_the_models_say(database: Database) -> None:
    found: list[object] = []
    await database.migrate(lambda connection: found.extend(differences(connection)))
    assert found == []


def columns(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}


async def test_a_database_of_another_revision_is_refused_where_it_is_newer(database_url: str) -> None:
    newer = Database(database_url)
    await newer.open()
    await newer.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = 'later'")))
    await newer.close()
    older = Database(database_url)
    with pytest.raises(DatabaseError, match=r"newer version of this app .*'later'.*: update the app, or use another"):
        await older.open()
    await older.close()
