"""How uvicorn takes HTTP here: what comes before a request is bounded, in bytes and in time."""

from __future__ import annotations

import asyncio
import json
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.headers import HEADERS
from app.wording import count, duration, size

__all__ = ["MAX_FIELDS", "MAX_LINE", "MAX_PIPELINED", "HttpProtocol"]

MAX_LINE = 8_190
"""The bytes of a request's line, or of a field of its header, without what ends it: no more than the WebSocket library
takes (8,192 with it), and gunicorn. So a path, a query with its parameters, a cookie and any other value are as short,
whatever route they are for."""

MAX_FIELDS = 100
"""The fields of a request's header, as in gunicorn; the WebSocket library takes 128."""

MAX_PIPELINED = 16
"""The requests of a connection that wait for the answer to one before them. Browsers and proxies send none."""

_LINGER_SECONDS = 1.0
"""How long a refusal waits for the other end to close, and drops what comes. If the connection was closed at once, the
system would reset it, and the refusal might be lost."""


class _RefusedError(Exception):
    """Ends the parser's work; the refusal is in the protocol."""


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's own, with bounds on a request's header, also on that of a WebSocket's handshake.

    What goes past one is answered with a line of JSON that names it, and the connection is closed: 431 for a header
    that is too large, 408 for one that takes too long, 503 for a connection too many, 400 for what is no HTTP. A
    connection on which nothing comes is closed without a word.

    Guarantee: of a header no more than `max_header_bytes` and one read of the socket are held, whatever is sent.

    Arguments:
        max_header_bytes: the line of a request and the fields of its header together, or the trailer of its body.
        header_seconds: how long a header may take, from when the connection begins or the last answer has ended.
        max_connections: how many may be open at once; None for any number.
    """

    def __init__(
        self,
        *arguments: Any,
        max_header_bytes: int = 32_000,
        header_seconds: float = 10.0,
        max_connections: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._max_header_bytes = max_header_bytes
        self._header_seconds = header_seconds
        self._max_connections = max_connections
        self._timer: TimerHandle | None = None
        self._refusal: tuple[int, str] | None = None
        self._refused = False
        self._in_header = False
        self._bytes = 0  # of this header, in what has been parsed
        self._fields = 0
        self._unparsed = 0  # bytes that have come since the parser last told of anything

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection."""
        super().connection_made(transport)
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of one."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes in what has come."""
        if self._refused:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self._max_header_bytes and not self._refused:
            # A field or a chunk's extension that goes on and on: the parser holds it until it is whole.
            self._refuse(*self._too_large())

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_header = True
        self._bytes = self._fields = self._unparsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of its line has come."""
        super().on_url(url)
        self._count(len(url), line=len(self.url) + len("OPTIONS  HTTP/1.1"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of its header has come, or of the trailer of its body."""
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise self._refusing(431, f"the request's header has more than {MAX_FIELDS} fields: send fewer")
        length = len(name) + len(": ") + len(value)
        self._count(length, line=length)
        if self._in_header:  # the app has begun with the header: what comes after is none of it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its header is complete."""
        self._in_header = False
        self._bytes = self._fields = self._unparsed = 0
        self._stop_timer()
        limit = self._max_connections
        if limit is not None and max(len(self.connections), len(self.tasks)) > limit:
            are_open = f"{count(limit, 'connection')} are open and MAX_CONNECTIONS is {limit}"
            raise self._refusing(503, f"{are_open}: try again in a few seconds")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._refusing(429, f"more than {MAX_PIPELINED} requests wait: wait for their answers")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body has come."""
        self._unparsed = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """It has been answered."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # no other request waits
            self._expect_header()

    def send_400_response(self, msg: str) -> None:
        """Answers what the parser gave up at."""
        self._refuse(*self._refusal or (400, "this is no HTTP/1.1: send it as RFC 9112 says"))

    def _expect_header(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self._header_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self._in_header:
            limit = duration(self._header_seconds)
            self._refuse(408, f"the request's header took more than {limit}: send it at once")
        else:
            self.transport.close()

    def _count(self, more: int, line: int) -> None:
        self._unparsed = 0
        self._bytes += more
        if line > MAX_LINE:
            raise self._refusing(431, f"a line of the request's header is longer than {size(MAX_LINE)}: send less")
        if self._bytes > self._max_header_bytes:
            raise self._refusing(*self._too_large())

    def _too_large(self) -> tuple[int, str]:
        limit = size(self._max_header_bytes)
        return 431, f"the request's header is larger than {limit}: send less, or raise MAX_HEADER_KB"

    def _refusing(self, status: int, message: str) -> _RefusedError:
        self._refusal = status, message
        return _RefusedError(message)

    def _refuse(self, status: int, message: str) -> None:
        self._refused = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # the answer to another request is under way: nothing can be said within it
            return
        body = json.dumps({"error": message}).encode()
        headers = {
            **HEADERS,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **({"retry-after": "5"} if status in (429, 503) else {}),
        }
        fields = [*self.server_state.default_headers, *((name.encode(), headers[name].encode()) for name in headers)]
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)
