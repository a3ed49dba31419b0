"""Several machines on one: each a network and a process namespace of its own, where root may make them, else a group of
processes on loopback; each with a folder that no other reads.

    python -m tests.machines FOLDER

runs two web servers behind nginx, two workers, PostgreSQL, Redis and an S3, prints where they are as a line of JSON,
and then does what each line of its input says, and answers it with a line: `kill worker1`, `start worker1`,
`cut worker1` (from the network), `mend worker1`, `stop redis`, `start redis`, `stop postgres`, `start postgres`.
It ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx

from tests.postgres import Postgres, find_programs, postgres_server
from tests.process import LOOPBACK, free_port, listens, moto_server, redis_program, s3_environment
from tests.support import eventually

__all__ = ["LEASE_SECONDS", "Machine", "Machines", "machines"]

ROOT = Path(__file__).parents[2]

LEASE_SECONDS = 2
"""After so many seconds without a sign of life a worker counts as dead."""

WEB, WORKERS = ("web1", "web2"), ("worker1", "worker2")

_PORT = 8000


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass
class Machine:
    """One of them, and the program that it runs.

    Arguments:
        name: what it is called.
        host, port: its address, and where its server listens if it runs one.
        namespace: its network's name; empty for a group of processes.
        folder: its disk.
        module: what `python -m` runs.
        environment: what is set there.
    """

    name: str
    host: str
    port: int
    namespace: str
    folder: Path
    module: str
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Starts its program, unless it runs; returns when the server answers, or the worker has said that it works."""
        if self.process is not None:
            return
        # Of other machines nobody sees the processes, and so whether one is gone.
        apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        prefix = ("ip", "netns", "exec", self.namespace, *apart) if self.namespace else ()
        log = self.folder / "output.log"
        with log.open("ab") as output:
            begin = output.tell()
            self.process = process = subprocess.Popen(
                [*prefix, sys.executable, "-m", self.module],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def works() -> bool:
            assert process.poll() is None, log.read_text()[begin:]
            if self.module == "app":
                return answers(f"http://{self.address}/healthz")
            return b"the worker runs" in log.read_bytes()[begin:]

        eventually(works, 60)

    def kill(self) -> None:
        """Ends it at once, as a power failure does. Its disk stays."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Ends it as an operator does."""
        if self.process is not None:
            pids = [self.process.pid]
            if self.namespace:  # what `unshare` has started: a signal to that itself goes no further
                found = subprocess.run(
                    ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True
                )
                pids = [int(pid) for pid in found.stdout.split() if int(pid) != self.process.pid]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def cut(self) -> None:
        """Takes it off the network, and lets its processes run on. A group of processes is stopped instead."""
        if self.namespace:
            ip("-n", self.namespace, "link", "set", "eth0", "down")
        elif self.process is not None:
            os.killpg(self.process.pid, signal.SIGSTOP)

    def mend(self) -> None:
        """Takes back `cut`."""
        if self.namespace:
            ip("-n", self.namespace, "link", "set", "eth0", "up")
        elif self.process is not None:
            os.killpg(self.process.pid, signal.SIGCONT)


@dataclass
class Redis:
    """A Redis that has its data on its disk when it is stopped."""

    host: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        """Starts it, unless it runs."""
        if self.process is not None:
            return
        options = {
            "--bind": self.host, "--port": self.port, "--protected-mode": "no", "--dir": self.folder, "--save": "",
            "--appendonly": "yes", "--loglevel": "warning",
        }  # fmt: skip
        command = [redis_program(), *(str(part) for pair in options.items() for part in pair)]
        self.process = process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def works() -> bool:
            assert process.poll() is None, f"redis-server ended with {process.returncode}"
            return listens(self.port, self.host)

        eventually(works, 30)

    def stop(self) -> None:
        """Stops it as an operator does, unless it does not run."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@dataclass
class Machines:
    """Two web servers behind nginx at `url`, two workers, and what they share."""

    url: str
    members: Mapping[str, Machine]
    redis: Redis
    postgres: Postgres

    def __getitem__(self, name: str) -> Machine:
        return self.members[name]

    def do(self, order: str) -> None:
        """What a line of the input says, such as `kill worker1`."""
        verb, name = order.split()
        if name in self.members:
            machine = self.members[name]
            orders = {
                "kill": machine.kill,
                "start": machine.start,
                "stop": machine.stop,
                "cut": machine.cut,
                "mend": machine.mend,
            }
        else:
            service: Redis | Postgres = self.redis if name == "redis" else self.postgres
            orders = {"stop": service.stop, "start": service.start}
        orders[verb]()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def may_make_namespaces() -> bool:
    """Whether this process may make networks and namespaces of process ids: it tries."""
    if os.geteuid() != 0:
        return False
    name = f"try-{secrets.token_hex(4)}"
    try:
        ip("netns", "add", name)
        subprocess.run(["ip", "netns", "exec", name, "unshare", "--pid", "--fork", "--mount-proc", "true"], check=True)
        ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def network(names: Sequence[str]) -> Iterator[tuple[str, Mapping[str, tuple[str, str]]]]:
    """A bridge with a namespace for each name; gives the bridge's address, and each one's address and namespace."""
    if not may_make_namespaces():
        yield LOOPBACK, dict.fromkeys(names, (LOOPBACK, ""))
        return
    token = secrets.token_hex(3)
    net = f"10.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}"
    bridge = f"sm-{token}"
    made: dict[str, tuple[str, str]] = {}
    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{net}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names, 11):
            space, link = f"sm-{token}-{name}", f"sm{token}{number}"
            ip("netns", "add", space)
            made[name] = (f"{net}.{number}", space)
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", link, "master", bridge, "up")
            ip("-n", space, "addr", "add", f"{net}.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "link", "set", "eth0", "up")
        yield f"{net}.1", made
    finally:
        for _, space in made.values():
            ip("netns", "del", space)
        ip("link", "del", bridge)


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def machines(folder: Path, **environment: str) -> Iterator[Machines]:
    """Two web servers and two workers that share PostgreSQL, Redis and an S3, and no disk; all run.

    Arguments:
        folder: where what they write and print goes.
        environment: what is set for each of the four, beside what leads to the services.
    """
    programs = find_programs()
    assert programs is not None, "there is no PostgreSQL: install it (apt install postgresql)"
    with contextlib.ExitStack() as stack:
        host, places = stack.enter_context(network([*WEB, *WORKERS]))
        postgres = stack.enter_context(postgres_server(programs, host))
        (folder / "redis").mkdir(parents=True)
        redis = Redis(host, free_port(host), folder / "redis")
        redis.start()
        stack.callback(redis.stop)
        port, _ = stack.enter_context(moto_server(folder, host))
        keys = s3_environment(port, host)
        client = boto3.client(
            "s3", endpoint_url=keys["AWS_ENDPOINT_URL_S3"], region_name=keys["AWS_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        client.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": keys["AWS_REGION"]})
        front = f"{host}:{free_port(host)}"
        shared = {
            **keys,
            "STREAMATOR_STORE": "redis",
            "STREAMATOR_REDIS_URL": redis.url,
            "WORKERS": "redis",
            "DATABASE_URL": postgres.database(empty=True),
            "STORAGE_URL": "s3://files/app",
            "STREAMATOR_LEASE_SECONDS": str(LEASE_SECONDS),
            "STATIC_DIR": str(ROOT / "frontend" / "dist"),
            "ALLOWED_HOSTS": host,
            "AUTH": "none",
            **environment,
        }
        members = {}
        for name, (address, namespace) in places.items():
            disk = folder / name
            disk.mkdir()
            port = _PORT if namespace else free_port()
            own = {"BACKEND_HOST": address, "BACKEND_PORT": str(port), "DATA_DIR": str(disk / "data")}
            module = "app" if name in WEB else "app.worker"
            members[name] = Machine(name, address, port, namespace, disk, module, {**shared, **own})
            stack.callback(members[name].kill)
        for machine in members.values():
            machine.start()
        servers = [f"127.0.0.1:{8000 + number}={members[name].address}" for number, name in enumerate(WEB)]
        nginx = ROOT / "libs" / "streamator" / "tests" / "nginx.py"
        command = [
            sys.executable,
            str(nginx),
            str(folder / "nginx"),
            str(ROOT / "ops" / "nginx.conf"),
            f"listen 8080=listen {front}",
            *servers,
        ]
        stack.enter_context(running(command, folder / "nginx.log"))
        eventually(lambda: answers(f"http://{front}/healthz"), 30)
        yield Machines(f"http://{front}/", members, redis, postgres)


def main(folder: Path) -> int:
    """See the module."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with machines(folder) as those:
        told = {
            "url": those.url,
            "namespaces": all(machine.namespace for machine in those.members.values()),
            "addresses": {name: machine.address for name, machine in those.members.items()},
        }
        print(json.dumps(told), flush=True)
        for line in sys.stdin:
            those.do(line)
            print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
