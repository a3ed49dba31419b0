"""FastAPI: the routes, and the response that streams a job's log.

Needs the ``[fastapi]`` extra. The response is the plain ASGI application of `streamator.asgi` in the dress of a
Starlette response.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Collection
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

try:
    from fastapi import APIRouter, FastAPI, Request
    from fastapi.encoders import jsonable_encoder
    from fastapi.routing import APIRoute
    from starlette.background import BackgroundTask
    from starlette.responses import JSONResponse, Response
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket, WebSocketDisconnect
except ImportError as error:
    raise ImportError(
        f"streamator.fastapi needs FastAPI, which is not installed here ({error}): pip install 'streamator[fastapi]'"
    ) from error

from . import guards, wire, workers
from .asgi import StreamApp
from .errors import StoreError
from .events import encode_value, is_job_id, to_utf8
from .filters import DEFAULT_FILTER, Filter
from .options import check_callable, check_flag, check_prefix
from .shutdown import end_streams
from .store import Store, find_job, stores
from .stream import HEARTBEAT_SECONDS, check_heartbeat
from .view import view_of
from .viewer import Message, cancel_job, find_log, given_store, is_shared, snapshot_json, stream_headers
from .websocket import WebSocketApp, check_origins

_NO_STORE = {"cache-control": "no-store"}
# In the scope of a request whose stream is to begin after the endpoint: a list for what begins it.
_LATER = "streamator.stream"

logger = logging.getLogger("streamator")


class StreamResponse(Response):
    """A response that streams a job's log as server-sent events, for any number of viewers at a time.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        named: put each event's name on an ``event:`` line, for an endpoint that starts a job and streams it as the
            answer to a POST (default False: unnamed, so that a browser's ``onmessage`` sees every event).
        filter, batch_delay_ms, batch_size: what is shown, and in what pieces; see `StreamApp`.
        compress: whether to send it compressed (default False); see `StreamApp`.
        background: a task, such as the job itself. It begins with the stream, and goes on when the viewer leaves.

    It answers as `StreamApp` does.
    """

    media_type = wire.MEDIA_TYPE

    def __init__(
        self,
        job_id: str,
        store: Store | None = None,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        named: bool = False,
        filter: Filter | None = DEFAULT_FILTER,
        batch_delay_ms: float = 0.0,
        batch_size: int | None = None,
        compress: bool = False,
        background: BackgroundTask | None = None,
    ) -> None:
        if background is not None:
            check_callable("background", background, "give a starlette.background.BackgroundTask, or None")
        self.status_code = 200
        self.background = background
        self.body = b""
        self.raw_headers = stream_headers()
        self._app = StreamApp(
            job_id, store, heartbeat=heartbeat, named=named, filter=filter, batch_delay_ms=batch_delay_ms,
            batch_size=batch_size, compress=compress,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A response object is for one request only."""
        if _LATER in scope:
            scope[_LATER].append(partial(self.stream, scope, receive, send))
        else:
            await self.stream(scope, receive, send)

    def stream(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What a call does, also where the route has asked for it to be done later; see `_StreamRoute`."""
        return self._app.stream(scope, receive, send, self.raw_headers, self.background)


class _StreamRoute(APIRoute):
    """A route whose endpoint is over before its stream begins.

    A stream may last for hours: what FastAPI needs to find and call the endpoint is a third of an idle stream's
    memory, and a dependency with ``yield`` may hold a connection to a database. Neither is kept.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        later: list[partial[Awaitable[None]]] = []
        await super().handle({**scope, _LATER: later}, receive, send)  # a copy, so that what is put into it goes
        del scope, receive, send
        if later:
            await later.pop()()


def _stream_route(route_class: type[APIRoute]) -> type[APIRoute]:
    """A `_StreamRoute` that does what the router's own route class does."""
    return type("StreamRoute", (_StreamRoute, route_class), {})


def make_stream_response(
    job_id: str,
    store: str | Store | None = None,
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    named: bool = False,
    filter: Filter | None = DEFAULT_FILTER,
    batch_delay_ms: float = 0.0,
    batch_size: int | None = None,
    compress: bool = False,
    **store_options: Any,
) -> Response:
    """The answer that streams a job's log: ``return make_stream_response(job_id)``.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process: a name (with its options) or a `Store`
            (default: in every store that is open here).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        named: put each event's name on an ``event:`` line (default False); see `StreamResponse`.
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); see `StreamApp`.
        batch_delay_ms, batch_size: how events wait for others to go with them (default: not at all); see `StreamApp`.
        compress: whether to send it compressed (default False); see `StreamApp`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    Returns:
        A `StreamResponse`; or a 404, ``{"error": "not found"}``, where it is known at once that there is no such job.
    """
    opened = given_store(store, store_options)
    response = StreamResponse(
        job_id, opened, heartbeat=heartbeat, named=named, filter=filter, batch_delay_ms=batch_delay_ms,
        batch_size=batch_size, compress=compress,
    )  # fmt: skip
    if find_job(job_id) is None and not any(is_shared(one) for one in ([opened] if opened else stores())):
        if is_job_id(job_id):
            workers.tell_of_an_unknown_job(job_id)
        return _not_found()
    return response


def make_job_stream_response(
    job_id: str,
    store: str | Store | None = None,
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    named: bool = False,
    filter: Filter | None = DEFAULT_FILTER,
    batch_delay_ms: float = 0.0,
    batch_size: int | None = None,
    compress: bool = False,
    **store_options: Any,
) -> Response:
    """`make_stream_response`, under the name that goes with `JobEmitter`."""
    return make_stream_response(
        job_id, store, heartbeat=heartbeat, named=named, filter=filter, batch_delay_ms=batch_delay_ms,
        batch_size=batch_size, compress=compress, **store_options,
    )  # fmt: skip


def add_log_routes(
    app: FastAPI | APIRouter, prefix: str = "/log", store: str | Store | None = None, *,
    heartbeat: float = HEARTBEAT_SECONDS, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, origins: Collection[str] = (), **store_options: Any,
) -> None:  # fmt: skip
    """Add the routes that show a job's log.

    Args:
        app: the application or router. Its dependencies, for authentication for instance, hold for these routes too;
            one with ``yield`` is closed before a stream begins.
        prefix: the path in front of ``/{job_id}`` (default ``"/log"``).
        store: where to look for jobs that do not run in this process: ``"dynamo"``, or a `Store` (default: in every
            store that is open here).
        heartbeat: seconds without an event after which a stream sends a comment (default 15).
        filter: which events these routes show (default: those that are ``user_facing`` or ``live_ui_only``); None for
            all. A viewer's ``?visibility=`` and ``?types=``, lists with commas, can take away from it and add nothing.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        compress: whether to send streams compressed (default False); see `StreamApp`.
        origins: sites beside the server's own whose pages may open a WebSocket (default: none); see `WebSocketApp`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    ``GET {prefix}/{job_id}/stream`` is the live stream; see `StreamResponse`. ``WS {prefix}/{job_id}/ws`` is the same
    over a WebSocket; see `WebSocketApp`. ``GET {prefix}/{job_id}`` is what there is now,
    ``{"logs": [...], "next": 7, "closed": false}``: ask again with ``?after=7`` for what has come since,
    or for the rest of a log of more than 16 MiB.
    """
    check_prefix("prefix", prefix)
    opened = given_store(store, store_options)
    view = view_of(filter, batch_delay_ms, batch_size)
    shows: dict[str, Any] = {
        "heartbeat": check_heartbeat(heartbeat), "filter": filter, "batch_delay_ms": batch_delay_ms,
        "batch_size": batch_size,
    }  # fmt: skip

    _add_stream(app, f"{prefix}/{{job_id}}/stream", opened, shows, compress)
    _add_websocket(app, f"{prefix}/{{job_id}}/ws", opened, shows, origins, cancel=False)

    @app.get(f"{prefix}/{{job_id}}", response_class=JSONResponse)
    async def snapshot(request: Request, job_id: str, after: str = "0") -> Response:
        """The events after the id `after`, the id to ask after next, and whether the job is over."""
        try:
            shown = view.narrowed(request.scope["query_string"])
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=422, headers=_NO_STORE)
        try:
            log = await find_log(job_id, opened)
        except StoreError as error:
            return _unavailable(error)
        if log is None:
            return _not_found()
        body = await snapshot_json(log, wire.parse_cursor(after), shown.filter)
        return Response(body, media_type="application/json", headers=_NO_STORE)


def add_job_routes(
    app: FastAPI | APIRouter, prefix: str = "/job", store: str | Store | None = None, *,
    heartbeat: float = HEARTBEAT_SECONDS, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, origins: Collection[str] = (), **store_options: Any,
) -> None:  # fmt: skip
    """Add the routes of a job made with `JobEmitter`: its stream, its result, and its end.

    Args:
        app: the application or router. Its dependencies, for authentication for instance, hold for these routes too;
            one with ``yield`` is closed before a stream begins.
        prefix: the path in front of ``/{job_id}`` (default ``"/job"``).
        store: as for `add_log_routes`.
        heartbeat, filter, batch_delay_ms, batch_size, compress: as for `add_log_routes`.
        origins: as for `add_log_routes`.
        store_options: as for `add_log_routes`.

    ``GET {prefix}/{job_id}/stream`` streams its events, and so does ``WS {prefix}/{job_id}/ws``, which also takes
    ``{"type": "cancel"}``. ``GET {prefix}/{job_id}/result`` is what was given to
    ``set_result``, as often as it is asked for, and a 404 while there is none. ``POST {prefix}/{job_id}/cancel`` asks
    the job to stop, in whichever process it runs. It answers 202, ``{"status": "requested", "requested": job_id}``,
    where it is only known that the request is noted: the job runs in another process, or is no task and has to look at
    `JobLogger.cancel_requested`. It answers 200, ``{"cancelled": job_id}``, for a task of this process, and where the
    job is over by then; a job that cannot be stopped is a 409 that says why. Results are in the process that runs the
    job.
    """
    check_prefix("prefix", prefix)
    opened = given_store(store, store_options)
    view_of(filter, batch_delay_ms, batch_size)  # what does not fit is an error here, not in a request
    shows: dict[str, Any] = {
        "heartbeat": check_heartbeat(heartbeat), "filter": filter, "batch_delay_ms": batch_delay_ms,
        "batch_size": batch_size,
    }  # fmt: skip

    _add_stream(app, f"{prefix}/{{job_id}}/stream", opened, shows, compress)
    _add_websocket(app, f"{prefix}/{{job_id}}/ws", opened, shows, origins, cancel=True)

    @app.get(f"{prefix}/{{job_id}}/result", response_class=JSONResponse)
    async def result(job_id: str) -> Response:
        """The job's result, as JSON."""
        job = find_job(job_id)
        if job is None or not job.has_result:
            return _not_found()
        return Response(_encode_result(job.result), media_type="application/json", headers=_NO_STORE)

    @app.post(f"{prefix}/{{job_id}}/cancel", response_class=JSONResponse)
    async def cancel(job_id: str) -> Response:
        """Ask the job to stop."""
        try:
            log = await find_log(job_id, opened)
            if log is None:
                return _not_found()
            status, answer = await cancel_job(job_id, log, opened)
        except StoreError as error:
            return _unavailable(error)
        return JSONResponse(answer, status, headers=_NO_STORE)


def _add_stream(
    app: FastAPI | APIRouter, path: str, store: Store | None, shows: dict[str, Any], compress: bool
) -> None:
    check_flag("compress", compress)

    async def stream(job_id: str) -> Response:
        """Stream the job's events as server-sent events."""
        return make_stream_response(job_id, store, compress=compress, **shows)

    router = _router(app)
    router.add_api_route(
        path, stream, methods=["GET"], status_code=200, response_class=StreamResponse, openapi_extra=_DOCS,
        route_class_override=_stream_route(router.route_class),
    )  # fmt: skip


def _add_websocket(
    app: FastAPI | APIRouter, path: str, store: Store | None, shows: dict[str, Any], origins: Collection[str],
    cancel: bool,
) -> None:  # fmt: skip
    check_origins(origins)
    route_class = _router(app).route_class
    # A route class sees no WebSocket, so it gets a route to guard that leads to nothing.
    guard = guards.admit if route_class is APIRoute else route_class(path, _admit, response_class=_Admit).handle

    @app.websocket(path)
    async def socket(websocket: WebSocket, job_id: str) -> None:
        # As for a stream, what dependencies with `yield` hold is not kept: FastAPI would until the end.
        for name in ("fastapi_function_astack", "fastapi_inner_astack"):
            held = websocket.scope.get(name)
            if isinstance(held, AsyncExitStack):
                await held.aclose()

        async def send(message: Message) -> None:
            try:
                await websocket.send(message)
            except WebSocketDisconnect as error:  # Starlette's word for it
                raise ConnectionError("the viewer has left") from error

        application = WebSocketApp(job_id, store, origins=origins, cancel=cancel, **shows)
        await application.serve(websocket.scope, websocket.receive, send, guard)


class _Admit(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await guards.admit(scope, receive, send)


async def _admit() -> Response:
    return _Admit()


def _router(app: FastAPI | APIRouter) -> APIRouter:
    return app.router if isinstance(app, FastAPI) else app


def _encode_result(data: Any) -> bytes:
    try:
        data = jsonable_encoder(data)  # FastAPI's own way with models, dates and the like
    except Exception as error:  # the job's own object failed: what JSON cannot hold becomes its string, as in an event
        logger.info("a job's result is encoded by its strings: %s: %s", type(error).__name__, error)
    return to_utf8(encode_value(data))


def _not_found() -> JSONResponse:
    return JSONResponse({"error": "not found"}, status_code=404, headers=_NO_STORE)


def _unavailable(error: StoreError) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=503, headers={**_NO_STORE, "retry-after": "2"})


_DOCS = {
    "parameters": [
        {
            "name": name,
            "in": where,
            "required": False,
            "schema": {"type": "string"},
            "description": text,
        }
        for name, where, text in (
            ("Last-Event-ID", "header", "The id of the last event already seen; it wins over `after`."),
            ("after", "query", "The id of the last event already seen."),
            ("visibility", "query", "Of what the route shows, only these visibilities, with commas."),
            ("types", "query", "Of what the route shows, only events of these names, with commas."),
        )
    ]
}

__all__ = [
    "StreamResponse",
    "add_job_routes",
    "add_log_routes",
    "end_streams",
    "make_job_stream_response",
    "make_stream_response",
]
