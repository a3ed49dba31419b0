"""`JobEmitter`: events of one's own, the job's task, and its result."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import streamator.events
from streamator import JobCancelled, JobEmitter, JobLogger, MemoryStore
from streamator.emitter import start_reaper
from streamator.testing import collect
from streamator.testing.base import messages

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def run(job: Awaitable[Any], timeout: float = 15) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, timeout)

    return asyncio.run(bounded())


def so_far(store: MemoryStore, job: JobLogger) -> list[dict[str, Any]]:
    """The job's events without their times."""
    found = store.get(job.job_id)
    assert found is not None
    return [{k: v for k, v in event.items() if k != "t"} for event in found.log.read(0, 10**9)]


async def ended(store: MemoryStore, job: JobLogger) -> list[dict[str, Any]]:
    events = await collect(store, job.job_id)
    return [{k: v for k, v in event.items() if k != "t"} for event in events]


# emit


def test_an_event_has_its_fields_and_the_time(store: MemoryStore) -> None:
    job = JobEmitter(store)
    job.emit({"event": "progress", "step": 1})
    job.log("x")
    assert so_far(store, job) == [
        {"event": "progress", "step": 1}, {"event": "log", "message": "x", "level": "info"},
    ]  # fmt: skip


def test_an_event_named_gap_is_renamed(store: MemoryStore) -> None:
    job = JobEmitter(store)
    with pytest.warns(UserWarning, match="'gap' is reserved, sent as 'user_gap': rename it$"):
        job.emit({"event": "gap", "missed": 5})
    assert so_far(store, job) == [{"event": "user_gap", "missed": 5}]


@pytest.mark.parametrize("name", ["done!", "gaps", "Done", "status", "log", "", 'done"', "do\\ne", 5, None, True])
def test_other_event_names_are_kept(store: MemoryStore, name: Any) -> None:
    job = JobEmitter(store)
    job.emit({"event": name})
    job.emit({"name": "done"})
    assert so_far(store, job) == [{"event": name}, {"name": "done"}]


def test_48_threads_emit_to_one_job_each_in_its_order(store: MemoryStore) -> None:
    job = JobEmitter(store)
    together = threading.Barrier(8)

    def work(thread: int) -> None:
        together.wait()
        for n in range(100):
            job.emit({"event": "step", "thread": thread, "n": n})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = so_far(store, job)
    for thread_no in range(8):
        assert [event["n"] for event in events if event["thread"] == thread_no] == list(range(100))


# track


def tracked(store: MemoryStore, work: Callable[[JobEmitter], Awaitable[Any]]) -> tuple[JobEmitter, asyncio.Task[Any]]:
    job = JobEmitter(store)

    async def run_it() -> Any:
        return await work(job)

    task = asyncio.create_task(run_it())
    job.track(task)
    return job, task


def test_a_task_that_returns_completes_the_job(store: MemoryStore) -> None:
    async def work(job: JobEmitter) -> int:
        await asyncio.sleep(0)
        job.log("x")
        return 5

    async def main() -> None:
        job, task = tracked(store, work)
        assert (await ended(store, job))[-1] == {"event": "done", "status": "completed"}
        assert await task == 5
        assert JobEmitter.cancel(job.job_id) is False

    run(main())


def test_a_job_is_cancelled_from_another_thread(store: MemoryStore) -> None:
    async def work(job: JobEmitter) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        job, _ = tracked(store, work)
        said: list[bool] = []
        # By then the loop is in its select(), and nothing but the cancel itself wakes it.
        timer = threading.Timer(0.05, lambda: said.append(JobEmitter.cancel(job.job_id)))
        timer.start()
        assert (await ended(store, job))[-1]["status"] == "cancelled"
        timer.join()
        assert said == [True]

    run(main(), timeout=5)


def test_a_job_that_closed_its_log_is_not_closed_again_by_its_task(store: MemoryStore) -> None:
    async def work(job: JobEmitter) -> None:
        job.close("failed")
        await asyncio.sleep(0)

    async def main() -> None:
        job, task = tracked(store, work)
        await task
        await asyncio.sleep(0)
        assert so_far(store, job) == [{"event": "done", "status": "failed"}]

    run(main())


def test_an_error_after_the_job_closed_its_log_is_left_to_asyncio(store: MemoryStore) -> None:
    async def work(job: JobEmitter) -> None:
        job.close()
        raise ValueError("nobody else would see it")

    async def main() -> None:
        heard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
        job, task = tracked(store, work)
        while not task.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
        await asyncio.sleep(0)
        assert [str(context["exception"]) for context in heard] == ["nobody else would see it"]

    run(main())


def test_a_failed_tasks_traceback_is_logged_with_its_job_id(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(job: JobEmitter) -> None:
        raise OSError("postgres://ada:secret@db")

    async def main() -> JobEmitter:
        job = JobEmitter(store, error_text=lambda error: "It did not work. Try again.")
        job.track(asyncio.create_task(breaks(job)))
        assert [event.get("message") for event in await ended(store, job)] == ["It did not work. Try again.", None]
        return job

    job = run(main())
    (record,) = caplog.records
    assert (record.name, record.levelname, record.__dict__["job_id"]) == ("streamator", "ERROR", job.job_id)
    assert job.job_id in record.getMessage()
    assert "in breaks" in caplog.text and "OSError: postgres://ada:secret@db" in caplog.text


@pytest.mark.parametrize("how", ["cancelled", "completed", "waits for another"])
def test_a_task_that_does_not_fail_leaves_no_traceback(
    store: MemoryStore, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job = JobEmitter(store)
        job.track(future)
        if how == "cancelled":
            future.cancel()
        elif how == "completed":
            future.set_result(None)
        else:
            future.set_exception(BaseExceptionGroup("all cancelled", [asyncio.CancelledError()]))
        status = "completed" if how == "completed" else "cancelled"
        assert await ended(store, job) == [{"event": "done", "status": status}]

    run(main())
    assert caplog.records == []


def test_a_task_that_exits_without_an_error_completes_the_job(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(job: JobEmitter) -> None:
        sys.exit(0)

    jobs = []

    async def main() -> None:
        jobs.append(tracked(store, work)[0])
        await asyncio.sleep(60)

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert so_far(store, jobs[0]) == [{"event": "done", "status": "completed"}]
    assert caplog.records == []


def test_a_tracked_task_is_kept_until_it_ends_and_no_longer(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("streamator"), "disabled", True)  # pytest keeps the traceback that is logged

    class Payload:
        pass

    async def main() -> None:
        go = asyncio.Event()
        payload = Payload()
        gone = weakref.ref(payload)

        async def work(job: JobEmitter, payload: Payload) -> None:
            await go.wait()
            raise ValueError  # whose traceback holds the frame, and so the payload

        job = JobEmitter(store)
        job.track(asyncio.create_task(work(job, payload)))
        del payload
        await asyncio.sleep(0)
        gc.collect()
        assert gone() is not None
        go.set()
        assert (await ended(store, job))[-1]["status"] == "failed"
        await asyncio.sleep(0)
        gc.collect()
        assert gone() is None
        assert JobEmitter.exists(job.job_id)

    run(main())


def test_cancel_is_false_for_a_job_whose_loop_is_closed(store: MemoryStore) -> None:
    loop = asyncio.new_event_loop()
    job = JobEmitter(store)
    future: asyncio.Future[None] = loop.create_future()
    job.track(future)
    assert JobEmitter.cancel(job.job_id) is True
    other = JobEmitter(store)
    other.track(loop.create_future())
    loop.close()
    assert JobEmitter.cancel(other.job_id) is False


def test_a_tracked_job_is_kept_alive_by_its_task(store: MemoryStore) -> None:
    async def main() -> None:
        go = asyncio.Event()
        job = JobEmitter(store, job_id="tracked")
        job.track(asyncio.create_task(go.wait()))
        del job
        gc.collect()
        await asyncio.sleep(0)
        go.set()
        assert [event["status"] for event in await collect(store, "tracked")] == ["completed"]

    run(main())


class BrokenStore(MemoryStore):
    def evict(self, *, closed_before: float) -> int:
        raise ConnectionError("the store is away")


def test_the_reaper_survives_a_store_that_raises_and_reaps_the_others(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [BrokenStore() for _ in range(3)]  # some before, some after the one that works

    async def main() -> None:
        reaper = asyncio.create_task(start_reaper(ttl_seconds=0, interval=0.001))
        for n in range(3):
            JobEmitter(store, job_id=f"job-{n}").close()
            while JobEmitter.exists(f"job-{n}"):
                assert not reaper.done()
                await asyncio.sleep(0.001)
        reaper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reaper

    run(main())
    assert "BrokenStore could not forget" in caplog.text and "ConnectionError: the store is away" in caplog.text
    assert len(broken) == 3


# By id


def test_calls_for_an_unknown_job_are_no_error() -> None:
    for job_id in ("unknown", "../x", "", "x" * 10_000):
        assert JobEmitter.exists(job_id) is False
        assert JobEmitter.cancel(job_id) is False
        assert JobEmitter.pop_result(job_id) is None


def test_a_pool_thread_ends_as_cancelled_when_it_checks_and_not_before(store: MemoryStore) -> None:
    job, queued = JobEmitter(store), JobEmitter(store)
    begun, seen = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert seen.wait(20)
        job.log("still at work")
        job.raise_if_cancelled()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        job.track(working)
        queued.track(pool.submit(work))
        assert begun.wait(20) and not job.cancel_requested
        assert JobEmitter.cancel(queued.job_id) and JobEmitter.cancel(job.job_id)
        assert job.cancel_requested
        seen.set()
        assert isinstance(working.exception(20), JobCancelled)
    for one, entries in ((job, ["still at work"]), (queued, [])):
        events = asyncio.run(collect(store, one.job_id))
        assert messages(events) == entries and events[-1]["status"] == "cancelled"


def test_a_cancelled_tasks_thread_sees_the_request(store: MemoryStore) -> None:
    async def main() -> None:
        job, begun, told = JobEmitter(store), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            while not job.cancel_requested:
                time.sleep(0.005)
            told.set()

        job.track(asyncio.create_task(asyncio.to_thread(work)))
        await asyncio.to_thread(begun.wait, 20)
        assert JobEmitter.cancel(job.job_id)
        assert await asyncio.to_thread(told.wait, 20)
        assert (await ended(store, job))[-1]["status"] == "cancelled"

    asyncio.run(main())


def test_a_request_to_cancel_ends_a_with_as_cancelled(store: MemoryStore) -> None:
    job = JobEmitter(store)
    with pytest.raises(JobCancelled, match=job.job_id), job:
        job.raise_if_cancelled()
        assert JobEmitter.cancel(job.job_id)
        job.raise_if_cancelled()
    assert asyncio.run(collect(store, job.job_id))[-1]["status"] == "cancelled"
    assert JobEmitter.cancel(job.job_id) is False


def test_a_job_without_a_task_cannot_be_cancelled(store: MemoryStore) -> None:
    job = JobEmitter(store)
    assert JobEmitter.cancel(job.job_id) is False
    assert so_far(store, job) == []


@pytest.mark.parametrize("result", [{"a": 1}, [], 0, None, "x"])
def test_a_result_is_taken_once(store: MemoryStore, result: Any) -> None:
    job = JobEmitter(store)
    assert JobEmitter.pop_result(job.job_id) is None
    job.set_result("first")
    job.set_result(result)
    job.close()
    assert JobEmitter.pop_result(job.job_id) == result
    assert JobEmitter.pop_result(job.job_id) is None


def test_an_evicted_job_does_not_exist(store: MemoryStore) -> None:
    job = JobEmitter(store)
    job.set_result(1)
    job.close()
    assert JobEmitter.exists(job.job_id)
    assert store.evict(closed_before=float("inf")) == 1
    assert not JobEmitter.exists(job.job_id) and JobEmitter.pop_result(job.job_id) is None


# Whom an event is for, and names that many jobs use


def test_an_event_has_the_visibility_that_it_is_given(store: MemoryStore) -> None:
    with JobEmitter(store) as job:
        job.emit({"event": "a"})
        job.emit({"event": "b"}, visibility="model_only")
        job.emit({"event": "c", "visibility": "live_ui_only"})
        job.emit({"event": "d", "visibility": "live_ui_only"}, visibility="internal_only")
    events = run(collect(store, job.job_id))
    assert [event.get("visibility") for event in events] == [None, "model_only", "live_ui_only", "internal_only", None]
    assert list(events[0]) == ["event", "t"] and list(events[1]) == ["event", "visibility", "t"]


class Refuses:
    def __str__(self) -> str:
        raise RuntimeError

    __eq__ = None  # type: ignore[assignment]  # asking it raises


@pytest.mark.parametrize("visibility", ["internal", "", "USER_FACING", 1, object(), ["user_facing"], Refuses()])
def test_an_unknown_visibility_warns_at_the_call_and_hides_the_event(store: MemoryStore, visibility: Any) -> None:
    with JobEmitter(store) as job:
        calls: list[Callable[[], None]] = [
            lambda: job.emit({"event": "a"}, visibility=visibility),
            lambda: job.log("b", visibility=visibility),
            lambda: job.step_started("c", visibility=visibility),
        ]
        for call in calls:
            with pytest.warns(UserWarning, match="unknown visibility .* 'internal_only'.*'model_only'") as said:
                call()
            assert said[0].filename == __file__
    events = run(collect(store, job.job_id))
    assert [event["visibility"] for event in events[:-1]] == ["internal_only"] * 3


@pytest.mark.parametrize(
    "event",
    [{"event": "big", "data": ["x" * 60_000] * 10}, {"event": "odd", "data": {float("nan"): object()}},
     {"event": "odd", "visibility": "user_facing"}, "no mapping"],
)  # fmt: skip
def test_an_event_that_is_replaced_or_repaired_keeps_its_visibility(store: MemoryStore, event: Any) -> None:
    with warnings.catch_warnings(), JobEmitter(store) as job:
        warnings.simplefilter("ignore")
        job.emit(event, visibility="internal_only")
        if isinstance(event, dict):
            job.emit({**event, "visibility": "internal_only"})
    for found in run(collect(store, job.job_id))[:-1]:
        assert found["visibility"] == "internal_only"


STANDARD = (
    "workflow_started", "step_started", "step_progress", "step_completed", "tool_executed", "workflow_completed",
    "error", "heartbeat",
)  # fmt: skip


@pytest.mark.parametrize("name", STANDARD)
def test_each_standard_event_is_a_constant_and_a_short_method(store: MemoryStore, name: str) -> None:
    assert getattr(streamator.events, name.upper()) == name
    with JobEmitter(store) as job:
        emit = getattr(job, name)
        emit()
        emit("Fetch", step=1, percent=40.5, visibility="live_ui_only")
        emit(message="by name", event="other", t=99, tool={"x": object})
    plain, full, odd, _ = run(collect(store, job.job_id))
    level = {"level": "error"} if name == "error" else {}
    assert plain == {"event": name, **level, "t": plain["t"]}
    assert full == {
        "event": name, "message": "Fetch", **level, "step": 1, "percent": 40.5, "visibility": "live_ui_only",
        "t": full["t"],
    }  # fmt: skip
    assert (odd["event"], odd["message"], odd["t"] < 90) == (name, "by name", True)
    with pytest.warns(UserWarning, match=rf"{name}\(\) after close"):
        emit("late")
