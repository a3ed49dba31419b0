"""Starlette, with the logs of all jobs mounted: `uvicorn starlette_app:app`."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from streamator import JobEmitter
from streamator.asgi import LogApp


async def work(job: JobEmitter, lines: int) -> None:
    for n in range(lines):
        job.log(f"line {n}")
        await asyncio.sleep(0.05)


async def start(request: Request) -> JSONResponse:
    job = JobEmitter()
    job.track(asyncio.create_task(work(job, int(request.query_params.get("lines", 20)))))
    return JSONResponse({"job_id": job.job_id})


# Mount("/log", app=LogApp(), middleware=[Middleware(...)]) puts your authentication in front of it.
app = Starlette(routes=[Route("/jobs", start, methods=["POST"]), Mount("/log", app=LogApp())])
