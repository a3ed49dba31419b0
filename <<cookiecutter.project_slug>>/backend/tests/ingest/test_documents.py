from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.database import Database
from app.ingest.archive import Archive
from app.ingest.documents import MIGRATIONS, Library, NewDocument
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

CONTENT = b"some words"
NEW = NewDocument(
    sha256=hashlib.sha256(CONTENT).hexdigest(), title="T", source="x.txt", file_name="x.txt",
    kind="text", words=2, bytes=len(CONTENT), text="some words",
)  # fmt: skip


class Shelf:
    """A library on a directory, and what is in it."""

    def __init__(self, directory: Path) -> None:
        self.archive = Archive(directory / "archive")
        self.database = Database(directory / "app.db", {"ingest": MIGRATIONS})
        self.library = Library(self.database, self.archive)

    def arrival(self) -> Path:
        path = self.archive.new_path()
        path.write_bytes(CONTENT)
        return path

    @property
    def kept(self) -> bool:
        return self.archive.path(NEW.sha256).exists()


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path)
    await made.archive.open()
    await made.database.open()
    yield made
    await made.library.close()
    await made.database.close()


async def test_row_and_original_are_there_together(shelf: Shelf) -> None:
    arrival = shelf.arrival()
    document, added = await shelf.library.add(NEW, arrival)
    assert (added, shelf.kept, arrival.exists()) == (True, True, False)
    again, added = await shelf.library.add(NEW, shelf.arrival())
    assert (again.id, added) == (document.id, False)


async def test_cancelling_while_the_writer_is_busy_ends_at_once_and_leaves_nothing(shelf: Shelf) -> None:
    busy, release = threading.Event(), threading.Event()

    def block(connection: sqlite3.Connection) -> None:
        busy.set()
        assert release.wait(10)

    blocker = asyncio.create_task(shelf.database.write(block))
    await eventually_async(busy.is_set)
    adding = asyncio.create_task(shelf.library.add(NEW, shelf.arrival()))
    await asyncio.sleep(0.05)
    before = time.monotonic()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert time.monotonic() - before < 0.2
    release.set()
    await blocker
    await shelf.library.close()
    assert not shelf.kept
    assert (await shelf.library.find()).total == 0


async def test_cancelling_in_mid_write_leaves_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    keep = shelf.archive.keep

    def slow_keep(arrived: Path, sha256: str) -> Path:
        kept = keep(arrived, sha256)
        inside.set()
        assert go_on.wait(10)
        return kept

    monkeypatch.setattr(shelf.archive, "keep", slow_keep)
    adding = asyncio.create_task(shelf.library.add(NEW, shelf.arrival()))
    await eventually_async(inside.is_set)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert shelf.kept
    go_on.set()
    await shelf.library.close()
    assert not shelf.kept
    assert (await shelf.library.find()).total == 0


async def test_an_original_that_cannot_be_kept_leaves_no_row(shelf: Shelf) -> None:
    with pytest.raises(FileNotFoundError):
        await shelf.library.add(NEW, shelf.archive.new_path())
    assert (await shelf.library.find()).total == 0
    assert (await shelf.library.add(NEW, shelf.arrival()))[1]


async def test_removing_removes_both(shelf: Shelf) -> None:
    document, _ = await shelf.library.add(NEW, shelf.arrival())
    assert await shelf.library.remove(document.id)
    assert not shelf.kept
    assert not await shelf.library.remove(document.id)


async def test_what_a_killed_server_left_is_cleared_away_when_it_is_old(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    await archive.open()
    old, fresh = archive.new_path(), archive.new_path()
    for path in (old, fresh):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    await archive.open()
    assert (old.exists(), fresh.exists()) == (False, True)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
async def test_only_a_hash_names_an_original(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        Archive(tmp_path).path(name)
