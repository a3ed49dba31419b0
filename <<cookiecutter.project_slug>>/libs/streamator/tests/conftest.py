"""What several files of tests use: a DynamoDB and a Redis on this machine, and warnings as errors."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator

import pytest
from redis_server import RedisServer

pytest.register_assert_rewrite("streamator.testing")


# One request at a time: moto checks the condition of a write and writes in two steps, and what was held up by a
# stopped server would arrive all at once.
MOTO = """
import sys, threading
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

app = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()

def in_turn(environ, start_response):
    with turn:
        return list(app(environ, start_response))

run_simple("127.0.0.1", int(sys.argv[1]), in_turn, threaded=True, request_handler=MotoRequestHandler)
"""


@contextlib.contextmanager
def moto() -> Iterator[tuple[int, int]]:
    """A moto server: (port, pid)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-c", MOTO, str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None and time.monotonic() < end, "moto did not start"
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[int, int]]:
    """One moto server for all tests: (port, pid). A test that stops it starts its own, with `moto`."""
    with moto() as running:
        yield running


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis server for all tests. A test that breaks it starts its own."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def quiet() -> Iterator[None]:
    """A warning that no test expects is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(autouse=True)
def _no_letters_at_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has refused does not end up among the letters of whoever runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
