"""A server that measures inside of its process how long others wait, and who asks it: `python -m tests.waits`.

What is measured is processor time of the server's process, not the clock's: how much it works between two beats of its
event loop, and between the arrival of another user's request and its answer. That is the wait on a machine that does
nothing else; one that is busy with other things adds nothing to it. A loop, a thread that keeps the interpreter to
itself and a pool of threads that is taken all show.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import __main__ as program
from app import main
from app.settings import load_settings
from tests.fuzz import resident
from tests.process import Process
from tests.support import JsonObject, eventually

BEAT_SECONDS = 0.01
_PATH = "/waits"
_WATCHED = (b"x-watched", b"1")


class Waits(NamedTuple):
    """The longest since it was asked before, in seconds of processor: `loop` without a beat, `request` of the other."""

    loop: float
    request: float

    @property
    def worst(self) -> float:
        return max(self)


class Watch:
    """Measures the waits in a server; an ASGI app around its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = self._request = 0.0
        self._beat: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == _PATH:
            self._beat = self._beat or asyncio.create_task(self._beats())
            body = json.dumps([self._loop, self._request]).encode()
            self._loop = self._request = 0.0
            head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "http" and _WATCHED in scope["headers"]:
            since = _now()

            async def answered(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._request = max(self._request, _since(since))
                await send(message)

            await self._app(scope, receive, answered)
        else:
            await self._app(scope, receive, send)

    async def _beats(self) -> None:
        while True:
            since = _now()
            await asyncio.sleep(BEAT_SECONDS)
            self._loop = max(self._loop, _since(since))


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def _since(then: tuple[float, float]) -> float:
    """What the process has worked since, and no more than what has passed: threads may work side by side."""
    return min(now - before for now, before in zip(_now(), then, strict=True))


class Watched:
    """A server with a user who attacks it, and another, who asks it for their jobs again and again.

    Arguments:
        server: runs this module.
        attacker: the headers of one who has signed in.
        other: those of another.
    """

    def __init__(self, server: Process, attacker: dict[str, str], other: dict[str, str]) -> None:
        self.server = server
        self.attacker = attacker
        self._other = other
        self.slowest = 0.0
        """The other's longest wait by the clock."""
        self.refused: list[int | str] = []
        """What the other was answered in place of their jobs."""

    @property
    def port(self) -> int:
        port = self.server.client.base_url.port
        assert port is not None
        return port

    @property
    def worked(self) -> float:
        """The seconds of processor that the server has taken, without its children."""
        return time.clock_gettime(~self.server.process.pid * 8 | 2)  # clock_getcpuclockid(3)

    @property
    def memory(self) -> int:
        """The bytes of memory that the server takes, without its children."""
        return resident(self.server.process.pid)

    def waits(self) -> Waits:
        """The longest waits since this was asked before."""
        return Waits(*self._ask("GET", _PATH).json())

    def _ask(self, method: str, path: str) -> httpx.Response:
        # On a connection of its own: one that is kept may be closed by the server at any moment.
        headers = {**self.attacker, "connection": "close"}
        return self.server.client.request(method, path, headers=headers, timeout=300)

    @contextlib.contextmanager
    def another_asks(self, every: float = 0.03) -> Iterator[None]:
        """Lets the other user ask for their jobs meanwhile, every so many seconds."""
        over = threading.Event()

        def ask() -> None:
            headers = {**self._other, "x-watched": "1", "connection": "close"}
            while not over.wait(every):
                before = time.monotonic()
                try:
                    status: int | str = self.server.client.get("/api/jobs", headers=headers, timeout=300).status_code
                except (httpx.TransportError, RuntimeError) as error:  # while the server starts anew
                    status = repr(error)
                self.slowest = max(self.slowest, time.monotonic() - before)
                if status != 200:
                    self.refused.append(status)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def send(self, request: bytes, *, whole: bool = True, seconds: float = 120) -> int | None:
        """Sends bytes; gives the status of the answer, None where there is none.

        Arguments:
            whole: whether to read all of the answer, and not its head alone.
            seconds: how long to wait for each piece of it.
        """
        said = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            with contextlib.suppress(OSError):  # it has answered before it had all, and hung up
                connection.sendall(request)
            with contextlib.suppress(OSError):
                while new := connection.recv(262_144):
                    said = (said + new)[:64]
                    if not whole:
                        break
        status = said[9:12]
        return int(status) if said.startswith(b"HTTP/1.1 ") and status.isdigit() else None

    def jobs(self) -> list[JsonObject]:
        """The attacker's jobs that run."""
        answer = self._ask("GET", "/api/jobs")
        assert answer.status_code == 200, answer.text
        return [job for job in answer.json()["jobs"] if job["status"] == "running"]

    def settle(self, seconds: float) -> bool:
        """Waits for the attacker's jobs to end, and for the server to have nothing to do. Jobs that go on after so many
        seconds are cancelled; gives whether all was over then."""
        deadline = time.monotonic() + seconds
        while (running := self.jobs()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for job in running:
            self._ask("POST", f"/api/job/{job['job_id']}/cancel")
        if running:
            eventually(lambda: not self.jobs(), 60)
        deadline = time.monotonic() + max(seconds, 2)
        while self._is_busy():
            if time.monotonic() > deadline:
                return False
        return True

    def _is_busy(self) -> bool:
        before = time.monotonic(), self.worked
        time.sleep(0.1)
        return self.worked - before[1] > 0.5 * (time.monotonic() - before[0])

    def restart(self) -> None:
        self.server.close()
        self.server.start()
        self.waits()


def request(
    method: str, target: str | bytes, headers: Mapping[str, str | bytes] | None = None, body: bytes | None = None
) -> bytes:
    """The bytes of a request; `headers` go as they are, whatever is in them."""
    target = target if isinstance(target, bytes) else target.encode()
    given: dict[str, str | bytes] = {"host": "127.0.0.1", "connection": "close", **(headers or {})}
    if body is not None:
        given.setdefault("content-length", str(len(body)))
    lines = [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
        for name, value in given.items()
    ]
    return b"\r\n".join([f"{method} ".encode() + target + b" HTTP/1.1", *lines, b"", body or b""])


@contextlib.contextmanager
def watched(
    directory: Path, prepare: Callable[[Path], Any] = lambda data: None, **environment: str
) -> Iterator[Watched]:
    """A server with two users who have signed in.

    Arguments:
        directory: where its data go.
        prepare: fills its folder of data before it starts, when the users are there.
        environment: of the server.
    """
    from tests.auth.people import PASSWORD, add_users

    data = directory / "data"
    add_users(load_settings(_env_file=None, data_dir=data, auth="jwt"), "ada", "grace")
    prepare(data)
    program = (sys.executable, "-m", "tests.waits")
    settings = {"AUTH": "jwt", "LOG_LEVEL": "error", "STREAMATOR_STORE": "memory", "AUTH_TOKEN_SECONDS": "86400"}
    server = Process(directory, program, **{**settings, **environment})
    try:
        tokens = []
        for name in ("ada", "grace"):
            answer = server.client.post("/api/auth/sign-in", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            tokens.append({"authorization": f"Bearer {answer.json()['token']}"})
        made = Watched(server, *tokens)
        made.waits()
        yield made
    finally:
        server.close()


if __name__ == "__main__":
    main.app = Watch(main.create_app(load_settings()))  # type: ignore[assignment]
    sys.exit(program.main())
