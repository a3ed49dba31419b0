"""What keeps other sites from driving this one: two small ASGI middlewares that touch no stream."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CrossSiteGuard", "SecurityHeaders"]

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


class CrossSiteGuard:
    """Refuses, with 403, what a browser sends for another site's page: requests that change something, WebSockets.

    A browser says where a request comes from in `Sec-Fetch-Site`, which a page cannot forge; only
    `same-origin` and `none` (typed in by the user) pass. Over plain http to another host than localhost
    browsers leave it out: there the `Origin` must be the host that was asked. Programs such as curl send
    neither and pass: they hold no cookies of the user's, so nobody can drive them from a page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _SAFE_METHODS):
            reason = _foreign(Headers(scope=scope), scope.get("scheme", "http"))
            if reason is not None:
                await _refuse(scope, send, reason)
                return
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Adds to every response the headers that forbid guessing its type and framing it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _foreign(headers: Headers, scheme: str) -> str | None:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in ("same-origin", "none") else f"Sec-Fetch-Site is {site!r}"
    origin = headers.get("origin")
    if origin is None or _same_host(origin, headers.get("host", ""), scheme):
        return None
    return f"Origin {origin!r} is not the host {headers.get('host', '')!r}"


def _same_host(origin: str, host: str, scheme: str) -> bool:
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"{scheme}://{host}")
        # A proxy that ends TLS hides our scheme, so a port left out on either side is that side's default.
        return bool(theirs.hostname) and (
            (theirs.hostname, theirs.port or _DEFAULT_PORTS.get(theirs.scheme))
            in {
                (ours.hostname, ours.port or _DEFAULT_PORTS.get(scheme)),
                (ours.hostname, ours.port or _DEFAULT_PORTS.get(theirs.scheme)),
            }
        )
    except ValueError:  # not a URL at all: "null", a port that is no number
        return False


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # not accepted before: the server answers 403
        return
    message = f"requests from another site are refused ({reason}): use this app's own page"
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
