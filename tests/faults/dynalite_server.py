"""A DynamoDB that keeps what it has on disk: dynalite, which is killed and comes back with it.

`npm ci --prefix tests/faults/dynalite` installs it.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.process import dynamo_environment, free_port, listens
from tests.support import eventually

FOLDER = Path(__file__).parent / "dynalite"


class Dynalite:
    """A server of dynalite's on loopback, as a process.

    Arguments:
        directory: where its data and what it prints go.
    """

    def __init__(self, directory: Path) -> None:
        installed = (FOLDER / "node_modules").exists()
        assert installed, "there is no dynalite: run `npm ci --prefix tests/faults/dynalite`"
        self._directory = directory
        self.port = free_port()
        self.environment = dynamo_environment(self.port)
        self.start()

    def start(self) -> None:
        command = ["node", str(FOLDER / "server.mjs"), str(self.port), str(self._directory / "data")]
        with (self._directory / "dynalite.log").open("a") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        eventually(self.answers, 30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        """Whether it takes connections. One that has ended by itself fails, with what it printed."""
        assert self._process.poll() is None, (self._directory / "dynalite.log").read_text()
        return listens(self.port)
