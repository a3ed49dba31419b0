"""Litestar, with the logs of all jobs mounted: `uvicorn litestar_app:app`."""

from __future__ import annotations

import asyncio

from litestar import Litestar, asgi, post
from litestar.types import Receive, Scope, Send

from streamator import JobEmitter
from streamator.asgi import LogApp


async def work(job: JobEmitter, lines: int) -> None:
    for n in range(lines):
        job.log(f"line {n}")
        await asyncio.sleep(0.05)


@post("/jobs")
async def start(lines: int = 20) -> dict[str, str]:
    job = JobEmitter()
    job.track(asyncio.create_task(work(job, lines)))
    return {"job_id": job.job_id}


log_app = LogApp()


@asgi("/log", is_mount=True, copy_scope=True)  # guards=[...] puts your authentication in front of it
async def logs(scope: Scope, receive: Receive, send: Send) -> None:
    await log_app(scope, receive, send)


app = Litestar([start, logs])
