"""Tickets: what an EventSource and a WebSocket show in place of a header."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from app.auth.tokens import Permission, Refused, Tokens
from app.settings import Settings
from app.users import User
from tests.auth.people import PASSWORD, Person, add_users, close_code
from tests.process import Process, free_port, listens
from tests.support import RunningApp, eventually, plain_client

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]

ROOT = Path(__file__).parents[3]
NGINX = (sys.executable, str(ROOT / "libs" / "streamator" / "tests" / "nginx.py"))
SITE = str(ROOT / "ops" / "nginx.conf")


def test_63_a_ticket_opens_the_streams_of_its_job_and_nothing_else(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    job_id, other = ada.start(), ada.start()
    ada.tell(job_id, "one")
    ticket = ada.ticket(job_id)
    for route in ("log", "job"):
        with ada.client.stream("GET", f"/api/{route}/{job_id}/stream?after=0", headers=ticket) as response:
            assert response.status_code == 200
            assert next(line for line in response.iter_lines() if line.startswith("data: "))
    planted = {"cookie": f"{ticket['cookie'].partition('=')[0]}=planted; {ticket['cookie']}"}
    for shown in (ticket, planted):
        with ada.socket(job_id, additional_headers=shown) as connection:
            assert connection.recv(30) == "[]"
            assert json.loads(connection.recv(30))[0]["event"]["message"] == "one"

    for method, path in (
        ("GET", f"/api/log/{other}/stream"),
        ("GET", f"/api/log/{job_id}"),
        ("GET", f"/api/jobs/{job_id}"),
        ("GET", f"/api/job/{job_id}/result"),
        ("POST", f"/api/job/{job_id}/cancel"),
        ("GET", "/api/jobs"),
        ("POST", "/api/auth/tickets"),
    ):
        assert ada.client.request(method, path, headers=ticket).status_code == 401, path
    with ada.socket(other, additional_headers=ticket) as connection:
        assert close_code(connection) == 4401


@pytest.mark.parametrize("root", ["", "/app"])
def test_63_a_browser_sends_a_ticket_to_the_streams_of_its_job_alone(
    run_auth: RunAuth, visit: Visit, root: str
) -> None:
    ada = visit(run_auth(root_path=root or None), "Ada")
    job_id = ada.start()
    answer = ada.ask("POST", "/api/auth/tickets", json={"job_id": job_id})
    assert (answer.content, answer.headers["cache-control"]) == (b"", "no-store")
    cookies = [header.lower().split("; ") for header in answer.headers.get_list("set-cookie")]
    paths = [next(part for part in cookie if part.startswith("path=")) for cookie in cookies]
    assert paths == [f"path={root}/api/{route}/{job_id}/".lower() for route in ("log", "job")]
    for cookie in cookies:
        assert {"httponly", "samesite=strict", "max-age=60"} < set(cookie)


def test_63_a_ticket_holds_for_a_minute_and_never_longer_than_the_token_it_was_bought_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import app.auth.tokens as module

    now = time.time()
    tokens = Tokens(b"s" * 32, seconds=600)
    permission, past = (Permission(User("1", "Ada"), "session", now + seconds) for seconds in (600, -1))
    ticket = tokens.ticket(permission, "job")
    assert tokens.read_ticket(ticket, "job") == permission
    short, access = tokens.ticket(past, "job"), tokens.access(User("1", "Ada"), "session")
    for bad, job_id in ((ticket, "other"), (short, "job"), (access, "job")):
        with pytest.raises(Refused):
            tokens.read_ticket(bad, job_id)
    monkeypatch.setattr(module, "TICKET_SECONDS", -1)
    with pytest.raises(Refused):
        tokens.read_ticket(tokens.ticket(permission, "job"), "job")


def test_63_a_ticket_is_in_nobodys_log(tmp_path: Path, settings: Callable[..., Settings]) -> None:
    """Ours and nginx's as it is shipped, also where a server is away, a request is refused, or there are too many."""
    pytest.importorskip("app.ingest", reason="the job of this test is one of ingest's")
    add_users(settings(), "Ada")
    away, port = free_port(), free_port()
    server = Process(tmp_path, AUTH="jwt", STREAMATOR_STORE="memory", MAX_CONNECTIONS="4")
    changes = [f"listen 8080=listen 127.0.0.1:{port}", f":8000 =:{away} ", f":8001 =:{server.client.base_url.port} "]
    folder = tmp_path / "nginx"
    proxy = subprocess.Popen(
        [*NGINX, str(folder), SITE, *changes, f"server_tokens off;=access_log {folder}/access.log;"]
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            eventually(lambda: listens(port), 30)
            answer = client.post("/api/auth/sign-in", json={"name": "Ada", "password": PASSWORD})
            headers = {"authorization": f"Bearer {answer.json()['token']}"}
            form = {"file": ("a.txt", b"A document of some words.")}
            job_id = client.post("/api/ingest", files=form, headers=headers).json()["job_id"]
            bought = client.post("/api/auth/tickets", json={"job_id": job_id}, headers=headers)
            cookie = bought.headers.get_list("set-cookie")[0].partition(";")[0]
            # As the page asks: with what it has been given, in the URL that it has made of it.
            stream, socket = f"/api/log/{job_id}/stream", f"ws://127.0.0.1:{port}/api/log/{job_id}/ws"
            for _ in range(2):  # each server in its turn
                assert client.get(stream, headers={"cookie": cookie}).status_code == 200
                assert client.get(stream, headers={"cookie": f"{cookie}x"}).status_code == 401
                with connect(socket, additional_headers={"cookie": cookie}) as connection:
                    close_code(connection)
                with (
                    pytest.raises(InvalidStatus),
                    connect(socket, additional_headers={"cookie": cookie}, origin=Origin("https://evil.example")),
                ):
                    pass
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    idle = stack.enter_context(plain_client(server.client.base_url))
                    last = idle.get(stream, headers={"cookie": cookie})
                assert last.status_code == 503
    finally:
        proxy.terminate()
        proxy.wait(30)
        server.stop()
    logs = {"ours": server.said(), **{path.name: path.read_text() for path in folder.glob("*.log")}}
    assert stream in logs["access.log"]
    assert "Connection refused" in logs["error.log"]
    for line in (f'"GET {stream} HTTP/1.1" 200', f'"GET {stream} HTTP/1.1" 401', '/ws" 403', "Invalid HTTP request"):
        assert line in logs["ours"]
    for name, said in logs.items():
        for secret in (cookie.partition("=")[2], headers["authorization"][7:], PASSWORD):
            assert secret[-40:] not in said, name
