"""The server of filters.spec.ts: a job whose last events are not shown, and a stream that breaks off when told to.

python filtered_server.py    # prints the port
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

import uvicorn

from streamator import JobLogger
from streamator.asgi import LogApp

job = JobLogger(job_id="job")
logs = LogApp(heartbeat=0.2)
asked: list[str | None] = []  # the Last-Event-ID of each request for the stream
cut = asyncio.Event()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/":
        await answer(send, b"<!doctype html><title>filters</title>", b"text/html")
    elif scope["path"] == "/asked":
        await answer(send, json.dumps(asked).encode())
    elif scope["path"] == "/hide":
        for _ in range(3):
            job.log("hidden", visibility="internal_only")
        await answer(send, b"{}")
    elif scope["path"] == "/show":
        job.log("shown")
        await answer(send, b"{}")
    elif scope["path"] == "/job/stream":
        await stream(scope, receive, send)
    else:
        await logs(scope, receive, send)  # nothing that there is


async def lifespan(receive: Any, send: Any) -> None:
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def stream(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The stream; the first one ends after the heartbeat that names the last of the hidden events."""
    asked.append(dict(scope["headers"]).get(b"last-event-id", b"").decode() or None)
    first = len(asked) == 1

    async def watch(message: dict[str, Any]) -> None:
        await send(message)
        if first and message.get("body") == b": heartbeat\nid: 4\n\n":
            cut.set()

    viewer = asyncio.create_task(logs(scope, receive, watch))
    breaks = asyncio.create_task(cut.wait() if first else asyncio.Event().wait())
    await asyncio.wait([viewer, breaks], return_when=asyncio.FIRST_COMPLETED)
    breaks.cancel()
    if not viewer.done():
        viewer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await viewer
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer(send: Any, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # whoever reads the port connects at once
        print(listener.getsockname()[1], flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        sys.exit(server.run(sockets=[listener]))
