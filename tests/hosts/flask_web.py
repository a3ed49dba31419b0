"""What the servers of `test_servers_stop` run as WSGI."""

from __future__ import annotations

import asyncio
import os

from flask import Flask, Response, jsonify
from streamator import JobLogger, RedisStore
from streamator.flask import add_log_routes

app = Flask(__name__)
url = os.environ.get("REDIS_URL")
add_log_routes(app, store=RedisStore(url=url) if url else None)
jobs: list[JobLogger] = []


@app.post("/jobs")
def start() -> Response:
    """A job that has no end."""
    jobs.append(JobLogger())
    jobs[-1].log("one")
    return jsonify(jobs[-1].job_id)


@app.get("/pid")
def pid() -> Response:
    """Which process answers."""
    return jsonify(os.getpid())


@app.get("/loop")
def loop() -> Response:
    """What a user's own coroutine gives, run in the request's thread."""

    async def work() -> int:
        await asyncio.sleep(0)
        return 42

    return jsonify(asyncio.run(work()))
