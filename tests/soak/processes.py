"""The processes of a soak: the servers, nginx in front of them, and the store. All are on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

from soak.content import MAXLEN

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 5
JOB_TTL_SECONDS = 15
START_SECONDS = 60.0
STOP_SECONDS = 40.0  # a store that is slow holds a server up for 30


class Process:
    """A program on a port, which can be stopped, killed and started again.

    Args:
        name: what it is called in the report.
        port: where it answers.
        command: what starts it.
        output: the file that takes what it prints.
        environment: beside this process's own.
        url: where to ask whether it is ready (default: it is when it takes connections).
        says: what it prints when it is ready, where it has no port.
    """

    def __init__(
        self, name: str, port: int, command: list[str], output: Path, environment: dict[str, str] | None = None,
        url: str | None = None, says: bytes = b"",
    ) -> None:  # fmt: skip
        self.name = name
        self.port = port
        self._command = command
        self._output = output
        self._environment = {**os.environ, **(environment or {})}
        self._url = url
        self._says = says
        self._printed = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it; returns when it is ready."""
        with self._output.open("ab") as output:
            self._printed = output.tell()
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the soak, which then ends them in their order
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not await self._is_ready():
            if not self.runs:
                raise SystemExit(f"{self.name} ended with {self._process.returncode}: see {self._output}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not answer within {START_SECONDS:g} s: see {self._output}")
            await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        if self._says:
            return self._says in self._output.read_bytes()[self._printed :]
        try:
            if self._url is not None:
                async with httpx.AsyncClient(trust_env=False) as client:
                    return (await client.get(self._url, timeout=5)).status_code == 200
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
            writer.close()
        except (OSError, httpx.TransportError):
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def end(self, number: signal.Signals) -> float:
        """End it by a signal, after some time by SIGKILL; gives the seconds that it took."""
        began = time.monotonic()
        self.send(signal.SIGCONT)
        self.send(number)
        while self.runs:
            if time.monotonic() > began + STOP_SECONDS:
                self.send(signal.SIGKILL)
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it now, and wait for it."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


class Stack:
    """All of them: `start` it, and `stop` it in any case.

    Args:
        store: ``memory``, ``dynamo`` or ``redis``.
        project: the project's folder.
        python: the interpreter that has the project's packages.
        folder: for data and for what they print; it is made anew.
        workers: how many workers run the jobs, over a queue in Redis; 0: the servers run them.
    """

    def __init__(self, store: str, project: Path, python: Path, folder: Path, workers: int = 0) -> None:
        self.name = store
        self._project = project
        self._python = str(python)
        self._folder = folder
        self.logs = folder / "logs"
        shutil.rmtree(folder, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.store = self._store()
        self.queue = None if not workers else self.store if store == "redis" else self._redis("queue")
        self.servers = [self._server(n) for n in range(1 if self.store is None else 2)]
        self.workers = [self._worker(n) for n in range(workers)]
        found = shutil.which(os.environ.get("NGINX", "nginx"), path=f"{os.environ['PATH']}:/usr/sbin")
        self.proxy = self._nginx() if len(self.servers) > 1 and found else None

    @property
    def keeps(self) -> bool:
        """Whether a store that is killed has its data when it is started again."""
        return self.name == "redis"

    @property
    def addresses(self) -> list[str]:
        """Where viewers go: to nginx, and where there is none to each server."""
        return [f"http://{LOOPBACK}:{each.port}" for each in ([self.proxy] if self.proxy else self.servers)]

    async def start(self) -> None:
        for each in (self.store, self.queue):
            if each is not None and not each.runs:
                await each.start()
        for process in (*self.servers, *self.workers):
            await process.start()
        if self.proxy is not None:
            await self.proxy.start()

    async def stop(self) -> None:
        """End all, each by its id: the servers first, so that they can write what they have."""
        try:
            if self.store is not None:
                self.store.send(signal.SIGCONT)
            await asyncio.gather(*(each.end(signal.SIGTERM) for each in (*self.workers, *self.servers)))
        finally:
            for each in [*self.workers, *self.servers, self.proxy, self.store, self.queue]:
                if each is not None:
                    each.kill()

    def wipe(self) -> None:
        """Let go of what a store that does not run has on its disk."""
        shutil.rmtree(self._folder / "redis", ignore_errors=True)
        (self._folder / "redis").mkdir()

    def _server(self, n: int) -> Process:
        port = free_port()
        environment = {**self._environment(), "BACKEND_HOST": LOOPBACK, "BACKEND_PORT": str(port)}
        return Process(
            f"server {n + 1}", port, [self._python, "-m", "soak.server"], self.logs / f"server-{n + 1}.log",
            environment, f"http://{LOOPBACK}:{port}/healthz",
        )  # fmt: skip

    def _worker(self, n: int) -> Process:
        name = f"worker {n + 1}"
        return Process(
            name, 0, [self._python, "-m", "soak.server", "worker"], self.logs / f"worker-{n + 1}.log",
            {**self._environment(), "SOAK_WORKER": name}, says=b"the worker runs",
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        environment = {
            "PYTHONPATH": str(HERE.parent),
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(self._folder / "data"),
            "AUTH": "none",
            "MAX_RUNNING_JOBS": "1000",
            "JOB_TTL_SECONDS": str(JOB_TTL_SECONDS),
            "STREAMATOR_STORE": self.name,
            "STREAMATOR_TABLE": "soak-logs",
            "STREAMATOR_LEASE_SECONDS": str(LEASE_SECONDS),
            "STREAMATOR_MAX_EVENTS": str(MAXLEN),
        }
        redis = self.store if self.name == "redis" else self.queue
        if redis is not None:
            environment["STREAMATOR_REDIS_URL"] = f"redis://{LOOPBACK}:{redis.port}/0"
        if self.queue is not None:
            environment["WORKERS"] = "redis"
        if self.name == "dynamo" and self.store is not None:
            environment |= {
                "AWS_ENDPOINT_URL_DYNAMODB": f"http://{LOOPBACK}:{self.store.port}",
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "soak",
                "AWS_SECRET_ACCESS_KEY": "soak",
            }
        return environment

    def _store(self) -> Process | None:
        if self.name == "memory":
            return None
        if self.name == "redis":
            return self._redis("store")
        # In memory: when it is killed, all of its data is gone.
        port = free_port()
        command = [self._python, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
        return Process("store", port, command, self.logs / "moto.log")

    def _redis(self, name: str) -> Process:
        port = free_port()
        finder = [self._python, str(self._project / "scripts" / "redis_server.py")]
        program = subprocess.run(finder, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.wipe()
        command = [
            program, "--port", str(port), "--bind", LOOPBACK, "--dir", str(self._folder / "redis"), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always",
        ]  # fmt: skip
        return Process(name, port, command, self.logs / "redis.log")

    def _nginx(self) -> Process:
        port = free_port()
        command = [
            self._python, str(self._project / "libs" / "streamator" / "tests" / "nginx.py"),
            str(self._folder / "nginx"), str(self._project / "ops" / "nginx.conf"),
            f"listen 8080=listen {LOOPBACK}:{port}",
            f"127.0.0.1:8000={LOOPBACK}:{self.servers[0].port}", f"127.0.0.1:8001={LOOPBACK}:{self.servers[1].port}",
        ]  # fmt: skip
        return Process("nginx", port, command, self.logs / "nginx.log")


def free_port() -> int:
    """A port below the range that systems give to outgoing connections: one of those could take it while its server
    is away."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
