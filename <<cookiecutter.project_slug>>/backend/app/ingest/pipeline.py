"""The steps of an ingest job, from a file or a URL to documents that can be found."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from streamator import JobEmitter

from app.ingest.archive import Archive
from app.ingest.channel import MAX_ITEMS, Channel, ChannelItem, Limit, begins_channel, choose, newest_first, since
from app.ingest.documents import Document, Library, LibraryFull, NewDocument
from app.ingest.events import IngestDetails, IngestFailure, IngestItem
from app.ingest.extractor import Extractor
from app.ingest.fetch import Fetched, Fetcher
from app.ingest.identify import HEAD_BYTES, Kind, UnsupportedType, identify
from app.ingest.progress import Outcome, Progress
from app.jobs import JobError
from app.users import User
from app.wording import clip, count, duration, size

__all__ = ["Arrival", "Pipeline", "UrlRequest"]

_MAX_SITEMAPS = 50
"""How many sitemaps of an index are looked at, the newest first."""

_MAX_FAILURES_IN_A_ROW = 10
"""A site where so many items fail one after the other is left alone."""

_KEPT_FAILURES = 20
"""How many failures the last event names; the log has them all."""


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


@dataclass(frozen=True)
class UrlRequest:
    """An address that somebody wants taken in.

    Arguments:
        url: a document's, a feed's or a sitemap's.
        limit: of a feed or a sitemap, which items.
        refresh: whether to fetch it also where a document from this address is in the library. The items of a feed
            or a sitemap that are there are never fetched again.
    """

    url: str
    limit: Limit = "50"
    refresh: bool = False


class Pipeline:
    """Takes documents in. One per app; its parts are what the routes need too.

    Arguments:
        max_items: so many items of a feed or a sitemap one job takes in (MAX_FEED_ITEMS).
        pause: seconds between two requests of one job, so that no site is pressed.
    """

    def __init__(
        self,
        *,
        library: Library,
        archive: Archive,
        fetcher: Fetcher,
        extractor: Extractor,
        max_items: int = 5_000,
        pause: float = 0.5,
    ) -> None:
        self.library = library
        self.archive = archive
        self._fetcher = fetcher
        self._extractor = extractor
        self._max_items = max_items
        self._pause = pause

    async def ingest_url(self, request: UrlRequest, path: Path, user: User, emitter: JobEmitter) -> dict[str, Any]:
        """The job for a URL: fetches it to `path`, then goes on as for an upload, or item by item for a channel."""
        return await _to_its_end(emitter, lambda progress: self._url(request, path, user, progress))

    async def ingest_upload(self, arrival: Arrival, user: User, emitter: JobEmitter) -> dict[str, Any]:
        """The job for an upload that has arrived."""
        return await _to_its_end(emitter, lambda progress: self._upload(arrival, user, progress))

    async def _upload(self, arrival: Arrival, user: User, progress: Progress) -> Outcome:
        progress.log(f"Received {clip(arrival.name)}: {size(arrival.bytes)}")
        progress.begin(f"Identifying {clip(arrival.name)}")
        kind = await _identify(arrival, progress)
        progress.identified(arrival.sha256[:16])
        progress.step("checking_cache", "Looking for the same content in the library")
        return await self._store(arrival, kind, user, progress)

    async def _url(self, request: UrlRequest, path: Path, user: User, progress: Progress) -> Outcome:
        known = await self._known(request.url, user, progress)
        if known is not None and not request.refresh:
            return _already_known(known, progress)
        fetched = await self._fetch(request.url, path, progress)
        if begins_channel(await asyncio.to_thread(_head, path)):
            progress.type = "channel"
            return await self._channel(request, path, user, progress)
        return await self._fetched(request.url, path, fetched, user, progress)

    async def _known(self, url: str, user: User, progress: Progress) -> Document | None:
        """The first three steps for an address."""
        progress.begin(f"Reading the address {clip(url, 120)}")
        progress.identified(hashlib.sha256(url.encode()).hexdigest()[:16])
        progress.step("checking_cache", "Looking for this address in the library")
        return await self.library.from_source(url, user=user)

    async def _fetch(self, url: str, path: Path, progress: Progress) -> Fetched:
        progress.step("fetching", f"Fetching {clip(url, 120)}")
        fetched = await self._fetcher.fetch(url, path, progress.log, received=progress.received)
        if not fetched.bytes:
            raise JobError(f"The document at {clip(url, 120)} is empty (0 bytes): give another URL.")
        progress.step("fetched", f"Fetched {size(fetched.bytes)}", length=fetched.bytes)
        return fetched

    async def _fetched(self, url: str, path: Path, fetched: Fetched, user: User, progress: Progress) -> Outcome:
        arrival = Arrival(path, url, fetched.name, fetched.media_type, fetched.charset, fetched.bytes, fetched.sha256)
        return await self._store(arrival, await _identify(arrival, progress), user, progress)

    async def _store(self, arrival: Arrival, kind: Kind, user: User, progress: Progress) -> Outcome:
        """From bytes that are here to a document in the library."""
        known = await self.library.known(arrival.sha256, user=user)
        if known is not None:
            return _already_known(known, progress)
        progress.log(f"Not ingested before (SHA-256 {arrival.sha256[:12]}…)")

        text_path = arrival.path.with_suffix(".text")
        terms_path = text_path.with_suffix(".terms")
        try:
            started = time.monotonic()
            found = await self._extractor.extract(
                arrival.path, kind, name=arrival.name, charset=arrival.charset,
                text_path=text_path, log=progress.log,
            )  # fmt: skip
            text = await asyncio.to_thread(text_path.read_text, encoding="utf-8")
            terms = await asyncio.to_thread(terms_path.read_bytes)
        finally:
            text_path.unlink(missing_ok=True)
            terms_path.unlink(missing_ok=True)
        progress.log(
            f"Extracted {clip(found.title)}: {count(found.words, 'word')}, "
            f"{count(found.characters, 'character')} in {duration(time.monotonic() - started)}",
            "success",
        )

        progress.log(f"Archiving the original ({size(arrival.bytes)}) and indexing {count(found.words, 'word')}")
        progress.step("archiving", f"Archiving the original ({size(arrival.bytes)})")
        new = NewDocument(
            sha256=arrival.sha256, title=found.title, source=arrival.source, file_name=arrival.name,
            kind=kind, words=found.words, bytes=arrival.bytes, text=text, terms=terms,
        )  # fmt: skip

        def archived() -> None:
            progress.step("archived", "The original is archived")
            progress.step("storing", f"Indexing {count(found.words, 'word')}")

        started = time.monotonic()
        document, added = await self.library.add(new, arrival.path, user=user, archived=archived)
        if not added:  # another job with the same content was quicker
            return _already_known(document, progress)
        message = f"Stored {clip(document.title)}"
        progress.step("stored", message)
        progress.log(f"{message} in {duration(time.monotonic() - started)}", "success")
        return _outcome(document, message, known=False)

    # Channels

    async def _channel(self, request: UrlRequest, path: Path, user: User, progress: Progress) -> Outcome:
        """Takes in the items of the feed or sitemap in `path`, one at a time. An item that fails is passed over."""
        channel, items = await self._items(request, path, progress)
        chosen = choose(items, request.limit, datetime.now(timezone.utc))
        if not chosen:
            raise JobError(_none_chosen(channel, items, request.limit))
        if len(chosen) > self._max_items:
            left_out = count(len(chosen) - self._max_items, "item")
            progress.log(f"MAX_FEED_ITEMS is {self._max_items:,}: without {left_out}", "warning")
            del chosen[self._max_items :]
        progress.log(
            f"{clip(channel.title)} has {count(len(items), 'item')}, taking in {len(chosen):,} (limit: {request.limit})"
        )
        stored = skipped = in_a_row = 0
        failures: list[IngestFailure] = []
        for number, item in enumerate(chosen, 1):
            of_item = progress.of_item(IngestItem(number=number, total=len(chosen), url=item.url))
            where = f"{number}/{len(chosen)}"
            try:
                outcome = await self._item(item, path, user, of_item)
            except JobError as error:
                progress.log(f"{where}: {error}", "warning")
                failures.append(IngestFailure(url=item.url, error=str(error)))
                in_a_row += 1
                if isinstance(error, LibraryFull):
                    break
                if in_a_row == _MAX_FAILURES_IN_A_ROW and number < len(chosen):
                    progress.log(f"{in_a_row} items in a row failed: the others are left out", "warning")
                    break
            else:
                in_a_row = 0
                if outcome.status == "skipped":
                    skipped += 1
                    progress.log(f"{where}: already ingested, {clip(outcome.details.title or item.url)}")
                else:
                    stored += 1
                    words = count(outcome.details.words or 0, "word")
                    progress.log(f"{where}: {outcome.message}, {words}", "success")
        if failures and not stored and not skipped:
            raise JobError(
                f"None of {count(len(failures), 'item')} of {clip(channel.title)} could be taken in; "
                f"the last one: {failures[-1].error}"
            )
        message = f"{clip(channel.title)}: {stored:,} stored, {skipped:,} known already, {len(failures):,} failed"
        progress.log(message, "warning" if failures else "success")
        counts = {"title": channel.title, "stored": stored, "skipped": skipped, "failed": len(failures)}
        details = IngestDetails(found=len(items), failures=failures[:_KEPT_FAILURES], **counts)
        return Outcome(
            status="success" if stored else "skipped", message=message, details=details,
            result={"document_id": None, "status": "channel", **counts},
        )  # fmt: skip

    async def _items(self, request: UrlRequest, path: Path, progress: Progress) -> tuple[Channel, list[ChannelItem]]:
        """What is in a channel; of a sitemap index, in as many of its sitemaps as the limit takes."""
        channel = await self._read_channel(request.url, path, progress)
        items, enough = list(channel.items), int(request.limit) if request.limit.isdigit() else MAX_ITEMS
        start = since(request.limit, datetime.now(timezone.utc))
        sitemaps = [each for each in newest_first(channel.sitemaps) if not (start and each.date and each.date < start)]
        for number, sitemap in enumerate(sitemaps[:_MAX_SITEMAPS], 1):
            if len(items) >= enough:
                break
            await asyncio.sleep(self._pause)
            progress.fetching_more(f"Fetching sitemap {number} of {min(len(sitemaps), _MAX_SITEMAPS)}")
            try:
                await self._fetcher.fetch(sitemap.url, path, progress.log)
                items += (await self._read_channel(sitemap.url, path, progress)).items
            except JobError as error:
                progress.log(str(error), "warning")
        if len(sitemaps) > _MAX_SITEMAPS:
            progress.log(f"There are {len(sitemaps):,} sitemaps: the newest {_MAX_SITEMAPS} were looked at", "warning")
        return channel, items

    async def _read_channel(self, url: str, path: Path, progress: Progress) -> Channel:
        text_path = path.with_suffix(".text")
        try:
            return await self._extractor.read_channel(path, url, text_path=text_path, log=progress.log)
        finally:
            text_path.unlink(missing_ok=True)

    async def _item(self, item: ChannelItem, path: Path, user: User, progress: Progress) -> Outcome:
        known = await self._known(item.url, user, progress)
        if known is not None:
            return _already_known(known, progress)
        await asyncio.sleep(self._pause)
        fetched = await self._fetch(item.url, path, progress)
        if begins_channel(await asyncio.to_thread(_head, path)):
            raise JobError(f"{clip(item.url, 120)} is a feed or a sitemap itself: give its own address.")
        return await self._fetched(item.url, path, fetched, user, progress)


async def _to_its_end(emitter: JobEmitter, work: Callable[[Progress], Awaitable[Outcome]]) -> dict[str, Any]:
    """Runs a job so that its last event says how it ended, however it ends; gives its result."""
    progress = Progress(emitter)
    try:
        outcome = await work(progress)
    except asyncio.CancelledError:
        # By the user or by the server's stop: the `done` event and the job's row say which.
        progress.complete("error", "Stopped before it was done.", IngestDetails())
        raise
    except JobError as error:
        progress.complete("error", str(error), IngestDetails())
        raise
    except Exception:
        progress.complete("error", "The server made a mistake; its log says more.", IngestDetails())
        raise
    progress.complete(outcome.status, outcome.message, outcome.details)
    return outcome.result


async def _identify(arrival: Arrival, progress: Progress) -> Kind:
    head = await asyncio.to_thread(_head, arrival.path)
    try:
        found = identify(head, name=arrival.name, media_type=arrival.media_type)
    except UnsupportedType as error:
        raise JobError(f"{error}.") from error
    if found.expected:
        progress.log(f"Announced as {found.expected}, but by {found.reason} it is {found.label}", "warning")
    else:
        progress.log(f"Identified as {found.label} by {found.reason}")
    return found.kind


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _none_chosen(channel: Channel, items: list[ChannelItem], limit: Limit) -> str:
    if not items:
        return f"None of the sitemaps of {clip(channel.title)} could be read: the log says why."
    dated = sum(item.date is not None for item in items)
    found = f"{clip(channel.title)} has {count(len(items), 'item')}, {dated:,} of them with a date, none in the last"
    return f"{found} {limit}: choose 50, 100 or all."


def _already_known(document: Document, progress: Progress) -> Outcome:
    message = (
        f"Already ingested as {clip(document.title)} on {document.created_at:%Y-%m-%d %H:%M} UTC "
        f"({count(document.words, 'word')}): nothing to do"
    )
    progress.log(message, "warning")
    return _outcome(document, message, known=True)


def _outcome(document: Document, message: str, *, known: bool) -> Outcome:
    facts = {"document_id": document.id, "title": document.title, "words": document.words}
    return Outcome(
        status="skipped" if known else "success",
        message=message,
        details=IngestDetails(**facts),
        result={**facts, "status": "known" if known else "stored"},
    )
