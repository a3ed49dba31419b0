"""Processes as tests start them: the app's server, and the stores beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import httpx

from tests.support import Events, JsonObject, eventually, plain_client


class Process:
    """`python -m app` on a port of its own.

    Arguments:
        directory: where its data and what it prints go.
        program: what runs in its place.
        environment: what is set beside, and goes before, this one's.
    """

    def __init__(
        self, directory: Path, program: Sequence[str] = (sys.executable, "-m", "app"), **environment: str
    ) -> None:
        self._directory = directory
        self._program = program
        self._environment = environment
        self.start()

    def start(self) -> None:
        port = int(self._environment.get("BACKEND_PORT") or free_port())
        self._output = self._directory / f"server-{port}.log"
        with self._output.open("a") as output:
            self.process = subprocess.Popen(
                self._program,
                env={
                    **os.environ,
                    "BACKEND_PORT": str(port),
                    "DATA_DIR": str(self._directory / "data"),
                    "AUTH": "none",
                    **self._environment,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = plain_client(f"http://127.0.0.1:{port}")
        try:
            eventually(self._answers, 30)
        except AssertionError:
            self.close()
            raise

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ends the server; gives the seconds that it took."""
        before = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(30)
        self.client.close()
        return time.monotonic() - before

    def close(self) -> None:
        """Ends the server, whatever it is at, and all that it has started."""
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """All that the server has printed."""
        return self._output.read_text()

    def ingest(self, content: bytes, name: str) -> str:
        answer = self.client.post("/api/ingest", files={"file": (name, content)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def lines(self, job_id: str) -> Generator[JsonObject, None, None]:
        """The events of a job's stream, as they come; ends with the stream."""
        with self.client.stream("GET", f"/api/log/{job_id}/stream") as response:
            assert response.status_code == 200
            with contextlib.suppress(httpx.ReadError):  # killed: no clean end
                yield from Events(response)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


class Worker:
    """`python -m app.worker`, on the data of servers in the same directory.

    Arguments:
        directory: where its data and what it prints go.
        environment: what is set beside, and goes before, this one's.
    """

    def __init__(self, directory: Path, **environment: str) -> None:
        self._output = directory / f"worker-{free_port()}.log"
        with self._output.open("a") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "app.worker"),
                env={**os.environ, "DATA_DIR": str(directory / "data"), "AUTH": "none", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends the worker; gives its exit status."""
        self.process.send_signal(how)
        return self.process.wait(30)

    def close(self) -> None:
        """Ends the worker, whatever it is at, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def is_ready(self) -> bool:
        """Whether it takes jobs."""
        assert self.process.poll() is None, self.said()
        return "jobs at once" in self.said()

    def said(self) -> str:
        """All that it has printed."""
        return self._output.read_text()


LOOPBACK = "127.0.0.1"


def free_port(host: str = LOOPBACK) -> int:
    """A port of this machine's that nothing listens on."""
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


def listens(port: int, host: str = LOOPBACK) -> bool:
    """Whether something takes connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@contextlib.contextmanager
def dynamo_server(directory: Path) -> Iterator[dict[str, str]]:
    """A DynamoDB on loopback; gives the environment that leads to it."""
    with moto_server(directory) as (port, _):
        yield dynamo_environment(port)


@contextlib.contextmanager
def moto_server(directory: Path, host: str = LOOPBACK) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server of moto's, which is DynamoDB, S3 and more; gives its port, and its process to be ended."""
    port = free_port(host)
    with (directory / "moto.log").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with _answering(process, port, host):
        yield port, process


def dynamo_environment(port: int) -> dict[str, str]:
    """What leads to the DynamoDB at this port of loopback."""
    return {
        "STREAMATOR_STORE": "dynamo",
        "STREAMATOR_TABLE": "test-logs",
        "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def s3_environment(port: int, host: str = LOOPBACK) -> dict[str, str]:
    """What leads to the S3 at this port."""
    return {
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@contextlib.contextmanager
def redis_server(port: int | None = None) -> Iterator[dict[str, str]]:
    """A Redis on loopback, at a free port or at this one; gives the environment that leads to it."""
    port = port or free_port()
    process = subprocess.Popen(
        [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    with _answering(process, port):
        yield {"STREAMATOR_STORE": "redis", "STREAMATOR_REDIS_URL": f"redis://127.0.0.1:{port}/0"}


def redis_program() -> str:
    """Where `redis-server` is."""
    script = Path(__file__).parents[2] / "scripts" / "redis_server.py"
    found = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=True)
    return found.stdout.strip()


@contextlib.contextmanager
def _answering(process: subprocess.Popen[bytes], port: int, host: str = LOOPBACK) -> Iterator[None]:
    """A process, from when it can be connected to."""

    def answers() -> bool:
        assert process.poll() is None
        return listens(port, host)

    try:
        eventually(answers, 60)
        yield
    finally:
        process.kill()
        process.wait()
