"""The application that test_server.py runs in a separate process."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from streamator import JobEmitter
from streamator.fastapi import add_job_routes, add_log_routes, make_stream_response

app = FastAPI()
add_log_routes(app)
add_job_routes(app)
add_log_routes(app, prefix="/compressed", compress=True)


@app.post("/jobs")
async def start(lines: int = 10, gap: float = 0.0, text: str = "line", keep_open: bool = False) -> dict[str, str]:
    """A job that logs ``lines`` lines, ``pause`` seconds apart, and then ends or stays open."""
    emitter = JobEmitter()

    async def run() -> None:
        for n in range(lines):
            emitter.log(f"{text} {n}")
            if gap:
                await asyncio.sleep(gap)
        if keep_open:
            await asyncio.Event().wait()

    emitter.track(asyncio.create_task(run()))
    return {"job_id": emitter.job_id}


_told: dict[str, JobEmitter] = {}


@app.post("/told")
async def start_told() -> dict[str, str]:
    """A job that logs the lines it is sent."""
    emitter = JobEmitter()
    _told[emitter.job_id] = emitter
    return {"job_id": emitter.job_id}


@app.post("/told/{job_id}")
async def tell(job_id: str, line: str | None = None) -> None:
    """Send it a line, or none to end it."""
    if line is None:
        _told.pop(job_id).close()
    else:
        _told[job_id].log(line)


@app.post("/thread")
async def start_thread(lines: int = 10, text: str = "line") -> dict[str, str]:
    """A job in a worker thread."""
    emitter = JobEmitter()

    def run() -> None:
        with emitter:
            for n in range(lines):
                emitter.log(f"{text} {n}")

    threading.Thread(target=run).start()
    return {"job_id": emitter.job_id}


@app.post("/stamps")
async def stamps(lines: int) -> dict[str, str]:
    """A job in a worker thread, while the loop is idle: each line holds the time when it was logged."""
    emitter = JobEmitter()

    def run() -> None:
        with emitter:
            for _ in range(lines):
                time.sleep(0.02)
                emitter.log(repr(time.time()))

    threading.Thread(target=run).start()
    return {"job_id": emitter.job_id}


@app.post("/answer")
async def answer() -> Response:
    """A POST that streams the job it starts."""
    emitter = JobEmitter()

    async def run() -> None:
        async with emitter:
            for step in range(3):
                emitter.emit({"event": "progress", "step": step})

    emitter.track(asyncio.create_task(run()))
    return make_stream_response(emitter.job_id, named=True)


@app.get("/tasks")
async def tasks() -> dict[str, Any]:
    """How many tasks this event loop has: a leaked stream is one or two of them."""
    return {"tasks": len(asyncio.all_tasks())}


@app.get("/held")
async def held() -> dict[str, int]:
    """Counts of this process's resources: a leaked viewer is some of each."""
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects()), "files": len(os.listdir("/dev/fd")),
    }  # fmt: skip
