"""The examples for other frameworks, each on a real server."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from test_server import PATIENCE_S, eventually, parse
from websockets.sync.client import connect

pytestmark = pytest.mark.server

FOLDER = Path(__file__).parents[1] / "examples"
SERVERS = {
    "starlette": ["uvicorn", "starlette_app:app", "--port"],
    "litestar": ["uvicorn", "litestar_app:app", "--port"],
    "quart": ["uvicorn", "quart_app:app", "--port"],
    "quart on hypercorn": ["hypercorn", "quart_app:app", "--workers", "0", "--bind"],
    "flask": ["flask", "--app", "flask_app", "run", "--port"],
}


class Example:
    """One example on its server."""

    def __init__(self, name: str, output: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.output = output
        *command, option = SERVERS[name]
        where = f"127.0.0.1:{self.port}" if option == "--bind" else str(self.port)
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-B", "-m", *command, option, where], cwd=FOLDER, stdout=out, stderr=out
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)
        eventually(self.answers, "the server to answer")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.client.get("/log/nope").status_code == 404
        except httpx.TransportError:
            return False

    def start(self, lines: int) -> str:
        answer = self.client.post("/jobs", params={"lines": lines})
        assert answer.is_success, answer.text
        return str(answer.json()["job_id"])

    def stop(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module", params=SERVERS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    running = Example(request.param, tmp_path_factory.mktemp("example") / "server.log")
    yield running
    running.stop()
    assert "Traceback" not in running.output.read_text(), running.output.read_text()


def test_lines_come_one_after_another_while_the_job_runs(example: Example) -> None:
    job_id = example.start(lines=10)
    arrived: list[float] = []
    text = ""
    with example.client.stream("GET", f"/log/{job_id}/stream") as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        for piece in response.iter_text():
            text += piece
            arrived += [time.monotonic()] * piece.count('"event":"log"')
    assert text.startswith("retry: 3000\n: ok\n\n")
    assert [event_id for event_id, _ in parse(text)] == list(range(1, 12))
    assert [event["event"] for _, event in parse(text)] == ["log"] * 10 + ["done"]
    assert len(set(arrived)) >= 5, "the lines came together"


def test_a_stream_goes_on_after_the_last_id_and_is_over_at_the_end(example: Example) -> None:
    job_id = example.start(lines=3)
    whole = example.client.get(f"/log/{job_id}/stream").text
    for headers, query, expected in (
        ({"last-event-id": "2"}, "", [3, 4]),
        ({}, "?after=3", [4]),
        ({"last-event-id": "1"}, "?after=3", [2, 3, 4]),
        ({"last-event-id": "nonsense"}, "", [1, 2, 3, 4]),
    ):
        answer = example.client.get(f"/log/{job_id}/stream{query}", headers=headers)
        assert [event_id for event_id, _ in parse(answer.text)] == expected
    assert parse(whole)[-1][1]["status"] == "completed"
    assert example.client.get(f"/log/{job_id}/stream?after=4").status_code == 204
    twice = [("last-event-id", "3"), ("last-event-id", "2")]
    assert [n for n, _ in parse(example.client.get(f"/log/{job_id}/stream", headers=twice).text)] == [3, 4]


def test_a_poll_shows_what_there_is(example: Example) -> None:
    job_id = example.start(lines=2)
    example.client.get(f"/log/{job_id}/stream")
    answer = example.client.get(f"/log/{job_id}?after=1")
    assert answer.headers["content-type"] == "application/json"
    assert [event["event"] for event in answer.json()["logs"]] == ["log", "done"]
    assert (answer.json()["next"], answer.json()["closed"]) == (3, True)


@pytest.mark.parametrize("path", ["/log/nope/stream", "/log/nope", "/log/a%20b/stream"])
def test_an_unknown_job_is_404(example: Example, path: str) -> None:
    answer = example.client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_only_get_is_answered(example: Example) -> None:
    assert example.client.post("/log/nope/stream").status_code == 405


def test_25_a_viewer_that_leaves_blocks_nobody(example: Example) -> None:
    job_id = example.start(lines=10)
    with example.client.stream("GET", f"/log/{job_id}/stream") as response:
        next(response.iter_raw())
    assert len(parse(example.client.get(f"/log/{job_id}/stream").text)) == 11


@pytest.mark.parametrize("example", [name for name in SERVERS if name != "flask"], indirect=True)
def test_a_websocket_shows_the_same(example: Example) -> None:
    job_id = example.start(lines=3)
    with connect(f"ws://127.0.0.1:{example.port}/log/{job_id}/ws") as connection:
        items = [item for message in connection for item in json.loads(message)]
    assert [item["id"] for item in items] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", [name for name in SERVERS if "flask" not in name])
def test_04_a_signal_ends_streams_cleanly_without_done(name: str, tmp_path: Path) -> None:
    running = Example(name, tmp_path / "server.log")
    try:
        text = ""
        with running.client.stream("GET", f"/log/{running.start(lines=1000)}/stream") as response:
            for piece in response.iter_text():  # a stream that is cut off raises here
                text += piece
                if "line 1" in text:
                    running.process.send_signal(signal.SIGTERM)
        running.process.wait(5)
        assert "done" not in text
        assert re.search(r'"line 1"', text)
    finally:
        running.stop()


def test_an_answer_that_streams_its_own_job_names_its_events(tmp_path: Path) -> None:
    running = Example("flask", tmp_path / "server.log")
    try:
        text = running.client.post("/answers").text
        assert re.findall("^event: (.*)$", text, re.MULTILINE) == ["log"] * 3 + ["done"]
    finally:
        running.stop()
