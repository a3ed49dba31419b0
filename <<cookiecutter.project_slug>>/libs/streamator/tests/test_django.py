"""Django: its own ASGI and WSGI handlers, and a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import django_app
import pytest
from django.test import AsyncClient, Client
from django.urls import get_resolver
from test_failures import Broken, tracebacks
from test_server import Server, parse

from streamator import JobEmitter, JobLogger
from streamator.django import log_urls, make_stream_response


def finished(lines: int = 3) -> str:
    with JobEmitter() as job:
        for n in range(lines):
            job.log(f"line {n}")
        job.set_result({"lines": lines})
    return str(job.job_id)


async def by_asgi(method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    client: Any = AsyncClient(enforce_csrf_checks=True)
    answer = await getattr(client, method.lower())(path, headers=headers)
    body = b"".join([part async for part in answer]) if answer.streaming else answer.content
    return answer.status_code, {name.lower(): value for name, value in answer.items()}, body.decode()


def by_wsgi(method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    client: Any = Client(enforce_csrf_checks=True)
    answer = getattr(client, method.lower())(path, headers=headers)
    return answer.status_code, {name.lower(): value for name, value in answer.items()}, answer.getvalue().decode()


def get(how: str, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    return asyncio.run(by_asgi(method, path, **headers)) if how == "asgi" else by_wsgi(method, path, **headers)


pytestmark = pytest.mark.filterwarnings("error:StreamingHttpResponse must consume")
both = pytest.mark.parametrize("how", ["asgi", "wsgi"])


@both
def test_a_stream_has_its_headers_ids_and_errors(how: str) -> None:
    job_id = finished()
    status, headers, text = get(how, "GET", f"/log/{job_id}/stream", accept_encoding="gzip")
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache, no-transform", "no")
    assert text.startswith("retry: 3000\n: ok\n\n")
    assert [(n, event["event"]) for n, event in parse(text)] == [(1, "log"), (2, "log"), (3, "log"), (4, "done")]
    for more, query, expected in (({"last-event-id": "2"}, "", [3, 4]), ({}, "?after=3", [4])):
        text = get(how, "GET", f"/log/{job_id}/stream{query}", **more)[2]
        assert [n for n, _ in parse(text)] == expected
    assert get(how, "GET", f"/log/{job_id}/stream?after=4")[0] == 204
    assert get(how, "GET", f"/log/{job_id}/stream?visibility=nobody")[0] == 422
    assert get(how, "POST", f"/log/{job_id}/stream")[0] in (403, 405)


@both
def test_polls_results_and_unknown_jobs(how: str) -> None:
    job_id = finished()
    status, headers, text = get(how, "GET", f"/log/{job_id}?after=2")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert '"next":4' in text and '"closed":true' in text and "line 2" in text and "line 1" not in text
    assert get(how, "GET", f"/job/{job_id}/result")[2] == '{"lines":3}'
    paths = [("GET", "/log/{}"), ("GET", "/log/{}/stream"), ("GET", "/job/{}/result"), ("POST", "/job/{}/cancel")]
    for method, path in paths:
        status, _, text = get(how, method, path.format(uuid.uuid4()))
        assert (status, json.loads(text)) == (404, {"error": "not found"})


@both
def test_a_task_is_cancelled(how: str) -> None:
    async def test() -> None:
        job = JobEmitter()
        task = asyncio.create_task(asyncio.Event().wait())
        job.track(task)
        path = f"/job/{job.job_id}/cancel"
        asked = by_asgi("POST", path) if how == "asgi" else asyncio.to_thread(by_wsgi, "POST", path)
        status, _, text = await asyncio.wait_for(asked, 10)
        assert status in (200, 202) and job.job_id in text
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    asyncio.run(test())


def ours() -> list[tuple[str, str]]:
    """Method and path of each URL that the doors make, found in the project's own."""
    routes = [str(pattern.pattern) for pattern in get_resolver().url_patterns if hasattr(pattern, "callback")]
    routes = [route for route in routes if "<str:job_id>" in route and not route.startswith(("own", "compressed"))]
    return [("POST" if route.endswith("cancel") else "GET", route) for route in routes]


@both
@pytest.mark.parametrize("guard", ["decorated", "middleware"])
@pytest.mark.parametrize(("method", "route"), ours())
def test_decorators_and_middlewares_hold_for_every_url(how: str, guard: str, method: str, route: str) -> None:
    with JobEmitter() as job:
        job.log("a secret")
        job.set_result("a secret")
    path = f"/{guard}/{route.replace('<str:job_id>', job.job_id)}"
    status, _, text = get(how, method, path)
    assert (status, "secret" in text) == (401, False)
    status, _, text = get(how, method, path, authorization=django_app.KEY)
    # The project's protection against CSRF stands where nobody has taken it away.
    assert status == (403 if (guard, method) == ("middleware", "POST") else 200)


@both
def test_a_stores_own_error_is_answered_and_logged(how: str, caplog: pytest.LogCaptureFixture) -> None:
    from django.test import AsyncRequestFactory, RequestFactory

    store = Broken(ConnectionRefusedError)
    request = (AsyncRequestFactory() if how == "asgi" else RequestFactory()).get("/")
    poll = next(pattern.callback for pattern in log_urls(store=store) if not str(pattern.pattern).endswith("stream"))
    for answer in (make_stream_response(request, "broken-job", store), poll(request, job_id="broken-job")):
        assert (answer.status_code, answer["retry-after"]) == (503, "2")
        assert tracebacks(caplog)[-1] == "secret-host refused"


def test_a_viewer_that_leaves_frees_its_stream() -> None:
    from streamator.shutdown import open_streams

    async def test() -> None:
        job = JobLogger()
        before = set(open_streams())
        path = f"/log/{job.job_id}/stream"
        sent: list[Any] = []
        received = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            if (message := next(received, None)) is not None:
                return message
            while not any(b": ok" in each.get("body", b"") for each in sent):
                await asyncio.sleep(0.001)
            assert set(open_streams()) - before
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": [], "client": ("test", 1), "server": ("test", 80), "scheme": "http",
        }  # fmt: skip
        await asyncio.wait_for(django_app.asgi(scope, receive, send), 10)
        assert not set(open_streams()) - before
        job.close()

    asyncio.run(test())


@pytest.mark.parametrize("path", ["/log/{}/stream", "/own/{}", "/compressed/{}/stream"])
def test_on_a_real_server_lines_come_one_after_another(tmp_path: Path, path: str) -> None:
    server = Server(tmp_path / "server.log", target="django_app:asgi")
    try:
        job_id = server.start()
        arrived: list[float] = []
        text = ""
        with server.client.stream("GET", path.format(job_id), headers={"accept-encoding": "gzip"}) as response:
            for piece in response.iter_text():
                text += piece
                arrived += [time.monotonic()] * piece.count('"event":"log"')
        assert [n for n, _ in parse(text)] == list(range(1, 12)), (response.headers, text, server.output.read_text())
        assert len(set(arrived)) >= 5, "the lines came together"
        assert server.events(job_id, after=9) == parse(text)[9:]
    finally:
        server.stop()
    assert "Traceback" not in server.output.read_text()


def test_without_django_the_import_names_the_extra() -> None:
    program = """
import sys
sys.modules["django"] = None
try:
    import streamator.django
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'streamator[django]'" in result.stdout
