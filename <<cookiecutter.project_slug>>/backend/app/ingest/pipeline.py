"""The steps of an ingest job, from a file or a URL to a document that can be found."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamator import JobEmitter

from app.ingest.archive import Archive
from app.ingest.documents import Document, Library, NewDocument
from app.ingest.extractor import Extractor
from app.ingest.fetch import Fetcher
from app.ingest.identify import HEAD_BYTES, UnsupportedType, identify
from app.jobs import JobError
from app.wording import clip, count, duration, size

__all__ = ["Arrival", "Pipeline"]


@dataclass(frozen=True)
class Arrival:
    """A document whose bytes are here, in a file of the archive's `incoming`."""

    path: Path
    source: str
    name: str
    media_type: str
    charset: str | None
    bytes: int
    sha256: str


class Pipeline:
    """Takes documents in. One per app; its parts are what the routes need too."""

    def __init__(self, *, library: Library, archive: Archive, fetcher: Fetcher, extractor: Extractor) -> None:
        self.library = library
        self.archive = archive
        self._fetcher = fetcher
        self._extractor = extractor

    async def ingest_url(self, url: str, path: Path, emitter: JobEmitter) -> dict[str, Any]:
        """The job for a URL: fetches it to `path`, then goes on as for an upload."""
        fetched = await self._fetcher.fetch(url, path, emitter.log)
        arrival = Arrival(
            path, url, fetched.name, fetched.media_type, fetched.charset, fetched.bytes, fetched.sha256
        )
        if not arrival.bytes:
            raise JobError(f"The document at {clip(url, 120)} is empty (0 bytes): give another URL.")
        return await self._ingest(arrival, emitter)

    async def ingest_upload(self, arrival: Arrival, emitter: JobEmitter) -> dict[str, Any]:
        """The job for an upload that has arrived."""
        emitter.log(f"Received {clip(arrival.name)}: {size(arrival.bytes)}")
        return await self._ingest(arrival, emitter)

    async def _ingest(self, arrival: Arrival, emitter: JobEmitter) -> dict[str, Any]:
        kind = await self._identify(arrival, emitter)

        known = await self.library.known(arrival.sha256)
        if known is not None:
            return _already_known(known, emitter)
        emitter.log(f"Not ingested before (SHA-256 {arrival.sha256[:12]}…)")

        text_path = arrival.path.with_suffix(".text")
        try:
            started = time.monotonic()
            found = await self._extractor.extract(
                arrival.path, kind, name=arrival.name, charset=arrival.charset,
                text_path=text_path, log=emitter.log,
            )  # fmt: skip
            text = await asyncio.to_thread(text_path.read_text, encoding="utf-8")
        finally:
            text_path.unlink(missing_ok=True)
        emitter.log(
            f"Extracted {clip(found.title)}: {count(found.words, 'word')}, "
            f"{count(found.characters, 'character')} in {duration(time.monotonic() - started)}",
            "success",
        )

        emitter.log(
            f"Archiving the original ({size(arrival.bytes)}) and indexing {count(found.words, 'word')}"
        )
        new = NewDocument(
            sha256=arrival.sha256, title=found.title, source=arrival.source, file_name=arrival.name,
            kind=kind, words=found.words, bytes=arrival.bytes, text=text,
        )  # fmt: skip
        started = time.monotonic()
        document, added = await self.library.add(new, arrival.path)
        if not added:  # another job with the same content was quicker
            return _already_known(document, emitter)
        emitter.log(f"Stored {clip(document.title)} in {duration(time.monotonic() - started)}", "success")
        return _result(document, "stored")

    async def _identify(self, arrival: Arrival, emitter: JobEmitter) -> Any:
        def head() -> bytes:
            with arrival.path.open("rb") as file:
                return file.read(HEAD_BYTES)

        try:
            found = identify(await asyncio.to_thread(head), name=arrival.name, media_type=arrival.media_type)
        except UnsupportedType as error:
            raise JobError(f"{error}.") from error
        if found.expected:
            emitter.log(
                f"Announced as {found.expected}, but by {found.reason} it is {found.label}", "warning"
            )
        else:
            emitter.log(f"Identified as {found.label} by {found.reason}")
        return found.kind


def _already_known(document: Document, emitter: JobEmitter) -> dict[str, Any]:
    emitter.log(
        f"Already ingested as {clip(document.title)} on {document.created_at:%Y-%m-%d %H:%M} UTC "
        f"({count(document.words, 'word')}): nothing to do",
        "warning",
    )
    return _result(document, "known")


def _result(document: Document, status: str) -> dict[str, Any]:
    return {"document_id": document.id, "title": document.title, "words": document.words, "status": status}
