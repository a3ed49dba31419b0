"""What decides on a permission is a user's own code: it may raise, hang, wait, and has a context of its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from test_fastapi import Exchange, ids, until
from test_websocket import Socket

import streamator.transports.open_streams
import streamator.transports.permission
from streamator import JobLogger
from streamator.asgi import LogApp

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions are asked for a hundred times a second."""
    monkeypatch.setattr(streamator.transports.open_streams, "SWEEP_SECONDS", 0.01)


class Web:
    """The routes behind an authentication, which takes a viewer's name from a header, and what decides by the name."""

    def __init__(self, **decides: Any) -> None:
        self.decides = decides
        self.routes = LogApp()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = dict(scope["headers"])[b"user"].decode()
        who.set(name)
        if name in self.decides:
            scope["streamator.revoked"] = self.decides[name]
        await self.routes(scope, receive, send)

    async def view(self, job: JobLogger, name: str) -> Exchange:
        """A viewer who has seen the job's first line."""
        viewer = Exchange(self, f"/{job.job_id}/stream", [(b"user", name.encode())])
        await until(lambda: ids(viewer.text) == [1])
        return viewer


def with_a_line() -> JobLogger:
    job = JobLogger()
    job.log("one")
    return job


def raising() -> bool:
    raise LookupError("the session store is away")


async def raising_later() -> bool:
    return raising()


def cancelled() -> bool:
    raise asyncio.CancelledError


class Odd:
    """An answer that is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("neither")


BROKEN = [raising, raising_later, cancelled, Odd, True, "no"]


@pytest.mark.parametrize("broken", BROKEN, ids=["raises", "raises-later", "cancels", "odd", "bool", "text"])
def test_a_failing_permission_check_ends_only_its_own_stream(broken: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        revoked: set[str] = set()
        web = Web(ada=broken, grace=lambda: "grace" in revoked, mary=lambda: False)
        job = with_a_line()
        ada, grace, mary = await web.view(job, "ada"), await web.view(job, "grace"), await web.view(job, "mary")
        await asyncio.wait_for(ada.task, 10)
        assert ada.text.endswith("retry: 100\n\n")
        revoked.add("grace")
        await asyncio.wait_for(grace.task, 10)  # it is still asked, after another's has failed
        job.close()
        await asyncio.wait_for(mary.task, 10)
        assert ids(mary.text) == [1, 2]

    with caplog.at_level(logging.ERROR, logger="streamator"):
        asyncio.run(test())
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[2] is not None, "it says where"
    assert "streamator.revoked" in record.message


def test_a_failing_permission_check_ends_its_websocket() -> None:
    async def test() -> None:
        job = with_a_line()
        viewer = Socket(Web(ada=raising), f"/{job.job_id}/ws", [(b"user", b"ada")])
        await asyncio.wait_for(viewer.task, 10)
        assert viewer.code == 4401
        job.close()

    asyncio.run(test())


@pytest.mark.parametrize("later", [False, True])
def test_a_permission_check_runs_in_its_requests_context(later: bool) -> None:
    seen: dict[str, set[str]] = {"ada": set(), "grace": set(), "nobody": set()}

    def note(name: str) -> Callable[[], Any]:
        def at_once() -> bool:
            seen[name].add(who.get())
            return False

        async def after_a_while() -> bool:
            await asyncio.sleep(0)
            return at_once()

        return after_a_while if later else at_once

    async def test() -> None:
        web = Web(ada=note("ada"), grace=note("grace"))
        job = with_a_line()
        viewers = [await web.view(job, name) for name in ("ada", "grace")]
        await until(lambda: seen["ada"] and seen["grace"])
        job.close()
        await asyncio.gather(*(viewer.task for viewer in viewers))

    asyncio.run(test())
    assert seen == {"ada": {"ada"}, "grace": {"grace"}, "nobody": set()}


def test_a_slow_permission_check_runs_once_at_a_time_and_delays_no_other() -> None:
    async def test() -> None:
        asked = 0
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        other = 0

        async def revoked() -> bool:
            nonlocal asked
            asked += 1
            return await asyncio.shield(answer)

        def counts() -> bool:
            nonlocal other
            other += 1
            return False

        web = Web(ada=revoked, grace=counts)
        job = with_a_line()
        ada, grace = await web.view(job, "ada"), await web.view(job, "grace")
        await until(lambda: other > 10)
        assert asked == 1
        answer.set_result(False)
        await until(lambda: asked > 2)  # an answer is followed by the next question
        assert not ada.task.done()
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(True)
        await asyncio.wait_for(ada.task, 10)
        job.close()
        await asyncio.wait_for(grace.task, 10)

    asyncio.run(test())


def test_a_permission_check_that_never_answers_ends_its_stream(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streamator.transports.permission, "ANSWER_SECONDS", 0.05)

    async def test() -> None:
        free = asyncio.Event()

        async def clings() -> bool:
            while not free.is_set():
                try:
                    await free.wait()
                except asyncio.CancelledError:
                    pass
            return False

        job = with_a_line()
        viewer = await Web(ada=clings).view(job, "ada")
        await asyncio.wait_for(viewer.task, 10)
        free.set()
        job.close()

    asyncio.run(test())
    (record,) = caplog.records
    assert "TimeoutError: no answer within 0.05 s" in record.message


def test_a_permission_check_is_cancelled_when_its_viewer_leaves() -> None:
    async def test() -> None:
        asked: list[str] = []

        async def never() -> bool:
            asked.append("asked")
            try:
                return bool(await asyncio.Event().wait())
            finally:
                asked.append("dropped")

        job = with_a_line()
        viewer = await Web(ada=never).view(job, "ada")
        await until(lambda: asked)
        viewer.gone.set()
        await asyncio.wait_for(viewer.task, 10)
        await until(lambda: asked == ["asked", "dropped"])
        job.close()

    asyncio.run(test())


@pytest.mark.parametrize("ends_at", [math.nan, -math.inf, -1, 0])
def test_an_ends_at_that_is_past_or_invalid_ends_the_stream(ends_at: float) -> None:
    async def test() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await LogApp()({**scope, "streamator.ends_at": ends_at}, receive, send)

        job = with_a_line()
        await asyncio.wait_for(Exchange(app, f"/{job.job_id}/stream").task, 10)
        job.close()

    asyncio.run(test())


def test_an_infinite_ends_at_ends_no_stream() -> None:
    async def test() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await LogApp()({**scope, "streamator.ends_at": math.inf}, receive, send)

        job = with_a_line()
        viewer = Exchange(app, f"/{job.job_id}/stream")
        await until(lambda: ids(viewer.text) == [1])
        before = time.monotonic()
        await until(lambda: time.monotonic() - before > 0.05)  # some sweeps
        job.close()
        await asyncio.wait_for(viewer.task, 10)
        assert ids(viewer.text) == [1, 2]

    asyncio.run(test())
