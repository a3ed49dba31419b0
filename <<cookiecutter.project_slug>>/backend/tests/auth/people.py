"""A running app that people sign in to, and the people."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import APIRouter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.auth import feature
from app.auth.accounts import Accounts
from app.database import Database
from app.feature import Feature, SharedServices
from app.jobs import Job
from app.settings import Settings
from app.users import CurrentUser
from tests.postgres import find_programs
from tests.support import Events, JsonObject, NoArgs, RunningApp, feature_of, job_of, plain_client

PASSWORD = "correct horse battery staple"


def stored(settings: Settings) -> bytes:
    """All that the app has stored, in its files and in its database."""
    kept = b"".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    programs = find_programs()
    if "postgresql" in settings.database and programs is not None:
        url = settings.database.replace("+asyncpg", "")
        kept += subprocess.run([programs / "pg_dump", url], check=True, stdout=subprocess.PIPE).stdout
    return kept


def add_users(settings: Settings, *names: str) -> None:
    """Makes users with PASSWORD, as the command does."""

    async def add() -> None:
        database = Database(settings.database)
        await database.open()
        for name in names:
            await Accounts(database).add(name, PASSWORD)
        await database.close()

    asyncio.run(add())


def told_jobs() -> Feature:
    """A feature whose jobs log what they are told to, and end when they are told nothing."""
    router = APIRouter()
    told: dict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)

    async def work(job: Job) -> JsonObject:
        while line := await told[job.job_id].get():
            job.log(line)
        return {"told": "all"}

    kind = job_of(work, "told")

    @router.post("/told")
    async def start(services: SharedServices, user: CurrentUser) -> str:
        return (await services.jobs.start(kind, NoArgs(), source="x", user=user)).job_id

    @router.post("/told/{job_id}")
    async def tell(job_id: str, line: str = "") -> None:
        told[job_id].put_nowait(line)

    return feature_of(router, jobs=[kind])


FEATURES = (feature.FEATURE, told_jobs())


@dataclass
class Person:
    """One who has signed in, with a browser's cookies."""

    running: RunningApp
    name: str = ""
    token: str = ""
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = plain_client(self.running.client.base_url)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        answer = self.client.post("/api/auth/sign-in", json={"name": self.name, "password": password})
        if answer.status_code == 200:
            self.token = answer.json()["token"]
        return answer

    def refresh(self, attempt: str = "", cookie: str | None = None) -> httpx.Response:
        """Asks for the next token, with the browser's cookies or with others."""
        if cookie is not None:
            url = self.client.base_url.join("/api/auth/refresh")
            answer = httpx.post(url, json={"attempt": attempt}, headers={**self.client.headers, "cookie": cookie})
        else:
            answer = self.client.post("/api/auth/refresh", json={"attempt": attempt})
        if answer.status_code == 200 and cookie is None:
            self.token = answer.json()["token"]
        return answer

    @property
    def cookie(self) -> str:
        """The cookies as they are sent to the routes of sign-in."""
        return "; ".join(f"{each.name}={each.value}" for each in self.client.cookies.jar if "ticket" not in each.name)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, path, headers={**self.headers, **options.pop("headers", {})}, **options)

    def start(self) -> str:
        answer = self.ask("POST", "/api/told")
        assert answer.status_code == 200, answer.text
        return str(answer.json())

    def tell(self, job_id: str, line: str = "") -> None:
        assert self.ask("POST", f"/api/told/{job_id}", params={"line": line}).status_code == 200

    def ticket(self, job_id: str) -> dict[str, str]:
        """Gets a ticket for a job; gives the header with which a browser then asks for its streams."""
        answer = self.ask("POST", "/api/auth/tickets", json={"job_id": job_id})
        assert answer.status_code == 204, answer.text
        return {"cookie": answer.headers.get_list("set-cookie")[0].partition(";")[0]}

    @contextmanager
    def stream(self, job_id: str, **options: Any) -> Iterator[Events]:
        """Opens the stream of a job; options are those of a request, and win over the person's own headers."""
        options.setdefault("headers", self.headers)
        options.setdefault("timeout", 12)  # less than the 15 s of a heartbeat: a stream that should have ended is told
        with self.client.stream("GET", f"/api/log/{job_id}/stream", **options) as response:
            yield Events(response)

    @contextmanager
    def socket(self, job_id: str, **options: Any) -> Iterator[ClientConnection]:
        """Opens a job's WebSocket; options are those of the client, and `query`."""
        url = str(self.client.base_url.join(f"/api/log/{job_id}/ws{options.pop('query', '')}"))
        with connect(url.replace("http", "ws", 1), open_timeout=30, **options) as connection:
            yield connection

    def job_routes(self, job_id: str) -> list[tuple[str, str]]:
        """All that can be asked about a job."""
        return [
            ("GET", f"/api/jobs/{job_id}"),
            ("GET", f"/api/log/{job_id}"),
            ("GET", f"/api/log/{job_id}/stream"),
            ("GET", f"/api/job/{job_id}/stream"),
            ("GET", f"/api/job/{job_id}/result"),
            ("POST", f"/api/job/{job_id}/cancel"),
        ]


def close_code(connection: ClientConnection) -> int | None:
    """Reads a WebSocket to its end; gives the code that it was closed with."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            connection.recv(30)
    return connection.close_code


SignIn = Callable[..., Person]
