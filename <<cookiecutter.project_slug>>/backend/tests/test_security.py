from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from app.headers import HEADERS
from app.settings import Settings
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
        {"origin": "https://evil.example/" + "x" * 5_000},
        {"sec-fetch-site": "x" * 5_000},
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
    assert len(answer.json()["error"]) < 600
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


def test_a_websocket_by_another_sites_name_is_refused(running: RunningApp) -> None:
    here = socket.create_connection(("127.0.0.1", running.client.base_url.port or 0))
    with pytest.raises(InvalidStatus) as refused, connect("ws://evil.example/api/log/x/ws", sock=here):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]:80", "192.168.1.7:8000", "localhost:1", "a.localhost", "APP.example"]
)
def test_its_addresses_and_its_own_names_pass(running: RunningApp, host: str) -> None:
    assert running.client.get("/api/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"auth": "none"}, []),
        ({"auth": "none", "allowed_hosts": "*"}, None),
        ({"auth": "jwt"}, None),
        ({"auth": "jwt", "allowed_hosts": "app.example , b.example"}, ["app.example", "b.example"]),
    ],
)
def test_names_are_checked_where_nobody_signs_in_and_where_they_are_set(
    settings: Callable[..., Settings], values: dict[str, str], names: list[str] | None
) -> None:
    assert settings(**values).host_names == names


def test_any_name_may_be_allowed(run_app: Callable[..., RunningApp]) -> None:
    client = run_app(allowed_hosts="*").client
    assert client.get("/api/jobs", headers={"host": "other.example"}).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("route", "limit", "fix"), [("short", 64_000, "send less, or raise MAX_BODY_KB"), ("long", 200_000, "send less")]
)
def test_a_body_over_the_limit_of_its_route_is_refused_before_anything_is_done(
    run_app: Callable[..., RunningApp], route: str, limit: int, fix: str, announced: bool
) -> None:
    router, done = APIRouter(), list[int]()

    @router.post("/short")
    @router.post("/long")
    async def take(body: dict[str, str]) -> None:
        done.append(len(body["text"]))

    @router.post("/unread")
    async def act() -> None:
        done.append(0)

    client = run_app(features=(feature_of(router, larger_bodies={"/long": 200_000}),)).client

    def send(number: int, to: str = route) -> httpx.Response:
        data = b'{"text": "' + b"x" * number + b'"}'
        content = data if announced else iter([data[:1000], data[1000:]])
        return client.post(f"/api/{to}", content=content, headers={"content-type": "application/json"})

    assert send(limit - 100).status_code == 200
    answer = send(limit)
    assert (answer.status_code, answer.json()) == (413, {"error": f"the body is larger than {limit // 1000} kB: {fix}"})
    if announced:
        assert send(64_000, "unread").status_code == 413
    assert done == [limit - 100]


def test_a_body_that_takes_too_long_is_refused(run_app: Callable[..., RunningApp]) -> None:
    running = run_app(features=(), max_body_seconds=1)
    with socket.create_connection(("127.0.0.1", running.client.base_url.port or 0), timeout=20) as connection:
        connection.sendall(b"POST /api/job/x/cancel HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{")
        answer = connection.makefile("rb").read()  # to its end: the connection is closed
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"the body took more than 1.0 s: send it at once"}')


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json; charset=utf-8"])
def test_json_of_too_much_is_refused_by_name_before_it_is_parsed(run_app: Callable[..., RunningApp], kind: str) -> None:
    router, done = APIRouter(), list[object]()

    @router.post("/take")
    async def take(body: dict[str, object]) -> None:
        done.append(body)

    client = run_app(features=(feature_of(router, larger_bodies={"/take": 5_000_000}),)).client
    for body, error in (
        (b'{"text":[' + b",".join([b"[]"] * 1_000_000) + b"]}", "more than 1,000 values"),
        (b'{"text":' + b"[" * 100 + b"]" * 100 + b"}", "more than 32 lists and objects deep"),
        (b"[" * 2_000_000, "more than 1,000 values"),
    ):
        answer = client.post("/api/take", content=body, headers={"content-type": kind})
        assert (answer.status_code, error in answer.json()["error"]) == (422, True), answer.text[:200]
    assert done == []
    answer = client.post("/api/take", content=b'{"text":[[1],[2]]}', headers={"content-type": kind})
    assert (answer.status_code, done) == (200, [{"text": [[1], [2]]}])


def test_every_answer_has_the_headers_of_a_page_that_needs_nothing(run_app: Callable[..., RunningApp]) -> None:
    router = APIRouter()

    @router.get("/bug")
    async def bug() -> None:
        raise RuntimeError("out of luck")

    client = run_app(features=(feature_of(router),)).client
    foreign = {"sec-fetch-site": "cross-site"}
    answers = [client.get(path) for path in ("/healthz", "/api/jobs", "/nothing-here")]
    answers += [client.post("/api/job/x/cancel", headers=foreign), client.get("/api/bug")]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 403, 500]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.url
        assert "strict-transport-security" not in answer.headers


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
        assert own == {"script-src", "style-src", "img-src", "connect-src", "base-uri"}
        assert directives.pop("require-trusted-types-for") == "'script'"
        none = {name for name, source in directives.items() if source == "'none'"}
        assert none == {"default-src", "form-action", "frame-ancestors", "trusted-types"}
        assert own | none == set(directives)
    assert client.get("/api/jobs").headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert client.get("/api/docs").status_code == 404, "its page would need another site's scripts"
