"""What tests use by name: waiting for conditions, a stream, a running app, a web server."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.database import Database
from app.feature import Feature
from app.jobs import Job, JobKind, job
from app.settings import Settings

JsonObject = dict[str, Any]


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What `condition` gives as soon as it is true; fails the test when it stays false."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"still false after {seconds} s"
        time.sleep(0.01)
    return result


async def eventually_async(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """`eventually`, for a test that runs on the loop."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"still false after {seconds} s"
        await asyncio.sleep(0.01)
    return result


def plain_client(base_url: httpx.URL | str) -> httpx.Client:
    """A client for a server without TLS: to load the certificates of all authorities takes 40 ms of processor."""
    return httpx.Client(base_url=base_url, timeout=30, verify=False)


def feature_of(router: APIRouter, **more: Any) -> Feature:
    """A feature that is nothing but these routes."""

    @asynccontextmanager
    async def nothing(app: FastAPI) -> AsyncIterator[None]:
        yield

    return Feature("test", router, nothing, **more)


class NoArgs(BaseModel):
    """The arguments of a job that has none."""


def job_of(work: Callable[[Job], Awaitable[Any]], name: str = "test", **options: Any) -> JobKind[NoArgs]:
    """A kind of job that does `work`."""

    @job(name, **options)
    async def run(job: Job, args: NoArgs) -> Any:
        return await work(job)

    return run


def write(settings: Settings, work: Callable[[Session], object]) -> None:
    """Writes into an app's database, as another server on it would."""

    async def run() -> None:
        database = Database(settings.database)
        await database.open()
        await database.write(work)
        await database.close()

    asyncio.run(run())


class Events:
    """The events of a stream as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[JsonObject]:
        for line in self._lines:
            if line.startswith("id: "):
                self.last_id = line.removeprefix("id: ")
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    def __next__(self) -> JsonObject:
        return next(iter(self))


def event_streams(paths: JsonObject) -> list[tuple[str, str]]:
    """The method and the path of all that is answered with a stream of events, by an app's OpenAPI schema."""
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method, described in methods.items()
        for kind in described["responses"].get("200", {}).get("content", {})
        if kind.startswith("text/event-stream")
    ]


@dataclass
class RunningApp:
    """An app in a server of its own, and a client for it."""

    client: httpx.Client
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        """Stops the server as SIGTERM does, and waits for it."""
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive()

    def ingest(self, content: bytes, name: str) -> str:
        """Uploads a file; gives the job's id."""
        answer = self.client.post("/api/ingest", files={"file": (name, content)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def events(self, job_id: str) -> list[JsonObject]:
        """Follows a job's stream to its end; gives all its events."""
        with self.client.stream("GET", f"/api/log/{job_id}/stream", timeout=30) as response:
            assert response.status_code == 200
            return list(Events(response))

    def result(self, job_id: str) -> JsonObject:
        """Waits for a job to end well; gives its document's row."""
        assert self.events(job_id)[-1]["status"] == "completed"
        job = self.client.get(f"/api/jobs/{job_id}").json()
        return dict(self.client.get(f"/api/documents/{job['document_id']}").json())


Answer: TypeAlias = "tuple[int, dict[str, str], bytes | Callable[[Any], None]]"


@dataclass
class Web:
    """A web server on loopback: paths and what they answer with."""

    url: str
    server: http.server.HTTPServer
    answers: dict[str, Answer] = field(default_factory=dict)
    once: dict[str, Answer] = field(default_factory=dict)
    """What the next request has in place of these."""
    asked: list[str] = field(default_factory=list)
    asked_with: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each request."""

    def put(
        self,
        path: str,
        body: bytes | Callable[[Any], None] = b"",
        status: int = 200,
        *,
        once: bool = False,
        **headers: str,
    ) -> str:
        """Answers `path` so; a callable body writes to the handler's socket itself. Gives the URL."""
        (self.once if once else self.answers)[path] = (
            status,
            {name.replace("_", "-"): value for name, value in headers.items()},
            body,
        )
        return self.url + path
