"""What fails behind a route is answered and logged, and is never taken for a viewer who has left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from flask import Flask
from starlette.background import BackgroundTask
from starlette.responses import Response
from test_fastapi import Exchange, data, run, until
from test_guards import FASTAPI, FLASK, add_all, ask, fastapi_routes, flask_routes
from test_websocket import Socket

from streamator import Batch, EventLog, JobEmitter, JobLogger, MemoryStore
from streamator.asgi import LogApp, StreamApp, WebSocketApp
from streamator.fastapi import StreamResponse, make_stream_response
from streamator.wsgi import find

FAULTS = [ConnectionRefusedError, OSError, RuntimeError, ValueError, KeyError]


class Broken(MemoryStore):
    """A store of somebody's own, whose server is away and whose errors are not ours."""

    def __init__(self, fault: type[Exception]) -> None:
        super().__init__()
        self.fault = fault
        self.log: EventLog | None = None

    async def find(self, job_id: str) -> EventLog | None:
        if job_id != "broken-job":  # another test's, which asks every store
            return None
        if self.log is not None:
            return self.log
        raise self.fault("secret-host refused")

    async def cancel(self, job_id: str) -> bool:
        raise self.fault("secret-host refused")


class Unreadable(EventLog):
    """A log of somebody's own that cannot be read beyond its first event."""

    def read(self, after: int = 0, limit: int = 65_536) -> Batch:
        if after:
            raise ConnectionRefusedError("secret-host refused")
        return super().read(after, limit)


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors that were logged with their traceback."""
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    return [str(record.exc_info[1]) for record in records if record.exc_info is not None]


def asking_the_store(routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    # A result is in the process that runs the job, and no store is asked for it.
    return [(method, path) for method, path in routes if "job_id" in path and not path.endswith("/result")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("method", "path"), asking_the_store(fastapi_routes()))
def test_a_stores_own_error_is_answered_and_logged(
    fault: type[Exception], method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        store = Broken(fault)
        app = FastAPI()
        add_all(FASTAPI, app, store=store)
        apps = [app, *([LogApp(store)] if path.startswith("/log") else [])]
        for each in apps:
            caplog.clear()
            if method == "WS":
                viewer = Socket(each, path.format(job_id="broken-job"))
                await asyncio.wait_for(viewer.task, 10)
                assert viewer.code == 1013
            else:
                status, body = await ask(each, method, path.format(job_id="broken-job"), known=True)
                assert (status, b"secret" in body, b'"error"' in body) == (503, False, True)
            assert [text for text in tracebacks(caplog) if "secret-host refused" in text]

    asyncio.run(test())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("method", "path"), [route for route in flask_routes() if route[0] == "GET"])
def test_a_stores_own_error_is_answered_in_flask_too(
    fault: type[Exception], method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, store = Flask("test"), Broken(fault)
    add_all(FLASK, app, store=store)
    answer = app.test_client().open(path.replace("<job_id>", "broken-job"), method=method)
    assert (answer.status_code, "secret" in answer.get_data(as_text=True)) == (503, False)
    assert answer.headers["retry-after"]
    assert [text for text in tracebacks(caplog) if "secret-host refused" in text]


@run
async def test_a_websocket_cancel_that_fails_in_the_store_is_answered() -> None:
    store = Broken(ConnectionRefusedError)
    store.log = EventLog()
    viewer = Socket(WebSocketApp("broken-job", store, cancel=True))
    await until(lambda: viewer.texts)
    viewer.say(type="cancel")
    await until(lambda: len(viewer.texts) == 2)
    assert "failed" in viewer.texts[1]["error"]
    store.log.append_log("still here", "info")
    await until(lambda: viewer.ids == [1])
    store.log.close()
    await viewer.task


@pytest.mark.parametrize("transport", ["sse", "ws"])
def test_an_unreadable_log_is_an_error_of_the_stream(transport: str) -> None:
    async def test() -> None:
        store = Broken(OSError)
        store.log = Unreadable()
        store.log.append_log("first", "info")
        viewer: Any
        if transport == "sse":
            viewer = Exchange(StreamApp("broken-job", store))
            await until(lambda: data(viewer.text))
        else:
            viewer = Socket(WebSocketApp("broken-job", store))
            await until(lambda: viewer.ids)
        store.log.append_log("second", "info")
        with pytest.raises(ConnectionRefusedError):  # the server logs it, and cuts the stream off
            await asyncio.wait_for(viewer.task, 10)

    asyncio.run(test())


@pytest.mark.parametrize("has_left", [True, False])
@pytest.mark.parametrize("fault", [ConnectionRefusedError, OSError, RuntimeError])
@pytest.mark.parametrize("make", [Exchange, Socket])
def test_an_error_of_sending_is_logged_unless_the_viewer_has_left(
    make: Callable[..., Any], fault: type[Exception], has_left: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        job = JobLogger()
        failing = False

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def audit(message: Any) -> None:
                if failing:
                    raise fault("the audit log is away")
                await send(message)

            await (StreamApp if make is Exchange else WebSocketApp)(job.job_id)(scope, receive, audit)

        viewer = make(app)
        await until(lambda: viewer.sent)
        failing = True
        job.log("hello")
        if has_left and make is Exchange:
            viewer.gone.set()
        elif has_left:
            viewer.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(viewer.task, 10)
        job.close()
        assert tracebacks(caplog) == ([] if has_left else ["the audit log is away"])

    asyncio.run(test())


# A background task, which may be the job whose stream is the answer


def background(how: str) -> tuple[FastAPI, list[JobEmitter]]:
    """An application whose answer is the stream of a job that runs as its background task."""
    app = FastAPI()
    jobs: list[JobEmitter] = []

    async def work(job: JobEmitter) -> None:
        with job:
            for n in range(3):
                job.log(f"line {n}")
                await asyncio.sleep(0.01)

    def work_in_a_thread(job: JobEmitter) -> None:
        asyncio.run(work(job))

    @app.get("/")
    async def start(tasks: BackgroundTasks) -> Response:
        job = JobEmitter()
        jobs.append(job)
        answer = make_stream_response(job.job_id)
        if how == "starlette":
            answer.background = BackgroundTask(work, job)
        else:
            tasks.add_task(work if how == "fastapi" else work_in_a_thread, job)
        return answer

    return app, jobs


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("how", ["fastapi", "fastapi, a thread", "starlette"])
def test_a_job_that_is_the_background_task_of_its_own_stream_runs_beside_it(how: str, leaves: bool) -> None:
    async def test() -> None:
        app, jobs = background(how)
        viewer = Exchange(app)
        await until(lambda: "line 0" in viewer.text)
        if leaves:
            viewer.gone.set()
        await asyncio.wait_for(viewer.task, 10)
        shown = [event["event"] for event in data(viewer.text)]
        assert len(shown) < 4 if leaves else shown == ["log", "log", "log", "done"]
        log = find(jobs[0].job_id)
        assert log is not None and log.closed and log.last == 4  # it went on

    asyncio.run(test())


@run
async def test_a_job_goes_on_when_the_server_cancels_its_viewer_s_request() -> None:
    app, jobs = background("fastapi")
    viewer = Exchange(app)
    await until(lambda: "line 0" in viewer.text)
    viewer.task.cancel()
    await asyncio.wait([viewer.task])
    late = Exchange(make_stream_response(jobs[0].job_id))
    await asyncio.wait_for(late.task, 10)
    assert [event["event"] for event in data(late.text)] == ["log", "log", "log", "done"]


def test_a_background_task_that_fails_says_so_while_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        job = JobLogger()

        async def fail() -> None:
            raise ValueError("not today")

        viewer = Exchange(StreamResponse(job.job_id, background=BackgroundTask(fail)))
        await until(lambda: tracebacks(caplog) == ["not today"])
        job.log("still here")
        await until(lambda: data(viewer.text))
        job.close()
        await viewer.task

    asyncio.run(test())


@run
async def test_a_background_task_runs_even_without_a_stream() -> None:
    ran: list[str] = []
    viewer = Exchange(StreamResponse("no-such-job", background=BackgroundTask(ran.append, "ran")))
    await viewer.task
    assert (viewer.sent[0]["status"], ran) == (404, ["ran"])
