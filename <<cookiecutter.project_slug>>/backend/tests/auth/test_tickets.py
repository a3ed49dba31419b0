"""Tickets: what an EventSource and a WebSocket show in place of a header."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from app.auth.tokens import Permission, Refused, Tokens
from app.settings import Settings
from app.users import User
from tests.auth.people import PASSWORD, Person, add_users, close_code
from tests.support import RunningApp, eventually

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


def test_63_a_ticket_opens_the_streams_of_its_job_and_nothing_else(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    job_id, other = ada.start(), ada.start()
    ada.tell(job_id, "one")
    query = f"?after=0&ticket={ada.ticket(job_id)}"
    for route in ("log", "job"):
        with ada.client.stream("GET", f"/api/{route}/{job_id}/stream{query}") as response:
            assert response.status_code == 200
            assert next(line for line in response.iter_lines() if line.startswith("data: "))
    with ada.socket(job_id, query=query) as connection:
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
        answer = ada.client.request(method, path + query)
        assert answer.status_code == 401, path
        assert "ticket" in answer.json()["error"]
    with ada.socket(other, query=query) as connection:
        assert close_code(connection) == 4401


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
    for bad, job_id in ((ticket, "other"), (ticket, None), (short, "job"), (access, "job")):
        with pytest.raises(Refused):
            tokens.read_ticket(bad, job_id)
    monkeypatch.setattr(module, "TICKET_SECONDS", -1)
    with pytest.raises(Refused):
        tokens.read_ticket(tokens.ticket(permission, "job"), "job")


def test_63_a_ticket_is_absent_from_the_access_log(tmp_path: Path, settings: Callable[..., Settings]) -> None:
    pytest.importorskip("app.ingest", reason="the job of this test is one of ingest's")
    add_users(settings(), "Ada")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = tmp_path / "server.log"
    environment = {
        **os.environ,
        "AUTH": "jwt",
        "BACKEND_PORT": str(port),
        "DATA_DIR": str(settings().data_dir),
        "STREAMATOR_STORE": "memory",
    }
    with log.open("w") as output:
        server = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

            def answers() -> bool:
                assert server.poll() is None, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    return client.get("/healthz").status_code == 200
                return False

            eventually(answers, 30)
            token = client.post("/api/auth/sign-in", json={"name": "Ada", "password": PASSWORD}).json()["token"]
            headers = {"authorization": f"Bearer {token}"}
            form = {"file": ("a.txt", b"A document of some words.")}
            job_id = client.post("/api/ingest", files=form, headers=headers).json()["job_id"]
            ticket = client.post("/api/auth/tickets", json={"job_id": job_id}, headers=headers).json()["ticket"]
            path = f"/api/log/{job_id}/stream"
            assert client.get(f"{path}?ticket={ticket}&after=0").status_code == 200
            assert client.get(f"{path}?a=b&ticket={ticket}x").status_code == 401
            for shown in (f"?ticket={ticket}", f"?ticket={ticket}x"):
                with connect(f"ws://127.0.0.1:{port}/api/log/{job_id}/ws{shown}") as connection:
                    close_code(connection)
    finally:
        server.terminate()
        server.wait(30)
    said = log.read_text()
    for line in (f'"GET {path}?after=0 HTTP/1.1" 200', f'"GET {path}?a=b HTTP/1.1" 401', f"/api/log/{job_id}/ws"):
        assert line in said
    assert ticket[:40] not in said
    assert "ticket=" not in said
    assert token not in said
    assert PASSWORD not in said
