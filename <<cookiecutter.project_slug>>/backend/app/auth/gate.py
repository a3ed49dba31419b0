"""The gate in front of the API: who asks."""

from __future__ import annotations

import re
from functools import partial

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from streamator.asgi import route_path

from app.auth.cookies import read_cookies
from app.auth.service import Auth
from app.auth.tokens import Permission, Refused, Tokens
from app.errors import ApiError, refuse

__all__ = ["Gate"]

_OPEN_TO_ALL = {"/api/config", "/api/auth/sign-in", "/api/auth/refresh", "/api/auth/sign-out"}
_OF_A_JOB = re.compile(r"/api/(?:log|job)/([^/]+)/(?:stream|ws)")


class Gate:
    """A middleware that lets nobody under /api who has not signed in, but for what it takes to do so.

    Whoever asks shows an access token (`Authorization: Bearer ...`), or, for the stream of a job, a ticket in a cookie:
    an EventSource and a WebSocket send no headers of their own, and a URL is written into logs. The user is then in
    `scope["user"]`, and the time until which they are believed in `scope["streamator.ends_at"]`: a stream ends then, or
    some seconds after they have signed out. What they ask for after that is refused at once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        auth: Auth = scope["app"].state.auth
        path = route_path(scope)
        if path in _OPEN_TO_ALL or not f"{path}/".startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            permission = _permission(auth.tokens, HTTPConnection(scope), path)
            await auth.check(permission)
        except ApiError as error:
            await refuse(scope, receive, send, error)
            return
        scope["user"] = permission.user
        scope["app.permission"] = permission
        scope["streamator.ends_at"] = permission.ends_at
        scope["streamator.revoked"] = partial(auth.watch.over, permission.session_id)
        await self._app(scope, receive, send)


def _permission(tokens: Tokens, connection: HTTPConnection, path: str) -> Permission:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.read_access(token.strip())
    refused = Refused("sign in first, and send the access token as Authorization: Bearer")
    if job := _OF_A_JOB.fullmatch(path):
        for ticket in read_cookies(connection, "ticket"):  # another site of the domain may have set one beside ours
            try:
                return tokens.read_ticket(ticket, job[1])
            except Refused as error:
                refused = error
    raise refused
