from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support import RunningApp


@pytest.fixture
def running(run_app: Callable[..., RunningApp]) -> RunningApp:
    return run_app()


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


@pytest.mark.parametrize("path", ["/healthz", "/api/jobs", "/nothing-here"])
def test_every_answer_forbids_guessing_its_type(running: RunningApp, path: str) -> None:
    headers = running.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
