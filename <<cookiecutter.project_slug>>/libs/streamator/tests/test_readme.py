"""The README: every snippet runs, and every number matches the code."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from streamator import FileStore, JobCancelled, MemoryStore, deadletter, events, wire
from streamator.stores.dynamo import DynamoStore
from streamator.stores.redis import DEFAULT_URL, RedisStore
from streamator.testing import collect
from streamator.transports import sse, viewer, websocket

pytestmark = pytest.mark.server

FOLDER = Path(__file__).parents[1]
README = (FOLDER / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# These need a queue and a worker: the template's tests/hosts/test_workers.py runs them.
WORKERS = (
    "rq_jobs.py", "celery_jobs.py", "dramatiq_jobs.py", "arq_jobs.py", "queue_web.py", "celery_retries.py",
    "rq_retries.py",
)  # fmt: skip
CODE = [code for language, code in FENCES if language == "python"]
FILES = {code.partition("\n")[0].removeprefix("# "): code for code in CODE if re.match(r"# \w+\.py\n", code)}
SNIPPETS = [code for code in CODE if code not in [FILES[name] for name in WORKERS]]


def environment(server: tuple[int, int]) -> dict[str, str]:
    return {
        **os.environ, "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{server[0]}", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def run(code: str, folder: Path, *arguments: str, env: dict[str, str]) -> str:
    """Run the snippet as a program. Returns its output."""
    file = folder / "snippet.py"
    file.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(file), *arguments], cwd=folder, env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "never" not in done.stderr, done.stderr
    return done.stdout


@contextmanager
def serving(folder: Path, target: str, env: dict[str, str]) -> Iterator[httpx.Client]:
    """Serve the snippet with uvicorn, and give a client for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            end = time.monotonic() + 20
            while True:
                try:
                    client.get("/openapi.json")
                    break
                except httpx.ConnectError:
                    assert server.poll() is None and time.monotonic() < end, server.communicate(timeout=5)
                    time.sleep(0.02)
            yield client
    finally:
        server.terminate()
        _, said = server.communicate(timeout=20)
    assert "Traceback" not in said, said


def data(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_every_python_snippet_runs(number: int, tmp_path: Path, server: tuple[int, int]) -> None:
    run(SNIPPETS[number], tmp_path, str(uuid.uuid4()), env=environment(server))


def test_snippets_print_what_their_comments_say(tmp_path: Path, server: tuple[int, int]) -> None:
    (emitter,) = (code for code in SNIPPETS if "pop_result" in code)
    assert run(emitter, tmp_path, env=environment(server)).split("\n")[:3] == ["True", "False", "{'pages': 3}"]
    (following,) = (code for code in SNIPPETS if "follow(log, after=1)" in code)
    said = run(following, tmp_path, env=environment(server)).splitlines()
    assert len(said) == 2 and "'two'" in said[0] and "'done'" in said[1]


def test_the_store_is_switched_by_the_environment(tmp_path: Path, server: tuple[int, int]) -> None:
    (switch,) = (code for code in SNIPPETS if "USE_DYNAMO" in code and "degraded" in code)
    for use in ("", "1"):
        assert run(switch, tmp_path, env={**environment(server), "USE_DYNAMO": use}) == "None\n"


def test_the_retries_of_a_task_are_attempts_of_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery itself is not needed: what it does with a task that fails is simulated."""

    class Celery:
        def __init__(self, broker: str) -> None: ...

        def task(self, max_retries: int, **options: Any) -> Callable[[Callable[..., None]], Callable[[str], None]]:
            def decorate(work: Callable[..., None]) -> Callable[[str], None]:
                def call(job_id: str) -> None:
                    for retry in range(max_retries + 1):
                        task = SimpleNamespace(request=SimpleNamespace(retries=retry), max_retries=max_retries)
                        try:
                            return work(task, job_id)
                        except ConnectionError:
                            assert retry < max_retries and options["autoretry_for"] == (Exception,)
                            assert options["dont_autoretry_for"] == (JobCancelled,)

                return call

            return decorate

    def fetch(page: int) -> None:
        calls.append(page)
        if len(calls) in (3, 4):
            raise ConnectionError(f"page {page}")

    calls: list[int] = []
    monkeypatch.chdir(tmp_path)
    retries, celery, tasks = ModuleType("retries"), ModuleType("celery"), ModuleType("celery_retries")
    exec(FILES["retries.py"], vars(retries))  # it is the README's
    vars(retries)["fetch"] = fetch
    vars(celery)["Celery"] = Celery
    monkeypatch.setitem(sys.modules, "retries", retries)
    monkeypatch.setitem(sys.modules, "celery", celery)
    exec(FILES["celery_retries.py"], vars(tasks))
    vars(tasks)["work"]("task")
    store = FileStore(tmp_path / "logs")
    events = asyncio.run(collect(store, "task", timeout=20))
    store.close()
    told = [event.get("message", event["event"]) for event in events if event["event"] != "checkpoint"]
    assert told == [
        "Page 1 of 5", "Page 2 of 5", "ConnectionError: page 3", "attempt", "ConnectionError: page 3", "attempt",
        "Page 3 of 5", "Page 4 of 5", "Page 5 of 5", "done",
    ]  # fmt: skip
    assert calls == [1, 2, 3, 3, 3, 4, 5], "each attempt began with the checkpoint"


def test_the_quick_start_streams_a_job_live(tmp_path: Path, server: tuple[int, int]) -> None:
    (tmp_path / "main.py").write_text(FILES["main.py"], encoding="utf-8")
    with serving(tmp_path, "main:app", environment(server)) as client:
        job_id = client.post("/jobs").json()["job_id"]
        arrived: list[float] = []
        lines: list[str] = []
        with client.stream("GET", f"/log/{job_id}/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                lines.append(line)
                if line.startswith("data:"):
                    arrived.append(time.monotonic())
        got = data("\n".join(lines))
        texts = [*(f"Step {n} of 5" for n in range(1, 6)), "All done"]
        assert [event.get("message") for event in got] == [*texts, None]
        assert got[-1]["status"] == "completed" and got[-2]["level"] == "success"
        assert arrived[4] - arrived[0] > 0.5  # live, not all at the end
        assert lines[:3] == ["retry: 3000", ": ok", ""]
        snapshot = client.get(f"/log/{job_id}", params={"after": 5}).json()
        assert snapshot == {"logs": got[5:], "next": 7, "closed": True}
        assert client.get(f"/job/{job_id}/result").json() == {"steps": 5}
        other = client.post("/jobs").json()["job_id"]
        assert client.post(f"/job/{other}/cancel").json() == {"cancelled": other}
        assert data(client.get(f"/job/{other}/stream").text)[-1]["status"] == "cancelled"
        assert client.get("/log/unknown").json() == {"error": "not found"}


def test_a_job_of_another_process_is_streamed(tmp_path: Path, server: tuple[int, int]) -> None:
    for name in ("web.py", "worker.py"):
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    with serving(tmp_path, "web:app", environment(server)) as client:
        job_id = client.post("/jobs").json()["job_id"]
        end = time.monotonic() + 30
        while (answer := client.get(f"/log/{job_id}/stream")).status_code == 404:
            assert time.monotonic() < end, "the worker's job never showed"
            time.sleep(0.05)
        assert [event.get("message") for event in data(answer.text)] == ["Crunching", "Crunched", None]


def test_each_chat_turn_has_its_log_and_a_repeated_turn_is_a_conflict(tmp_path: Path, server: tuple[int, int]) -> None:
    (tmp_path / "chat.py").write_text(FILES["chat.py"], encoding="utf-8")
    with serving(tmp_path, "chat:app", environment(server)) as client:
        for turn, text in enumerate(("Hello", "Again"), 1):
            job_id = client.post(f"/chats/c1/turns/{turn}", params={"text": text}).json()["job_id"]
            words = [event.get("text") for event in data(client.get(f"/log/{job_id}/stream").text)]
            assert (job_id, words) == (f"c1-{turn}", ["You", "said:", text, None])
        twice = client.post("/chats/c1/turns/2", params={"text": "Again"})
        assert twice.status_code == 409
        assert "'c1-2' is in use" in twice.json()["error"] and "f'{chat_id}-{turn}'" in twice.json()["error"]


AFTERWARDS = """
import asyncio, warnings
from streamator import open_store
from streamator.testing import collect
print(asyncio.run(collect(open_store(), job.job_id))[0])
warnings.simplefilter("always")
current_job.set(job)
logging.getLogger("some.library").warning("after the end")
print("well")
"""


def test_the_logging_handler_works_and_survives_the_jobs_end(tmp_path: Path, server: tuple[int, int]) -> None:
    (handler,) = (code for code in SNIPPETS if "class JobHandler" in code)
    entry, well = run(handler + AFTERWARDS, tmp_path, env=environment(server)).splitlines()
    assert "'Slow answer from example.com', 'level': 'warning'" in entry and well == "well"


def test_an_endpoint_streams_its_own_job_with_named_events(tmp_path: Path, server: tuple[int, int]) -> None:
    (endpoint,) = (code for code in SNIPPETS if "/summaries" in code)
    (tmp_path / "endpoint.py").write_text(endpoint, encoding="utf-8")
    with serving(tmp_path, "endpoint:app", environment(server)) as client:
        text = client.post("/summaries").text
        assert re.findall("^event: (.*)$", text, re.MULTILINE) == ["progress", "done"]
        assert data(text)[0]["percent"] == 50


def test_the_test_example_passes(tmp_path: Path) -> None:
    for name in ("conftest.py", "test_jobs.py"):
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    options = ["-v", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, "test_jobs.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") > 15 and "test_convert_logs_its_step PASSED" in done.stdout


def test_the_wire_example_is_a_valid_stream() -> None:
    (shown,) = (code for language, code in FENCES if not language)
    opening, rest = shown.split("\n\n", 1)
    assert opening + "\n\n" == sse.OPENING.decode()
    assert wire.HEARTBEAT.decode() in rest
    assert [event["event"] for event in data(rest)] == ["log", "page_loaded", "done"]
    assert [list(event)[-1] for event in data(rest)] == ["t"] * 3
    assert re.findall("^id: (.*)$", rest, re.MULTILINE) == ["1", "2", "3"]


def test_the_extras_exist() -> None:
    project = (FOLDER / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"libs/streamator\[([a-z,]+)\]", README))
    alone = {"fastapi", "dynamo", "redis", "flask", "django", "compress", "metrics", "otel"}
    assert extras == {*alone, "fastapi,dynamo,redis"}
    for name in {name for group in extras for name in group.split(",")}:
        assert re.search(rf"^{name} = \[", project, re.MULTILINE), name


def test_the_linked_examples_exist() -> None:
    named = set(re.findall(r"/libs/streamator/examples/(\w+\.py)\)", README))
    assert named == {path.name for path in (FOLDER / "examples").glob("*.py")}


def test_the_numbers_match_the_code() -> None:
    memory = MemoryStore.__init__.__kwdefaults__
    dynamo = inspect.getattr_static(DynamoStore.__mro__[1], "__init__").__kwdefaults__
    assert memory is not None and dynamo is not None
    assert memory["max_jobs"] == 10_000 and memory["maxlen"] == 1_000_000 and memory["pace"] == 0.005
    assert f"| {memory['max_jobs']:,}; then" in README and f"| {memory['maxlen']:,}; then" in README
    assert f"| {events.MAX_TEXT:,} characters" in README and f"| {events.MAX_EVENT:,} characters" in README
    assert f"more than {websocket.MAX_MESSAGE:,} characters" in README
    codes = {code for name, code in vars(websocket).items() if name.isupper() and isinstance(code, int)}
    stated = {int(code) for code in re.findall(r"^\| (1\d\d\d|4\d\d\d) \|", README, re.MULTILINE)}
    assert stated == codes - {websocket.MAX_MESSAGE}
    assert f"after {viewer.SEND_TIMEOUT_SECONDS:g} seconds it is given up" in README
    assert f"one thread writes every {dynamo['flush_seconds']:g} seconds" in " ".join(README.split())
    assert f"returns within {dynamo['close_seconds']:g} seconds" in README
    assert f"within {2 * dynamo['lease_seconds']:g} seconds; if it was only asleep" in README
    assert f"| {dynamo['max_mirrors']:,} | `max_mirrors` |" in README
    assert f"past {deadletter.MAX_BYTES / 2**20:g} MiB no more are taken" in README
    assert f"`--timeout`, {deadletter.REPLAY_SECONDS:g} seconds a job" in README
    assert f"| `url` | `{DEFAULT_URL}` |" in README
    for name, default in (RedisStore.__init__.__kwdefaults__ or {}).items():
        assert f"| `{name}` | {f'`{default}`' if isinstance(default, str) else f'{default:g}'} |" in README


def test_each_guarantee_names_an_existing_test() -> None:
    (table,) = re.findall(r"^## Guarantees\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(test_\w+)`", table))
    files = [*(FOLDER / "tests").glob("*.py"), *(FOLDER / "src" / "streamator" / "testing").glob("*.py")]
    there = set(re.findall(r"def (test_\w+)\(", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    assert len(named) > 15 and named <= there, named - there
    for row in re.findall(r"^\| \*\*.*\n(.*)$", table, re.MULTILINE):  # the row below each guarantee names its tests
        assert row.startswith(("| | `test_", "| | | `test_")), row
