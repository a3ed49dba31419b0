from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app.database import Database, DatabaseError, Lane
from app.errors import ApiError
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

NOTES = (("CREATE TABLE notes (text TEXT UNIQUE)",),)


async def count(database: Database) -> int:
    return int(await database.read(lambda c: c.execute("SELECT count(*) FROM notes").fetchone()[0]))


async def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    for expected in (1, 2):
        database = Database(tmp_path / "deep" / "app.db", {"notes": NOTES})
        await database.open()
        await database.write(lambda c: c.execute("INSERT INTO notes VALUES (hex(randomblob(8)))"))
        assert await count(database) == expected
        await database.close()


async def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES ('a')")
        connection.execute("INSERT INTO notes VALUES ('a')")

    with pytest.raises(sqlite3.IntegrityError):
        await database.write(work)
    assert await count(database) == 0
    await database.close()


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    inside, go_on = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES ('a')")
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await database.write(lambda c: c.execute("INSERT INTO notes VALUES ('b')"))
    assert await count(database) == 1
    await database.close()


async def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    inside, go_on = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES ('a')")
        inside.set()
        assert go_on.wait(10)

    task = asyncio.create_task(database.write(work))
    await eventually_async(inside.is_set)
    assert await asyncio.wait_for(count(database), 5) == 0
    go_on.set()
    await task
    assert await count(database) == 1
    await database.close()


async def test_parts_are_migrated_apart_and_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    for migrations in (
        {"notes": NOTES},
        {"notes": (*NOTES, ("ALTER TABLE notes ADD COLUMN stars INTEGER",))},
        {"other": (("CREATE TABLE other (x)",),)},
        {"notes": (*NOTES, ("ALTER TABLE notes ADD COLUMN stars INTEGER",))},
    ):
        database = Database(path, migrations)
        await database.open()
        await database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO notes (text, stars) VALUES ('a', 5)")
        connection.execute("INSERT INTO other VALUES (1)")
    connection.close()


async def test_a_failing_step_changes_nothing(tmp_path: Path) -> None:
    bad = Database(tmp_path / "app.db", {"notes": (("CREATE TABLE notes (text)", "CREATE NONSENSE"),)})
    with pytest.raises(DatabaseError, match=r"app\.db cannot be opened"):
        await bad.open()
    await bad.close()
    good = Database(tmp_path / "app.db", {"notes": NOTES})
    await good.open()
    assert await count(good) == 0
    await good.close()


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = Database(tmp_path / "app.db", {"notes": (*NOTES, ("CREATE TABLE more (x)",))})
    await newer.open()
    await newer.close()
    older = Database(tmp_path / "app.db", {"notes": NOTES})
    with pytest.raises(DatabaseError, match="newer version"):
        await older.open()
    await older.close()


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"not a database" * 100)
    database = Database(tmp_path / "app.db", {})
    with pytest.raises(DatabaseError, match="move the file away"):
        await database.open()
    await database.close()


async def test_what_is_read_together_is_of_one_moment(tmp_path: Path) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    read, written = threading.Event(), threading.Event()

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        counts = []
        for _ in range(2):
            counts.append(connection.execute("SELECT count(*) FROM notes").fetchone()[0])
            read.set()
            assert written.wait(10)
        return counts

    reading = asyncio.create_task(database.read(count_twice))
    await asyncio.to_thread(read.wait, 10)
    await database.write(lambda connection: connection.execute("INSERT INTO notes VALUES ('a')"))
    written.set()
    assert await reading == [0, 0]
    assert await count(database) == 1
    await database.close()


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[list[asyncio.Task[None]]]]]:
    """Fills a lane of a database with reads that never end by themselves."""
    tasks: list[asyncio.Task[None]] = []

    async def fill(database: Database, lane: Lane, reads: int = 10) -> list[asyncio.Task[None]]:
        begun: list[int] = []

        def endless(connection: sqlite3.Connection) -> None:
            begun.append(1)
            connection.execute(ENDLESS).fetchone()

        tasks.extend(asyncio.create_task(database.read(endless, lane=lane, seconds=60)) for _ in range(reads))
        await eventually_async(lambda: begun)
        return tasks

    yield fill
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Fill = Callable[..., Awaitable[list["asyncio.Task[None]"]]]


@pytest.mark.parametrize("slow", ["main", "library"])
async def test_slow_reads_hold_up_none_of_another_lane(tmp_path: Path, busy: Fill, slow: Lane) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    await busy(database, slow)
    lanes: tuple[Lane, ...] = ("auth", "main", "library")
    for lane in lanes:
        if lane != slow:
            assert await asyncio.wait_for(database.read(lambda _: 1, lane=lane), 10) == 1
    await database.write(lambda connection: connection.execute("INSERT INTO notes VALUES ('a')"))


async def test_a_read_whose_caller_is_cancelled_is_interrupted(tmp_path: Path, busy: Fill) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    for task in await busy(database, "main"):
        task.cancel()
    assert await asyncio.wait_for(count(database), 10) == 0
    await asyncio.wait_for(database.close(), 10)


async def test_a_read_takes_no_longer_than_it_may_waiting_included(tmp_path: Path, busy: Fill) -> None:
    database = Database(tmp_path / "app.db", {"notes": NOTES})
    await database.open()
    with pytest.raises(ApiError, match=r"took longer than 0\.2 s") as refused:
        await database.read(lambda connection: connection.execute(ENDLESS).fetchone(), seconds=0.2)
    assert refused.value.status == 503
    assert await count(database) == 0, "the connection is as it was"

    asked = []
    tasks = await busy(database, "auth", 1)
    waiting = asyncio.create_task(database.read(lambda _: asked.append(1), lane="auth", seconds=0.01))
    await asyncio.sleep(0.05)
    tasks[0].cancel()
    with pytest.raises(ApiError, match="took longer"):
        await asyncio.wait_for(waiting, 10)
    assert asked == [], "nobody waits for the answer any more"


OPEN = """
import asyncio, sys, time
from pathlib import Path
from app.database import Database

async def main(folder, start):
    for attempt in range(20):
        await asyncio.sleep(max(start + attempt * 0.05 - time.time(), 0))
        database = Database(Path(folder, str(attempt), "app.db"), {"notes": [["CREATE TABLE notes (text TEXT)"]]})
        await database.open()
        await database.close()

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def test_processes_that_open_a_new_database_at_once_wait_for_each_other(tmp_path: Path) -> None:
    # SQLite refuses at once, whatever time it is given, where two make a new file a WAL.
    command = [sys.executable, "-c", OPEN, str(tmp_path), str(time.time() + 1)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[1]) for _ in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
