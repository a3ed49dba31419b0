"""The stream for WSGI, and its dress for Flask. The example runs on a real server in test_examples.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Blueprint, Flask, abort
from werkzeug.test import TestResponse

from streamator import EventLog, InvalidStore, JobEmitter, JobLogger, MemoryStore, StoreError
from streamator.flask import add_log_routes, end_streams, make_stream_response
from streamator.wsgi import EventStream, find


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads


def log_of(job: JobLogger) -> EventLog:
    log = find(job.job_id)
    assert log is not None
    return log


def test_each_piece_holds_all_events_that_are_ready(pool: ThreadPoolExecutor) -> None:
    job = JobLogger()
    stream = EventStream(log_of(job))
    assert next(stream) == b"retry: 3000\n: ok\n\n"
    waiting = pool.submit(next, stream)
    job.log("one")
    assert b"one" in waiting.result(10)
    job.log("two")
    job.log("three")
    assert next(stream).count(b"data: ") == 2
    job.close()
    assert b'"done"' in next(stream)
    assert list(stream) == []


def test_a_heartbeat_comes_while_nothing_happens() -> None:
    job = JobLogger()
    stream = EventStream(log_of(job), heartbeat=0.01)
    next(stream)
    assert [next(stream) for _ in range(3)] == [b": heartbeat\n\n"] * 3
    stream.close()
    job.close()


def test_25_a_stream_that_is_closed_while_it_waits_ends(pool: ThreadPoolExecutor) -> None:
    job = JobLogger()
    stream = EventStream(log_of(job))
    next(stream)
    waiting = pool.submit(list, stream)
    stream.close()
    stream.close()
    assert waiting.result(10) == []
    unused = EventStream(log_of(job))
    unused.close()
    assert list(unused) == []
    job.close()


def test_04_a_shutdown_ends_streams_without_done(pool: ThreadPoolExecutor) -> None:
    job = JobLogger()
    job.log("one")
    stream = EventStream(log_of(job))
    assert b"one" in next(stream) + next(stream)
    waiting = pool.submit(list, stream)
    end_streams()
    assert waiting.result(10) == []
    job.close()


def test_many_threads_see_everything(pool: ThreadPoolExecutor) -> None:
    job = JobLogger()
    log = log_of(job)
    started = threading.Barrier(9)

    def view() -> int:
        stream = EventStream(log)
        next(stream)
        started.wait(10)
        return b"".join(stream).count(b"id: ")

    viewers = [pool.submit(view) for _ in range(8)]
    started.wait(10)
    for n in range(2_000):
        job.log(f"line {n}")
    job.close()
    assert [viewer.result(20) for viewer in viewers] == [2_001] * 8


def test_a_blueprint_s_guard_holds_for_both_routes() -> None:
    app = Flask("test")
    guarded = Blueprint("guarded", "test")
    guarded.before_request(lambda: abort(401))
    add_log_routes(guarded)
    app.register_blueprint(guarded, url_prefix="/api")
    add_log_routes(app, prefix="/open/log")
    with JobLogger() as job:
        job.log("one")
    client = app.test_client()
    assert client.get(f"/api/log/{job.job_id}/stream").status_code == 401
    assert client.get(f"/api/log/{job.job_id}").status_code == 401
    assert client.get(f"/open/log/{job.job_id}").get_json()["next"] == 2
    assert client.get(f"/open/log/{job.job_id}/stream").get_data(as_text=True).count("id: ") == 2


def test_routes_filter_and_a_query_narrows_the_filter() -> None:
    app = Flask("test")
    add_log_routes(app)
    add_log_routes(app, prefix="/all", filter=None)
    with JobEmitter() as job:
        job.log("shown")
        job.emit({"event": "log", "message": "hidden", "visibility": "internal_only"})
        job.emit({"event": "progress"})
    client = app.test_client()

    def names(path: str) -> tuple[list[str], list[str]]:
        text = client.get(path.replace("?", "/stream?", 1)).get_data(as_text=True)
        streamed = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]
        polled = client.get(path).get_json()["logs"]
        first, second = ([event.get("message", event["event"]) for event in events] for events in (streamed, polled))
        return first, second

    for path, expected in (
        ("/log/{}?", ["shown", "progress", "done"]),
        ("/all/{}?", ["shown", "hidden", "progress", "done"]),
        ("/log/{}?types=progress", ["progress", "done"]),
        ("/log/{}?visibility=internal_only", ["done"]),
    ):
        assert names(path.format(job.job_id)) == (expected, expected)
    for path in ("/log/{}", "/log/{}/stream"):
        answer = client.get(f"{path.format(job.job_id)}?visibility=nobody")
        assert answer.status_code == 422 and "nobody" in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("header", "query", "shown"),
    [
        (None, None, [1, 2, 3, 4]), ("1", None, [2, 3, 4]), (None, "3", [4]), ("3", "1", [4]), ("1", "3", [2, 3, 4]),
        ("x", None, [1, 2, 3, 4]), ("-1", None, [1, 2, 3, 4]), ("5", None, [1, 2, 3, 4]),
        (None, "9" * 400, [1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_30_a_stream_goes_on_after_the_id_that_the_viewer_has(
    header: str | None, query: str | None, shown: list[int]
) -> None:
    text = of_a_closed_log(header, query).get_data(as_text=True)
    assert [int(line[4:]) for line in text.split("\n") if line.startswith("id: ")] == shown


@pytest.mark.parametrize(("header", "query"), [("4", None), (None, "4"), ("4", "1")])
def test_34_a_viewer_that_has_a_whole_closed_log_gets_204(header: str | None, query: str | None) -> None:
    answer = of_a_closed_log(header, query)
    assert (answer.status_code, answer.data) == (204, b"")


def of_a_closed_log(header: str | None, query: str | None) -> TestResponse:
    """The stream of a log of four events, to a viewer who says that it has one of them."""
    app = Flask("test")
    add_log_routes(app)
    with JobLogger() as job:
        for n in range(3):
            job.log(f"line {n}")
    return app.test_client().get(
        f"/log/{job.job_id}/stream", headers={} if header is None else {"Last-Event-ID": header},
        query_string={} if query is None else {"after": query},
    )  # fmt: skip


# InvalidStore is a ValueError too, as a bad query is.
@pytest.mark.parametrize("error", [StoreError, InvalidStore])
def test_a_store_that_cannot_be_read_is_503_not_404(error: type[StoreError]) -> None:
    class Unreadable(MemoryStore):
        async def find(self, job_id: str) -> EventLog | None:
            raise error("the table cannot be read")

    app = Flask("test")
    add_log_routes(app, store=Unreadable())
    for path in ("/log/x", "/log/x/stream"):
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.get_json()) == (503, {"error": "the table cannot be read"})
        assert answer.headers["retry-after"]


def test_an_endpoint_may_name_the_events() -> None:
    app = Flask("test")
    with JobLogger() as job:
        job.log("one")
    app.add_url_rule("/answer", view_func=lambda: make_stream_response(job.job_id, named=True))
    text = app.test_client().get("/answer").get_data(as_text=True)
    assert [line for line in text.split("\n") if line.startswith("event")] == ["event: log", "event: done"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_50_a_forked_worker_streams_too() -> None:
    program = """
import os, sys, json
from streamator import JobLogger
from streamator.wsgi import EventStream, find
def view():
    with JobLogger() as job:
        job.log("one")
    return b"".join(EventStream(find(job.job_id))).count(b"id: ")
parent = view()
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(write, json.dumps([parent, view()]).encode())
    os._exit(0)
os.waitpid(pid, 0)
print(os.read(read, 100).decode())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(done.stdout) == [2, 2]
