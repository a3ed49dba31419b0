"""Channels: the items of a feed (RSS, Atom, JSON Feed) or of a sitemap, and which of them to take in.

`read_channel` and `refuse_markup` are plain functions with no state, run in a process of their own as the extraction of
documents is. They parse what has been fetched, and fetch nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import html
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from pydantic import BaseModel

from app.ingest.charset import decode
from app.ingest.dates import DateReader
from app.ingest.extract import ExtractError, Log
from app.ingest.unpacking import GZIP, Unpacker
from app.wording import beginning, clip, count, size

__all__ = [
    "MAX_ITEMS", "Channel", "ChannelItem", "Limit", "choose", "newest_first", "read_channel", "refuse_markup", "since",
]  # fmt: skip

Limit = Literal["month", "year", "50", "100", "all"]
"""Which of a channel's items are taken in: those of the last 30 or 365 days, or the newest 50 or 100, or all."""

MAX_ITEMS = 50_000
"""As many as one sitemap may have (sitemaps.org); of a larger channel no more are looked at."""

_MAX_MORE = 1_000
"""Of the further files that one names: as many are kept. An index may name 50,000, each of which is another."""
_MAX_BYTES = 100_000_000
_DAYS = {"month": 30, "year": 365}
_FEEDS = {"rss", "feed", "rdf"}
_SITEMAPS = {"urlset", "sitemapindex"}
_NEXT = {"next", "prev-archive"}  # RFC 5005: the next page of a paged feed, what is older than an archived one
_JSON_FEED = re.compile(r"(https?://)?(www\.)?jsonfeed\.org/version/")
_MARKUP = re.compile(rb"[\s\0\xef\xbb\xbf\xfe\xff]*[<{]")
_XML_DECLARATION = re.compile(r"<\?xml(\s[^>]{0,500})?\?>")
_ENCODING = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']\s*([\w.:-]+)""")
_XML_TYPE = re.compile(r"[^;]*[/+]xml\s*(;|$)", re.IGNORECASE)
_DOCUMENT_TYPES = {"application/pdf", "application/xhtml+xml", "application/x-subrip", "application/srt"}
"""Of what is attached to an item, beside text of any kind: what can be read in its place."""


class ChannelItem(BaseModel):
    """An item: where it is, and when it was published or last changed, if the channel says so."""

    url: str
    """Its page's address. Of an item with no page of its own: the file's that comes with it, or else the feed's with
    the item's name behind it, which leads to the feed."""
    date: datetime | None = None
    unread_date: str | None = None
    """What the channel says of its date, where that cannot be read."""
    title: str = ""
    text: str | None = None
    """HTML. Of an item with no page of its own: its text in the feed, which is the document."""
    mark: str = ""
    """Another one where the channel says anything else of the item than before; empty where it says nothing."""


class Channel(BaseModel):
    """What is in a channel's file."""

    title: str
    items: list[ChannelItem]
    more: list[ChannelItem] = []
    """Where the rest of it is: the sitemaps of an index or a robots.txt, the next page or archive of a feed (RFC 5005).
    Their dates are of the newest item that may be in them."""
    deleted: int = 0
    """How many items it says were deleted (RFC 6721)."""

    def to_lines(self) -> Iterator[str]:
        """As lines of JSON: all but the items, then an item each."""
        yield self.model_copy(update={"items": []}).model_dump_json()
        for item in self.items:
            yield item.model_dump_json()

    @classmethod
    def from_lines(cls, lines: Iterable[bytes]) -> Channel:
        """Reads such lines, one by one: in a thread, it keeps no other waiting for all of them."""
        rest = iter(lines)
        channel = cls.model_validate_json(next(rest))
        channel.items.extend(map(ChannelItem.model_validate_json, rest))
        return channel


def read_channel(
    data: bytes,
    url: str,
    *,
    base: str | None = None,
    charset: str | None = None,
    media_type: str = "",
    log: Log = lambda message, level: None,
) -> Channel | None:
    """Reads a feed, a sitemap, or a robots.txt that names sitemaps; each may be packed with gzip.

    Gives None where the file is none of these.

    Arguments:
        data: the file.
        url: the channel's address, which its items without an address are named after.
        base: the address that answered, which links in it may be relative to (default: `url`).
        charset: what the header of its answer said of its charset, which goes before what the file says (RFC 7303).
        media_type: the content type it was sent with, parameters and all.
        log: takes a line for whatever could not be read.

    Raises:
        ExtractError: it is one, and cannot be read, or has no items; the text says why.
    """
    base = base or url
    lines: list[tuple[str, str]] = []
    complete = True
    if data.startswith(GZIP):
        packed = len(data)
        data, complete = _unpack(data, lambda *line: lines.append(line))
        if not data:
            return None
    text = _text(data, charset, lambda *line: lines.append(line))
    channel = _channel_in(text, url, base, media_type)
    if channel is None:
        return None
    if not complete:
        raise ExtractError(
            f"{_name(base)} ends in the middle of its compressed data, after {size(packed)}: give its address again "
            "later."
        )
    for line in lines:
        log(*line)
    found = channel.read(log)
    if not found.items and not found.more and not found.deleted:
        raise ExtractError(f"There are no items in {found.title!r}: give the address of another feed or sitemap.")
    return found


def refuse_markup(data: bytes, charset: str | None, name: str) -> None:
    """Refuses what would be taken for plain text, and is markup or data that only programs read.

    Raises:
        ExtractError: it is XML or a JSON Feed; the text says of which kind.
    """
    if not _MARKUP.match(data):
        return
    text = _text(data, charset, lambda *_: None)
    root = _root(text)
    if root is not None and (_XML_DECLARATION.match(text) or _is_well_formed(text)):
        if root.name in _FEEDS | _SITEMAPS:
            what = "a sitemap" if root.name in _SITEMAPS else "a feed"
            raise ExtractError(
                f"{name!r} is {what}: give its address in place of the file, and its items are taken in."
            )
        raise ExtractError(
            f"{name!r} is XML (its root is <{root.name}>), which is written for programs: use text, Markdown, HTML or "
            "PDF."
        )
    if isinstance(_channel_in(text, "", "", ""), _JsonFeed):
        raise ExtractError(f"{name!r} is a feed: give its address in place of the file, and its items are taken in.")


def choose(items: Sequence[ChannelItem], limit: Limit, now: datetime) -> list[ChannelItem]:
    """The items that `limit` asks for, newest first and each address once. An item without a date is in no month or
    year; one with a date that cannot be read may be of any, and is in each. Both come behind those with a date."""
    unique: dict[str, ChannelItem] = {}
    for item in newest_first(items):
        unique.setdefault(item.url, item)
    ordered = list(unique.values())
    start = since(limit, now)
    if start is not None:
        return [item for item in ordered if (item.unread_date if item.date is None else item.date >= start)]
    return ordered if limit == "all" else ordered[: int(limit)]


def newest_first(items: Sequence[ChannelItem]) -> list[ChannelItem]:
    """The same, ordered by date; those without one keep their order, at the end."""
    return sorted(items, key=lambda item: (item.date is None, -item.date.timestamp() if item.date else 0.0))


def since(limit: Limit, now: datetime) -> datetime | None:
    """The date that a limit of time begins with; None for a limit of another kind."""
    return now - timedelta(days=_DAYS[limit]) if limit in _DAYS else None


# From bytes to text


def _unpack(data: bytes, log: Log) -> tuple[bytes, bool]:
    """What a gzip holds, and whether it came to its end."""
    unpacker, unpacked = Unpacker(), io.BytesIO()
    try:
        for piece in unpacker.feed(data):
            unpacked.write(piece)
            if unpacked.tell() > _MAX_BYTES:
                raise ExtractError(f"This sitemap has more than {size(_MAX_BYTES)} unpacked: give a smaller one.")
    except zlib.error as error:
        raise ExtractError(f"This gzip cannot be unpacked ({error}): give its address again later.") from error
    if unpacker.ignored:
        log(f"{size(unpacker.ignored)} behind the compressed data are no part of it, and left out", "warning")
    return unpacked.getvalue(), unpacker.complete


def _text(data: bytes, charset: str | None, log: Log) -> str:
    """The text of some XML, JSON or list. In this order they say what its charset is: a byte order mark, the header,
    the XML declaration (RFC 7303, 3)."""
    if data.startswith(b"<\0"):  # nothing else begins so than UTF-16 without its mark (XML 1.0, appendix F)
        data = codecs.BOM_UTF16_LE + data
    elif data.startswith(b"\0<"):
        data = codecs.BOM_UTF16_BE + data
    declared = _ENCODING.search(data[:1024])
    label = charset or (declared[1].decode("ascii") if declared else None)
    return decode(data, label, log, html=False).lstrip("\ufeff\0 \t\r\n")


# What a file is


@dataclass(frozen=True)
class _Root:
    name: str
    """In small letters and without its prefix."""
    ends_with: str


def _root(text: str) -> _Root | None:
    """The element that some text begins with, declarations, comments and a document type in front of it left aside."""
    from lxml import etree

    if not text.startswith("<"):
        return None
    parser = etree.XMLPullParser(
        events=("start",), recover=True, no_network=True, resolve_entities=False, load_dtd=False
    )
    data = _without_declaration(text)
    try:
        for start in range(0, len(data), 65_536):
            parser.feed(data[start : start + 65_536])
            for _, element in parser.read_events():
                return _root_of(element)
        parser.close()
    except etree.XMLSyntaxError:
        pass
    for _, element in parser.read_events():  # a start tag that is cut
        return _root_of(element)
    return None


def _root_of(element: Any) -> _Root:
    name = f"{element.prefix}:{_local(element.tag)}" if element.prefix else element.tag.rpartition("}")[2]
    return _Root(_local(element.tag).lower(), f"</{name}>")


def _without_declaration(text: str) -> bytes:
    # What it says of a charset is not so any more.
    return _XML_DECLARATION.sub("", text, count=1).encode("utf-8", "replace")


def _is_well_formed(text: str) -> bool:
    from lxml import etree

    try:
        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        etree.fromstring(_without_declaration(text), parser)
    except etree.XMLSyntaxError:
        return False
    return True


def _channel_in(text: str, url: str, base: str, media_type: str) -> _Reader | None:
    """What reads the channel that some text is; None where it is none."""
    if text.startswith("{") and _JSON_FEED.search(text):
        try:
            feed = json.loads(text)
        except ValueError:
            return None
        if _JSON_FEED.match(_string(feed.get("version"))):
            return _JsonFeed(feed, url, base)
    declaration = _XML_DECLARATION.search(text[:65_536])
    # Something printed by mistake may stand in front, such as a warning of PHP's. Of a text about feeds the end shows
    # that it is not all XML.
    start = declaration.start() if declaration else text.find("<") if _XML_TYPE.match(media_type) else 0
    if start >= 0 and (root := _root(text[start:])) is not None:
        if start == 0 or _XML_TYPE.match(media_type) or text.rstrip().endswith(root.ends_with):
            junk = text[:start].strip()
            if root.name in _SITEMAPS:
                return _Sitemap(text[start:], base, junk)
            if root.name in _FEEDS:
                return _Feed(text[start:], url, base, junk)
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(re.match(r"https?://[^\s<>\"]+$", line) for line in lines):
        return _List(lines, base)
    named = [match[1] for line in lines if (match := re.match(r"sitemap\s*:\s*(\S+)", line, re.IGNORECASE))]
    if named and urlsplit(base).path == "/robots.txt":
        return _Robots(named, base)
    return None


# What is in it


class _Reader:
    """Reads a channel of some kind.

    Arguments:
        base: the address that links in it are relative to.
    """

    def __init__(self, base: str) -> None:
        self._base = base

    def read(self, log: Log) -> Channel:
        raise NotImplementedError

    def _address(self, link: object) -> str | None:
        """A link as an address of the web; None where it is none."""
        link = _string(link).strip()
        try:
            url = urljoin(self._base, link)
            return url if link and urlsplit(url).scheme in ("http", "https") else None
        except ValueError:  # no URL at all
            return None

    def _told(self, log: Log, items: list[ChannelItem | None], total: int) -> list[ChannelItem]:
        """The items that there are; says how many are none."""
        found = [item for item in items if item is not None]
        if len(found) < len(items):
            log(f"{count(len(items) - len(found), 'item')} with neither an address nor a text left out", "warning")
        if total > MAX_ITEMS:
            log(f"It has {count(total, 'item')}: the first {MAX_ITEMS:,} are looked at", "warning")
        return found


class _List(_Reader):
    """An address in each line, as in a sitemap.txt."""

    def __init__(self, lines: Sequence[str], base: str) -> None:
        super().__init__(base)
        self._lines = lines

    def read(self, log: Log) -> Channel:
        items = [self._item(line) for line in self._lines[:MAX_ITEMS]]
        return Channel(title=_name(self._base), items=self._told(log, items, len(self._lines)))

    def _item(self, line: str) -> ChannelItem | None:
        url = self._address(line)
        return None if url is None else ChannelItem(url=url)


class _Robots(_List):
    """The sitemaps that a robots.txt names."""

    def read(self, log: Log) -> Channel:
        found = super().read(log)
        return Channel(title=found.title, items=[], more=_first(found.items, log))


class _Sitemap(_Reader):
    def __init__(self, text: str, base: str, junk: str) -> None:
        super().__init__(base)
        self._text, self._junk = text, junk

    def read(self, log: Log) -> Channel:
        from lxml import etree

        _tell_junk(self._junk, log)
        parser = etree.iterparse(
            io.BytesIO(_without_declaration(self._text)),
            events=("end",), recover=True, no_network=True, resolve_entities=False, load_dtd=False,
        )  # fmt: skip
        entries: list[tuple[str, str | None, list[str]]] = []
        total = 0
        try:
            for kind, fields in _entries(parser):
                total += 1
                if total <= MAX_ITEMS:
                    entries.append((kind, self._address(fields.get("loc")), _texts(fields.get("lastmod"))))
        except etree.XMLSyntaxError as error:
            raise ExtractError(f"This sitemap cannot be read ({error}): give the address of another.") from error
        if parser.error_log:
            _tell_damage(parser.error_log[0].message, log)
        dates = DateReader(text for _, _, texts in entries for text in texts)
        items: list[ChannelItem | None] = []
        sitemaps: list[ChannelItem] = []
        for kind, url, texts in entries:
            item = None if url is None else ChannelItem(url=url, mark=_mark(*texts), **_dated(dates, texts))
            if kind == "sitemap" and item is not None:
                sitemaps.append(item)
            else:
                items.append(item)
        return Channel(title=_name(self._base), items=self._told(log, items, total), more=_first(sitemaps, log))


def _entries(parser: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each `url` or `sitemap`, with its children's text by their names, whatever namespace they are written in."""
    for _, element in parser:
        name = _local(element.tag)
        if name in ("url", "sitemap"):
            yield name, {_local(child.tag): child.text or "" for child in element if isinstance(child.tag, str)}
            element.clear()  # so that a large file does not stay in memory


@dataclass(frozen=True)
class _Entry:
    """An item as its feed has it."""

    link: str
    """Its page's address."""
    name: str
    """Tells it from the feed's other items, and from itself never; empty where the feed does not say."""
    title: str
    text: str
    """HTML."""
    files: Sequence[tuple[object, object]]
    """What is attached to it, address and media type."""
    dates: Sequence[str]
    """What it says of its date, the best first."""

    @property
    def mark(self) -> str:
        return _mark(self.title, self.text, *self.dates)


class _FeedReader(_Reader):
    """Reads a feed of any format, whose items may have a page, a file, a text, or several of these.

    Arguments:
        url: the feed's address, which items without an address are named after.
        base: the address that links in it are relative to.
    """

    def __init__(self, url: str, base: str) -> None:
        super().__init__(base)
        self._url = url

    def _channel(
        self,
        log: Log,
        title: object,
        entries: Sequence[_Entry | None],
        *,
        total: int,
        next_pages: Sequence[object],
        deleted: int = 0,
    ) -> Channel:
        found = [entry for entry in entries if entry is not None]
        dates = DateReader(text for entry in found for text in entry.dates)
        links = Counter(link for link, _ in {(each.link, each.name or each.title) for each in found})
        titles = Counter(each.title for each in found)
        items = [
            None if each is None else self._item(each, dates, links[each.link] > 1, titles[each.title] > 1)
            for each in entries
        ]
        newest = max((item.date for item in items if item is not None and item.date is not None), default=None)
        pages = [url for page in next_pages if (url := self._address(page)) is not None]
        return Channel(
            title=beginning(_line(title), 200) or _name(self._base),
            items=self._told(log, items, total),
            more=_first([ChannelItem(url=url, date=newest) for url in pages], log),
            deleted=deleted,
        )

    def _item(self, entry: _Entry, dates: DateReader, shared: bool, ambiguous: bool) -> ChannelItem | None:
        """An item by what of it can be read: its page; a file of a readable kind; its text in the feed.

        Arguments:
            shared: its page is no page of its own: other items have the same.
            ambiguous: other items have its title.
        """
        page = self._address(entry.link)
        attached = [(url, _string(kind)) for file, kind in entry.files if (url := self._address(file)) is not None]
        readable = [url for url, kind in attached if _is_readable(kind)]
        facts = {"title": entry.title, "mark": entry.mark, **_dated(dates, entry.dates)}
        if page is not None and not shared:
            return ChannelItem(url=page, **facts)
        if readable:
            return ChannelItem(url=readable[0], **facts)
        if entry.text.strip():
            name = entry.name or (entry.title if not ambiguous else "") or _mark(entry.title, entry.text)
            url = attached[0][0] if attached else f"{self._url.partition('#')[0]}#{quote(name)[:500]}"
            return ChannelItem(url=url, text=entry.text, **facts)
        url = attached[0][0] if attached else page
        return None if url is None else ChannelItem(url=url, **facts)


class _Feed(_FeedReader):
    """RSS 0.9 to 2.0, with what iTunes, Media RSS and Podcasting 2.0 add to it; Atom 0.3 and 1.0."""

    def __init__(self, text: str, url: str, base: str, junk: str) -> None:
        super().__init__(url, base)
        self._text, self._junk = text, junk

    def read(self, log: Log) -> Channel:
        import feedparser

        _tell_junk(self._junk, log)
        # Without an xml:base it leaves relative links as they are, and so tells a guid from an address.
        base = {"content-location": self._base} if "xml:base" in self._text else {}
        # As a stream: what is a string to it, it opens or fetches.
        found = feedparser.parse(
            io.BytesIO(_without_declaration(self._text)), sanitize_html=False, resolve_relative_uris=False,
            response_headers={"content-type": "application/xml; charset=utf-8", **base},
        )  # fmt: skip
        deleted, transcripts = self._unknown_to_feedparser()
        if found.bozo and not found.entries and not deleted:
            raise ExtractError(
                f"This feed cannot be read ({found.bozo_exception}): check the address in a feed reader."
            )
        if found.bozo:
            _tell_damage(str(found.bozo_exception), log)
        if len(transcripts) != len(found.entries):
            transcripts = [[] for _ in found.entries]
        for entry in found.entries:
            # One that was changed after it was deleted is there (RFC 6721, 3).
            if _is_newer(dict.get(entry, "updated"), deleted.get(_string(entry.get("id")))):
                del deleted[entry.id]
        there = [
            (entry, files)
            for entry, files in zip(found.entries, transcripts, strict=True)
            if _string(entry.get("id")) not in deleted
        ]
        entries = [_entry(entry, files) for entry, files in there[:MAX_ITEMS]]
        links = [each.get("href") for each in found.feed.get("links", ()) if each.get("rel") in _NEXT]
        return self._channel(
            log, found.feed.get("title"), entries, total=len(there), next_pages=links, deleted=len(deleted)
        )

    def _unknown_to_feedparser(self) -> tuple[dict[str, str], list[list[tuple[object, object]]]]:
        """When which entries were deleted, by their ids; and the transcripts of each entry. Of both feedparser keeps
        the last alone."""
        from lxml import etree

        deleted: dict[str, str] = {}
        transcripts: list[list[tuple[object, object]]] = []
        if not re.search("deleted-entry|transcript", self._text):
            return deleted, transcripts
        parser = etree.iterparse(
            io.BytesIO(_without_declaration(self._text)),
            events=("end",), recover=True, no_network=True, resolve_entities=False, load_dtd=False,
        )  # fmt: skip
        with contextlib.suppress(etree.XMLSyntaxError):  # feedparser says so too
            for _, element in parser:
                name = _local(element.tag)
                if name == "deleted-entry":
                    deleted[element.get("ref", "")] = element.get("when", "")
                elif name in ("item", "entry"):
                    found = (each for each in element if isinstance(each.tag, str) and _local(each.tag) == "transcript")
                    transcripts.append([(each.get("url"), each.get("type")) for each in found])
                    element.clear()
        return deleted, transcripts


def _entry(entry: Any, transcripts: Sequence[tuple[object, object]]) -> _Entry:
    details = [*entry.get("content", ()), entry.get("summary_detail") or {}, entry.get("subtitle_detail") or {}]
    content = max(details, key=lambda each: len(each.get("value") or ""))
    enclosures = [(each.get("href"), each.get("type")) for each in entry.get("enclosures", ())]
    media = [(each.get("url"), each.get("type")) for each in entry.get("media_content", ())]
    elsewhere = [
        (urljoin(each.get("base") or "", each["src"]), each.get("type")) for each in details if each.get("src")
    ]
    return _Entry(
        link=_link_of(entry),
        name=_string(entry.get("id")) or (_string(enclosures[0][0]) if enclosures else ""),
        title=_line(entry.get("title")),
        text=_as_html(content.get("value") or "", content.get("type", "text/html")),
        files=[*enclosures, *(file for file in (*elsewhere, *media, *transcripts) if _is_readable(file[1]))],
        # As a dict has them: feedparser gives one for the other, and warns of it.
        dates=_texts(*(dict.get(entry, name) for name in ("published", "updated", "created"))),
    )


class _JsonFeed(_FeedReader):
    """JSON Feed 1.0 and 1.1 (jsonfeed.org)."""

    def __init__(self, feed: dict[str, Any], url: str, base: str) -> None:
        super().__init__(url, base)
        self._feed = feed

    def read(self, log: Log) -> Channel:
        listed = self._feed.get("items")
        given = listed if isinstance(listed, list) else []
        entries = [_json_entry(each) if isinstance(each, dict) else None for each in given[:MAX_ITEMS]]
        more = [self._feed.get("next_url")]
        return self._channel(log, self._feed.get("title"), entries, total=len(given), next_pages=more)


def _json_entry(entry: Mapping[str, Any]) -> _Entry:
    attachments = entry.get("attachments")
    files = [each for each in attachments if isinstance(each, dict)] if isinstance(attachments, list) else []
    plain = next((text for name in ("content_text", "summary") if (text := _string(entry.get(name)))), "")
    return _Entry(
        link=_string(entry.get("url") or entry.get("external_url")),
        name=_string(str(entry.get("id", ""))),
        title=_line(entry.get("title")),
        text=_string(entry.get("content_html")) or _as_html(plain, "text/plain"),
        files=[(each.get("url"), each.get("mime_type")) for each in files],
        dates=_texts(entry.get("date_published"), entry.get("date_modified")),
    )


def _link_of(entry: Any) -> str:
    link, name = _string(entry.get("link")), _string(entry.get("id"))
    # A guid stands for the link unless it says that it does not, and many are no address all the same.
    is_guid = not any(each.get("rel") == "alternate" for each in entry.get("links", ()))
    return "" if is_guid and not re.match("https?://", name) else link


def _is_readable(media_type: object) -> bool:
    """Whether a file of this kind can be read in an item's place."""
    kind = _string(media_type)
    return kind.startswith("text/") or kind in _DOCUMENT_TYPES


def _is_newer(updated: object, deleted: str | None) -> bool:
    """Whether an entry that was deleted then was changed after that."""
    if deleted is None:
        return False
    dates = DateReader()
    now, then = dates.read(_string(updated)), dates.read(deleted)
    return now is not None and then is not None and now > then


def _dated(dates: DateReader, texts: Sequence[str]) -> dict[str, Any]:
    """An item's date: the first of those it gives that can be read."""
    for text in texts:
        if (date := dates.read(text)) is not None:
            return {"date": date}
    return {"unread_date": beginning(texts[0], 100) if texts else None}


def _texts(*values: object) -> list[str]:
    """Of some values those that say anything."""
    return [text for value in values if (text := _string(value).strip())]


def _mark(*said: str) -> str:
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:16] if any(said) else ""


def _as_html(text: str, media_type: str) -> str:
    if media_type != "text/plain":
        return text
    return "".join(f"<p>{html.escape(part)}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def _first(files: Sequence[ChannelItem], log: Log) -> list[ChannelItem]:
    """Of further files those that are kept: the newest."""
    if len(files) > _MAX_MORE:
        log(f"It names {count(len(files), 'further file')}: the newest {_MAX_MORE:,} are looked at", "warning")
    return newest_first(files)[:_MAX_MORE]


def _tell_junk(junk: str, log: Log) -> None:
    if junk:
        log(f"In front of its beginning stands {clip(junk, 60)}, which is left out", "warning")


def _tell_damage(why: str, log: Log) -> None:
    log(f"It is not quite XML ({clip(why, 120)}): read as far as it can be understood", "warning")


def _line(value: object) -> str:
    return " ".join(_string(value).split())


def _string(value: object) -> str:
    # JSON can hold half a character, which nothing can be written with.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _local(tag: str) -> str:
    """An element's name without its namespace, or a prefix that stands for none."""
    return tag.rpartition("}")[2].rpartition(":")[2]


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"[:200]
