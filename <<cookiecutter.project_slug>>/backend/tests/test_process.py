"""The server as a process of its own: signals, kills and restarts, on all stores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pdf import make_pdf
from tests.process import Process, free_port
from tests.support import JsonObject, Web, eventually

pytestmark = pytest.mark.server

pytest.importorskip("app.ingest", reason="the jobs of these tests are those of ingest")


def slow_pdf() -> bytes:
    return make_pdf(["\n".join(f"line {n} of the page" for n in range(400))] * 400)


def extractions(of: int) -> list[int]:
    """The extraction processes that a server has started."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, parent, command in rows if int(parent) == of and "app.process_main" in command]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_sigterm_ends_server_stream_and_job_and_leaves_no_process(launch: Callable[..., Process]) -> None:
    server = launch(STREAMATOR_STORE="memory")
    job_id = server.ingest(slow_pdf(), "slow.pdf")
    stream = server.lines(job_id)
    while "of 400" not in next(stream).get("message", ""):
        pass
    (extraction,) = extractions(of=server.process.pid)
    assert server.stop() < 2
    # The job is over in the end, but the stream ended before: it does not say so.
    assert [event for event in stream if event["event"] == "done"] == []
    eventually(lambda: not alive(extraction))
    assert "Traceback" not in server.said()
    server.start()
    goes_on(server, job_id, 2)


def goes_on(server: Process, job_id: str, attempt: int) -> None:
    """Sees a job go on as this attempt, and ends it."""
    eventually(lambda: server.client.get(f"/api/jobs/{job_id}").json()["attempt"] == attempt)
    server.client.post(f"/api/job/{job_id}/cancel")
    assert list(server.lines(job_id))[-1]["status"] == "cancelled"


def test_01_a_killed_server_leaves_no_process_and_its_job_runs_again_at_the_next_start(
    launch: Callable[..., Process],
) -> None:
    server = launch(STREAMATOR_STORE="memory", STREAMATOR_LEASE_SECONDS="3600")
    job_id = server.ingest(slow_pdf(), "slow.pdf")
    (extraction,) = eventually(lambda: extractions(of=server.process.pid))
    server.stop(signal.SIGKILL)
    eventually(lambda: not alive(extraction))
    server.start()
    # At once: no lease has to run out, for its process is known to be gone. The log went with the memory.
    again = next(server.lines(job_id))
    assert again | {"t": 0} == {
        "event": "attempt",
        "attempt": 2,
        "reason": "The server or worker that ran it was lost.",
        "t": 0,
    }
    goes_on(server, job_id, 2)
    for path in ("/api/log/none/stream", "/api/log/none", "/api/job/none/stream"):
        answer = server.client.get(path, headers={"last-event-id": "1"})
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_19_a_job_of_a_server_that_is_killed_goes_on_at_another(
    launch: Callable[..., Process], remote: dict[str, str]
) -> None:
    first = launch(**remote, STREAMATOR_LEASE_SECONDS="2")
    job_id = first.ingest(slow_pdf(), "slow.pdf")
    second = launch(**remote, STREAMATOR_LEASE_SECONDS="2")
    stream = second.lines(job_id)
    while "of 400" not in next(stream).get("message", ""):
        pass
    # A start beside it, and a look or two at what was left behind, do a running job no harm.
    job = second.client.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["attempt"]) == ("running", 1)
    first.stop(signal.SIGKILL)
    killed = time.monotonic()
    attempt = next(event for event in stream if event["event"] == "attempt")
    assert time.monotonic() - killed < 4  # two leases
    assert (attempt["attempt"], attempt["reason"]) == (2, "The server or worker that ran it was lost.")
    goes_on(second, job_id, 2)
    assert [event["event"] for event in stream][-1] == "done"


ROOT = Path(__file__).parents[2]
NGINX = (sys.executable, str(ROOT / "libs" / "streamator" / "tests" / "nginx.py"))
SITE = str(ROOT / "ops" / "nginx.conf")


def test_the_configuration_for_nginx_is_right(tmp_path: Path) -> None:
    subprocess.run([*NGINX, "-t", str(tmp_path / "nginx"), SITE], check=True)


@pytest.fixture
def behind_nginx(
    request: pytest.FixtureRequest, launch: Callable[..., Process], tmp_path: Path
) -> Iterator[tuple[httpx.Client, Process, Process]]:
    """The project's own nginx.conf in front of two servers: a client of it, and the servers. The parameter is what the
    first has in its environment alone."""
    environment = {"STREAMATOR_STORE": "memory", "METRICS": "true"}
    servers = launch(**{**environment, **getattr(request, "param", {})}), launch(**environment)
    port = free_port()
    ports = [str(server.client.base_url.port) for server in servers]
    changes = [f"listen 8080=listen 127.0.0.1:{port}", f":8000 =:{ports[0]} ", f":8001 =:{ports[1]} "]
    process = subprocess.Popen([*NGINX, str(tmp_path / "nginx"), SITE, *changes])
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def answers() -> bool:
            assert process.poll() is None
            with contextlib.suppress(httpx.TransportError):
                return client.get("/healthz").status_code == 200
            return False

        eventually(answers, 30)
        yield client, *servers
    process.terminate()
    process.wait(30)


def test_requests_go_to_the_servers_in_turn(behind_nginx: tuple[httpx.Client, Process, Process]) -> None:
    client, first, second = behind_nginx
    served = [client.get("/healthz").headers["x-served-by"] for _ in range(10)]
    assert {served.count(server.client.base_url.netloc.decode()) for server in (first, second)} == {5}


def test_each_server_tells_its_metrics_but_not_to_the_world(
    behind_nginx: tuple[httpx.Client, Process, Process],
) -> None:
    client, *servers = behind_nginx
    assert client.get("/metrics").status_code == 404
    assert [server.client.get("/metrics").status_code for server in servers] == [200, 200]


NOWHERE = {"STREAMATOR_STORE": "redis", "STREAMATOR_REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.mark.parametrize("behind_nginx", [NOWHERE], indirect=True)
def test_all_are_ready_as_long_as_one_is(behind_nginx: tuple[httpx.Client, Process, Process]) -> None:
    client, first, second = behind_nginx
    eventually(lambda: first.client.get("/readyz").status_code == 503, 30)
    assert [client.get("/readyz").status_code for _ in range(4)] == [200] * 4
    second.stop()
    answer = client.get("/readyz")
    assert (answer.status_code, "Redis at 127.0.0.1:1" in answer.json()["error"]) == (503, True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_request_meets_a_server_that_is_gone(
    behind_nginx: tuple[httpx.Client, Process, Process], how: signal.Signals
) -> None:
    client, first, second = behind_nginx
    for _ in range(10):
        assert client.get("/api/jobs").status_code == 200
    first.process.send_signal(how)
    for n in range(100):  # some of them while it goes, and on connections that it had
        assert client.get("/api/jobs").status_code == 200, n
    first.process.wait(30)
    answer = client.post("/api/ingest", files={"file": ("notes.txt", b"Some words.")})
    assert answer.status_code == 202
    assert answer.headers["x-served-by"].endswith(second.client.base_url.netloc.decode())


def test_a_document_that_is_too_large_is_refused_by_the_app_and_not_by_nginx(
    behind_nginx: tuple[httpx.Client, Process, Process],
) -> None:
    client, *_ = behind_nginx
    answer = client.post("/api/ingest", files={"file": ("x.txt", b"x" * 20_000_001)})
    assert answer.status_code == 413
    assert "MAX_UPLOAD_MB" in answer.json()["error"]


def test_a_log_outlives_its_server(launch: Callable[..., Process], remote: dict[str, str]) -> None:
    server = launch(**remote)
    assert server.client.get("/api/config").json()["store"] == remote["STREAMATOR_STORE"]
    job_id = server.ingest(b"# Notes\n\nSome words.\n\n## More\n\nAnd more.", "notes.md")
    live = list(server.lines(job_id))
    assert live[-1]["status"] == "completed"
    assert server.client.get("/healthz").json() == {
        **server.client.get("/healthz").json(),
        "status": "ok",
        "store": {"name": remote["STREAMATOR_STORE"], "degraded": None},
    }
    server.stop()
    server.start()
    assert list(server.lines(job_id)) == live
    assert server.client.get(f"/api/log/{job_id}").json()["logs"] == live
    assert server.client.get("/api/log/no-such-job/stream").status_code == 404


def test_a_job_that_the_server_stopped_goes_on_in_its_log(
    launch: Callable[..., Process], remote: dict[str, str]
) -> None:
    server = launch(**remote)
    job_id = server.ingest(slow_pdf(), "slow.pdf")
    stream = server.lines(job_id)
    while "of 400" not in next(stream).get("message", ""):
        pass
    server.stop()
    stream.close()
    server.start()
    goes_on(server, job_id, 2)
    events = list(server.lines(job_id))
    logged = [event["message"] for event in events if event["event"] == "log"]
    assert "The server is stopping: the job goes on at its next start, or at another one." in logged
    assert [event["reason"] for event in events if event["event"] == "attempt"] == ["It was stopped with its server."]


@pytest.mark.parametrize("store", ["dynamo", "redis"])
def test_06_a_store_that_is_down_degrades_the_health_and_stops_no_job(
    launch: Callable[..., Process], store: str
) -> None:
    server = launch(
        STREAMATOR_STORE=store,
        STREAMATOR_TABLE="test-logs",
        STREAMATOR_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
        AWS_ENDPOINT_URL_DYNAMODB=f"http://127.0.0.1:{free_port()}",
        AWS_DEFAULT_REGION="eu-central-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    job_id = server.ingest(b"Some words.", "x.txt")
    assert list(server.lines(job_id))[-1]["status"] == "completed"
    health = eventually(lambda: degraded(server.client.get("/healthz").json()), 30)
    assert health["store"]["degraded"]
    assert server.client.get("/api/documents").json()["total"] == 1


def degraded(health: JsonObject) -> JsonObject | None:
    return health if health["status"] == "degraded" else None


def test_a_job_of_another_process_is_listed_with_its_step(
    launch: Callable[..., Process], remote: dict[str, str], web: Web
) -> None:
    release = threading.Event()

    def write(wfile: Any) -> None:
        assert release.wait(30)
        wfile.write(b"some words")

    url = web.put("/slow.txt", write, content_type="text/plain")
    here, there = launch(**remote), launch(INGEST_ALLOW_PRIVATE_URLS="true", **remote)
    job_id = there.client.post("/api/ingest", data={"url": url}).json()["job_id"]

    def seen() -> JsonObject:
        (row,) = here.client.get("/api/jobs").json()["jobs"]
        return dict(row)

    eventually(lambda: seen()["step"] == "fetching")
    assert (seen()["job_id"], seen()["percent"]) == (job_id, 3)
    release.set()
    eventually(lambda: seen()["status"] == "completed")
