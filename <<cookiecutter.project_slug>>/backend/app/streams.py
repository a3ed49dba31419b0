"""How many streams may be open, and how many other answers under way."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import ApiError, refuse
from app.users import User

__all__ = ["AnswerLimit"]


class AnswerLimit:
    """A middleware that refuses, with 429, one stream too many of this server, or of a user who has signed in, and one
    other answer too many of such a user.

    A stream is every WebSocket, every request for a path that ends with `/stream`, also one that starts a job and is
    answered with its stream, which is refused before the job begins, and every poll that waits (`?wait=20`). Of other
    requests a connection has one at a time, so that MAX_CONNECTIONS bounds those of all.

    Arguments:
        streams: how many may be open at this server (MAX_STREAMS).
        streams_per_user: of them, how many of one user who has signed in (MAX_STREAMS_PER_USER).
        answers_per_user: how many others may be under way to such a user (MAX_ANSWERS_PER_USER).
    """

    def __init__(self, app: ASGIApp, streams: int, streams_per_user: int, answers_per_user: int) -> None:
        self._app = app
        self._limit = streams
        self._per_user = {True: streams_per_user, False: answers_per_user}
        self._open = 0
        self._of: Counter[tuple[str, bool]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["type"] == "websocket" or (scope["type"] == "http" and _lasts(scope))
        user = scope.get("user")
        key = (user.id, is_stream) if isinstance(user, User) else None
        if scope["type"] not in ("http", "websocket") or (key is None and not is_stream):
            await self._app(scope, receive, send)
            return
        if (problem := self._problem(key, is_stream)) is not None:
            await refuse(scope, receive, send, ApiError(429, problem, {"retry-after": "5"}))
            return
        self._count(key, is_stream, 1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(key, is_stream, -1)

    def _problem(self, key: tuple[str, bool] | None, is_stream: bool) -> str | None:
        of_user = self._per_user[is_stream]
        if key is not None and self._of[key] >= of_user:
            if not is_stream:
                limit = f"{of_user} answers to you are under way and MAX_ANSWERS_PER_USER is {of_user}"
                return f"{limit}: wait for one to end"
            limit = f"{of_user} streams are open and MAX_STREAMS_PER_USER is {of_user}"
        elif is_stream and self._open >= self._limit:
            limit = f"{self._limit} streams are open at this server and MAX_STREAMS is {self._limit}"
        else:
            return None
        return f"{limit}: close one, or poll"

    def _count(self, key: tuple[str, bool] | None, is_stream: bool, change: int) -> None:
        self._open += change if is_stream else 0
        if key is not None:
            self._of[key] += change
            if not self._of[key]:
                del self._of[key]


def _lasts(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.endswith("/stream") or "wait" in parse_qs(scope["query_string"].decode("latin-1"))
