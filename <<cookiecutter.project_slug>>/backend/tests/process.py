"""The server as a process of its own, as tests start it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx

from tests.support import JsonObject, eventually


class Process:
    """`python -m app` on a port of its own."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self._directory = directory
        self._environment = environment
        self.start()

    def start(self) -> None:
        port = free_port()
        self._output = self._directory / f"server-{port}.log"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app"],
                env={
                    **os.environ,
                    "BACKEND_PORT": str(port),
                    "DATA_DIR": str(self._directory / "data"),
                    "AUTH": "none",
                    **self._environment,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        eventually(self._answers, 30)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ends the server; gives the seconds that it took."""
        before = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(30)
        self.client.close()
        return time.monotonic() - before

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
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
