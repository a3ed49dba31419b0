"""POST /api/ingest/stream: a job's own events, by name, and channels item by item."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.support import JsonObject, RunningApp, Web, eventually

pytestmark = pytest.mark.server

STEPS = [
    "extracting_id", "extracted_id", "checking_cache", "fetching", "fetched",
    "archiving", "archived", "storing", "stored",
]  # fmt: skip
PAGE = b"<!doctype html><title>%s</title><article><p>%s is on this page, in words of its own.</p></article>"


@pytest.fixture
def running(run_app: Callable[..., RunningApp]) -> RunningApp:
    return run_app(ingest_allow_private_urls=True)


def named_events(response: httpx.Response) -> Iterator[tuple[str, JsonObject]]:
    """The events of a stream, each with the name on its `event:` line."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def ingest(running: RunningApp, url: str, **body: Any) -> list[JsonObject]:
    """Takes an address in, to the end; gives the events without their times, each under its own name."""
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url, **body}) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        found = list(named_events(response))
    assert all(name == event["event"] for name, event in found)
    return [{key: value for key, value in event.items() if key != "t"} for _, event in found]


def steps(events: list[JsonObject]) -> list[str]:
    return [event["step"] for event in events if event["event"] == "progress"]


def percents(events: list[JsonObject]) -> list[float]:
    return [event["percent"] for event in events if event["event"] == "progress"]


def titles(running: RunningApp) -> list[str]:
    return [document["title"] for document in running.client.get("/api/documents").json()["documents"]]


def until(event: threading.Event) -> Callable[[Any], None]:
    """A body that does not come before the event."""

    def write(wfile: Any) -> None:
        assert event.wait(10)

    return write


def test_an_address_goes_through_all_steps_to_its_completion(running: RunningApp, web: Web) -> None:
    body = PAGE % (b"A fox", b"A fox")
    url = web.put("/page.html", body, content_type="text/html")
    events = ingest(running, url)
    assert steps(events) == STEPS
    assert percents(events) == sorted(percents(events))
    assert (percents(events)[0], percents(events)[-1]) == (0, 100)
    by_step = {event["step"]: event for event in events if event["event"] == "progress"}
    assert by_step["fetched"]["length"] == len(body)
    assert len(by_step["extracted_id"]["id"]) == 16
    assert {event["id"] for step, event in by_step.items() if step != "extracting_id"} == {
        by_step["extracted_id"]["id"]
    }
    (document,) = running.client.get("/api/documents").json()["documents"]
    assert events[-2] == {
        "event": "complete",
        "type": "document",
        "status": "success",
        "message": "Stored “A fox”",
        "details": {"document_id": document["id"], "title": "A fox", "words": document["words"]},
    }
    assert events[-1] == {"event": "done", "status": "completed"}


def test_the_events_keep_the_order_of_their_fields_on_the_wire(running: RunningApp, web: Web) -> None:
    url = web.put("/page.html", PAGE % (b"A fox", b"A fox"), content_type="text/html")
    text = running.client.post("/api/ingest/stream", json={"url": url}).text
    first, *_, complete, done, rest = text.removeprefix("retry: 3000\n: ok\n\n").split("\n\n")
    assert first.startswith(
        'event: progress\nid: 1\ndata: {"event":"progress","step":"extracting_id","message":"Reading the address “http:'
    )
    assert '\ndata: {"event":"complete","type":"document","status":"success","message":"Stored' in complete
    assert complete.startswith("event: complete\nid: ")
    assert done.startswith("event: done\nid: ")
    assert rest == ""


def test_an_address_in_the_library_is_skipped_without_a_request(running: RunningApp, web: Web) -> None:
    url = web.put("/page.html", PAGE % (b"A fox", b"A fox"), content_type="text/html")
    ingest(running, url)
    web.asked.clear()
    events = ingest(running, url)
    assert steps(events) == STEPS[:3]
    assert (events[-2]["status"], events[-2]["details"]["title"]) == ("skipped", "A fox")
    assert "nothing to do" in events[-2]["message"]
    assert web.asked == []

    web.put("/page.html", PAGE % (b"A hare", b"A hare"), content_type="text/html", ETag='"2"')
    complete = ingest(running, url, refresh=True)[-2]
    assert (complete["status"], complete["message"]) == (
        "success", "Stored “A hare” as version 2, in place of “A fox”",
    )  # fmt: skip
    (document,) = running.client.get("/api/documents").json()["documents"]
    assert (document["id"], document["title"], document["version"]) == (complete["details"]["document_id"], "A hare", 2)

    web.put("/page.html", status=304)
    complete = ingest(running, url, refresh=True)[-2]
    assert (complete["status"], complete["message"]) == ("skipped", "“A hare” is unchanged: nothing to do")
    assert web.asked_with[-1]["if-none-match"] == '"2"'


def test_a_failure_is_the_last_event_and_says_why(running: RunningApp, web: Web) -> None:
    events = ingest(running, f"{web.url}/missing.html")
    assert steps(events) == STEPS[:4]
    assert (events[-2]["event"], events[-2]["type"], events[-2]["status"]) == ("complete", "document", "error")
    assert "404 Not Found" in events[-2]["message"]
    assert events[-1] == {"event": "done", "status": "failed"}


def test_an_upload_streams_its_steps_too(running: RunningApp) -> None:
    answer = running.client.post("/api/ingest/stream", files={"file": ("notes.md", b"# Notes\n\nsome words")})
    found = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert steps(found) == [step for step in STEPS if step not in ("fetching", "fetched")]
    assert found[-2]["details"]["title"] == "Notes"


def test_the_job_goes_on_without_its_viewer_and_is_found_again(running: RunningApp, web: Web) -> None:
    go_on = threading.Event()

    def slowly(wfile: Any) -> None:
        wfile.write(b"some words " * 10)
        wfile.flush()
        assert go_on.wait(10)
        wfile.write(b"and the rest")

    url = web.put("/slow.txt", slowly, content_type="text/plain")
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url}) as response:
        job_id = response.headers["x-job-id"]
        for _, event in named_events(response):
            if event["step"] == "fetching":
                break
    (job,) = running.client.get("/api/jobs").json()["jobs"]
    assert (job["job_id"], job["status"]) == (job_id, "running")
    go_on.set()
    events = running.events(job_id)
    assert [event["step"] for event in events if event["event"] == "progress"] == STEPS
    assert events[-1]["status"] == "completed"


def test_cancelling_completes_the_stream(running: RunningApp, web: Web) -> None:
    release = threading.Event()
    url = web.put("/slow.txt", until(release), content_type="text/plain")
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url}) as response:
        job_id = response.headers["x-job-id"]
        seen = []
        for _, event in named_events(response):
            seen.append(event)
            if event.get("step") == "fetching":
                running.client.post(f"/api/job/{job_id}/cancel")
    release.set()
    assert (seen[-2]["event"], seen[-2]["status"], seen[-2]["message"]) == (
        "complete",
        "error",
        "Stopped before it was done.",
    )
    assert (seen[-1]["event"], seen[-1]["status"]) == ("done", "cancelled")


# Channels


def serve_pages(web: Web, *names: str) -> list[str]:
    return [web.put(f"/{name}.html", PAGE % (name.encode(), name.encode()), content_type="text/html") for name in names]


def rss(links: list[str], dates: list[datetime] | None = None) -> bytes:
    items = "".join(
        f"<item><title>{link}</title><link>{link}</link>"
        + (f"<pubDate>{format_datetime(dates[number])}</pubDate>" if dates else "")
        + "</item>"
        for number, link in enumerate(links)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>The news</title>{items}</channel></rss>'.encode()


def test_a_feed_is_taken_in_item_by_item(running: RunningApp, web: Web) -> None:
    one, two = serve_pages(web, "one", "two")
    url = web.put("/feed", rss([one, two]), content_type="application/rss+xml")
    events = ingest(running, url, limit="all")
    of_items = [event for event in events if "item" in event]
    assert steps(events) == [*STEPS[:5], *STEPS, *STEPS]
    assert [event["item"] for event in of_items[:: len(STEPS)]] == [
        {"number": 1, "total": 2, "url": one},
        {"number": 2, "total": 2, "url": two},
    ]
    assert percents(events) == sorted(percents(events))
    assert percents(events)[-1] == 100
    assert events[-2] == {
        "event": "complete",
        "type": "channel",
        "status": "success",
        "message": "“The news”: 2 stored, 0 known already, 0 failed",
        "details": {"title": "The news", "found": 2, "stored": 2, "skipped": 0, "failed": 0, "failures": []},
    }
    assert web.asked == ["/feed", "/one.html", "/two.html"]
    assert titles(running) == ["two", "one"]


def test_an_item_that_fails_does_not_end_the_channel_and_one_that_is_known_is_not_asked_for(
    running: RunningApp, web: Web
) -> None:
    one, two = serve_pages(web, "one", "two")
    ingest(running, one)
    web.asked.clear()
    inner = web.put("/inner", rss([one]), content_type="application/rss+xml")
    links = [one, f"{web.url}/missing", "http://user:secret@x.y/", inner, two]
    url = web.put("/feed", rss(links), content_type="application/rss+xml")
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url}) as response:
        job_id = response.headers["x-job-id"]
        *_, complete, _done = [event for _, event in named_events(response)]
    assert (complete["status"], complete["message"]) == (
        "success",
        "“The news”: 1 stored, 1 known already, 3 failed",
    )
    failures = complete["details"]["failures"]
    assert [failure["url"] for failure in failures] == links[1:4]
    assert "404" in failures[0]["error"]
    assert "secret" not in failures[1]["error"]
    assert "is a feed or a sitemap itself" in failures[2]["error"]
    assert web.asked == ["/feed", "/missing", "/inner", "/two.html"]
    lines = [event["message"] for event in running.events(job_id) if event["event"] == "log"]
    assert [line.split(":")[0] for line in lines if line[1:3] == "/5"] == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_of_a_large_channel_as_many_items_are_taken_as_may_be(run_app: Callable[..., RunningApp], web: Web) -> None:
    running = run_app(ingest_allow_private_urls=True, max_feed_items=2)
    links = serve_pages(web, "one", "two", "three")
    url = web.put("/feed", rss(links), content_type="application/rss+xml")
    assert [event["status"] for event in ingest(running, url, limit="all")[-2:]] == ["success", "completed"]
    assert web.asked == ["/feed", "/one.html", "/two.html"]
    (job,) = running.client.get("/api/jobs").json()["jobs"]
    warnings = [event["message"] for event in running.events(job["job_id"]) if event.get("level") == "warning"]
    assert warnings == ["MAX_FEED_ITEMS is 2: without 1 item"]


def test_a_channel_ends_where_the_library_is_full_and_keeps_what_it_has(
    run_app: Callable[..., RunningApp], web: Web
) -> None:
    running = run_app(ingest_allow_private_urls=True, max_documents_per_user=1)
    links = serve_pages(web, "one", "two", "three")
    url = web.put("/feed", rss(links), content_type="application/rss+xml")
    complete = ingest(running, url, limit="all")[-2]
    assert (complete["status"], complete["message"]) == ("success", "“The news”: 1 stored, 0 known already, 1 failed")
    assert "MAX_DOCUMENTS_PER_USER is 1" in complete["details"]["failures"][0]["error"]
    assert web.asked == ["/feed", "/one.html", "/two.html"]
    answer = running.client.post("/api/ingest", json={"url": url})
    assert (answer.status_code, "MAX_DOCUMENTS_PER_USER is 1" in answer.json()["error"]) == (507, True)


def test_a_channel_of_which_nothing_works_fails(running: RunningApp, web: Web) -> None:
    url = web.put("/feed", rss([f"{web.url}/a", f"{web.url}/b"]), content_type="application/rss+xml")
    events = ingest(running, url)
    assert (events[-2]["type"], events[-2]["status"]) == ("channel", "error")
    assert "None of 2 items of “The news” could be taken in" in events[-2]["message"]
    assert events[-1]["status"] == "failed"


def test_a_limit_of_time_takes_what_is_newer(running: RunningApp, web: Web) -> None:
    pages = serve_pages(web, "today", "spring", "old")
    now = datetime.now(timezone.utc)
    dates = [now, now - timedelta(days=200), now - timedelta(days=500)]
    url = web.put("/feed", rss(pages, dates), content_type="application/rss+xml")
    assert ingest(running, url, limit="month")[-2]["details"]["stored"] == 1
    assert ingest(running, url, limit="year")[-2]["message"] == "“The news”: 1 stored, 1 known already, 0 failed"
    assert titles(running) == ["spring", "today"]
    undated = web.put("/undated", rss(pages), content_type="application/rss+xml")
    assert ingest(running, undated, limit="month")[-2]["message"] == (
        "“The news” has 3 items, 0 of them with a date, none in the last month: choose 50, 100 or all."
    )


def test_a_sitemap_index_leads_to_the_pages_of_its_sitemaps(running: RunningApp, web: Web) -> None:
    one, two = serve_pages(web, "one", "two")
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    first = web.put("/1.xml", f"<urlset {space}><url><loc>{one}</loc></url></urlset>".encode())
    second = web.put("/2.xml.gz", gzip.compress(f"<urlset {space}><url><loc>{two}</loc></url></urlset>".encode()))
    gone = f"{web.url}/gone.xml"
    sitemaps = [(gone, "2024"), (first, "2026-02"), (second, "2026-01-01T10:00:00Z")]
    entries = "".join(f"<sitemap><loc>{url}</loc><lastmod>{date}</lastmod></sitemap>" for url, date in sitemaps)
    index = web.put("/sitemap.xml", f"<sitemapindex {space}>{entries}</sitemapindex>".encode())
    events = ingest(running, index, limit="all")
    assert events[-2]["details"] | {"title": ""} == {
        "title": "", "found": 2, "stored": 2, "skipped": 0, "failed": 0, "failures": [],
    }  # fmt: skip
    assert percents(events) == sorted(percents(events))
    assert web.asked == ["/sitemap.xml", "/1.xml", "/2.xml.gz", "/gone.xml", "/one.html", "/two.html"]


def test_a_channel_is_cancelled_between_two_items_and_keeps_what_it_has(
    running: RunningApp, web: Web, settings: Callable[..., Settings]
) -> None:
    (one,) = serve_pages(web, "one")
    release = threading.Event()
    stuck = web.put("/stuck.html", until(release), content_type="text/html")
    url = web.put("/feed", rss([one, stuck]), content_type="application/rss+xml")
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url}) as response:
        job_id = response.headers["x-job-id"]
        for _, event in named_events(response):
            if event.get("item", {}).get("number") == 2 and event["step"] == "fetching":
                running.client.post(f"/api/job/{job_id}/cancel")
    release.set()
    assert running.client.get(f"/api/jobs/{job_id}").json()["status"] == "cancelled"
    assert titles(running) == ["one"]
    work = settings().data_dir / "work"
    eventually(lambda: list(work.iterdir()) == [])


def test_a_feed_given_to_the_form_is_a_channel_too(running: RunningApp, web: Web) -> None:
    (one,) = serve_pages(web, "one")
    url = web.put("/feed", rss([one]), content_type="application/rss+xml")
    job_id = running.client.post("/api/ingest", data={"url": url, "limit": "100"}).json()["job_id"]
    assert running.events(job_id)[-1]["status"] == "completed"
    assert titles(running) == ["one"]


def test_an_episode_without_a_page_is_its_text_in_the_feed(running: RunningApp, web: Web) -> None:
    item = (
        "<item><title>The {0}</title><description>&lt;p&gt;About a {0} in the woods, and what it did.</description>"
        '<enclosure url="https://x.example/{0}.mp3" type="audio/mpeg"/></item>'
    )
    url = web.put("/feed", f"<rss><channel>{item.format('fox')}{item.format('hare')}</channel></rss>".encode())
    assert ingest(running, url, limit="all")[-2]["details"]["stored"] == 2
    assert web.asked == ["/feed"]
    (hare, fox) = running.client.get("/api/documents").json()["documents"]
    assert (hare["title"], fox["title"], fox["source"]) == ("The hare", "The fox", "https://x.example/fox.mp3")
    assert "in the woods" in running.client.get(f"/api/documents/{fox['id']}").json()["text"]
    assert ingest(running, url, limit="all")[-2]["details"]["skipped"] == 2


def test_what_became_of_items_whose_dates_decide_nothing_is_said(running: RunningApp, web: Web) -> None:
    one, two, three = serve_pages(web, "one", "two", "three")
    dates = [format_datetime(datetime.now(timezone.utc)), "once upon a time"]
    items = "".join(
        f"<item><link>{link}</link><pubDate>{date}</pubDate></item>"
        for link, date in zip((one, two), dates, strict=True)
    )
    feed = f"<rss><channel>{items}<item><link>{three}</link></item></channel></rss>"
    assert ingest(running, web.put("/feed", feed.encode()), limit="month")[-2]["details"]["stored"] == 2
    assert titles(running) == ["two", "one"]
    (job,) = running.client.get("/api/jobs").json()["jobs"]
    assert [event["message"] for event in running.events(job["job_id"]) if event.get("level") == "warning"] == [
        "The dates of 1 item cannot be read, such as “once upon a time”: taken in as if they were of the last month",
        "1 item without a date left out: choose 50, 100 or all to have them",
    ]


def test_a_robots_txt_leads_to_the_pages_of_its_sitemaps(running: RunningApp, web: Web) -> None:
    one, two = serve_pages(web, "one", "two")
    web.put("/list.txt", f"{two}\n".encode(), content_type="text/plain")
    web.put(
        "/pages.xml.gz", gzip.compress(b"<urlset><url>") + gzip.compress(f"<loc>{one}</loc></url></urlset>".encode())
    )
    index = "".join(f"<sitemap><loc>{web.url}{path}</loc></sitemap>" for path in ("/pages.xml.gz", "/index.xml"))
    web.put("/index.xml", f"<sitemapindex>{index}</sitemapindex>".encode())
    robots = web.put(
        "/robots.txt", b"Sitemap: /index.xml\nSitemap: /list.txt\nSitemap: /gone.xml", content_type="text/plain"
    )
    assert ingest(running, robots, limit="all")[-2]["details"]["stored"] == 2
    assert titles(running) == ["one", "two"]
    assert sorted(web.asked) == sorted(
        ["/robots.txt", "/index.xml", "/list.txt", "/gone.xml", "/pages.xml.gz", "/one.html", "/two.html"]
    )


@pytest.mark.parametrize(
    ("content", "headers", "status", "why"),
    [
        (b"<rss><channel><item><link>/x</link><description><p>words</p></description></item></channel></rss>",
         {"content_type": "text/html"}, "error", "None of 1 item of"),
        (b"<?xml version='1.0'?><opml><body/></opml>", {"content_type": "text/plain"}, "error", "is XML"),
        (b"<kml><name>words</name></kml>", {"content_type": "application/xml"}, "error", "is XML"),
        (gzip.compress(b"<urlset><url><loc>http://x.y/</loc></url></urlset>")[:-9], {}, "error", "in the middle"),
        (b"<Alice> words\n<Bob> more words", {"content_type": "text/plain"}, "success", "Stored"),
    ],
)  # fmt: skip
def test_markup_is_read_or_refused_and_never_stored_raw(
    running: RunningApp, web: Web, content: bytes, headers: dict[str, Any], status: str, why: str
) -> None:
    complete = ingest(running, web.put("/what", content, **headers))[-2]
    assert (complete["status"], why in complete["message"]) == (status, True), complete["message"]


def test_a_feed_that_has_not_changed_is_not_read_again(running: RunningApp, web: Web) -> None:
    (one,) = serve_pages(web, "one")
    url = web.put("/feed", rss([one]), ETag='"1"')
    ingest(running, url)
    web.put("/feed", status=304)
    complete = ingest(running, url, refresh=True)[-2]
    assert (complete["type"], complete["status"]) == ("channel", "skipped")
    assert "is unchanged: nothing to do" in complete["message"]
    # Of other items, or where some failed, it is asked for anew.
    web.put("/feed", rss([one, f"{web.url}/gone"]), ETag='"2"')
    for limit, known in (("all", None), ("50", '"1"'), ("50", None)):
        web.asked.clear()
        web.asked_with.clear()
        ingest(running, url, refresh=True, limit=limit)
        assert web.asked_with[web.asked.index("/feed")].get("if-none-match") == known


def test_a_server_that_asks_to_wait_is_waited_for(running: RunningApp, web: Web) -> None:
    def next_time(wfile: Any) -> None:
        web.put("/page.html", PAGE % (b"A fox", b"A fox"), content_type="text/html")

    url = web.put("/page.html", next_time, status=429, retry_after="1")
    job_id = running.client.post("/api/ingest", json={"url": url}).json()["job_id"]
    events = running.events(job_id)
    lines = [event["message"] for event in events if event["event"] == "log"]
    assert f"The server answered 429 Too Many Requests for {url}: waiting 1.0 s, as it asks" in lines
    assert (events[-1]["status"], titles(running)) == ("completed", ["A fox"])


def test_a_wait_is_told_of_an_item_too_and_ends_when_it_is_cancelled(running: RunningApp, web: Web) -> None:
    url = web.put("/feed", rss([web.put("/busy", b"no", status=503, retry_after="100")]))
    with running.client.stream("POST", "/api/ingest/stream", json={"url": url}) as response:
        job_id = response.headers["x-job-id"]
        for _, event in named_events(response):
            if "waiting 1 min 40 s" in event.get("message", ""):
                running.client.post(f"/api/job/{job_id}/cancel")
    assert running.events(job_id)[-1]["status"] == "cancelled"
    assert "1/1: The server answered 503" in str(running.events(job_id))


def test_a_server_that_asks_to_wait_for_long_ends_the_channel(running: RunningApp, web: Web) -> None:
    one, two = serve_pages(web, "one", "two")
    busy = web.put("/busy", b"no", status=429, retry_after="7200")
    complete = ingest(running, web.put("/feed", rss([one, busy, two])), limit="all")[-2]
    assert (complete["status"], complete["partial"]) == (
        "success", f"1 of 3 items; 2 warnings, the first: 2/3: The server answered 429 Too Many Requests for {busy}: "
        "it had too many requests: try again later, in 120 min 0 s at the earliest, as it asks.",
    )  # fmt: skip
    assert "the other items are left out" in complete["warnings"][1]
    assert web.asked == ["/feed", "/one.html", "/busy"]


def leading_to(url: str, before: str = "") -> bytes:
    return f'<!doctype html><title>Wait</title>{before}<meta http-equiv="Refresh" content="0; URL=\'{url}\'">'.encode()


def test_a_page_that_leads_on_at_once_is_followed_with_its_cookies(running: RunningApp, web: Web) -> None:
    web.put("/b/page.html", PAGE % (b"A fox", b"A fox"), content_type="text/html")
    web.put("/b/there", status=302, location="page.html")
    url = web.put("/a/", leading_to("../b/there"), content_type="text/html", set_cookie="seen=1; Path=/")
    events = ingest(running, url)
    assert (events[-2]["status"], events[-2]["message"]) == ("success", "Stored “A fox”")
    assert percents(events) == sorted(percents(events))
    assert web.asked == ["/a/", "/b/there", "/b/page.html"]
    assert [each.get("cookie") for each in web.asked_with] == [None, "seen=1", "seen=1"]
    (document,) = running.client.get("/api/documents").json()["documents"]
    assert document["source"] == url


def test_a_header_that_leads_on_at_once_is_followed_like_a_page_that_does(running: RunningApp, web: Web) -> None:
    web.put("/b/page.html", PAGE % (b"A fox", b"A fox"), content_type="text/html", refresh="30; url=/a/")
    url = web.put("/a/", b"", content_type="text/html", refresh="0; url=../b/page.html", set_cookie="seen=1; Path=/")
    assert ingest(running, url)[-2]["message"] == "Stored “A fox”"
    assert web.asked == ["/a/", "/b/page.html"]
    assert [each.get("cookie") for each in web.asked_with] == [None, "seen=1"]


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("/ring", "5 pages led on to another"),
        ("http://u:p@x.example/", "holds a user name"), ("/feed", "a feed or a sitemap: give that address"),
        ("/missing", "404"),
    ],
)  # fmt: skip
def test_where_a_page_leads_on_to_is_checked_like_a_redirect(running: RunningApp, web: Web, to: str, why: str) -> None:
    web.put("/feed", rss([f"{web.url}/x"]))
    complete = ingest(running, web.put("/ring", leading_to(to), content_type="text/html"))[-2]
    assert (complete["status"], why in complete["message"]) == ("error", True), complete["message"]


@pytest.mark.parametrize("content", ["30; url=/b", "0", "", "url=/b", "0; url="])
def test_a_page_that_leads_on_later_or_nowhere_is_a_page(running: RunningApp, web: Web, content: str) -> None:
    page = PAGE % (b"A fox", b"A fox") + f'<meta http-equiv=refresh content="{content}">'.encode()
    assert ingest(running, web.put("/page.html", page, content_type="text/html"))[-2]["status"] == "success"
    assert web.asked == ["/page.html"]


# What a job could not do


def test_what_was_lost_of_a_document_is_told_with_its_completion(running: RunningApp, web: Web) -> None:
    url = web.put("/page.txt", gzip.compress(b"some words") + b"rest", content_encoding="gzip")
    *_, complete, _ = ingest(running, url)
    (job,) = running.client.get("/api/jobs").json()["jobs"]
    warnings = [event["message"] for event in running.events(job["job_id"]) if event.get("level") == "warning"]
    assert warnings
    assert (complete["status"], complete["warnings"], complete["warning_count"]) == ("success", warnings, len(warnings))
    assert warnings[0] in complete["partial"]
    result = running.client.get(f"/api/job/{job['job_id']}/result").json()
    assert job["partial"] == complete["partial"] == result.get("result", result)["partial"]
    assert running.client.get(f"/api/jobs/{job['job_id']}").json()["partial"] == complete["partial"]


def test_what_was_lost_of_an_item_is_told_with_its_number(running: RunningApp, web: Web) -> None:
    (one,) = serve_pages(web, "one")
    damaged = web.put("/two.txt", gzip.compress(b"some words") + b"rest", content_encoding="gzip")
    links = [one, damaged, *(f"{web.url}/gone{n}" for n in range(9)), one.replace("one", "none")]
    complete = ingest(running, web.put("/feed", rss(links)), limit="all")[-2]
    assert complete["partial"].startswith("2 of 12 items; ")
    assert complete["warnings"][0].startswith("2/12: ")
    assert complete["warning_count"] == len(complete["warnings"])


def test_a_job_that_could_do_all_says_nothing_of_it(running: RunningApp, web: Web) -> None:
    (one,) = serve_pages(web, "one")
    assert not {"partial", "warnings", "warning_count"} & set(ingest(running, web.put("/feed", rss([one])))[-2])
    assert [job["partial"] for job in running.client.get("/api/jobs").json()["jobs"]] == [None]


@pytest.mark.parametrize("name", ["limit", "channel_limit"])
def test_the_limit_has_two_names(running: RunningApp, web: Web, name: str) -> None:
    pages = serve_pages(web, "new", "old")
    now = datetime.now(timezone.utc)
    url = web.put("/feed", rss(pages, [now, now - timedelta(days=99)]))
    assert ingest(running, url, **{name: "month"})[-2]["details"]["stored"] == 1
