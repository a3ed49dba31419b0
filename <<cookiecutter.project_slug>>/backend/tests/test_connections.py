"""What comes before a request: the bytes of its header, its fields, and the time that it takes."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from fastapi import APIRouter, Request

from app.connections import MAX_FIELDS, MAX_LINE, MAX_PIPELINED, HttpProtocol
from app.headers import HEADERS
from tests.process import Process
from tests.support import JsonObject, RunningApp, feature_of

RunApp = Callable[..., RunningApp]
BEGIN = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
HANDSHAKE = (
    b"GET /api/log/x/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


class Connection:
    """A connection to a server, and nothing that knows HTTP."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def received(self) -> bytes:
        """All that comes until the server closes the connection."""
        parts = []
        while part := self.socket.recv(65_536):
            parts.append(part)
        return b"".join(parts)

    def refusal(self) -> tuple[int, str]:
        """The status of the one answer before the connection is closed, and its error."""
        head, _, body = self.received().partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
        error: JsonObject = json.loads(body)
        assert list(error) == ["error"]
        return int(line.split()[1]), error["error"]

    def answer(self) -> bytes:
        """The first line of the next answer, which is read to its end."""
        with self.socket.makefile("rb") as answer:
            line, length = answer.readline().rstrip(), 0
            while (field := answer.readline().lower()) != b"\r\n":
                assert field
                if field.startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            answer.read(length)
        return line


@pytest.fixture
def running(run_app: RunApp) -> RunningApp:
    return run_app(features=())


@pytest.fixture
def connect(running: RunningApp) -> Iterator[Callable[..., Connection]]:
    """Connects to a server; takes what `HttpProtocol` takes."""

    def open_one(**bounds: Any) -> Connection:
        config: Any = running.server.config
        config.http_protocol_class = partial(HttpProtocol, **bounds)
        return opened.enter_context(Connection(running.client.base_url.port or 0))

    with ExitStack() as opened:
        yield open_one


@pytest.mark.parametrize(
    "begin", [b"GET /healthz?", BEGIN + b"x: ", BEGIN + b"x", HANDSHAKE + b"x: "], ids=["line", "value", "name", "ws"]
)
def test_a_header_that_never_ends_is_refused_before_it_is_held(
    connect: Callable[..., Connection], begin: bytes
) -> None:
    connection = connect()
    connection.send(begin)
    for _ in range(10):  # no more than ten times the bound, and there is the answer
        connection.send(b"a" * 32_000)
    status, error = connection.refusal()
    assert (status, "the request's header is" in error or "line of the request's header" in error) == (431, True)


FIELD = b"x: " + b"a" * (MAX_LINE - 3) + b"\r\n"


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"GET /?" + b"a" * MAX_LINE + b" HTTP/1.1\r\n", "a line of the request's header is longer than 8.2 kB"),
        (BEGIN + b"a" + FIELD, "a line of the request's header is longer than 8.2 kB"),
        (BEGIN + FIELD * 4, "the request's header is larger than 32 kB: send less, or raise MAX_HEADER_KB"),
        (BEGIN + b"x: " + b"a" * 2_000_000 + b"\r\n", "the request's header is larger than 32 kB"),
        (BEGIN + b"a:\r\n" * MAX_FIELDS, "the request's header has more than 100 fields: send fewer"),
        (HANDSHAKE + b"a:\r\n" * MAX_FIELDS, "the request's header has more than 100 fields: send fewer"),
        (HANDSHAKE + b"a" + FIELD, "a line of the request's header is longer than 8.2 kB"),
    ],
    ids=["line", "field", "all together", "2 MB", "fields", "fields of a handshake", "field of a handshake"],
)
def test_a_header_that_is_too_large_is_refused_by_what_is(
    connect: Callable[..., Connection], header: bytes, error: str
) -> None:
    connection = connect()
    connection.send(header + b"\r\n")
    status, told = connection.refusal()
    assert (status, told.startswith(error)) == (431, True), told


@pytest.mark.parametrize(
    "header", [BEGIN + FIELD * 3, BEGIN + b"a:\r\n" * (MAX_FIELDS - 1), b"GET /?" + b"a" * 8_000 + b" HTTP/1.1\r\n"]
)
def test_a_header_within_the_bounds_is_answered(connect: Callable[..., Connection], header: bytes) -> None:
    connection = connect()
    for start in range(0, len(header), 5_000):  # it may come in pieces
        connection.send(header[start : start + 5_000])
    connection.send(b"\r\n")
    assert b"431" not in connection.answer()


def test_a_handshake_within_the_bounds_is_answered(connect: Callable[..., Connection]) -> None:
    connection = connect()
    connection.send(HANDSHAKE + FIELD * 2 + b"a:\r\n" * 50 + b"\r\n")
    assert connection.answer() == b"HTTP/1.1 101 Switching Protocols"


@pytest.mark.parametrize(
    "body",
    [b"1;" + b"a" * 200_000, b"1\r\nx\r\n0\r\nx: " + b"a" * 200_000, b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 200],
    ids=["extension of a chunk", "field of a trailer", "trailer"],
)
def test_what_stands_around_a_body_is_as_small_as_a_header(connect: Callable[..., Connection], body: bytes) -> None:
    connection = connect()
    connection.send(b"POST /api/nothing HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    got = b""
    with contextlib.suppress(ConnectionError):  # it is reset where it is closed before all of it was read
        for start in range(0, len(body), 20_000):
            connection.send(body[start : start + 20_000])
        got = connection.received()  # it is closed, though its end has not come
    assert got == b"" or b" 431 " in got or b" 404 " in got


@pytest.mark.parametrize("before", [b"", BEGIN + b"\r\n"], ids=["the first", "after an answer"])
def test_a_header_that_takes_too_long_is_refused(connect: Callable[..., Connection], before: bytes) -> None:
    connection = connect(header_seconds=0.5)
    if before:
        connection.send(before)
        assert connection.answer() == b"HTTP/1.1 200 OK"
    connection.send(BEGIN + b"x: ")
    assert connection.refusal() == (408, "the request's header took more than 500 ms: send it at once")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_on_which_nothing_comes_is_closed(connect: Callable[..., Connection], sent: bytes) -> None:
    connection = connect(header_seconds=0.5)
    connection.send(sent)
    assert connection.received() == b""


def test_requests_that_are_sent_before_the_answer_to_another_wait_in_bounds(run_app: RunApp) -> None:
    router = APIRouter()

    @router.get("/wait")
    async def wait(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # it reads on, as a stream does

    served = run_app(features=(feature_of(router),))
    waits = b"GET /api/wait HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with Connection(served.client.base_url.port or 0) as connection:
        connection.send(waits + (BEGIN + b"\r\n") * (MAX_PIPELINED + 1))
        assert connection.received() == b""


def test_what_is_no_http_is_refused_as_everything_is(connect: Callable[..., Connection]) -> None:
    connection = connect()
    connection.send(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert connection.refusal() == (400, "this is no HTTP/1.1: send it as RFC 9112 says")


def test_the_servers_bounds_are_its_settings(launch: Callable[..., Process]) -> None:
    server = launch(MAX_HEADER_KB="2", MAX_HEADER_SECONDS="1")
    port = server.client.base_url.port or 0
    with Connection(port) as large, Connection(port) as slow:
        large.send(BEGIN + b"x: " + b"a" * 2_000 + b"\r\n\r\n")
        slow.send(BEGIN)
        assert large.refusal() == (431, "the request's header is larger than 2 kB: send less, or raise MAX_HEADER_KB")
        assert slow.refusal() == (408, "the request's header took more than 1.0 s: send it at once")
