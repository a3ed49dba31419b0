"""The gate stands in front of the API wherever the app is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from app.auth.gate import Gate
from app.auth.tokens import Tokens
from app.errors import ApiError
from app.users import User

AT = [
    ("", "/api/jobs"),
    ("/svc", "/svc/api/jobs"),
    ("/svc/", "/svc//api/jobs"),
    ("/svc", "/api/jobs"),
    ("/ap", "/api/jobs"),
]


def ask(path: str, auth: Any, root: str = "", headers: Any = ()) -> tuple[list[str], int]:
    """Asks a gate; gives the paths that came past it, and the status of its own answer."""
    reached, sent = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(path)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": path, "root_path": root, "query_string": b"", "headers": headers,
        "app": SimpleNamespace(state=SimpleNamespace(auth=auth)),
    }  # fmt: skip
    asyncio.run(Gate(app)(scope, receive, send))
    return reached, sent[0]["status"] if sent else 0


@pytest.mark.parametrize(("root", "path"), AT)
def test_a_stranger_is_refused_whatever_the_server_s_root_path_is(root: str, path: str) -> None:
    assert ask(path, SimpleNamespace(tokens=None), root) == ([], 401)


def test_who_cannot_be_looked_up_in_time_is_told_to_come_again() -> None:
    tokens = Tokens(b"s" * 32, seconds=60)
    headers = [(b"authorization", f"Bearer {tokens.access(User('1', 'Ada'), 'session')}".encode())]

    async def check(permission: Any) -> None:
        raise ApiError(503, "the database took longer")

    assert ask("/api/jobs", SimpleNamespace(tokens=tokens, check=check), headers=headers) == ([], 503)
