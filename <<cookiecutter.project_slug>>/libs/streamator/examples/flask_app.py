"""Flask: `flask --app flask_app run`, or any threaded WSGI server (each open stream takes a thread)."""

from __future__ import annotations

import threading
import time

from flask import Flask, Response, request

from streamator import JobEmitter
from streamator.flask import add_log_routes, make_stream_response

app = Flask(__name__)
add_log_routes(app)  # a blueprint's before_request puts your authentication in front of it


def work(job: JobEmitter, lines: int) -> None:
    with job:
        for n in range(lines):
            job.log(f"line {n}")
            time.sleep(0.05)


@app.post("/jobs")
def start() -> dict[str, str]:
    job = JobEmitter()
    threading.Thread(target=work, args=(job, int(request.args.get("lines", 20)))).start()
    return {"job_id": job.job_id}


@app.post("/answers")
def answer() -> Response:
    """A POST that streams its own job."""
    job = JobEmitter()
    threading.Thread(target=work, args=(job, 3)).start()
    return make_stream_response(job.job_id, named=True)
