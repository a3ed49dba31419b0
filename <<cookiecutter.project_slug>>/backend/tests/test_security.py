from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from app.headers import HEADERS
from tests.support import RunningApp, feature_of


@pytest.fixture
def running(run_app: Callable[..., RunningApp]) -> RunningApp:
    return run_app(allowed_hosts="app.example")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "{own}"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://["},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/ingest"), ("POST", "/api/job/x/cancel"), ("DELETE", "/api/documents/x")],
)
def test_61_another_sites_page_can_change_nothing(
    running: RunningApp, method: str, path: str, headers: dict[str, str]
) -> None:
    own = str(running.client.base_url).rstrip("/")
    headers = {name: value.format(own=own) for name, value in headers.items()}
    answer = running.client.request(method, path, headers=headers)
    assert answer.status_code == 403
    assert "requests from another site are refused" in answer.json()["error"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:5173"},  # by way of Vite's proxy
        {"sec-fetch-site": "none"},
        {"origin": "{own}"},
        {"origin": "https://app.example", "host": "app.example"},  # by way of a proxy that ends TLS
        {"origin": "http://app.example:8080", "host": "app.example:8080"},
    ],
)
def test_the_apps_own_page_and_programs_pass(running: RunningApp, headers: dict[str, str]) -> None:
    own = str(running.client.base_url).rstrip("/")
    headers = {name: value.format(own=own) for name, value in headers.items()}
    assert running.client.delete("/api/documents/none", headers=headers).status_code == 404


def test_60_another_sites_page_gets_no_websocket(running: RunningApp) -> None:
    own = str(running.client.base_url).rstrip("/")
    url = f"{own}/api/log/x/ws".replace("http", "ws", 1)
    for foreign in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused, connect(url, origin=Origin(foreign)):
            pass
        assert refused.value.response.status_code == 403
    with connect(url, origin=Origin(own)) as connection, pytest.raises(ConnectionClosed) as closed:
        connection.recv(30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404  # it was let in, and there is no such job


def test_62_reading_is_open_but_carries_no_permission_for_other_sites(running: RunningApp) -> None:
    answer = running.client.get("/api/jobs", headers={"origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "["]
)
def test_another_sites_name_that_leads_here_is_refused(running: RunningApp, host: str) -> None:
    answer = running.client.get("/api/jobs", headers={"host": host, "sec-fetch-site": "same-origin"})
    assert answer.status_code == 403
    assert "set ALLOWED_HOSTS" in answer.json()["error"]
    url = f"{running.client.base_url}/api/log/x/ws".replace("http", "ws", 1)
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers={"host": host}):
        pass
    assert refused.value.response.status_code in (400, 403)  # the server itself refuses what is no host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]:80", "192.168.1.7:8000", "localhost:1", "a.localhost", "APP.example"]
)
def test_its_addresses_and_its_own_names_pass(running: RunningApp, host: str) -> None:
    assert running.client.get("/api/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("values", "status"),
    [({"auth": "none"}, 403), ({"auth": "none", "allowed_hosts": "*"}, 200), ({"auth": "jwt"}, 200),
     ({"auth": "jwt", "allowed_hosts": "app.example , b.example"}, 403)],
)  # fmt: skip
def test_names_are_checked_where_nobody_signs_in_and_where_they_are_set(
    run_app: Callable[..., RunningApp], values: dict[str, str], status: int
) -> None:
    client = run_app(**values).client
    assert client.get("/api/config", headers={"host": "other.example"}).status_code == status


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_before_anything_is_done(running: RunningApp, announced: bool) -> None:
    def body(number: int) -> Any:
        data = b'{"job_id": "' + b"x" * number + b'"}'
        return data if announced else iter([data[:1000], data[1000:]])

    ask = partial(running.client.post, "/api/auth/tickets", headers={"content-type": "application/json"})
    answer = ask(content=body(64_000))
    assert answer.status_code == 413
    assert answer.json() == {"error": "the body is larger than 64 kB: send less, or raise MAX_BODY_KB"}
    assert ask(content=body(60_000)).status_code != 413
    if announced:  # also where no route would read it
        assert running.client.post("/api/job/none/cancel", content=body(64_000)).status_code == 413
        assert running.client.get("/api/jobs", headers={"content-length": "9" * 18}).status_code == 413


def test_a_route_may_take_more_and_its_limit_holds(run_app: Callable[..., RunningApp]) -> None:
    router = APIRouter()

    @router.post("/long")
    async def take(body: dict[str, str]) -> int:
        return len(body["text"])

    client = run_app(features=(feature_of(router, larger_bodies={"/long": 200_000}),)).client
    assert client.post("/api/long", json={"text": "x" * 190_000}).json() == 190_000
    assert client.post("/api/long", json={"text": "x" * 200_000}).json() == {
        "error": "the body is larger than 200 kB: send less"
    }


def test_every_answer_has_the_headers_of_a_page_that_needs_nothing(run_app: Callable[..., RunningApp]) -> None:
    router = APIRouter()

    @router.get("/bug")
    async def bug() -> None:
        raise RuntimeError("out of luck")

    client = run_app(features=(feature_of(router),)).client
    statuses = []
    for path in ("/healthz", "/api/jobs", "/nothing-here", "/api/bug"):
        answer = client.get(path)
        statuses.append(answer.status_code)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert "strict-transport-security" not in answer.headers
    assert statuses == [200, 200, 404, 500]
    refused = client.post("/api/job/x/cancel", headers={"sec-fetch-site": "cross-site"})
    assert refused.headers["x-content-type-options"] == "nosniff"


def test_over_https_it_is_said_that_there_is_nothing_without(running: RunningApp) -> None:
    answer = running.client.get("/healthz", headers={"x-forwarded-proto": "https"})  # as a proxy on this machine says
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_page_may_run_nothing_but_its_own_files(run_app: Callable[..., RunningApp], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the page")
    client = run_app(static_dir=tmp_path).client
    for path in ("/", "/somewhere/else"):
        policy = client.get(path).headers["content-security-policy"]
        directives = dict(part.split(" ", 1) for part in policy.split("; "))
        own = {name for name, source in directives.items() if source == "'self'"}
        assert own == {"script-src", "style-src", "img-src", "connect-src"}
        assert directives.pop("require-trusted-types-for") == "'script'"
        none = {name for name, source in directives.items() if source == "'none'"}
        assert none == {"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"}
        assert own | none == set(directives)
    assert client.get("/api/jobs").headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert client.get("/api/docs").status_code == 404, "its page would need another site's scripts"
