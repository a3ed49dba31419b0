"""Servers in processes of their own, and viewers of what they show."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
PATIENCE_S = 30.0

PORT = {
    **dict.fromkeys(("uvicorn", "granian", "daphne", "next"), "--port={}"),
    "django-admin": "{}",
}
"""How a program is given its port, where it is not ``--bind``."""


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s for {what}")


class Host:
    """A server in a process of its own: its command, and by their names variables of its environment.

    A program without a path is one of Python's environment.
    """

    def __init__(self, command: str, output: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        program, *arguments = shlex.split(command)
        arguments.append(PORT.get(Path(program).name, "--bind=127.0.0.1:{}").format(port))
        self.output = output
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).parent / program), *arguments],
                cwd=HERE, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
                     "DJANGO_SETTINGS_MODULE": "django_web", **environment},
            )  # fmt: skip
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, headers={"connection": "close"}
        )
        try:
            eventually(self._listens, f"{command} to listen")
        except BaseException:
            self.__exit__()
            raise

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            socket.create_connection((self.client.base_url.host, self.client.base_url.port or 0), 1).close()
        except OSError:
            return False
        return True

    def ask(self, path: str, method: str = "GET") -> Any:
        answer = self.client.request(method, path)
        assert answer.status_code == 200, answer.text + self.output.read_text()
        return answer.json()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Viewer(threading.Thread):
    """A viewer who reads a stream to its end."""

    def __init__(self, host: Host, job_id: str) -> None:
        super().__init__()
        self.url = f"{host.client.base_url}/log/{job_id}/stream".replace("//log", "/log")
        self.text = ""
        self.status = 0
        self.is_clean: bool | None = None
        self.start()

    def run(self) -> None:
        try:
            with httpx.stream("GET", self.url, timeout=PATIENCE_S) as response:
                self.status = response.status_code
                for text in response.iter_text():
                    self.text += text
            self.is_clean = True
        except httpx.TransportError:
            self.is_clean = False

    @property
    def sees(self) -> bool:
        """Whether the job's first line has come."""
        return "one" in self.text
