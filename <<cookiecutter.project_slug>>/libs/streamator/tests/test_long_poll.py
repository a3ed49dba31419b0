"""The long poll: ``?wait=20`` on the route of the poll."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import test_server
from fastapi import FastAPI
from flask import Flask
from test_fastapi import until
from test_server import Server, eventually
from werkzeug.serving import make_server

import streamator.flask
import streamator.transports.open_streams
from streamator import EventLog, JobLogger, visibility
from streamator.asgi import LogApp
from streamator.fastapi import add_log_routes, end_streams
from streamator.shutdown import open_streams

server = test_server.server  # a fixture


class Asked:
    """A poll of an ASGI application that is under way."""

    def __init__(self, app: Any, path: str, query: str, **more: Any) -> None:
        self.left = asyncio.Event()
        self.sent: list[Any] = []
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [], **more,
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def answer(self) -> tuple[int, Any]:
        await asyncio.wait_for(self.task, 10)
        return self.sent[0]["status"], json.loads(self.sent[1]["body"])


def fastapi_app(**options: Any) -> FastAPI:
    app = FastAPI()
    add_log_routes(app, prefix="", **options)
    return app


APPS = pytest.mark.parametrize("made", [LogApp, fastapi_app])


@APPS
def test_it_answers_at_once_where_there_is_something_after_the_cursor(made: Any) -> None:
    async def main() -> None:
        job = JobLogger()
        job.log("one")
        before = time.monotonic()
        status, answer = await Asked(made(), f"/{job.job_id}", "wait=30").answer()
        assert (status, [event["message"] for event in answer["logs"]], answer["next"]) == (200, ["one"], 1)
        job.close()
        for after in (1, 2):  # the end, and after it
            _, answer = await Asked(made(), f"/{job.job_id}", f"wait=30&after={after}").answer()
            assert (len(answer["logs"]), answer["next"], answer["closed"]) == (2 - after, 2, True)
        assert time.monotonic() - before < 5

    asyncio.run(main())


@APPS
def test_it_answers_at_the_first_event_that_is_shown(made: Any) -> None:
    async def main() -> None:
        job = JobLogger()
        asked = Asked(made(filter=visibility("user_facing")), f"/{job.job_id}", "wait=30")
        await until(lambda: [stream.transport for stream in open_streams()] == ["poll"])
        job.log("hidden", visibility="internal_only")
        await asyncio.sleep(0.05)
        assert not asked.task.done()
        job.log("shown")
        _, answer = await asked.answer()
        assert ([event["message"] for event in answer["logs"]], answer["next"]) == (["shown"], 2)
        assert open_streams() == []

    asyncio.run(main())


@APPS
def test_it_answers_after_the_wait_with_what_there_is(made: Any) -> None:
    async def main() -> None:
        job = JobLogger()
        job.log("one")
        before = time.monotonic()
        _, answer = await Asked(made(), f"/{job.job_id}", "after=1&wait=0.3").answer()
        assert answer == {"logs": [], "next": 1, "closed": False}
        assert 0.25 < time.monotonic() - before < 5
        assert open_streams() == []

    asyncio.run(main())


def test_the_state_of_a_lost_producer_is_told_when_it_changes() -> None:
    class Remote(EventLog):
        """A log that another process writes."""

    class Store(streamator.MemoryStore):
        async def find(self, job_id: str) -> EventLog | None:
            return log

    log = Remote()

    async def main() -> None:
        app = LogApp(Store())
        asked = Asked(app, "/job", "wait=30")
        await until(lambda: bool(open_streams()))
        log.set_status("lost")
        assert (await asked.answer())[1]["logs"] == [{"event": "status", "status": "lost"}]
        again = Asked(app, "/job", "wait=0.2")  # it is known: this one waits
        await asyncio.sleep(0.05)
        assert not again.task.done()
        assert (await again.answer())[1]["logs"] == [{"event": "status", "status": "lost"}]

    asyncio.run(main())


@APPS
@pytest.mark.parametrize("wait", ["31", "-1", "nan", "inf", "soon", ""])
def test_a_wait_that_is_none_is_a_422_that_says_what_it_may_be(made: Any, wait: str) -> None:
    async def main() -> None:
        with JobLogger() as job:
            pass
        status, answer = await Asked(made(), f"/{job.job_id}", f"wait={wait}").answer()
        assert (status, answer) == (422, {"error": f"wait is {wait!r}: give 0 to 30 seconds"})

    asyncio.run(main())


@APPS
def test_it_ends_when_the_client_leaves(made: Any) -> None:
    async def main() -> None:
        job = JobLogger()
        asked = Asked(made(), f"/{job.job_id}", "wait=30")
        await until(lambda: bool(open_streams()))
        asked.left.set()
        await asyncio.wait_for(asked.task, 5)
        assert open_streams() == []

    asyncio.run(main())


@APPS
def test_it_ends_with_its_permission(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)

    async def main() -> None:
        job = JobLogger()
        asked = Asked(made(), f"/{job.job_id}", "wait=30", **{"streamator.ends_at": time.time() + 0.1})
        assert await asked.answer() == (200, {"logs": [], "next": 0, "closed": False})

    asyncio.run(main())


@APPS
def test_it_ends_with_the_server_and_does_not_wait_while_that_ends(made: Any) -> None:
    async def main() -> None:
        job = JobLogger()
        app = made()
        asked = Asked(app, f"/{job.job_id}", "wait=30")
        await until(lambda: bool(open_streams()))
        end_streams()
        before = time.monotonic()
        assert (await asked.answer())[1]["closed"] is False
        await until(lambda: streamator.shutdown.is_ending())
        await Asked(app, f"/{job.job_id}", "wait=30").answer()
        assert time.monotonic() - before < 0.5

    asyncio.run(main())


@pytest.fixture
def flask_url() -> Iterator[str]:
    app = Flask("test")
    streamator.flask.add_log_routes(app)
    web = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}/log"
    web.shutdown()
    thread.join()
    web.server_close()


def test_under_wsgi_it_waits_in_the_thread_of_the_request(flask_url: str) -> None:
    import httpx

    job = JobLogger()
    with ThreadPoolExecutor() as pool, httpx.Client(timeout=20) as client:
        url = f"{flask_url}/{job.job_id}"
        asked = pool.submit(client.get, url, params={"wait": 30})
        eventually(lambda: [stream.transport for stream in open_streams()] == ["poll"], "the poll to wait")
        job.log("one")
        assert asked.result(5).json()["next"] == 1
        asked = pool.submit(client.get, url, params={"wait": 30, "after": 1})
        eventually(open_streams, "the poll to wait")
        end_streams()
        assert asked.result(0.5).json() == {"logs": [], "next": 1, "closed": False}
        assert client.get(url, params={"wait": 0.2, "after": 1}).json()["logs"] == []
        answer = client.get(url, params={"wait": 60})
        assert (answer.status_code, answer.json()) == (422, {"error": "wait is '60': give 0 to 30 seconds"})


@pytest.mark.server
def test_a_real_server_answers_at_the_event_and_waits_for_no_poll_when_it_ends(server: Server) -> None:
    job_id = server.client.post("/told").json()["job_id"]

    def ask(after: int) -> Any:
        return server.client.get(f"/log/{job_id}", params={"after": after, "wait": 30}).json()

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, 0)
        time.sleep(0.3)
        assert not asked.done()
        before = time.monotonic()
        server.client.post(f"/told/{job_id}", params={"line": "one"})
        assert asked.result(5)["next"] == 1 and time.monotonic() - before < 1
        asked = pool.submit(ask, 1)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        before = time.monotonic()
        assert asked.result(5) == {"logs": [], "next": 1, "closed": False}
        assert time.monotonic() - before < 0.5
        server.process.wait(5)
