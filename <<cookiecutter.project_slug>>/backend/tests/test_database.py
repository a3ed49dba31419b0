from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import features  # noqa: F401  # their models
from app.database import Database, DatabaseError, DatabaseUnavailable, Lane
from app.jobs.job import utc_now
from app.jobs.models import JobRow
from tests.earlier import have_no_differences
from tests.postgres import Postgres
from tests.process import free_port
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.server)], indirect=True
)

KEYS = select(JobRow.job_id).order_by(JobRow.job_id)


def note(key: str) -> Callable[[Session], None]:
    return lambda session: session.add(job(key))


def job(key: str, source: str = "x") -> JobRow:
    return JobRow(job_id=key, kind="test", source=source, status="running", created_at=utc_now())


async def keys(database: Database) -> list[str]:
    return [*await database.read(lambda session: session.scalars(KEYS).all())]


async def test_what_is_written_is_there_after_a_restart(database_url: str) -> None:
    for expected in (["1"], ["1", "2"]):
        database = Database(database_url)
        await database.open()
        await database.write(note(expected[-1]))
        assert await keys(database) == expected
        await database.close()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        for _ in range(2):
            session.add(job("a"))
            session.flush()

    with pytest.raises(IntegrityError):
        await database.write(work)
    assert await keys(database) == []


@ON_SQLITE
async def test_a_cancelled_write_leaves_nothing(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        note("a")(session)
        session.flush()
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await database.write(note("b"))
    assert await keys(database) == ["b"]


@ON_POSTGRES
async def test_a_cancelled_write_of_postgres_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        note("a")(session)
        session.execute(SLOW)

    writing = [asyncio.create_task(database.write(work, lock="notes")) for _ in range(3)]
    await until_one_sleeps(database)
    for task in writing:
        task.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    await asyncio.wait_for(database.write(note("b"), lock="notes"), 10)
    assert await keys(database) == ["b"]


@ON_SQLITE
async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        note("a")(session)
        session.flush()
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    assert await asyncio.wait_for(keys(database), 5) == []
    go_on.set()
    await task
    assert await keys(database) == ["a"]


async def test_writes_of_one_lock_that_read_first_count_each_other(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(2)]
    for database in databases:
        await database.open()

    def count(session: Session) -> None:
        row = session.scalar(select(JobRow))
        if row is None:
            session.add(job("n", "1"))
        else:
            row.source = str(int(row.source) + 1)

    await asyncio.gather(*(database.write(count, lock="count") for database in databases for _ in range(20)))
    assert await databases[0].read(lambda session: session.scalar(select(JobRow.source))) == "40"
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
                asyncio.run_coroutine_threadsafe(other.write(note("a")), loop).result(10)
            if not number and database.is_postgres:
                written.append(loop.create_task(other.write(note("a"))))
                session.execute(text("SELECT pg_sleep(0.3)"))
        return counts

    assert await database.read(count_twice) == [0, 0]
    await asyncio.gather(*written)
    assert await keys(database) == ["a"]
    await database.close()
    await other.close()


# What takes too long

ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
SLOW = text("SELECT pg_sleep(60)")


def endless(session: Session) -> None:
    session.execute(SLOW if session.get_bind().dialect.name == "postgresql" else ENDLESS)


async def until_one_sleeps(database: Database) -> None:
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    while not await database.read(lambda session: session.scalar(statement), lane="auth"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # it is another process that is waited for


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
    await database.write(note("a"))


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


async def test_the_tables_are_what_the_models_say(database: Database) -> None:
    await database.migrate(have_no_differences)


async def test_a_database_of_another_revision_is_refused_where_it_is_newer(database_url: str) -> None:
    newer = Database(database_url)
    await newer.open()
    await newer.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = 'later'")))
    await newer.close()
    older = Database(database_url)
    with pytest.raises(DatabaseError, match=r"newer version of this app .*'later'.*: update the app, or use another"):
        await older.open()
    await older.close()


# What operators get wrong, and what happens to a database


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"not a database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'app.db'}")
    with pytest.raises(DatabaseError, match=r"app\.db cannot be opened .*not a database.*: make .* or move the file"):
        await database.open()
    await database.close()


async def test_a_file_that_cannot_be_written_is_a_clear_error_and_a_503(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'app.db'}")
    await database.open()
    await database.write(note("a"))
    event.listen(database._engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON"))
    with pytest.raises(DatabaseUnavailable, match=r"takes nothing .*readonly.*: try again later"):
        await database.write(note("b"))
    assert await keys(database) == ["a"]
    await database.close()


@pytest.mark.server
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "not-this"}, "refuses .*password authentication failed.*: correct DATABASE_URL"),
        ({"name": "nowhere"}, 'refuses .*database "nowhere" does not exist.*: correct DATABASE_URL'),
    ],
)
async def test_a_postgres_that_refuses_is_a_clear_error_at_once(
    postgres: Postgres, change: dict[str, str], says: str
) -> None:
    database = Database(postgres.url(**change))
    with pytest.raises(DatabaseError, match=says) as refused:
        await asyncio.wait_for(database.open(), 20)
    assert not any(each in str(refused.value) for each in ("secret", "not-this"))
    await database.close()


async def test_a_postgres_that_is_not_there_is_asked_for_so_long_and_then_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    database = Database(f"postgresql+asyncpg://ada:secret@127.0.0.1:{port}/app")
    with pytest.raises(DatabaseError, match=rf"127\.0\.0\.1:{port}/app cannot be reached .*: start it, or correct"):
        await database.open(patience=0.05)
    assert "cannot be reached" in caplog.text
    assert "secret" not in caplog.text
    await database.close()


@pytest.mark.server
async def test_a_postgres_that_is_stopped_is_a_503_meanwhile_and_used_again_when_it_is_back(postgres: Postgres) -> None:
    database = Database(postgres.database())
    await database.open()
    for _ in range(3):
        await database.write(note(f"{time.monotonic_ns()}"))
    reading = [asyncio.create_task(database.read(endless)) for _ in range(2)]
    await until_one_sleeps(database)
    await asyncio.to_thread(postgres.stop)
    for task in reading:
        with pytest.raises(DatabaseUnavailable, match="cannot be reached: try again in a few seconds"):
            await asyncio.wait_for(task, 10)
    for use in (keys(database), database.write(note("lost"))):
        with pytest.raises(DatabaseUnavailable) as refused:
            await asyncio.wait_for(use, 10)
        assert refused.value.headers == {"retry-after": "5"}
    await asyncio.to_thread(postgres.start)
    assert len(await keys(database)) == 3, "the first read after it is answered"
    await database.write(note("z"))
    await database.close()


@pytest.mark.server
async def test_a_postgres_that_hangs_holds_a_read_for_no_longer_than_it_may(postgres: Postgres) -> None:
    database = Database(postgres.database())
    await database.open()
    assert await keys(database) == []
    postgres.suspend(True)
    try:
        with pytest.raises(DatabaseUnavailable, match=r"took longer than 0\.3 s"):
            await asyncio.wait_for(database.read(keys_of, seconds=0.3), 10)
    finally:
        postgres.suspend(False)
    assert await asyncio.wait_for(keys(database), 20) == []
    await database.close()


def keys_of(session: Session) -> list[str]:
    return [*session.scalars(KEYS)]


OPEN = """
import asyncio, sys, time
from pathlib import Path
from app.database import Database

async def main(folder, start):
    for attempt in range(5):
        await asyncio.sleep(max(start + attempt * 0.5 - time.time(), 0))
        database = Database(f"sqlite:///{folder}/{attempt}/app.db")
        await database.open()
        await database.close()

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


@pytest.mark.server
def test_processes_that_open_a_new_database_at_once_wait_for_each_other(tmp_path: Path) -> None:
    # SQLite refuses at once, whatever time it is given, where two make a new file a WAL.
    command = [sys.executable, "-c", OPEN, str(tmp_path), str(time.time() + 2)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[1]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
