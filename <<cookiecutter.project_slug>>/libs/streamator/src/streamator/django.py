"""Django: the URLs, and the response that streams a job's log.

Needs the ``[django]`` extra. Under ASGI a stream is asynchronous and takes no thread; under WSGI it takes one, as with
`streamator.flask`. The views are synchronous, so that every decorator and middleware of Django works with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

try:
    from django.core.handlers.asgi import ASGIRequest
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern, path
    from django.views.decorators.http import require_http_methods
except ImportError as error:
    raise ImportError(
        f"streamator.django needs Django, which is not installed here ({error}): pip install 'streamator[django]'"
    ) from error

from . import ending
from .filters import DEFAULT_FILTER, Filter
from .follow import HEARTBEAT_SECONDS
from .options import check_callable, check_kind, check_prefix
from .stores.base import Store
from .transports import wsgi
from .transports.answers import JOB_ROUTES, LOG_ROUTES
from .transports.lookup import given_store
from .transports.open_streams import end_streams
from .transports.options import StreamOptions

View = Callable[..., HttpResponseBase]
Decorator = Callable[[View], View]


def make_stream_response(
    request: HttpRequest, job_id: str, store: str | Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
    named: bool = False, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
    batch_size: int | None = None, compress: bool = False, **store_options: Any,
) -> HttpResponseBase:  # fmt: skip
    """The answer that streams a job's log: ``return make_stream_response(request, job_id)``, from a synchronous view.

    Args:
        request: the request: it has the cursor, and tells ASGI from WSGI.
        job_id: the job.
        store: where to look for a job that does not run in this process: a name (with its options) or a `Store`
            (default: in every store that is open here).
        heartbeat, named, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    An unknown job is a 404, an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of
    a closed log a 204. See `EventStream` for how it ends.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress, named)
    return _answer("stream", request, job_id, given_store(store, store_options), options)


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
        heartbeat, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        decorators: decorators for each view, such as ``login_required``, the first outermost (default: none).
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    They are ``GET {prefix}/{job_id}/stream`` and ``GET {prefix}/{job_id}``; see `LogApp`.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
    return _patterns(prefix, LOG_ROUTES, given_store(store, store_options), options, decorators)


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
    ``{"cancelled": job_id}``, 202 if only the job knows whether it does, 409 with a reason if it cannot be stopped.
    Django's CSRF middleware, if it is in use, protects that one.
    """
    options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
    return _patterns(prefix, JOB_ROUTES, given_store(store, store_options), options, decorators)


def _patterns(
    prefix: str, routes: dict[str, tuple[str, str]], store: Store | None, options: StreamOptions,
    decorators: Sequence[Decorator],
) -> list[URLPattern]:  # fmt: skip
    check_prefix("prefix", prefix)
    check_kind("decorators", decorators, (list, tuple), "give a list of decorators, such as [login_required]")
    for decorate in decorators:
        check_callable("decorators", decorate, "give a list of decorators, such as [login_required]")
    ending.watch_signals()  # here, because signals need the main thread, which answers no requests
    patterns = []
    for name, (method, last) in routes.items():
        if method != "WS":
            view = require_http_methods([method])(_view(name, store, options))
            for decorate in reversed(decorators):
                view = decorate(view)
            at = f"{prefix}/<str:job_id>{last}".lstrip("/")
            patterns.append(path(at, view, name=f"streamator:{at.replace('/<str:job_id>', '')}"))
    return patterns


def _view(route: str, store: Store | None, options: StreamOptions) -> View:
    def view(request: HttpRequest, job_id: str) -> HttpResponseBase:
        return _answer(route, request, job_id, store, options)

    return view


def _answer(
    route: str, request: HttpRequest, job_id: str, store: Store | None, options: StreamOptions
) -> HttpResponseBase:
    answer = wsgi.answer(route, job_id, store, options, request.META)
    body = answer.body
    if not isinstance(body, wsgi.EventStream):
        return HttpResponse(body, status=answer.status, headers=answer.headers)
    # Django's GZipMiddleware compresses what has no encoding, and would hold lines back.
    headers = {"content-encoding": "identity", **answer.headers}
    return StreamingHttpResponse(aiter(body) if isinstance(request, ASGIRequest) else body, headers=headers)


__all__ = ["end_streams", "job_urls", "log_urls", "make_stream_response"]
