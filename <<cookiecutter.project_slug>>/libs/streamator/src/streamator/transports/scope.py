"""ASGI: its types, what is read from a request's scope, and how a short answer is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from .. import wire
from .answers import Answer

# As the ASGI specification has them (asgi.readthedocs.io): dicts, for which every framework has types of its own.
Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes) -> str | None:
    """A request's header; of several the last one counts."""
    found: str | None = None
    for key, value in scope["headers"]:
        if key == name:
            found = value.decode("latin-1")
    return found


def route_path(scope: Scope) -> str:
    """The path below the application's mount. By the ASGI specification ``path`` begins with ``root_path``; older
    servers and proxies leave that out."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    if not root or not f"{path}/".startswith(f"{root}/"):
        return path
    return "/" + path[len(root) :].lstrip("/")  # a root that ends with a slash makes two of them


def cursor(scope: Scope) -> int:
    """The id of the last event that the viewer has. The header is what an `EventSource` sends of its own when it
    reconnects, with the URL unchanged, so it wins; of several headers or parameters the last one counts."""
    text = header(scope, b"last-event-id")
    if text is None:
        text = parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[-1]
    return wire.parse_cursor(text)


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as they are sent."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def respond(send: Send, answer: Answer) -> None:
    """Send a short answer."""
    headers = raw(answer.headers)
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
