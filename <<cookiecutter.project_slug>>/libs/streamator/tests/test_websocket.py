"""The WebSocket: on a real server with a real client, and called as an ASGI server calls it."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from nginx import nginx
from starlette.requests import HTTPConnection
from test_server import PATIENCE_S, Server, eventually
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

import streamator.ending
import streamator.transports.open_streams
import streamator.transports.viewer
from streamator import EventLog, JobEmitter, JobLogger, MemoryStore, StoreError
from streamator.asgi import LogApp, WebSocketApp
from streamator.fastapi import add_log_routes, end_streams
from streamator.transports.websocket import MAX_MESSAGE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("ws") / "server.log")
    yield running
    assert "Traceback" not in running.output.read_text()
    running.stop()


@contextmanager
def open_socket(
    server: Server, job_id: str, route: str = "log", query: str = "", **options: Any
) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/{route}/{job_id}/ws{query}"
    with connect(url, open_timeout=PATIENCE_S, **options) as connection:
        yield connection


def read(
    connection: ClientConnection, come: Callable[[int], object] = lambda count: None
) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """All that comes: the events with their ids, and the code that it was closed with. ``come`` is told how many
    events there are so far."""
    found: list[tuple[int, dict[str, Any]]] = []
    while True:
        try:
            message = json.loads(connection.recv(PATIENCE_S))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "cut off"
            return found, closed.rcvd.code
        found += [(item["id"], item["event"]) for item in message]
        come(len(found))


def ask(connection: ClientConnection, message: Any) -> dict[str, Any]:
    """Send something; the answer to it, past the events that are on their way."""
    connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
    while True:
        answer = json.loads(connection.recv(PATIENCE_S))
        if isinstance(answer, dict):
            return answer


def test_a_socket_shows_every_event_in_order_with_its_id_and_ends_with_done(server: Server) -> None:
    job_id = server.start(lines=300, gap=0.001)
    with open_socket(server, job_id) as connection:
        events, code = read(connection)
    assert code == 1000
    assert events == server.events(job_id)
    assert [event_id for event_id, _ in events] == list(range(1, 302))
    assert events[-1][1]["status"] == "completed"


def test_22_lines_come_while_the_job_runs_at_two_viewers(server: Server) -> None:
    job_id = server.start(lines=3, keep_open=True)
    with open_socket(server, job_id) as first, open_socket(server, job_id, "job") as second:
        for connection in (first, second):
            seen: list[int] = []
            while len(seen) < 3:
                seen += [item["id"] for item in json.loads(connection.recv(PATIENCE_S))]
            assert seen == [1, 2, 3]
        server.client.post(f"/job/{job_id}/cancel")
        for connection in (first, second):
            events, code = read(connection)
            assert ([event_id for event_id, _ in events], code) == ([4], 1000)


@pytest.mark.parametrize(("query", "expected"), [("", 1), ("?after=0", 1), ("?after=4", 5), ("?after=1&after=9", 10)])
def test_30_a_socket_starts_right_after_the_id_that_the_viewer_has(server: Server, query: str, expected: int) -> None:
    assert streamed(server, query) == (list(range(expected, 12)), 1000)


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?after=%ff"])
def test_32_an_invalid_id_reads_a_socket_from_the_beginning(server: Server, query: str) -> None:
    assert streamed(server, query) == (list(range(1, 12)), 1000)


def streamed(server: Server, query: str) -> tuple[list[int], int]:
    """The ids that a socket shows of a log of eleven events, and the code that it is closed with."""
    with open_socket(server, server.start(lines=10), query=query) as connection:
        events, code = read(connection)
    return [event_id for event_id, _ in events], code


def test_34_the_end_of_a_closed_log_closes_at_once(server: Server) -> None:
    assert of_a_closed_log(server, "11") == ([], 1000)


@pytest.mark.parametrize("cursor", ["12", "9" * 400])
def test_33_an_id_past_the_end_of_a_closed_log_reads_the_whole_log(server: Server, cursor: str) -> None:
    assert of_a_closed_log(server, cursor) == (list(range(1, 12)), 1000)


def of_a_closed_log(server: Server, cursor: str) -> tuple[list[int], int]:
    """The ids that a socket shows of a closed log of eleven events, and the code that it is closed with."""
    job_id = server.start(lines=10)
    server.events(job_id)
    with open_socket(server, job_id, query=f"?after={cursor}") as connection:
        events, code = read(connection)
    return [event_id for event_id, _ in events], code


@pytest.mark.parametrize("job_id", ["nope", "x" * 200, "%00"])
def test_an_unknown_job_is_closed_with_4404(server: Server, job_id: str) -> None:
    with open_socket(server, job_id) as connection:
        assert read(connection) == ([], 4404)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1", "file://", "http://[", "x"],
)
def test_60_a_page_of_another_site_is_refused_with_403(server: Server, origin: str) -> None:
    job_id = server.start(lines=1)
    for route in ("log", "job"):
        with pytest.raises(InvalidStatus) as refused, open_socket(server, job_id, route, origin=origin):
            pass
        assert refused.value.response.status_code == 403


def test_nginx_passes_a_socket_on(server: Server, tmp_path: Path) -> None:
    directives = """
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
      proxy_set_header Host $http_host;
    """
    job_id = str(server.client.post("/told").json()["job_id"])
    with nginx(tmp_path / "nginx", server.port, location=directives) as port:
        page = f"http://127.0.0.1:{port}"
        url = f"ws://127.0.0.1:{port}/log/{job_id}/ws"
        with connect(url, origin=Origin(page), open_timeout=PATIENCE_S) as connection:
            seen: list[int] = []
            while len(seen) < 3:
                items = json.loads(connection.recv(PATIENCE_S))
                seen += [item["id"] for item in items]
                server.client.post(f"/told/{job_id}", params={"line": "x"})
            assert seen == [1, 2, 3]
        streamed = httpx.get(f"{page}/log/{server.start(lines=2)}/stream", timeout=PATIENCE_S)
        assert streamed.text.count("id: ") == 3


def test_the_server_s_own_pages_may_connect(server: Server) -> None:
    job_id = server.start(lines=1)
    with open_socket(server, job_id, origin=f"http://127.0.0.1:{server.port}") as connection:
        assert read(connection)[1] == 1000


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, 10_000_000])
@pytest.mark.parametrize("kind", [str, bytes])
def test_67_a_client_that_sends_too_much_is_closed_with_1009(server: Server, size: int, kind: type) -> None:
    with open_socket(server, server.start(lines=1, keep_open=True)) as connection:
        connection.send("x" * size if kind is str else b"x" * size)
        assert read(connection)[1] == 1009


def test_an_unknown_message_is_answered_and_the_stream_goes_on(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    with open_socket(server, job_id, "job") as connection:
        for message in ("", "{", "[]", "[1]", "null", '{"type": "burn"}', '{"type": []}', b"\xff", "[" * MAX_MESSAGE):
            assert '{"type": "pause"}' in ask(connection, message)["error"]
        assert ask(connection, {"type": "cancel"}) == {"cancelled": job_id}
        events, code = read(connection)
        assert (events[-1][1]["status"], code) == ("cancelled", 1000)


def test_the_log_routes_socket_does_not_cancel(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    with open_socket(server, job_id, "log") as connection:
        assert "not cancelled here" in ask(connection, {"type": "cancel"})["error"]
    assert not server.client.get(f"/log/{job_id}").json()["closed"]


def test_67_a_client_that_does_not_answer_pings_is_closed_and_freed(tmp_path: Path) -> None:
    server = Server(tmp_path / "server.log", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.1")
    try:
        job_id = server.start(lines=1, keep_open=True)
        base = server.tasks()
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as silent:
            shake_hands(silent, f"/log/{job_id}/ws")
            eventually(lambda: server.tasks() > base, "the socket's tasks")
            received = b""
            while piece := silent.recv(4096):  # until the server has closed it
                received += piece
            assert (1011).to_bytes(2, "big") + b"keepalive ping timeout" in received
            eventually(lambda: server.tasks() <= base, "the socket to be freed")
        assert "Traceback" not in server.output.read_text()
    finally:
        server.stop()


def shake_hands(raw: socket.socket, path: str) -> None:
    """A WebSocket by hand: nothing answers its pings."""
    key = base64.b64encode(bytes(16)).decode()
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )
    assert raw.recv(12) == b"HTTP/1.1 101"


def test_25_a_socket_that_leaves_is_freed_within_a_second(server: Server) -> None:
    job_id = server.start(lines=1, keep_open=True)
    base = server.tasks()
    with ExitStack() as stack:
        opened = [stack.enter_context(open_socket(server, job_id)) for _ in range(20)]
        eventually(lambda: server.tasks() >= base + 20, "the sockets' tasks")
        for number, connection in enumerate(opened):
            if number % 2:
                connection.close()
            else:
                connection.socket.shutdown(socket.SHUT_RDWR)  # gone without a word
        eventually(lambda: server.tasks() <= base, "the sockets to be freed", seconds=1)


def test_04_a_signal_ends_sockets_with_1012_and_without_done(tmp_path: Path) -> None:
    server = Server(tmp_path / "server.log")
    try:
        job_id = server.start(lines=3, keep_open=True)
        ends: list[Any] = []
        served: list[int] = []

        def come(count: int) -> None:
            if count == 3:
                served.append(count)

        def view() -> None:
            with open_socket(server, job_id) as connection:
                ends.append(read(connection, come))

        viewers = [threading.Thread(target=view) for _ in range(20)]
        for viewer in viewers:
            viewer.start()
        eventually(lambda: len(served) == 20, "three lines at each of twenty sockets")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(2)
        for viewer in viewers:
            viewer.join(PATIENCE_S)
        assert len(ends) == 20
        for events, code in ends:
            assert ([event_id for event_id, _ in events], code) == ([1, 2, 3], 1012)
        assert "Traceback" not in server.output.read_text()
    finally:
        server.stop()


# Called as a server calls it


class Socket:
    """One WebSocket to an ASGI application, with a client under the test's control."""

    def __init__(self, app: Any, path: str = "/log/x/ws", headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.taking = asyncio.Event()
        self.taking.set()
        self.fault: type[Exception] | None = None
        scope = {
            "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "scheme": "ws", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": headers or [], "client": ("test", 1), "server": ("test", 80), "subprotocols": [],
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self.inbox.get, self.send))

    async def send(self, message: dict[str, Any]) -> None:
        await self.taking.wait()
        if self.fault is not None:
            raise self.fault("closed")
        self.sent.append(message)

    def say(self, **message: Any) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    @property
    def texts(self) -> list[Any]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    @property
    def ids(self) -> list[int]:
        return [item["id"] for text in self.texts if isinstance(text, list) for item in text]

    @property
    def code(self) -> int | None:
        return next((message["code"] for message in self.sent if message["type"] == "websocket.close"), None)


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
async def test_a_paused_client_gets_only_heartbeats_and_resumes_where_it_was() -> None:
    job = JobLogger()
    job.log("one")
    viewer = Socket(WebSocketApp(job.job_id, heartbeat=0.01))
    await until(lambda: viewer.ids == [1])
    viewer.say(type="pause")
    await until(lambda: {"paused": True} in viewer.texts)
    for _ in range(50):
        job.log("meanwhile")
    beats = viewer.texts.count([])
    await until(lambda: viewer.texts.count([]) > beats + 2)
    assert viewer.ids == [1]
    viewer.say(type="resume")
    await until(lambda: viewer.ids == list(range(1, 52)))
    job.close()
    await viewer.task
    assert (viewer.ids[-1], viewer.code) == (52, 1000)


@pytest.mark.parametrize("how", ["leaves", "server ends"])
def test_a_paused_client_ends_like_any_other(how: str) -> None:
    async def test() -> None:
        job = JobLogger()
        viewer = Socket(WebSocketApp(job.job_id))
        viewer.say(type="pause")
        await until(lambda: {"paused": True} in viewer.texts)
        job.log("unseen")
        await asyncio.sleep(0)
        if how == "leaves":
            viewer.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
        else:
            end_streams()
        await asyncio.wait_for(viewer.task, 5)
        assert (viewer.ids, viewer.code) == ([], None if how == "leaves" else 1012)

    asyncio.run(test())


@run
async def test_gaps_and_producer_status_are_sent() -> None:
    store = MemoryStore(maxlen=2)
    job = JobLogger(store)
    for n in range(5):
        job.log(f"line {n}")
    log = await store.find(job.job_id)
    assert log is not None
    viewer = Socket(WebSocketApp(job.job_id, store))
    await until(lambda: viewer.ids)
    log.set_status("lost")
    await until(lambda: None in viewer.ids)
    items = [item for text in viewer.texts for item in text]
    assert items[0] == {"id": 3, "event": {"event": "gap", "missed": 3}}
    assert [item["id"] for item in items] == [3, 4, 5, None]
    assert items[-1]["event"] == {"event": "status", "status": "lost"}
    log.evict()
    await asyncio.wait_for(viewer.task, 5)
    assert viewer.code == 1012


@run
async def test_40_no_text_breaks_or_forges_a_message() -> None:
    hostile = ['"}},{"id":9', "a\r\n\n\nid: 99\ndata: {}\n\n", "\u2028\x00", "\U0001f600", "\ud800"]
    with JobLogger() as job:
        for message in hostile:
            job.log(message)
    viewer = Socket(WebSocketApp(job.job_id))
    await viewer.task
    assert viewer.ids == [1, 2, 3, 4, 5, 6]
    received = [item["event"].get("message") for text in viewer.texts for item in text]
    assert received == [*hostile[:4], "\ufffd", None]


class Unreadable(MemoryStore):
    async def find(self, job_id: str) -> EventLog | None:
        raise StoreError("the table cannot be read")


@run
async def test_an_unreadable_store_closes_with_1013() -> None:
    viewer = Socket(WebSocketApp("x", Unreadable()))
    await viewer.task
    assert viewer.code == 1013


class Hanging(MemoryStore):
    """A store that is waited for until the server ends, or until it is told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: asyncio.Future[None] | None = None

    async def find(self, job_id: str) -> EventLog | None:
        self.failed = asyncio.get_running_loop().create_future()
        await streamator.ending.wait(self.failed)
        raise StoreError("the table cannot be read")


@pytest.mark.parametrize(("end", "code"), [("server", 1012), ("permission", 4401)])
def test_shutdown_ends_the_wait_for_a_store(end: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)

    async def test() -> None:
        store = Hanging()
        ends: list[bool] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await WebSocketApp("x", store)({**scope, "streamator.revoked": lambda: bool(ends)}, receive, send)

        viewer = Socket(app)
        await until(lambda: store.failed)
        assert not viewer.task.done()
        if end == "server":
            end_streams()
        else:
            ends.append(True)
            (stream,) = streamator.transports.open_streams.open_streams()
            assert isinstance(stream, streamator.transports.viewer.Viewer)
            await until(lambda: stream.expired)
            assert store.failed is not None
            store.failed.set_result(None)
        await asyncio.wait_for(viewer.task, 5)
        assert viewer.code == code

    asyncio.run(test())


@run
async def test_a_request_to_cancel_waits_for_a_job_that_has_not_looked() -> None:
    emitter = JobEmitter()
    viewer = Socket(WebSocketApp(emitter.job_id, cancel=True))
    viewer.say(type="cancel")
    await until(lambda: len(viewer.texts) == 2)
    assert viewer.texts[0] == []
    assert viewer.texts[1] == {"status": "requested", "requested": emitter.job_id}
    assert emitter.cancel_requested
    emitter.close()
    await viewer.task


def test_26_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.transports.viewer, "SEND_TIMEOUT_SECONDS", 0.05)

    async def test() -> None:
        job = JobLogger()
        stuck, well = (Socket(WebSocketApp(job.job_id)) for _ in range(2))
        await until(lambda: stuck.texts and well.texts)
        stuck.taking.clear()
        job.log("hello")
        await until(stuck.task.done)
        await until(lambda: well.ids == [1])
        assert stuck.ids == []
        job.close()
        await well.task

    asyncio.run(test())


@pytest.mark.parametrize("fault", [OSError, RuntimeError])
def test_67_a_send_that_fails_ends_the_socket(fault: type[Exception]) -> None:
    async def test() -> None:
        job = JobLogger()
        viewer = Socket(WebSocketApp(job.job_id))
        await until(lambda: viewer.texts)
        viewer.fault = fault
        job.log("hello")
        await asyncio.wait_for(viewer.task, 5)
        asking = Socket(WebSocketApp(job.job_id))
        await until(lambda: asking.ids)
        asking.fault = fault
        asking.say(type="pause")
        await asyncio.wait_for(asking.task, 5)
        job.close()

    asyncio.run(test())


@pytest.mark.parametrize("paused", [False, True])
def test_64_a_socket_closes_with_4401_when_its_permission_ends(monkeypatch: pytest.MonkeyPatch, paused: bool) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)
    permitted = time.time() + 0.2

    def permit(connection: HTTPConnection) -> None:
        connection.scope["streamator.ends_at"] = permitted

    async def test() -> None:
        nonlocal permitted
        app = FastAPI(dependencies=[Depends(permit)])
        add_log_routes(app)
        job = JobLogger()
        job.log("one")
        viewer = Socket(app, f"/log/{job.job_id}/ws")
        await until(lambda: viewer.ids == [1])
        if paused:
            viewer.say(type="pause")
        await asyncio.wait_for(viewer.task, 10)
        assert viewer.code == 4401

        permitted = time.time() + 60
        again = Socket(app, f"/log/{job.job_id}/ws", [(b"last-event-id", b"1")])
        job.close()
        await asyncio.wait_for(again.task, 10)
        assert (again.ids, again.code) == ([2], 1000)

    asyncio.run(test())


@run
async def test_dependencies_guard_the_socket_and_end_before_it_streams() -> None:
    held: list[str] = []

    def guard(connection: HTTPConnection) -> None:
        if "authorization" not in connection.headers:
            raise HTTPException(401, "who are you?")

    async def hold() -> Any:
        held.append("open")
        yield
        held.append("closed")

    app = FastAPI(dependencies=[Depends(guard), Depends(hold)])
    add_log_routes(app)
    job = JobLogger()
    job.log("one")
    stranger = Socket(app, f"/log/{job.job_id}/ws")
    await asyncio.wait([stranger.task])
    assert not any(message["type"] == "websocket.accept" for message in stranger.sent)
    known = Socket(app, f"/log/{job.job_id}/ws", [(b"authorization", b"Bearer x")])
    await until(lambda: known.ids == [1])
    assert held == ["open", "closed"]
    job.close()
    await known.task
    assert known.code == 1000


@run
async def test_60_listed_origins_may_connect() -> None:
    job_id = finished()
    for allowed, origin, host, accepted in (
        (["https://a.example"], b"https://a.example", b"b.example", True),
        (["https://a.example"], b"https://c.example", b"b.example", False),
        ("*", b"https://c.example", b"b.example", True),
        ((), b"https://b.example", b"b.example", True),  # a proxy ended TLS
        ((), b"https://b.example:443", b"b.example", True),
        ((), b"https://b.example", b"b.example:8443", False),
        ((), b"https://b.example:8443", b"b.example:8443", True),
        ((), b"https://b.example", b"", False),
    ):
        for app in (WebSocketApp(job_id, origins=allowed), LogApp(origins=allowed)):
            viewer = Socket(app, f"/{job_id}/ws", [(b"host", host), (b"origin", origin)])
            await viewer.task
            assert (viewer.sent[0]["type"] == "websocket.accept") is accepted, (allowed, origin, host)


def finished() -> str:
    with JobLogger() as job:
        job.log("line")
    return str(job.job_id)
