"""How many streams may be open."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import ApiError, refuse
from app.users import User

__all__ = ["StreamLimit"]


class StreamLimit:
    """A middleware that refuses, with 429, one stream too many of this server, or of a user who has signed in.

    What counts is every WebSocket, and every request for a path that ends with `/stream`: also one that starts a job
    and is answered with its stream, which is refused before the job begins.

    Arguments:
        limit: how many may be open at this server (MAX_STREAMS).
        per_user: of them, how many of one user (MAX_STREAMS_PER_USER). Where nobody signs in, all are strangers.
    """

    def __init__(self, app: ASGIApp, limit: int, per_user: int) -> None:
        self._app = app
        self._limit = limit
        self._per_user = per_user
        self._open = 0
        self._of: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["type"] == "websocket" or (scope["type"] == "http" and scope["path"].endswith("/stream"))
        if not is_stream:
            await self._app(scope, receive, send)
            return
        user = scope.get("user")
        user_id = user.id if isinstance(user, User) else None
        problem = self._problem(user_id)
        if problem is not None:
            await refuse(scope, receive, send, ApiError(429, problem, {"retry-after": "5"}))
            return
        self._count(user_id, 1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(user_id, -1)

    def _problem(self, user_id: str | None) -> str | None:
        if user_id is not None and self._of[user_id] >= self._per_user:
            limit = f"{self._per_user} streams are open and MAX_STREAMS_PER_USER is {self._per_user}"
        elif self._open >= self._limit:
            limit = f"{self._limit} streams are open at this server and MAX_STREAMS is {self._limit}"
        else:
            return None
        return f"{limit}: close one, or poll"

    def _count(self, user_id: str | None, change: int) -> None:
        self._open += change
        if user_id is not None:
            self._of[user_id] += change
            if not self._of[user_id]:
                del self._of[user_id]
