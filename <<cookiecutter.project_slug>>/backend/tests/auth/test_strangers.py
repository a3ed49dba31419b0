"""What holds between users whose servers share a store: each server knows of the other's jobs, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.features import FEATURES as ALL
from app.settings import Settings
from tests.auth.people import add_users
from tests.process import Process

ASKED = [
    "GET /api/jobs/{}",
    "GET /api/log/{}",
    "GET /api/log/{}/stream",
    "GET /api/job/{}/result",
    "POST /api/job/{}/cancel",
]


def sign_in(server: Process, name: str) -> dict[str, str]:
    answer = server.client.post("/api/auth/sign-in", json={"name": name, "password": "correct horse battery staple"})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


@pytest.mark.skipif(all(each.name != "ingest" for each in ALL), reason="its jobs are those that are asked for")
def test_a_job_of_another_server_is_its_users_alone(
    launch: Callable[..., Process], redis: dict[str, str], settings: Callable[..., Settings], tmp_path: Path
) -> None:
    add_users(settings(), "Ada", "Grace")
    one, other = (launch(**{**redis, "AUTH": "jwt"}) for _ in range(2))
    ada, grace = sign_in(one, "Ada"), sign_in(other, "Grace")
    form = {"file": ("a.txt", b"Some words of Ada's.")}
    job_id = one.client.post("/api/ingest", files=form, headers=ada).json()["job_id"]
    with other.client.stream("GET", f"/api/log/{job_id}/stream", headers=ada) as response:
        assert response.status_code == 200
        assert '"event":"done"' in response.read().decode()
    for asked in ASKED:
        method, path = asked.format(job_id).split()
        assert other.client.request(method, path, headers=grace).status_code == 404, asked
        assert other.client.request(method, path).status_code == 401, asked
    # Signing out at one server ends the session at the other.
    assert other.client.get("/api/jobs", headers=ada).status_code == 200
    one.client.post("/api/auth/sign-out", headers=ada)
    assert other.client.get("/api/jobs", headers=ada).status_code == 401
