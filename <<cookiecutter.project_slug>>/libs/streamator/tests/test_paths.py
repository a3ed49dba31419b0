"""Where an application is mounted, or a proxy leads to it under a prefix, its routes are where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from test_guards import ask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import streamator.flask
from streamator import JobLogger, MemoryStore
from streamator.asgi import LogApp
from streamator.fastapi import add_log_routes
from streamator.metrics import Metrics


async def otherwise(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] in ("http", "websocket")
    await PlainTextResponse("otherwise", status_code=418)(scope, receive, send)


def in_front() -> Any:
    return Metrics(MemoryStore(), otherwise=LogApp(prefix="/log", otherwise=otherwise))


def fastapi() -> Any:
    app = FastAPI()
    add_log_routes(app)
    app.mount("/metrics", Metrics(MemoryStore()))
    return app


def under(root: str, make: Callable[[], Any], spec: bool = True) -> Any:
    """Behind a server with ``--root-path``: by the specification, or with a path that leaves the root out."""
    app = make()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        path = root + scope["path"] if spec else scope["path"]  # as uvicorn puts them together
        await app({**scope, "root_path": root, "path": path}, receive, send)

    return served


WAYS: dict[str, tuple[str, Callable[[], Any]]] = {
    "at the root": ("", in_front),
    "--root-path": ("", lambda: under("/svc", in_front)),
    "--root-path with a slash": ("", lambda: under("/svc/", in_front)),
    "--root-path that is left out of the path": ("", lambda: under("/svc", in_front, spec=False)),
    "--root-path that begins like a route": ("", lambda: under("/lo", in_front, spec=False)),
    "a mount": ("/a", lambda: Starlette(routes=[Mount("/a", app=in_front())])),
    "a mount under --root-path": ("/a", lambda: under("/svc", lambda: Starlette(routes=[Mount("/a", app=in_front())]))),
    "a mount in a mount": ("/a/b", lambda: Starlette(routes=[Mount("/a", routes=[Mount("/b", app=in_front())])])),
    "FastAPI under --root-path": ("", lambda: under("/svc", fastapi)),
}


@pytest.mark.parametrize("way", WAYS)
def test_routes_work_below_a_mount_path(way: str) -> None:
    async def test() -> None:
        at, make = WAYS[way]
        app = make()
        with JobLogger() as job:
            job.log("hello")
        for method, path in (("GET", "/log/{}/stream"), ("GET", "/log/{}"), ("WS", "/log/{}/ws")):
            status, body = await ask(app, method, at + path.format(job.job_id), known=True)
            assert (status, b"done" in body or method == "WS") == (101 if method == "WS" else 200, True)
        assert (await ask(app, "GET", f"{at}/metrics/".rstrip("/"), known=True))[0] in (200, 307)
        assert (await ask(app, "GET", f"{at}/logs/{job.job_id}", known=True))[0] == (404 if "FastAPI" in way else 418)

    asyncio.run(test())


def test_flask_routes_work_below_a_script_name() -> None:
    app = Flask("test")
    streamator.flask.add_log_routes(app)
    outer = Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/svc": app})  # type: ignore[method-assign]  # as documented
    with JobLogger() as job:
        job.log("hello")
    for path in (f"/svc/log/{job.job_id}/stream", f"/svc/log/{job.job_id}"):
        assert "done" in outer.test_client().get(path).get_data(as_text=True)
    assert outer.test_client().get(f"/log/{job.job_id}").status_code == 404
