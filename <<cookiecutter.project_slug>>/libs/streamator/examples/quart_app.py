"""Quart, which mounts nothing, so that the logs stand in front of it: `hypercorn quart_app:app`."""

from __future__ import annotations

import asyncio

from quart import Quart, request

from streamator import JobEmitter
from streamator.asgi import LogApp

app = Quart(__name__)
app.asgi_app = LogApp(prefix="/log", otherwise=app.asgi_app)  # type: ignore[method-assign]  # Quart's own way


async def work(job: JobEmitter, lines: int) -> None:
    for n in range(lines):
        job.log(f"line {n}")
        await asyncio.sleep(0.05)


@app.post("/jobs")
async def start() -> dict[str, str]:
    job = JobEmitter()
    job.track(asyncio.create_task(work(job, int(request.args.get("lines", 20)))))
    return {"job_id": job.job_id}
