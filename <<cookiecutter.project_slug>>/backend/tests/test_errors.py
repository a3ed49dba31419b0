"""Every refusal is `{"error": "<sentence>"}`, whoever makes it: a route, the framework, a middleware, the library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError

from app.errors import ApiError
from tests.support import JsonObject, RunningApp, feature_of

RunApp = Callable[..., RunningApp]
JSON = {"content-type": "application/json"}
SENT: dict[str, JsonObject] = {
    "nothing": {},
    "no JSON": {"content": b"{", "headers": JSON},
    "another JSON": {"json": [None]},
    "another field": {"json": {"nothing of this name": 1}},
    "half a form": {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    "another kind": {"content": b"\xff", "headers": {"content-type": "image/png"}},
    "too much": {"content": b" " * 70_000, "headers": JSON},
    "another site's": {"headers": {"origin": "https://evil.example"}},
    "another name": {"headers": {"host": "evil.example"}},
    "odd parameters": {"params": {"limit": "x", "after": "x", "visibility": "x", "q": "x" * 501, "kind": "x" * 99}},
}


def requests(running: RunningApp, sent: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The methods and paths of all that there is, and of what there is not, and what is sent."""
    config: Any = running.server.config
    paths = [path.replace("{", "").replace("}", "") for path in config.app.openapi()["paths"]]
    for path in (*paths, "/", "/metrics", "/api/openapi.json", "/nothing.js", "/api/nothing", "/api/log/none/ws"):
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
            yield method, path, "nothing"
        yield "GET", path, "odd parameters"
        for what in sent:
            yield "POST", path, what


@pytest.mark.parametrize(
    ("auth", "sent", "statuses"),
    [("none", SENT, {403, 404, 405, 413, 422}), ("jwt", ["nothing"], {401, 404, 405})],
    ids=["open", "signed in"],
)
def test_every_refusal_has_the_one_shape(
    run_app: RunApp, tmp_path: Path, auth: str, sent: Iterable[str], statuses: set[int]
) -> None:
    if auth == "jwt":
        pytest.importorskip("app.auth", reason="nobody signs in here")
    (tmp_path / "index.html").write_text("the page")
    running = run_app(
        static_dir=tmp_path, metrics=True, auth=auth, allowed_hosts="app.example", max_running_jobs=1, max_streams=1
    )
    seen = set()
    for method, path, what in requests(running, sent):
        with running.client.stream(method, path, **SENT[what]) as answer:
            if answer.status_code < 400:  # it may have no end
                continue
            answer.read()
        request = f"{method} {path} with {what}: {answer.status_code} {answer.text[:200]}"
        seen.add(answer.status_code)
        assert answer.status_code < 500, request
        assert answer.headers["content-type"] == "application/json", request
        error = json.loads(answer.text)
        assert list(error) == ["error"], request
        assert isinstance(error["error"], str), request
        assert error["error"].strip(), request
    assert seen >= statuses


class Counted:
    """It knows how many of it have been written down."""

    written = 0

    def __repr__(self) -> str:
        Counted.written += 1
        return "counted"


def test_an_error_repeats_the_beginning_of_its_input_and_writes_down_no_more(run_app: RunApp) -> None:
    inputs = {
        "list": [Counted() for _ in range(10_000)],
        "object": {str(number): Counted() for number in range(10_000)},
        "text": "x" * 1_000_000,
        "bytes": b"x" * 1_000_000,
    }
    router = APIRouter()

    @router.get("/wrong/{what}")
    async def wrong(what: str) -> None:
        raise RequestValidationError(
            [{"type": "wrong", "loc": ("body", "field"), "msg": "it is wrong", "input": inputs[what]}]
        )

    @router.get("/refused")
    async def refused() -> None:
        raise ApiError(422, "x" * 1_000_000)

    client = run_app(features=(feature_of(router),)).client
    for what in inputs:
        error = client.get(f"/api/wrong/{what}").json()["error"]
        assert (error.startswith("field="), error.endswith(": it is wrong"), len(error) < 500) == (True, True, True)
    assert 0 < Counted.written < 100
    assert len(client.get("/api/refused").json()["error"]) == 2_000
