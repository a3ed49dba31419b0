"""The load: jobs that begin, log and end, and the viewers of each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Coroutine, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from soak.processes import Process, Stack
from soak.viewers import How, Viewer, Visit

LONGEST_JOB_SECONDS = 25.0
STALL_SECONDS = 35.0  # longer than a server waits for who takes nothing
SETTLE_SECONDS = 120.0


@dataclass
class Plan:
    """What a job does; `server.Plan` is what takes it."""

    key: str
    lines: int
    seconds: float
    ending: str
    in_thread: bool


@dataclass
class Job:
    """A job that was begun, and who watches it."""

    plan: Plan
    job_id: str
    server: Process
    began: float
    viewers: list[Viewer] = field(default_factory=list)
    cancelled: float | None = None
    """When it was, if it was."""

    @property
    def over(self) -> float | None:
        """When the first was told of its end, of its viewers and who cancelled it; None while nobody was."""
        told = [each.ended_at for each in self.viewers if each.ending == "done"]
        return min(told if self.cancelled is None else [*told, self.cancelled], default=None)

    @property
    def seen(self) -> int:
        """The largest id that anybody has seen."""
        return max((each.transcript.seen for each in self.viewers), default=0)


class Load:
    """Keeps so many jobs running, each with some viewers.

    Args:
        stack: where.
        client: for all requests.
        rng: decides on what the jobs and the viewers do.
        jobs: how many run at a time.
    """

    def __init__(self, stack: Stack, client: httpx.AsyncClient, rng: random.Random, jobs: int) -> None:
        self._stack = stack
        self._client = client
        self._rng = rng
        self._limit = jobs
        self._longest = LONGEST_JOB_SECONDS
        self._names = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.jobs: list[Job] = []
        self.unstarted = 0
        """Requests for a job that no server took."""

    async def run(self, seconds: float) -> None:
        """Start jobs for so long; those that run then go on."""
        until = time.monotonic() + seconds
        self._longest = min(LONGEST_JOB_SECONDS, seconds / 2)
        while time.monotonic() < until:
            running = [job for job in self.jobs[-4 * self._limit :] if time.monotonic() < job.began + job.plan.seconds]
            if len(running) < self._limit:
                await self._start()
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    async def settle(self) -> None:
        """Wait until all viewers have come to an end, `SETTLE_SECONDS` at the most; who has not by then hangs."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SETTLE_SECONDS)
        await self.stop()

    async def running(self) -> list[str]:
        """The jobs that still run after `SETTLE_SECONDS`, by their ids: one may outlive its viewers."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = await self._client.get(f"{self._address()}/api/jobs?kind=soak&limit=500", timeout=20)
            rows = answer.raise_for_status().json()["jobs"]
            found = [row["job_id"] for row in rows if row["status"] == "running"]
            if not found or time.monotonic() > until:
                return found
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """Send all viewers away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def audit(self, jobs: list[Job], addresses: list[str]) -> list[tuple[Job, Viewer]]:
        """What somebody sees of these jobs who comes when all is over: of each from the start, and after some id."""
        found: list[tuple[Job, Viewer]] = []
        gate = asyncio.Semaphore(32)

        async def look(job: Job, url: str, after: int) -> None:
            visit = Visit(how="poll" if after else "sse", begins_after=after)
            viewer = self._viewer(job, url, visit)
            found.append((job, viewer))
            async with gate:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(viewer.watch(), SETTLE_SECONDS)

        looks = [look(job, url, 0) for job in jobs for url in addresses]
        # Where the end is known, all up to it must be there to resume after.
        resumed = [job for job in jobs if job.over is not None and job.seen > 1]
        looks += [look(job, self._rng.choice(addresses), self._rng.randrange(1, job.seen)) for job in resumed]
        await asyncio.gather(*looks)
        return found

    # Jobs

    async def _start(self) -> None:
        plan = self._plan()
        try:
            answer = await self._client.post(f"{self._address()}/api/soak/jobs", json=asdict(plan), timeout=20)
        except httpx.TransportError:
            self.unstarted += 1
            return
        if answer.status_code != 202:
            self.unstarted += 1
            return
        body = answer.json()
        server = next(each for each in self._stack.servers if each.port == body["port"])
        job = Job(plan, body["job_id"], server, time.monotonic())
        self.jobs.append(job)
        for visit in self._visits(plan):
            viewer = self._viewer(job, self._address(), visit)
            job.viewers.append(viewer)
            self._spawn(viewer.watch())
        if plan.ending == "cancelled":
            self._spawn(self._cancel(job, self._rng.uniform(0.3, 1.2) * plan.seconds))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self, job: Job, after: float) -> None:
        """Cancel a job; again while it runs, since who is asked may be killed with the request in hand."""
        await asyncio.sleep(after)
        while True:
            with contextlib.suppress(httpx.TransportError):
                await self._client.post(f"{self._address()}/api/job/{job.job_id}/cancel", timeout=20)
                asked = time.monotonic()
                await asyncio.sleep(2)
                row = await self._client.get(f"{self._address()}/api/jobs/{job.job_id}", timeout=20)
                if row.status_code == 200 and row.json()["status"] != "running":
                    if row.json()["status"] == "cancelled":
                        job.cancelled = asked
                    return
            await asyncio.sleep(1)

    def _plan(self) -> Plan:
        rng = self._rng
        many = rng.random() < 0.1
        return Plan(
            key=f"job-{next(self._names)}",
            lines=rng.randrange(2_000, 5_000) if many else int(10 ** rng.uniform(0.5, 3.2)),
            seconds=rng.uniform(2, self._longest),
            ending=rng.choices(["completed", "failed", "cancelled"], [75, 12, 13])[0],
            in_thread=rng.random() < 0.25,
        )

    # Viewers

    def _address(self) -> str:
        return self._rng.choice(self._stack.addresses)

    def _viewer(self, job: Job, url: str, visit: Visit) -> Viewer:
        return Viewer(self._client, url, job.job_id, job.plan.key, visit, f"{job.plan.key} {self._rng.random()}")

    def _visits(self, plan: Plan) -> Iterator[Visit]:
        rng = self._rng
        for _ in range(rng.randrange(1, 6)):
            how: How = rng.choices(("sse", "ws", "poll"), (5, 3, 2))[0]
            visit = Visit(how)
            early, late = rng.uniform(0, 0.5), plan.seconds + rng.uniform(0, 8)
            visit.comes_after = rng.choice([early, rng.uniform(0, plan.seconds), late])
            if rng.random() < 0.15:
                visit.stays = rng.uniform(1, plan.seconds)
            elif rng.random() < 0.3:
                visit.breaks_after = [rng.uniform(0.3, 8) for _ in range(rng.randrange(1, 5))]
            if rng.random() < 0.1:
                long = self._longest == LONGEST_JOB_SECONDS and rng.random() < 0.5
                visit.stalls = STALL_SECONDS if long else rng.uniform(1, self._longest)
            yield visit
