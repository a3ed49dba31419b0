"""What was ingested: the table of documents, its full text search, and their originals."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel
from sqlalchemy import Select, delete, func, insert, literal, select
from sqlalchemy.orm import Session

from app.database import Database
from app.documents import DocumentVersion, SourceDocument
from app.ingest.archive import Archive
from app.ingest.identify import Kind
from app.ingest.index import Entry, make_entry, put_entry, remove_entry
from app.ingest.models import ALL_VERSIONS, NEWEST, DocumentRow, ToIndex, VersionRow
from app.ingest.search import TooManyWords
from app.jobs import JobError
from app.processes import RefusedInput
from app.searches import Searches
from app.storage import StorageError
from app.terms import PackedTerms, pack_terms
from app.users import User
from app.wording import beginning, count, size

__all__ = [
    "Document",
    "DocumentText",
    "DocumentVersions",
    "Documents",
    "Library",
    "LibraryFull",
    "NewDocument",
    "Unindexed",
]

logger = logging.getLogger(__name__)

_LOCK = "library"
_TABLES = (DocumentRow, VersionRow)
_SNIPPET = 240
_SHOWN = ("id", "title", "source", "kind", "words", "bytes", "created_at")
_DOCUMENTS = select(
    *(getattr(DocumentRow, name) for name in _SHOWN),
    NEWEST.label("version"),
    func.substr(DocumentRow.text, 1, 300).label("snippet"),
)
_VERSIONS = select(
    *(ALL_VERSIONS.c[name] for name in (*_SHOWN, "version")), func.substr(ALL_VERSIONS.c.text, 1, 300).label("snippet")
)


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
            entry = await self._entry(new.title, terms)
            created_at = datetime.now(timezone.utc)

            def add(session: Session) -> tuple[str, int]:
                self._ensure_room(session, user.id, new.bytes)
                identifier, version = replaces, 1
                if replaces is not None:
                    version += _keep_version(session, replaces, user.id)
                if identifier is None or version == 1:
                    identifier = secrets.token_hex(8)
                values = {name: value for name, value in vars(new).items() if name != "terms"}
                row = DocumentRow(**values, id=identifier, user_id=user.id, created_at=created_at)
                session.add(row)
                session.flush()
                put_entry(session, row.position, entry)
                return identifier, version

            try:
                # Before the transaction: a busy disk, or S3, would make all who write wait for each document in turn.
                await self._archive.keep(new.sha256, original)
                archived()
                identifier, version = await self._database.write(add, lock=_LOCK)
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
        await self._database.read(lambda session: self._ensure_room(session, user.id, more))

    def _ensure_room(self, session: Session, user_id: str, more: int) -> None:
        (documents, taken), (versions, taken_by_versions) = (
            session.execute(select(func.count(), func.sum(table.bytes)).where(table.user_id == user_id)).one()
            for table in _TABLES
        )
        taken = int(taken or 0) + int(taken_by_versions or 0)
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
        return await self._one(_DOCUMENTS.where(DocumentRow.user_id == user.id, DocumentRow.sha256 == sha256))

    async def from_source(self, source: str, *, user: User) -> Document | None:
        """The user's newest document that came from this URL, or None."""
        of_source = _DOCUMENTS.where(DocumentRow.user_id == user.id, DocumentRow.source == source)
        return await self._one(of_source.order_by(DocumentRow.position.desc()).limit(1))

    async def get(
        self, identifier: str, *, user: User, version: int | None = None, characters: int = 1_000_000_000
    ) -> DocumentText | None:
        """One of the user's documents, as it is or as it was in an earlier version, with its text or the first
        `characters` of it; or None."""
        statement = _VERSIONS.add_columns(func.substr(ALL_VERSIONS.c.text, 1, characters).label("text"))
        row = await self._database.read(
            lambda session: session.execute(_of_version(statement, identifier, user, version)).first(), lane="library"
        )
        return None if row is None else DocumentText(**_listed(row))

    async def versions(self, identifier: str, *, user: User, limit: int = 500) -> list[Document]:
        """The newest versions of one of the user's documents; none where there is no such document."""
        statement = _of_document(_VERSIONS, identifier, user).order_by(ALL_VERSIONS.c.version.desc()).limit(limit)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return [Document(**_listed(row)) for row in rows]

    async def original(self, identifier: str, *, user: User, version: int | None = None) -> tuple[str, str] | None:
        """The key of a document's original and the file name it came with, or None."""
        statement = select(ALL_VERSIONS.c.sha256, ALL_VERSIONS.c.file_name)
        row = await self._database.read(
            lambda session: session.execute(_of_version(statement, identifier, user, version)).first()
        )
        return None if row is None else (self._archive.key(row.sha256), row.file_name)

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
            return await self._database.read(lambda session: _newest(session, user.id, limit))
        try:
            found = await self._searches.run("app.ingest.find:matching", user.id, query, limit, user=user.id)
        except RefusedInput as error:
            raise TooManyWords(str(error)) from error
        return Documents(**found)

    async def unindexed(self) -> int:
        """How many documents, of all users, no search finds yet because their terms are to be made anew."""
        statement = select(func.count()).select_from(ToIndex)
        return await self._database.read(lambda session: session.scalars(statement).one())

    async def to_index(self, characters: int, skip: Container[int] = ()) -> list[Unindexed]:
        """The newest of them, as many as have so many characters together, but at least one while there are any.

        Arguments:
            characters: of their texts.
            skip: the positions of those that are left out.
        """

        def choose(session: Session) -> list[Unindexed]:
            chosen: list[Unindexed] = []
            left = characters
            for position in session.scalars(select(ToIndex.position).order_by(ToIndex.position.desc())).all():
                if position not in skip:
                    row = session.get_one(DocumentRow, position)
                    chosen.append(Unindexed(position, row.title, row.text))
                    left -= len(row.text)
                    if left <= 0:
                        break
            return chosen

        return await self._database.read(choose, lane="library")

    async def index(self, document: Unindexed, terms: PackedTerms) -> None:
        """Puts the terms of a document into the index, if that is still to be done."""
        entry = await self._entry(document.title, terms)
        waiting = delete(ToIndex).where(ToIndex.position == document.position).returning(ToIndex.position)

        def put(session: Session) -> None:
            if session.scalar(waiting) is not None:
                remove_entry(session, document.position)
                put_entry(session, document.position, entry)

        await self._database.write(put, lock=_LOCK)

    async def remove(self, identifier: str, *, user: User) -> bool:
        """Removes one of the user's documents with all of its versions, and the originals that nobody else has; gives
        whether there was one."""

        statement = _of_document(select(ALL_VERSIONS.c.sha256), identifier, user)
        earlier = delete(VersionRow).where(VersionRow.user_id == user.id, VersionRow.document_id == identifier)

        def remove(session: Session) -> list[str]:
            hashes = [*session.scalars(statement)]
            _delete(session, identifier, user.id)
            session.execute(earlier)
            return hashes

        removed = await self._database.write(remove, lock=_LOCK)
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
        part = select(func.substr(ALL_VERSIONS.c.text, start + 1, length))
        statement = _of_version(part, identifier, user, version)
        return await self._database.read(lambda session: session.scalar(statement), lane="library")

    # As a `DocumentSource`, for the app's other features

    async def document_versions(self) -> dict[str, DocumentVersion]:
        """The ids of all documents, oldest first, each with its user and the version that it is in."""
        statement = select(DocumentRow.id, DocumentRow.user_id, NEWEST).order_by(DocumentRow.position)
        rows = await self._database.read(lambda session: session.execute(statement).all())
        return {identifier: DocumentVersion(user_id, version) for identifier, user_id, version in rows}

    async def document(self, identifier: str) -> SourceDocument | None:
        """One document, whoever has it, or None."""
        columns = (DocumentRow.id, DocumentRow.user_id, DocumentRow.title, DocumentRow.text)
        statement = select(*columns, NEWEST.label("version")).where(DocumentRow.id == identifier)
        row = await self._database.read(lambda session: session.execute(statement).one_or_none(), lane="library")
        return None if row is None else SourceDocument(**row._mapping)

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

    async def _entry(self, title: str, terms: PackedTerms) -> Entry:
        return await make_entry(title, terms, for_postgres=self._database.is_postgres)

    async def _one(self, statement: Select[Any]) -> Document | None:
        row = await self._database.read(lambda session: session.execute(statement).one_or_none())
        return None if row is None else Document(**_listed(row))

    async def _remove_if_unknown(self, sha256: str) -> None:
        def has(session: Session) -> bool:
            return any(session.scalar(select(table.sha256).where(table.sha256 == sha256)) for table in _TABLES)

        async def is_known() -> bool:
            # As a write: it comes after one that a cancelled caller has left behind.
            return await self._database.write(has, lock=_LOCK)

        await self._archive.remove(sha256, is_known)

    @asynccontextmanager
    async def _lock(self, sha256: str) -> AsyncIterator[None]:
        # Two jobs with the same content at once: the second waits, and then finds it known.
        async with self._locks.setdefault(sha256, asyncio.Lock()):
            yield


def _of_document(statement: Select[Any], identifier: str, user: User) -> Select[Any]:
    return statement.where(ALL_VERSIONS.c.user_id == user.id, ALL_VERSIONS.c.id == identifier)


def _of_version(statement: Select[Any], identifier: str, user: User, version: int | None) -> Select[Any]:
    """Of a document in one of its versions, or in its newest."""
    newest = select(literal(1) + func.count()).where(VersionRow.document_id == identifier).scalar_subquery()
    which = newest if version is None else version
    return _of_document(statement, identifier, user).where(ALL_VERSIONS.c.version == which)


def _keep_version(session: Session, identifier: str, user_id: str) -> int:
    """Makes a document an earlier version of itself; gives which, 0 where there is no such document."""
    columns = ("sha256", "title", "source", "file_name", "kind", "words", "bytes", "created_at", "text", "user_id")
    document = select(DocumentRow.id, NEWEST, *(getattr(DocumentRow, name) for name in columns)).where(
        DocumentRow.id == identifier, DocumentRow.user_id == user_id
    )
    statement = insert(VersionRow).from_select(["document_id", "version", *columns], document)
    kept = session.scalar(statement.returning(VersionRow.version))
    _delete(session, identifier, user_id)
    return kept or 0


def _delete(session: Session, identifier: str, user_id: str) -> None:
    """Removes a document and what the index has of it."""
    statement = select(DocumentRow.position).where(DocumentRow.id == identifier, DocumentRow.user_id == user_id)
    position = session.scalar(statement)
    if position is not None:
        remove_entry(session, position)
        session.execute(delete(DocumentRow).where(DocumentRow.position == position))


def _newest(session: Session, user_id: str, limit: int) -> Documents:
    owned = DocumentRow.user_id == user_id
    rows = session.execute(_DOCUMENTS.where(owned).order_by(DocumentRow.position.desc()).limit(limit)).all()
    total = session.scalars(select(func.count()).select_from(DocumentRow).where(owned)).one()
    return Documents(documents=[Document(**_listed(row)) for row in rows], total=total)


def _listed(row: Any) -> dict[str, Any]:
    return {**row._mapping, "snippet": beginning(row.snippet, _SNIPPET)}
