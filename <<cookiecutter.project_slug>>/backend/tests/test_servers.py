"""Which servers live, as processes that end in every way see it of each other."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import pytest

from app.servers import Server

pytestmark = pytest.mark.server

SERVER = """
import subprocess
import sys
from pathlib import Path
from app.servers import Server

server = Server(Path(sys.argv[1]))
server.open()
for program in sys.argv[2:]:
    subprocess.Popen([sys.executable, "-c", program], close_fds=False)
print(server.name, flush=True)
sys.stdin.readline()
server.close()
"""


class Process:
    """A process with a server in it, which runs the programs that it is given as its children."""

    def __init__(self, directory: Path, *programs: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(directory), *programs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def name(self) -> str:
        """The server's name; it is open when this returns."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def end(self) -> None:
        """Ends it as it should; its children end with its input. Quiet the second time."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process; takes the programs of its children."""
    started: list[Process] = []

    def start(*programs: str) -> Process:
        started.append(Process(tmp_path, *programs))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.end()


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.open()
    yield server
    server.close()


def test_a_server_lives_until_it_is_closed(start: Start, mine: Server, tmp_path: Path) -> None:
    other = start()
    assert mine.lives(mine.name)
    assert mine.lives(other.name)
    other.end()
    assert not mine.lives(other.name)
    mine.close()
    mine.close()
    assert not mine.lives(mine.name)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_server_is_dead_at_once_and_its_file_is_cleared_away(
    start: Start, mine: Server, tmp_path: Path
) -> None:
    other = start()
    assert mine.lives(other.name)
    other.kill()
    assert not mine.lives(other.name)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


def test_a_server_that_is_stopped_is_alive(start: Start, mine: Server) -> None:
    other = start()
    assert other.name
    other.send(signal.SIGSTOP)
    assert mine.lives(other.name)


def test_the_children_of_a_killed_server_do_not_keep_it_alive(start: Start, mine: Server) -> None:
    other = start("import sys; sys.stdin.readline()")
    assert mine.lives(other.name)
    other.kill()
    assert not mine.lives(other.name)


def test_a_start_clears_away_the_files_of_the_dead_and_touches_no_others(start: Start, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a server's")
    dead = start()
    assert (tmp_path / dead.name).exists()
    dead.kill()
    alive = start().name
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", alive}


def test_servers_that_start_together_do_not_take_each_other_for_dead(start: Start, mine: Server) -> None:
    others = [start() for _ in range(4)]
    assert all(mine.lives(other.name) for other in others)


def test_a_name_from_elsewhere_is_no_path(mine: Server, tmp_path: Path) -> None:
    victim = tmp_path.parent / "victim"
    victim.write_text("")
    for name in ("../victim", "", "x" * 32):
        assert not mine.lives(name)
    assert victim.exists()
