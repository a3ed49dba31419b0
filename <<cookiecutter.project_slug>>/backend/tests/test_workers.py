"""Jobs at workers: real processes and a real Redis, which are killed."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.process import Process, Worker, dynamo_server, free_port, redis_server
from tests.support import JsonObject, Web, eventually

ingest = pytest.importorskip("app.ingest.job", reason="the jobs of these tests are those of ingest").ingest

pytestmark = [
    pytest.mark.server,
]

Work = Callable[..., Worker]
LEASE_SECONDS = 2


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    """Starts a worker; takes its environment."""
    running: list[Worker] = []

    def start(**environment: str) -> Worker:
        running.append(Worker(tmp_path, **environment))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def environment(redis: dict[str, str]) -> dict[str, str]:
    return with_workers(redis)


def with_workers(store: dict[str, str], **more: str) -> dict[str, str]:
    lease = {"STREAMATOR_LEASE_SECONDS": str(LEASE_SECONDS)}
    return {**store, **lease, "WORKERS": "redis", "INGEST_ALLOW_PRIVATE_URLS": "true", **more}


class Slow:
    """A document that is not sent before it is released."""

    def __init__(self, web: Web, name: str = "slow.txt") -> None:
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()
        self.url = web.put(f"/{name}", self._write, content_type="text/plain")

    def _write(self, file: Any) -> None:
        self.asked.release()
        self.released.wait(60)
        file.write(b"some words")


@pytest.fixture
def slow(web: Web) -> Iterator[Slow]:
    made = Slow(web)
    yield made
    made.released.set()


def start(server: Process, url: str) -> str:
    answer = server.client.post("/api/ingest", json={"url": url})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def job_of(server: Process, job_id: str) -> JsonObject:
    return dict(server.client.get(f"/api/jobs/{job_id}").json())


def health_of(server: Process) -> JsonObject:
    return dict(server.client.get("/healthz").json()["jobs"])


def completed_of(server: Process, jobs: list[str], *, more_than: int) -> bool:
    return [job_of(server, job_id)["status"] for job_id in jobs].count("completed") > more_than


def test_a_job_runs_at_a_worker_and_is_followed_at_a_server(
    launch: Callable[..., Process], work: Work, environment: dict[str, str]
) -> None:
    server = launch(**environment)
    work(**environment)
    job_id = server.ingest(b"Some words.", "x.txt")
    events = list(server.lines(job_id))
    assert events[-1]["status"] == "completed"
    assert [each["event"] for each in events].count("attempt") == 0
    assert (job_of(server, job_id)["status"], job_of(server, job_id)["attempt"]) == ("completed", 1)
    assert server.client.get("/api/documents").json()["total"] == 1
    assert eventually(lambda: (found := health_of(server))["degraded"] is None and found) == {
        "workers": "redis", "running": 0, "degraded": None,
    }  # fmt: skip


def test_without_a_worker_a_job_waits_the_health_says_so_and_it_can_be_cancelled(
    launch: Callable[..., Process], work: Work, environment: dict[str, str]
) -> None:
    server = launch(**environment)
    cancelled, kept = (server.ingest(b"Some words.", name) for name in ("a.txt", "b.txt"))
    assert job_of(server, kept)["step"] == "Waiting for a worker"
    assert eventually(lambda: health_of(server)["degraded"]) == "no worker runs: start one with `make worker`"
    assert server.client.post(f"/api/job/{cancelled}/cancel").json() == {"cancelled": cancelled}
    assert [each.get("message", each.get("status")) for each in server.lines(cancelled)] == ["Cancelled.", "cancelled"]
    work(**environment)
    assert list(server.lines(kept))[-1]["status"] == "completed"
    assert job_of(server, cancelled)["status"] == "cancelled"


def test_a_job_whose_worker_is_killed_goes_on_at_another_in_the_same_log(
    launch: Callable[..., Process], work: Work, environment: dict[str, str], slow: Slow
) -> None:
    server = launch(**environment)
    first = work(**environment)
    job_id = start(server, slow.url)
    lines = server.lines(job_id)
    seen = [next(lines)]
    assert slow.asked.acquire(timeout=60)
    eventually(work(**environment).is_ready, 60)
    first.stop(signal.SIGKILL)
    killed = time.monotonic()
    while seen[-1]["event"] != "attempt":
        seen.append(next(lines))
    assert time.monotonic() - killed < LEASE_SECONDS + 3
    assert (seen[-1]["attempt"], seen[-1]["reason"]) == (2, "The server or worker that ran it was lost.")
    slow.released.set()
    seen += lines
    assert seen[-1]["status"] == "completed"
    assert [each["event"] for each in seen].count("done") == 1
    assert (job_of(server, job_id)["status"], job_of(server, job_id)["attempt"]) == ("completed", 2)
    assert list(server.lines(job_id)) == seen


def test_a_worker_that_is_told_to_stop_hands_its_job_over(
    launch: Callable[..., Process], work: Work, environment: dict[str, str], slow: Slow
) -> None:
    server = launch(**environment)
    first = work(**environment)
    job_id = start(server, slow.url)
    assert slow.asked.acquire(timeout=60)
    assert first.stop() == 0
    assert job_of(server, job_id)["step"] == "Waiting for a worker"
    slow.released.set()
    work(**environment)
    events = list(server.lines(job_id))
    messages = [each["message"] for each in events if each["event"] == "log"]
    assert "The server is stopping: the job goes on at its next start, or at another one." in messages
    assert [each["reason"] for each in events if each["event"] == "attempt"] == ["It was stopped with its server."]
    assert events[-1]["status"] == "completed"


def test_a_cancel_reaches_a_job_at_a_worker_within_a_second(
    launch: Callable[..., Process], work: Work, environment: dict[str, str], slow: Slow
) -> None:
    server = launch(**environment)
    work(**environment)
    job_id = start(server, slow.url)
    assert slow.asked.acquire(timeout=60)
    asked = time.monotonic()
    answer = server.client.post(f"/api/job/{job_id}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"status": "requested", "requested": job_id})
    assert list(server.lines(job_id))[-1]["status"] == "cancelled"
    assert time.monotonic() - asked < 1 + 0.5  # the half second: until the store shows the end to another process
    assert job_of(server, job_id)["status"] == "cancelled"


def test_a_job_whose_workers_all_die_of_it_is_given_up_with_the_reason(
    launch: Callable[..., Process], work: Work, environment: dict[str, str], slow: Slow
) -> None:
    server = launch(**environment)
    job_id = start(server, slow.url)
    for _ in range(ingest.retries + 1):
        worker = work(**environment)
        assert slow.asked.acquire(timeout=60)
        worker.stop(signal.SIGKILL)
    work(**environment)
    events = list(server.lines(job_id))
    given_up = (
        "It was begun 3 times, and each time the server or worker that ran it was lost or it failed: it is not tried "
        "again."
    )
    assert (events[-2]["message"], events[-1]["status"]) == (given_up, "failed")
    job = job_of(server, job_id)
    assert (job["status"], job["error"]) == ("failed", given_up)


def test_a_queue_that_is_away_at_the_start_loses_no_job(
    launch: Callable[..., Process], work: Work, tmp_path: Path
) -> None:
    port = free_port()
    with dynamo_server(tmp_path) as store:
        environment = with_workers(store, STREAMATOR_REDIS_URL=f"redis://127.0.0.1:{port}/0")
        server = launch(**environment)
        job_id = server.ingest(b"Some words.", "x.txt")
        away = "the queue of jobs cannot be reached: jobs wait until it can"
        assert eventually(lambda: health_of(server)["degraded"]) == away
        worker = work(**environment)
        with redis_server(port):
            assert list(server.lines(job_id))[-1]["status"] == "completed"
            eventually(lambda: health_of(server)["degraded"] is None)
        assert "the queue of jobs cannot be reached" in server.said()
        assert worker.process.poll() is None


def test_a_queue_that_forgets_everything_loses_no_job(
    launch: Callable[..., Process], work: Work, tmp_path: Path, slow: Slow
) -> None:
    port = free_port()
    with dynamo_server(tmp_path) as store:
        environment = with_workers(store, STREAMATOR_REDIS_URL=f"redis://127.0.0.1:{port}/0", MAX_RUNNING_JOBS="1")
        server = launch(**environment)
        with redis_server(port):
            work(**environment)
            running = start(server, slow.url)
            assert slow.asked.acquire(timeout=60)
            waiting = server.ingest(b"Some words.", "x.txt")
        with redis_server(port):  # an empty one
            slow.released.set()
            for job_id in (running, waiting):
                assert list(server.lines(job_id))[-1]["status"] == "completed"
                assert job_of(server, job_id)["attempt"] == 1


def test_of_many_jobs_none_is_lost_while_workers_are_killed(
    launch: Callable[..., Process], work: Work, environment: dict[str, str]
) -> None:
    server = launch(**environment)
    workers = [work(**environment), work(**environment)]
    jobs = [server.ingest(f"Some words, {number}.".encode(), f"{number}.txt") for number in range(30)]
    for number in itertools.count():
        states = [job_of(server, job_id)["status"] for job_id in jobs]
        if "running" not in states:
            break
        if number < 2:
            workers.pop(0).stop(signal.SIGKILL)
            workers.append(work(**environment))
        eventually(partial(completed_of, server, jobs, more_than=states.count("completed")), 60)
    assert set(states) == {"completed"}
    assert server.client.get("/api/documents?limit=500").json()["total"] == len(jobs)
    for job_id in jobs:
        assert [each["event"] for each in server.lines(job_id)].count("done") == 1


@pytest.mark.parametrize(
    ("workers", "told"),
    [
        ("inline", "WORKERS='inline' cannot be used by a worker: jobs run in the server; set it to redis."),
        (
            "redis",
            "WORKERS='redis' cannot be used: set STREAMATOR_STORE to redis or dynamo: the log of a job at a worker is "
            "no server's memory.",
        ),
    ],
)
def test_a_worker_that_cannot_work_says_why(
    tmp_path: Path, workers: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WORKERS", workers)
    ended = subprocess.run([sys.executable, "-m", "app.worker"], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.strip()) == (2, told)
