"""Django: the URLs, and the response that streams a job's log.

Needs the ``[django]`` extra. Under ASGI a stream is asynchronous and takes no thread; under WSGI it takes one, as with
`streamator.flask`. The views are synchronous, so that any decorator and middleware of Django's holds for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

try:
    from django.core.handlers.asgi import ASGIRequest
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern, path
    from django.views.decorators.http import require_GET, require_POST
except ImportError as error:
    raise ImportError(
        f"streamator.django needs Django, which is not installed here ({error}): pip install 'streamator[django]'"
    ) from error

from . import shutdown, wsgi
from .compression import encoder_for
from .errors import StoreError
from .events import encode_value, to_utf8
from .filters import DEFAULT_FILTER, Filter
from .options import check_callable, check_flag, check_kind, check_prefix
from .shutdown import end_streams
from .store import Store, find_job
from .stream import HEARTBEAT_SECONDS, check_heartbeat
from .view import view_of
from .viewer import given_store, stream_headers

View = Callable[..., HttpResponseBase]
Decorator = Callable[[View], View]


def make_stream_response(
    request: HttpRequest, job_id: str, store: str | Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
    named: bool = False, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, **store_options: Any,
) -> HttpResponseBase:  # fmt: skip
    """The answer that streams a job's log: ``return make_stream_response(request, job_id)``, from a synchronous view.

    Args:
        request: what is answered: the cursor is in it, and whether this is ASGI or WSGI.
        job_id: the job.
        store: where to look for a job that does not run in this process: a name (with its options) or a `Store`
            (default: in every store that is open here).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        named: put each event's name on an ``event:`` line (default False).
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); None for all. A
            viewer's ``?visibility=`` and ``?types=``, lists with commas, can take away from it and add nothing.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        compress: send the stream compressed to a client that takes it (default False).
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    An unknown job is a 404, an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of
    a closed log a 204. See `EventStream` for how it ends.
    """
    shows: dict[str, Any] = {
        "heartbeat": check_heartbeat(heartbeat), "named": check_flag("named", named), "batch_delay_ms": batch_delay_ms,
        "batch_size": batch_size,
    }  # fmt: skip
    check_flag("compress", compress)
    opened = given_store(store, store_options)
    view = view_of(filter, batch_delay_ms, batch_size)
    try:
        log, view = wsgi.look_up(job_id, opened, view, _query(request))
    except wsgi.Refusal as refusal:
        return _refused(refusal)
    after = _cursor(request)
    if log.is_over_for(after):
        return HttpResponse(status=204, headers=wsgi.NO_STORE)
    encoder = encoder_for(request.headers.get("accept-encoding")) if compress else None
    stream = wsgi.EventStream(log, after, filter=view.filter, encoder=encoder, **shows)
    answer = StreamingHttpResponse(aiter(stream) if isinstance(request, ASGIRequest) else stream)
    for name, value in stream_headers():
        answer[name.decode()] = value.decode()
    if compress:
        answer["vary"] = "accept-encoding"
    # Django's GZipMiddleware compresses what has no encoding, and would hold lines back.
    answer["content-encoding"] = "identity" if encoder is None else encoder.name
    return answer


def log_urls(
    prefix: str = "/log", store: str | Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
    filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
    compress: bool = False, decorators: Sequence[Decorator] = (), **store_options: Any,
) -> list[URLPattern]:  # fmt: skip
    """The URLs that show a job's log: ``urlpatterns = [..., *log_urls()]``.

    Args:
        prefix: the path in front of ``/{job_id}`` (default ``"/log"``).
        store: where to look for jobs that do not run in this process: ``"dynamo"``, or a `Store` (default: in every
            store that is open here).
        heartbeat, filter, batch_delay_ms, batch_size, compress: as for `make_stream_response`.
        decorators: what is around each view, such as ``login_required``, the first outermost (default: none).
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    ``GET {prefix}/{job_id}/stream`` is the live stream; see `make_stream_response`. ``GET {prefix}/{job_id}`` is what
    there is now, ``{"logs": [...], "next": 7, "closed": false}``: ask again with ``?after=7`` for what has come since,
    or for the rest of a log of more than 16 MiB.
    """
    opened = given_store(store, store_options)
    view = view_of(filter, batch_delay_ms, batch_size)

    def poll(request: HttpRequest, job_id: str) -> HttpResponseBase:
        try:
            log, shown = wsgi.look_up(job_id, opened, view, _query(request))
        except wsgi.Refusal as refusal:
            return _refused(refusal)
        body = wsgi.snapshot(log, _cursor(request), shown.filter)
        return HttpResponse(body, content_type="application/json", headers=wsgi.NO_STORE)

    at = _path(prefix)
    stream = _stream_view(opened, heartbeat, filter, batch_delay_ms, batch_size, compress)
    views = {f"{at}/stream": require_GET(stream), at: require_GET(poll)}
    return _patterns(views, decorators)


def job_urls(
    prefix: str = "/job", store: str | Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
    filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
    compress: bool = False, decorators: Sequence[Decorator] = (), **store_options: Any,
) -> list[URLPattern]:  # fmt: skip
    """The URLs of a job made with `JobEmitter`: its stream, its result, and its end.

    Args:
        prefix: the path in front of ``/{job_id}`` (default ``"/job"``).
        store, heartbeat, filter, batch_delay_ms, batch_size, compress, decorators, store_options: as for `log_urls`.

    ``GET {prefix}/{job_id}/stream`` streams its events, ``GET {prefix}/{job_id}/result`` is what was given to
    ``set_result`` and a 404 while there is none, and ``POST {prefix}/{job_id}/cancel`` asks the job to stop: 200
    ``{"cancelled": job_id}``, 202 where only the job knows whether it does, 409 with a reason where it cannot be.
    Django's protection against CSRF holds for that one, where its middleware is in use.
    """
    opened = given_store(store, store_options)
    whole = view_of(filter, batch_delay_ms, batch_size)

    def result(request: HttpRequest, job_id: str) -> HttpResponseBase:
        job = find_job(job_id)
        if job is None or not job.has_result:
            return _refused(wsgi.Refusal(404, "not found"))
        body = to_utf8(encode_value(job.result))
        return HttpResponse(body, content_type="application/json", headers=wsgi.NO_STORE)

    def cancel(request: HttpRequest, job_id: str) -> HttpResponseBase:
        try:
            log, _ = wsgi.look_up(job_id, opened, whole)
            status, answer = wsgi.cancel(job_id, log, opened)
        except wsgi.Refusal as refusal:
            return _refused(refusal)
        except StoreError as error:
            return _refused(wsgi.Refusal(503, str(error)))
        return JsonResponse(answer, status=status, headers=wsgi.NO_STORE)

    at = _path(prefix)
    stream = _stream_view(opened, heartbeat, filter, batch_delay_ms, batch_size, compress)
    views = {
        f"{at}/stream": require_GET(stream), f"{at}/result": require_GET(result), f"{at}/cancel": require_POST(cancel),
    }  # fmt: skip
    return _patterns(views, decorators)


def _stream_view(
    store: Store | None, heartbeat: float, filter: Filter | None, batch_delay_ms: float, batch_size: int | None,
    compress: bool,
) -> View:  # fmt: skip
    check_heartbeat(heartbeat)
    check_flag("compress", compress)
    view_of(filter, batch_delay_ms, batch_size)  # what does not fit is an error here, not in a request

    def stream(request: HttpRequest, job_id: str) -> HttpResponseBase:
        return make_stream_response(
            request, job_id, store, heartbeat=heartbeat, filter=filter, batch_delay_ms=batch_delay_ms,
            batch_size=batch_size, compress=compress,
        )  # fmt: skip

    return stream


def _path(prefix: str) -> str:
    check_prefix("prefix", prefix)
    return f"{prefix}/<str:job_id>".lstrip("/")


def _patterns(views: dict[str, View], decorators: Sequence[Decorator]) -> list[URLPattern]:
    check_kind("decorators", decorators, (list, tuple), "give a list of decorators, such as [login_required]")
    for decorate in decorators:
        check_callable("decorators", decorate, "give a list of decorators, such as [login_required]")
    shutdown.watch_signals()  # here, because requests are answered in other threads than the main one
    patterns = []
    for route, view in views.items():
        for decorate in reversed(decorators):
            view = decorate(view)
        patterns.append(path(route, view, name=f"streamator:{route.replace('/<str:job_id>', '')}"))
    return patterns


def _query(request: HttpRequest) -> bytes:
    return str(request.META.get("QUERY_STRING", "")).encode("latin-1", "replace")


def _cursor(request: HttpRequest) -> int:
    return wsgi.cursor_of(request.headers.get("last-event-id"), request.GET.getlist("after"))


def _refused(refusal: wsgi.Refusal) -> HttpResponseBase:
    return JsonResponse({"error": str(refusal)}, status=refusal.status, headers=refusal.headers)


__all__ = ["end_streams", "job_urls", "log_urls", "make_stream_response"]
