from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import Session

from app.ingest.models import DocumentRow, VersionRow
from app.settings import Settings
from tests.pdf import make_pdf
from tests.support import JsonObject, RunningApp, Web, eventually, write

pytestmark = pytest.mark.server

RunApp = Callable[..., RunningApp]

MARKDOWN = b"# Field notes\n\nThe quick brown fox.\n\n## Weather\n\nRain, then sunshine over Reykjav\xc3\xadk.\n"


@pytest.fixture
def running(run_app: RunApp) -> RunningApp:
    return run_app()


def logged(events: list[JsonObject]) -> list[tuple[str, str]]:
    return [(event["level"], event["message"]) for event in events if event["event"] == "log"]


def files_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_a_document_is_taken_in_step_by_step(running: RunningApp) -> None:
    job_id = running.ingest(MARKDOWN, "notes.md")
    events = running.events(job_id)
    assert (events[-1]["event"], events[-1]["status"]) == ("done", "completed")
    lines = logged(events)
    assert lines[:2] == [
        ("info", "Received “notes.md”: 86 bytes"),
        ("info", "Identified as Markdown by its name"),
    ]
    assert ("info", "Section “Weather”: 6 words") in lines
    assert [message.split(" in ")[0] for level, message in lines if level == "success"] == [
        "Extracted “Field notes”: 12 words, 79 characters",
        "Stored “Field notes”",
    ]
    job = running.client.get(f"/api/jobs/{job_id}").json()
    result = running.client.get(f"/api/job/{job_id}/result").json()
    assert job["status"] == "completed"
    expected = {"document_id": job["document_id"], "title": "Field notes", "words": 12, "status": "stored"}
    assert expected in (result, result.get("result"))


def test_an_upload_says_its_charset_in_its_part(running: RunningApp) -> None:
    text = "Снег уже растаял"
    part = ("x.txt", text.encode("iso-8859-5"), "text/plain; charset=ISO-8859-5")
    job_id = running.client.post("/api/ingest", files={"file": part}).json()["job_id"]
    assert running.result(job_id)["text"] == text
    assert ("info", "Read as iso-8859-5 (as it declares): 16 characters") in logged(running.events(job_id))


@pytest.mark.parametrize(
    ("content", "name", "kind", "title", "text"),
    [
        (b"Shopping\n\nmilk and bread", "list.txt", "text", "Shopping", "Shopping\n\nmilk and bread"),
        (
            make_pdf(["Page one words", "Page two"], title="A PDF"),
            "p.pdf",
            "pdf",
            "A PDF",
            "Page one words\n\nPage two",
        ),
        (b"<!doctype html><title>T</title><body><div>short</div>", "x.html", "html", "T", "short"),
    ],
)
def test_every_kind_is_listed_with_its_facts(
    running: RunningApp, content: bytes, name: str, kind: str, title: str, text: str
) -> None:
    document = running.result(running.ingest(content, name))
    assert (document["kind"], document["title"], document["text"]) == (kind, title, text)
    assert (document["source"], document["bytes"]) == (name, len(content))
    listed = running.client.get("/api/documents").json()
    assert listed["total"] == 1
    assert listed["documents"][0]["id"] == document["id"]
    assert "text" not in listed["documents"][0]


def test_a_document_comes_from_a_url(run_app: RunApp, web: Web) -> None:
    running = run_app(ingest_allow_private_urls=True)
    url = web.put("/guide.md", b"# The guide\n\nWords.", content_type="text/plain")
    answer = running.client.post("/api/ingest", data={"url": url})
    assert answer.status_code == 202
    assert answer.json()["source"] == url
    document = running.result(answer.json()["job_id"])
    assert (document["title"], document["kind"], document["source"]) == ("The guide", "markdown", url)


def test_a_url_into_this_machine_is_refused_by_default(running: RunningApp, web: Web) -> None:
    job_id = running.client.post("/api/ingest", data={"url": web.put("/x", b"secret")}).json()["job_id"]
    events = running.events(job_id)
    assert events[-1]["status"] == "failed"
    level, message = logged(events)[-1]
    assert level == "error"
    assert "not on the public internet: refused" in message
    assert web.asked == []


def test_the_same_content_again_is_known(running: RunningApp) -> None:
    first = running.result(running.ingest(MARKDOWN, "notes.md"))
    job_id = running.ingest(MARKDOWN, "other-name.md")
    events = running.events(job_id)
    assert events[-1]["status"] == "completed"
    level, message = logged(events)[-1]
    assert level == "warning"
    assert message.startswith("Already ingested as “Field notes” on 20")
    assert running.client.get(f"/api/jobs/{job_id}").json()["document_id"] == first["id"]
    assert running.client.get("/api/documents").json()["total"] == 1


def test_the_same_content_at_once_is_stored_once(running: RunningApp, settings: Callable[..., Settings]) -> None:
    jobs = [running.ingest(MARKDOWN, f"{n}.md") for n in range(4)]
    assert {running.events(job_id)[-1]["status"] for job_id in jobs} == {"completed"}
    ids = {running.client.get(f"/api/jobs/{job_id}").json()["document_id"] for job_id in jobs}
    assert len(ids) == 1
    assert running.client.get("/api/documents").json()["total"] == 1
    assert len(files_in(settings().data_dir / "archive")) == 1


def test_the_original_comes_back_as_a_download(running: RunningApp) -> None:
    content = b"<!doctype html><title>T</title><script>alert(1)</script><p>words"
    document = running.result(running.ingest(content, 'Ünï "quoted".html'))
    answer = running.client.get(f"/api/documents/{document['id']}/file")
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''%C3%9Cn")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_document_is_deleted_with_its_file_and_may_come_again(
    running: RunningApp, settings: Callable[..., Settings]
) -> None:
    document = running.result(running.ingest(MARKDOWN, "notes.md"))
    archive = settings().data_dir / "archive"
    assert len(files_in(archive)) == 1
    assert running.client.delete(f"/api/documents/{document['id']}").status_code == 204
    assert running.client.delete(f"/api/documents/{document['id']}").status_code == 404
    assert running.client.get(f"/api/documents/{document['id']}").status_code == 404
    assert running.client.get(f"/api/documents/{document['id']}/file").status_code == 404
    assert running.client.get("/api/documents?q=fox").json() == {"documents": [], "total": 0}
    assert files_in(archive) == []
    again = running.result(running.ingest(MARKDOWN, "notes.md"))
    assert again["id"] != document["id"]
    assert running.client.get("/api/documents?q=fox").json()["total"] == 1


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd.md", "..\\..\\evil.md", "/absolute.md", "a\x00b.md", "..", "x" * 500 + ".md", ""],
)
def test_a_file_name_never_becomes_a_path(running: RunningApp, settings: Callable[..., Settings], name: str) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.replace("\\", "\\\\").encode()
        + b'"\r\n\r\nSome words\r\n--B--\r\n'
    )
    answer = running.client.post(
        "/api/ingest", content=body, headers={"content-type": "multipart/form-data; boundary=B"}
    )
    assert answer.status_code == 202, answer.text
    document = running.result(answer.json()["job_id"])
    assert "/" not in document["source"]
    assert "\\" not in document["source"]
    data = settings().data_dir
    assert [path.parent.parent for path in files_in(data / "archive")] == [data / "archive"]
    assert all(len(path.name) == 64 for path in files_in(data / "archive"))


def test_a_file_over_the_limit_is_refused_with_both_sizes(run_app: RunApp, settings: Callable[..., Settings]) -> None:
    running = run_app(max_upload_mb=0.1)
    for size, what in ((100_001, "100,001 bytes"), (5_000_000, "5 MB")):
        answer = running.client.post("/api/ingest", files={"file": ("big.txt", b"x" * size)})
        assert answer.status_code == 413
        assert what in answer.json()["error"]
        assert "the limit is 100 kB" in answer.json()["error"]
    assert running.client.post("/api/ingest", files={"file": ("ok.txt", b"x " * 50_000)}).status_code == 202


def test_the_limit_holds_where_no_length_is_given(run_app: RunApp) -> None:
    running = run_app(max_upload_mb=0.1)
    sent = []

    def body() -> Any:
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\n'
        for _ in range(200):
            sent.append(1)
            yield b"x" * 10_000
        yield b"\r\n--B--\r\n"

    answer = running.client.post(
        "/api/ingest", content=body(), headers={"content-type": "multipart/form-data; boundary=B"}
    )
    assert answer.status_code == 413
    assert "went past 100 kB" in answer.json()["error"]


URL_ENCODED = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        ({"files": {"other": ("x.txt", b"x")}}, 422, "'other' is no field here: there are file, url, limit"),
        ({"files": {"x": ("", b"")}, "data": {"url": ""}}, 422, "'x' is no field here"),
        ({"data": {"url": " "}}, 422, "neither of file and url"),
        ({"files": {"file": ("x.txt", b"x")}, "data": {"url": "http://x.y"}}, 422, "both of file and url"),
        ({"files": {"file": ("x.txt", b"")}}, 422, "'x.txt' is empty (0 bytes)"),
        ({"data": {"url": "ftp://x.y/z"}}, 422, "is not a web address"),
        ({"data": {"url": "no url"}}, 422, "not a web address"),
        ({"files": {"url": ("x.txt", b"x")}}, 422, "file must be a file and url a text"),
        ({"files": {"file": ("p.png", b"\x89PNG\r\n\x1a\n....")}}, 415, "'p.png' is a PNG image"),
        ({"files": {"file": ("x.txt", b"\x00\x01\x02")}}, 415, "binary data"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "text/plain"),
        ({"json": {"url": "ftp://x.y"}}, 422, "is not a web address"),
        ({"json": {"limit": "50"}}, 422, "url="),
        ({"json": {"url": "http://x.y", "limit": "51"}}, 422, "limit='51'"),
        ({"data": {"url": "http://x.y", "limit": "decade"}}, 422, "limit='decade'"),
        ({"json": {"url": "http://x.y", "limits": "50"}}, 422, "'limits' is no field here: did you mean `limit`?"),
        ({"json": {"url": "http://x.y", "channel_limit": "51"}}, 422, "channel_limit='51'"),
        ({"json": {"url": "http://x.y", "limit": "50", "channel_limit": "50"}}, 422, "mean the same: send one"),
        ({"data": {"url": "http://x.y", "Refresh": "1"}}, 422, "did you mean `refresh`?"),
        ({"files": {"file": ("x.txt", b"x")}, "data": {"titel": "x"}}, 422, "'titel' is no field here"),
        ({"json": {"url": "x" * 100_000}}, 413, "larger than 64 kB: send less, or raise MAX_BODY_KB"),
        ({"data": {"url": "x" * 100_000}}, 413, "larger than 64 kB: send less, or raise MAX_BODY_KB"),
        ({"content": b"&" * 60_000, "headers": URL_ENCODED}, 400, "more than 4 fields"),
        ({"content": b"url=\xff", "headers": URL_ENCODED}, 400, "at byte 4: send it as UTF-8"),
        ({"json": {"url": [[]] * 2_000}}, 422, "more than 1,000 values"),
        ({"files": {"file": ("x.txt", b"x")}, "data": dict.fromkeys("abcde", "x")}, 400, "Too many fields"),
        ({"files": {"file": ("x.txt", b"x")}, "data": {"url": "x" * 70_000}}, 400, "maximum size of 64KB"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "is no JSON"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "cannot be read"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=B"}}, 400, "be read"),
        (
            {
                "content": b'--B\r\ncontent-disposition: form-data; name="url"\r\n\r\nx\r\n--B--\r\n',
                "headers": {"content-type": "multipart/form-data; boundary=B; charset=undefined"},
            },
            400,
            "send it as UTF-8",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_ingested_is_refused_with_the_reason(
    running: RunningApp, settings: Callable[..., Settings], request_: dict[str, Any], status: int, error: str
) -> None:
    answer = running.client.post("/api/ingest", **request_)
    assert (answer.status_code, error in answer.json()["error"]) == (status, True), answer.text
    assert running.client.get("/api/jobs").json() == {"jobs": []}
    assert files_in(settings().data_dir / "archive") == []


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"%PDF-1.4 rubbish", "broken.pdf", "This PDF is damaged"),
        (make_pdf([""]), "blank.pdf", "are blank"),
        (b" \n \n", "blank.txt", "There are no words in this document"),
    ],
)
def test_a_document_that_cannot_be_read_fails_with_the_reason(
    running: RunningApp, settings: Callable[..., Settings], content: bytes, name: str, error: str
) -> None:
    job_id = running.ingest(content, name)
    events = running.events(job_id)
    assert events[-1]["status"] == "failed"
    level, message = logged(events)[-1]
    assert (level, error in message) == ("error", True), message
    job = running.client.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["error"], job["document_id"]) == ("failed", message, None)
    assert files_in(settings().data_dir / "archive") == []


def slow_pdf() -> bytes:
    """A PDF that takes the parser many seconds."""
    return make_pdf(["\n".join(f"line {n} of the page" for n in range(400))] * 400)


def test_cancelling_ends_the_log_at_once_though_a_pdf_is_being_read(
    running: RunningApp, settings: Callable[..., Settings]
) -> None:
    job_id = running.ingest(slow_pdf(), "slow.pdf")
    seen: list[float] = []
    first = threading.Event()

    def watch() -> None:
        with running.client.stream("GET", f"/api/log/{job_id}/stream", timeout=30) as response:
            for line in response.iter_lines():
                if "of 400" in line:
                    first.set()
                if '"done"' in line:
                    seen.append(time.monotonic())
                    assert '"cancelled"' in line

    viewer = threading.Thread(target=watch)
    viewer.start()
    assert first.wait(20)
    before = time.monotonic()
    running.client.post(f"/api/job/{job_id}/cancel")
    viewer.join(10)
    assert seen[0] - before < 1  # it would be read for many seconds more
    assert running.client.get(f"/api/jobs/{job_id}").json()["status"] == "cancelled"
    assert running.client.get("/api/documents").json()["total"] == 0
    eventually(lambda: files_in(settings().data_dir / "archive") == [])


def test_as_many_jobs_run_at_once_as_allowed(run_app: RunApp) -> None:
    running = run_app(max_running_jobs=2)
    jobs = [running.ingest(slow_pdf() + b"%d" % n, f"{n}.pdf") for n in range(2)]
    answer = running.client.post("/api/ingest", files={"file": ("x.txt", b"words")})
    assert answer.status_code == 429
    assert "MAX_RUNNING_JOBS is 2" in answer.json()["error"]
    assert int(answer.headers["retry-after"]) > 0
    listed = running.client.get("/api/jobs").json()["jobs"]
    assert [job["status"] for job in listed] == ["running", "running"]
    for job_id in jobs:
        running.client.post(f"/api/job/{job_id}/cancel")
    running.events(jobs[0])
    running.events(jobs[1])
    assert running.events(running.ingest(b"words", "x.txt"))[-1]["status"] == "completed"


def begin_upload(running: RunningApp) -> socket.socket:
    """Sends the beginning of an upload, which is then on its way for as long as the socket is open. When this is done,
    the server waits for more of it."""
    address = (running.client.base_url.host, running.client.base_url.port or 0)
    connection = socket.create_connection(address, timeout=10)
    connection.sendall(
        b"POST /api/ingest HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=B\r\n"
        b"content-length: 100000\r\nexpect: 100-continue\r\n\r\n"
    )
    assert connection.recv(1_000).startswith(b"HTTP/1.1 100 ")  # it begins to read
    connection.sendall(b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\nsome')
    return connection


def test_an_upload_has_the_place_of_its_job_and_leaves_nothing_when_it_is_broken_off(
    run_app: RunApp, settings: Callable[..., Settings]
) -> None:
    running = run_app(max_running_jobs=1)

    def refused() -> bool:
        answer = running.client.post("/api/ingest", data={"url": ""})  # at another time this is a 422
        return answer.status_code == 429 and "MAX_RUNNING_JOBS is 1" in answer.json()["error"]

    with begin_upload(running):
        assert refused()
    eventually(lambda: not refused())
    assert running.client.get("/api/jobs").json() == {"jobs": []}
    assert files_in(settings().data_dir / "archive") == []


def test_an_upload_that_takes_too_long_is_a_408_and_leaves_nothing(
    run_app: RunApp, settings: Callable[..., Settings]
) -> None:
    running = run_app(max_upload_seconds=1)
    with begin_upload(running) as connection:
        answer = connection.makefile("rb").read()  # the server closes it: the rest is not waited for
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the upload took more than 1.0 s: send a smaller file, or raise MAX_UPLOAD_SECONDS" in answer
    assert files_in(settings().data_dir / "archive") == []
    assert running.client.get("/api/jobs").json() == {"jobs": []}


def test_several_jobs_at_once_all_arrive(running: RunningApp) -> None:
    jobs = [running.ingest(b"# Number %d\n\nIts own words." % n, f"{n}.md") for n in range(6)]
    assert {running.events(job_id)[-1]["status"] for job_id in jobs} == {"completed"}
    assert running.client.get("/api/documents").json()["total"] == 6


def test_documents_survive_a_restart(run_app: RunApp) -> None:
    first = run_app()
    first.result(first.ingest(MARKDOWN, "notes.md"))
    first.stop()
    second = run_app()
    assert second.client.get("/api/documents?q=fox").json()["total"] == 1
    (job,) = second.client.get("/api/jobs").json()["jobs"]
    assert job["status"] == "completed"
    assert job["document_id"]


# Search


def test_a_search_finds_words_starts_of_words_and_phrases(running: RunningApp) -> None:
    running.result(running.ingest(MARKDOWN, "notes.md"))
    running.result(running.ingest(b"# The fox\n\nA fox, brown and quick: an entirely different text.", "fox.md"))

    def found(query: str) -> list[str]:
        answer = running.client.get("/api/documents", params={"q": query}).json()
        assert answer["total"] == len(answer["documents"])
        return [document["title"] for document in answer["documents"]]

    assert sorted(found("fox")) == ["Field notes", "The fox"]
    assert found("fox")[0] == "The fox"  # a word in the title weighs more
    assert found("sunsh") == ["Field notes"]
    assert found("REYKJAVIK") == ["Field notes"]
    assert sorted(found("quick brown")) == ["Field notes", "The fox"]
    assert found('"quick brown"') == ["Field notes"]
    assert found("fox giraffe") == []
    assert found("   ") == ["The fox", "Field notes"]


def test_a_snippet_encloses_what_was_found_in_control_characters(running: RunningApp) -> None:
    running.result(running.ingest(b"<b>bold</b> \x02fake\x03 words and a needle <script>", "x.txt"))
    (document,) = running.client.get("/api/documents?q=needle").json()["documents"]
    assert document["snippet"] == "<b>bold</b> fake words and a \x02needle\x03 <script>"


HOSTILE_QUERIES = [
    '"', '""', '"""', "'", "*", "^", "-", "(", ")", "\\", "%", "_", "🎉", "\x00", "fox\x00", "\x02\x03",
    "a AND", "OR", "NOT", "NEAR(a b, 2)", "title:", "title : fox", "{title} : x", "a + b", 'fox "', '"fox',
    "; DROP TABLE documents", "' OR 1=1 --", "a" * 500, "x " * 250,
]  # fmt: skip


def test_no_query_is_an_error(running: RunningApp) -> None:
    running.result(running.ingest(MARKDOWN, "notes.md"))
    for query in HOSTILE_QUERIES:
        answer = running.client.get("/api/documents", params={"q": query})
        assert answer.status_code == 200, (query, answer.text)
    # Bytes that are no UTF-8 at all.
    assert running.client.get("/api/documents?q=%ff%fe%ed%a0%80").status_code == 200
    assert running.client.get("/api/documents", params={"q": "fox\x00"}).json()["total"] == 1
    assert running.client.get("/api/documents").json()["total"] == 1


def test_a_query_past_its_length_is_a_422(running: RunningApp) -> None:
    for query, limit in (("a" * 501, "at most 500 characters"), (" ".join(map(str, range(100))), "more than 16 words")):
        answer = running.client.get("/api/documents", params={"q": query})
        assert (answer.status_code, limit in answer.json()["error"]) == (422, True), answer.text


def test_a_long_text_is_written_in_pieces_and_a_version_too(
    running: RunningApp, settings: Callable[..., Settings]
) -> None:
    document = running.result(running.ingest(b"Some words.", "long.txt"))
    text = '“A word”, \\ and "more"\n of 𝕏 \x7f\u2028' * 150_000
    write(settings(), lambda session: session.execute(update(DocumentRow).values(text=text)))
    for path in (f"/api/documents/{document['id']}", f"/api/documents/{document['id']}/versions/1"):
        with socket.create_connection(("127.0.0.1", running.client.base_url.port or 0), timeout=60) as connected:
            connected.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            with connected.makefile("rb") as answer:
                pieces = list(chunks(answer))
        assert len(pieces) > 3
        assert max(len(piece) for piece in pieces) < 4_000_000
        told = json.loads(b"".join(pieces))
        assert told["text"] == text
        assert {**told, "text": "", "snippet": ""} == {**document, "text": "", "snippet": ""}


def chunks(answer: BinaryIO) -> Iterator[bytes]:
    """What an answer is written in at a time."""
    while (line := answer.readline()) != b"\r\n":
        assert line
    while length := int(answer.readline() or b"0", 16):
        yield answer.read(length)
        answer.readline()


def test_the_newest_versions_are_listed_so_many_as_are_asked_for(
    running: RunningApp, settings: Callable[..., Settings]
) -> None:
    document = running.result(running.ingest(b"Some words.", "x.txt"))
    columns = ("user_id", "sha256", "title", "source", "file_name", "kind", "words", "bytes", "created_at", "text")
    for version in (1, 2, 3):
        now = select(DocumentRow.id, literal(version), *(getattr(DocumentRow, name) for name in columns))
        earlier = insert(VersionRow).from_select(["document_id", "version", *columns], now)
        write(settings(), partial(Session.execute, statement=earlier))
    path = f"/api/documents/{document['id']}/versions"
    for asked, numbers in (("", [4, 3, 2, 1]), ("?limit=2", [4, 3])):
        listed = running.client.get(path + asked).json()["versions"]
        assert [each["version"] for each in listed] == numbers
    assert running.client.get(f"{path}?limit=501").status_code == 422
