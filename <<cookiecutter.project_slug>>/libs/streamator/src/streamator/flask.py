"""Flask: the routes, and the response that streams a job's log.

Needs the ``[flask]`` extra. The response is the iterator of `streamator.wsgi` in the dress of a Flask response.
"""

from __future__ import annotations

from typing import Any

try:
    from flask import Blueprint, Flask, Response, jsonify, request
    from flask.sansio.scaffold import Scaffold
except ImportError as error:
    raise ImportError(
        f"streamator.flask needs Flask, which is not installed here ({error}): pip install 'streamator[flask]'"
    ) from error

from . import shutdown
from .compression import encoder_for
from .filters import DEFAULT_FILTER, Filter
from .options import check_flag, check_prefix
from .shutdown import end_streams
from .store import Store
from .stream import HEARTBEAT_SECONDS, check_heartbeat
from .view import view_of
from .viewer import given_store, stream_headers
from .wsgi import NO_STORE, EventStream, Refusal, cursor_of, look_up, snapshot


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
        named: put each event's name on an ``event:`` line, for an endpoint that starts a job and streams it as the
            answer to a POST (default False).
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); None for all. A
            viewer's ``?visibility=`` and ``?types=``, lists with commas, can take away from it and add nothing.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        compress: send the stream compressed to a client that takes it, as gzip or, with the ``[compress]`` extra, zstd
            (default False); lines still arrive one by one, and a viewer costs about 30 KB more.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    It reads the cursor from the request: the ``Last-Event-ID`` header, or else ``?after=``. An unknown job is a 404,
    an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of a closed log a 204,
    which tells an `EventSource` to stop. See `EventStream` for how it ends.
    """
    shows: dict[str, Any] = {
        "heartbeat": check_heartbeat(heartbeat), "named": check_flag("named", named), "batch_delay_ms": batch_delay_ms,
        "batch_size": batch_size,
    }  # fmt: skip
    check_flag("compress", compress)
    opened = given_store(store, store_options)
    view = view_of(filter, batch_delay_ms, batch_size)
    try:
        log, view = look_up(job_id, opened, view, request.query_string)
    except Refusal as refusal:
        return _refused(refusal)
    after = _cursor()
    if log.is_over_for(after):
        return Response(status=204, headers=NO_STORE)
    headers = [(name.decode(), value.decode()) for name, value in stream_headers()]
    encoder = encoder_for(request.headers.get("accept-encoding")) if compress else None
    if compress:
        headers.append(("vary", "accept-encoding"))
    if encoder is not None:
        headers.append(("content-encoding", encoder.name))
    stream = EventStream(log, after, filter=view.filter, encoder=encoder, **shows)
    return Response(stream, headers=headers, direct_passthrough=True)


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
        heartbeat, filter, batch_delay_ms, batch_size, compress: as for `make_stream_response`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    ``GET {prefix}/{job_id}/stream`` is the live stream; see `make_stream_response`. ``GET {prefix}/{job_id}`` is what
    there is now, ``{"logs": [...], "next": 7, "closed": false}``: ask again with ``?after=7`` for what has come since,
    or for the rest of a log of more than 16 MiB.
    """
    check_prefix("prefix", prefix)
    check_heartbeat(heartbeat)
    check_flag("compress", compress)
    opened = given_store(store, store_options)
    view = view_of(filter, batch_delay_ms, batch_size)
    shutdown.watch_signals()  # here, because requests are answered in other threads than the main one

    def stream(job_id: str) -> Response:
        return make_stream_response(
            job_id, opened, heartbeat=heartbeat, filter=filter, batch_delay_ms=batch_delay_ms, batch_size=batch_size,
            compress=compress,
        )  # fmt: skip

    def poll(job_id: str) -> Response:
        try:
            log, shown = look_up(job_id, opened, view, request.query_string)
        except Refusal as refusal:
            return _refused(refusal)
        return Response(snapshot(log, _cursor(), shown.filter), mimetype="application/json", headers=NO_STORE)

    scaffold: Scaffold = app
    name = f"streamator{prefix}".replace("/", "_").replace(".", "_")
    scaffold.add_url_rule(f"{prefix}/<job_id>/stream", f"{name}_stream", stream, methods=["GET"])
    scaffold.add_url_rule(f"{prefix}/<job_id>", name, poll, methods=["GET"])


def _cursor() -> int:
    return cursor_of(request.headers.get("last-event-id"), request.args.getlist("after"))


def _refused(refusal: Refusal) -> Response:
    answer = jsonify(error=str(refusal))
    answer.status_code = refusal.status
    answer.headers.update(refusal.headers)
    return answer


__all__ = ["add_log_routes", "end_streams", "make_stream_response"]
