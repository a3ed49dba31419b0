"""A job in one process, the server of its viewers in another: what they share is a store alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis_server import RedisServer

pytestmark = pytest.mark.server

httpx = pytest.importorskip("httpx")
pytest.importorskip("moto")
pytest.importorskip("uvicorn")

LEASE = 2.0
PATIENCE = 30.0

WEB = """
import socket, sys
import uvicorn
from fastapi import FastAPI
from streamator.fastapi import add_job_routes, add_log_routes

app = FastAPI()
add_log_routes(app, **eval(sys.argv[1]))
add_job_routes(app, **eval(sys.argv[1]))
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
"""

JOB = """
import sys
from streamator import JobLogger, open_store

options = eval(sys.argv[1])
job = JobLogger(job_id=sys.argv[2], **options)
n = 0
for order in sys.stdin:
    if order == "close\\n":
        job.close()
    else:
        for _ in range(int(order)):
            job.log(f"line {n}")
            n += 1
    print(open_store(**options).flush(20), flush=True)
"""

# A job with a task, which takes half a second to clean up and says how often it was cancelled.
TASK = """
import asyncio, sys
from streamator import JobEmitter, open_store

async def work(job):
    cancelled = 0
    for _ in range(2):
        try:
            job.log("at work")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            job.log("cleaning up")
            for _ in range(5):
                try:
                    await asyncio.sleep(0.1)
                except asyncio.CancelledError:
                    cancelled += 1
            job.log(f"cancelled {cancelled} time")
            raise

async def main():
    job = JobEmitter(job_id=sys.argv[2], **eval(sys.argv[1]))
    task = asyncio.create_task(work(job))
    job.track(task)
    await asyncio.wait([task])

asyncio.run(main())
open_store(**eval(sys.argv[1])).close()
"""


class Web:
    """A server process."""

    def __init__(self, store: dict[str, Any]) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", WEB, repr(store)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{int(self.process.stdout.readline())}", timeout=PATIENCE, verify=False,
        )  # fmt: skip

    def stream(self, job_id: str, path: str = "", **headers: str) -> list[tuple[int, dict[str, Any]]]:
        """A stream to its end: each event and its id."""
        answer = self.client.get(f"/log/{job_id}/stream{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return parse(answer.text)

    def snapshot(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/log/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()
        assert self.process.stdout
        self.process.stdout.close()


class Job:
    """A process that logs what it is told to."""

    program = JOB

    def __init__(self, store: dict[str, Any], **options: Any) -> None:
        self.id = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.program, repr(store | options), self.id],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tell(self, order: int | str) -> None:
        """Log so many lines, or ``close``; returns when it is stored."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


class Task(Job):
    """A process with a task that could be cancelled."""

    program = TASK


class Viewer:
    """A viewer of a stream that goes on, in a thread of its own."""

    def __init__(self, web: Web, job_id: str, after: int = 0) -> None:
        self.text = ""
        self._at = web.client.base_url, f"/log/{job_id}/stream?after={after}"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        base, path = self._at
        with (
            contextlib.suppress(httpx.TransportError),  # the server was killed
            httpx.Client(base_url=base, timeout=PATIENCE, verify=False) as client,
            client.stream("GET", path) as answer,
        ):
            for piece in answer.iter_text():
                self.text += piece

    def events(self) -> list[tuple[int, dict[str, Any]]]:
        return parse(self.text.rpartition("\n\n")[0])

    def join(self) -> list[tuple[int, dict[str, Any]]]:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the stream did not end"
        return self.events()


def parse(text: str) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(part.split(": ", 1) for part in block.split("\n") if not part.startswith(":") and part)
        if "data" in fields:
            found.append((int(fields.get("id", 0)), json.loads(fields["data"])))
    return found


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.01)


def is_whole(events: list[tuple[int, dict[str, Any]]], lines: int, after: int = 0) -> None:
    """Every line after an id once, in order, and then the end."""
    assert [event_id for event_id, _ in events] == list(range(after + 1, lines + 2))
    assert [event.get("message") for _, event in events[:-1]] == [f"line {n}" for n in range(after, lines)]
    assert events[-1][1]["event"] == "done" and events[-1][1]["status"] == "completed"


@pytest.fixture(params=["dynamo", "redis"])
def store(
    request: pytest.FixtureRequest, server: tuple[int, int], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Where nothing is stored yet. For DynamoDB: an endpoint, credentials that mean nothing, and no region."""
    name = uuid.uuid4().hex[:8]
    if request.param == "redis":
        return {"store": "redis", "url": redis_server.url, "key_prefix": name, "ttl_days": 1}
    for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    for variable, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server[0]}", "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy", "AWS_CONFIG_FILE": os.devnull,
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    return {"store": "dynamo", "table": f"logs-{name}", "ttl_days": 1}


@pytest.fixture
def start(store: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Starts a `Web` or a `Job` on the test's store."""
    started: list[Web | Job] = []

    def start(kind: type[Web] | type[Job], **options: Any) -> Web | Job:
        started.append(kind(store, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()


Start = Callable[..., Any]


def test_23_two_viewers_and_a_late_one_see_everything(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(3)
    early = [Viewer(web, job.id) for _ in range(2)]
    until(lambda: all(len(viewer.events()) == 3 for viewer in early))
    job.tell(4)
    late = Viewer(web, job.id)
    until(lambda: len(late.events()) == 7)
    job.tell("close")
    for viewer in (*early, late):
        is_whole(viewer.join(), 7)


def test_15_a_log_larger_than_an_item_is_replayed_whole(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(15_000)
    job.tell("close")
    events = web.stream(job.id)
    is_whole(events, 15_000)
    assert sum(len(json.dumps(event)) for _, event in events) > 800_000


def test_30_a_viewer_resumes_exactly_after_its_server_was_killed(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(300)
    viewer = Viewer(web, job.id)
    until(lambda: len(viewer.events()) == 300)
    web.kill()
    job.tell(200)
    job.tell("close")
    anew = start(Web)
    is_whole(anew.stream(job.id, **{"Last-Event-ID": "300"}), 500, after=300)
    is_whole(anew.stream(job.id, "?after=123"), 500, after=123)


def goes_on_where_it_was(start: Start) -> None:
    """A server is killed, and the job in it."""
    web, job = start(Web), start(Job, lease_seconds=LEASE)
    job.tell(300)
    viewer = Viewer(web, job.id)
    until(lambda: len(viewer.events()) == 300)
    for process in (web, job):
        process.kill()
    assert viewer.join()[-1][0] == 300, "it ends with neither the end of the job nor its loss"
    events = start(Web).stream(job.id, **{"Last-Event-ID": "123"})
    assert events == [*viewer.events()[123:], (0, {"event": "status", "status": "lost"})]


@pytest.mark.parametrize("store", ["dynamo"], indirect=True)
def test_02_a_viewer_resumes_at_a_new_server_and_then_the_job_is_lost(start: Start) -> None:
    goes_on_where_it_was(start)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_03_a_viewer_resumes_at_a_new_server_and_then_the_job_is_lost(start: Start) -> None:
    goes_on_where_it_was(start)


def test_32_an_id_past_the_end_is_no_error(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(20)
    for cursor in ("-1", "x", "9" * 400, "9" * 18):
        answer = web.client.get(f"/log/{job.id}", params={"after": cursor})
        assert answer.status_code == 200 and len(answer.json()["logs"]) == 20
    job.tell("close")
    for cursor in ("-1", "x", ""):
        is_whole(web.stream(job.id, **{"Last-Event-ID": cursor}), 20)


def test_34_the_end_of_a_closed_log_is_204(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(20)
    job.tell("close")
    assert web.client.get(f"/log/{job.id}/stream", headers={"Last-Event-ID": "21"}).status_code == 204


def test_33_an_id_past_the_end_of_a_closed_log_reads_the_whole_log(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(20)
    job.tell("close")
    for cursor in ("22", "9" * 400):
        is_whole(web.stream(job.id, **{"Last-Event-ID": cursor}), 20)


def test_35_the_header_wins_over_the_query(start: Start) -> None:
    web, job = start(Web), start(Job)
    job.tell(20)
    job.tell("close")
    for header, query in ((15, 5), (5, 15)):
        is_whole(web.stream(job.id, f"?after={query}", **{"Last-Event-ID": str(header)}), 20, after=header)


def test_a_viewer_from_a_server_that_was_ahead_gets_each_line_once(start: Start) -> None:
    # Who runs a job shows a line before it is stored: a viewer that leaves it is ahead of all other processes.
    web, job = start(Web), start(Job, lease_seconds=LEASE)
    job.tell(20)
    viewer = Viewer(web, job.id, after=23)
    snapshot = web.client.get(f"/log/{job.id}", params={"after": "23"}).json()
    assert snapshot == {"logs": [], "next": 23, "closed": False}
    job.tell(2)
    until(lambda: web.snapshot(job.id)["next"] == 22)
    assert viewer.events() == []
    job.tell(5)
    until(lambda: [event_id for event_id, _ in viewer.events()] == [24, 25, 26, 27])
    job.tell("close")
    is_whole(viewer.join(), 27, after=23)


def test_a_snapshot_is_complete_while_the_job_runs_and_after_its_end(start: Start) -> None:
    web, job = start(Web), start(Job)
    for lines in (10, 20, 30):
        job.tell(10)
        time.sleep(0.3)  # a snapshot may be a quarter of a second old
        seen = web.snapshot(job.id)
        assert (len(seen["logs"]), seen["next"], seen["closed"]) == (lines, lines, False)
    job.tell("close")
    job.kill()
    time.sleep(0.3)
    for one in (web, start(Web)):
        seen = one.snapshot(job.id)
        assert (len(seen["logs"]), seen["next"], seen["closed"]) == (31, 31, True)
        assert seen["logs"][-1]["status"] == "completed"


def test_19_viewers_of_a_killed_job_see_that_it_is_lost_and_then_the_end(start: Start) -> None:
    web, job = start(Web), start(Job, lease_seconds=LEASE)
    job.tell(5)
    viewer = Viewer(web, job.id)
    until(lambda: len(viewer.events()) == 5)
    os.kill(job.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: len(viewer.events()) == 6)
    assert time.monotonic() - killed < 2 * LEASE
    events = viewer.join()
    assert events[5:] == [(0, {"event": "status", "status": "lost"})]
    assert web.stream(job.id, **{"Last-Event-ID": "3"}) == [*events[3:5], *events[5:]]


def test_unknown_jobs_are_not_found(start: Start) -> None:
    web, job = start(Web), start(Job)
    assert web.client.get("/log/nobody/stream").status_code == 404  # nothing is stored yet
    job.tell(1)
    for path in ("/log/nobody", "/log/nobody/stream"):
        answer = web.client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_a_job_of_another_process_is_cancelled_once_and_cleans_up(start: Start) -> None:
    task, web = start(Task), start(Web)
    until(lambda: web.client.get(f"/log/{task.id}").status_code == 200)
    viewer = Viewer(web, task.id)
    until(lambda: len(viewer.events()) == 1)
    for _ in range(2):  # a user who clicks twice
        answer = web.client.post(f"/job/{task.id}/cancel")
        assert (answer.status_code, answer.json()) == (202, {"status": "requested", "requested": task.id})
    events = [event for _, event in viewer.join()]
    assert [event.get("message") for event in events] == ["at work", "cleaning up", "cancelled 1 time", None]
    assert (events[-1]["event"], events[-1]["status"]) == ("done", "cancelled")
    assert task.process.wait(PATIENCE) == 0
    answer = web.client.post(f"/job/{task.id}/cancel")  # over by now: quiet
    assert (answer.status_code, answer.json()) == (200, {"cancelled": task.id})
