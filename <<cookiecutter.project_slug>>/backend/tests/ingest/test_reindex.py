from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.datastructures import State
from streamator import MemoryStore

from app.database import Database
from app.ingest.documents import Library, Unindexed
from app.ingest.extractor import Extractor
from app.ingest.reindex import index_anew, reindex
from app.jobs import JobError, JobRunner, JobTable
from app.jobs.engines.inline import InlineEngine
from app.searches import Searches
from app.settings import Settings
from app.terms import pack_terms
from app.users import LOCAL_USER, User
from tests.earlier import earlier_database
from tests.here import Here
from tests.ingest.archives import archive_in
from tests.support import RunningApp, eventually

pytestmark = pytest.mark.anyio

DOCUMENTS = 5


def old_library(directory: Path) -> None:
    """A database as it was when SQLite made words of the texts."""
    rows = [
        (
            f"d{number}", "local", f"{number:064}", f"Títle {number}", "x.txt", "x.txt", "text", 2, 10,
            "2026-01-01T00:00:00+00:00", f"東京都の文書 number{number}",
        )
        for number in range(DOCUMENTS)
    ]  # fmt: skip
    with earlier_database(directory / "app.db", ingest=3) as connection:
        connection.executemany(
            "INSERT INTO documents (id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, "
            "text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


class Maker(Extractor):
    """Makes terms here; refuses the texts that it is told to."""

    def __init__(self, refused: str = "\0") -> None:
        super().__init__(Here())
        self.refused = refused
        self.made: list[str] = []

    async def make_terms(self, texts: Sequence[str], path: Path) -> list[bytes]:
        await asyncio.sleep(0)
        if any(self.refused in text for text in texts):
            raise JobError("too large")
        self.made += texts
        return [pack_terms(text) for text in texts]


class Server:
    """What a server has of the library."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.archive = archive_in(directory)
        self.database = Database(f"sqlite:///{directory / 'app.db'}")
        self.library = Library(self.database, self.archive, Searches(self.database, Here()))

    async def open(self) -> Server:
        await self.archive.open()
        await self.database.open()
        return self

    async def index_anew(self, maker: Extractor, **options: Any) -> None:
        await index_anew(self.library, self.archive, maker, **options)

    @asynccontextmanager
    async def serves(self, maker: Extractor) -> AsyncIterator[None]:
        """The server with its jobs, of which making the index anew is one where it has to be."""
        state, engine = State(), InlineEngine()
        state.ingest = SimpleNamespace(library=self.library, archive=self.archive, extractor=maker)
        jobs = JobRunner(JobTable(self.database), MemoryStore(), [reindex], state, engine, limit=1, pause=0.01)
        watch = asyncio.create_task(jobs.watch())
        try:
            yield
        finally:
            watch.cancel()
            await jobs.shutdown()
            await engine.close()

    async def indexed(self) -> None:
        """Waits until all documents are."""
        ends_at = time.monotonic() + 10
        while await self.library.unindexed():
            assert time.monotonic() < ends_at, "there are documents without an index"
            await asyncio.sleep(0.01)

    async def found(self, query: str) -> tuple[int, int | None]:
        documents = await self.library.find(query, user=LOCAL_USER)
        return documents.total, documents.unindexed


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[Server]]:
    old_library(tmp_path)
    made = [await Server(tmp_path).open(), await Server(tmp_path).open()]
    yield made
    for each in made:
        await each.library.close()
        await each.database.close()


async def test_a_search_says_how_much_it_cannot_find_yet(servers: list[Server]) -> None:
    server = servers[0]
    assert await server.found("東京") == (0, DOCUMENTS)
    assert (await server.library.find("東京", user=User("2", "Ben"))).unindexed is None
    await server.index_anew(Extractor(Here()))
    assert await server.found("東京") == (DOCUMENTS, None)
    assert await server.found("title number3") == (1, None)
    assert list((server.directory / "work").iterdir()) == []


async def test_what_was_broken_off_goes_on_where_it_was(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server, two_done, index = servers[0], asyncio.Event(), servers[0].library.index

    async def slow(document: Unindexed, terms: bytes) -> None:
        if await server.library.unindexed() == DOCUMENTS - 2:
            two_done.set()
            await asyncio.Event().wait()
        await index(document, terms)

    monkeypatch.setattr(server.library, "index", slow)
    begun = asyncio.create_task(server.index_anew(Maker()))
    await asyncio.wait_for(two_done.wait(), 10)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert await server.found("東京") == (2, DOCUMENTS - 2)
    maker = Maker()
    await servers[1].index_anew(maker)
    assert len(maker.made) == DOCUMENTS - 2
    assert await server.found("東京") == (DOCUMENTS, None)


async def test_one_of_several_servers_does_it(servers: list[Server]) -> None:
    makers = Maker(), Maker()
    async with servers[0].serves(makers[0]), servers[1].serves(makers[1]):
        await servers[0].indexed()
    assert sorted(len(maker.made) for maker in makers) == [0, DOCUMENTS]


async def test_a_document_that_cannot_be_indexed_keeps_no_other_from_it(
    servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    await servers[0].index_anew(Maker(refused="number2"))
    assert await servers[0].found("東京") == (DOCUMENTS - 1, 1)
    assert "cannot be indexed: too large" in caplog.text


async def test_after_an_error_it_goes_on(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server, index, failures = servers[0], servers[0].library.index, [sqlite3.OperationalError("disk is full")]

    async def fails_once(document: Unindexed, terms: bytes) -> None:
        if failures:
            raise failures.pop()
        await index(document, terms)

    monkeypatch.setattr(server.library, "index", fails_once)
    async with server.serves(Maker()):
        await server.indexed()
    assert await server.found("東京") == (DOCUMENTS, None)


async def test_a_document_that_is_deleted_meanwhile_is_not_indexed(servers: list[Server]) -> None:
    library = servers[0].library
    (newest, *_) = await library.to_index(1)
    assert await library.remove(f"d{DOCUMENTS - 1}", user=LOCAL_USER)
    await library.index(newest, pack_terms(newest.text))
    assert await library.unindexed() == DOCUMENTS - 1
    assert await servers[0].found("東京") == (0, DOCUMENTS - 1)


async def test_nothing_of_a_document_stays_in_the_index_when_it_is_deleted(servers: list[Server]) -> None:
    server = servers[0]
    await server.index_anew(Maker())
    for number in range(DOCUMENTS):
        assert await server.library.remove(f"d{number}", user=LOCAL_USER)

    def terms(session: Session) -> list[str]:
        for index in ("documents_index", "titles_index"):
            session.execute(text(f"CREATE VIRTUAL TABLE temp.of_{index} USING fts5vocab (main, {index}, row)"))
        statement = "SELECT term FROM of_documents_index UNION ALL SELECT term FROM of_titles_index"
        return [*session.scalars(text(statement))]

    assert await server.database.write(terms) == []


@pytest.mark.server
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_an_existing_library_is_indexed_while_the_app_serves(
    run_app: Callable[..., RunningApp], settings: Callable[..., Settings]
) -> None:
    old_library(settings().data_dir)
    running = run_app()
    assert running.client.get("/api/documents").json()["total"] == DOCUMENTS
    eventually(lambda: "unindexed" not in running.client.get("/api/documents?q=東京").json())
    assert running.client.get("/api/documents?q=東京").json()["total"] == DOCUMENTS
