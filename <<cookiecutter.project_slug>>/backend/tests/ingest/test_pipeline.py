"""A job from its address to the library, without a server: what its channel leads to, and what has changed since."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from streamator import JobEmitter

from app.database import Database
from app.ingest import feature
from app.ingest.channel import Channel, read_channel
from app.ingest.documents import Document, Library
from app.ingest.extract import ExtractError, Log, extract
from app.ingest.extractor import ExtractedFile, Extractor
from app.ingest.fetch import Fetcher
from app.ingest.identify import Kind
from app.ingest.pipeline import Pipeline, UrlRequest
from app.ingest.validators import ValidatorTable
from app.jobs import JobError
from app.processes import Processes
from app.searches import Searches
from app.terms import pack_terms
from app.users import LOCAL_USER
from tests.ingest.archives import archive_in
from tests.support import JsonObject, RunningApp, Web

pytestmark = pytest.mark.anyio

ATOM = 'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"'


class Reads(Extractor):
    """Reads in this process, which takes no time to start."""

    async def extract(
        self, path: Path, kind: Kind, *, name: str, charset: str | None, text_path: Path, log: Log,
        follow: bool = False, user: str = LOCAL_USER.id,
    ) -> ExtractedFile:  # fmt: skip
        found = extract(path, kind, name=name, charset=charset, log=log)
        await asyncio.to_thread(text_path.write_text, found.text, encoding="utf-8")
        await asyncio.to_thread(text_path.with_suffix(".terms").write_bytes, pack_terms(found.text))
        return ExtractedFile(found.title, found.words, len(found.text))

    async def read_channel(
        self, path: Path, url: str, *, base: str | None = None, charset: str | None = None, media_type: str = "",
        text_path: Path, log: Log, user: str = LOCAL_USER.id,
    ) -> Channel | None:  # fmt: skip
        data = await asyncio.to_thread(path.read_bytes)
        try:
            return read_channel(data, url, base=base, charset=charset, media_type=media_type, log=log)
        except ExtractError as error:
            raise JobError(str(error)) from error


class Told:
    """What a job says."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.last: JsonObject = {}

    def log(self, message: str, level: str) -> None:
        self.lines.append((message, level))

    def emit(self, event: JsonObject) -> None:
        self.last = event

    @property
    def warnings(self) -> list[str]:
        return [message for message, level in self.lines if level == "warning"]


class Desk:
    """Takes addresses in."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.archive = archive_in(directory)
        self.database = database
        self.library = Library(self.database, self.archive, Searches(self.database, Processes()))

    async def __call__(self, url: str, *, max_pages: int = 50, **options: Any) -> Told:
        """Takes an address in, to its end, whichever that is."""
        pipeline = Pipeline(
            library=self.library, archive=self.archive, fetcher=Fetcher(max_bytes=1_000_000, allow_private=True),
            extractor=Reads(Processes()), validators=ValidatorTable(self.database), pause=0, max_pages=max_pages,
        )  # fmt: skip
        told = Told()
        request = UrlRequest(url, **{"limit": "all", **options})
        await pipeline.ingest_url(request, LOCAL_USER, cast(JobEmitter, told))
        return told

    async def documents(self) -> list[Document]:
        return (await self.library.find(user=LOCAL_USER)).documents

    async def titles(self) -> list[str]:
        return sorted(each.title for each in await self.documents())


@pytest.fixture
async def desk(tmp_path: Path, database: Database) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, database)
    await made.archive.open()
    yield made
    await made.library.close()


def page(title: str) -> bytes:
    return f"<!doctype html><title>{title}</title><article><p>The words of {title}.</p></article>".encode()


def serve(web: Web, path: str, title: str, etag: str = '"1"') -> str:
    return web.put(path, page(title), content_type="text/html", ETag=etag)


def atom(*entries: str, head: str = "") -> bytes:
    return f"<feed {ATOM}><title>News</title>{head}{''.join(entries)}</feed>".encode()


def entry(link: str, updated: str = "2026-06-01T00:00:00Z", more: str = "") -> str:
    return f'<entry><id>tag:{link}</id><link href="{link}"/><updated>{updated}</updated>{more}</entry>'


def note(name: str, text: str, updated: str = "2026-06-01T00:00:00Z") -> str:
    """An entry that is its text."""
    content = f'<content type="html">&lt;p&gt;{text}</content>'
    return f"<entry><id>tag:{name}</id><title>{name}</title><updated>{updated}</updated>{content}</entry>"


# Where links lead


@pytest.mark.parametrize(
    "channel",
    [
        b"<rss><channel><item><link>one.html</link></item></channel></rss>",
        atom(entry("one.html")),
        atom(entry("one.html")).replace(b"<feed ", b'<feed xml:base="./" '),
        b"<urlset><url><loc>one.html</loc></url></urlset>",
        b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "url": "one.html"}]}',
    ],
)
async def test_links_of_a_channel_that_was_redirected_begin_where_it_is(desk: Desk, web: Web, channel: bytes) -> None:
    serve(web, "/blog/one.html", "One")
    web.put("/blog/feed", channel)
    await desk(web.put("/feed", status=302, location="/blog/feed"))
    assert web.asked == ["/feed", "/blog/feed", "/blog/one.html"]


async def test_so_do_those_of_a_sitemap_that_an_index_names(desk: Desk, web: Web) -> None:
    serve(web, "/maps/one.html", "One")
    web.put("/maps/1.xml", b"<urlset><url><loc>one.html</loc></url></urlset>")
    web.put("/1.xml", status=301, location="/maps/1.xml")
    await desk(web.put("/robots.txt", b"Sitemap: 1.xml", content_type="text/plain"))
    assert web.asked == ["/robots.txt", "/1.xml", "/maps/1.xml", "/maps/one.html"]


async def test_an_item_without_a_page_is_named_after_the_address_that_was_given(desk: Desk, web: Web) -> None:
    url = web.put("/feed", status=302, location="/mirror-1")
    web.put("/mirror-1", atom(note("a", "words")))
    web.put("/mirror-2", atom(note("a", "words")))
    await desk(url)
    web.put("/feed", status=302, location="/mirror-2")
    assert (await desk(url)).last["details"]["skipped"] == 1
    assert [each.source for each in await desk.documents()] == [f"{url}#tag%3Aa"]


# What has changed


async def test_an_item_whose_text_has_changed_is_a_new_version_of_its_document(desk: Desk, web: Web) -> None:
    url = web.put("/feed", atom(note("a", "first words"), note("b", "words")))
    await desk(url)
    web.put("/feed", atom(note("a", "other words"), note("b", "words", updated="2026-06-02T00:00:00Z")))
    told = await desk(url)
    assert told.last["message"] == "“News”: 1 stored, 1 known already, 0 failed"
    assert ("2/2: Stored “a” as version 2, in place of “a”, 3 words", "success") in told.lines
    changed, same = sorted(await desk.documents(), key=lambda each: each.title)
    assert (changed.version, same.version) == (2, 1)
    texts = [await desk.library.get(changed.id, user=LOCAL_USER, version=number) for number in (1, 2)]
    assert [each.text for each in texts if each is not None] == ["a\n\nfirst words", "a\n\nother words"]


@pytest.mark.parametrize(
    "channel",
    [
        lambda link, date: atom(entry(link, updated=date)),
        lambda link, date: f"<urlset><url><loc>{link}</loc><lastmod>{date}</lastmod></url></urlset>".encode(),
        lambda link, date: (
            f"<rss><channel><item><link>{link}</link><description>As of {date}</description></item></channel></rss>"
        ).encode(),
    ],
    ids=["updated", "lastmod", "summary"],
)
async def test_a_page_is_fetched_again_when_its_channel_says_something_else_of_it(
    desk: Desk, web: Web, channel: Callable[[str, str], bytes]
) -> None:
    link = serve(web, "/one.html", "One")
    url = web.put("/feed", channel(link, "2026-06-01"))
    await desk(url)
    serve(web, "/one.html", "One, mended", etag='"2"')
    web.asked.clear()
    assert (await desk(url)).last["details"]["skipped"] == 1
    assert web.asked == ["/feed"]

    web.put("/feed", channel(link, "2026-06-02"))
    assert (await desk(url)).last["details"]["stored"] == 1
    assert web.asked_with[-1]["if-none-match"] == '"1"'
    (document,) = await desk.documents()
    assert (document.title, document.version) == ("One, mended", 2)

    web.put("/feed", channel(link, "2026-06-03"))
    web.put("/one.html", status=304)
    assert (await desk(url)).last["details"]["skipped"] == 1
    web.asked.clear()
    assert (await desk(url)).last["details"]["skipped"] == 1
    assert web.asked == ["/feed"]


async def test_what_one_channel_says_of_a_page_is_no_change_to_another(desk: Desk, web: Web) -> None:
    link = serve(web, "/one.html", "One")
    feed = web.put("/feed", atom(entry(link)))
    sitemap = web.put("/sitemap.xml", f"<urlset><url><loc>{link}</loc></url></urlset>".encode())
    for url in (feed, sitemap, feed, sitemap):
        await desk(url)
    assert web.asked.count("/one.html") == 1


@pytest.mark.parametrize(
    ("said", "asked"),
    [({"ETag": '"1"'}, "if-none-match"), ({"Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}, "if-modified-since")],
)
async def test_a_feed_is_asked_for_with_what_was_said_of_it(
    desk: Desk, web: Web, said: dict[str, Any], asked: str
) -> None:
    url = web.put("/feed", atom(note("a", "words")), **said)
    await desk(url)
    web.put("/feed", status=304)
    told = await desk(url, refresh=True)
    assert (told.last["type"], told.last["status"]) == ("channel", "skipped")
    assert [web.asked_with[-1][asked]] == list(said.values())


# What was deleted


async def test_a_deleted_item_is_told_and_has_not_failed(desk: Desk, web: Web) -> None:
    serve(web, "/one.html", "One")
    web.put("/gone.html", b"gone", status=410)
    tombstone = '<at:deleted-entry ref="tag:x" when="2026-06-02T00:00:00Z"/>'
    told = await desk(web.put("/feed", atom(entry("/one.html"), entry("/gone.html"), entry("x"), head=tombstone)))
    assert told.last["message"] == "“News”: 1 stored, 0 known already, 0 failed, 2 deleted there"
    assert (told.last["details"]["failures"], told.last["details"]["deleted"], told.warnings) == ([], 2, [])
    assert "partial" not in told.last
    lines = [message for message, _ in told.lines]
    assert "It says that 1 item was deleted" in lines
    assert any(line.startswith("2/2: The server answered 410 Gone") for line in lines)
    assert web.asked == ["/feed", "/one.html", "/gone.html"]


@pytest.mark.parametrize(
    "feed",
    [
        atom('<at:deleted-entry ref="tag:x" when="2026-06-02T00:00:00Z"/>'),
        b"<rss><channel><title>News</title><item><link>/gone</link></item></channel></rss>",
    ],
)
async def test_a_channel_of_nothing_but_deleted_items_has_not_failed(desk: Desk, web: Web, feed: bytes) -> None:
    web.put("/gone", status=410)
    told = await desk(web.put("/feed", feed))
    assert (told.last["status"], told.last["message"]) == (
        "skipped", "“News”: 0 stored, 0 known already, 0 failed, 1 deleted there",
    )  # fmt: skip


# Where a channel goes on


def following(to: str, relation: str = "next") -> str:
    return f'<link rel="{relation}" href="{to}"/>'


async def test_the_pages_of_a_feed_are_followed_and_so_are_its_archives(desk: Desk, web: Web) -> None:
    web.put("/3", atom(note("c", "three")))
    web.put("/2", atom(note("b", "two"), head=following("/3", "prev-archive")))
    url = web.put("/feed", atom(note("a", "one"), head=following("?page=2")))
    web.put("/feed?page=2", atom(note("b", "two"), head=following("/2")))
    told = await desk(url)
    assert web.asked == ["/feed", "/feed?page=2", "/2", "/3"]
    assert (told.last["details"]["stored"], told.warnings) == (3, [])
    assert {each.source for each in await desk.documents()} == {f"{url}#tag%3A{name}" for name in "abc"}


async def test_so_are_those_of_a_json_feed(desk: Desk, web: Web) -> None:
    feed = b'{"version": "https://jsonfeed.org/version/1.1", %s "items": [{"id": "%s", "content_text": "words %s"}]}'
    web.put("/2", feed % (b"", b"2", b"2"))
    assert (await desk(web.put("/feed", feed % (b'"next_url": "/2",', b"1", b"1")))).last["details"]["stored"] == 2


async def test_no_more_pages_are_followed_than_the_limit_takes(desk: Desk, web: Web) -> None:
    fifty = atom(*(note(f"n{number}", f"words {number}") for number in range(50)), head=following("/2"))
    await desk(web.put("/feed", fifty), limit="50")
    assert web.asked == ["/feed"]


async def test_pages_of_a_time_before_the_limit_are_not_followed(desk: Desk, web: Web) -> None:
    now = datetime.now(timezone.utc)
    new, old, older = ((now - timedelta(days=days)).isoformat() for days in (1, 60, 90))
    # One that is pinned to the first page says nothing of the second.
    web.put("/feed", atom(note("a", "one", new), note("pinned", "old", older), head=following("/2")))
    web.put("/2", atom(note("b", "two", old), head=following("/3")))
    assert (await desk(f"{web.url}/feed", limit="month")).last["details"]["stored"] == 1
    assert web.asked == ["/feed", "/2"]


async def test_so_many_pages_are_followed_as_are_set_and_what_is_left_out_is_said(
    desk: Desk, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        web.put(f"/{number}", atom(note(f"n{number}", f"words {number}"), head=following(f"/{number + 1}")))
    told = await desk(f"{web.url}/0", max_pages=2)
    assert web.asked == ["/0", "/1", "/2"]
    assert told.warnings == ["It goes on after 2 further files: the rest of it is left out"]
    assert "MAX_FEED_PAGES is 2" in caplog.text


async def test_pages_that_lead_in_a_ring_are_read_once(desk: Desk, web: Web) -> None:
    web.put("/2", atom(note("b", "two"), head=following("/feed")))
    await desk(web.put("/feed", atom(note("a", "one"), head=following("/2"))))
    assert web.asked == ["/feed", "/2"]


@pytest.mark.parametrize("path", ["/feed", "/2"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_to_wait_is_waited_for_with_a_feed_too(
    desk: Desk, web: Web, path: str, status: int
) -> None:
    feeds = {"/feed": atom(note("a", "one"), head=following("/2")), "/2": atom(note("b", "two"))}
    for each, feed in feeds.items():
        web.put(each, feed)
    web.put(path, status=status, once=True, retry_after="0")
    told = await desk(f"{web.url}/feed")
    assert (told.last["details"]["stored"], told.warnings) == (2, [])
    assert web.asked.count(path) == 2
    assert any(message.endswith("waiting 0 ms, as it asks") for message, _ in told.lines)


# Bounds that an operator sets


async def test_a_server_that_wants_a_longer_wait_than_is_set_is_told_plainly_and_the_log_names_the_setting(
    desk: Desk, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError, match="try again later, in 60 min 0 s at the earliest, as it asks") as refused:
        await desk(web.put("/feed", b"no", status=503, retry_after="3600"))
    assert "MAX_RETRY_AFTER_SECONDS is 120" in caplog.text
    assert "MAX_" not in str(refused.value)


def test_the_bounds_of_a_job_are_those_that_are_set(
    run_app: Callable[..., RunningApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, JsonObject] = {}

    def spy(kind: Callable[..., Any], **options: Any) -> Any:
        given[kind.__name__] = options
        return kind(**options)

    for kind in (Fetcher, Pipeline):
        monkeypatch.setattr(feature, kind.__name__, partial(spy, kind))
    run_app(
        max_fetch_seconds=11, max_retry_after_seconds=12, max_feed_pages=15, max_feed_items=16, max_upload_mb=17,
    )  # fmt: skip
    assert (given["Fetcher"]["timeout"], given["Fetcher"]["max_bytes"]) == (11, 17_000_000)
    assert [given["Pipeline"][name] for name in ("max_wait", "max_pages", "max_items")] == [12, 15, 16]
