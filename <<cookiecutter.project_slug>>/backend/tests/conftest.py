"""What the tests share: settings that no environment reaches, and real servers on free ports."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app.connections import HttpProtocol
from app.database import Database
from app.settings import Settings, load_settings
from app.websockets import WebSocketProtocol
from tests.postgres import Postgres, find_programs, postgres_server
from tests.process import Process, dynamo_server, redis_server
from tests.support import RunningApp, Web, eventually, plain_client

SERVERS = {"launch", "dynamo", "redis", "remote"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs one of the servers below is marked as such: `make check` leaves it out."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def pytest_make_parametrize_id(val: object) -> str | None:
    """No test is named after bytes: what is compressed has the time in it, and each process needs the same names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    # Whatever store, sign-in and workers the project was made with: a test that wants another says so.
    monkeypatch.setenv("STREAMATOR_STORE", "memory")
    monkeypatch.setenv("AUTH", "none")
    monkeypatch.setenv("WORKERS", "inline")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, one for all tests of a process."""
    programs = find_programs()
    if programs is None:
        pytest.skip("not tried: there is no PostgreSQL here")
    with postgres_server(programs) as server:
        yield server


DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.server)]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, of each kind that there is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'app.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.server, pytest.mark.long])])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Makes settings on a directory and a database of the test's own; takes those that differ from the defaults."""
    if request.param == "postgres":  # for the processes of the test, too
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("postgres").database())

    def make(**values: Any) -> Settings:
        given = {"data_dir": tmp_path / "data", "auth": "none", **values}
        return load_settings(_env_file=None, **given)

    return make


@pytest.fixture
def run_app(settings: Callable[..., Settings]) -> Iterator[Callable[..., RunningApp]]:
    """Starts an app in a real server, in a thread; takes the settings that differ from the defaults."""
    from app.features import FEATURES
    from app.main import create_app

    running: list[RunningApp] = []

    def run(features: Any = FEATURES, **values: Any) -> RunningApp:
        app = create_app(settings(**values), features=features)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=HttpProtocol, ws=WebSocketProtocol, log_level="warning", timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        eventually(lambda: server.started or not thread.is_alive(), 60)
        assert thread.is_alive(), "the server did not start"
        client = plain_client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        running.append(RunningApp(client, server, thread))
        return running[-1]

    yield run
    for each in running:
        each.client.close()
        each.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            site.asked_with.append(dict(self.headers.items()))
            status, headers, body = site.once.pop(self.path, site.answers.get(self.path, (404, {}, b"none")))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if isinstance(body, bytes):
                if "content-length" not in headers:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)
            else:
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    body(self.wfile)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    site = Web(f"http://127.0.0.1:{server.server_port}", server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a server; takes its environment, and what else `Process` takes."""
    running: list[Process] = []

    def start(**options: Any) -> Process:
        running.append(Process(tmp_path, **options))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def dynamo(tmp_path: Path) -> Iterator[dict[str, str]]:
    with dynamo_server(tmp_path) as environment:
        yield environment


@pytest.fixture
def redis() -> Iterator[dict[str, str]]:
    with redis_server() as environment:
        yield environment


@pytest.fixture(params=["dynamo", "redis"])
def remote(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of each store that outlives the server."""
    environment: dict[str, str] = request.getfixturevalue(request.param)
    return environment
