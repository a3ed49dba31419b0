from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.ingest.channel import ChannelItem, Limit, begins_channel, choose, read_channel
from app.ingest.extract import ExtractError

BASE = "https://example.org/news/feed"
SITEMAP = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NOW = datetime(2026, 6, 15, tzinfo=timezone.utc)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def test_an_rss_feed_gives_its_links_with_their_dates() -> None:
    channel = read_channel(
        b'<?xml version="1.0" encoding="iso-8859-1"?><rss version="2.0"><channel><title> The \n n\xe9ws </title>'
        b"<item><link>https://example.org/a?x=1&amp;y=2</link><pubDate>Tue, 09 Jun 2026 10:00:00 +0200</pubDate></item>"
        b"<item><link>/relative</link></item><item><title>no link</title></item>"
        b"<item><link>javascript:alert(1)</link></item></channel></rss>",
        BASE,
    )
    assert channel.title == "The néws"
    assert channel.items == [
        ChannelItem(url="https://example.org/a?x=1&y=2", date=day("2026-06-09T08:00:00")),
        ChannelItem(url="https://example.org/relative"),
    ]


def test_an_atom_feed_gives_the_pages_of_its_entries() -> None:
    channel = read_channel(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><link rel="self" href="/me"/><entry>'
        b'<link rel="enclosure" href="/a.mp3"/><link rel="alternate" href="post/1"/>'
        b"<updated>2026-06-01T00:00:00Z</updated></entry></feed>",
        BASE,
    )
    assert channel.items == [ChannelItem(url="https://example.org/news/post/1", date=day("2026-06-01"))]


def test_a_sitemap_gives_its_pages_and_not_their_pictures() -> None:
    channel = read_channel(
        f'<?xml version="1.0"?><urlset {SITEMAP} xmlns:i="http://www.google.com/schemas/sitemap-image/1.1">'
        "<url><loc> https://example.org/1 </loc><lastmod>2026-06-01T12:00:00+02:00</lastmod>"
        "<i:image><i:loc>https://example.org/1.png</i:loc></i:image></url>"
        "<url><loc>https://example.org/2</loc><lastmod>2026-05</lastmod></url>"
        "<url><loc>https://example.org/3</loc><lastmod>yesterday</lastmod></url></urlset>".encode(),
        BASE,
    )
    assert [(item.url[-1], item.date) for item in channel.items] == [
        ("1", day("2026-06-01T10:00:00")),
        ("2", day("2026-05-01")),
        ("3", None),
    ]


def test_a_packed_index_gives_its_sitemaps() -> None:
    index = f"<sitemapindex {SITEMAP}><sitemap><loc>https://example.org/1.xml</loc></sitemap></sitemapindex>"
    channel = read_channel(gzip.compress(index.encode()), BASE)
    assert (channel.items, [each.url for each in channel.sitemaps]) == ([], ["https://example.org/1.xml"])


@pytest.mark.parametrize(
    "data",
    [
        b"<rss", b"<rss/>", b"<urlset/>", b"<urlset", b"\x1f\x8bno gzip",
        b"<feed><entry><link href='mailto:x'/></entry></feed>",
    ],
)  # fmt: skip
def test_a_channel_without_items_says_so(data: bytes) -> None:
    with pytest.raises(ExtractError, match=r"cannot be read|no items|cannot be unpacked"):
        read_channel(data, BASE)


@pytest.mark.parametrize("root", ["rss", "urlset"])
def test_entities_of_a_channel_read_no_file(tmp_path: Path, root: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    link = "<url><loc>https://example.org/&e;</loc></url><item><link>https://example.org/&e;</link></item>"
    body = f'<?xml version="1.0"?>{entity}<{root}><channel>{link}</channel>{link}</{root}>'
    try:
        found = read_channel(body.encode(), BASE).model_dump_json()
    except ExtractError as error:
        found = str(error)
    assert "hidden" not in found


@pytest.mark.parametrize(
    "head",
    [
        b"<rss version='2.0'>", b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a - b -->\n<feed xmlns="x">',
        b"<?xml version='1.0'?><?xml-stylesheet href='x'?><rdf:RDF xmlns:rdf='y'>", b"<urlset>", b"<sitemapindex\n>",
        b"<sm:urlset xmlns:sm='x'>", gzip.compress(b"<urlset>" * 10), "<?xml?><rss>".encode("utf-16"),
    ],
)  # fmt: skip
def test_a_channel_is_known_by_its_beginning(head: bytes) -> None:
    assert begins_channel(head)


@pytest.mark.parametrize(
    "head",
    [
        b"", b"<!doctype html><html>", b"about <rss>", b"<feedback>", b"%PDF-1.4", gzip.compress(b"text"),
        b"\x1f\x8b", b"<svg>",
    ],
)  # fmt: skip
def test_what_is_no_channel_is_not_taken_for_one(head: bytes) -> None:
    assert not begins_channel(head)


def items(*days: int | None) -> list[ChannelItem]:
    """An item for each: so many days old, or without a date."""
    return [
        ChannelItem(url=f"https://example.org/{age}", date=None if age is None else NOW - timedelta(days=age))
        for age in days
    ]


@pytest.mark.parametrize(
    ("limit", "ages"),
    [("month", [3, 30]), ("year", [3, 30, 31, 365]), ("all", [3, 30, 31, 365, 366, None])],
)
def test_a_limit_chooses_the_newest_first(limit: Limit, ages: list[int | None]) -> None:
    assert choose(items(31, None, 3, 366, 365, 30), limit, NOW) == items(*ages)


@pytest.mark.parametrize(("limit", "number"), [("50", 50), ("100", 100), ("all", 120)])
def test_a_limit_may_be_a_number(limit: Limit, number: int) -> None:
    assert choose(items(*range(120)), limit, NOW) == items(*range(number))


def test_an_address_counts_once_by_its_newest_date() -> None:
    (old,) = items(10)
    new = ChannelItem(url=old.url, date=NOW)
    assert choose([old, *items(5), new], "all", NOW) == [new, *items(5)]
