"""Servers of the baked project that are killed, stopped, paused and cut off, and what their viewers see of it.

`make setup` makes the project, and installs it into the environment that runs these tests.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bake import REPOSITORY
from dynalite_server import Dynalite
from tests.process import Process, free_port, listens, redis_server
from tests.support import Events, eventually
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PROJECT = REPOSITORY / "build" / "project"
PYTHON = sys.executable
TOLD = str(Path(__file__).with_name("told.py"))

Environment = dict[str, str]
Launch = Callable[..., Process]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts a server on the test's data; takes its environment."""
    assert PROJECT.exists(), "there is no project: run `make setup`"
    running: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        environment = {"PYTHONPATH": str(PROJECT / "backend"), "STREAMATOR_STORE": "memory", **environment}
        running.append(Process(tmp_path, (PYTHON, TOLD, *arguments), **environment))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynalite]:
    server = Dynalite(tmp_path_factory.mktemp("dynamo"))
    yield server
    server.kill()


@pytest.fixture
def dynamo(dynalite: Dynalite) -> Environment:
    assert dynalite.answers()
    return dynalite.environment


@pytest.fixture(scope="session")
def redis() -> Iterator[Environment]:
    with redis_server() as environment:
        yield environment


@pytest.fixture(params=["memory", "dynamo", "redis"])
def store(request: pytest.FixtureRequest) -> Environment:
    """The environment of each store."""
    environment: Environment = {} if request.param == "memory" else request.getfixturevalue(request.param)
    return environment


@pytest.fixture(params=["dynamo", "redis"])
def remote(request: pytest.FixtureRequest) -> Environment:
    """The environment of each store that outlives the server."""
    environment: Environment = request.getfixturevalue(request.param)
    return environment


def start(server: Process) -> str:
    """Starts a job that logs what it is told to; gives its id."""
    answer = server.client.post("/api/told")
    assert answer.status_code == 200, answer.text
    return str(answer.json())


def tell(server: Process, job_id: str, line: str = "") -> None:
    """Has a job of this server log a line; without one, end."""
    assert server.client.post(f"/api/told/{job_id}", params={"line": line}).status_code == 200


@contextmanager
def stream(server: Process, job_id: str, after: int = 0, through: int | None = None) -> Iterator[Events]:
    """A viewer of a job; it comes through another port than the server's, if one is given."""
    url = server.client.base_url.copy_with(port=through or server.client.base_url.port)
    headers = {"last-event-id": str(after)}
    # Less than the 15 s of a heartbeat: who waits for what does not come is told.
    with httpx.stream("GET", url.join(f"/api/log/{job_id}/stream"), headers=headers, timeout=12) as response:
        assert response.status_code == 200, response.read()
        yield Events(response)


def metric(server: Process, name: str) -> float:
    """What the server tells of itself (METRICS), over all labels."""
    told = server.client.get("/metrics").text
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(f"{name}{{"))


LOST = {"event": "status", "status": "lost"}


def goes_on_exactly(launch: Launch, environment: Environment) -> None:
    """A server is killed while its job logs and a viewer looks on: another one goes on from any id."""
    first = launch(**environment, METRICS="true", STREAMATOR_LEASE_SECONDS="1")
    job_id = start(first)
    tell(first, job_id, "1")
    eventually(lambda: metric(first, "streamator_store_pending_events") == 0)  # the store is there

    def talk() -> None:
        with contextlib.suppress(httpx.TransportError):
            for number in range(2, 100_000):
                tell(first, job_id, str(number))

    talking = threading.Thread(target=talk)
    talking.start()
    with stream(first, job_id) as viewer:
        while int(viewer.last_id or 0) < 300:
            next(viewer)
        first.process.kill()
        with pytest.raises(httpx.TransportError):  # what was on its way, and no clean end
            list(viewer)
    talking.join()

    other = launch(**environment, STREAMATOR_LEASE_SECONDS="1")
    stored = other.client.get(f"/api/log/{job_id}").json()["next"]
    with ExitStack() as stack:
        # Whoever has seen more than was stored has all of it.
        cursors = sorted({0, stored // 2, stored - 1, int(viewer.last_id)})
        again = [(after, stack.enter_context(stream(other, job_id, after))) for after in cursors]
        for after, viewer in again:
            *lines, last = [(viewer.last_id, event) for event in viewer]
            numbers = [str(number) for number in range(after + 1, stored + 1)]
            assert [(number, event["message"]) for number, event in lines] == list(zip(numbers, numbers, strict=True))
            assert last[1] == LOST


def test_02_another_server_goes_on_exactly_and_tells_the_loss_dynamo(launch: Launch, dynamo: Environment) -> None:
    goes_on_exactly(launch, dynamo)


def test_03_another_server_goes_on_exactly_and_tells_the_loss_redis(launch: Launch, redis: Environment) -> None:
    goes_on_exactly(launch, redis)


def test_04_at_sigterm_fifty_streams_end_cleanly_without_done(launch: Launch, store: Environment) -> None:
    server = launch(**store)
    job_id = start(server)
    tell(server, job_id, "one")
    with ExitStack() as stack:
        viewers = [stack.enter_context(stream(server, job_id)) for _ in range(50)]
        assert {next(viewer)["message"] for viewer in viewers} == {"one"}
        assert server.stop() < 2
        assert [list(viewer) for viewer in viewers] == [[]] * 50  # cut off, it would raise
    assert "Traceback" not in server.said()


def test_04_at_sigterm_who_waits_for_a_store_that_hangs_is_told_to_come_again(
    launch: Launch, remote: Environment
) -> None:
    (port,) = {found[1] for value in remote.values() if (found := re.search(r"//127.0.0.1:(\d+)", value))}
    wire = Wire(int(port))
    server = launch(**{name: value.replace(f":{port}", f":{wire.port}") for name, value in remote.items()})
    with contextlib.closing(wire), ThreadPoolExecutor() as pool:
        assert server.client.get("/api/log/unknown").status_code == 404
        wire.break_off()
        paths = [f"/api/log/other{each}" for each in ("", "/stream")]
        waiting = [pool.submit(httpx.get, server.client.base_url.join(path), timeout=30) for path in paths]
        with connect(f"ws://127.0.0.1:{server.client.base_url.port}/api/log/other/ws") as websocket:
            time.sleep(1)
            assert not any(each.done() for each in waiting)
            server.stop()
            assert [each.result().status_code for each in waiting] == [503, 503]
            with pytest.raises(ConnectionClosed):
                websocket.recv(5)
            assert websocket.close_code == 1012  # uvicorn may close it before the library does
    assert "Traceback" not in server.said()


def test_05_new_code_runs_as_soon_with_an_open_stream_as_without(launch: Launch, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "backend", tmp_path / "backend", ignore=shutil.ignore_patterns("__pycache__"))
    server = launch("--reload", PYTHONPATH=str(tmp_path / "backend"))

    def seconds_until_it_runs(new: str) -> float:
        with (tmp_path / "backend" / "app" / "project.py").open("a") as code:
            code.write(f'\nPROJECT_NAME = "{new}"\n')
        changed = time.monotonic()
        eventually(lambda: name(server) == new)
        return time.monotonic() - changed

    alone = seconds_until_it_runs("A new name")
    job_id = start(server)
    tell(server, job_id, "one")
    with stream(server, job_id) as viewer:
        assert next(viewer)["message"] == "one"
        # A server that waited for its streams would wait until they end.
        assert seconds_until_it_runs("Another name") < 2 * alone + 1
        assert list(viewer) == []


def name(server: Process) -> str | None:
    """The project's name; None from a connection that was kept open, and that the old process has just closed."""
    with contextlib.suppress(httpx.TransportError):
        return str(server.client.get("/api/config").json()["project_name"])
    return None


def test_20_a_producer_that_is_paused_is_lost_and_then_runs_again(launch: Launch, remote: Environment) -> None:
    here, there = (launch(**remote, STREAMATOR_LEASE_SECONDS="2") for _ in range(2))
    job_id = start(here)
    tell(here, job_id, "one")
    with stream(there, job_id) as viewer:
        assert next(viewer)["message"] == "one"
        here.process.send_signal(signal.SIGSTOP)
        assert next(viewer) == LOST
        here.process.send_signal(signal.SIGCONT)
        assert next(viewer) == {"event": "status", "status": "running"}
        tell(here, job_id, "two")
        tell(here, job_id)
        assert [(viewer.last_id, event.get("message")) for event in viewer] == [("2", "two"), ("3", None)]
    assert there.client.get(f"/api/jobs/{job_id}").json()["status"] == "completed"


class Wire:
    """A way to a port of this machine, on which from some moment on nothing comes through and nothing says so."""

    def __init__(self, port: int) -> None:
        self._far = ("127.0.0.1", port)
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def break_off(self) -> None:
        self._whole.clear()

    def close(self) -> None:
        self._whole.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):  # not connected any more
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far)
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._whole.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def open_streams(server: Process) -> float:
    """How many streams and WebSockets the server has open."""
    return metric(server, "streamator_streams_active")


def connections(server: Process) -> int:
    """How many connections the system keeps for the server: those that it has closed, but that still have something to
    send, count as well."""
    port = f":{server.client.base_url.port:04X}"
    rows = [line.split() for line in Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(local.endswith(port) and state not in (LISTENING, TIME_WAIT) for _, local, _, state, *_ in rows)


LISTENING, TIME_WAIT = "0A", "06"


def test_26_viewers_that_vanish_are_freed_by_the_send_timeout(launch: Launch, store: Environment) -> None:
    server = launch(**store, METRICS="true", SEND_TIMEOUT="2")
    job_id = start(server)
    tell(server, job_id, "one")
    wire = Wire(int(server.client.base_url.port or 0))
    with contextlib.closing(wire), stream(server, job_id, through=wire.port) as viewer:
        assert next(viewer)["message"] == "one"
        with connect(f"ws://127.0.0.1:{wire.port}/api/log/{job_id}/ws", close_timeout=0) as websocket:
            assert json.loads(websocket.recv(30)) == []
            assert open_streams(server) == 2
            held = connections(server)
            wire.break_off()
            for _ in range(1_300):  # more than what is on the way can hold, also compressed
                tell(server, job_id, secrets.token_hex(3_500))
            eventually(lambda: open_streams(server) == 0)
            eventually(lambda: connections(server) <= held - 2)
            tell(server, job_id, "the job goes on")


def test_26_an_idle_viewer_whose_packets_are_dropped_is_freed() -> None:
    apart = next(filter(may, (["unshare"], ["unshare", "--map-root-user"], ["sudo", "-n", "unshare"])), None)
    if apart is None:
        pytest.skip("a network namespace of one's own needs Linux, and the right to make one")
    cable = str(Path(__file__).with_name("cable.py"))
    subprocess.run([*apart, "--net", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cable], check=True)


def may(unshare: list[str]) -> bool:
    found = shutil.which(unshare[0])
    return found is not None and subprocess.run([*unshare, "--net", "true"], capture_output=True).returncode == 0


NGINX = str(PROJECT / "libs" / "streamator" / "tests" / "nginx.py")
SITE = str(PROJECT / "ops" / "nginx.conf")
GZIP = "; gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream"


@pytest.mark.parametrize("more", ["", GZIP], ids=["as it is", "gzip"])
def test_36_behind_nginx_each_event_is_there_within_300_ms(launch: Launch, tmp_path: Path, more: str) -> None:
    server, port = launch(), free_port()
    # Both are the one server: nobody holds the port of one that never runs, and nginx asks whatever took it.
    servers = [f":{name} =:{server.client.base_url.port} " for name in (8000, 8001)]
    changes = [f"listen 8080=listen 127.0.0.1:{port}{more}", *servers]
    nginx = subprocess.Popen([PYTHON, NGINX, str(tmp_path / "nginx"), SITE, *changes])
    try:
        eventually(lambda: listens(port), 30)
        job_id = start(server)
        with stream(server, job_id, through=port) as viewer:
            took = []
            for number in range(20):
                told = time.monotonic()
                tell(server, job_id, f"line {number}")
                assert next(viewer)["message"] == f"line {number}"
                took.append(time.monotonic() - told)
            # All have come, each before the next; a machine that is busy with other things may be slow with some.
            assert sorted(took)[10] < 0.3, took
            tell(server, job_id)
            assert [event["event"] for event in viewer] == ["done"]
    finally:
        nginx.terminate()
        nginx.wait(30)


def test_39_a_clock_that_jumps_an_hour_makes_no_time_fall_and_no_job_lost(launch: Launch, store: Environment) -> None:
    began = time.monotonic()
    here = launch(**store, STREAMATOR_LEASE_SECONDS="1")
    there = launch(**store, STREAMATOR_LEASE_SECONDS="1") if store else here
    job_id = start(here)
    events: list[dict[str, Any]] = []
    with stream(there, job_id) as viewer:
        for hours in (0, 1, -1, 0):
            here.client.post("/api/clock", params={"seconds": 3_600 * hours})
            there.client.post("/api/clock", params={"seconds": -3_600 * hours})
            time.sleep(2)  # two leases: time enough to take it for lost
            tell(here, job_id, f"{hours} h")
            events.append(next(viewer))
        tell(here, job_id)
        events += viewer
    assert [event.get("message", event["event"]) for event in events] == ["0 h", "1 h", "-1 h", "0 h", "done"]
    times = [event["t"] for event in events]
    assert times == sorted(times)
    assert 0 <= times[0] and times[-1] < time.monotonic() - began
    with stream(there, job_id) as late:
        assert list(late) == events
