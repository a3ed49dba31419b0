"""Flask: the routes, and the response that streams a job's log.

Needs the ``[flask]`` extra. The response wraps the iterator of `streamator.wsgi` in a Flask response.
"""

from __future__ import annotations

from functools import partial
from typing import Any

try:
    from flask import Blueprint, Flask, Response, request
    from flask.sansio.scaffold import Scaffold
except ImportError as error:
    raise ImportError(
        f"streamator.flask needs Flask, which is not installed here ({error}): pip install 'streamator[flask]'"
    ) from error

from . import ending
from .filters import DEFAULT_FILTER, Filter
from .follow import HEARTBEAT_SECONDS
from .options import check_prefix
from .stores.base import Store
from .transports import wsgi
from .transports.answers import LOG_ROUTES
from .transports.lookup import given_store
from .transports.open_streams import end_streams
from .transports.options import StreamOptions


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

    It reads the cursor from the request: the ``Last-Event-ID`` header, or else ``?after=``. An unknown job is a 404,
    an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of a closed log a 204,
    which tells an `EventSource` to stop. See `EventStream` for how it ends.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress, named)
    return _answer("stream", job_id, given_store(store, store_options), options)


def add_log_routes(
    app: Flask | Blueprint, prefix: str = "/log", store: str | Store | None = None, *,
    heartbeat: float = HEARTBEAT_SECONDS, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, **store_options: Any,
) -> None:  # fmt: skip
    """Add the routes that show a job's log.

    Args:
        app: the application or blueprint. What it asks before each request (``before_request``), for authentication
            for instance, holds for these routes too.
        prefix: the path in front of ``/{job_id}`` (default ``"/log"``).
        store: where to look for jobs that do not run in this process: ``"dynamo"``, or a `Store` (default: in every
            store that is open here).
        heartbeat, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    They are ``GET {prefix}/{job_id}/stream`` and ``GET {prefix}/{job_id}``; see `LogApp`.
    """
    check_prefix("prefix", prefix)
    opened = given_store(store, store_options)
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
    ending.watch_signals()  # here, because signals need the main thread, which answers no requests
    scaffold: Scaffold = app
    endpoint = f"streamator{prefix}".replace("/", "_").replace(".", "_")
    for name, (method, path) in LOG_ROUTES.items():
        if method != "WS":
            view = partial(_answer, name, store=opened, options=options)
            scaffold.add_url_rule(f"{prefix}/<job_id>{path}", endpoint + path.replace("/", "_"), view, methods=[method])


def _answer(route: str, job_id: str, store: Store | None, options: StreamOptions) -> Response:
    answer = wsgi.answer(route, job_id, store, options, request.environ)
    passed_on = isinstance(answer.body, wsgi.EventStream)
    return Response(answer.body, answer.status, answer.headers, direct_passthrough=passed_on)


__all__ = ["add_log_routes", "end_streams", "make_stream_response"]
