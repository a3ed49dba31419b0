"""What a user puts around routes holds for each of ours: no stranger sees or does anything, whatever the guard.

The doors, and the routes that they add, are found here and not listed.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute
from flask import Blueprint, Flask, abort
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from test_websocket import Socket

import streamator.fastapi
import streamator.flask
import streamator.metrics
import streamator.transports.open_streams
from streamator import JobEmitter
from streamator.asgi import LogApp

KEY = "open sesame"


def doors(*modules: Any) -> dict[str, Callable[..., Any]]:
    """Whatever adds routes to an application."""
    return {
        name: function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("add_") and "route" in name and function.__module__ == module.__name__
    }


FASTAPI = doors(streamator.fastapi, streamator.metrics)
FLASK = doors(streamator.flask)


def add_all(doors: dict[str, Callable[..., Any]], app: Any, **options: Any) -> None:
    for add in doors.values():
        add(app, **options)


def fastapi_routes() -> list[tuple[str, str]]:
    """Method (WS for a WebSocket) and path of each route that the doors add."""
    app = FastAPI(openapi_url=None)
    add_all(FASTAPI, app)
    routes: list[Any] = list(app.routes)
    return [(method, route.path) for route in routes for method in sorted(getattr(route, "methods", None) or {"WS"})]


def flask_routes() -> list[tuple[str, str]]:
    app = Flask("test", static_folder=None)
    add_all(FLASK, app)
    return [(method, rule.rule) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


def knows(headers: Any) -> bool:
    return bool(headers.get("authorization") == KEY)


# The guards: each makes the application whose routes it guards, and says what stands in front of their paths.


class RouteClass(APIRoute):
    """FastAPI's documented way: a handler around the handler."""

    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def guarded(request: Any) -> Response:
            if not knows(request.headers):
                raise HTTPException(401)
            return await handler(request)

        return guarded


class HandleClass(APIRoute):
    """A route that answers by itself, in a scope of its own."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if not knows(HTTPConnection(scope).headers):
            await Response(status_code=401)(scope, receive, send)
            return
        await super().handle({**scope}, receive, send)


class SendingClass(APIRoute):
    """A route that looks at what is sent."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        known = knows(HTTPConnection(scope).headers)

        async def sender(message: Any) -> None:
            if not known and message["type"] == "http.response.start":
                message = {**message, "status": 401}
            await send(message if known else {**message, "body": b""})

        await super().handle(scope, receive, sender)


class Layer:
    """A plain ASGI middleware, whose application has a name of its own."""

    def __init__(self, app: Any) -> None:
        self._inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket") and not knows(HTTPConnection(scope).headers):
            await Response(status_code=401)(scope, receive, send)
            return
        await self._inner(scope, receive, send)


class Passing:
    """A middleware that guards nothing."""

    def __init__(self, app: Any) -> None:
        self._inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._inner(scope, receive, send)


def passing(app: Any) -> Any:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return wrapped


async def dispatch(request: Any, call_next: Any) -> Response:
    if not knows(request.headers):
        return JSONResponse({"detail": "who are you?"}, status_code=401)
    answer: Response = await call_next(request)
    return answer


async def dispatch_late(request: Any, call_next: Any) -> Response:
    answer: Response = await call_next(request)
    return answer if knows(request.headers) else JSONResponse({"detail": "who are you?"}, status_code=401)


def depend(connection: HTTPConnection) -> None:
    if not knows(connection.headers):
        raise HTTPException(401)


def routed(route_class: type[APIRoute]) -> tuple[FastAPI, str]:
    router, app = APIRouter(route_class=route_class), FastAPI()
    add_all(FASTAPI, router)
    app.include_router(router, prefix="/api")
    return app, "/api"


def of_the_app_s_router() -> tuple[FastAPI, str]:
    app = FastAPI()
    app.router.route_class = RouteClass
    add_all(FASTAPI, app)
    return app, ""


def around(*middlewares: Any, **options: Any) -> tuple[FastAPI, str]:
    app = FastAPI()
    add_all(FASTAPI, app)
    for each in middlewares:
        app.add_middleware(each, **(options if each is BaseHTTPMiddleware else {}))
    return app, ""


def decorated() -> tuple[FastAPI, str]:
    app = FastAPI()
    app.middleware("http")(dispatch)
    router = APIRouter()
    add_all(FASTAPI, router)
    app.include_router(router, prefix="/api")
    return app, "/api"


def mounted(inside: bool) -> tuple[FastAPI, str]:
    app, inner = FastAPI(), FastAPI()
    add_all(FASTAPI, inner)
    (inner if inside else app).add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    app.mount("/inner", inner)
    return app, "/inner"


def depending(where: str) -> tuple[FastAPI, str]:
    guard = [Depends(depend)]
    app = FastAPI(dependencies=guard if where == "app" else [])
    router = APIRouter(dependencies=guard if where == "router" else [])
    add_all(FASTAPI, router)
    app.include_router(router, prefix="/api", dependencies=guard if where == "include" else [])
    return app, "/api"


GUARDS: dict[str, Callable[[], tuple[FastAPI, str]]] = {
    "a route class": lambda: routed(RouteClass),
    "a route class that handles": lambda: routed(HandleClass),
    "a route class that looks at what is sent": lambda: routed(SendingClass),
    "the route class of the app's router": of_the_app_s_router,
    "a dependency of the app": lambda: depending("app"),
    "a dependency of the router": lambda: depending("router"),
    "a dependency of the inclusion": lambda: depending("include"),
    "an ASGI middleware": lambda: around(Layer),
    "an HTTP middleware": lambda: around(BaseHTTPMiddleware, dispatch=dispatch),
    "an HTTP middleware that looks at the answer": lambda: around(BaseHTTPMiddleware, dispatch=dispatch_late),
    "an HTTP middleware behind others": lambda: around(BaseHTTPMiddleware, Passing, passing, dispatch=dispatch),
    "a decorated HTTP middleware": decorated,
    "a middleware of a mounted app": lambda: mounted(inside=True),
    "a middleware around a mounted app": lambda: mounted(inside=False),
}


async def ask(app: Any, method: str, path: str, known: bool) -> tuple[int, bytes]:
    """The status and the body of an answer; of a WebSocket 101 and the first text, or the status of its refusal."""
    is_socket = method == "WS"
    sent: list[Any] = []
    enough = asyncio.Event()

    async def receive() -> Any:
        if is_socket and not sent:
            return {"type": "websocket.connect"}
        if not is_socket and not enough.is_set():
            return {"type": "http.request", "body": b"", "more_body": False}
        await enough.wait()
        return {"type": "websocket.disconnect", "code": 1005} if is_socket else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "websocket.send" or len(sent) > 2:
            enough.set()

    scope: dict[str, Any] = {
        "type": "websocket" if is_socket else "http", "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1", "scheme": "ws" if is_socket else "http", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "headers": [(b"authorization", KEY.encode())] if known else [],
        "client": ("test", 1), "server": ("test", 80), "extensions": {"websocket.http.response": {}}, "method": method,
    }  # fmt: skip
    await asyncio.wait_for(app(scope, receive, send), 20)
    body = b"".join(message.get("body", b"") or message.get("text", "").encode() for message in sent)
    return (101 if sent[0]["type"] == "websocket.accept" else int(sent[0].get("status", 403))), body


@pytest.mark.parametrize(("method", "path"), fastapi_routes())
@pytest.mark.parametrize("guard", GUARDS)
def test_guards_refuse_strangers_and_let_known_users_read(guard: str, method: str, path: str) -> None:
    async def test() -> None:
        app, prefix = GUARDS[guard]()
        with JobEmitter() as job:
            job.log("a secret")
            job.set_result("a secret")
            task = asyncio.create_task(asyncio.sleep(10))
            job.track(task)
            where = prefix + path.format(job_id=job.job_id)
            status, body = await ask(app, method, where, known=False)
            assert (status, b"secret" in body) == (401, False)
            await asyncio.sleep(0.01)
            assert not task.done() or "looks at" in guard  # by then it was cancelled
            status, body = await ask(app, method, where, known=True)
            assert status in (101, 200), body
            task.cancel()

    asyncio.run(test())


def mounted_logs(guard: str) -> Any:
    """`LogApp` in a Starlette application, behind a guard."""
    layers = {
        "middleware": [Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
        "ASGI middleware": [Middleware(Layer)],
    }.get(guard.removeprefix("mount's "), [])
    mount = Mount("/log", app=LogApp(), middleware=layers if guard.startswith("mount's") else [])
    return Starlette(routes=[mount], middleware=[] if guard.startswith("mount's") else layers)


@pytest.mark.parametrize("guard", ["middleware", "ASGI middleware", "mount's middleware", "mount's ASGI middleware"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/log/{}/stream"), ("GET", "/log/{}"), ("WS", "/log/{}/ws")])
def test_middleware_around_a_mounted_log_app_guards_all_its_routes(guard: str, method: str, path: str) -> None:
    async def test() -> None:
        with JobEmitter() as job:
            job.log("a secret")
        where = path.format(job.job_id)
        status, body = await ask(mounted_logs(guard), method, where, known=False)
        assert (status, b"secret" in body) == (401, False)
        assert (await ask(mounted_logs(guard), method, where, known=True))[0] in (101, 200)

    asyncio.run(test())


def test_a_guard_that_fails_lets_nobody_in() -> None:
    async def broken(request: Any, call_next: Any) -> Response:
        raise ConnectionRefusedError("the directory of users is down")

    async def test() -> None:
        app, _ = around(BaseHTTPMiddleware, dispatch=broken)
        with JobEmitter() as job:
            job.log("a secret")
        with pytest.raises(ConnectionRefusedError):
            await ask(app, "WS", f"/log/{job.job_id}/ws", known=True)

    asyncio.run(test())


def test_a_guard_keeps_its_state_and_is_asked_once_for_each_request() -> None:
    class Counting(BaseHTTPMiddleware):
        asked = 0

        async def dispatch(self, request: Any, call_next: Any) -> Any:
            self.asked += 1
            Counting.asked = self.asked
            return await call_next(request)

    async def test() -> None:
        app, _ = around(Counting)
        job = JobEmitter()
        for _ in range(2):
            await ask(app, "WS", f"/log/{job.job_id}/ws", known=True)
        await ask(app, "GET", f"/log/{job.job_id}", known=True)
        job.close()

    asyncio.run(test())
    assert Counting.asked == 3


def test_64_a_permission_from_an_http_middleware_ends_a_websocket_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)

    async def permit(request: Any, call_next: Any) -> Any:
        request.scope["streamator.ends_at"] = time.time() + 0.1
        return await call_next(request)

    async def test() -> None:
        app, _ = around(BaseHTTPMiddleware, dispatch=permit)
        job = JobEmitter()
        viewer = Socket(app, f"/log/{job.job_id}/ws")
        await asyncio.wait_for(viewer.task, 10)
        assert viewer.code == 4401
        job.close()

    asyncio.run(test())


# Flask


def refuse() -> None:
    if not knows(flask_request.headers):
        abort(401)


def flask_guards() -> dict[str, Callable[[], tuple[Flask, str]]]:
    def of_app() -> tuple[Flask, str]:
        app = Flask("test")
        app.before_request(refuse)
        add_all(FLASK, app)
        return app, ""

    def of_blueprint() -> tuple[Flask, str]:
        app, blueprint = Flask("test"), Blueprint("logs", "test")
        blueprint.before_request(refuse)
        add_all(FLASK, blueprint)
        app.register_blueprint(blueprint, url_prefix="/api")
        return app, "/api"

    def of_outer_blueprint() -> tuple[Flask, str]:
        app, outer, inner = Flask("test"), Blueprint("outer", "test"), Blueprint("inner", "test")
        outer.before_request(refuse)
        add_all(FLASK, inner)
        outer.register_blueprint(inner, url_prefix="/inner")
        app.register_blueprint(outer, url_prefix="/outer")
        return app, "/outer/inner"

    def around_views() -> tuple[Flask, str]:
        app = Flask("test")
        add_all(FLASK, app)
        for name, view in app.view_functions.items():

            def guarded(_view: Any = view, **arguments: Any) -> Any:
                refuse()
                return _view(**arguments)

            app.view_functions[name] = guarded
        return app, ""

    def around_wsgi() -> tuple[Flask, str]:
        app = Flask("test")
        add_all(FLASK, app)
        inner = app.wsgi_app

        def guarded(environ: Any, start_response: Any) -> Any:
            if environ.get("HTTP_AUTHORIZATION") != KEY:
                start_response("401 Unauthorized", [])
                return [b""]
            return inner(environ, start_response)

        app.wsgi_app = guarded  # type: ignore[method-assign]  # Flask's own way
        return app, ""

    return {
        "before_request": of_app, "a blueprint": of_blueprint, "a blueprint around it": of_outer_blueprint,
        "a decorator": around_views, "a WSGI middleware": around_wsgi,
    }  # fmt: skip


@pytest.mark.parametrize(("method", "path"), flask_routes())
@pytest.mark.parametrize("guard", flask_guards())
def test_flask_s_guards_hold_for_every_route(guard: str, method: str, path: str) -> None:
    app, prefix = flask_guards()[guard]()
    with JobEmitter() as job:
        job.log("a secret")
    where = prefix + path.replace("<job_id>", job.job_id)
    if method == "OPTIONS" and guard == "a decorator":
        return  # is Flask's own, and says no more than which methods there are
    answer = app.test_client().open(where, method=method)
    assert (answer.status_code, "secret" in answer.get_data(as_text=True)) == (401, False)
    answer = app.test_client().open(where, method=method, headers={"Authorization": KEY})
    assert (answer.status_code, "secret" in answer.get_data(as_text=True)) == (200, method == "GET")
