"""`python -m soak`: see the package. `make soak` installs what it needs."""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import signal
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

import httpx

from soak.faults import Faults
from soak.load import Load
from soak.processes import JOB_TTL_SECONDS, Stack
from soak.report import Findings, markdown, plot
from soak.resources import Resources
from soak.verdict import Verdicts
from soak.workers import WORKERS, WorkerSoak

REPOSITORY = Path(__file__).resolve().parents[2]
# How many jobs run at a time: DynamoDB's stand-in is slow.
JOBS = {"memory": 10, "dynamo": 5, "redis": 10}
# Until finished jobs are forgotten, and with a remote store those of the other server too, which are kept for a minute.
REST_SECONDS = {"memory": 2.0 * JOB_TTL_SECONDS + 5, "dynamo": 80.0, "redis": 80.0}
# Of the first half: then the servers are left alone, so that they are warm when they are measured.
HAUNTED = 0.75


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description="Run the app's servers under load and faults.")
    parser.add_argument("--store", choices=list(JOBS), default="memory")
    parser.add_argument("--workers", choices=["inline", "redis"], default="inline", help="redis: harm workers alone")
    parser.add_argument("--minutes", type=float, default=30, help="of load (default 30); some more to look at all")
    parser.add_argument("--seed", type=int, default=None, help="default: by chance; it is printed")
    parser.add_argument("--jobs", type=int, default=None, help="how many run at a time (default 10; dynamo 5)")
    parser.add_argument("--rest", type=float, default=None, help="seconds at rest before a measure; 0: measure nothing")
    parser.add_argument("--project", type=Path, default=REPOSITORY / "build" / "project")
    parser.add_argument("--python", type=Path, default=None, help="default: that of the project's .venv")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "soak", help="the folder of the report")
    return parser.parse_args()


class Soak:
    """One run."""

    def __init__(self, options: argparse.Namespace, seed: int, stack: Stack, client: httpx.AsyncClient) -> None:
        self.options = options
        self.stack = stack
        self.rest: float = REST_SECONDS[options.store] if options.rest is None else options.rest
        self.faults = Faults(stack, random.Random(f"faults {seed}"))
        self.load = Load(stack, client, random.Random(f"load {seed}"), options.jobs or JOBS[options.store])
        self.resources = Resources(client, stack.servers)
        self.verdicts = Verdicts(stack, self.faults)
        self.findings = Findings(f"Soak: {options.store}, {options.minutes:g} minutes, seed {seed}", time.monotonic())
        self.say(self.findings.title)

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.findings.began:5.0f} s] {text}", flush=True)

    async def run(self) -> None:
        """Load and faults, a rest, load without the servers' faults, a rest; then all is looked at."""
        half = self.options.minutes * 30
        await self.stack.start()
        watch = asyncio.create_task(self.resources.watch())
        try:
            self.say(f"load and faults for {half:.0f} s; viewers come to {', '.join(self.stack.addresses)}")
            await self._under(half, self.faults.run(HAUNTED * half, servers=True))
            if self.rest:
                self.findings.before = await self.resources.at_rest(self.rest)
            self.say(f"load for {half:.0f} s; the servers are left alone")
            await self._under(half, self.faults.run(HAUNTED * half, servers=False))
            if self.rest:
                self.findings.after = await self.resources.at_rest(self.rest)
            await self._look_at_all()
        finally:
            watch.cancel()
            await self.load.stop()

    async def _under(self, seconds: float, faults: Awaitable[None]) -> None:
        self.findings.marks.append(time.monotonic())
        await asyncio.gather(self.load.run(seconds), faults)
        self.findings.marks.append(time.monotonic())
        await self.load.settle()
        self.say(f"{len(self.load.jobs)} jobs, {len(self.faults.all)} faults")

    async def _look_at_all(self) -> None:
        problems = self.findings.problems
        problems += [f"job {job_id} still counts as running" for job_id in await self.load.running()]
        for job in self.load.jobs:
            for viewer in job.viewers:
                problem = self.verdicts.problem(job, viewer)
                if problem is not None:
                    problems.append(f"{job.plan.key} ({job.job_id}), {viewer.visit}: {problem}")
        if self.stack.store is not None:
            addresses = [f"http://127.0.0.1:{server.port}" for server in self.stack.servers]
            found = await self.load.audit(self.load.jobs, addresses)
            self.findings.audited = len(found)
            for job, viewer in found:
                problem = self.verdicts.later(job, viewer)
                if problem is not None:
                    problems.append(f"{job.plan.key} ({job.job_id}), looked at when all was over: {problem}")
        problems += self.findings.not_flat()

    def tracebacks(self) -> list[str]:
        """What the servers have printed of errors that nobody has seen to."""
        found = []
        for log in sorted(self.stack.logs.glob("server-*.log")):
            lines = re.findall(r"^.*(?:Traceback|ERROR|never).*$", log.read_text(errors="replace"), re.MULTILINE)
            found += [f"{log.name}: {line}" for line in lines]
        return found

    def report(self) -> int:
        """Write the report; the exit code."""
        self.findings.problems += self.tracebacks()
        folder = self.options.out / self.options.store
        (folder / "report.md").write_text(markdown(self.findings, self.load, self.faults, self.resources))
        try:
            plot(self.findings, self.faults, self.resources, folder / "resources.png")
        except ImportError as error:
            self.say(f"no plot: {error}")
        for problem in self.findings.problems[:20]:
            print(f"  {problem}")
        self.say(f"{len(self.findings.problems)} problems; the report is {folder / 'report.md'}")
        return 1 if self.findings.problems else 0


async def main(options: argparse.Namespace) -> int:
    python = options.python or options.project / ".venv" / "bin" / "python"
    workers = WORKERS if options.workers == "redis" else 0
    folder = options.out / (f"{options.store}-workers" if workers else options.store)
    if workers and options.store == "memory":
        raise SystemExit("soak: --workers redis needs a store that workers share: add --store redis or --store dynamo")
    stack = Stack(options.store, options.project, python, folder, workers)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
        seed = random.SystemRandom().randrange(10_000) if options.seed is None else options.seed
        soak = (WorkerSoak if workers else Soak)(options, seed, stack, client)
        work = asyncio.ensure_future(soak.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            soak.say("stopped; ending what was started")
            return 130
        finally:
            await stack.stop()
        return soak.report()


if __name__ == "__main__":
    if not Path("/proc/self/statm").exists():
        sys.exit("soak: what a server holds is read from /proc: run it on Linux")
    sys.exit(asyncio.run(main(arguments())))
