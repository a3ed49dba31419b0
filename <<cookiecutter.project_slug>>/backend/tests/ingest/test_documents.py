from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.database import Database
from app.ingest import documents
from app.ingest.documents import Library, LibraryFull, NewDocument
from app.ingest.index import make_entry, put_entry
from app.ingest.models import DocumentRow
from app.ingest.search import Search, TooManyWords
from app.processes import Processes
from app.searches import Searches, SearchFailed
from app.snapshot import snapshot
from app.terms import pack_terms
from app.users import User
from tests.here import Here
from tests.ingest.archives import archive_in, arrival
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

ANN, BEN = User("1", "Ann"), User("2", "Ben")
CONTENT = b"some words"
NEW = NewDocument(
    sha256=hashlib.sha256(CONTENT).hexdigest(), title="T", source="x.txt", file_name="x.txt",
    kind="text", words=2, bytes=len(CONTENT), text="some words",
)  # fmt: skip


class Shelf:
    """A library on a directory, and what is in it."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.archive = archive_in(directory)
        self.database = database
        self.library = Library(self.database, self.archive, Searches(self.database, Here()))

    def arrival(self) -> Path:
        return arrival(self.directory, CONTENT)

    @property
    def kept(self) -> bool:
        return self.keeps(NEW)

    def keeps(self, document: NewDocument) -> bool:
        """Whether the original of a document is there."""
        return (self.directory / "archive" / self.archive.key(document.sha256)).exists()


@pytest.fixture
async def shelf(tmp_path: Path, database: Database) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path, database)
    await made.archive.open()
    yield made
    await made.library.close()


async def test_an_original_that_the_storage_is_slow_to_keep_holds_up_nobody_who_writes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on, put = asyncio.Event(), asyncio.Event(), shelf.archive.storage.put

    async def slow(key: str, content: AsyncIterable[bytes]) -> None:
        begun.set()
        await goes_on.wait()
        await put(key, content)

    monkeypatch.setattr(shelf.archive.storage, "put", slow)
    adding = asyncio.create_task(shelf.library.add(NEW, shelf.arrival(), user=ANN))
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.wait_for(shelf.database.write(lambda session: session.execute(text("SELECT 1"))), 10)
    assert not shelf.kept
    goes_on.set()
    await adding
    assert shelf.kept


async def test_row_and_original_are_there_together(shelf: Shelf) -> None:
    arrival = shelf.arrival()  # its job's to remove
    document, added = await shelf.library.add(NEW, arrival, user=ANN)
    assert (added, shelf.kept, arrival.exists()) == (True, True, True)
    again, added = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    assert (again.id, added) == (document.id, False)


def different(number: int, length: int = len(CONTENT)) -> NewDocument:
    return replace(NEW, sha256=hashlib.sha256(b"%d" % number).hexdigest(), bytes=length)


async def test_a_user_keeps_so_many_documents_and_has_room_again_when_one_is_deleted(shelf: Shelf) -> None:
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, Here()), max_documents=2)
    first, _ = await library.add(different(1), shelf.arrival(), user=ANN)
    await library.ensure_room(user=ANN)
    await library.add(different(2), shelf.arrival(), user=ANN)
    arrival = shelf.arrival()
    with pytest.raises(LibraryFull) as refused:
        await library.add(different(3), arrival, user=ANN)
    assert str(refused.value) == "The library has 2 documents, and MAX_DOCUMENTS_PER_USER is 2: delete some."
    with pytest.raises(LibraryFull):
        await library.ensure_room(user=ANN)
    assert arrival.exists(), "it is its job's to remove"
    await library.add(different(2), shelf.arrival(), user=ANN)  # it is there already
    await library.add(different(3), shelf.arrival(), user=BEN)
    await library.remove(first.id, user=ANN)
    await library.add(different(3), shelf.arrival(), user=ANN)


async def test_a_users_originals_take_so_much_together(shelf: Shelf) -> None:
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, Here()), max_bytes=1_000)
    await library.add(different(1, 600), shelf.arrival(), user=ANN)
    with pytest.raises(LibraryFull) as refused:
        await library.add(different(2, 401), shelf.arrival(), user=ANN)
    assert str(refused.value) == (
        "The library's originals take 600 bytes, and MAX_ARCHIVE_MB_PER_USER allows 1 kB, too little for 401 bytes "
        "more: delete some documents."
    )
    await library.ensure_room(user=ANN)
    await library.add(different(2, 400), shelf.arrival(), user=ANN)
    with pytest.raises(LibraryFull):
        await library.ensure_room(user=ANN)
    await library.add(different(3, 1_000), shelf.arrival(), user=BEN)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_cancelling_while_the_writer_is_busy_ends_at_once_and_leaves_nothing(shelf: Shelf) -> None:
    busy, release = threading.Event(), threading.Event()

    def block(session: Session) -> None:
        busy.set()
        assert release.wait(10)

    blocker = asyncio.create_task(shelf.database.write(block))
    await eventually_async(busy.is_set)
    adding = asyncio.create_task(shelf.library.add(NEW, shelf.arrival(), user=ANN))
    await asyncio.sleep(0.05)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert not blocker.done()  # it was not waited for
    release.set()
    await blocker
    await shelf.library.close()
    assert not shelf.kept
    assert (await shelf.library.find(user=ANN)).total == 0


async def test_cancelling_in_mid_write_leaves_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow_index(*_: object) -> None:
        inside.set()
        assert go_on.wait(10)
        raise RuntimeError("rolled back")

    monkeypatch.setattr(documents, "_index", slow_index)
    adding = asyncio.create_task(shelf.library.add(NEW, shelf.arrival(), user=ANN))
    await eventually_async(inside.is_set)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert shelf.kept
    go_on.set()
    await shelf.library.close()
    assert not shelf.kept
    assert (await shelf.library.find(user=ANN)).total == 0


async def test_an_original_that_cannot_be_kept_leaves_no_row(shelf: Shelf) -> None:
    with pytest.raises(FileNotFoundError):
        await shelf.library.add(NEW, shelf.directory / "none", user=ANN)
    assert (await shelf.library.find(user=ANN)).total == 0
    assert (await shelf.library.add(NEW, shelf.arrival(), user=ANN))[1]


async def test_removing_removes_both(shelf: Shelf) -> None:
    document, _ = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    assert await shelf.library.remove(document.id, user=ANN)
    assert not shelf.kept
    assert not await shelf.library.remove(document.id, user=ANN)


async def test_a_user_has_their_own_documents_of_one_original(shelf: Shelf) -> None:
    hers, added = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    his, added_too = await shelf.library.add(NEW, shelf.arrival(), user=BEN)
    assert (added, added_too, hers.id != his.id) == (True, True, True)
    assert [each.id for each in (await shelf.library.find(user=ANN)).documents] == [hers.id]
    found = await shelf.library.find("words", user=BEN)
    assert ([each.id for each in found.documents], found.total) == ([his.id], 1)
    assert await shelf.library.get(hers.id, user=BEN) is None
    assert await shelf.library.original(hers.id, user=BEN) is None
    assert not await shelf.library.remove(hers.id, user=BEN)
    assert await shelf.library.remove(hers.id, user=ANN)
    assert shelf.kept
    assert await shelf.library.remove(his.id, user=BEN)
    assert not shelf.kept


async def test_the_newest_document_of_a_source_is_found(shelf: Shelf) -> None:
    assert await shelf.library.from_source("x.txt", user=ANN) is None
    await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    newer = replace(NEW, sha256="1" * 64)
    document, _ = await shelf.library.add(newer, shelf.arrival(), user=ANN)
    found = await shelf.library.from_source("x.txt", user=ANN)
    assert found is not None
    assert found.id == document.id
    assert await shelf.library.from_source("x.txt", user=BEN) is None


async def test_of_many_finds_those_with_it_in_their_title_come_first_and_then_the_newest(shelf: Shelf) -> None:
    rows = []
    for number in range(1, 602):
        title, words = ("fox" if number in (7, 9) else "T"), "fox " * (601 - number) + "fox"
        entry = await make_entry(title, pack_terms(words), for_postgres=shelf.database.is_postgres)
        rows.append((row_of(f"d{number}", sha256=str(number), title=title, text=words), entry))

    def put(session: Session) -> None:
        for row, entry in rows:
            session.add(row)
            session.flush()
            put_entry(session, row.position, entry)

    await shelf.database.write(put)
    found = await shelf.library.find("fox", 4, user=ANN)
    assert ([each.id for each in found.documents], found.total) == (["d9", "d7", "d601", "d600"], 601)


def row_of(identifier: str, **values: Any) -> DocumentRow:
    given = {
        "sha256": "0",
        "title": "T",
        "source": "x",
        "file_name": "x",
        "kind": "text",
        "words": 1,
        "bytes": 1,
        **values,
    }
    return DocumentRow(id=identifier, user_id="1", created_at=datetime(2026, 1, 1, tzinfo=timezone.utc), **given)


async def test_a_word_in_each_line_of_a_long_text_is_found_at_once(shelf: Shelf) -> None:
    words = "It was a long text; whoever waited for it could see how far it had come.\n" * 50_000
    await shelf.library.add(replace(NEW, text=words), shelf.arrival(), user=ANN)
    # The time it takes is in proportion to the text. SQLite's own snippet would be at it for most of a minute.
    found = await asyncio.wait_for(shelf.library.find("wait", user=ANN), 10)
    assert "whoever \x02wait\x03ed" in found.documents[0].snippet


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_texts_are_read_in_a_lane_where_nothing_short_waits(shelf: Shelf) -> None:
    document, _ = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    over = threading.Event()
    held = [shelf.database.read(lambda _: over.wait(30), lane="library") for _ in range(2)]
    both = asyncio.gather(*held)
    await asyncio.sleep(0)
    piece = asyncio.create_task(shelf.library.piece(document.id, 0, 4, user=ANN, version=1))
    whole = asyncio.create_task(shelf.library.document(document.id))
    for _ in range(3):  # each behind the texts, if they were in one lane
        assert (await asyncio.wait_for(shelf.library.find("", user=ANN), 10)).total == 1
    assert (piece.done(), whole.done()) == (False, False)
    over.set()
    assert await both == [True, True]
    text = await whole
    assert text is not None
    assert await piece == text.text[:4]


async def test_what_a_killed_server_left_is_cleared_away_when_it_is_old(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    old, fresh = tmp_path / "archive" / archive.new_upload(), tmp_path / "archive" / archive.new_upload()
    old_work, fresh_work = tmp_path / "work" / "old", tmp_path / "work" / "fresh"
    broken_off = tmp_path / "archive" / ".arriving" / "x"
    for path in (old, fresh, old_work / "x", fresh_work / "x", broken_off):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for path in (old, old_work, broken_off):
        os.utime(path, (0, 0))
    await archive.open()
    assert [each.exists() for each in (old, fresh, old_work, fresh_work, broken_off)] == [
        False,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
async def test_only_a_hash_names_an_original(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        archive_in(tmp_path).key(name)


async def test_a_changed_page_is_a_version_of_its_document(shelf: Shelf) -> None:
    first, _ = await shelf.library.add(replace(NEW, text="old words"), shelf.arrival(), user=ANN)
    second, added = await shelf.library.add(different(2), shelf.arrival(), user=ANN, replaces=first.id)
    third, _ = await shelf.library.add(different(3), shelf.arrival(), user=ANN, replaces=first.id)
    assert (second.id, second.version, added) == (first.id, 2, True)
    assert (third.id, third.version) == (first.id, 3)

    found = await shelf.library.find(user=ANN)
    assert [(each.id, each.version) for each in found.documents] == [(first.id, 3)]
    assert (await shelf.library.find("old", user=ANN)).total == 0
    assert (await shelf.library.find("words", user=ANN)).total == 1

    versions = await shelf.library.versions(first.id, user=ANN)
    assert [each.version for each in versions] == [3, 2, 1]
    # Others, who work on documents, are to know of it.
    assert await shelf.library.document_versions() == {first.id: ("1", 3)}
    as_source = await shelf.library.document(first.id)
    assert as_source is not None
    assert (as_source.text, as_source.version) == ("some words", 3)
    oldest = await shelf.library.get(first.id, user=ANN, version=1)
    assert oldest is not None
    assert (oldest.text, oldest.version, oldest.created_at) == ("old words", 1, first.created_at)
    newest = await shelf.library.get(first.id, user=ANN)
    assert newest is not None
    assert (newest.text, newest.version) == ("some words", 3)
    original = await shelf.library.original(first.id, user=ANN, version=1)
    assert original == (shelf.archive.key(NEW.sha256), "x.txt")
    assert await shelf.library.get(first.id, user=ANN, version=4) is None

    assert await shelf.library.versions(first.id, user=BEN) == []
    assert await shelf.library.get(first.id, user=BEN, version=1) is None
    assert await shelf.library.original(first.id, user=BEN, version=1) is None


async def test_a_document_goes_with_all_of_its_versions_and_their_originals(shelf: Shelf) -> None:
    document, _ = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    await shelf.library.add(NEW, shelf.arrival(), user=BEN)
    await shelf.library.add(different(2), shelf.arrival(), user=ANN, replaces=document.id)
    await shelf.library.add(different(3), shelf.arrival(), user=ANN, replaces=document.id)
    assert await shelf.library.remove(document.id, user=ANN)
    assert await shelf.library.versions(document.id, user=ANN) == []
    kept = [shelf.keeps(each) for each in (NEW, different(2), different(3))]
    assert kept == [True, False, False]  # the first is Ben's too


async def test_a_page_that_is_again_what_it_was_is_a_version_too(shelf: Shelf) -> None:
    first, _ = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    await shelf.library.add(different(2), shelf.arrival(), user=ANN, replaces=first.id)
    again, added = await shelf.library.add(NEW, shelf.arrival(), user=ANN, replaces=first.id)
    assert (again.id, again.version, added) == (first.id, 3, True)
    unchanged, added = await shelf.library.add(NEW, shelf.arrival(), user=ANN, replaces=first.id)
    assert (unchanged.version, added) == (3, False)


async def test_only_ones_own_document_that_is_there_is_replaced(shelf: Shelf) -> None:
    hers, _ = await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    his, _ = await shelf.library.add(different(2), shelf.arrival(), user=BEN, replaces=hers.id)
    assert (his.id != hers.id, his.version) == (True, 1)
    await shelf.library.remove(hers.id, user=ANN)
    new, _ = await shelf.library.add(different(3), shelf.arrival(), user=ANN, replaces=hers.id)
    assert (new.id != hers.id, new.version) == (True, 1)


async def test_earlier_versions_count_in_what_a_user_may_have(shelf: Shelf) -> None:
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, Here()), max_documents=2)
    document, _ = await library.add(different(1), shelf.arrival(), user=ANN)
    await library.add(different(2), shelf.arrival(), user=ANN, replaces=document.id)
    with pytest.raises(LibraryFull) as refused:
        await library.add(different(3), shelf.arrival(), user=ANN, replaces=document.id)
    assert str(refused.value) == (
        "The library has 1 document and 1 earlier version, and MAX_DOCUMENTS_PER_USER is 2: delete some."
    )
    assert [each.version for each in await library.versions(document.id, user=ANN)] == [2, 1], "it is as it was"
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, Here()), max_bytes=3 * len(CONTENT) - 1)
    with pytest.raises(LibraryFull):
        await library.add(different(3), shelf.arrival(), user=ANN, replaces=document.id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_character_that_begins_thousands_of_terms_is_found_as_fast_as_a_word(shelf: Shelf) -> None:
    chance = random.Random(1)

    def fill(session: Session) -> None:
        statement = text("INSERT INTO documents_index (rowid, title, text) VALUES (:position, '', :text)")
        for position in range(1, 1_001):
            terms = " ".join(f"的{chr(0x4E00 + chance.randrange(4_000))}" for _ in range(200))
            session.execute(statement, {"position": position, "text": f"word {terms}"})

    def seconds(query: str) -> Callable[[Session], float]:
        def count(session: Session) -> float:
            started = time.thread_time()
            statement = text("SELECT count(*) FROM documents_index WHERE documents_index MATCH :words")
            assert session.scalar(statement, {"words": Search(query).expression}) == 1_000
            return time.thread_time() - started

        return count

    await shelf.database.write(fill)
    word, character = [min([await shelf.database.read(seconds(query)) for _ in range(9)]) for query in ("word", "的")]
    assert character < 10 * word


async def test_a_search_is_done_in_a_process_and_finds_the_same(shelf: Shelf) -> None:
    await shelf.library.add(NEW, shelf.arrival(), user=ANN)
    processes = Processes()
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, processes))
    assert await library.find("words", user=ANN) == await shelf.library.find("words", user=ANN)
    with pytest.raises(TooManyWords, match="more than 16 words"):
        await library.find(" ".join(f"w{number}" for number in range(17)), user=ANN)
    await processes.close()


async def test_a_search_that_takes_too_long_is_ended_and_holds_up_no_reader(shelf: Shelf) -> None:
    processes = Processes(seconds=0.5, command=(sys.executable, "-c", "import time; time.sleep(60)"))
    library = Library(shelf.database, shelf.archive, Searches(shelf.database, processes))
    searches = [asyncio.create_task(library.find("words", user=ANN)) for _ in range(4)]
    await asyncio.sleep(0)
    assert (await shelf.library.find(user=ANN)).total == 0
    assert not any(search.done() for search in searches)
    for search in searches:
        with pytest.raises(SearchFailed, match="took too long or too much: search for fewer or rarer words"):
            await search


async def test_of_many_long_documents_so_much_is_read_for_snippets_and_no_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "fox " * 150_000
    for number in range(30):
        await shelf.library.add(replace(NEW, sha256=f"{number:064}", text=words), shelf.arrival(), user=ANN)
    read: list[int] = []

    def snippet(search: Search, text: str) -> str:
        read.append(len(text))
        return text[:9]

    monkeypatch.setattr(Search, "snippet", snippet)
    for limit, each in ((2, 500_000), (30, 333_333)):
        read.clear()
        assert len((await shelf.library.find("fox", limit, user=ANN)).documents) == limit
        assert read == [each] * limit


async def test_what_searches_cannot_write(shelf: Shelf) -> None:
    def write(session: Session) -> None:
        session.execute(text("DELETE FROM documents"))

    with pytest.raises(DBAPIError, match=r"read-?only"):
        await asyncio.to_thread(snapshot, shelf.database.url, write)
