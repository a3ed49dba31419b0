"""Channels: the items of a feed (RSS, Atom) or of a sitemap, and which of them to take in.

`read_channel` is a plain function with no state, run in a process of its own as the extraction of documents is. It
parses what has been fetched, and fetches nothing.
"""

from __future__ import annotations

import io
import re
import zlib
from calendar import timegm
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel

from app.ingest.extract import ExtractError
from app.wording import size

__all__ = ["Channel", "ChannelItem", "Limit", "begins_channel", "choose", "newest_first", "read_channel", "since"]

Limit = Literal["month", "year", "50", "100", "all"]
"""Which of a channel's items are taken in: those of the last 30 or 365 days, or the newest 50 or 100, or all."""

MAX_ITEMS = 50_000
"""As many as one sitemap may have (sitemaps.org); of a larger channel no more are looked at."""

_MAX_BYTES = 100_000_000
_DAYS = {"month": 30, "year": 365}
_ROOTS = rb"rss|feed|rdf:RDF|(?:\w+:)?urlset|(?:\w+:)?sitemapindex"
# What may stand in front of the root: white space, declarations, comments, a document type.
_BEGINNING = re.compile(
    rb"(?:\s|<\?[^>]*\?>|<!--(?:[^-]|-(?!->))*-->|<!DOCTYPE[^>\[]*>)*<(?:" + _ROOTS + rb")[\s>/]", re.IGNORECASE
)
_DATE = re.compile(r"(\d{4})(?:-(\d\d?))?(?:-(\d\d?))?")


class ChannelItem(BaseModel):
    """An item: where it is, and when it was published or last changed, if the channel says so."""

    url: str
    date: datetime | None = None


class Channel(BaseModel):
    """What is in a channel's file."""

    title: str
    items: list[ChannelItem]
    sitemaps: list[ChannelItem] = []
    """Of the index of a large site: where its other sitemaps are."""


def begins_channel(head: bytes) -> bool:
    """Whether a file is a feed or a sitemap, by its first 64 KiB; it may be packed with gzip, as sitemaps are."""
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(47).decompress(head, 65_536)
        except zlib.error:
            return False
    text = head.replace(b"\0", b"") if head.startswith((b"\xff\xfe", b"\xfe\xff")) else head
    return _BEGINNING.match(text.lstrip(b"\xef\xbb\xbf\xfe\xff")[:8192]) is not None


def read_channel(data: bytes, url: str) -> Channel:
    """Reads a feed or a sitemap.

    Arguments:
        data: the file.
        url: where it came from: links in it may be relative.

    Raises:
        ExtractError: it cannot be read, or has no items; the text says why.
    """
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(data)
    sitemap = re.search(rb"<(?:\w+:)?(?:urlset|sitemapindex)[\s>/]", data[:8192]) is not None
    channel = _sitemap(data, url) if sitemap else _feed(data, url)
    if not channel.items and not channel.sitemaps:
        raise ExtractError(f"There are no items in {channel.title!r}: give the address of another feed or sitemap.")
    return channel


def choose(items: Sequence[ChannelItem], limit: Limit, now: datetime) -> list[ChannelItem]:
    """The items that `limit` asks for, newest first and each address once. An item without a date is in no month or
    year, and comes behind those with one."""
    unique: dict[str, ChannelItem] = {}
    for item in newest_first(items):
        unique.setdefault(item.url, item)
    ordered = list(unique.values())
    start = since(limit, now)
    if start is not None:
        return [item for item in ordered if item.date is not None and item.date >= start]
    return ordered if limit == "all" else ordered[: int(limit)]


def newest_first(items: Sequence[ChannelItem]) -> list[ChannelItem]:
    """The same, ordered by date; those without one keep their order, at the end."""
    return sorted(items, key=lambda item: (item.date is None, -item.date.timestamp() if item.date else 0.0))


def since(limit: Limit, now: datetime) -> datetime | None:
    """The date that a limit of time begins with; None for a limit of another kind."""
    return now - timedelta(days=_DAYS[limit]) if limit in _DAYS else None


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(47)
    try:
        unpacked = unpacker.decompress(data, _MAX_BYTES)
    except zlib.error as error:
        raise ExtractError(f"This sitemap cannot be unpacked ({error}): give its address again later.") from error
    if unpacker.unconsumed_tail:
        raise ExtractError(f"This sitemap has more than {size(_MAX_BYTES)} unpacked: give a smaller one.")
    return unpacked


# Feeds


def _feed(data: bytes, url: str) -> Channel:
    import feedparser

    # As a stream: what is a string to it, it opens or fetches.
    found = feedparser.parse(io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False)
    if found.bozo and not found.entries:
        raise ExtractError(f"This feed cannot be read ({found.bozo_exception}): check the address in a feed reader.")
    title = " ".join(str(found.feed.get("title", "")).split()) or _name(url)
    items = [_item(entry.get("link"), _published(entry), url) for entry in found.entries[:MAX_ITEMS]]
    return Channel(title=title[:200], items=[item for item in items if item is not None])


def _published(entry: Any) -> datetime | None:
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(timegm(parsed), timezone.utc)
    except (ValueError, OverflowError, OSError):  # the year 99999
        return None


# Sitemaps


def _sitemap(data: bytes, url: str) -> Channel:
    from lxml import etree

    parser = etree.iterparse(
        io.BytesIO(data), events=("end",), recover=True, no_network=True, resolve_entities=False, load_dtd=False
    )
    items: list[ChannelItem] = []
    sitemaps: list[ChannelItem] = []
    try:
        for kind, fields in _entries(parser):
            item = _item(fields.get("loc"), _date(fields.get("lastmod")), url)
            if item is not None:
                (sitemaps if kind == "sitemap" else items).append(item)
            if len(items) + len(sitemaps) >= MAX_ITEMS:
                break
    except etree.XMLSyntaxError as error:
        raise ExtractError(f"This sitemap cannot be read ({error}): give the address of another.") from error
    return Channel(title=_name(url), items=items, sitemaps=sitemaps)


def _entries(parser: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each `url` or `sitemap`, with its children's text by their names, whatever namespace they are written in."""
    for _, element in parser:
        name = _local(element.tag)
        if name in ("url", "sitemap"):
            yield name, {_local(child.tag): child.text or "" for child in element if isinstance(child.tag, str)}
            element.clear()  # so that a large file does not stay in memory


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _date(text: str | None) -> datetime | None:
    """A W3C date, which may be a year or a month alone."""
    text = (text or "").strip()
    try:
        date = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        match = _DATE.match(text)
        if match is None:
            return None
        try:
            date = datetime(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        except ValueError:
            return None
    return date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)


def _item(link: str | None, date: datetime | None, base: str) -> ChannelItem | None:
    try:
        url = urljoin(base, (link or "").strip())
        scheme = urlsplit(url).scheme
    except ValueError:  # no URL at all
        return None
    return ChannelItem(url=url, date=date) if link and scheme in ("http", "https") else None


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"[:200]
