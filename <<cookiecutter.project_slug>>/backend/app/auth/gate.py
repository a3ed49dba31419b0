"""The gate in front of the API: who asks."""

from __future__ import annotations

import re
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from streamator.viewer import route_path

from app.auth.service import Auth
from app.auth.tokens import Permission, Refused, Tokens
from app.errors import ApiError, refuse

__all__ = ["Gate"]

_OPEN_TO_ALL = {"/api/config", "/api/auth/sign-in", "/api/auth/refresh", "/api/auth/sign-out"}
_OF_A_JOB = re.compile(r"/api/(?:log|job)/([^/]+)/(?:stream|ws)")
_TICKET = b"ticket="


class Gate:
    """A middleware that lets nobody under /api who has not signed in, but for what it takes to do so.

    Whoever asks shows an access token (`Authorization: Bearer ...`), or, for the stream of a job, a ticket
    (`?ticket=...`): an EventSource and a WebSocket send no headers. The user is then in `scope["user"]`, and the time
    until which they are believed in `scope["streamator.ends_at"]`: a stream ends then, or some seconds after they have
    signed out. What they ask for after that is refused at once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        auth: Auth = scope["app"].state.auth
        ticket = _take_ticket(scope)
        path = route_path(scope)
        if path in _OPEN_TO_ALL or not f"{path}/".startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            permission = _permission(auth.tokens, scope, path, ticket)
            await auth.check(permission)
        except Refused as error:
            await refuse(scope, receive, send, ApiError(401, str(error), {"www-authenticate": "Bearer"}))
            return
        scope["user"] = permission.user
        scope["app.permission"] = permission
        scope["streamator.ends_at"] = permission.ends_at
        scope["streamator.revoked"] = partial(auth.watch.over, permission.session_id)
        await self._app(scope, receive, send)


def _permission(tokens: Tokens, scope: Scope, path: str, ticket: str | None) -> Permission:
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.read_access(token.strip())
    if ticket is None:
        raise Refused("sign in first, and send the access token as Authorization: Bearer")
    job = _OF_A_JOB.fullmatch(path)
    return tokens.read_ticket(ticket, job and job[1])


def _take_ticket(scope: Scope) -> str | None:
    """The ticket in the query. It is removed from it: servers write the query into their access log afterwards."""
    query: bytes = scope["query_string"]
    if _TICKET not in query:
        return None
    parts = query.split(b"&")
    scope["query_string"] = b"&".join(part for part in parts if not part.startswith(_TICKET))
    found = [part.removeprefix(_TICKET) for part in parts if part.startswith(_TICKET)]
    return found[-1].decode("latin-1") if found else None
