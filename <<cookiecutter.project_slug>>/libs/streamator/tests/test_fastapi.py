"""The routes and the response, called as an ASGI server calls them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection

import streamator.transports.open_streams
import streamator.transports.viewer
from streamator import EventLog, JobEmitter, JobLogger, MemoryStore, StoreError
from streamator.fastapi import (
    StreamResponse,
    add_job_routes,
    add_log_routes,
    end_streams,
    make_job_stream_response,
    make_stream_response,
)


def application(**options: Any) -> FastAPI:
    app = FastAPI()
    add_log_routes(app, **options)
    add_job_routes(app, **options)
    return app


async def get(app: Any, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **options)


def finished(lines: int = 3) -> str:
    with JobLogger() as job:
        for n in range(lines):
            job.log(f"line {n}")
    return str(job.job_id)


def data(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]


def ids(text: str) -> list[int]:
    return [int(line[4:]) for line in text.split("\n") if line.startswith("id: ")]


class Exchange:
    """One request to an ASGI application, with a viewer under the test's control."""

    def __init__(self, app: Any, path: str = "/", headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.taking = asyncio.Event()
        self.taking.set()
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": headers or [], "client": ("test", 1), "server": ("test", 80),
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.taking.wait()
        self.sent.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


async def until(condition: Callable[[], Any]) -> None:
    async def look() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(look(), 10)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is a coroutine, on an event loop of its own."""

    def plain() -> None:
        asyncio.run(test())

    plain.__name__ = test.__name__
    plain.__doc__ = test.__doc__
    return plain


@run
async def test_a_stream_has_the_wire_format_that_viewers_rely_on() -> None:
    answer = await get(application(), f"/log/{finished(2)}/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    opening, *frames, rest = answer.text.split("\n\n")
    assert opening == "retry: 3000\n: ok"
    assert rest == ""
    assert [frame.split("\n")[0] for frame in frames] == ["id: 1", "id: 2", "id: 3"]
    first = data(answer.text)[0]
    assert list(first) == ["event", "message", "level", "t"]
    assert data(answer.text)[-1]["event"] == "done"
    assert data(answer.text)[-1]["status"] == "completed"


@run
async def test_the_opening_is_sent_before_the_first_event() -> None:
    job = JobLogger()
    viewer = Exchange(make_stream_response(job.job_id))
    await until(lambda: ": ok" in viewer.text)
    job.log("hello")
    await until(lambda: data(viewer.text))
    job.close()
    await viewer.task
    assert viewer.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def streamed(headers: list[tuple[str, str]], query: str = "") -> list[int]:
    """The ids that a viewer of a log of four events gets."""
    raw = [(name.encode(), value.encode()) for name, value in headers]
    answer = asyncio.run(get(application(), f"/log/{finished()}/stream{query}", headers=raw))
    assert answer.status_code == 200
    return ids(answer.text)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_30_a_stream_starts_right_after_the_id_that_the_viewer_has(after: int) -> None:
    expected = list(range(after + 1, 5))
    assert streamed([("last-event-id", str(after))]) == expected
    assert streamed([("last-event-id", f" {after} ")]) == expected
    assert streamed([], f"?after={after}") == expected


def test_31_of_two_ids_the_last_one_counts() -> None:
    for _ in range(3):
        assert streamed([("last-event-id", "3"), ("last-event-id", "2")]) == [3, 4]
        assert streamed([("last-event-id", "2"), ("last-event-id", "3")]) == [4]
        assert streamed([], "?after=1&after=2") == [3, 4]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([("last-event-id", "-1")], ""), ([("last-event-id", "two")], ""), ([("last-event-id", "\u00b2")], ""),
        ([("last-event-id", "1e3")], ""), ([("last-event-id", "")], ""), ([("last-event-id", "1, 2")], ""),
        ([], "?after=-7"), ([], "?after="), ([], "?after=%ff%00"), ([], "?after=1.5"),
    ],
)  # fmt: skip
def test_32_an_invalid_id_reads_from_the_beginning(headers: list[tuple[str, str]], query: str) -> None:
    assert streamed(headers, query) == [1, 2, 3, 4]


@pytest.mark.parametrize("cursor", ["4", "9" * 18, "9" * 400])
def test_32_an_id_past_the_end_of_an_open_log_reads_from_the_beginning(cursor: str) -> None:
    async def test() -> None:
        job = JobLogger()
        for n in range(3):
            job.log(f"line {n}")
        viewer = Exchange(make_stream_response(job.job_id), headers=[(b"last-event-id", cursor.encode())])
        await until(lambda: ids(viewer.text) == [1, 2, 3])
        job.close()
        await viewer.task

    asyncio.run(test())


@pytest.mark.parametrize("cursor", ["5", "9" * 18, "9" * 400])
def test_33_an_id_past_the_end_of_a_closed_log_reads_the_whole_log(cursor: str) -> None:
    assert streamed([("last-event-id", cursor)], "") == streamed([], f"?after={cursor}") == [1, 2, 3, 4]


def test_34_a_viewer_that_has_a_whole_closed_log_gets_204() -> None:
    assert ends_at_once("4") and not ends_at_once("3")


def ends_at_once(cursor: str) -> bool:
    """Whether a viewer with this id of a closed log of four events is told to go, by header and query alike."""
    app, path = application(), f"/log/{finished()}/stream"
    ways: list[dict[str, Any]] = [{"headers": {"last-event-id": cursor}}, {"params": {"after": cursor}}]
    answers = [asyncio.run(get(app, path, **how)) for how in ways]
    ended = [answer.status_code == 204 and answer.content == b"" for answer in answers]
    assert ended[0] == ended[1]
    return ended[0]


def test_35_the_header_wins_over_the_query() -> None:
    assert streamed([("last-event-id", "1")], "?after=3") == [2, 3, 4]
    assert streamed([("last-event-id", "3")], "?after=1") == [4]
    assert streamed([("last-event-id", "")], "?after=3") == [1, 2, 3, 4]


@run
async def test_an_unknown_job_is_404() -> None:
    app = application(store=MemoryStore())
    for method, path in (
        ("GET", "/log/nope/stream"),
        ("GET", "/log/nope"),
        ("GET", "/job/nope/stream"),
        ("GET", "/job/nope/result"),
        ("POST", "/job/nope/cancel"),
    ):
        answer = await get(app, path, method)
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
    assert make_stream_response("nope", MemoryStore()).status_code == 404
    assert make_job_stream_response("../nope", MemoryStore()).status_code == 404


@run
async def test_a_snapshot_holds_the_events_so_far_and_the_next_id() -> None:
    app = application()
    job = JobLogger()
    job.log("one")
    job.log("two", level="error")
    answer = (await get(app, f"/log/{job.job_id}")).json()
    assert [entry["message"] for entry in answer["logs"]] == ["one", "two"]
    assert (answer["next"], answer["closed"]) == (2, False)
    job.close("failed")
    answer = (await get(app, f"/log/{job.job_id}?after=2")).json()
    assert [event["event"] for event in answer["logs"]] == ["done"]
    assert answer["logs"][0]["status"] == "failed"
    assert (answer["next"], answer["closed"]) == (3, True)
    answer = (await get(app, f"/log/{job.job_id}?after=3")).json()
    assert answer == {"logs": [], "next": 3, "closed": True}
    for garbage in ("-1", "x", "9" * 400, ""):
        answer = await get(app, f"/log/{job.job_id}", params={"after": garbage})
        assert len(answer.json()["logs"]) == 3


@run
async def test_a_snapshot_of_a_long_log_is_whole() -> None:
    answer = (await get(application(), f"/log/{finished(30_000)}")).json()
    assert [entry["message"] for entry in answer["logs"][:-1]] == [f"line {n}" for n in range(30_000)]
    assert answer["next"] == 30_001


@run
async def test_40_no_message_can_forge_an_event() -> None:
    hostile = ["a\r\nid: 99\ndata: {}\n\n", "\r\rdata: x", "\u2028\u2029\x00\x1b[31m", "\ud800 alone", "\U0001f600"]
    with JobLogger() as job:
        for message in hostile:
            job.log(message)
    answer = await get(application(), f"/log/{job.job_id}/stream")
    assert ids(answer.text) == [1, 2, 3, 4, 5, 6]
    received = [event["message"] for event in data(answer.text)[:-1]]
    assert received == [*hostile[:3], "\ufffd alone", hostile[4]]


@run
async def test_a_heartbeat_comes_while_nothing_happens() -> None:
    job = JobLogger()
    viewer = Exchange(make_stream_response(job.job_id, heartbeat=0.01))
    await until(lambda: viewer.text.count(": heartbeat\n\n") >= 3)
    job.close()
    await viewer.task


@run
async def test_25_a_viewer_that_leaves_ends_its_stream_and_no_other() -> None:
    job = JobLogger()
    leaving, staying = (Exchange(make_stream_response(job.job_id)) for _ in range(2))
    await until(lambda: leaving.text and staying.text)
    leaving.gone.set()
    await asyncio.wait_for(leaving.task, 5)
    job.log("still here")
    await until(lambda: "still here" in staying.text)
    assert "still here" not in leaving.text
    job.close()
    await staying.task


@pytest.mark.parametrize("fault", [OSError, RuntimeError])  # the latter is how uvloop says it
def test_25_an_error_from_send_means_that_the_viewer_has_left(fault: type[Exception]) -> None:
    async def test() -> None:
        job = JobLogger()
        viewer = Exchange(make_stream_response(job.job_id))
        await until(lambda: viewer.text)

        async def broken(message: Any) -> None:
            raise fault("the viewer is gone")

        async def never() -> Any:
            await asyncio.Event().wait()

        scope = {"type": "http", "headers": [], "query_string": b""}
        await asyncio.wait_for(make_stream_response(job.job_id)(scope, never, broken), 5)
        job.close()
        await viewer.task

    asyncio.run(test())


@run
async def test_25_an_exception_from_receive_ends_the_stream_cleanly() -> None:
    job = JobLogger()
    sent: list[Any] = []

    async def refuse() -> Any:
        raise HTTPException(413)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [], "query_string": b""}
    await asyncio.wait_for(make_stream_response(job.job_id)(scope, refuse, send), 5)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    job.close()


def test_26_a_viewer_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.transports.viewer, "SEND_TIMEOUT_SECONDS", 0.05)

    async def test() -> None:
        job = JobLogger()
        stuck, well = (Exchange(make_stream_response(job.job_id)) for _ in range(2))
        await until(lambda: stuck.text and well.text)
        stuck.taking.clear()
        job.log("hello")
        await until(stuck.task.done)
        assert "hello" not in stuck.text
        if sys.version_info >= (3, 11):  # what serves it, a task group for instance, is not to think it was cancelled
            assert not stuck.task.cancelling()
        await until(lambda: "hello" in well.text)
        job.close()
        await well.task

    asyncio.run(test())


@run
async def test_a_cancelled_request_stays_cancelled() -> None:
    job = JobLogger()
    viewer = Exchange(make_stream_response(job.job_id))
    await until(lambda: viewer.text)
    viewer.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await viewer.task


def test_04_ended_streams_have_a_clean_end_without_done() -> None:
    async def test() -> None:
        job = JobLogger()
        job.log("hello")
        viewer = Exchange(make_stream_response(job.job_id))
        await until(lambda: "hello" in viewer.text)
        end_streams()
        await asyncio.wait_for(viewer.task, 5)
        assert viewer.sent[-1]["more_body"] is False
        again = Exchange(make_stream_response(job.job_id))  # reconnects while the server still listens
        await asyncio.wait_for(again.task, 5)
        assert again.sent[-1]["more_body"] is False
        assert "done" not in viewer.text + again.text

    asyncio.run(test())


def test_04_a_stream_that_is_ended_while_it_sends_ends_after_that_send() -> None:
    async def test() -> None:
        job = JobLogger()
        viewer = Exchange(make_stream_response(job.job_id))
        await until(lambda: viewer.text)
        viewer.taking.clear()
        job.log("hello")
        await asyncio.sleep(0)
        end_streams()
        await asyncio.sleep(0)
        viewer.taking.set()
        await asyncio.wait_for(viewer.task, 5)
        assert viewer.sent[-1]["more_body"] is False

    asyncio.run(test())


@run
async def test_a_background_task_runs_when_the_stream_is_over() -> None:
    from starlette.background import BackgroundTask

    ran: list[str] = []
    response = StreamResponse(finished(), background=BackgroundTask(ran.append, "ran"))
    await Exchange(response).task
    assert ran == ["ran"]


@run
async def test_headers_and_cookies_that_a_dependency_sets_are_sent() -> None:
    response = make_stream_response(finished())
    response.set_cookie("seen", "1")
    response.headers["x-mine"] = "yes"
    viewer = Exchange(response)
    await viewer.task
    headers = dict(viewer.sent[0]["headers"])
    assert headers[b"x-mine"] == b"yes"
    assert headers[b"set-cookie"].startswith(b"seen=1")


@run
async def test_the_app_s_dependencies_guard_every_route() -> None:
    def refuse() -> None:
        raise HTTPException(401, "who are you?")

    app = FastAPI()
    router = APIRouter(dependencies=[Depends(refuse)])
    add_log_routes(router)
    add_job_routes(router)
    app.include_router(router, prefix="/api")
    job_id = finished()
    for method, path in (
        ("GET", "/api/log/{}/stream"),
        ("GET", "/api/log/{}"),
        ("GET", "/api/job/{}/stream"),
        ("GET", "/api/job/{}/result"),
        ("POST", "/api/job/{}/cancel"),
    ):
        assert (await get(app, path.format(job_id), method)).status_code == 401


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("where", ["dependency", "middleware"])
def test_64_a_stream_ends_when_its_permission_does_and_another_goes_on(
    monkeypatch: pytest.MonkeyPatch, where: str, compress: bool
) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)
    permitted = 0.0

    def permit(connection: HTTPConnection) -> None:
        connection.scope["streamator.ends_at"] = permitted

    class Permit:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            permit(HTTPConnection(scope))
            await self.app(scope, receive, send)

    async def test() -> None:
        nonlocal permitted
        app = FastAPI(dependencies=[Depends(permit)] if where == "dependency" else [])
        if where == "middleware":
            app.add_middleware(Permit)
        add_log_routes(app, compress=compress)
        job = JobLogger()
        job.log("one")
        path = f"/log/{job.job_id}/stream"
        permitted = time.time() + 0.2
        before = asyncio.get_running_loop().time()
        first = await asyncio.wait_for(get(app, path), 10)
        assert asyncio.get_running_loop().time() - before >= 0.2
        assert ids(first.text) == [1]
        assert first.text.endswith("retry: 100\n\n"), "whoever may see more comes back at once"

        permitted = time.time() + 60
        second = Exchange(app, path, [(b"last-event-id", b"1")])
        job.log("two")
        job.close()
        await asyncio.wait_for(second.task, 10)
        assert [event["event"] for event in data(second.text)] == ["log", "done"]
        assert ids(second.text) == [2, 3]
        assert "retry: 100" not in second.text

    asyncio.run(test())


def test_a_stream_ends_when_its_permission_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)
    revoked: set[str] = set()

    def permit(connection: HTTPConnection) -> None:
        who = connection.headers["user"]
        connection.scope["streamator.revoked"] = lambda: who in revoked

    async def test() -> None:
        app = FastAPI(dependencies=[Depends(permit)])
        add_log_routes(app)
        job = JobLogger()
        job.log("one")
        path = f"/log/{job.job_id}/stream"
        ada, grace = Exchange(app, path, [(b"user", b"ada")]), Exchange(app, path, [(b"user", b"grace")])
        await until(lambda: ids(ada.text) == ids(grace.text) == [1])
        revoked.add("ada")
        await asyncio.wait_for(ada.task, 10)
        assert ada.text.endswith("retry: 100\n\n")
        job.close()
        await asyncio.wait_for(grace.task, 10)
        assert ids(grace.text) == [1, 2]

    asyncio.run(test())


@run
async def test_middleware_of_both_kinds_lets_a_stream_through() -> None:
    async def passing(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app = application()
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    app.add_middleware(GZipMiddleware)
    job = JobLogger()
    viewer = Exchange(app, f"/log/{job.job_id}/stream", headers=[(b"accept-encoding", b"gzip")])
    await until(lambda: ": ok" in viewer.text)
    job.log("hello")
    await until(lambda: "hello" in viewer.text)
    viewer.gone.set()
    await asyncio.wait_for(viewer.task, 5)


@run
async def test_a_result_can_be_read_twice_and_is_always_json() -> None:
    app = application()
    emitter = JobEmitter()
    assert (await get(app, f"/job/{emitter.job_id}/result")).status_code == 404
    for value, expected in (
        ({"words": 3}, {"words": 3}),
        (None, None),
        (date(2026, 1, 2), "2026-01-02"),
        ([float("nan"), {"a"}], ["nan", ["a"]]),
        ("\ud800", "\ufffd"),
    ):
        emitter.set_result(value)
        for _ in range(2):
            answer = await get(app, f"/job/{emitter.job_id}/result")
            assert answer.status_code == 200
            assert answer.json() == expected
    emitter.close()


@run
async def test_cancel_says_what_it_did() -> None:
    app = application()
    emitter = JobEmitter()
    answer = await get(app, f"/job/{emitter.job_id}/cancel", "POST")
    # Nobody knows yet whether it takes cancellations.
    assert (answer.status_code, answer.json()) == (202, {"status": "requested", "requested": emitter.job_id})
    looks = JobEmitter()
    assert not looks.cancel_requested
    answer = await get(app, f"/job/{looks.job_id}/cancel", "POST")
    assert (answer.status_code, answer.json()) == (202, {"status": "requested", "requested": looks.job_id})
    assert looks.cancel_requested
    looks.close("cancelled")
    task = asyncio.create_task(asyncio.Event().wait())
    emitter.track(task)
    answer = await get(app, f"/job/{emitter.job_id}/cancel", "POST")
    assert (answer.status_code, answer.json()) == (200, {"cancelled": emitter.job_id})
    with pytest.raises(asyncio.CancelledError):
        await task
    answer = await get(app, f"/job/{emitter.job_id}/cancel", "POST")  # over by now: quiet
    assert (answer.status_code, answer.json()) == (200, {"cancelled": emitter.job_id})
    assert (await get(app, f"/job/{emitter.job_id}/cancel")).status_code == 405


class Elsewhere(MemoryStore):
    """A store that finds the log of another process, or cannot be read: that of "a-job", and of no other, since
    a store is one of this process's until it is collected."""

    def __init__(self) -> None:
        super().__init__()
        self.log: EventLog | None = None
        self.asked: list[str] = []
        self.fault: str | None = None
        self.cancel_fault: str | None = None
        self.carries_requests = False

    async def find(self, job_id: str) -> EventLog | None:
        self.asked.append(job_id)
        if job_id != "a-job":
            return None
        if self.fault:
            raise StoreError(self.fault)
        return self.log

    async def cancel(self, job_id: str) -> bool:
        if self.cancel_fault:
            raise StoreError(self.cancel_fault)
        return self.carries_requests


@run
async def test_a_job_of_another_process_is_found_in_the_store() -> None:
    store = Elsewhere()
    app = application(store=store)
    store.log = EventLog()
    store.log.append_log("from elsewhere", "info")
    answer = await get(app, "/job/a-job/cancel", "POST")
    assert answer.status_code == 409
    assert "another process" in answer.json()["error"]
    store.carries_requests = True
    answer = await get(app, "/job/a-job/cancel", "POST")
    assert (answer.status_code, answer.json()) == (202, {"status": "requested", "requested": "a-job"})
    assert answer.headers["cache-control"] == "no-store"
    store.cancel_fault = "table 'logs' cannot be written: is DynamoDB up?"
    answer = await get(app, "/job/a-job/cancel", "POST")
    assert (answer.status_code, answer.json()) == (503, {"error": store.cancel_fault})
    store.log.set_status("lost")
    answer = await get(app, "/job/a-job/cancel", "POST")
    assert answer.status_code == 409
    assert "died" in answer.json()["error"]
    answer = await get(app, "/log/a-job")
    assert answer.json()["logs"][-1] == {"event": "status", "status": "lost"}
    assert answer.json()["next"] == 1
    store.log.close()
    answer = await get(app, "/log/a-job/stream")
    assert [event["event"] for event in data(answer.text)] == ["log", "done"]
    assert (await get(app, "/log/a-job")).json()["logs"][-1]["event"] == "done"


@run
async def test_57_an_invalid_id_never_reaches_the_store() -> None:
    store = Elsewhere()
    app = application(store=store)
    for job_id in ("..", "a b", "x" * 129, "%23", "caf%C3%A9"):
        for path in (f"/log/{job_id}/stream", f"/log/{job_id}", f"/job/{job_id}/result"):
            assert (await get(app, path)).status_code == 404
    assert store.asked == []


@run
async def test_a_store_that_cannot_be_read_is_503_not_404() -> None:
    store = Elsewhere()
    store.fault = "table 'logs' cannot be read: is DynamoDB up?"
    app = application(store=store)
    for method, path in (("GET", "/log/a-job/stream"), ("GET", "/log/a-job"), ("POST", "/job/a-job/cancel")):
        answer = await get(app, path, method)
        assert (answer.status_code, answer.json()) == (503, {"error": store.fault})
        assert answer.headers["retry-after"]
    job_id = finished()  # a job of this process needs no other store
    assert (await get(app, f"/log/{job_id}")).status_code == 200


def test_options_without_a_store_are_refused() -> None:
    with pytest.raises(StoreError, match="name it"):
        add_log_routes(FastAPI(), table="my-logs")


def test_without_fastapi_the_import_names_the_extra() -> None:
    program = """
import sys
sys.modules["fastapi"] = None
try:
    import streamator.fastapi
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'streamator[fastapi]'" in result.stdout
