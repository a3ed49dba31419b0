"""The steps of an ingest job, from a file or a URL to documents that can be found."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import html
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from pydantic import BaseModel
from streamator import JobEmitter

from app.ingest.archive import Archive
from app.ingest.channel import MAX_ITEMS, Channel, ChannelItem, Limit, choose, newest_first, since
from app.ingest.documents import Document, Library, LibraryFull, NewDocument
from app.ingest.events import IngestDetails, IngestFailure, IngestItem
from app.ingest.extractor import Extractor, LeadsOn
from app.ingest.fetch import Fetched, Fetcher, Gone, NotModified, RetryLater, Validators
from app.ingest.identify import HEAD_BYTES, Kind, UnsupportedType, identify
from app.ingest.progress import Outcome, Progress
from app.ingest.unpacking import GZIP
from app.ingest.upload import safe_name
from app.ingest.validators import ValidatorTable
from app.jobs import Job, JobError
from app.storage import StorageError, disk
from app.users import User
from app.wording import clip, count, duration, size

__all__ = ["Pipeline", "Upload", "UrlRequest"]

logger = logging.getLogger(__name__)

_MAX_FAILURES_IN_A_ROW = 10
"""A site where so many items fail one after the other is left alone."""

_MAX_WAITS = 3
"""How often one address is asked again when its server says for how long to wait."""

_MAX_PAGES_ON = 5
"""How many pages one after the other may lead on by themselves."""

_KEPT_FAILURES = 20
"""How many failures the last event names; the log has them all."""


class Upload(BaseModel):
    """A document that somebody has uploaded; it is in the storage until its job has ended."""

    key: str
    name: str
    media_type: str
    charset: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Arrival:
    """A document whose bytes are at `path`, in a folder that is the job's to work in."""

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
            or a sitemap that are there are fetched again where that says anything else of them than before.
    """

    url: str
    limit: Limit = "50"
    refresh: bool = False


class Pipeline:
    """Takes documents in. One per app; its parts are what the routes need too.

    Arguments:
        validators: what servers have said of what came from them.
        max_items: so many items of a feed or a sitemap one job takes in (MAX_FEED_ITEMS).
        max_pages: so many further pages of a feed or sitemaps of an index it reads (MAX_FEED_PAGES).
        pause: seconds between two requests of one job, so that no site is pressed.
        max_wait: so many seconds a server may have a request wait (Retry-After, MAX_RETRY_AFTER_SECONDS); told to wait
            longer it has failed.
        stored: is told, after each document that is stored, whose it is.
    """

    def __init__(
        self,
        *,
        library: Library,
        archive: Archive,
        fetcher: Fetcher,
        extractor: Extractor,
        validators: ValidatorTable,
        max_items: int = 5_000,
        max_pages: int = 50,
        pause: float = 0.5,
        max_wait: float = 120.0,
        stored: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.library = library
        self.archive = archive
        self._fetcher = fetcher
        self.extractor = extractor
        self._max_items = max_items
        self._max_pages = max_pages
        self._pause = pause
        self._validators = validators
        self._max_wait = max_wait
        self._stored = stored

    async def ingest_url(self, request: UrlRequest, user: User, emitter: JobEmitter) -> dict[str, Any]:
        """The job for a URL: fetches it, then goes on as for an upload, or item by item for a channel."""
        with self.archive.work.new() as folder:
            path = folder / "document"
            return await _to_its_end(emitter, lambda progress: self._url(request, path, user, progress))

    async def ingest_upload(self, upload: Upload, user: User, emitter: JobEmitter) -> dict[str, Any]:
        """The job for an upload that has arrived."""
        return await _to_its_end(emitter, lambda progress: self._upload(upload, user, progress))

    async def _upload(self, upload: Upload, user: User, progress: Progress) -> Outcome:
        async with contextlib.AsyncExitStack() as stack:
            try:
                original = await stack.enter_async_context(self.archive.storage.local(upload.key))
            except FileNotFoundError as error:
                raise JobError(f"{clip(upload.name)} is not there any more: upload it again.") from error
            path = stack.enter_context(self.archive.work.new()) / "document"
            path.symlink_to(original)
            arrival = _Arrival(
                path, upload.name, upload.name, upload.media_type, upload.charset, upload.bytes, upload.sha256
            )
            return await self._document(arrival, user, progress)

    async def _document(self, arrival: _Arrival, user: User, progress: Progress) -> Outcome:
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
        scope = "document" if known is not None else request.limit
        validators = await self._validators.get(request.url, scope, user=user) if request.refresh else None
        try:
            fetched = await self._fetch(request.url, path, progress, known=validators)
        except NotModified:
            return _unchanged(request.url, known, progress)
        channel = await self._read_channel(request.url, fetched, path, user, progress)
        if channel is None:
            return await self._page(request.url, fetched, path, user, progress, replaces=known)
        progress.type = "channel"
        outcome = await self._channel(request, channel, path, user, progress)
        # Where it is said to be unchanged later, nothing is tried again; and of what it leads to it knows nothing.
        found = None if outcome.details.failed or channel.more else fetched.validators
        await self._validators.put(request.url, request.limit, found, user=user)
        return outcome

    async def _known(self, url: str, user: User, progress: Progress) -> Document | None:
        """The first three steps for an address."""
        progress.begin(f"Reading the address {clip(url, 120)}")
        progress.identified(hashlib.sha256(url.encode()).hexdigest()[:16])
        progress.step("checking_cache", "Looking for this address in the library")
        return await self.library.from_source(url, user=user)

    async def _fetch(
        self,
        url: str,
        path: Path,
        progress: Progress,
        *,
        known: Validators | None = None,
        cookies: httpx.Cookies | None = None,
    ) -> Fetched:
        progress.step("fetching", f"Fetching {clip(url, 120)}")
        fetched = await self._get(url, path, progress, known=known, cookies=cookies)
        if not fetched.bytes and fetched.leads_on is None:
            raise JobError(f"The document at {clip(url, 120)} is empty (0 bytes): give another URL.")
        progress.step("fetched", f"Fetched {size(fetched.bytes)}", length=fetched.bytes)
        return fetched

    async def _get(
        self,
        url: str,
        path: Path,
        progress: Progress,
        *,
        known: Validators | None = None,
        cookies: httpx.Cookies | None = None,
    ) -> Fetched:
        """Fetches, and waits for as long as the server asks, where that is not too long."""
        for waits in range(_MAX_WAITS + 1):
            try:
                return await self._fetcher.fetch(
                    url, path, progress.reading, received=progress.received, known=known, cookies=cookies
                )
            except RetryLater as later:
                if later.seconds > self._max_wait:
                    logger.warning("%s MAX_RETRY_AFTER_SECONDS is %g", later, self._max_wait)
                    raise
                if waits == _MAX_WAITS:
                    raise
                progress.waiting(f"{later.what}: waiting {duration(later.seconds)}, as it asks")
                await asyncio.sleep(later.seconds)
        raise AssertionError("the loop returns or raises at the last time")

    async def _page(
        self,
        url: str,
        fetched: Fetched,
        path: Path,
        user: User,
        progress: Progress,
        *,
        replaces: Document | None = None,
    ) -> Outcome:
        """Takes in what was fetched from an address, or what that leads on to."""
        for pages_on in range(_MAX_PAGES_ON + 1):
            arrival = _Arrival(
                path, url, fetched.name, fetched.media_type, fetched.charset, fetched.bytes, fetched.sha256
            )
            try:
                if fetched.leads_on is not None:
                    raise LeadsOn(fetched.leads_on)
                kind = await _identify(arrival, progress)
                outcome = await self._store(arrival, kind, user, progress, follow=True, replaces=replaces)
            except LeadsOn as page:
                to = urljoin(fetched.url, page.to)
                if pages_on == _MAX_PAGES_ON:
                    raise JobError(
                        f"{pages_on} pages led on to another, the last to {clip(to, 120)}: give the final URL."
                    ) from None
                progress.log(f"The page leads on to {clip(to, 120)}")
                fetched = await self._fetch(to, path, progress, cookies=fetched.cookies)
                if await self._read_channel(to, fetched, path, user, progress) is not None:
                    raise JobError(f"It leads on to {clip(to, 120)}, a feed or a sitemap: give that address.") from None
            else:
                await self._validators.put(url, "document", fetched.validators, user=user)
                return outcome
        raise AssertionError("the loop returns or raises at the last page")

    async def _store(
        self,
        arrival: _Arrival,
        kind: Kind,
        user: User,
        progress: Progress,
        *,
        follow: bool = False,
        replaces: Document | None = None,
    ) -> Outcome:
        """From bytes that are here to a document in the library.

        Arguments:
            follow: whether a page that leads on to another is to be told rather than read.
            replaces: the document that this is the newest version of.
        """
        known = await self.library.known(arrival.sha256, user=user)
        if known is not None:
            return _already_known(known, progress)
        progress.log(f"Not ingested before (SHA-256 {arrival.sha256[:12]}…)")

        text_path = arrival.path.with_suffix(".text")
        terms_path = text_path.with_suffix(".terms")
        started = time.monotonic()
        found = await self.extractor.extract(
            arrival.path, kind, name=arrival.name, charset=arrival.charset,
            text_path=text_path, log=progress.reading, follow=follow, user=user.id,
        )  # fmt: skip
        text = await asyncio.to_thread(text_path.read_text, encoding="utf-8")
        terms = await asyncio.to_thread(terms_path.read_bytes)
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
        document, added = await self.library.add(
            new, arrival.path, user=user, archived=archived, replaces=None if replaces is None else replaces.id
        )
        if not added:  # another job with the same content was quicker
            return _already_known(document, progress)
        if self._stored is not None:
            await self._stored(user.id)
        message = f"Stored {clip(document.title)}"
        if document.version > 1:
            message += f" as version {document.version}, in place of {clip(replaces.title if replaces else '')}"
        progress.step("stored", message)
        progress.log(f"{message} in {duration(time.monotonic() - started)}", "success")
        return _outcome(document, message, known=False)

    # Channels

    async def _channel(
        self, request: UrlRequest, channel: Channel, path: Path, user: User, progress: Progress
    ) -> Outcome:
        """Takes in the items of a feed or sitemap, one at a time. An item that fails is passed over."""
        items = await self._items(request, channel, path, user, progress)
        chosen = await asyncio.to_thread(choose, items, request.limit, datetime.now(timezone.utc))
        if channel.deleted:
            progress.log(f"It says that {count(channel.deleted, 'item was', 'items were')} deleted")
        if not chosen and (items or not channel.deleted):
            raise JobError(_none_chosen(channel, items, request.limit))
        _tell_of_dates(items, request.limit, progress)
        of_all = len(chosen)
        if len(chosen) > self._max_items:
            left_out = count(len(chosen) - self._max_items, "item")
            progress.warn(f"MAX_FEED_ITEMS is {self._max_items:,}: without {left_out}")
            del chosen[self._max_items :]
        progress.log(
            f"{clip(channel.title)} has {count(len(items), 'item')}, taking in {len(chosen):,} (limit: {request.limit})"
        )
        stored = skipped = gone = in_a_row = 0
        failures: list[IngestFailure] = []
        for number, item in enumerate(chosen, 1):
            of_item = progress.of_item(IngestItem(number=number, total=len(chosen), url=item.url))
            where = f"{number}/{len(chosen)}"
            try:
                outcome = await self._item(item, request.url, path, user, of_item)
            except Gone as error:
                gone += 1
                in_a_row = 0
                progress.log(f"{where}: {error}")
            except JobError as error:
                of_item.warn(str(error))
                failures.append(IngestFailure(url=item.url, error=str(error)))
                in_a_row += 1
                if isinstance(error, LibraryFull):
                    break
                if isinstance(error, RetryLater) and number < len(chosen):
                    progress.warn("The site wants no more requests for now: the other items are left out")
                    break
                if in_a_row == _MAX_FAILURES_IN_A_ROW and number < len(chosen):
                    progress.warn(f"{in_a_row} items in a row failed: the others are left out")
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
        deleted = channel.deleted + gone
        if deleted:
            message += f", {deleted:,} deleted there"
        progress.log(message, "warning" if failures else "success")
        counts = {"title": channel.title, "stored": stored, "skipped": skipped, "failed": len(failures)}
        details = IngestDetails(found=len(items), deleted=deleted or None, failures=failures[:_KEPT_FAILURES], **counts)
        done = stored + skipped + gone
        return Outcome(
            status="success" if stored else "skipped", message=message, details=details,
            share=f"{stored + skipped:,} of {count(of_all, 'item')}" if done < of_all else "",
            result={"document_id": None, "status": "channel", **counts},
        )  # fmt: skip

    async def _items(
        self, request: UrlRequest, channel: Channel, path: Path, user: User, progress: Progress
    ) -> list[ChannelItem]:
        """What is in a channel, and in as many of the files that it leads to as the limit takes."""
        items, enough = list(channel.items), int(request.limit) if request.limit.isdigit() else MAX_ITEMS
        start = since(request.limit, datetime.now(timezone.utc))
        waiting, seen = channel.more, {request.url}
        looked_at = 0
        while len(items) < enough:
            waiting = [
                part
                for part in newest_first(waiting)
                if part.url not in seen and not (start and part.date and part.date < start)
            ]
            if not waiting:
                break
            if looked_at == self._max_pages:
                logger.warning("%s goes on for longer: MAX_FEED_PAGES is %d", clip(request.url, 120), self._max_pages)
                progress.warn(f"It goes on after {count(looked_at, 'further file')}: the rest of it is left out")
                break
            part = waiting.pop(0)
            seen.add(part.url)
            looked_at += 1
            await asyncio.sleep(self._pause)
            progress.fetching_more(f"Fetching {clip(part.url, 120)}, where it goes on")
            try:
                fetched = await self._get(part.url, path, progress)
                found = await self._read_channel(request.url, fetched, path, user, progress)
                if found is None:
                    raise JobError(f"{clip(part.url, 120)} is no feed or sitemap: left out.")
                items += found.items
                channel.deleted += found.deleted
                waiting += found.more
            except JobError as error:
                progress.warn(str(error))
        return items

    async def _read_channel(
        self, url: str, fetched: Fetched, path: Path, user: User, progress: Progress
    ) -> Channel | None:
        if not _may_be_channel(await asyncio.to_thread(_head, path)):
            return None
        return await self.extractor.read_channel(
            path, url, base=fetched.url, charset=fetched.charset, media_type=fetched.media_type,
            text_path=path.with_suffix(".text"), log=progress.reading, user=user.id,
        )  # fmt: skip

    async def _item(self, item: ChannelItem, channel: str, path: Path, user: User, progress: Progress) -> Outcome:
        known = await self._known(item.url, user, progress)
        scope = f"item of {channel}"
        said = await self._validators.get(item.url, scope, user=user)
        if known is not None and said is not None and said.etag == item.mark:
            return _already_known(known, progress)
        if known is not None and said is None:  # it came some other way: from here on its changes are seen
            outcome = _already_known(known, progress)
        else:
            outcome = await self._take_item(item, known, path, user, progress)
        await self._validators.put(item.url, scope, Validators(item.url, item.mark, None), user=user)
        return outcome

    async def _take_item(
        self, item: ChannelItem, known: Document | None, path: Path, user: User, progress: Progress
    ) -> Outcome:
        """Takes in an item that is new, or of which its channel says something else than when `known` was taken in."""
        if item.text is not None:
            arrival = await asyncio.to_thread(_write_page, item, path)
            return await self._store(arrival, "html", user, progress, replaces=known)
        await asyncio.sleep(self._pause)
        validators = await self._validators.get(item.url, "document", user=user) if known is not None else None
        try:
            fetched = await self._fetch(item.url, path, progress, known=validators)
        except NotModified:
            return _unchanged(item.url, known, progress)
        if await self._read_channel(item.url, fetched, path, user, progress) is not None:
            raise JobError(f"{clip(item.url, 120)} is a feed or a sitemap itself: give its own address.")
        return await self._page(item.url, fetched, path, user, progress, replaces=known)


async def _to_its_end(emitter: JobEmitter, work: Callable[[Progress], Awaitable[Outcome]]) -> dict[str, Any]:
    """Runs a job so that its last event says how it ended, however it ends; gives its result."""
    progress = Progress(emitter)
    try:
        outcome = await work(progress)
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, StorageError):
            logger.error("a job has failed: %s", error)
            reason = f"Its files can be neither kept nor read ({error.reason}): try again later."
            progress.complete("error", reason, IngestDetails())
            raise JobError(reason) from error
        if not (isinstance(emitter, Job) and emitter.goes_on(error)):
            progress.complete("error", _how_it_failed(error), IngestDetails())
        raise
    progress.complete(outcome.status, outcome.message, outcome.details, share=outcome.share)
    return {**outcome.result, **progress.partial(outcome.share)}


def _how_it_failed(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "Stopped before it was done."  # by the user or by the server's stop: the job's row says which
    return str(error) if isinstance(error, JobError) else "The server made a mistake; its log says more."


async def _identify(arrival: _Arrival, progress: Progress) -> Kind:
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


def _may_be_channel(head: bytes) -> bool:
    """Whether the first HEAD_BYTES leave it open that a file is a channel: they do but for what is certainly not one,
    so that most documents are read without asking."""
    if head.startswith((GZIP, b"<\0", b"\0<")):  # packed, or UTF-16 without its mark
        return True
    try:
        return identify(head, name="").kind not in ("html", "pdf")
    except UnsupportedType:
        return False


def _write_page(item: ChannelItem, path: Path) -> _Arrival:
    """The page of an item that has its text in the feed alone."""
    title = html.escape(item.title)
    page = (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><article><h1>{title}</h1>{item.text}</article></body></html>"
    ).encode()
    with disk(path.parent):
        path.write_bytes(page)
    name = f"{safe_name(item.title)}.html"
    return _Arrival(path, item.url, name, "text/html", "utf-8", len(page), hashlib.sha256(page).hexdigest())


def _tell_of_dates(items: list[ChannelItem], limit: Limit, progress: Progress) -> None:
    """Says what became of items whose date decides nothing."""
    unread = [item.unread_date for item in items if item.unread_date]
    if unread:
        what = f"The dates of {count(len(unread), 'item')} cannot be read, such as {clip(unread[0], 60)}: "
        in_time = f"taken in as if they were of the last {limit}"
        progress.warn(what + (in_time if limit in ("month", "year") else "counted as the oldest"))
    undated = sum(item.date is None and item.unread_date is None for item in items)
    if undated and limit in ("month", "year"):
        progress.warn(f"{count(undated, 'item')} without a date left out: choose 50, 100 or all to have them")


def _none_chosen(channel: Channel, items: list[ChannelItem], limit: Limit) -> str:
    if not items:
        return f"None of the sitemaps of {clip(channel.title)} could be read: the log says why."
    dated = sum(item.date is not None for item in items)
    found = f"{clip(channel.title)} has {count(len(items), 'item')}, {dated:,} of them with a date, none in the last"
    return f"{found} {limit}: choose 50, 100 or all."


def _unchanged(url: str, known: Document | None, progress: Progress) -> Outcome:
    """What came of an address whose server says that nothing there has changed."""
    message = f"{clip(url if known is None else known.title, 120)} is unchanged: nothing to do"
    progress.log(message)
    if known is not None:
        return _outcome(known, message, known=True)
    progress.type = "channel"
    counts = {"title": url, "stored": 0, "skipped": 0, "failed": 0}
    result = {"document_id": None, "status": "channel", **counts}
    return Outcome(status="skipped", message=message, details=IngestDetails(**counts), result=result)


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
