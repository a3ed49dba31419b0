"""The gate stands in front of the API wherever the app is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from app.auth.gate import Gate

AT = [
    ("", "/api/jobs"),
    ("/svc", "/svc/api/jobs"),
    ("/svc/", "/svc//api/jobs"),
    ("/svc", "/api/jobs"),
    ("/ap", "/api/jobs"),
]


@pytest.mark.parametrize(("root", "path"), AT)
def test_a_stranger_is_refused_whatever_the_server_s_root_path_is(root: str, path: str) -> None:
    reached, sent = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(path)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    state = SimpleNamespace(auth=SimpleNamespace(tokens=None))
    scope = {
        "type": "http", "method": "GET", "path": path, "root_path": root, "query_string": b"", "headers": [],
        "app": SimpleNamespace(state=state),
    }  # fmt: skip
    asyncio.run(Gate(app)(scope, receive, send))
    assert (reached, sent[0]["status"]) == ([], 401)
