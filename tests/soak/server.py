"""The server of a soak, and with `worker` its worker: the app's, with one feature more, whose jobs log what is checked.

It runs in the project's environment and takes its settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import resource
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from app import __main__ as program
from app import main, worker
from app.feature import Feature, SharedServices
from app.features import FEATURES
from app.jobs import Job, JobError, job
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from streamator import JobEmitter
from streamator.shutdown import open_streams

from soak import content

TICK_SECONDS = 0.05


class Plan(BaseModel):
    """What a job does."""

    key: str
    lines: int
    seconds: float
    ending: Literal["completed", "failed", "cancelled"]
    in_thread: bool = False


router = APIRouter()


@job("soak")
async def soak_job(job: Job, plan: Plan) -> None:
    """Log what the plan says, and end as it says."""
    if plan.in_thread:
        await in_thread(job, plan)
    else:
        for count in steps(plan):
            log(job, plan, *count)
            await asyncio.sleep(TICK_SECONDS)
    if plan.ending == "failed":
        raise JobError("This job was to fail.")
    if plan.ending == "cancelled":
        await asyncio.Event().wait()  # for the one who cancels it


@router.post("/soak/jobs", status_code=202)
async def start(services: SharedServices, plan: Plan) -> dict[str, Any]:
    """Start a job; says where it runs."""
    record = await services.jobs.start(soak_job, plan, source=plan.key)
    return {"job_id": record.job_id, "port": services.settings.backend_port}


def steps(plan: Plan) -> list[tuple[int, int]]:
    """The first line of each tick, and the one after its last."""
    ticks = max(int(plan.seconds / TICK_SECONDS), 1)
    return [(plan.lines * n // ticks + 1, plan.lines * (n + 1) // ticks + 1) for n in range(ticks)]


def log(emitter: JobEmitter, plan: Plan, first: int, end: int) -> None:
    for number in range(first, end):
        content.write(emitter, plan.key, number)


async def in_thread(emitter: JobEmitter, plan: Plan) -> None:
    stop = threading.Event()

    def run() -> None:
        for count in steps(plan):
            if stop.wait(TICK_SECONDS):
                return
            log(emitter, plan, *count)

    try:
        await asyncio.to_thread(run)
    finally:
        stop.set()


class Lines(BaseModel):
    """What a job at a worker does: so many lines, over so many seconds."""

    lines: int
    seconds: float


@job("soak_attempts", retries=1_000)
async def attempts_job(job: Job, plan: Lines) -> None:
    """Log numbered lines, after those that an earlier attempt has kept a checkpoint of."""
    done = job.last_checkpoint or 0
    job.log(f"attempt {job.attempt} at {os.environ['SOAK_WORKER']}, after line {done}")
    for number in range(done + 1, plan.lines + 1):
        job.log(f"attempt {job.attempt}, line {number}")
        if number % 10 == 0:
            job.checkpoint(number)
        await asyncio.sleep(plan.seconds / plan.lines)


@router.post("/soak/attempts", status_code=202)
async def start_attempts(services: SharedServices, plan: Lines) -> dict[str, str]:
    """Start a job at a worker."""
    return {"job_id": (await services.jobs.start(attempts_job, plan, source="soak")).job_id}


@router.get("/soak/state")
async def state(services: SharedServices, collect: bool = False) -> dict[str, float]:
    """What this process holds now."""
    if collect:
        gc.collect()
        give_back()
    found = {
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "streams": len(open_streams()),
        "jobs": services.jobs.running,
        "degraded": services.store.degraded is not None,
        "cpu": time.process_time(),
    }
    if collect:
        found["objects"] = len(gc.get_objects())
    return found


def give_back() -> None:
    """Have the allocator return to the system what it keeps for later: how much that is depends on the largest load
    there was. Where it cannot (another libc than glibc), it stays."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


SOAK = Feature(name="soak", router=router, lifespan=lifespan, jobs=(soak_job, attempts_job))

if __name__ == "__main__":
    create_app = functools.partial(main.create_app, features=[*FEATURES, SOAK])
    if sys.argv[1:] == ["worker"]:
        worker.create_app = create_app  # type: ignore[attr-defined]  # in the place of the app's own
        sys.exit(worker.main())
    main.app = create_app()  # in the place of the one that would be made
    sys.exit(program.main())
