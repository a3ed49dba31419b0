"""What is refused before a route sees it, by small ASGI middlewares that touch no stream: what another site sends, and
what is too large."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamator.viewer import route_path

from app.errors import ApiError, refuse
from app.wording import size

__all__ = ["BodyLimit", "CrossSiteGuard", "HostGuard"]

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


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
                message = f"requests from another site are refused ({reason}): use this app's own page"
                await _refuse(scope, receive, send, message)
                return
        await self._app(scope, receive, send)


class HostGuard:
    """Refuses, with 403, requests for a name that is not this server's.

    A site can let its own name lead to this machine (DNS rebinding). To a browser its page and this server are then the
    same site, so that nothing but the name tells them apart. What a browser asks for by an address or as localhost
    is no other site's, and passes.

    Arguments:
        hosts: the names of this server.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            host = Headers(scope=scope).get("host", "")
            name = _host_name(host)
            if name not in self._hosts and not _is_local(name):
                message = f"this server is not {host[:200]!r}: open it by its address, or set ALLOWED_HOSTS"
                await _refuse(scope, receive, send, message)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses, with 413, a body that is larger than its path may have: before anything else is done where its length
    is announced, else as soon as it goes past the limit.

    Starlette's own answers after the work is done, where a route reads no body, and not as this API does.

    Arguments:
        limit: bytes.
        larger: the limits of the paths that take more; None for one that sees to it by itself.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int | None]) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        limit = self._larger.get(path, self._limit)
        if scope["type"] != "http" or limit is None:
            await self._app(scope, receive, send)
            return
        fix = "send less" if path in self._larger else "send less, or raise MAX_BODY_KB"
        message = f"the body is larger than {size(limit)}: {fix}"
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limit):
            await refuse(scope, receive, send, ApiError(413, message))
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            part = await receive()
            received += len(part.get("body", b""))
            if received > limit:
                raise HTTPException(413, message)  # the one that FastAPI lets through where it reads a body
            return part

        await self._app(scope, limited, send)


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


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket that is not closed
        return host


def _is_local(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ip_address(name))
    # Without a name it is no browser.
    return name in ("", "localhost") or name.endswith(".localhost")


async def _refuse(scope: Scope, receive: Receive, send: Send, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # not accepted before: the server answers 403
    else:
        await refuse(scope, receive, send, ApiError(403, message))
