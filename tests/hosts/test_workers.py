"""The library's README in real workers: whenever a job's function has returned, its whole log is in the store.

Each test runs the README's own code: a worker of the queue in a process of its own, a real Redis between, and logs in
Redis or in DynamoDB. As soon as the last function has returned, the worker is killed, and what is stored is read here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bake import REPOSITORY, TEMPLATE
from dynamo_server import moto
from redis_server import RedisServer
from streamator import Store, open_store
from streamator.testing import collect
from tests.process import free_port, listens
from tests.support import Events

LIBRARY = REPOSITORY / TEMPLATE / "libs" / "streamator"
README = (LIBRARY / "README.md").read_text(encoding="utf-8")
CODE = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
ARQ_REQUIREMENTS = Path(__file__).with_name("requirements-arq.txt")

# The module, and what the README says to start; what the options are for is the cost of a test.
QUEUES = {
    "rq": ("rq_jobs", "rq worker --url {redis}", ""),
    "celery-prefork": ("celery_jobs", "celery -A celery_jobs worker", "--concurrency 2"),
    "celery-threads": ("celery_jobs", "celery -A celery_jobs worker", "--pool threads --concurrency 8"),
    "dramatiq": ("dramatiq_jobs", "dramatiq dramatiq_jobs", "--processes 1"),
    "arq": ("arq_jobs", "arq arq_jobs.WorkerSettings", ""),
}

# Appended to the README's jobs.py: what a function's return is told by, and what happens then.
RETURNED = """

import signal
from pathlib import Path

_crunch = crunch


def returned(name: str) -> None:
    Path("returned", f"{name}.tmp").write_text(str(os.getpid()))
    Path("returned", f"{name}.tmp").rename(Path("returned", name))
    if os.environ.get("THEN") == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if os.environ.get("THEN") == "exit":
        os._exit(0)


def crunch(job_id: str, *options: float) -> None:
    try:
        _crunch(job_id, *options)
    finally:
        returned(job_id)
"""

# Appended to its arq_jobs.py.
RETURNED_ASYNC = """

from jobs import returned


async def after_work(ctx: dict) -> None:
    returned(ctx["job_id"])


WorkerSettings.on_job_end = after_work
"""

# Appended to its retries.py: the process is killed in the middle of the first attempt, when it is told to.
KILLED = """

import os
import signal
import time
from pathlib import Path

from jobs import STORE


def fetch(page: int) -> None:
    if page == 3 and not Path("killed").exists():
        while not Path("kill").exists():
            time.sleep(0.01)
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""

RETRIES = {
    "rq": ("rq_retries", "rq worker --url {redis}"),
    "celery": ("celery_retries", "celery -A celery_retries worker --concurrency 1"),
}

START = """
import asyncio, inspect, sys
from importlib import import_module

start = import_module(sys.argv[1]).start
for job_id in sys.argv[2:]:
    begun = start(job_id)
    if inspect.iscoroutine(begun):
        asyncio.run(begun)
"""


class Host:
    """A folder with the README's modules, the environment that leads to the servers, and what runs in it."""

    def __init__(self, folder: Path, environment: dict[str, str], store: Store) -> None:
        self.folder = folder
        self.environment = environment
        self.store = store
        self._running: list[subprocess.Popen[bytes]] = []
        self._returned = folder / "returned"
        self._returned.mkdir()
        for name, code in CODE.items():
            more = {"jobs.py": RETURNED, "arq_jobs.py": RETURNED_ASYNC, "retries.py": KILLED}.get(name, "")
            code = code.replace("redis://127.0.0.1:6379/0", environment["REDIS_URL"]).replace(
                '\ncrawl("nightly")\n', ""
            )
            (folder / name).write_text(code + more, encoding="utf-8")

    def run(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program in the folder; it goes on until `kill`."""
        with (self.folder / "output.log").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**self.environment, **environment}, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)
        return process

    def enqueue(self, module: str, *job_ids: str) -> None:
        command = [sys.executable, "-c", START, module, *job_ids]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, timeout=60)

    def returned(self) -> dict[str, int]:
        """The functions that have returned, and the processes that they ran in."""
        return {path.name: int(path.read_text()) for path in self._returned.iterdir() if not path.suffix}

    def until(self, condition: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            ended = [process.args for process in self._running if process.poll() is not None]
            assert not ended and time.monotonic() < end, f"ended by themselves: {ended}\n{self.said()}"
            time.sleep(0.01)

    def said(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")

    def kill(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in self.returned().values():  # RQ gives each job's process a group of its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def logs(self, job_ids: list[str]) -> list[list[dict[str, Any]]]:
        """What the store has of each job: its events, without the times; nothing where the log has no end."""

        async def read(job_id: str) -> list[dict[str, Any]]:
            try:
                events = await collect(self.store, job_id, timeout=10)
            except TimeoutError as error:
                return [{"event": "never ended", "message": str(error)}]
            return [{name: value for name, value in event.items() if name != "t"} for event in events]

        async def read_all() -> list[list[dict[str, Any]]]:
            return await asyncio.gather(*map(read, job_ids))

        return asyncio.run(read_all())


def whole_log(steps: int = 3) -> list[dict[str, Any]]:
    lines = [{"event": "log", "message": f"Step {n} of {steps}", "level": "info"} for n in range(1, steps + 1)]
    return [*lines, {"event": "done", "status": "completed"}]


@pytest.fixture(scope="session")
def dynamo() -> Iterator[dict[str, str]]:
    with moto() as (port, _):
        yield {
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1", "USE_DYNAMO": "1",
        }  # fmt: skip


@pytest.fixture(params=["redis", "dynamo"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with RedisServer() as redis:
        environment = {"REDIS_URL": redis.url, "XDG_STATE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        options: dict[str, Any] = {"store": "redis", "url": redis.url}
        if request.param == "dynamo":
            environment |= request.getfixturevalue("dynamo")
            options = {"store": "dynamo", "table": "my-logs"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        path = os.pathsep.join([str(LIBRARY / "src"), os.environ.get("PYTHONPATH", "")])
        store = open_store(**options)
        host = Host(tmp_path, {**os.environ, "PYTHONPATH": path}, store)
        try:
            yield host
        finally:
            host.kill()
            store.close()


@pytest.fixture(scope="session")
def arq() -> Path:
    """The folder with arq and the redis-py that it can work with; installed where it is not there yet."""
    folder = REPOSITORY / "build" / f"arq-{hashlib.sha256(ARQ_REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        fresh = folder.with_name(f"arq-{uuid.uuid4().hex}")  # another process may be at it too
        options = ["-q", "--disable-pip-version-check", "--no-deps", "--target", str(fresh)]
        command = [sys.executable, "-m", "pip", "install", *options, "-r", str(ARQ_REQUIREMENTS)]
        subprocess.run(command, check=True, timeout=300)
        with contextlib.suppress(OSError):  # the other one was first, and uses it by now
            fresh.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def start_worker(host: Host, queue: str, **environment: str) -> None:
    _, command, options = QUEUES[queue]
    program, *arguments = f"{command.format(redis=host.environment['REDIS_URL'])} {options}".split()
    if queue == "arq":
        host.run(sys.executable, "-m", program, *arguments, **environment)
    else:
        host.run(str(Path(sys.executable).with_name(program)), *arguments, **environment)


@pytest.mark.parametrize("jobs", [5, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("queue", QUEUES)
def test_a_job_whose_function_has_returned_is_stored_whole(
    queue: str, jobs: int, host: Host, request: pytest.FixtureRequest
) -> None:
    if queue == "arq":
        path = request.getfixturevalue("arq")
        host.environment["PYTHONPATH"] = f"{path}{os.pathsep}{host.environment['PYTHONPATH']}"
    job_ids = [str(uuid.uuid4()) for _ in range(jobs)]
    start_worker(host, queue)
    host.enqueue(QUEUES[queue][0], *job_ids)
    host.until(lambda: len(host.returned()) == jobs, 60 + 5 * jobs)
    host.kill()
    short = [log for log in host.logs(job_ids) if log != whole_log()]
    assert not short, f"{len(short)} of {jobs} logs are not whole, {short[0]} for one"


def test_a_work_horse_that_freezes_when_its_function_has_returned_leaves_the_log_whole(host: Host) -> None:
    job_id = str(uuid.uuid4())
    start_worker(host, "rq", THEN="freeze")
    host.enqueue("rq_jobs", job_id)
    host.until(host.returned, 60)
    assert host.logs([job_id]) == [whole_log()]


def test_a_process_that_ends_without_exit_hooks_leaves_the_log_whole(host: Host) -> None:
    job_ids = [str(uuid.uuid4()) for _ in range(8)]
    code = "import sys; from jobs import crunch; crunch(sys.argv[1])"
    for process in [host.run(sys.executable, "-c", code, job_id, THEN="exit") for job_id in job_ids]:
        assert process.wait(60) == 0, host.said()
    assert host.logs(job_ids) == [whole_log()] * 8


def test_the_cancel_route_stops_a_synchronous_job_of_a_worker(host: Host) -> None:
    start_worker(host, "rq")
    port = free_port()
    host.run(sys.executable, "-m", "uvicorn", "queue_web:app", "--port", str(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as web:
        host.until(lambda: listens(port), 60)
        job_id = web.post("/jobs", params={"steps": 100_000, "seconds": 0.01}).json()["job_id"]
        host.until(lambda: web.get(f"/log/{job_id}").status_code == 200, 60)
        with web.stream("GET", f"/job/{job_id}/stream") as answer:
            seen = Events(answer)
            assert next(seen)["message"] == "Step 1 of 100000"
            assert web.post(f"/job/{job_id}/cancel").status_code == 202
            *lines, done = seen
        assert done["status"] == "cancelled" and lines[-1]["message"].startswith("Step ")
        host.until(host.returned, 30)


@pytest.mark.parametrize("queue", RETRIES)
def test_a_job_whose_worker_was_killed_goes_on_as_its_next_attempt_under_its_viewers_eyes(
    queue: str, host: Host
) -> None:
    module, command = RETRIES[queue]
    program, *arguments = command.format(redis=host.environment["REDIS_URL"]).split()
    host.run(str(Path(sys.executable).with_name(program)), *arguments)
    port, job_id = free_port(), str(uuid.uuid4())
    host.run(sys.executable, "-m", "uvicorn", "queue_web:app", "--port", str(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as web:
        host.until(lambda: listens(port), 60)
        host.enqueue(module, job_id)
        host.until(lambda: web.get(f"/log/{job_id}").status_code == 200, 60)
        with web.stream("GET", f"/log/{job_id}/stream") as answer:
            events = Events(answer)
            seen = [next(event for event in events if event.get("message") == "Page 2 of 5")]
            (host.folder / "kill").touch()
            seen += [event for event in events if event["event"] != "status"]
    seen = [
        {name: value for name, value in event.items() if name != "t"}
        for event in seen
        if event["event"] != "checkpoint"
    ]
    lines = [{"event": "log", "message": f"Page {page} of 5", "level": "info"} for page in (2, 3, 4, 5)]
    attempt = {"event": "attempt", "attempt": 2, "reason": "retried"}
    assert seen == [lines[0], attempt, *lines[1:], {"event": "done", "status": "completed"}]


def test_the_readme_names_the_commands_that_start_these_workers() -> None:
    for _, command, _ in QUEUES.values():
        assert f"`{command.format(redis='redis://127.0.0.1:6379/0')}`" in README
