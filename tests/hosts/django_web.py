"""What the servers of `test_servers_stop` run of Django: settings, routes and applications in one module."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotFound, JsonResponse, StreamingHttpResponse
from django.urls import path
from streamator import JobLogger
from streamator.wsgi import EventStream, find

SECRET_KEY = "of tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_web"
USE_TZ = True

jobs: list[JobLogger] = []


def start(request: HttpRequest) -> HttpResponseBase:
    """A job that has no end."""
    jobs.append(JobLogger())
    jobs[-1].log("one")
    return JsonResponse(jobs[-1].job_id, safe=False)


def pid(request: HttpRequest) -> HttpResponseBase:
    """Which process answers."""
    return JsonResponse(os.getpid(), safe=False)


def stream(request: HttpRequest, job_id: str) -> HttpResponseBase:
    """A view over nothing but the iterator."""
    log = find(job_id)
    if log is None:
        return HttpResponseNotFound()
    return StreamingHttpResponse(EventStream(log), content_type="text/event-stream")


urlpatterns = [path("jobs", start), path("pid", pid), path("log/<job_id>/stream", stream)]


def __getattr__(name: str) -> object:
    # Made when a server asks for it: Django reads this very module as its settings first.
    if name != "application":
        raise AttributeError(name)
    os.environ["DJANGO_SETTINGS_MODULE"] = "django_web"
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
