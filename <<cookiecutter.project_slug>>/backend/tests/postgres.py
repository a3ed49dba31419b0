"""A real PostgreSQL for the tests: Debian's, or whichever is on the PATH; on a port and in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from app.database import Database
from tests.process import LOOPBACK, free_port
from tests.support import eventually

__all__ = ["Postgres", "find_programs", "postgres_server"]


def find_programs() -> Path | None:
    """Where `initdb` and `postgres` are; for root on Debian, newly installed ones. None where there are none."""
    found = _installed()
    apt = shutil.which("apt-get")
    if found is None and apt is not None and os.geteuid() == 0:
        # Several processes may be at it.
        options = ("-qq", "-o", "DPkg::Lock::Timeout=300")
        for arguments in (("update", *options), ("install", "-y", "--no-install-recommends", *options, "postgresql")):
            subprocess.run([apt, *arguments], check=False, stdout=subprocess.DEVNULL)
        found = _installed()
    return found


def _installed() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent  # where it is a link the other programs need not be beside it
    # Debian has them beside the PATH, by version.
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda path: int(path.parent.name), default=None)


@dataclass
class Postgres:
    """A PostgreSQL that listens at an address of this machine. The password is no secret."""

    programs: Path
    folder: Path
    host: str
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it takes connections."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        options = {
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 300,
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([*command, *settings], stdout=log, stderr=log, **_as_nobody())
        eventually(self._answers, 60)

    def stop(self) -> None:
        """Stops it at once, as an operator's restart does (a "fast shutdown")."""
        self.end(signal.SIGINT)

    def end(self, by: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(by)
        self.process.wait(30)

    def suspend(self, yes: bool) -> None:
        """Has all of it stand still, or go on."""
        assert self.process is not None
        for process in (self.process.pid, *_children(self.process.pid)):
            os.kill(process, signal.SIGSTOP if yes else signal.SIGCONT)

    def url(self, name: str = "postgres", *, user: str = "postgres", password: str = "secret") -> str:
        return f"postgresql+asyncpg://{user}:{password}@{self.host}:{self.port}/{name}"

    def run(self, statement: str) -> None:
        """Runs a statement of an administrator's."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url().replace("+asyncpg", ""))
            await connection.execute(statement)
            await connection.close()

        _apart(run())

    def database(self, *, empty: bool = False) -> str:
        """The URL of a new database, which has its tables, or none."""
        name = f"d{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else self._with_tables()}")
        return self.url(name)

    def _with_tables(self) -> str:
        if not hasattr(self, "_template"):

            async def make() -> None:
                database = Database(self.database(empty=True))
                self._template = database.url.rpartition("/")[2]
                await database.open()
                await database.close()

            _apart(make())
        return self._template

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.run("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@contextlib.contextmanager
def postgres_server(programs: Path, host: str = LOOPBACK) -> Iterator[Postgres]:
    """A PostgreSQL of its own for whoever is in the network of `host`, gone with its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        (folder / "password").write_text("secret")
        if os.getuid() == 0:  # as root it does not run
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody", "nogroup")
        server = Postgres(programs, folder, host, free_port(host))
        init: Sequence[str] = ("--no-sync", "-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C")
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", f"--pwfile={folder / 'password'}", *init],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_nobody(),
        )
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
        server.start()
        yield server
        server.end(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder)


def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs something to its end, whatever loop runs here."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _as_nobody() -> dict[str, Any]:
    return {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"} if os.getuid() == 0 else {}
