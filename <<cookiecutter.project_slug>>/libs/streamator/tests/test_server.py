"""The routes on a real server, in a process of its own, with real sockets."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.server

PATIENCE_S = 20.0
HERE = Path(__file__).parent


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds:g} s for {what}")


class Server:
    """Uvicorn on a port of its own."""

    def __init__(self, output: Path, *arguments: str, target: str = "server_app:app", folder: Path = HERE) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.output = output
        command = [sys.executable, "-m", "uvicorn", target, "--port", str(self.port), *arguments]
        with output.open("w") as out:
            self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, start_new_session=True)
        self.url = f"http://127.0.0.1:{self.port}"
        many = httpx.Limits(max_connections=None)
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S, verify=False, limits=many)
        eventually(self.answers, "the server to answer")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.client.get("/tasks").status_code == 200
        except httpx.TransportError:
            return False

    def start(self, path: str = "/jobs", **query: Any) -> str:
        answer = self.client.post(path, params=query)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["job_id"])

    def events(self, job_id: str, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """All events of a stream that ends, with their ids."""
        with self.client.stream("GET", f"/log/{job_id}/stream", params={"after": after}) as response:
            assert response.status_code == 200
            return parse(response.read().decode())

    def tasks(self) -> int:
        return int(self.client.get("/tasks").json()["tasks"])

    def held(self) -> dict[str, int]:
        """What the server holds: its tasks, objects, open files, and bytes of memory."""
        return {**self.client.get("/held").json(), "bytes": resident(self.process.pid)}

    def stop(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def parse(text: str) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields.get("id", 0)), json.loads(fields["data"])))
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "server.log")
    yield running
    running.stop()


class Viewer:
    """A viewer that reads a stream in a thread of its own."""

    def __init__(self, server: Server, job_id: str) -> None:
        self.text = ""
        self.clean_end: bool | None = None
        self.ended_at = 0.0
        self._server = server
        self._job_id = job_id
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=PATIENCE_S, verify=False) as client:
            try:
                with client.stream("GET", f"/log/{self._job_id}/stream") as response:
                    for piece in response.iter_text():
                        self.text += piece
                self.clean_end = True
            except httpx.TransportError:
                self.clean_end = False
        self.ended_at = time.monotonic()

    def events(self) -> list[tuple[int, dict[str, Any]]]:
        return parse(self.text[: self.text.rfind("\n\n") + 2])

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the viewer still hangs"


def test_23_lines_arrive_one_after_another_at_two_viewers_and_a_late_one(server: Server) -> None:
    job_id = server.start(lines=30, gap=0.05)
    first, second = Viewer(server, job_id), Viewer(server, job_id)
    eventually(lambda: len(first.events()) >= 5 and len(second.events()) >= 5, "five lines at both viewers")
    assert len(first.events()) < 31, "all lines came at once"
    late = Viewer(server, job_id)
    for viewer in (first, second, late):
        viewer.join()
        assert viewer.clean_end
        assert [event_id for event_id, _ in viewer.events()] == list(range(1, 32))
        assert [event["message"] for _, event in viewer.events()[:-1]] == [f"line {n}" for n in range(30)]
        assert viewer.events()[-1][1]["event"] == "done"


def test_49_a_worker_thread_wakes_an_idle_loop(server: Server) -> None:
    job_id = server.start("/stamps", lines=20)
    delays = []
    with server.client.stream("GET", f"/log/{job_id}/stream") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                if event["event"] == "log":
                    delays.append(time.time() - float(event["message"]))
    assert len(delays) == 20
    assert sorted(delays)[10] < 0.1, f"half of the lines came later than 100 ms: {delays}"


def test_a_thread_that_logs_much_loses_nothing(server: Server) -> None:
    job_id = server.start("/thread", lines=20_000)
    events = server.events(job_id)
    assert [event_id for event_id, _ in events] == list(range(1, 20_002))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_04_a_signal_ends_fifty_streams_cleanly_without_done(server: Server, number: signal.Signals) -> None:
    job_id = server.start(lines=3, keep_open=True)
    viewers = [Viewer(server, job_id) for _ in range(50)]
    eventually(lambda: all(len(viewer.events()) == 3 for viewer in viewers), "three lines at fifty viewers")
    before = time.monotonic()
    server.process.send_signal(number)
    server.process.wait(PATIENCE_S)
    took = time.monotonic() - before
    for viewer in viewers:
        viewer.join()
        assert viewer.clean_end, "a stream was cut off"
        assert [event["event"] for _, event in viewer.events()] == ["log"] * 3
    assert took < 2, f"the server took {took:.1f} s to end"
    assert "Traceback" not in server.output.read_text()


def test_05_a_reload_does_not_wait_for_an_open_stream(tmp_path: Path) -> None:
    module = tmp_path / "reloaded.py"
    version = "\n\n@app.get('/version')\ndef version() -> int:\n    return 1\n"
    module.write_text((HERE / "server_app.py").read_text() + version)
    server = Server(tmp_path / "server.log", "--reload", target="reloaded:app", folder=tmp_path)
    try:
        assert server.client.get("/version").json() == 1
        viewer = Viewer(server, server.start(lines=3, keep_open=True))
        eventually(lambda: len(viewer.events()) == 3, "three lines")
        # Of another length: by it and by the second of the last change Python knows whether its bytecode is of this.
        module.write_text(module.read_text().replace("return 1", "return 1 + 1"))

        def reloaded() -> bool:
            try:
                return bool(server.client.get("/version").json() == 2)
            except httpx.TransportError:
                return False

        eventually(reloaded, "the new code")
        viewer.join()
        assert viewer.clean_end
        assert "done" not in viewer.text
    finally:
        server.stop()


def test_25_viewers_that_leave_are_freed_within_a_second(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    base = server.tasks()
    with ExitStack() as stack:
        streams = []
        for _ in range(100):
            response = stack.enter_context(server.client.stream("GET", f"/log/{job_id}/stream"))
            streams.append(response.iter_raw())
            next(streams[-1])
        assert server.tasks() >= base + 100
    left = time.monotonic()
    eventually(lambda: server.tasks() <= base, "the streams to be freed")
    assert time.monotonic() - left < 1


STREAM = "GET /log/{}/stream HTTP/1.1\r\nhost: x\r\n\r\n"
SOCKET = (
    "GET /log/{}/ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)


@pytest.mark.parametrize("request_text", [STREAM, SOCKET], ids=["stream", "socket"])
def test_27_a_viewer_that_never_reads_blocks_nobody_and_costs_little(server: Server, request_text: str) -> None:
    big = server.start(lines=20_000, text="x" * 1000)  # 20 MB: more than any socket buffer takes
    assert len(server.events(big)) == 20_001
    with socket.create_connection(("127.0.0.1", server.port)) as stuck:
        full, base = resident(server.process.pid), server.tasks()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(request_text.format(big).encode())
        eventually(lambda: server.tasks() > base, "the stuck stream")
        assert len(server.events(big)) == 20_001
        assert resident(server.process.pid) - full < 4_000_000, "a viewer holds more than what is on its way"


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many open files as the sockets of thousands of viewers are, here and in a server that is started next."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def watching(server: Server, job_id: str, count: int) -> Iterator[list[socket.socket]]:
    """So many viewers, each of which has seen the first line."""
    request = STREAM.format(job_id).encode()
    with ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        viewers = [stack.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(count)]
        for viewer in viewers:
            viewer.sendall(request)
        for viewer in viewers:
            seen = b""
            while b"\ndata: " not in seen:
                piece = viewer.recv(4_096)
                assert piece, seen
                seen += piece
        yield viewers


def is_as_before(server: Server, before: dict[str, int], viewers: int) -> None:
    """Of so many viewers who have left, nothing is held."""
    eventually(lambda: server.tasks() <= before["tasks"], "the tasks of the viewers to end")
    after = server.held()
    assert after["files"] <= before["files"]
    assert after["objects"] - before["objects"] < viewers / 10, "an object for each of them would be more"


def test_28_two_thousand_idle_viewers_take_40_kb_each_at_most_and_are_freed(many_files: None, server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    with watching(server, job_id, 100):
        pass  # what is allocated once, is
    before = server.held()
    with watching(server, job_id, 2_000):
        full = server.held()
        assert full["tasks"] - before["tasks"] >= 2_000
        assert (full["bytes"] - before["bytes"]) / 2_000 <= 40_000
    is_as_before(server, before, 2_000)


def test_29_ten_thousand_short_connections_leak_nothing(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)

    def come_and_go(hundreds: int) -> None:
        for _ in range(hundreds):
            with watching(server, job_id, 100) as viewers:
                for viewer in viewers[::2]:  # half of them without a goodbye
                    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    come_and_go(10)
    before = server.held()
    come_and_go(100)
    is_as_before(server, before, 10_000)
    assert resident(server.process.pid) - before["bytes"] < 3_000_000, "300 bytes of each of them would be that"


def test_58_a_flood_of_unknown_ids_gives_404s_and_leaks_nothing(server: Server) -> None:
    def flood(count: int) -> None:
        for _ in range(count):
            assert server.client.get(f"/log/{uuid.uuid4().hex}/stream").status_code == 404

    flood(200)
    before = server.held()
    flood(2_000)
    is_as_before(server, before, 2_000)


def resident(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_endpoint_that_streams_its_own_job_names_its_events(server: Server) -> None:
    with server.client.stream("POST", "/answer") as response:
        assert response.headers["content-type"] == "text/event-stream"
        text = response.read().decode()
    assert [line[7:] for line in text.split("\n") if line.startswith("event: ")] == ["progress"] * 3 + ["done"]


def test_cancel_stops_the_task(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    viewer = Viewer(server, job_id)
    eventually(lambda: viewer.events(), "the first line")
    answer = server.client.post(f"/job/{job_id}/cancel")
    assert (answer.status_code, answer.json()) == (200, {"cancelled": job_id})
    viewer.join()
    assert viewer.events()[-1][1]["status"] == "cancelled"


@pytest.mark.parametrize("job_id", ["..%2f..%2fetc", "%2e%2e", "a%23b", "x" * 10_000, "%00", "%ff", "a b", "é"])
@pytest.mark.parametrize("path", ["/log/{}/stream", "/log/{}", "/job/{}/stream", "/job/{}/result"])
def test_57_no_job_id_is_a_server_error(server_for_ids: Server, path: str, job_id: str) -> None:
    assert server_for_ids.client.get(path.format(job_id)).status_code == 404


@pytest.fixture(scope="module")
def server_for_ids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("ids") / "server.log")
    yield running
    running.stop()
