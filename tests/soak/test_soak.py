"""A soak of some seconds, on the sources where they stand: it starts, judges, and ends what it has started."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE


def soak(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "soak", "--seed", "1", "--jobs", "3", "--rest", "0", "--out", str(out), *options,
        "--project", str(REPOSITORY / TEMPLATE), "--python", sys.executable,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=REPOSITORY / "tests", stdout=subprocess.PIPE, text=True)


def port(said: str) -> int:
    """Where its server was."""
    found = re.search(r"viewers come to http://127\.0\.0\.1:([0-9]+)", said)
    assert found, said
    return int(found[1])


def assert_nobody_answers(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_soak_stops_by_itself_and_every_transcript_is_right(tmp_path: Path) -> None:
    said, _ = soak(tmp_path, "--minutes", "0.2").communicate(timeout=120)
    assert " 0 problems" in said, said
    report = (tmp_path / "memory" / "report.md").read_text()
    assert re.search(r"\| lines checked \| [1-9][0-9,]* \|", report), report
    assert re.search(r"\| faults \| [1-9]", report), report
    assert_nobody_answers(port(said))


def test_a_soak_that_is_interrupted_ends_what_it_started(tmp_path: Path) -> None:
    process = soak(tmp_path)
    assert process.stdout
    said = process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGINT)
    more, _ = process.communicate(timeout=60)
    assert process.returncode == 130, more
    assert_nobody_answers(port(said))
