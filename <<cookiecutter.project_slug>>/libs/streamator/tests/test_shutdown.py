"""How a server's end reaches its streams, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
from test_fastapi import Exchange, until
from test_server import eventually
from werkzeug.serving import make_server

import streamator.flask
from streamator import JobLogger
from streamator.asgi import LogApp
from streamator.fastapi import add_log_routes, end_streams
from streamator.shutdown import is_ending
from streamator.wsgi import EventStream, find


def web() -> FastAPI:
    app = FastAPI()
    add_log_routes(app)

    @app.get("/ready")
    async def ready() -> bool:
        return not is_ending()

    return app


def lines_seen(client: Any, job_id: str) -> int:
    """How many events a client is sent of a job that is over."""
    answer = client.get(f"/log/{job_id}/stream")
    assert answer.status_code == 200
    return int((answer.get_data(as_text=True) if hasattr(answer, "get_data") else answer.text).count("\ndata: "))


@pytest.fixture
def over() -> str:
    """A job of two lines and its end."""
    with JobLogger() as job:
        job.log("one")
        job.log("two")
    return str(job.job_id)


def test_ended_streams_do_not_affect_the_next_test_client(over: str) -> None:
    job = JobLogger()
    job.log("one")
    log = find(job.job_id)
    assert log is not None

    async def before() -> None:
        viewer = Exchange(LogApp(), f"/{job.job_id}/stream")
        await until(lambda: "one" in viewer.text)
        end_streams()
        await asyncio.wait_for(viewer.task, 10)
        assert is_ending()

    threaded = EventStream(log)
    next(threaded)
    asyncio.run(before())
    assert b"done" not in b"".join(threaded)
    assert not is_ending()

    with TestClient(web()) as client:
        assert lines_seen(client, over) == 3
        assert client.get("/ready").json() is True
    assert lines_seen(TestClient(web()), over) == 3
    flask = Flask("test")
    streamator.flask.add_log_routes(flask)
    assert lines_seen(flask.test_client(), over) == 3
    job.close()


class Running:
    """A server in a thread of this process, and a job that has no end."""

    def __init__(self, url: str, stop: Callable[[], None], thread: threading.Thread, uds: str | None = None) -> None:
        self.stop = stop
        self.thread = thread
        self.transport = httpx.HTTPTransport(uds=uds)
        self.client = httpx.Client(base_url=url, timeout=20, transport=self.transport)
        self.job = JobLogger()
        self.job.log("one")

    @contextlib.contextmanager
    def viewing(self) -> Iterator[Iterator[str]]:
        """What is sent after the first line."""
        with self.client.stream("GET", f"/log/{self.job.job_id}/stream") as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            for line in lines:
                if "one" in line:
                    break
            yield lines

    def is_over_soon(self) -> None:
        before = time.monotonic()
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server still waits"
        assert time.monotonic() - before < 2


@contextlib.contextmanager
def running(uds: str | None = None, **options: Any) -> Iterator[Running]:
    config = uvicorn.Config(web(), log_level="error", uds=uds, port=0, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "the server to start")
        port = None if uds else server.servers[0].sockets[0].getsockname()[1]
        one = Running("http://test" if uds else f"http://127.0.0.1:{port}", lambda: None, thread, uds)

        def stop() -> None:
            server.should_exit = True

        one.stop = stop
        yield one
    finally:
        server.should_exit = server.force_exit = True
        one.job.close()
        thread.join()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_that_is_stopped_by_code_ends_its_streams_cleanly(loop: str) -> None:
    with running(loop=loop) as server, server.viewing() as lines:
        server.stop()
        assert not any("done" in line for line in lines)
        server.is_over_soon()


def test_a_server_at_its_request_limit_ends_its_streams_cleanly() -> None:
    with running(limit_max_requests=2) as server, server.viewing() as lines:
        server.client.get("/ready")
        server.client.get("/ready")
        assert not any("done" in line for line in lines)
        server.is_over_soon()


def test_a_server_on_a_unix_socket_ends_its_streams(tmp_path: Path) -> None:
    with running(uds=str(tmp_path / "web.sock")) as server, server.viewing() as lines:
        server.stop()
        assert not any("done" in line for line in lines)
        server.is_over_soon()


def test_the_streams_of_another_server_of_the_process_go_on() -> None:
    with running() as other, other.viewing() as still, running() as server:
        with server.viewing() as lines:
            server.stop()
            assert not any("done" in line for line in lines)
            server.is_over_soon()
        other.job.log("two")
        assert any("two" in line for line in still)


def test_other_sockets_that_open_and_close_end_no_stream() -> None:
    with running() as server, server.viewing() as lines:
        for _ in range(3):
            with socket.create_server(("127.0.0.1", 0)):
                assert server.client.get("/ready").json() is True
        time.sleep(0.5)  # longer than it takes to see that a server has stopped
        server.job.log("two")
        assert any("two" in line for line in lines)


def test_a_threaded_server_that_closes_its_socket_ends_its_streams() -> None:
    flask = Flask("test")
    streamator.flask.add_log_routes(flask)
    server = make_server("127.0.0.1", 0, flask, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    one = Running(f"http://127.0.0.1:{server.server_port}", stop, thread)
    with one.viewing() as lines:
        stop()
        assert not any("done" in line for line in lines)
        one.is_over_soon()
    one.job.close()
