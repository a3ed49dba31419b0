"""Starts the whole project, keeps it together, and stops all of it: the supervisor behind `make dev`.

    python scripts/dev.py                          # what `make dev` runs
    python scripts/dev.py --store dynamo           # with a local DynamoDB, unless one is configured
    python scripts/dev.py --store redis            # with a local Redis, unless STREAMATOR_REDIS_URL or REDIS_URL is set
    WORKERS=redis python scripts/dev.py --store dynamo   # with a worker too, and a Redis for the queue
    python scripts/dev.py --backend-port 0 --frontend-port 0 -- COMMAND ...

Port 0 means any free port. With a COMMAND the stack is started, COMMAND runs once all of it answers, the
stack is stopped, and COMMAND's exit code is this one's. COMMAND finds the stack by its environment:
E2E_BASE_URL (the page), E2E_BACKEND_URL, E2E_STORE, and E2E_STATE_FILE when --state-file was given.

The guarantees:

- Each child runs in a session of its own. SIGINT (Ctrl-C), SIGTERM and SIGHUP end all of them: SIGTERM to the
  group, a bounded wait, SIGKILL to the group. The local DynamoDB or Redis goes last, so that the backend can
  still flush. A second signal cuts the waits short.
- Nothing is left over even when this process is killed with SIGKILL: a small guard process holds the other
  end of a pipe, sees it close, and ends the groups.
- A child that dies unasked takes the rest down, with a line that names it and a nonzero exit code.
- A busy port is an error before anything is started.

Control from outside (the end-to-end tests use it): --state-file FILE keeps

    {"pid": ..., "store": "memory", "ready": true,
     "backend": {"pid": ..., "port": ..., "url": "http://...", "starts": 1, "ready": true},
     "frontend": {"pid": ..., "port": ..., "url": "http://..."}, "dynamo": {"pid", "port", "url"} or null,
     "redis": {"pid", "port", "url"} or null}

replaced in one step at each change and removed at the end. Signals to `pid`: SIGUSR1 restarts the backend
gracefully, SIGUSR2 kills it (-9) and starts it again; both leave it down for --restart-delay seconds in
between. `backend.ready` turns false when the signal is taken; the restart is over when `starts` has grown and
`ready` is true.

Settings come from the environment, then from .env in the project's root, then from backend/app/project.py.
Only the standard library is used.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
READY_TIMEOUT_S = 120.0  # until a child answers; a cold first start on a slow machine takes tens of seconds
STOP_TIMEOUT_S = 8.0  # from SIGTERM to SIGKILL
RESTARTS = (signal.SIGUSR1, signal.SIGUSR2)
COLOURS = {"backend": "36", "worker": "34", "page": "35", "dynamo": "33", "redis": "33", "dev": "1"}

# Each request to the local DynamoDB is a line of its access log, several a second: drop those that succeeded.
BORING = {"dynamo": re.compile(rb'"(GET|POST|HEAD|PUT|PATCH) \S+ HTTP/1\.[01]" 200')}

# The guard reads "+PGID" and "-PGID" lines and ends the groups still listed when the pipe closes.
GUARD = """
import os, signal, sys, time
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
def send(number):
    for group in list(groups):
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            groups.discard(group)
send(signal.SIGTERM)
deadline = time.monotonic() + 5
while groups and time.monotonic() < deadline:
    time.sleep(0.1)
    send(0)
send(signal.SIGKILL)
"""


class Stop(Exception):
    """The stack has to end now: carries the exit code and, for a failure, the line that says why."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(message or "")
        self.code = code
        self.message = message


class Console:
    """Writes lines with a short coloured name in front; safe from any thread; never raises.

    Output goes to stdout, or to `log` if given. Lines of this supervisor itself ("dev") always reach stdout.
    A terminal that has gone away must not stop the children's pipes from being drained: writing is then given
    up.
    """

    def __init__(self, log: IO[bytes] | None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def write(self, name: str, line: bytes) -> None:
        """Writes one line of the child `name`."""
        label = f"{name:<7} | "
        to_log = self._log is not None and name != "dev"
        if self._colour and not to_log:
            label = f"\033[{COLOURS.get(name, '1')}m{label}\033[0m"
        with self._lock:
            try:
                stream = self._log if to_log and self._log is not None else sys.stdout.buffer
                stream.write(label.encode() + line.rstrip(b"\r\n") + b"\n")
                stream.flush()
            except (OSError, ValueError):
                pass  # the terminal or the file is gone; there is nowhere left to say so

    def say(self, text: str) -> None:
        """Writes a line of the supervisor's own."""
        for line in text.splitlines() or [""]:
            self.write("dev", line.encode("utf-8", "backslashreplace"))


@dataclass
class Child:
    """One process that runs, in a session and group of its own (so the group's id is the process's)."""

    name: str
    process: subprocess.Popen[bytes]
    expected_to_end: bool = False
    tail: list[bytes] = field(default_factory=list)

    def signal_group(self, number: int) -> bool:
        """Sends a signal to all processes of the group; False when none is left."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS: PermissionError for a group of zombies
            return False
        return True


@dataclass(frozen=True)
class Settings:
    """What is to be started. Ports are real numbers here: 0 has been resolved."""

    project_name: str
    store: str
    workers: str
    host: str
    backend_port: int
    frontend_port: int
    dynamo: str  # "none", "local", or a sentence that says which configured one is used
    dynamo_port: int
    redis: str  # "none", "local", or a sentence that says which configured one is used
    redis_port: int
    reload: bool
    frontend: bool
    built: bool
    data_dir: str | None
    restart_delay: float

    @property
    def backend_url(self) -> str:
        """Where the backend answers, as seen from this machine."""
        return f"http://{LOOPBACK if self.host == '0.0.0.0' else self.host}:{self.backend_port}"

    @property
    def frontend_url(self) -> str:
        """Where Vite answers."""
        return f"http://{LOOPBACK}:{self.frontend_port}"

    @property
    def dynamo_url(self) -> str:
        """Where the local DynamoDB answers."""
        return f"http://{LOOPBACK}:{self.dynamo_port}"

    @property
    def redis_url(self) -> str:
        """Where the local Redis answers."""
        return f"redis://{LOOPBACK}:{self.redis_port}/0"


def read_env_file(path: Path) -> dict[str, str]:
    """Gives the NAME=value lines of a .env file; a missing file is empty.

    Comments, blank lines, `export ` and one pair of quotes around a value are understood; nothing is
    expanded.
    """
    values: dict[str, str] = {}
    if not path.is_file():
        return values
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", line)
        if not match:
            continue
        name, value = match.groups()
        if value[:1] in ("'", '"'):
            end = value.find(value[0], 1)
            value = value[1:end] if end > 0 else value[1:]
        else:
            value = re.sub(r"(^|\s+)#.*", "", value)
        values[name] = value
    return values


def project_defaults() -> Mapping[str, Any]:
    """Gives the constants of backend/app/project.py (PROJECT_NAME, DEFAULT_STORE, BACKEND_PORT, ...)."""
    path = ROOT / "backend" / "app" / "project.py"
    spec = importlib.util.spec_from_file_location("project", path)
    assert spec is not None and spec.loader is not None  # the path ends in .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def configured_dynamo(environment: Mapping[str, str]) -> str | None:
    """Gives which DynamoDB the environment already points to, as words, or None.

    An endpoint or credentials count; a region alone does not.
    """
    for name in ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"):
        if environment.get(name):
            return f"the one at {environment[name]} ({name})"
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ):
        if environment.get(name):
            return f"AWS itself, since {name} is set"
    aws = Path.home() / ".aws"
    credentials = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or aws / "credentials").expanduser()
    if credentials.is_file():
        return f"AWS itself, with the credentials in {credentials}"
    config = Path(environment.get("AWS_CONFIG_FILE") or aws / "config").expanduser()
    if config.is_file() and re.search(
        r"^\s*(sso_|credential_process|role_arn|aws_access_key_id|login_session)",
        config.read_text(errors="replace"),
        re.MULTILINE,
    ):
        return f"AWS itself, with the sign-in configured in {config}"
    return None


def configured_redis(environment: Mapping[str, str]) -> str | None:
    """Gives which Redis the environment already points to, as words without a password, or None."""
    for name in ("STREAMATOR_REDIS_URL", "REDIS_URL"):
        if environment.get(name):
            return f"the one at {re.sub('//[^/]*@', '//', environment[name])} ({name})"
    return None


def free_port() -> int:
    """Gives a port of the loopback interface that nothing listens on now.

    From below the range that systems give to outgoing connections: while the backend is down for a restart,
    such a connection could otherwise take its port, or even connect to itself.
    """
    while True:
        port = random.randrange(20000, 32000)
        if not is_busy(LOOPBACK, port):
            return port


def is_busy(host: str, port: int) -> bool:
    """Tells whether something listens on the port already.

    Asked twice: by connecting, since macOS lets a second socket bind beside one on 0.0.0.0, and by binding,
    since a listener may be full or refuse.
    """
    try:
        with socket.create_connection((LOOPBACK if host == "0.0.0.0" else host, port), timeout=1):
            return True
    except OSError:
        pass
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def parse_port(name: str, value: object) -> int:
    """Gives the port, or ends the program with a line that names the setting."""
    try:
        port = int(str(value))
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        fail(f"{name} is {value!r}: not a port. Set it to a number from 1024 to 65535, or 0 for any free one.")
    return port or free_port()


def fail(message: str) -> NoReturn:
    """Ends the program before anything was started."""
    print(f"dev: {message}", file=sys.stderr)
    sys.exit(2)


def parse_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Gives the options, and the command after `--` (empty: serve until a signal)."""
    options, command = list(arguments), []
    if "--" in options:
        cut = options.index("--")
        options, command = options[:cut], options[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Start the backend, the page and, for its store, a local DynamoDB or Redis; stop them all.",
        epilog="With `-- COMMAND ...`: run COMMAND once all of it answers, then stop. See the top of dev.py.",
    )
    parser.add_argument(
        "--store", choices=["memory", "dynamo", "redis"], help="default: STREAMATOR_STORE, else the project's own"
    )
    parser.add_argument("--backend-port", help="default: BACKEND_PORT, else the project's own; 0: any free one")
    parser.add_argument("--frontend-port", help="default: FRONTEND_PORT, else the project's own; 0: any free one")
    parser.add_argument("--dynamo-port", help="of the local DynamoDB; default: DYNAMODB_PORT, else any free one")
    parser.add_argument(
        "--dynamo",
        choices=["auto", "local"],
        default="auto",
        help="auto (default): a local one unless an endpoint or credentials are configured; local: always",
    )
    parser.add_argument("--redis-port", help="of the local Redis; default: REDIS_PORT, else any free one")
    parser.add_argument(
        "--redis",
        choices=["auto", "local"],
        default="auto",
        help="auto (default): a local one unless STREAMATOR_REDIS_URL or REDIS_URL is set; local: always",
    )
    parser.add_argument("--no-reload", action="store_true", help="do not restart the backend when its code changes")
    parser.add_argument("--no-frontend", action="store_true", help="start no Vite: the backend alone")
    parser.add_argument("--built", action="store_true", help="serve the page that `make build` made, not its sources")
    parser.add_argument("--data-dir", help="where the app keeps its files; default: DATA_DIR, else ./data")
    parser.add_argument("--state-file", help="keep a JSON description of what runs here")
    parser.add_argument("--log", help="write the children's output to this file instead of the terminal")
    parser.add_argument(
        "--restart-delay", type=float, default=0.0, help="seconds down at a restart by signal; default 0"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="stop when the process that started this one is gone"
    )
    return parser.parse_args(options), command


def resolve(options: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Turns options, environment and defaults into settings; ends the program when a port is busy."""
    defaults = project_defaults()

    def pick(option: str | None, name: str, default: object) -> object:
        return option if option is not None else environment.get(name) or default

    store = str(pick(options.store, "STREAMATOR_STORE", defaults["DEFAULT_STORE"]))
    if store not in ("memory", "dynamo", "redis"):
        fail(f"STREAMATOR_STORE is {store!r}: not a store of this project. Set it to memory, dynamo or redis.")
    dynamo = "none"
    if store == "dynamo":
        found = None if options.dynamo == "local" else configured_dynamo(environment)
        dynamo = found or "local"
    workers = str(pick(None, "WORKERS", defaults["DEFAULT_WORKERS"]))
    if workers not in ("inline", "redis"):
        fail(f"WORKERS is {workers!r}: not where jobs can run. Set it to inline or redis.")
    if workers == "redis" and store == "memory":
        fail("WORKERS is 'redis', and the memory store is one server's. Set STREAMATOR_STORE to redis or dynamo.")
    redis = "none"
    if "redis" in (store, workers):
        redis = (None if options.redis == "local" else configured_redis(environment)) or "local"

    settings = Settings(
        project_name=str(defaults["PROJECT_NAME"]),
        store=store,
        workers=workers,
        host=environment.get("BACKEND_HOST") or LOOPBACK,
        backend_port=parse_port("BACKEND_PORT", pick(options.backend_port, "BACKEND_PORT", defaults["BACKEND_PORT"])),
        frontend_port=parse_port(
            "FRONTEND_PORT", pick(options.frontend_port, "FRONTEND_PORT", defaults["FRONTEND_PORT"])
        ),
        dynamo=dynamo,
        dynamo_port=parse_port("DYNAMODB_PORT", pick(options.dynamo_port, "DYNAMODB_PORT", 0)),
        redis=redis,
        redis_port=parse_port("REDIS_PORT", pick(options.redis_port, "REDIS_PORT", 0)),
        reload=not options.no_reload,
        frontend=not options.no_frontend,
        built=options.built,
        data_dir=options.data_dir,
        restart_delay=options.restart_delay,
    )
    wanted = [("backend", "BACKEND_PORT", settings.host, settings.backend_port)]
    if settings.frontend:
        wanted.append(("page (Vite)", "FRONTEND_PORT", LOOPBACK, settings.frontend_port))
    if settings.dynamo == "local":
        wanted.append(("local DynamoDB", "DYNAMODB_PORT", LOOPBACK, settings.dynamo_port))
    if settings.redis == "local":
        wanted.append(("local Redis", "REDIS_PORT", LOOPBACK, settings.redis_port))
    taken: dict[int, str] = {}
    for what, name, host, port in wanted:
        if port in taken:
            fail(f"{name} and {taken[port]} are both {port}. Set one of them to another port.")
        taken[port] = name
        if is_busy(host, port):
            others = {port for _, _, _, port in wanted}
            spare = next((near for near in range(port + 1, 65536) if near not in others), 8080)
            fail(
                f"port {port}, which the {what} needs, is in use by another program. "
                f"Stop that program, or set another port: `{name}={spare} make dev`, or that line in .env."
            )
    return settings


class Stack:
    """The running children and all that happens to them.

    Used from the main thread. Two threads for each child: one passes on its output, one waits for its end.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], console: Console, state_file: Path | None):
        self.settings = settings
        self.console = console
        self.children: dict[str, Child] = {}
        self.stopped_by: int | None = None
        self._environment = self._child_environment(environment)
        self._state_file = state_file
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._guard = subprocess.Popen([sys.executable, "-c", GUARD], stdin=subprocess.PIPE, start_new_session=True)
        self._backend_starts = 0
        self._backend_ready = False
        self._ready = False

    # -- what is started ------------------------------------------------------------------------------------

    def _child_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        settings = self.settings
        result = dict(environment)
        result.update(
            STREAMATOR_STORE=settings.store,
            WORKERS=settings.workers,
            BACKEND_HOST=settings.host,
            BACKEND_PORT=str(settings.backend_port),
            FRONTEND_PORT=str(settings.frontend_port),
            PYTHONUNBUFFERED="1",
        )
        if settings.data_dir:
            result["DATA_DIR"] = settings.data_dir
        if settings.redis == "local":
            result["STREAMATOR_REDIS_URL"] = settings.redis_url
        if settings.dynamo == "local":
            for name in [name for name in result if name.startswith("AWS_")]:
                del result[name]  # a profile or an endpoint from elsewhere must not reach past the local one
            result.update(
                AWS_ENDPOINT_URL_DYNAMODB=settings.dynamo_url,
                AWS_ACCESS_KEY_ID="local",
                AWS_SECRET_ACCESS_KEY="local",
                AWS_DEFAULT_REGION="us-east-1",
                AWS_EC2_METADATA_DISABLED="true",
            )
        elif settings.dynamo != "none" and not result.get("AWS_DEFAULT_REGION") and result.get("AWS_REGION"):
            result["AWS_DEFAULT_REGION"] = result["AWS_REGION"]
        return result

    def start_dynamo(self) -> None:
        """Starts a local DynamoDB (moto's server: in memory, empty at each start)."""
        server = shutil.which("moto_server", path=str(Path(sys.executable).parent)) or shutil.which("moto_server")
        if server is None:
            raise Stop(2, "moto_server is not installed beside this Python. Run `make setup` first.")
        self._start("dynamo", [server, "-H", LOOPBACK, "-p", str(self.settings.dynamo_port)], ROOT)

    def start_redis(self) -> None:
        """Starts a local Redis, in memory and empty at each start."""
        finder = [sys.executable, str(ROOT / "scripts" / "redis_server.py")]
        found = subprocess.run(finder, capture_output=True, text=True, check=False)
        if found.returncode != 0:
            raise Stop(2, found.stderr.strip().removeprefix("redis: "))
        command = [found.stdout.strip(), "--port", str(self.settings.redis_port), "--bind", LOOPBACK]
        self._start("redis", [*command, "--save", "", "--appendonly", "no", "--loglevel", "warning"], ROOT)

    def wait_until_redis_answers(self) -> None:
        """Returns when it does. Raises Stop on a signal, a death, a timeout."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                with socket.create_connection((LOOPBACK, self.settings.redis_port), timeout=5) as link:
                    link.sendall(b"PING\r\n")
                    if link.recv(7).startswith(b"+PONG"):
                        return
            except OSError:
                pass  # not yet
            if time.monotonic() > deadline:
                raise Stop(1, f"redis did not answer at {self.settings.redis_url} within {READY_TIMEOUT_S:.0f} s.")
            self.next_event(0.05)

    def start_backend(self) -> None:
        """Starts uvicorn."""
        settings = self.settings
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", settings.host]
        command += ["--port", str(settings.backend_port), "--timeout-graceful-shutdown", "5"]
        if settings.reload:
            command += ["--reload", "--reload-dir", "backend/app", "--reload-dir", "libs/streamator/src"]
        self._start("backend", command, ROOT)
        self._backend_starts += 1

    def start_worker(self) -> None:
        """Starts a worker, which takes new code at its next start only: a job under way is not to be broken off."""
        self._start("worker", [sys.executable, "-m", "app.worker"], ROOT)

    def start_frontend(self) -> None:
        """Starts Vite's development server, or the one for a built page, without npm in between: one process less."""
        node = shutil.which("node")
        vite = ROOT / "node_modules" / "vite" / "bin" / "vite.js"
        if node is None or not vite.is_file():
            missing = "node is not on the PATH" if node is None else f"{vite} is missing"
            raise Stop(2, f"{missing}. Run `make setup` first.")
        command = [
            node,
            str(vite),
            *(["preview"] if self.settings.built else []),
            "--host",
            LOOPBACK,
            "--port",
            str(self.settings.frontend_port),
            "--strictPort",
        ]
        self._start("page", command, ROOT / "frontend")

    def _start(self, name: str, command: list[str], folder: Path) -> None:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._tell_guard(f"+{process.pid}")
        child = Child(name, process)
        self.children[name] = child
        pump = threading.Thread(target=self._pump, args=(child,), daemon=True)
        pump.start()
        threading.Thread(target=self._wait, args=(child, pump), daemon=True).start()

    def _pump(self, child: Child) -> None:
        boring = BORING.get(child.name)
        assert child.process.stdout is not None
        for line in child.process.stdout:
            if boring is not None and boring.search(line):
                continue
            child.tail = [*child.tail[-29:], line]
            self.console.write(child.name, line)

    def _wait(self, child: Child, pump: threading.Thread | None = None) -> None:
        child.process.wait()
        if pump is not None:
            pump.join(1.0)  # its last words first; bounded, since a grandchild may hold the pipe open
        self._events.put(("ended", child))

    def _tell_guard(self, line: str) -> None:
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(line.encode() + b"\n")
            self._guard.stdin.flush()
        except OSError:
            pass  # the guard was killed by someone; the stack works without it

    # -- what happens ---------------------------------------------------------------------------------------

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The handler of all signals: only notes it (a SimpleQueue may be put to from a handler)."""
        self._events.put(("signal", number))

    def next_event(self, timeout: float) -> tuple[str, Any] | None:
        """Gives what happened next, or None after `timeout` seconds. Raises Stop for what ends the stack."""
        try:
            kind, what = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if kind == "signal" and what not in RESTARTS:
            self.stopped_by = what
            raise Stop(0)
        if kind == "ended" and not what.expected_to_end:
            code = what.process.returncode
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise Stop(1, f"the {what.name} {how}; stopping the rest. Its last lines are above.")
        return kind, what

    def wait_until_ready(self, url: str, name: str) -> None:
        """Returns when the url answers, with whatever status. Raises Stop on a signal, a death, a timeout."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy to loopback
        last = "no answer"
        while True:
            try:
                with opener.open(url, timeout=5):
                    return
            except urllib.error.HTTPError:
                return  # it is up, and its own log says what is wrong
            except (OSError, ValueError) as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise Stop(1, f"the {name} did not answer at {url} within {READY_TIMEOUT_S:.0f} s ({last}).")
            self.next_event(0.1)

    def start(self) -> None:
        """Starts everything and returns when all of it answers."""
        self.write_state()
        if self.settings.dynamo == "local":
            self.start_dynamo()
            self.wait_until_ready(f"{self.settings.dynamo_url}/moto-api/", "dynamo")
        if self.settings.redis == "local":
            self.start_redis()
            self.wait_until_redis_answers()
        self.start_backend()
        if self.settings.frontend:
            self.start_frontend()
        self.write_state()
        self.wait_until_ready(f"{self.settings.backend_url}/healthz", "backend")
        self._backend_ready = True
        if self.settings.workers == "redis":
            self.start_worker()  # after the backend has brought the database up to date
        if self.settings.frontend:
            self.wait_until_ready(f"{self.settings.frontend_url}/", "page")
        self._ready = True
        self.write_state()

    def restart_backend(self, crash: bool) -> None:
        """Stops the backend (SIGKILL if `crash`), stays down for the delay, starts it on the same port."""
        self._backend_ready = False
        self.write_state()
        self.console.say(f"{'killing' if crash else 'restarting'} the backend, as asked")
        child = self.children["backend"]
        self._end([child], signal.SIGKILL if crash else signal.SIGTERM)
        deadline = time.monotonic() + self.settings.restart_delay
        while (left := deadline - time.monotonic()) > 0:
            self.next_event(left)
        self.start_backend()
        self.write_state()
        self.wait_until_ready(f"{self.settings.backend_url}/healthz", "backend")
        self._backend_ready = True
        self.write_state()
        self.console.say("the backend is back")

    def _end(self, children: list[Child], number: int, patience: float = STOP_TIMEOUT_S) -> None:
        """Ends the children's whole groups: the signal, at most `patience` seconds, SIGKILL."""
        for child in children:
            child.expected_to_end = True
            child.signal_group(number)
        deadline = time.monotonic() + patience
        kept: list[tuple[str, Any]] = []
        hurried = False
        while any(child.process.poll() is None for child in children) and time.monotonic() < deadline and not hurried:
            try:
                event = self._events.get(timeout=0.05)
            except queue.Empty:
                continue
            kept.append(event)
            hurried = event[0] == "signal" and event[1] not in RESTARTS
        for event in kept:  # for next_event(): another child's death, a Ctrl-C in the middle of a restart
            self._events.put(event)
        for child in children:
            child.signal_group(signal.SIGKILL)  # the stragglers, and what a child that ended has left behind
            child.process.wait()
            self._tell_guard(f"-{child.process.pid}")

    def stop(self) -> None:
        """Ends everything, the local DynamoDB or Redis after those who write to it."""
        self._ready = self._backend_ready = False
        first = [child for child in self.children.values() if child.name not in ("dynamo", "redis")]
        last = [child for child in self.children.values() if child.name in ("dynamo", "redis")]
        self._end(first, signal.SIGTERM)
        self._end(last, signal.SIGTERM, patience=2.0)
        if self._guard.stdin is not None:
            try:
                self._guard.stdin.close()
            except OSError:
                pass  # it is gone already
        self._guard.wait()
        if self._state_file is not None:
            self._state_file.unlink(missing_ok=True)

    # -- what is told ---------------------------------------------------------------------------------------

    def write_state(self) -> None:
        """Writes the state file, if one was asked for, in one step."""
        if self._state_file is None:
            return
        settings = self.settings

        def entry(name: str, port: int, url: str, **more: object) -> dict[str, object] | None:
            child = self.children.get(name)
            return {"pid": child.process.pid, "port": port, "url": url, **more} if child else None

        state = {
            "pid": os.getpid(),
            "store": settings.store,
            "ready": self._ready,
            "backend": entry(
                "backend",
                settings.backend_port,
                settings.backend_url,
                starts=self._backend_starts,
                ready=self._backend_ready,
            ),
            "frontend": entry("page", settings.frontend_port, settings.frontend_url),
            "dynamo": entry("dynamo", settings.dynamo_port, settings.dynamo_url),
            "redis": entry("redis", settings.redis_port, settings.redis_url),
        }
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._state_file.with_name(f"{self._state_file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._state_file)

    def describe(self) -> str:
        """Gives the block that says where everything is."""
        settings = self.settings
        lines = ["", f"{settings.project_name} is running on the {settings.store} store", ""]
        if settings.frontend:
            lines.append(f"  open      {settings.frontend_url}")
        lines.append(f"  API       {settings.backend_url}/api/openapi.json")
        if settings.workers == "redis":
            lines.append("  worker    1; `make worker` in another terminal starts one more")
        if settings.dynamo == "local":
            lines.append(f"  DynamoDB  {settings.dynamo_url} (local, in memory: gone when this stops)")
        elif settings.dynamo != "none":
            lines.append(f"  DynamoDB  {settings.dynamo}")
        if settings.redis == "local":
            lines.append(f"  Redis     {settings.redis_url} (local, in memory: gone when this stops)")
        elif settings.redis != "none":
            lines.append(f"  Redis     {settings.redis}")
        return "\n".join([*lines, "", "Ctrl-C stops everything.", ""])

    def serve(self, with_parent: bool) -> None:
        """Runs until a Stop: obeys the restart signals, watches the children and, if asked, the parent."""
        parent = os.getppid()
        while True:
            event = self.next_event(1.0)
            if event is not None and event[0] == "signal":
                self.restart_backend(crash=event[1] == signal.SIGUSR2)
            if with_parent and os.getppid() != parent:
                raise Stop(1, "the process that started this one is gone; stopping.")

    def run(self, command: list[str], with_parent: bool) -> int:
        """Runs the command beside the stack and gives its exit code (128 + n for signal n)."""
        environment = dict(self._environment)
        environment.update(
            E2E_BASE_URL=self.settings.frontend_url if self.settings.frontend else self.settings.backend_url,
            E2E_BACKEND_URL=self.settings.backend_url,
            E2E_STORE=self.settings.store,
        )
        if self._state_file is not None:
            environment["E2E_STATE_FILE"] = str(self._state_file)
        try:
            process = subprocess.Popen(command, env=environment, start_new_session=True)
        except OSError as error:
            raise Stop(2, f"cannot run {command[0]}: {error.strerror}.") from error
        self._tell_guard(f"+{process.pid}")
        child = Child("command", process, expected_to_end=True)
        self.children["command"] = child
        threading.Thread(target=self._wait, args=(child,), daemon=True).start()
        parent = os.getppid()
        while process.poll() is None:
            event = self.next_event(1.0)
            if event is not None and event[0] == "signal":
                self.restart_backend(crash=event[1] == signal.SIGUSR2)
            if with_parent and os.getppid() != parent:
                raise Stop(1, "the process that started this one is gone; stopping.")
        return process.returncode if process.returncode >= 0 else 128 - process.returncode


def main(arguments: Sequence[str]) -> int:
    """Runs the supervisor and gives its exit code.

    0 after a signal, or COMMAND's own; 1 when a child died or did not answer, 2 when it could not start.
    """
    options, command = parse_arguments(arguments)
    environment = {**read_env_file(ROOT / ".env"), **os.environ}
    settings = resolve(options, environment)
    state_file = Path(options.state_file).resolve() if options.state_file else None
    log_path = Path(options.log).resolve() if options.log else None
    if log_path is not None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
    log = log_path.open("wb") if log_path is not None else None
    console = Console(log)
    stack = Stack(settings, environment, console, state_file)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, stack.on_signal)
    code = 1
    try:
        stack.start()
        if command:
            code = stack.run(command, options.with_parent)
        else:
            console.say(stack.describe())
            stack.serve(options.with_parent)
    except Stop as stop:
        code = stop.code
        if stack.stopped_by is not None:
            console.say(f"stopping ({signal.Signals(stack.stopped_by).name})")
            code = 128 + stack.stopped_by if command else 0
        if stop.message:
            if log_path is not None:
                for child in stack.children.values():
                    for line in child.tail:
                        sys.stderr.buffer.write(f"{child.name:<7} | ".encode() + line)
            sys.stderr.buffer.flush()
            print(f"dev: {stop.message}", file=sys.stderr)
    finally:
        stack.stop()
        if log is not None:
            log.close()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
