"""The Django project that test_django.py serves: its URLs, and its ASGI and WSGI applications."""

from __future__ import annotations

import threading
import time
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from streamator import JobEmitter
from streamator.django import job_urls, log_urls
from streamator.wsgi import EventStream, find

KEY = "open sesame"


def guarded(view: Any) -> Any:
    """A decorator of the project's own."""

    def inner(request: Any, *arguments: Any, **named: Any) -> Any:
        if request.headers.get("authorization") != KEY:
            return HttpResponse(status=401)
        return view(request, *arguments, **named)

    return inner


class Guard:
    """A middleware of the project's own, of the synchronous kind."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if request.path.startswith("/middleware/") and request.headers.get("authorization") != KEY:
            return HttpResponse(status=401)
        return self.get_response(request)


def start(request: Any) -> Any:
    job = JobEmitter()

    def work() -> None:
        with job:
            for n in range(int(request.GET.get("lines", 10))):
                job.log(f"line {n}")
                time.sleep(0.03)

    threading.Thread(target=work, daemon=True).start()
    return JsonResponse({"job_id": job.job_id})


def own(request: Any, job_id: str) -> Any:
    """A view of the project's own over an `EventStream`, which ASGI reads asynchronously."""
    log = find(job_id)
    assert log is not None
    headers = {"content-encoding": "identity"}  # so that GZipMiddleware leaves it alone
    return StreamingHttpResponse(aiter(EventStream(log)), content_type="text/event-stream", headers=headers)


def tasks(request: Any) -> Any:
    """Whether the server answers; see `Server.answers`."""
    return JsonResponse({"tasks": threading.active_count()})


urlpatterns = [
    path("jobs", csrf_exempt(start)),
    path("own/<str:job_id>", own),
    path("tasks", tasks),
    *log_urls(),
    *job_urls(decorators=[csrf_exempt]),
    path("decorated/", include([*log_urls(decorators=[guarded]), *job_urls(decorators=[csrf_exempt, guarded])])),
    path("middleware/", include([*log_urls(), *job_urls()])),
    *log_urls("/compressed", compress=True),
]

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests",
        MIDDLEWARE=[
            "django.middleware.gzip.GZipMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
            f"{__name__}.Guard",
        ],
    )  # fmt: skip
    django.setup()


def __getattr__(name: str) -> Any:
    if name == "asgi":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    if name == "wsgi":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    raise AttributeError(name)
