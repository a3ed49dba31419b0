"""FastAPI: the routes, and the response that streams a job's log.

Needs the ``[fastapi]`` extra. The response wraps the plain ASGI application of `streamator.asgi` in a Starlette
response.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
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

from . import wire
from .events import encode_value, is_job_id, to_utf8
from .filters import DEFAULT_FILTER, Filter
from .follow import HEARTBEAT_SECONDS
from .options import check_callable, check_prefix
from .stores.base import Store, find_job, stores
from .transports import answers, asgi, guards, workers
from .transports.answers import JOB_ROUTES, LOG_ROUTES, Answer, Refusal
from .transports.lookup import given_store, is_shared
from .transports.open_streams import end_streams
from .transports.options import StreamOptions
from .transports.poll import poll
from .transports.scope import Message, raw
from .transports.sse import HEADERS
from .transports.websocket import check_origins, serve_websocket

# In the scope of a request whose stream begins after its endpoint: a list that takes the call that begins it.
_LATER = "streamator.stream"

logger = logging.getLogger("streamator")


class StreamResponse(Response):
    """A response that streams a job's log as server-sent events, for any number of viewers at a time.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat, named, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        background: a task, such as the job itself. It begins with the stream, and goes on when the viewer leaves.

    It answers as `StreamApp` does.
    """

    media_type = wire.MEDIA_TYPE

    def __init__(
        self, job_id: str, store: Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        compress: bool = False, background: BackgroundTask | None = None,
    ) -> None:  # fmt: skip
        if background is not None:
            check_callable("background", background, "give a starlette.background.BackgroundTask, or None")
        self.status_code = 200
        self.background = background
        self.body = b""
        self.raw_headers = raw(HEADERS)
        self._job_id = job_id
        self._store = given_store(store, {})
        self._options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress, named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A response object is for one request only."""
        stream = partial(
            asgi.stream, self._job_id, self._store, self._options, scope, receive, send, self.raw_headers,
            self.background,
        )  # fmt: skip
        if _LATER in scope:
            scope[_LATER].append(stream)
        else:
            await stream()


class _StreamRoute(APIRoute):
    """A route whose endpoint ends before its stream begins.

    A stream may last for hours: what FastAPI needs to find and call the endpoint is a third of an idle stream's
    memory, and a dependency with ``yield`` may hold a connection to a database. Neither is kept.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        later: list[partial[Awaitable[None]]] = []
        await super().handle({**scope, _LATER: later}, receive, send)  # a copy: what FastAPI puts into it is freed
        del scope, receive, send
        if later:
            await later.pop()()


def make_stream_response(
    job_id: str, store: str | Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
    filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
    compress: bool = False, **store_options: Any,
) -> Response:  # fmt: skip
    """The answer that streams a job's log: ``return make_stream_response(job_id)``.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process: a name (with its options) or a `Store`
            (default: in every store that is open here).
        heartbeat, named, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    Returns:
        A `StreamResponse`; or a 404, ``{"error": "not found"}``, if it is known at once that there is no such job.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress, named)
    return _stream(job_id, given_store(store, store_options), options)


make_job_stream_response = make_stream_response
"""The name that goes with `JobEmitter`."""


def _stream(job_id: str, store: Store | None, options: StreamOptions) -> Response:
    if find_job(job_id) is None and not any(is_shared(one) for one in ([store] if store else stores())):
        if is_job_id(job_id):
            workers.tell_of_an_unknown_job(job_id)
        return _response(Refusal(404, "not found").answer)
    response = StreamResponse(job_id, store)
    response._options = options
    return response


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
        heartbeat, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        origins: sites beside the server's own whose pages may open a WebSocket (default: none); see `WebSocketApp`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    They are ``GET {prefix}/{job_id}/stream``, ``WS {prefix}/{job_id}/ws`` and ``GET {prefix}/{job_id}``; see `LogApp`.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
    _add_routes(app, prefix, LOG_ROUTES, given_store(store, store_options), options, origins)


def add_job_routes(
    app: FastAPI | APIRouter, prefix: str = "/job", store: str | Store | None = None, *,
    heartbeat: float = HEARTBEAT_SECONDS, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, origins: Collection[str] = (), **store_options: Any,
) -> None:  # fmt: skip
    """Add the routes of a job made with `JobEmitter`: its stream, its result, and its end.

    Args:
        prefix: the path in front of ``/{job_id}`` (default ``"/job"``).
        app, store, heartbeat, filter, batch_delay_ms, batch_size, compress, origins, store_options: as for
            `add_log_routes`.

    ``GET {prefix}/{job_id}/stream`` streams its events, and so does ``WS {prefix}/{job_id}/ws``, which also takes
    ``{"type": "cancel"}``. ``GET {prefix}/{job_id}/result`` is what was given to ``set_result``, as often as it is
    asked for, and a 404 while there is none. ``POST {prefix}/{job_id}/cancel`` asks the job to stop, in whichever
    process it runs. It answers 202, ``{"status": "requested", "requested": job_id}``, if the request is stored but its
    effect is unknown: the job runs in another process, or is no task and has to check `JobLogger.cancel_requested`. It
    answers 200, ``{"cancelled": job_id}``, for a task of this process, and if the job is over by then; a job that
    cannot be stopped is a 409 that says why. Results are in the process that runs the job.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
    _add_routes(app, prefix, JOB_ROUTES, given_store(store, store_options), options, origins)


def _add_routes(
    app: FastAPI | APIRouter, prefix: str, routes: dict[str, tuple[str, str]], store: Store | None,
    options: StreamOptions, origins: Collection[str],
) -> None:  # fmt: skip
    check_prefix("prefix", prefix)
    router = app.router if isinstance(app, FastAPI) else app

    async def stream(job_id: str) -> Response:
        """Stream the job's events as server-sent events."""
        return _stream(job_id, store, options)

    async def snapshot(request: Request, job_id: str, after: str = "0") -> Response:
        """The events after the id `after`, the id to ask after next, and whether the job is over."""
        query, seen = request.scope["query_string"], wire.parse_cursor(after)
        return _response(await poll(job_id, store, options, query, seen, request.scope, request.receive))

    async def result(job_id: str) -> Response:
        """The job's result, as JSON."""
        return _response(answers.result(job_id, _encode_result))

    async def cancel(job_id: str) -> Response:
        """Ask the job to stop."""
        return _response(await answers.cancel(job_id, store, options))

    endpoints: dict[str, Callable[..., Any]] = {
        "stream": stream, "snapshot": snapshot, "result": result, "cancel": cancel,
    }  # fmt: skip
    streams: dict[str, Any] = {
        "status_code": 200, "response_class": StreamResponse, "openapi_extra": _DOCS,
        "route_class_override": type("StreamRoute", (_StreamRoute, router.route_class), {}),
    }  # fmt: skip
    for name, (method, ending) in routes.items():
        path = f"{prefix}/{{job_id}}{ending}"
        if name == "socket":
            _add_websocket(router, path, store, options, check_origins(origins), cancel="cancel" in routes)
        else:
            more = streams if name == "stream" else {"response_class": JSONResponse}
            router.add_api_route(path, endpoints[name], methods=[method], **more)


def _add_websocket(
    router: APIRouter, path: str, store: Store | None, options: StreamOptions, origins: Collection[str], cancel: bool
) -> None:
    # A route class sees no WebSocket, so it gets an empty HTTP route to guard.
    own = router.route_class
    guard = guards.admit if own is APIRoute else own(path, _admit, response_class=_Admit).handle

    @router.websocket(path)
    async def socket(websocket: WebSocket, job_id: str) -> None:
        # As for a stream, dependencies with `yield` are closed now: FastAPI would keep them open until the end.
        for name in ("fastapi_function_astack", "fastapi_inner_astack"):
            held = websocket.scope.get(name)
            if isinstance(held, AsyncExitStack):
                await held.aclose()

        async def send(message: Message) -> None:
            try:
                await websocket.send(message)
            except WebSocketDisconnect as error:  # Starlette's word for it
                raise ConnectionError("the viewer has left") from error

        connection = websocket.scope, websocket.receive, send
        await serve_websocket(job_id, store, options, *connection, origins, cancel, guard)


class _Admit(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await guards.admit(scope, receive, send)


async def _admit() -> Response:
    return _Admit()


def _encode_result(data: Any) -> bytes:
    try:
        data = jsonable_encoder(data)  # FastAPI's own way with models, dates and the like
    except Exception as error:  # the job's own object failed: what JSON cannot hold becomes its string, as in an event
        logger.info("a job's result is encoded by its strings: %s: %s", type(error).__name__, error)
    return to_utf8(encode_value(data))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


_DOCS = {
    "parameters": [
        {"name": name, "in": where, "required": False, "schema": {"type": "string"}, "description": text}
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
