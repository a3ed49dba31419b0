"""What the servers of `test_servers_stop` run as ASGI."""

from __future__ import annotations

import os

from fastapi import FastAPI
from streamator import JobLogger
from streamator.fastapi import add_log_routes

app = FastAPI()
add_log_routes(app)
jobs: list[JobLogger] = []


@app.post("/jobs")
async def start() -> str:
    """A job that has no end."""
    jobs.append(JobLogger())
    jobs[-1].log("one")
    return jobs[-1].job_id


@app.get("/pid")
async def pid() -> int:
    """Which process answers."""
    return os.getpid()
