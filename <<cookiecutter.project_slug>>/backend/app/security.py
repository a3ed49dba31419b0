"""What is refused before a route sees it, by small ASGI middlewares that touch no stream: what another site sends, and
what is too much."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamator.asgi import route_path

from app.bodies import problem_of_json
from app.errors import ApiError, refuse
from app.wording import duration, size

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

    Not Starlette's `TrustedHostMiddleware`: that has a list of names alone, refuses addresses and programs without a
    `Host`, and answers text.

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
    """Reads the body of a request before anything is done with it, and refuses one that is larger than its path may
    have (413), takes too long to come (408), or is JSON with too many values or too deep (422).

    So nothing after it, the routes, FastAPI's parsers and what checks a body, works on more than that.

    Arguments:
        limit: bytes.
        seconds: how long a body may take (MAX_BODY_SECONDS).
        larger: the limits of the paths that take more; None for one that takes multipart forms, and sees to these by
            itself: what else it takes is as small as elsewhere.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float, larger: Mapping[str, int | None]) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._larger.get(route_path(scope), self._limit)
        content_type = headers.get("content-type", "").lower()
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if not has_body or (limit is None and content_type.startswith("multipart/")):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(headers, receive, self._limit if limit is None else limit)
            if "json" in content_type and (problem := problem_of_json(body)):
                raise ApiError(422, problem)
        except ApiError as error:
            await refuse(scope, receive, send, error)
            return
        except ClientDisconnect:
            return
        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, whole, send)

    async def _read(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        fix = "send less, or raise MAX_BODY_KB" if limit == self._limit else "send less"
        too_large = ApiError(413, f"the body is larger than {size(limit)}: {fix}")
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limit):
            raise too_large
        body = bytearray()
        try:
            with anyio.fail_after(self._seconds):
                while True:
                    part = await receive()
                    if part["type"] != "http.request":
                        raise ClientDisconnect
                    body += part.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not part.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            limit_of_time = duration(self._seconds)
            raise ApiError(408, f"the body took more than {limit_of_time}: send it at once") from None


def _foreign(headers: Headers, scheme: str) -> str | None:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in ("same-origin", "none") else f"Sec-Fetch-Site is {site[:200]!r}"
    origin = headers.get("origin")
    if origin is None or _same_host(origin, headers.get("host", ""), scheme):
        return None
    return f"Origin {origin[:200]!r} is not the host {headers.get('host', '')[:200]!r}"


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
