from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.ingest.channel import Channel, ChannelItem, Limit, choose, read_channel, refuse_markup
from app.ingest.dates import DateReader
from app.ingest.extract import ExtractError

BASE = "https://example.org/news/feed"
SITEMAP = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NOW = datetime(2026, 6, 15, tzinfo=timezone.utc)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def read(data: bytes, url: str = BASE, **options: str) -> tuple[Channel, list[str]]:
    """Reads what is a channel; gives its warnings too."""
    lines: list[tuple[str, str]] = []
    channel = read_channel(data, url, log=lambda *line: lines.append(line), **options)
    assert channel is not None
    assert Channel.from_lines(line.encode() for line in channel.to_lines()) == channel  # it comes from another process
    return channel, [message for message, level in lines if level == "warning"]


def links(data: bytes, **options: str) -> list[str]:
    return [item.url for item in read(data, **options)[0].items]


def unmarked(channel: Channel) -> list[ChannelItem]:
    """The items, but for what tells their states apart."""
    return [item.model_copy(update={"mark": ""}) for item in channel.items]


def is_channel(data: bytes) -> bool:
    try:
        return read_channel(data, BASE) is not None
    except ExtractError:
        return True


def test_an_rss_feed_gives_its_links_with_their_dates() -> None:
    channel, _ = read(
        b'<?xml version="1.0" encoding="iso-8859-1"?><rss version="2.0"><channel><title> The \n n\xe9ws </title>'
        b"<item><link>https://example.org/a?x=1&amp;y=2</link><pubDate>Tue, 09 Jun 2026 10:00:00 +0200</pubDate></item>"
        b"<item><link>/relative</link></item><item><title>no link</title></item>"
        b"<item><link>javascript:alert(1)</link></item></channel></rss>",
        BASE,
    )
    assert channel.title == "The néws"
    assert unmarked(channel) == [
        ChannelItem(url="https://example.org/a?x=1&y=2", date=day("2026-06-09T08:00:00")),
        ChannelItem(url="https://example.org/relative"),
    ]


def test_an_atom_feed_gives_the_pages_of_its_entries() -> None:
    channel, _ = read(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><link rel="self" href="/me"/><entry>'
        b'<link rel="enclosure" href="/a.mp3"/><link rel="alternate" href="post/1"/>'
        b"<updated>2026-06-01T00:00:00Z</updated></entry></feed>",
        BASE,
    )
    assert unmarked(channel) == [ChannelItem(url="https://example.org/news/post/1", date=day("2026-06-01"))]


def test_a_sitemap_gives_its_pages_and_not_their_pictures() -> None:
    channel, _ = read(
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
    channel, _ = read(gzip.compress(index.encode()), BASE)
    assert (channel.items, [each.url for each in channel.more]) == ([], ["https://example.org/1.xml"])


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
        found = read(body.encode())[0].model_dump_json()
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
    assert is_channel(head)


@pytest.mark.parametrize(
    "head",
    [
        b"", b"<!doctype html><html>", b"about <rss>", b"<feedback>", b"%PDF-1.4", gzip.compress(b"text"),
        b"\x1f\x8b", b"<svg>",
    ],
)  # fmt: skip
def test_what_is_no_channel_is_not_taken_for_one(head: bytes) -> None:
    assert not is_channel(head)


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


def packed(*parts: bytes) -> bytes:
    return b"".join(map(gzip.compress, parts))


RSS = "<rss version='2.0'><channel><title>T</title><item><link>https://example.org/1</link></item></channel></rss>"
ATOM = "xmlns:a='http://www.w3.org/2005/Atom'"
XMLNS = ATOM.replace(":a", "")


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (f"<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY nbsp '&#160;'><!ELEMENT rss (channel)>]>{RSS}", {}),
        (f"<a:feed {ATOM}><a:entry><a:link href='https://example.org/1'/></a:entry></a:feed>", {}),
        (f"<!-- {'- ' * 20_000} -->{RSS}", {}),
        (f"<br />\n<b>Warning</b>: headers in x.php on line 3<br />\n<?xml version='1.0'?>{RSS}\n", {}),
        (f"Notice: x\n{RSS}<!-- end -->", {"media_type": "application/rss+xml; charset=utf-8"}),
        (f"\n \n\ufeff<?xml version='1.0'?>{RSS}", {}),
        (RSS.replace("</channel></rss>", ""), {}),
        (RSS.replace("T</title>", "A &nbsp; B & C</title>"), {}),
        ("<feed version='0.3' xmlns='http://purl.org/atom/ns#'><entry><link rel='alternate' "
         "href='https://example.org/1'/><modified>2003-12-13T18:30:02Z</modified></entry></feed>", {}),
        ("<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>"
         "<item rdf:about='x'><link>https://example.org/1</link></item></rdf:RDF>", {}),
        ("<sm:urlset xmlns:sm='http://x'><sm:url><sm:loc>https://example.org/1</sm:loc></sm:url></sm:urlset>", {}),
        ("<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://example.org/'><entry><link href='1'/></entry>"
         "</feed>", {}),
        ("https://example.org/1\r\n\r\n", {}),
        ('{"version": "https://jsonfeed.org/version/1", "items": [{"id": 1, "url": "https://example.org/1"}]}', {}),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": [{"external_url": "https://example.org/1"}]}', {}),
    ],
)  # fmt: skip
def test_a_channel_is_known_by_its_root_whatever_stands_around_it(data: str, options: dict[str, str]) -> None:
    for content in (data.encode(), packed(data.encode())):
        assert links(content, **options) == ["https://example.org/1"]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_channel_may_be_in_any_form_of_unicode(charset: str) -> None:
    assert links(RSS.encode(charset)) == ["https://example.org/1"]


def test_the_charset_of_the_header_goes_before_that_of_the_declaration() -> None:
    feed = '<?xml version="1.0" encoding="{}"?>' + RSS.replace("T</title>", "Новости дня</title>")
    assert read(feed.format("utf-8").encode("koi8-r"), charset="koi8-r")[0].title == "Новости дня"
    assert read(feed.format("koi8-r").encode("koi8-r"))[0].title == "Новости дня"
    assert read(feed.format("iso-8859-1").encode(), charset="utf-8")[0].title == "Новости дня"


def test_what_is_damaged_or_left_out_is_said() -> None:
    assert "is left out" in read(f"oops<?xml version='1.0'?>{RSS}".encode())[1][0]
    assert "not quite XML" in read(RSS.replace("</channel></rss>", "").encode())[1][0]
    assert "not quite XML" in read(b"<urlset><url><loc>https://example.org/1</loc></url>")[1][0]
    assert read(RSS.replace("</channel>", "<item><guid>x</guid></item></channel>").encode())[1] == [
        "1 item with neither an address nor a text left out"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A feed begins with <?xml version='1.0'?><rss> and ends with </rss>, of course.",
        '{"version": "1", "items": []}', "see https://example.org/1\nhttps://example.org/2", "Sitemap: none",
        "<Alice> hello\n<Bob> hi", "<opml/>", '{"feed": "https://jsonfeed.org/version/1"}',
    ],
)  # fmt: skip
def test_a_text_about_channels_is_none(text: str) -> None:
    assert not is_channel(text.encode())


def test_all_members_of_a_gzip_are_read() -> None:
    url = "<url><loc>https://example.org/{}</loc></url>"
    data = packed(b"<urlset>" + url.format(1).encode(), url.format(2).encode(), b"</urlset>")
    assert links(data) == links(data + bytes(512)) == ["https://example.org/1", "https://example.org/2"]
    assert "no part of it" in read(data + b"rest")[1][0]


@pytest.mark.parametrize("cut", [1, 9, 200])
def test_a_gzip_that_is_cut_is_told_as_cut(cut: int) -> None:
    urls = b"".join(b"<url><loc>https://example.org/%d</loc></url>" % n for n in range(500))
    for data in (packed(b"<urlset>" + urls + b"</urlset>"), packed(b"<urlset>", urls + b"</urlset>")):
        with pytest.raises(ExtractError, match="ends in the middle of its compressed data"):
            read_channel(data[:-cut], BASE)


def test_the_sitemaps_of_a_robots_txt_are_found() -> None:
    robots = b"User-agent: *\nDisallow: /x\nSitemap: https://example.org/a.xml\nSITEMAP:/b.xml\n"
    channel, _ = read(robots, "https://example.org/robots.txt")
    assert [each.url for each in channel.more] == ["https://example.org/a.xml", "https://example.org/b.xml"]
    assert read_channel(robots, "https://example.org/notes.txt") is None
    assert read_channel(robots, "https://example.org/robots", base="https://www.example.org/robots.txt") is not None


def test_an_item_without_a_page_is_what_it_holds() -> None:
    item = "<item><title>One</title>{}</item>"
    text = "<description>&lt;p&gt;Notes &amp;amp; more</description>"
    sound = '<enclosure url="https://example.org/1.mp3" type="audio/mpeg"/>'
    paper = '<enclosure url="https://example.org/1.pdf" type="application/pdf"/>'

    def found(inner: str) -> tuple[str, str | None]:
        feed = f"<rss><channel>{item.format(inner)}</channel></rss>"
        ((one,), _) = read(feed.encode())[0].items, None
        return one.url, one.text

    assert found(text + sound) == ("https://example.org/1.mp3", "<p>Notes &amp; more")
    assert found(text + '<guid isPermaLink="false">id 1</guid>') == (f"{BASE}#id%201", "<p>Notes &amp; more")
    subtitle = "<itunes:subtitle xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd'>In short</itunes:subtitle>"
    said = "<p:transcript xmlns:p='https://podcastindex.org/namespace/1.0' url='/1.{0}' type='{1}'/>"
    transcripts = [("json", "application/json"), ("srt", "application/x-subrip"), ("vtt", "text/vtt"), ("x", "x/x")]
    media = "<m:{0} xmlns:m='http://search.yahoo.com/mrss/' url='/1.{1}' type='{2}'/>"

    assert found(subtitle + sound) == ("https://example.org/1.mp3", "<p>In short</p>")
    assert found(text + sound + "".join(said.format(*each) for each in transcripts)) == (
        "https://example.org/1.srt", None,
    )  # fmt: skip
    assert found(media.format("content", "pdf", "application/pdf")) == ("https://example.org/1.pdf", None)
    assert found(text + media.format("content", "mp4", "video/mp4"))[0] == f"{BASE}#One"
    assert found("<guid>https://example.org/p</guid>" + text) == ("https://example.org/p", None)
    assert found(text + paper) == ("https://example.org/1.pdf", None)
    assert found(sound) == ("https://example.org/1.mp3", None)


def test_items_that_share_one_page_are_told_apart() -> None:
    item = "<item><title>{0}</title><link>https://example.org/</link><guid isPermaLink='false'>{0}</guid>{1}</item>"
    items = "".join(item.format(n, f"<description>Episode {n}</description>") for n in range(3))
    channel, _ = read(f"<rss><channel>{items}</channel></rss>".encode())
    assert [(one.url, one.text) for one in channel.items] == [(f"{BASE}#{n}", f"Episode {n}") for n in range(3)]


@pytest.mark.parametrize(
    "feed",
    [
        "<rss><channel><item><description>one</description></item><item><description>two</description></item>"
        "</channel></rss>",
        "<rss><channel><item><title>T</title><description>one</description></item><item><title>T</title>"
        "<description>two</description></item></channel></rss>",
        '{"version": "https://jsonfeed.org/version/1", "items": [{"content_html": "one"}, {"content_html": "two"}]}',
        '{"version": "https://jsonfeed.org/version/1", "items": [{"id": 1, "url": "http://x.y", "content_html": "one"},'
        '{"id": 2, "url": "http://x.y", "content_html": "two"}]}',
    ],
)
def test_items_without_an_id_or_a_page_of_their_own_are_each_one(feed: str) -> None:
    found = choose(read(feed.encode())[0].items, "all", NOW)
    assert [item.text for item in found] == ["one", "two"]
    again = read(feed.replace('"two"', '"2"').replace(">two<", ">2<").encode())[0].items
    assert again[0] == found[0]


def test_an_entry_whose_content_is_elsewhere_is_that_file() -> None:
    content = "<content type='{}' src='1'/><summary>In short</summary>"
    feed = f"<feed {XMLNS}><entry xml:base='/b/'><id>tag:x</id>{content}</entry></feed>"
    assert links(feed.format("text/html").encode()) == ["https://example.org/b/1"]
    assert links(feed.format("video/mp4").encode()) == [f"{BASE}#tag%3Ax"]


def test_the_base_of_a_link_may_be_relative_to_that_of_its_feed() -> None:
    feed = (
        f"<feed {XMLNS} xml:base='/blog/'><entry xml:base='2026/'><id>a</id>"
        "<link xml:base='06/' href='1'/></entry></feed>"
    )
    assert links(feed.encode()) == ["https://example.org/blog/2026/06/1"]


@pytest.mark.parametrize(
    ("updated", "there"),
    [("2026-06-01T00:00:00Z", False), ("2026-06-03T00:00:00Z", True), ("", False)],
)
def test_an_entry_that_was_deleted_is_there_if_it_was_changed_later(updated: str, there: bool) -> None:
    tombstone = (
        "<t:deleted-entry xmlns:t='http://purl.org/atompub/tombstones/1.0' ref='{}' when='2026-06-02T00:00:00Z'/>"
    )
    entry = f"<entry><id>a</id><link href='/a'/><updated>{updated}</updated></entry>"
    feed = f"<feed {XMLNS}>{entry}{tombstone.format('a')}{tombstone.format('b')}</feed>"
    channel, warnings = read(feed.encode())
    assert ([item.url for item in channel.items], warnings) == (["https://example.org/a"] if there else [], [])
    assert channel.deleted == 2 - there


@pytest.mark.parametrize("relation", ["next", "prev-archive"])
def test_a_feed_says_where_it_goes_on(relation: str) -> None:
    link = f"rel='{relation}' href='?page=2'/>"
    item = "<item><link>/1</link><pubDate>9 Jun 2026</pubDate></item>"
    for feed in (
        f"<feed {XMLNS}><link {link}<entry><link href='/'/><updated>2026-06-09</updated></entry></feed>",
        f"<rss {ATOM}><channel><a:link {link}<a:link rel='next' href='mailto:x'/>{item}</channel></rss>",
    ):
        (page,) = read(feed.encode())[0].more
        assert (page.url, page.date) == (f"{BASE}?page=2", day("2026-06-09"))


def test_a_json_feed_gives_its_items() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "News",
        "items": [
            {"id": "1", "url": "/1", "date_published": "2026-06-09T10:00:00+02:00"},
            {"id": "2", "content_text": "1 < 2\n\nbut", "date_modified": "2026-06-01"},
            {"id": "3", "content_html": "<p>\ud800", "title": None},
            {"id": "4"},
            "rubbish",
        ],
    }
    channel, warnings = read(json.dumps(feed).encode())
    assert [(one.url, one.text, one.date) for one in channel.items] == [
        ("https://example.org/1", None, day("2026-06-09T08:00:00")),
        (f"{BASE}#2", "<p>1 &lt; 2</p><p>but</p>", day("2026-06-01")),
        (f"{BASE}#3", "<p>?", None),
    ]
    assert warnings == ["2 items with neither an address nor a text left out"]
    assert channel.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 09 Jun 2026 10:00:00 +0200", "Tue, 09 Jun 26 08:00 GMT", "Tue, 9 June 2026 04:00:00 EDT",
        "9 Jun 2026 10:00:00 CEST", "Tue, 09 Jun 2026 10:00:00 GMT+2", "Tue, 09 Jun 2026 10:00:00 +02:00",
        "Tue Jun  9 08:00:00 2026", "2026-06-09T08:00:00.123456789Z", "2026-06-09T10:00:00,5+0200",
        "20260609T080000Z", "1780992000", "1780992000000", "Di, 09 Juni 2026 10:00:00 +0200",
        "mar., 9 juin 2026 10:00:00 +0200", "Вт, 09 июня 2026 11:00:00 +0300", "2026年6月9日 08:00",
        "martes, 09 de junio de 2026 08:00:00", "wt., 09 cze 2026 10:00:00 +0200", "2026년 6월 9일 08:00",
        "9 Haziran 2026 08:00", "9 يونيو 2026 08:00", "9 มิถุนายน 2569 08:00",
    ],
)  # fmt: skip
def test_a_date_is_read_as_it_is_written(text: str) -> None:
    date = DateReader().read(text)
    assert date is not None
    assert date.replace(second=0, microsecond=0) == day("2026-06-09T08:00:00")


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["05/06/2026", "13/06/2026 10:00"], [day("2026-06-05"), day("2026-06-13T10:00:00")]),
        (["05/06/2026", "06/13/2026 10:00 AM"], [day("2026-05-06"), day("2026-06-13T10:00:00")]),
        (["6-5-26", "6-25-26"], [day("2026-06-05"), day("2026-06-25")]),
        (["05/06/2026", "06/06/2026", "05.06.2026", "5 Jun 2026"],
         [None, day("2026-06-06"), day("2026-06-05"), day("2026-06-05")]),
        (["05/06/2026", "13/06/2026", "06/13/2026"], [None, day("2026-06-13"), day("2026-06-13")]),
    ],
)  # fmt: skip
def test_whether_the_day_or_the_month_is_first_is_told_by_the_other_dates(
    texts: list[str], days: list[datetime | None]
) -> None:
    reader = DateReader(texts)
    assert [reader.read(text) for text in texts] == days


@pytest.mark.parametrize(
    "channel",
    [
        "<rss><channel><item><link>/1</link><pubDate>{}</pubDate></item><item><link>/2</link><pubDate>{}</pubDate></item>"
        "</channel></rss>",
        "<urlset><url><loc>/1</loc><lastmod>{}</lastmod></url><url><loc>/2</loc><lastmod>{}</lastmod></url></urlset>",
        '{{"version": "https://jsonfeed.org/version/1", "items": [{{"url": "/1", "date_published": "{}"}},'
        '{{"url": "/2", "date_published": "{}"}}]}}',
    ],
)
def test_so_it_is_in_any_channel_and_what_is_not_told_counts_as_unread(channel: str) -> None:
    for dates, month in ((("06/05/2026", "05/31/2026"), "12"), (("06/05/2026", "31/05/2026"), "21"),
                         (("06/05/2026", "07/05/2026"), "12")):  # fmt: skip
        items = read(channel.format(*dates).encode())[0].items
        assert "".join(item.url[-1] for item in choose(items, "all", NOW)) == month
    assert [item.unread_date for item in items] == ["06/05/2026", "07/05/2026"]
    assert choose(items, "month", NOW) == items


@pytest.mark.parametrize(
    "text", ["yesterday", "2 hours ago", "soon", "0000-00-00 00:00:00", "31 Jun 2026", "1/2", "-1"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert DateReader(patience=1).read(text) is None


def test_an_item_whose_date_cannot_be_read_is_in_every_span() -> None:
    feed = "<rss><channel>{}</channel></rss>".format(
        "".join(
            f"<item><link>/{n}</link>{date}</item>"
            for n, date in enumerate(["<pubDate>next to never</pubDate>", "", "<pubDate>9 Jun 2026</pubDate>"])
        )
    )
    found = read(feed.encode())[0].items
    assert [item.unread_date for item in found] == ["next to never", None, None]
    assert [item.url[-1] for item in choose(found, "month", NOW)] == ["2", "0"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (RSS.encode(), "is a feed: give its address"),
        (f"<?xml version='1.0'?>{RSS}".encode("utf-16"), "is a feed: give its address"),
        (b"<urlset><url><loc>https://example.org/1</loc></url></urlset>", "is a sitemap: give its address"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": []}', "is a feed"),
        (b"<?xml version='1.0'?><opml><body>", "is XML \\(its root is <opml>\\)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><text>words</text></svg>", "is XML"),
    ],
)  # fmt: skip
def test_markup_is_never_taken_for_plain_text(data: bytes, why: str) -> None:
    with pytest.raises(ExtractError, match=why):
        refuse_markup(data, None, "x.xml")


@pytest.mark.parametrize("data", [b"<Alice> hi\n<Bob> ho", b"a <b>word</b>", b'{"a": 1}', b"<p>one</p>\n<p>two</p>"])
def test_a_text_with_angle_brackets_is_a_text(data: bytes) -> None:
    refuse_markup(data, None, "x.txt")


@pytest.mark.parametrize("name", ["https://example.org/sitemap.xml", "https://example.org/robots.txt"])
def test_of_the_further_files_that_one_names_the_newest_are_kept(name: str) -> None:
    dated = [f"2026-{month:02}-{day_:02}" for month in range(1, 13) for day_ in range(1, 29)] * 10
    if name.endswith("robots.txt"):
        data = "".join(f"Sitemap: /{n}.xml\n" for n in range(len(dated)))
    else:
        files = "".join(f"<sitemap><loc>/{n}</loc><lastmod>{date}</lastmod></sitemap>" for n, date in enumerate(dated))
        data = f"<sitemapindex>{files}</sitemapindex>"
    channel, warnings = read(data.encode(), name)
    assert len(channel.more) == 1_000
    assert warnings == [f"It names {len(dated):,} further files: the newest 1,000 are looked at"]
    if not name.endswith("robots.txt"):
        assert min(str(each.date)[:7] for each in channel.more) >= "2026-09"


def test_a_gzip_in_a_gzip_is_no_channel() -> None:
    assert read_channel(packed(packed(RSS.encode())), BASE) is None
