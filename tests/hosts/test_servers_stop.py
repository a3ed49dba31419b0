"""What each server does with open streams when it stops: the library's README has it in a table, which is tried here.

A row's command is run as it stands there, with a free port added.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from host import HERE, PATIENCE_S, Host, Viewer, eventually

README = HERE.parents[1] / "<<cookiecutter.project_slug>>" / "libs" / "streamator" / "README.md"
STREAMS = 3
# The README's seconds are a quiet machine's. A server that waits for its streams takes 30 seconds, or has no end.
BUSY = 3.0


class Row(NamedTuple):
    command: str
    told: str
    streams: str
    seconds: float


def rows() -> list[Row]:
    """Of the README's table, those of servers that are started here."""
    table = README.read_text().partition("<!-- servers -->")[2].partition("<!-- /servers -->")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return [
        Row(command.strip("`"), told, streams, float(seconds.removesuffix(" s")))
        for command, told, streams, seconds in cells
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def of_its_job(host: Host, job_id: str, count: int) -> list[Viewer]:
    """So many viewers who see the job: with several workers not everybody comes to the one that has it."""
    viewers: list[Viewer] = []
    while len(viewers) < count:
        viewer = Viewer(host, job_id)
        eventually(lambda: viewer.sees or viewer.status not in (0, 200), "the first line")  # noqa: B023
        if viewer.status == 200:
            viewers.append(viewer)
    return viewers


@pytest.mark.parametrize("row", rows(), ids=[re.sub(r"\W+", "-", f"{row.command} {row.told}") for row in rows()])
def test_a_server_that_stops_does_with_its_streams_what_the_readme_says(row: Row, tmp_path: Path) -> None:
    with Host(row.command, tmp_path / "server.log") as host:
        stops(row, host)


def stops(row: Row, host: Host) -> None:
    pid = host.ask("/pid")
    viewers = of_its_job(host, host.ask("/jobs", "POST"), STREAMS)
    before = time.monotonic()
    if row.told == "SIGTERM":
        host.process.send_signal(signal.SIGTERM)
        eventually(lambda: host.process.poll() is not None, "the server to end")
    else:
        assert row.told == "the limit"
        for _ in range(40):
            with contextlib.suppress(httpx.TransportError):
                host.client.get("/pid")
            if not all(viewer.is_alive() for viewer in viewers):
                break
        before = time.monotonic()
        eventually(lambda: not is_alive(pid), "the worker to end")
    took = time.monotonic() - before
    for viewer in viewers:
        viewer.join(PATIENCE_S)
        assert not viewer.is_alive(), "a viewer hangs"
        assert "done" not in viewer.text
    ends = {True: "end cleanly", False: "are cut off"}
    seen = {ends[bool(viewer.is_clean)] for viewer in viewers}
    assert seen <= set(row.streams.split(" or ")), host.output.read_text()
    assert took < BUSY * row.seconds, host.output.read_text()
