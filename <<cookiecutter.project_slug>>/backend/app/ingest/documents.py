"""What was ingested: the table of documents, its full text search, and their originals."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel

from app.database import Database, Migration
from app.documents import DocumentVersion, SourceDocument
from app.ingest.archive import Archive
from app.ingest.identify import Kind
from app.ingest.search import TooManyWords
from app.ingest.validators import MIGRATION as VALIDATORS
from app.jobs import JobError
from app.processes import RefusedInput
from app.searches import Searches
from app.storage import StorageError
from app.terms import TOKENIZER, PackedTerms, joined_terms, pack_terms, unpack_terms
from app.users import User
from app.wording import beginning, count, size

__all__ = [
    "MIGRATIONS",
    "Document",
    "DocumentText",
    "DocumentVersions",
    "Documents",
    "Library",
    "LibraryFull",
    "NewDocument",
    "Unindexed",
]

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE documents (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            sha256 TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL,
            source TEXT NOT NULL,
            file_name TEXT NOT NULL,
            kind TEXT NOT NULL,
            words INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            text TEXT NOT NULL
        )
        """,
        # The index refers to the table's text in place of holding it a second time; the triggers follow it.
        """
        CREATE VIRTUAL TABLE documents_index USING fts5 (
            title, text, content='documents', content_rowid='position',
            tokenize="unicode61 remove_diacritics 2"
        )
        """,
        """
        CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
            INSERT INTO documents_index (rowid, title, text) VALUES (new.position, new.title, new.text);
        END
        """,
        """
        CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
            INSERT INTO documents_index (documents_index, rowid, title, text)
            VALUES ('delete', old.position, old.title, old.text);
        END
        """,
    ),
    # Each user's own: a content is there once for each of them. A UNIQUE cannot be altered, so the table is made anew;
    # the index refers to it by its name and its rows' positions, and both stay.
    (
        "DROP TRIGGER documents_added",
        "DROP TRIGGER documents_removed",
        """
        CREATE TABLE documents_of_users (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            user_id TEXT NOT NULL DEFAULT 'local',
            sha256 TEXT NOT NULL,
            title TEXT NOT NULL,
            source TEXT NOT NULL,
            file_name TEXT NOT NULL,
            kind TEXT NOT NULL,
            words INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (user_id, sha256)
        )
        """,
        """
        INSERT INTO documents_of_users
            (position, id, sha256, title, source, file_name, kind, words, bytes, created_at, text)
        SELECT position, id, sha256, title, source, file_name, kind, words, bytes, created_at, text FROM documents
        """,
        "DROP TABLE documents",
        "ALTER TABLE documents_of_users RENAME TO documents",
        "CREATE INDEX documents_by_hash ON documents (sha256)",
        "CREATE INDEX documents_by_source ON documents (user_id, source)",
        """
        CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
            INSERT INTO documents_index (rowid, title, text) VALUES (new.position, new.title, new.text);
        END
        """,
        """
        CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
            INSERT INTO documents_index (documents_index, rowid, title, text)
            VALUES ('delete', old.position, old.title, old.text);
        END
        """,
    ),
    # What a user's documents take together, without a look at each.
    ("CREATE INDEX documents_of_user ON documents (user_id, bytes)",),
    # What a document was before its source changed; the search never sees it.
    (
        """
        CREATE TABLE document_versions (
            position INTEGER PRIMARY KEY,
            document_id TEXT NOT NULL,
            version INTEGER NOT NULL,
            user_id TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            title TEXT NOT NULL,
            source TEXT NOT NULL,
            file_name TEXT NOT NULL,
            kind TEXT NOT NULL,
            words INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (document_id, version)
        )
        """,
        "CREATE INDEX document_versions_by_hash ON document_versions (sha256)",
        "CREATE INDEX document_versions_of_user ON document_versions (user_id, bytes)",
        """
        CREATE VIEW all_versions AS
            SELECT id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, text,
                1 + (SELECT count(*) FROM document_versions WHERE document_id = id) AS version
            FROM documents
            UNION ALL
            SELECT document_id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, text, version
            FROM document_versions
        """,
    ),
    VALIDATORS,
    # The index is over terms, and holds nothing else. What it was given is kept, compressed, for it has to be given the
    # same again to forget a document: terms made anew, by a newer Unicode, would leave it broken. With prefix=1 what
    # one character begins is in one place: in Chinese that are thousands of terms.
    (
        "DROP TRIGGER documents_added",
        "DROP TRIGGER documents_removed",
        "DROP TABLE documents_index",
        f"CREATE VIRTUAL TABLE documents_index USING fts5 (title, text, content='', prefix=1, {TOKENIZER})",
        """
        CREATE TABLE document_terms (
            position INTEGER PRIMARY KEY REFERENCES documents,
            title TEXT NOT NULL,
            text BLOB NOT NULL
        )
        """,
        # Those whose terms are to be made anew, while the app serves.
        "CREATE TABLE documents_to_index (position INTEGER PRIMARY KEY REFERENCES documents ON DELETE CASCADE)",
        "INSERT INTO documents_to_index SELECT position FROM documents",
    ),
    # Titles by themselves: to ask the whole index for them takes a look at each text that has the word.
    (
        f"CREATE VIRTUAL TABLE titles_index USING fts5 (title, content='', prefix=1, {TOKENIZER})",
        "INSERT INTO titles_index (rowid, title) SELECT position, title FROM document_terms",
    ),
)

logger = logging.getLogger(__name__)

_VERSION_COLUMNS = (
    "d.id, d.title, d.source, d.kind, d.words, d.bytes, d.created_at, d.version, substr(d.text, 1, 300) AS snippet"
)
_NEWEST = "(SELECT 1 + count(*) FROM document_versions v WHERE v.document_id = d.id)"
_COLUMNS = f"d.id, d.title, d.source, d.kind, d.words, d.bytes, d.created_at, {_NEWEST} AS version"
_SNIPPET = 240


class Document(BaseModel):
    """A document in a list. In `snippet`, U+0002 and U+0003 enclose each word that was found; `version` counts from 1,
    and what is not the newest is found by its number alone."""

    id: str
    title: str
    source: str
    kind: Kind
    words: int
    bytes: int
    created_at: datetime
    version: int
    snippet: str


class DocumentVersions(BaseModel):
    """Versions of a document, the newest first."""

    versions: list[Document]


class DocumentText(Document):
    """A document with all of its text."""

    text: str


class Documents(BaseModel):
    """Some of the documents found, and how many there are. `unindexed` is there only while the index is made anew: how
    many documents a search cannot find yet."""

    documents: list[Document]
    total: int
    unindexed: int | None = None


@dataclass(frozen=True)
class NewDocument:
    """What is stored of a document beside its original. `terms` are those of the text, packed; without them they are
    made in a thread."""

    sha256: str
    title: str
    source: str
    file_name: str
    kind: Kind
    words: int
    bytes: int
    text: str
    terms: PackedTerms | None = None


@dataclass(frozen=True)
class Unindexed:
    """A document whose terms are to be made anew."""

    position: int
    title: str
    text: str


class LibraryFull(JobError):
    """A user's library has no room for another document. Its text names the limit, and what to do."""


class Library:
    """The documents: their rows in the database and their originals in the archive, kept in step.

    A document is its user's alone; an original is kept once, however many users have it.

    Arguments:
        database: where the rows are.
        archive: where the originals are.
        searches: where it is searched.
        max_documents: how many a user may have (MAX_DOCUMENTS_PER_USER).
        max_bytes: how large a user's originals may be together (MAX_ARCHIVE_MB_PER_USER).
    """

    def __init__(
        self,
        database: Database,
        archive: Archive,
        searches: Searches,
        *,
        max_documents: int = 10_000,
        max_bytes: int = 2_000_000_000,
    ) -> None:
        self._database = database
        self._archive = archive
        self._searches = searches
        self._max_documents = max_documents
        self._max_bytes = max_bytes
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._cleanups: set[asyncio.Task[None]] = set()

    async def add(
        self,
        new: NewDocument,
        original: Path,
        *,
        user: User,
        archived: Callable[[], None] = lambda: None,
        replaces: str | None = None,
    ) -> tuple[Document, bool]:
        """Stores a document, and its original in the archive.

        Gives the document and True; or, where the user has another with the same content already, that one and
        False. Guarantee: row and original are both there when this returns. When it raises or is cancelled
        neither is, or both are (a commit cannot be called back once it has begun).

        Arguments:
            new: what is stored of it.
            original: the file that arrived, which stays where it is.
            user: whose it is.
            archived: called when the original is in its place and the text is about to be stored.
            replaces: the id of the user's document that this is the newest version of: it has that id from then on,
                and what it was before is kept as an earlier version. One that is not there any more is not missed:
                the document is a new one.

        Raises:
            LibraryFull: there is no room for it.
            StorageError: its original cannot be kept now.
        """
        async with self._lock(new.sha256):
            known = await self.known(new.sha256, user=user)
            if known is not None:
                return known, False
            await self.ensure_room(user=user, more=new.bytes)
            terms = new.terms if new.terms is not None else await asyncio.to_thread(pack_terms, new.text)
            created_at = datetime.now(timezone.utc)

            def insert(connection: sqlite3.Connection) -> tuple[str, int]:
                self._ensure_room(connection, user.id, new.bytes)
                identifier, version = replaces, 1
                if replaces is not None:
                    version += _keep_version(connection, replaces, user.id)
                if identifier is None or version == 1:
                    identifier = secrets.token_hex(8)
                values = (
                    identifier, user.id, new.sha256, new.title, new.source, new.file_name, new.kind, new.words,
                    new.bytes, created_at.isoformat(), new.text,
                )  # fmt: skip
                added = connection.execute(
                    "INSERT INTO documents (id, user_id, sha256, title, source, file_name, kind, words, bytes, "
                    "created_at, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING position",
                    values,
                ).fetchone()
                _index(connection, added["position"], new.title, terms)
                return identifier, version

            try:
                # Before the transaction: a busy disk, or S3, would make all who write wait for each document in turn.
                await self._archive.keep(new.sha256, original)
                archived()
                identifier, version = await self._database.write(insert)
            except BaseException:
                # Not awaited: the writer may be busy, and a cancelled job is to end at once.
                self._clean_up(new.sha256)
                raise
            try:
                await self._archive.keep(new.sha256, original)  # see Archive.remove
            except StorageError as error:
                logger.warning(
                    "whether the original of document %s is still there could not be seen: %s", identifier, error
                )
            fields = {"title": new.title, "source": new.source, "kind": new.kind, "words": new.words}
            snippet = " ".join(beginning(new.text, _SNIPPET).split())
            document = Document(
                id=identifier, **fields, bytes=new.bytes, created_at=created_at, version=version, snippet=snippet
            )
            return document, True

    async def ensure_room(self, *, user: User, more: int = 1) -> None:
        """Raises `LibraryFull` where a user has no room for a document of so many bytes."""
        await self._database.read(lambda connection: self._ensure_room(connection, user.id, more))

    def _ensure_room(self, connection: sqlite3.Connection, user_id: str, more: int) -> None:
        documents, taken = connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM documents WHERE user_id = ?", (user_id,)
        ).fetchone()
        versions, taken_by_versions = connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM document_versions WHERE user_id = ?", (user_id,)
        ).fetchone()
        taken += taken_by_versions
        if documents + versions >= self._max_documents:
            has = count(documents, "document") + (f" and {count(versions, 'earlier version')}" if versions else "")
            raise LibraryFull(
                f"The library has {has}, and MAX_DOCUMENTS_PER_USER is {self._max_documents:,}: delete some."
            )
        if taken + more > self._max_bytes:
            raise LibraryFull(
                f"The library's originals take {size(taken)}, and MAX_ARCHIVE_MB_PER_USER allows "
                f"{size(self._max_bytes)}, too little for {size(more)} more: delete some documents."
            )

    async def known(self, sha256: str, *, user: User) -> Document | None:
        """The user's document whose original has this hash, or None."""
        return await self._one("d.user_id = ? AND d.sha256 = ?", user.id, sha256)

    async def from_source(self, source: str, *, user: User) -> Document | None:
        """The user's newest document that came from this URL, or None."""
        return await self._one("d.user_id = ? AND d.source = ? ORDER BY d.position DESC", user.id, source)

    async def get(
        self, identifier: str, *, user: User, version: int | None = None, characters: int = 1_000_000_000
    ) -> DocumentText | None:
        """One of the user's documents, as it is or as it was in an earlier version, with its text or the first
        `characters` of it; or None."""
        row = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_VERSION_COLUMNS}, substr(d.text, 1, ?) AS text FROM all_versions d "
                f"WHERE d.user_id = ? AND d.id = ? AND d.version = coalesce(?, {_NEWEST})",
                (characters, user.id, identifier, version),
            ).fetchone(),
            lane="library",
        )
        return None if row is None else DocumentText(**_listed(row))

    async def versions(self, identifier: str, *, user: User, limit: int = 500) -> list[Document]:
        """The newest versions of one of the user's documents; none where there is no such document."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_VERSION_COLUMNS} FROM all_versions d WHERE d.user_id = ? AND d.id = ? "
                "ORDER BY d.version DESC LIMIT ?",
                (user.id, identifier, limit),
            ).fetchall()
        )
        return [Document(**_listed(row)) for row in rows]

    async def original(self, identifier: str, *, user: User, version: int | None = None) -> tuple[str, str] | None:
        """The key of a document's original and the file name it came with, or None."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT d.sha256, d.file_name FROM all_versions d WHERE d.user_id = ? AND d.id = ? "
                f"AND d.version = coalesce(?, {_NEWEST})",
                (user.id, identifier, version),
            ).fetchone()
        )
        return None if row is None else (self._archive.key(row["sha256"]), row["file_name"])

    async def find(self, query: str = "", limit: int = 50, *, user: User) -> Documents:
        """The user's newest documents, or with a query those that match it: the best first; of more than 500, those
        that have it in their title, then the newest.

        Arguments:
            query: as `Search` understands it.
            limit: how many to give at most.
            user: whose.

        Raises:
            TooManyWords: the query has more than are looked for at once.
            SearchFailed: it took too long.
        """
        if not query.strip():
            return await self._database.read(lambda connection: _newest(connection, user.id, limit))
        try:
            found = await self._searches.run("app.ingest.find:matching", user.id, query, limit, user=user.id)
        except RefusedInput as error:
            raise TooManyWords(str(error)) from error
        return Documents(**found)

    async def unindexed(self) -> int:
        """How many documents, of all users, no search finds yet because their terms are to be made anew."""
        return await self._database.read(
            lambda connection: int(connection.execute("SELECT count(*) FROM documents_to_index").fetchone()[0])
        )

    async def to_index(self, characters: int, skip: Container[int] = ()) -> list[Unindexed]:
        """The newest of them, as many as have so many characters together, but at least one while there are any.

        Arguments:
            characters: of their texts.
            skip: the positions of those that are left out.
        """

        def choose(connection: sqlite3.Connection) -> list[Unindexed]:
            chosen: list[Unindexed] = []
            left = characters
            for (position,) in connection.execute("SELECT position FROM documents_to_index ORDER BY position DESC"):
                if position not in skip:
                    row = connection.execute(
                        "SELECT position, title, text FROM documents WHERE position = ?", (position,)
                    ).fetchone()
                    chosen.append(Unindexed(**row))
                    left -= len(row["text"])
                    if left <= 0:
                        break
            return chosen

        return await self._database.read(choose, lane="library")

    async def index(self, document: Unindexed, terms: PackedTerms) -> None:
        """Puts the terms of a document into the index, if that is still to be done."""

        def put(connection: sqlite3.Connection) -> None:
            statement = "DELETE FROM documents_to_index WHERE position = ?"
            if connection.execute(statement, (document.position,)).rowcount:
                _unindex(connection, document.position)
                _index(connection, document.position, document.title, terms)

        await self._database.write(put)

    async def remove(self, identifier: str, *, user: User) -> bool:
        """Removes one of the user's documents with all of its versions, and the originals that nobody else has; gives
        whether there was one."""

        def delete(connection: sqlite3.Connection) -> list[str]:
            owned = (user.id, identifier)
            rows = connection.execute("SELECT sha256 FROM all_versions WHERE user_id = ? AND id = ?", owned).fetchall()
            _delete(connection, identifier, user.id)
            connection.execute("DELETE FROM document_versions WHERE user_id = ? AND document_id = ?", owned)
            return [row["sha256"] for row in rows]

        removed = await self._database.write(delete)
        for sha256 in removed:
            try:
                await self._remove_if_unknown(sha256)
            except StorageError as error:
                logger.error("an original without a document is left in the archive: %s", error)
        return bool(removed)

    async def piece(self, identifier: str, start: int, length: int, *, user: User, version: int) -> str | None:
        """`length` characters of the text of a version, from `start` on (0: the first); None where there is none.

        For each SQLite reads the whole text (20 ms for 20 MB): in the lane for texts, where nothing short waits.
        """
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT substr(text, ? + 1, ?) FROM all_versions WHERE user_id = ? AND id = ? AND version = ?",
                (start, length, user.id, identifier, version),
            ).fetchone(),
            lane="library",
        )
        return None if row is None else str(row[0])

    # As a `DocumentSource`, for the app's other features

    async def document_versions(self) -> dict[str, DocumentVersion]:
        """The ids of all documents, oldest first, each with its user and the version that it is in."""
        statement = f"SELECT d.id, d.user_id, {_NEWEST} AS version FROM documents d ORDER BY d.position"
        rows = await self._database.read(lambda connection: connection.execute(statement).fetchall())
        return {row["id"]: DocumentVersion(row["user_id"], row["version"]) for row in rows}

    async def document(self, identifier: str) -> SourceDocument | None:
        """One document, whoever has it, or None."""
        row = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT d.id, d.user_id, d.title, d.text, {_NEWEST} AS version FROM documents d WHERE d.id = ?",
                (identifier,),
            ).fetchone(),
            lane="library",
        )
        return None if row is None else SourceDocument(**row)

    async def close(self) -> None:
        """Waits until nothing is left behind that was cancelled."""
        if self._cleanups:
            await asyncio.wait(self._cleanups)

    def _clean_up(self, sha256: str) -> None:
        task = asyncio.create_task(self._remove_if_unknown(sha256))
        self._cleanups.add(task)
        task.add_done_callback(self._cleaned_up)

    def _cleaned_up(self, task: asyncio.Task[None]) -> None:
        self._cleanups.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an original without a document may be left in the archive", exc_info=error)

    async def _one(self, condition: str, *values: str) -> Document | None:
        row = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS}, substr(d.text, 1, 300) AS snippet FROM documents d WHERE {condition}",
                values,
            ).fetchone()
        )
        return None if row is None else Document(**_listed(row))

    async def _remove_if_unknown(self, sha256: str) -> None:
        async def is_known() -> bool:
            # As a write: it comes after one that a cancelled caller has left behind.
            return await self._database.write(
                lambda connection: (
                    connection.execute(
                        "SELECT 1 FROM documents WHERE sha256 = :it UNION SELECT 1 FROM document_versions "
                        "WHERE sha256 = :it",
                        {"it": sha256},
                    ).fetchone()
                    is not None
                )
            )

        await self._archive.remove(sha256, is_known)

    @asynccontextmanager
    async def _lock(self, sha256: str) -> AsyncIterator[None]:
        # Two jobs with the same content at once: the second waits, and then finds it known.
        async with self._locks.setdefault(sha256, asyncio.Lock()):
            yield


def _keep_version(connection: sqlite3.Connection, identifier: str, user_id: str) -> int:
    """Makes a document an earlier version of itself; gives which, 0 where there is no such document."""
    kept = connection.execute(
        "INSERT INTO document_versions (document_id, version, user_id, sha256, title, source, file_name, kind, words, "
        "bytes, created_at, text) SELECT d.id, d.version, d.user_id, d.sha256, d.title, d.source, d.file_name, d.kind, "
        f"d.words, d.bytes, d.created_at, d.text FROM all_versions d WHERE d.id = ? AND d.user_id = ? "
        f"AND d.version = {_NEWEST} RETURNING version",
        (identifier, user_id),
    ).fetchone()
    _delete(connection, identifier, user_id)
    return 0 if kept is None else kept["version"]


def _delete(connection: sqlite3.Connection, identifier: str, user_id: str) -> None:
    """Removes a document and what the index has of it."""
    row = connection.execute(
        "SELECT position FROM documents WHERE id = ? AND user_id = ?", (identifier, user_id)
    ).fetchone()
    if row is not None:
        _unindex(connection, row["position"])
        connection.execute("DELETE FROM documents WHERE position = ?", (row["position"],))


def _index(connection: sqlite3.Connection, position: int, title: str, packed: PackedTerms) -> None:
    title_terms = " ".join(joined_terms(title))
    connection.execute("INSERT INTO document_terms VALUES (?, ?, ?)", (position, title_terms, packed))
    connection.execute(
        "INSERT INTO documents_index (rowid, title, text) VALUES (?, ?, ?)",
        (position, title_terms, unpack_terms(packed)),
    )
    connection.execute("INSERT INTO titles_index (rowid, title) VALUES (?, ?)", (position, title_terms))


def _unindex(connection: sqlite3.Connection, position: int) -> None:
    row = connection.execute("SELECT title, text FROM document_terms WHERE position = ?", (position,)).fetchone()
    if row is not None:
        connection.execute(
            "INSERT INTO documents_index (documents_index, rowid, title, text) VALUES ('delete', ?, ?, ?)",
            (position, row["title"], unpack_terms(row["text"])),
        )
        connection.execute(
            "INSERT INTO titles_index (titles_index, rowid, title) VALUES ('delete', ?, ?)", (position, row["title"])
        )
        connection.execute("DELETE FROM document_terms WHERE position = ?", (position,))


def _newest(connection: sqlite3.Connection, user_id: str, limit: int) -> Documents:
    rows = connection.execute(
        f"SELECT {_COLUMNS}, substr(d.text, 1, 300) AS snippet FROM documents d "
        "WHERE d.user_id = ? ORDER BY d.position DESC LIMIT ?",
        (user_id, limit),
    ).fetchall()
    total = connection.execute("SELECT count(*) FROM documents WHERE user_id = ?", (user_id,)).fetchone()[0]
    return Documents(documents=[Document(**_listed(row)) for row in rows], total=total)


def _listed(row: sqlite3.Row) -> dict[str, Any]:
    return {**row, "snippet": beginning(row["snippet"], _SNIPPET)}
