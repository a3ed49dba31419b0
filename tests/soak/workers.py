"""Jobs at workers that are killed, stopped and suspended: `make soak WORKERS=redis`, with the log in Redis or DynamoDB.

Every few seconds something happens to one of the workers, and to nothing else. Each job logs numbered lines and keeps a
checkpoint; the next attempt goes on after it. Some watch each job from its start, with connections that break. For each
of them, and for who comes when all is over:

- within an attempt no line is missing or doubled, and it begins after the newest checkpoint that the log has;
- under an attempt there are no lines of another one (a suspended worker wakes up, and writes on: it is fenced);
- ids rise, and the log is the same for all, on every server;
- the job ends `completed`, with its last line, and its row says so.

The time from a kill to the next attempt, as a viewer sees it, is at most the lease and one second (99 of 100).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from soak.content import MAXLEN
from soak.processes import LEASE_SECONDS, Process, Stack
from soak.viewers import SILENCE, read_events

WORKERS = 3
JOBS = 8
"""How many run at a time."""
MAX_LINES = MAXLEN * 2 // 3
"""With its checkpoints, and what later attempts say again, a log keeps all of it."""
PAUSE_BETWEEN = (5.0, 15.0)
SETTLE_SECONDS = 120.0
BOUND_SECONDS = LEASE_SECONDS + 1.0
LINE = re.compile(r"attempt (\d+), line (\d+)")
BEGINS = re.compile(r"attempt (\d+) at (.+), after line (\d+)")

KILLED, ENDED, SUSPENDED = "killed", "asked to end", "suspended for longer than the lease"


@dataclass
class Fault:
    """What happened to a worker, and when (`time.monotonic`)."""

    what: str
    worker: str
    at: float


@dataclass
class Seen:
    """What one viewer has been shown of a job: each event with its id, and when it came."""

    events: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return bool(self.events) and self.events[-1][1]["event"] == "done"

    def attempts(self) -> list[tuple[float, str]]:
        """Of each attempt that it has seen begin: when, and at which worker."""
        found = []
        for (_, event), at in zip(self.events, self.times, strict=True):
            if event["event"] == "log" and (begins := BEGINS.fullmatch(event["message"])):
                found.append((at, begins[2]))
        return found


@dataclass
class Job:
    """A job, and what its viewers have seen of it."""

    job_id: str
    lines: int
    viewers: list[Seen]


def problems_of(job: Job, seen: Seen) -> list[str]:
    """What a viewer was shown and should not have been, or the other way round."""
    found: list[str] = []
    attempt, number, checkpoint, last_id = 1, None, 0, 0
    for event_id, event in seen.events:
        if event_id <= last_id:
            found.append(f"id {event_id} after {last_id}")
        last_id = event_id
        if event["event"] == "attempt":
            if event["attempt"] <= attempt:
                found.append(f"attempt {event['attempt']} after {attempt}")
            attempt, number = event["attempt"], None
        elif event["event"] == "gap":
            found.append(f"a gap before id {event_id}")
        elif event["event"] == "checkpoint":
            checkpoint = event["data"]
        elif event["event"] == "log" and (begins := BEGINS.fullmatch(event["message"])):
            number = int(begins[3])
            if (int(begins[1]), number) != (attempt, checkpoint):
                found.append(f"attempt {begins[1]} begins after line {number}, within attempt {attempt}, and the "
                             f"newest checkpoint is {checkpoint}")  # fmt: skip
        elif event["event"] == "log" and (line := LINE.fullmatch(event["message"])):
            if int(line[1]) != attempt:
                found.append(f"line {line[2]} of attempt {line[1]} within attempt {attempt}")
            elif number is None or int(line[2]) != number + 1:
                found.append(f"line {line[2]} after line {number} of attempt {attempt}")
            number = int(line[2])
    if not seen.is_over:
        found.append(f"no end: it stands at id {last_id}")
    elif (status := seen.events[-1][1]["status"]) != "completed" or number != job.lines:
        found.append(f"it is {status} after line {number} of {job.lines}")
    return found


def waits(jobs: Sequence[Job], faults: Sequence[Fault]) -> list[float]:
    """The seconds from each fault to the next attempt of the jobs that ran there, as their first viewers saw it."""
    found = []
    for fault in faults:
        for job in jobs:
            for seen in job.viewers[:1]:
                attempts = seen.attempts()
                before = [each for each in attempts if each[0] <= fault.at]
                after = [at for at, _ in attempts if at > fault.at]
                if before and before[-1][1] == fault.worker and after:
                    found.append(after[0] - fault.at)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


class WorkerSoak:
    """One run.

    Arguments:
        options: those of the command.
        seed: decides on what the jobs do, and what happens to the workers.
        stack: with workers.
        client: for all requests.
    """

    def __init__(self, options: argparse.Namespace, seed: int, stack: Stack, client: httpx.AsyncClient) -> None:
        self._title = f"Soak of workers: log in {stack.name}, {options.minutes:g} minutes, seed {seed}"
        self._seconds = options.minutes * 60
        self._report = stack.logs.parent / "report.md"
        self._stack = stack
        self._client = client
        self._rng = random.Random(f"workers {seed}")
        self._limit = options.jobs or JOBS
        self._began = time.monotonic()
        self._viewers: set[asyncio.Task[None]] = set()
        self.jobs: list[Job] = []
        self.faults: list[Fault] = []
        self.problems: list[str] = []

        self.say(self._title)

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.0f} s] {text}", flush=True)

    async def run(self) -> None:
        """Load and faults; then all is looked at."""
        await self._stack.start()
        until = time.monotonic() + self._seconds
        try:
            await asyncio.gather(self._load(until), self._harm(until))
            self.say(f"{len(self.jobs)} jobs, {len(self.faults)} faults; waiting for all to end")
            if self._viewers:
                await asyncio.wait(self._viewers, timeout=SETTLE_SECONDS)
            await self._look_at_all()
        finally:
            for task in self._viewers:
                task.cancel()
            await asyncio.gather(*self._viewers, return_exceptions=True)

    # Load

    async def _load(self, until: float) -> None:
        while time.monotonic() < until:
            if sum(not job.viewers[0].is_over for job in self.jobs[-4 * self._limit :]) < self._limit:
                await self._start()
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    async def _start(self) -> None:
        plan = {"lines": self._rng.randrange(20, MAX_LINES), "seconds": self._rng.uniform(2, 30)}
        answer = await self._client.post(f"{self._address()}/api/soak/attempts", json=plan, timeout=20)
        job = Job(answer.raise_for_status().json()["job_id"], int(plan["lines"]), [])
        self.jobs.append(job)
        for _ in range(self._rng.randrange(1, 4)):
            job.viewers.append(Seen())
            task = asyncio.create_task(self._watch(job.job_id, job.viewers[-1], breaks=len(job.viewers) > 1))
            self._viewers.add(task)
            task.add_done_callback(self._viewers.discard)

    def _address(self) -> str:
        return self._rng.choice(self._stack.addresses)

    async def _watch(self, job_id: str, seen: Seen, *, breaks: bool = False, url: str | None = None) -> None:
        """Follows a job to its end, over as many connections as it takes."""
        while not seen.is_over:
            stays = self._rng.uniform(1, 10) if breaks else None
            with contextlib.suppress(asyncio.TimeoutError, httpx.TransportError):
                await asyncio.wait_for(self._connect(f"{url or self._address()}/api/log/{job_id}/stream", seen), stays)

    async def _connect(self, url: str, seen: Seen) -> None:
        headers = {"last-event-id": str(seen.events[-1][0])} if seen.events else {}
        async with self._client.stream("GET", url, headers=headers, timeout=SILENCE) as response:
            if response.status_code != 200:
                await asyncio.sleep(0.5)
                return
            async for event_id, event in read_events(response.aiter_raw()):
                if event is not None and event_id is not None:
                    seen.events.append((event_id, event))
                    seen.times.append(time.monotonic())

    # What happens to the workers

    async def _harm(self, until: float) -> None:
        while True:
            pause = self._rng.uniform(*PAUSE_BETWEEN)
            if time.monotonic() + pause > until:
                await asyncio.sleep(max(until - time.monotonic(), 0.0))
                return
            await asyncio.sleep(pause)
            await self._harm_one(self._rng.choice(self._stack.workers))

    async def _harm_one(self, worker: Process) -> None:
        what = self._rng.choices([KILLED, ENDED, SUSPENDED], [70, 10, 20])[0]
        self.faults.append(Fault(what, worker.name, time.monotonic()))
        if what == SUSPENDED:
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(self._rng.uniform(1.5, 3) * LEASE_SECONDS)
            worker.send(signal.SIGCONT)
        else:
            await worker.end(signal.SIGKILL if what == KILLED else signal.SIGTERM)
            await worker.start()

    # The judge

    async def _look_at_all(self) -> None:
        gate = asyncio.Semaphore(32)

        async def look(job: Job) -> None:
            later = []
            async with gate:
                for server in self._stack.servers:
                    later.append(Seen())
                    url = f"http://127.0.0.1:{server.port}"
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._watch(job.job_id, later[-1], url=url), SETTLE_SECONDS)
                row = await self._client.get(f"{self._address()}/api/jobs/{job.job_id}", timeout=20)
            self._judge(job, later, row.json()["status"])

        await asyncio.gather(*(look(job) for job in self.jobs))
        for what in (KILLED, SUSPENDED):
            found = waits(self.jobs, [fault for fault in self.faults if fault.what == what])
            if found and percentile(found, 0.99) > BOUND_SECONDS:
                self.problems.append(f"{what}: the next attempt is seen after {percentile(found, 0.99):.1f} s (p99)")

    def _judge(self, job: Job, later: Sequence[Seen], status: str) -> None:
        found = [problem for seen in (*job.viewers, *later) for problem in problems_of(job, seen)]
        if status != "completed":
            found.append(f"its row says {status}")
        if any(seen.events != later[0].events for seen in (*job.viewers, *later[1:])):
            found.append("it is not the same log for all")
        self.problems += [f"{job.job_id}: {problem}" for problem in sorted(set(found))]

    def report(self) -> int:
        """Writes the report; gives the exit status."""
        for log in sorted(self._stack.logs.glob("[sw]*er-*.log")):
            lines = re.findall(r"^.*(?:Traceback|ERROR|never).*$", log.read_text(errors="replace"), re.MULTILINE)
            self.problems += [f"{log.name}: {line}" for line in lines]
        self._report.write_text(self._markdown())
        print(self._report.read_text())
        self.say(f"{len(self.problems)} problems; the report is {self._report}")
        return 1 if self.problems else 0

    def _markdown(self) -> str:
        attempts = [len(job.viewers[0].attempts()) for job in self.jobs]
        rows = [
            ("jobs", f"{len(self.jobs):,}"),
            ("attempts", f"{sum(attempts):,}; of one job {max(attempts, default=0)} at the most"),
            ("viewers", f"{sum(len(job.viewers) for job in self.jobs):,}"),
            ("lines checked", f"{sum(len(seen.events) for job in self.jobs for seen in job.viewers):,}"),
            ("workers", ", ".join(f"{count} {what}" for what, count in Counter(f.what for f in self.faults).items())),
        ]
        for what in (KILLED, SUSPENDED, ENDED):
            found = waits(self.jobs, [fault for fault in self.faults if fault.what == what])
            if found:
                figures = (
                    f"median {statistics.median(found):.1f} s, p99 {percentile(found, 0.99):.1f} s, {len(found)} jobs"
                )
                rows.append((f"{what}: the next attempt is seen after", figures))
        wrong = [f"- {problem}" for problem in self.problems[:100]]
        verdict = f"**{len(self.problems)} problems.**" if wrong else "**Nothing is lost, doubled or a zombie's.**"
        table = [f"| {name} | {value} |" for name, value in rows]
        text = [
            f"# {self._title}",
            "",
            verdict,
            "",
            *wrong,
            "",
            f"Lease: {LEASE_SECONDS} s.",
            "",
            "| | |",
            "|---|---|",
            *table,
        ]
        return "\n".join(text) + "\n"
