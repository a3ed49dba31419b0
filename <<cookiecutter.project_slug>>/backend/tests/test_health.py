"""What load balancers and operators ask: does the server live, and can it do its work?"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from streamator import EventLog, MemoryStore, StoreError
from streamator.shutdown import end_streams

from app import health
from app.database import Database
from app.health import Readiness
from app.settings import Settings
from app.storage import Folder
from tests.process import Process, free_port, redis_server
from tests.support import RunningApp, eventually

RunApp = Callable[..., RunningApp]

FILES = Folder(Path("nowhere"))  # it answers that there is none


class Store(MemoryStore):
    """A store that answers as a test wants, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.problem: str | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def find(self, job_id: str) -> EventLog | None:
        self.asked += 1
        await self.answers.wait()
        if self.problem is not None:
            raise StoreError(self.problem)
        return await super().find(job_id)


class Written(Database):
    """A database that has written at once, whatever else the machine does."""

    async def write(self, *_: object, **__: object) -> Any:
        return None


def test_a_server_that_can_work_is_ready(run_app: RunApp) -> None:
    answer = run_app().client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.anyio
async def test_a_store_that_cannot_be_read_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    store = Store()
    readiness = Readiness(store, database, FILES)
    assert await readiness.problems() == []
    store.problem = "the table cannot be read: no route to host"
    assert await readiness.problems() == [store.problem]
    store.problem = None
    assert await readiness.problems() == []


@pytest.mark.anyio
async def test_a_store_that_is_not_well_by_its_own_account_is_named(database: Database) -> None:
    class Degraded(Store):
        degraded = "writing fails since 12:00"

    assert await Readiness(Degraded(), database, FILES).problems() == ["writing fails since 12:00"]


@pytest.mark.anyio
async def test_however_many_ask_there_is_one_look_at_a_time_and_none_sooner_than_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    store = Store()
    readiness = Readiness(store, Written(f"sqlite:///{tmp_path / 'app.db'}"), FILES)
    store.answers.clear()
    told = await asyncio.gather(*(readiness.problems() for _ in range(50)))
    assert told == [["the store has not answered within 0.05 s"]] * 50
    assert await readiness.problems() == told[0]
    assert store.asked == 1
    store.answers.set()
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 10.0)
    assert await asyncio.gather(*(readiness.problems() for _ in range(50))) == [[]] * 50
    assert store.asked == 1
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    assert await readiness.problems() == []
    assert store.asked == 2


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_database_that_takes_no_write_is_a_503_until_it_does(
    run_app: RunApp, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.1)
    running = run_app()
    connection = sqlite3.connect(settings().data_dir / "app.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")  # what another process does that hangs in the middle of a write
    answer = running.client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json() == {"error": "the database has not answered within 0.1 s"}
    assert running.client.get("/healthz").status_code == 200
    connection.execute("ROLLBACK")
    eventually(lambda: running.client.get("/readyz").status_code == 200)
    connection.close()


@pytest.mark.anyio
async def test_a_database_that_refuses_a_write_is_named(database: Database) -> None:
    await database.write(lambda session: session.execute(text("DROP TABLE alembic_version")))
    (problem,) = await Readiness(MemoryStore(), database, FILES).problems()
    assert re.match("the database cannot be written: .*(no such table|relation).*alembic_version", problem)


def test_a_server_that_is_told_to_stop_is_not_ready(run_app: RunApp) -> None:
    running = run_app()
    end_streams()  # as SIGTERM does
    answer = running.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"error": "the server is stopping"})


def test_06_a_store_that_is_down_at_the_start_is_told_and_holds_nothing_up(launch: Callable[..., Process]) -> None:
    port = free_port()
    server = launch(STREAMATOR_STORE="redis", STREAMATOR_REDIS_URL=f"redis://127.0.0.1:{port}/0")
    refused = threading.Thread(target=server.client.get, args=("/readyz",))
    refused.start()
    before = time.monotonic()
    assert server.client.get("/healthz").status_code == 200
    assert time.monotonic() - before < 1
    refused.join(30)
    answer = eventually(lambda: (found := server.client.get("/readyz")).status_code == 503 and found)
    assert f"Redis at 127.0.0.1:{port}" in answer.json()["error"]
    assert server.client.get("/healthz").json()["status"] == "degraded"
    with redis_server(port):
        eventually(lambda: server.client.get("/readyz").status_code == 200, 30)
        assert server.client.get("/healthz").json()["status"] == "ok"
