from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import features  # noqa: F401  # their models
from app.auth.accounts import Accounts
from app.auth.models import Attempt
from app.database import Database, DatabaseError, DatabaseUnavailable, Lane
from app.ingest.documents import Library
from app.jobs import JobTable
from app.migrations.hand_made import STEPS
from app.models import Base
from app.searches import Searches
from app.terms import pack_terms
from app.users import LOCAL_USER, User
from tests.earlier import earlier_database
from tests.here import Here
from tests.ingest.archives import archive_in
from tests.postgres import Postgres
from tests.process import free_port
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
    await until_one_sleeps(database)
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


EARLIER = """
INSERT INTO jobs (job_id, kind, source, status, created_at, finished_at, result, user_id, server) VALUES
    ('j1', 'ingest', 'a.txt', 'completed', '2026-01-02T03:04:05+00:00', '2026-01-02T03:04:06.5+00:00',
     '{"document_id": "d1"}', 'u1', NULL);
INSERT INTO auth_users VALUES ('u1', 'Ada', 'ada', 'a hash', '2026-01-01T00:00:00+00:00');
INSERT INTO auth_sessions VALUES ('s1', 'u1', x'01', NULL, NULL, 9e9);
INSERT INTO auth_attempts VALUES (x'02', 1.5, 1e9);
INSERT INTO documents VALUES
    (7, 'd1', 'u1', 'h2', 'Títle', 'https://a.example/', 'a.txt', 'text', 2, 10, '2026-01-02T03:04:05+00:00',
     'some words');
INSERT INTO document_versions VALUES
    (1, 'd1', 1, 'u1', 'h1', 'Before', 'https://a.example/', 'a.txt', 'text', 1, 5, '2026-01-01T00:00:00+00:00',
     'words');
INSERT INTO validators VALUES (1, 'u1', 'https://a.example/', 'document', 'https://a.example/', '"1"', NULL);
INSERT INTO runs VALUES (1, 'j2', 'u1', 'summary', 'extractive', 'short', 'text', 'output', NULL);
INSERT INTO agent_runs VALUES (1, 'r1', '2026-01-01T00:00:00+00:00');
INSERT INTO agent_findings VALUES
    (3, 'd1', 'indexer', 'u1', 'T', 'completed', '{}', '2026-01-01T00:00:00+00:00', 2);
INSERT INTO agent_index (rowid, text) VALUES (3, 'some words')
"""


async def test_a_database_of_version_0_3_0_is_taken_over_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with earlier_database(path) as connection:
        for statement in EARLIER.split(";\n"):
            connection.execute(statement)
        position_and_terms = (7, "title", pack_terms("some words"))
        connection.execute("INSERT INTO document_terms VALUES (?, ?, ?)", position_and_terms)
        connection.execute("INSERT INTO documents_index (rowid, title, text) VALUES (7, 'title', 'some words')")
        connection.execute("INSERT INTO titles_index (rowid, title) VALUES (7, 'title')")
        connection.commit()
        before = contents(connection)
    for _ in range(2):
        database = Database(f"sqlite:///{path}")
        await database.open()
        await database.migrate(have_no_differences)
        ada = User("u1", "Ada")
        jobs = await JobTable(database).latest(9, user=ada)
        assert [(job.job_id, job.document_id, job.created_at.isoformat()) for job in jobs] == [
            ("j1", "d1", "2026-01-02T03:04:05+00:00")
        ]
        library = Library(database, archive_in(tmp_path), Searches(database, Here()))
        assert [each.id for each in (await library.find("title words", user=ada)).documents] == ["d1"]
        assert [each.version for each in await library.versions("d1", user=ada)] == [2, 1]
        account = await Accounts(database).find("ADA")
        assert account is not None
        assert (account.user, account.password) == (ada, "a hash")
        await database.close()
    with closing(sqlite3.connect(path)) as connection:
        after = contents(connection)
    new = Database(f"sqlite:///{tmp_path / 'new.db'}")
    await new.open()
    await new.close()
    assert references(path) == references(tmp_path / "new.db")
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() == {"alembic_version"}


async def test_a_database_of_any_step_before_0_3_0_is_taken_over(tmp_path: Path) -> None:
    for number in range(max(map(len, STEPS.values()))):
        path = tmp_path / str(number) / "app.db"
        # The step of the dashboard came after the second of the jobs.
        steps = {**dict.fromkeys(STEPS, number), "dashboard": number // 2}
        with earlier_database(path, **steps) as connection:
            if number:
                connection.execute(
                    "INSERT INTO documents (id, sha256, title, source, file_name, kind, words, bytes, created_at, text)"
                    " VALUES ('d1', 'h', 'T', 's', 'f', 'text', 1, 1, '2026-01-01T00:00:00+00:00', 'words')"
                )
        database = Database(f"sqlite:///{path}")
        await database.open()
        await database.migrate(have_no_differences)
        library = Library(database, archive_in(tmp_path), Searches(database, Here()))
        assert [each.id for each in (await library.find(user=LOCAL_USER)).documents] == ["d1"] * bool(number)
        await database.close()


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables, but for those that only counted the steps."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = [name for (name,) in tables if name != "schema_versions"]
    return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}


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
    await database.write(note(b"a"))
    event.listen(database._engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON"))
    with pytest.raises(DatabaseUnavailable, match=r"takes nothing .*readonly.*: try again later"):
        await database.write(note(b"b"))
    assert await keys(database) == [b"a"]
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
        await database.write(note(f"{time.monotonic_ns()}".encode()))
    reading = [asyncio.create_task(database.read(endless)) for _ in range(2)]
    await until_one_sleeps(database)
    await asyncio.to_thread(postgres.stop)
    for task in reading:
        with pytest.raises(DatabaseUnavailable, match="cannot be reached: try again in a few seconds"):
            await asyncio.wait_for(task, 10)
    for use in (keys(database), database.write(note(b"lost"))):
        with pytest.raises(DatabaseUnavailable) as refused:
            await asyncio.wait_for(use, 10)
        assert refused.value.headers == {"retry-after": "5"}
    await asyncio.to_thread(postgres.start)
    assert len(await keys(database)) == 3, "the first read after it is answered"
    await database.write(note(b"z"))
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


def keys_of(session: Session) -> list[bytes]:
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
