"""Where secrets must never be: in what the server prints, answers and stores."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from pydantic import SecretStr
from websockets.sync.client import connect

from app.project import PROJECT_SLUG
from app.settings import Settings
from tests.auth.people import PASSWORD, add_users, close_code, stored
from tests.process import Process, free_port
from tests.support import plain_client

NOWHERE = f"127.0.0.1:{free_port()}"
GIVEN = {name: secrets.token_hex(24) for name in ("auth", "redis", "anthropic", "openai", "aws")}
ENVIRONMENT = {
    "AUTH_SECRET": GIVEN["auth"],
    "STREAMATOR_REDIS_URL": f"redis://user:{GIVEN['redis']}@{NOWHERE}/0",  # away, so that there is much to say of it
    "ANTHROPIC_API_KEY": GIVEN["anthropic"],
    "OPENAI_API_KEY": GIVEN["openai"],
    "AWS_SECRET_ACCESS_KEY": GIVEN["aws"],
}


def test_every_setting_that_holds_a_secret_is_known_as_one() -> None:
    hidden = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if not field.repr or field.annotation in (SecretStr, SecretStr | None)
    }
    here = set(ENVIRONMENT) & {name.upper() for name in Settings.model_fields}
    assert hidden == here | {"DATABASE_URL"}  # with one that is away the server does not start: tests/test_database.py
    for name in Settings.model_fields:
        assert name.upper() in hidden or not {"key", "password", "secret", "redis"} & set(name.split("_")), name


def test_no_secret_is_in_what_the_server_prints_answers_or_stores(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    add_users(settings(), "Ada")
    server = Process(
        tmp_path, AUTH="jwt", STREAMATOR_STORE="redis", METRICS="true", LOG_LEVEL="debug",
        ANTHROPIC_BASE_URL=f"http://{NOWHERE}", OPENAI_BASE_URL=f"http://{NOWHERE}/v1", **ENVIRONMENT,
    )  # fmt: skip
    try:
        answers, shown = use(server)
    finally:
        server.stop(signal.SIGKILL)  # it would try for a while to tell Redis
    printed = server.said()
    kept = stored(settings())
    assert f"Redis at {NOWHERE}" in printed, "that it is away was said"
    assert b"Ada" in kept
    for name, secret in GIVEN.items():
        for answer in answers:
            assert secret not in f"{answer.headers} {answer.text}", (name, answer.url)
        assert secret not in printed, name
        assert secret.encode() not in kept, name
    for name, secret in {**shown, "password": PASSWORD}.items():
        # Of a token its signature is the secret; the rest is whose it is.
        assert secret.rpartition(".")[2] not in printed, name
        assert secret.rpartition(".")[2].encode() not in kept, name


def use(server: Process) -> tuple[list[httpx.Response], dict[str, str]]:
    """Does at least once whatever has to do with a secret; gives all answers, and what the user was given to show."""
    client, answers = server.client, list[httpx.Response]()
    client.event_hooks = {"response": [httpx.Response.read, answers.append]}
    client.post("/api/auth/sign-in", json={"name": PASSWORD, "password": PASSWORD[::-1]})  # in the wrong field
    client.post("/api/auth/sign-in", json={"name": "Ada", "password": [PASSWORD]})
    shown = {"token": client.post("/api/auth/sign-in", json={"name": "Ada", "password": PASSWORD}).json()["token"]}
    shown["first cookie"], shown["device"] = (
        client.cookies[f"{PROJECT_SLUG}-{name}"] for name in ("session", "device")
    )
    shown["second token"] = client.post("/api/auth/refresh").json()["token"]
    shown["second cookie"] = client.cookies[f"{PROJECT_SLUG}-session"]
    client.headers["authorization"] = f"Bearer {shown['second token']}"

    schema = client.get("/api/openapi.json").json()["paths"]
    job_id = "none"
    if "/api/ingest" in schema:
        job_id = client.post("/api/ingest", files={"file": ("a.txt", b"Some words.")}).json()["job_id"]
    if "/api/run" in schema:
        bodies = [{"text": "Some words.", "options": {"provider": provider}} for provider in ("anthropic", "openai")]
        with ThreadPoolExecutor() as pool:
            for answer in pool.map(lambda body: client.post("/api/run", json=body), bodies):
                assert "cannot be reached" in answer.json()["error"]
    bought = client.post("/api/auth/tickets", json={"job_id": job_id})
    if bought.status_code == 204:
        cookie = bought.headers.get_list("set-cookie")[0].partition(";")[0]
        shown["ticket"] = cookie.partition("=")[2]
        with plain_client(client.base_url) as browser:
            assert browser.get(f"/api/log/{job_id}/stream", headers={"cookie": cookie}).status_code == 200
        url = str(client.base_url.join(f"/api/log/{job_id}/ws")).replace("http", "ws", 1)
        with connect(url, additional_headers={"cookie": cookie}) as connection:
            close_code(connection)
    for path in [*(path for path in schema if "{" not in path and "stream" not in path), "/metrics", "/nothing"]:
        client.get(path)
    client.get("/api/jobs", headers={"authorization": f"Bearer {shown['token'][:-3]}"})
    client.post("/api/auth/refresh", headers={"cookie": f"{PROJECT_SLUG}-session={shown['first cookie']}"})
    client.post("/api/auth/sign-out")
    assert {200, 401, 404} <= {answer.status_code for answer in answers}
    return answers, shown
