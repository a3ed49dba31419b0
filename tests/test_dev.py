"""`scripts/dev.py` on the baked project: it starts all, keeps all together, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bake import REPOSITORY, TEMPLATE, bake
from conftest import install_packages

PATIENCE_S = 60.0  # a cold start on a slow, busy machine


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Gives the condition's first true value; fails the test when there is none in time."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")


def descendants(root: int) -> set[int]:
    """Gives the ids of the process and of all that came from it and still runs."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    parents = {}
    for line in listing.splitlines():
        pid, parent, state = line.split()
        if not state.startswith("Z"):
            parents[int(pid)] = int(parent)
    found = {root} & set(parents)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Gives those of the processes that still run."""
    listing = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    running = {int(pid) for pid, state in map(str.split, listing.splitlines()) if not state.startswith("Z")}
    return pids & running


def get(url: str) -> Any:
    """Gives the JSON at the address."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baked project that uses what `make setup` has installed here: nothing is downloaded for it."""
    folder = bake(template, tmp_path_factory.mktemp("dev"))
    install_packages(folder)
    return folder


class Supervisor:
    """A running dev.py, with free ports unless told otherwise."""

    def __init__(
        self, project: Path, folder: Path, *options: str, through_parent: bool = False, **variables: str
    ) -> None:
        self.state_file = folder / "stack.json"
        self.output = folder / "output.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment["PYTHONPATH"] = f"{project / 'backend'}:{project / 'libs' / 'streamator' / 'src'}"
        environment.update(BACKEND_PORT="0", FRONTEND_PORT="0", DATA_DIR=str(folder / "data"))
        environment.update(variables)
        command = [sys.executable, "scripts/dev.py", "--state-file", str(self.state_file), *options]
        if through_parent:  # as make does: a process that only waits for it
            waiting = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
            command = [sys.executable, "-c", waiting, *command]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=project, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def text(self) -> str:
        """All output so far."""
        return self.output.read_text(errors="replace")

    def state(self) -> dict[str, Any]:
        """What the state file says now; empty when there is none."""
        try:
            return dict(json.loads(self.state_file.read_text()))
        except FileNotFoundError:
            return {}

    def wait_until_ready(self) -> dict[str, Any]:
        """Gives the state once all answers."""
        wait_for(lambda: self.state().get("ready") or self.process.poll() is not None, "the stack")
        assert self.process.poll() is None, self.text
        return self.state()

    def wait_until_ended(self) -> int:
        """Gives the exit code."""
        return self.process.wait(PATIENCE_S)


Start = Callable[..., Supervisor]


@pytest.fixture
def start(project: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts supervisors, and ends at teardown what a failed test has left."""
    started: list[Supervisor] = []

    def start_one(*options: str, through_parent: bool = False, **variables: str) -> Supervisor:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Supervisor(project, folder, *options, through_parent=through_parent, **variables))
        return started[-1]

    yield start_one
    for supervisor in started:
        if supervisor.process.poll() is None:
            supervisor.process.terminate()
            supervisor.process.wait(PATIENCE_S)


def test_all_answers_when_the_address_is_printed_and_ctrl_c_leaves_nothing(start: Start) -> None:
    supervisor = start()
    state = supervisor.wait_until_ready()
    wait_for(lambda: "Ctrl-C stops everything" in supervisor.text, "the announcement")
    page, backend = state["frontend"]["url"], state["backend"]["url"]
    assert page in supervisor.text
    assert get(f"{backend}/healthz")["store"]["name"] == "memory"
    assert get(f"{page}/api/config")["project_name"] == "Streamator App"  # through Vite's proxy
    family = descendants(supervisor.process.pid)
    assert {state["backend"]["pid"], state["frontend"]["pid"]} < family
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()
    assert not supervisor.state_file.exists()

    again = start(BACKEND_PORT=str(state["backend"]["port"]), FRONTEND_PORT=str(state["frontend"]["port"]))
    assert again.wait_until_ready()["backend"]["port"] == state["backend"]["port"]


def test_a_viewer_does_not_hold_up_the_end(start: Start) -> None:
    supervisor = start("--no-frontend")
    state = supervisor.wait_until_ready()
    with socket.create_connection(("127.0.0.1", state["backend"]["port"]), timeout=PATIENCE_S) as viewer:
        viewer.sendall(b"GET /api/config HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert viewer.recv(1000).startswith(b"HTTP/1.1 200")
        family = descendants(supervisor.process.pid)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.wait_until_ended() == 0
        assert alive(family) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(start: Start, number: signal.Signals) -> None:
    supervisor = start("--no-frontend")
    supervisor.wait_until_ready()
    family = descendants(supervisor.process.pid)
    supervisor.process.send_signal(number)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()
    assert number.name in supervisor.text


def test_a_signal_in_the_middle_of_the_start_ends_everything(start: Start) -> None:
    supervisor = start()
    wait_for(lambda: supervisor.state().get("frontend"), "the first children")
    family = descendants(supervisor.process.pid)
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()


def test_nothing_is_orphaned_when_the_supervisor_itself_is_killed(start: Start) -> None:
    supervisor = start()
    supervisor.wait_until_ready()
    family = descendants(supervisor.process.pid)
    assert len(family) > 3
    supervisor.process.kill()
    supervisor.wait_until_ended()
    wait_for(lambda: not alive(family), "the end of all children")


def test_it_ends_when_the_make_that_started_it_is_killed(start: Start) -> None:
    supervisor = start("--no-frontend", "--with-parent", through_parent=True)
    state = wait_for(lambda: supervisor.state().get("ready") and supervisor.state(), "the stack")
    family = descendants(supervisor.process.pid)
    assert state["pid"] in family - {supervisor.process.pid}
    supervisor.process.kill()
    wait_for(lambda: not alive(family), "the end of all children")


@pytest.mark.parametrize(("part", "name"), [("backend", "backend"), ("frontend", "page")])
def test_a_child_that_dies_takes_the_rest_down(start: Start, part: str, name: str) -> None:
    supervisor = start("--no-reload")
    state = supervisor.wait_until_ready()
    family = descendants(supervisor.process.pid)
    os.kill(state[part]["pid"], signal.SIGKILL)
    assert supervisor.wait_until_ended() == 1
    assert alive(family) == set()
    assert f"the {name} was killed by SIGKILL" in supervisor.text


@pytest.mark.parametrize("name", ["BACKEND_PORT", "FRONTEND_PORT"])
def test_a_busy_port_is_an_error_before_anything_starts(start: Start, name: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        supervisor = start(**{name: port})
        assert supervisor.wait_until_ended() == 2
    lines = supervisor.text.splitlines()
    assert len(lines) == 1, lines
    assert port in lines[0]
    assert f"{name}=" in lines[0]


def test_a_setting_that_is_no_port_is_a_clear_error(start: Start) -> None:
    supervisor = start(BACKEND_PORT="http")
    assert supervisor.wait_until_ended() == 2
    assert "BACKEND_PORT is 'http': not a port" in supervisor.text


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_the_backend_is_restarted_on_a_signal_and_the_rest_stays(start: Start, number: signal.Signals) -> None:
    supervisor = start("--no-reload", "--restart-delay", "0.2")
    before = supervisor.wait_until_ready()
    supervisor.process.send_signal(number)
    wait_for(lambda: supervisor.state()["backend"]["starts"] == 2, "the second start")
    wait_for(lambda: supervisor.state()["backend"]["ready"], "the backend")
    after = supervisor.state()
    assert after["backend"]["pid"] != before["backend"]["pid"]
    assert after["backend"]["port"] == before["backend"]["port"]
    assert after["frontend"] == before["frontend"]
    assert get(f"{after['backend']['url']}/healthz")["status"] == "ok"


def test_a_signal_during_a_restart_still_ends_everything(start: Start) -> None:
    supervisor = start("--no-frontend", "--restart-delay", "30")
    supervisor.wait_until_ready()
    supervisor.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: not supervisor.state()["backend"]["ready"], "the restart")
    supervisor.process.send_signal(signal.SIGTERM)
    assert supervisor.wait_until_ended() == 0


def test_dynamo_brings_a_database_of_its_own(start: Start) -> None:
    supervisor = start("--store", "dynamo", "--dynamo", "local", "--no-frontend")
    state = supervisor.wait_until_ready()
    wait_for(lambda: state["dynamo"]["url"] in supervisor.text, "the announcement")
    assert get(f"{state['backend']['url']}/healthz")["store"] == {"name": "dynamo", "degraded": None}
    family = descendants(supervisor.process.pid)
    assert state["dynamo"]["pid"] in family
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()


def test_redis_brings_a_server_of_its_own(start: Start) -> None:
    supervisor = start("--store", "redis", "--redis", "local", "--no-frontend")
    state = supervisor.wait_until_ready()
    wait_for(lambda: state["redis"]["url"] in supervisor.text, "the announcement")
    assert get(f"{state['backend']['url']}/healthz")["store"] == {"name": "redis", "degraded": None}
    family = descendants(supervisor.process.pid)
    assert state["redis"]["pid"] in family
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()


def test_with_workers_one_is_started_and_known_to_the_backend(start: Start) -> None:
    supervisor = start("--store", "redis", "--redis", "local", "--no-frontend", WORKERS="redis")
    backend = supervisor.wait_until_ready()["backend"]["url"]
    wait_for(lambda: get(f"{backend}/healthz")["jobs"] == {"workers": "redis", "running": 0, "degraded": None}, "it")
    family = descendants(supervisor.process.pid)
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.wait_until_ended() == 0
    assert alive(family) == set()


def test_workers_and_a_store_that_is_one_servers_is_a_clear_error(start: Start) -> None:
    supervisor = start(WORKERS="redis")
    assert supervisor.wait_until_ended() == 2
    assert "Set STREAMATOR_STORE to redis or dynamo." in supervisor.text


def test_a_redis_that_is_not_there_is_an_error_that_says_what_to_do(start: Start) -> None:
    supervisor = start("--store", "redis", "--redis", "local", "--no-frontend", REDIS_SERVER="/nowhere/redis")
    assert supervisor.wait_until_ended() == 2
    assert "REDIS_SERVER is '/nowhere/redis'" in supervisor.text


def test_a_command_runs_beside_the_stack_and_gives_the_exit_code(start: Start, tmp_path: Path) -> None:
    script = (
        "import json, os, sys, urllib.request as r;"
        "print(r.urlopen(os.environ['E2E_BACKEND_URL'] + '/healthz').status, os.environ['E2E_STORE']);"
        "json.load(open(os.environ['E2E_STATE_FILE']));"
        "sys.exit(7)"
    )
    supervisor = start("--no-frontend", "--log", str(tmp_path / "log.txt"), "--", sys.executable, "-c", script)
    assert supervisor.wait_until_ended() == 7
    assert "200 memory" in supervisor.text
    assert "Uvicorn running" in (tmp_path / "log.txt").read_text()
    assert "Uvicorn running" not in supervisor.text


def test_a_backend_that_cannot_start_shows_its_last_words(start: Start, tmp_path: Path) -> None:
    supervisor = start("--no-reload", "--log", str(tmp_path / "log.txt"), "--", "true", MAX_RUNNING_JOBS="none")
    assert supervisor.wait_until_ended() == 1
    assert "MAX_RUNNING_JOBS" in supervisor.text
    assert "the backend ended with exit code" in supervisor.text


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    """The supervisor as a module."""
    spec = importlib.util.spec_from_file_location("dev", REPOSITORY / TEMPLATE / "scripts" / "dev.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dev"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, None),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, None),
        (
            {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"},
            "http://127.0.0.1:1 (AWS_ENDPOINT_URL_DYNAMODB)",
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1 (AWS_ENDPOINT_URL)"),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, "AWS itself, since AWS_ACCESS_KEY_ID is set"),
        ({"AWS_PROFILE": "work"}, "AWS itself, since AWS_PROFILE is set"),
    ],
)
def test_a_configured_database_is_used(dev: ModuleType, environment: dict[str, str], says: str | None) -> None:
    found = dev.configured_dynamo(environment)
    assert found is None if says is None else says in found


@pytest.mark.parametrize("name", ["STREAMATOR_REDIS_URL", "REDIS_URL"])
def test_a_configured_redis_is_used_and_its_password_is_not_shown(dev: ModuleType, name: str) -> None:
    assert dev.configured_redis({}) is None
    assert dev.configured_redis({name: "redis://me:secret@cache:6379/0"}) == f"the one at redis://cache:6379/0 ({name})"


def test_credentials_on_disk_count_and_a_bare_region_does_not(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-central-1\n")
    assert dev.configured_dynamo({}) is None
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIA\n")
    assert str(tmp_path / ".aws" / "credentials") in dev.configured_dynamo({})
    (tmp_path / ".aws" / "credentials").unlink()
    (tmp_path / ".aws" / "config").write_text("[default]\nsso_session = work\n")
    assert str(tmp_path / ".aws" / "config") in dev.configured_dynamo({})


def test_the_env_file_is_read_as_it_is_written(dev: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# c\nA=1\nexport B = two words # c\nC='a # b'\nD=\"q\" # c\nE=\nF=a#b\nnonsense\n#G=1\n")
    assert dev.read_env_file(path) == {
        "A": "1",
        "B": "two words",
        "C": "a # b",
        "D": "q",
        "E": "",
        "F": "a#b",
    }
    assert dev.read_env_file(tmp_path / "missing") == {}
