"""`JobLogger`: what a job may do with its log, from anywhere."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
import warnings
from enum import Enum
from typing import Any

import anyio
import pytest

from streamator import InvalidJobId, JobExists, JobLogger, MemoryStore, follow
from streamator.dropped import end_dropped
from streamator.events import LEVELS
from streamator.testing import collect
from streamator.testing.base import in_threads

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def events(store: MemoryStore, job_id: str) -> list[dict[str, Any]]:
    return asyncio.run(collect(store, job_id))


def so_far(store: MemoryStore, job_id: str) -> list[dict[str, Any]]:
    job = store.get(job_id)
    assert job is not None
    return list(job.log.read(0, 10**9))


# Making one


def test_a_job_gets_a_new_id_that_viewers_may_use() -> None:
    jobs = [JobLogger() for _ in range(100)]
    assert len({job.job_id for job in jobs}) == 100
    assert all(uuid.UUID(job.job_id) for job in jobs)


def test_a_given_job_id_is_used_once(store: MemoryStore) -> None:
    assert JobLogger(store, job_id="mine").job_id == "mine"
    with pytest.raises(JobExists, match="'mine' is in use: give each run an id of its own.* f'{task_id}-{retry}'"):
        JobLogger(store, job_id="mine")
    with pytest.raises(InvalidJobId, match="'a/b'"):
        JobLogger(store, job_id="a/b")


def test_loggers_with_the_same_store_options_share_a_store() -> None:
    one = JobLogger("memory", max_jobs=77)
    two = JobLogger(store="memory", max_jobs=77)
    with pytest.raises(JobExists):
        JobLogger(max_jobs=77, job_id=one.job_id)
    assert JobLogger(max_jobs=78, job_id=two.job_id).job_id == two.job_id


# Logging


def test_an_entry_has_its_level_and_the_seconds_since_the_logger_was_made(store: MemoryStore) -> None:
    before = time.monotonic()
    job = JobLogger(store)
    assert before <= job.start_t <= time.monotonic()
    for level in LEVELS:
        job.log(level, level=level)
    at_most = time.monotonic() - job.start_t
    job.log("default")
    job.close()
    got = events(store, job.job_id)
    assert [(event["message"], event["level"]) for event in got[:4]] == [(level, level) for level in LEVELS]
    assert got[4]["level"] == "info"
    assert 0 <= got[0]["t"] <= got[3]["t"] <= at_most + 0.001


def test_an_unknown_level_warns_and_is_info(store: MemoryStore) -> None:
    class Level(str, Enum):
        WARNING = "warning"

    class Hostile:
        def __eq__(self, other: object) -> bool:
            raise OSError

        def __str__(self) -> str:
            raise OSError

    job = JobLogger(store)
    unknown: list[Any] = ["debug", "INFO", "", None, logging.WARNING, ["info"], {}, Hostile(), "x" * 10_000]
    for level in unknown:
        with pytest.warns(UserWarning, match=r"unknown level .* logged as 'info': use one of \('info',") as caught:
            job.log("x", level=level)
        assert len(str(caught[0].message)) < 300 and caught[0].filename == __file__
    job.log("x", level=Level.WARNING)
    assert [event["level"] for event in so_far(store, job.job_id)] == ["info"] * len(unknown) + ["warning"]


def test_logging_is_fast(store: MemoryStore) -> None:
    job = JobLogger(store)
    began = time.process_time()
    for _ in range(100_000):
        job.log("a message of usual length, with some detail in it")
    assert time.process_time() - began < 2  # 0.1 s is usual


# Closing


@pytest.mark.parametrize("status", ["", "done", None, 5, ["failed"]])
def test_a_status_that_does_not_exist_is_refused_and_the_log_stays_open(store: MemoryStore, status: Any) -> None:
    job = JobLogger(store)
    with pytest.raises(ValueError, match="unknown status .*'completed', 'failed', 'cancelled'"):
        job.close(status)
    job.log("still open")
    job.close()
    assert len(events(store, job.job_id)) == 2


def test_a_log_in_memory_is_flushed_at_once(store: MemoryStore) -> None:
    with JobLogger(store) as job:
        job.log("x")
        assert job.flush() and job.flush(0)
        assert asyncio.run(job.flushed())


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf"), 1e300, "5", True])
def test_an_invalid_wait_is_refused_and_the_log_stays_open(store: MemoryStore, wait: Any) -> None:
    job = JobLogger(store)
    for call in (lambda: job.close(wait=wait), lambda: job.flush(wait), lambda: asyncio.run(job.flushed(wait))):
        with pytest.raises(ValueError, match="give "):
            call()
    job.close(wait=0)


def test_52_two_threads_that_close_at_once_give_one_done(store: MemoryStore) -> None:
    for _ in range(200):
        job = JobLogger(store)
        together = threading.Barrier(2)

        def work(status: str, job: JobLogger = job, together: threading.Barrier = together) -> None:
            together.wait()
            job.close(status)

        threads = [threading.Thread(target=work, args=(status,)) for status in ("completed", "failed")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [event["event"] for event in events(store, job.job_id)] == ["done"]


# As a context manager


def test_a_block_without_an_error_completes_the_job(store: MemoryStore) -> None:
    with JobLogger(store, job_id="plain") as job:
        job.log("x")
    assert [event.get("status") for event in events(store, "plain")] == [None, "completed"]

    async def main() -> None:
        async with JobLogger(store, job_id="async") as job:
            job.log("x")

    asyncio.run(main())
    assert [event.get("status") for event in events(store, "async")] == [None, "completed"]


def test_53_an_exception_of_any_kind_and_size_is_logged(store: MemoryStore) -> None:
    class NoText(Exception):
        def __str__(self) -> str:
            raise OSError

    with pytest.raises(NoText), JobLogger(store, job_id="no-text"):
        raise NoText
    assert events(store, "no-text")[0]["message"] == "NoText: <NoText that has no text: OSError>"
    with pytest.raises(ValueError), JobLogger(store, job_id="long"):
        raise ValueError("x\n" * 1_000_000)
    assert "truncated" in events(store, "long")[0]["message"]


def leaves(store: MemoryStore, error: BaseException) -> tuple[list[str], str]:
    """The entries and the status of a job whose block this exception leaves."""
    with pytest.raises(type(error)), JobLogger(store) as job:
        raise error
    *entries, done = events(store, job.job_id)
    assert all(entry["level"] == "error" for entry in entries)
    return [entry["message"] for entry in entries], done["status"]


@pytest.mark.parametrize("code", [None, 0, False])
def test_exit_status_zero_completes_the_job(store: MemoryStore, code: Any) -> None:
    assert leaves(store, SystemExit(code)) == ([], "completed")
    assert leaves(store, SystemExit()) == ([], "completed")


@pytest.mark.parametrize("code", [1, 255, True, "no such file", 0.0, "", [], "0"])
def test_53_any_other_exit_status_fails_the_job(store: MemoryStore, code: Any) -> None:
    assert leaves(store, SystemExit(code)) == ([f"SystemExit: {code}".removesuffix(": ")], "failed")


def test_an_interrupted_job_is_cancelled(store: MemoryStore) -> None:
    assert leaves(store, KeyboardInterrupt()) == ([], "cancelled")
    assert leaves(store, GeneratorExit()) == ([], "cancelled")


def test_53_the_entry_of_a_group_names_its_causes(store: MemoryStore) -> None:
    inner = ExceptionGroup("inner", [KeyError("k"), OSError("disk")])
    (text,), status = leaves(store, ExceptionGroup("outer", [ValueError("bad"), inner, TypeError()]))
    assert text.startswith("ExceptionGroup: outer (3 sub-exceptions): ") and status == "failed"
    assert text.endswith(": ValueError: bad; KeyError: 'k'; OSError: disk; TypeError")
    (text,), _ = leaves(store, ExceptionGroup("many", [ValueError(n) for n in range(1_000)]))
    assert "ValueError: 9; and 990 more" in text and "ValueError: 10" not in text
    (text,), _ = leaves(store, ExceptionGroup("long", [ValueError("x" * 1_000_000)] * 10))
    assert len(text) < 70_000
    deep: Exception = ValueError("at the bottom")
    for _ in range(5_000):
        deep = ExceptionGroup("deep", [deep])
    (text,), _ = leaves(store, deep)
    assert text.endswith(": ValueError: at the bottom")


def test_the_worst_of_a_group_is_the_jobs_status(store: MemoryStore) -> None:
    cancelled, exited = asyncio.CancelledError(), SystemExit(0)
    for causes, status in (
        ([cancelled], "cancelled"), ([exited], "completed"), ([exited, cancelled], "cancelled"),
        ([cancelled, ValueError("bad")], "failed"), ([SystemExit(3), exited], "failed"),
    ):  # fmt: skip
        entries, found = leaves(store, BaseExceptionGroup("group", causes))
        assert found == status and len(entries) == (status == "failed")


def test_the_error_of_a_task_group_names_its_cause(store: MemoryStore) -> None:
    async def fails() -> None:
        raise ValueError("the cause")

    async def main() -> None:
        async with JobLogger(store, job_id="job"), anyio.create_task_group() as tasks:
            tasks.start_soon(fails)

    with pytest.raises(ExceptionGroup):
        asyncio.run(main())
    entry, done = events(store, "job")
    assert entry["message"].endswith("ValueError: the cause") and done["status"] == "failed"


# What viewers are told of an error


def test_error_text_decides_what_viewers_see_of_an_error(store: MemoryStore) -> None:
    with pytest.raises(OSError), JobLogger(store, error_text=lambda error: "The disk is full.") as job:
        raise OSError("/srv/secret: no space")
    assert [event.get("message") for event in events(store, job.job_id)] == ["The disk is full.", None]


def raises(error: BaseException) -> str:
    raise LookupError("in it")


@pytest.mark.parametrize(
    ("error_text", "told"), [(raises, ["LookupError"]), (lambda error: "", []), (lambda _: None, [])]
)
def test_an_empty_error_text_becomes_the_exceptions_type(
    store: MemoryStore, error_text: Any, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OSError), JobLogger(store, error_text=error_text) as job:
        raise OSError("secret")
    assert [event.get("message") for event in events(store, job.job_id)] == ["OSError", None]
    assert [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]] == told


# Dropped without close()


async def seen(store: MemoryStore, job_id: str) -> list[dict[str, Any]]:
    job = store.get(job_id)
    assert job is not None
    return [event async for batch in follow(job.log) for event in batch]


def assert_ended(got: list[dict[str, Any]], caplog: pytest.LogCaptureFixture, job_id: str) -> None:
    assert [event["event"] for event in got] == ["log", "log", "done"] and got[2]["status"] == "failed"
    assert got[1]["level"] == "error" and "dropped without close()" in got[1]["message"]
    end_dropped()  # the thread that ended the log logs last
    (record,) = [record for record in caplog.records if job_id in record.getMessage()]
    assert record.name == "streamator" and "use `with` or track()" in record.getMessage()
    assert record.__dict__["job_id"] == job_id


def test_viewers_of_a_dropped_logger_see_the_end(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        job = JobLogger(store)
        job_id = job.job_id
        job.log("x")
        viewer = asyncio.create_task(seen(store, job_id))
        await asyncio.sleep(0)
        gc.disable()  # it is known at once, not at the next collection
        try:
            del job
            assert_ended(await asyncio.wait_for(viewer, 15), caplog, job_id)
        finally:
            gc.enable()

    asyncio.run(main())


def test_a_logger_collected_in_a_cycle_ends_whatever_locks_are_held(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    job = JobLogger(store)
    job_id = job.job_id
    job.log("x")
    found = store.get(job_id)
    assert found is not None
    cycle: list[Any] = [job]
    cycle.append(cycle)
    del cycle, job
    with found.log._lock, store._jobs_lock:  # as where a collection begins in the middle of a read, or of a create
        gc.collect()
    assert_ended(asyncio.run(asyncio.wait_for(seen(store, job_id), 15)), caplog, job_id)


def test_a_thousand_loggers_dropped_at_once_all_end(store: MemoryStore) -> None:
    before = threading.active_count()
    jobs: list[Any] = [JobLogger(store, job_id=f"job-{n}") for n in range(1_000)]
    jobs.append(jobs)
    del jobs
    gc.collect()
    for n in range(1_000):
        assert events(store, f"job-{n}")[-1]["status"] == "failed"
    assert threading.active_count() <= before + 1


def test_a_logger_with_a_held_method_is_not_dropped(store: MemoryStore) -> None:
    log = JobLogger(store, job_id="job").log  # what a thread was given
    gc.collect()
    log("still open")
    assert [event["event"] for event in so_far(store, "job")] == ["log"]


def test_a_closed_logger_is_dropped_silently(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    JobLogger(store, job_id="closed").close()
    with JobLogger(store, job_id="block"):
        pass
    with pytest.raises(JobExists):
        JobLogger(store, job_id="block")
    gc.collect()
    end_dropped()
    assert "'closed'" not in caplog.text and "'block'" not in caplog.text and len(events(store, "closed")) == 1


EXIT = """
from streamator import JobLogger
job = JobLogger(job_id="global")
job.log("x")
cycle = [JobLogger(job_id="cycle")]
cycle.append(cycle)
"""


def test_process_exit_is_silent_about_open_loggers() -> None:
    command = [sys.executable, "-X", "dev", "-c", EXIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# Where logging and a job's log meet


class IntoJob(logging.Handler):
    """What is logged is shown in a job's log, under whatever name logging has for its level."""

    def __init__(self, job: JobLogger) -> None:
        super().__init__()
        self.job = job

    def emit(self, record: logging.LogRecord) -> None:
        self.job.log(self.format(record), level=record.levelname)


@pytest.mark.parametrize("closed", [True, False])
def test_a_handler_over_a_job_does_not_recurse_where_warnings_are_captured(store: MemoryStore, closed: bool) -> None:
    job = JobLogger(store)
    if closed:
        job.close()
    handler = IntoJob(job)
    root = logging.getLogger()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        root.addHandler(handler)
        logging.captureWarnings(True)
        try:
            root.warning("of level WARNING, which is none of ours")
            job.log("of level LOUD", "LOUD")
            job.log("whose", visibility="nobody")
        finally:
            logging.captureWarnings(False)
            root.removeHandler(handler)
    texts = [event.get("message", "") for event in so_far(store, job.job_id)]
    if closed:
        assert texts == [""]  # done
    else:
        warned = [text for text in texts if "UserWarning: unknown" in text]
        assert len(warned) == 3 and len(texts) == 6  # each of the three calls, and one warning of each


def test_a_cancelled_block_is_cancelled_and_no_error(store: MemoryStore) -> None:
    async def work() -> None:
        async with JobLogger(store, job_id="async"):
            with JobLogger(store, job_id="plain"):
                await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(work())
        while store.get("plain") is None:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    for job_id in ("plain", "async"):
        assert [(event["event"], event["status"]) for event in events(store, job_id)] == [("done", "cancelled")]


def test_a_job_that_closed_its_own_log_keeps_its_status(store: MemoryStore) -> None:
    with JobLogger(store, job_id="job") as job:
        job.close("failed")
    assert events(store, "job")[-1]["status"] == "failed"
    with pytest.raises(ValueError), JobLogger(store, job_id="raised") as job:
        job.close()
        raise ValueError
    assert [event["status"] for event in events(store, "raised")] == ["completed"]


# Threads, loops, processes


FORK = """
import os, sys, threading, time, warnings
from streamator import JobEmitter, JobLogger
warnings.simplefilter("always")
job = JobEmitter(job_id="inherited")
stop = threading.Event()
def busy():
    while not stop.is_set():
        job.log("from the parent's thread")
threads = [threading.Thread(target=busy) for _ in range(2)]  # so that locks are held while it forks
for thread in threads:
    thread.start()
for n in range(20):
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            job.log("from the child")
            job.emit({"event": "from the child"})
        texts = [str(warning.message) for warning in caught]
        assert len(texts) == 2, texts
        assert all("forked" in text and "make a JobLogger in this process" in text for text in texts), texts
        job.close()
        own = JobLogger(job_id="inherited")  # the child's own jobs work, under any id
        own.log("x")
        own.close()
        assert JobEmitter.exists("inherited")
        os._exit(7)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
stop.set()
for thread in threads:
    thread.join()
with warnings.catch_warnings():
    warnings.simplefilter("error")
    job.log("the parent goes on")
job.close()
print("well")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_50_a_child_forked_while_threads_log_gets_a_warning_and_logs_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("well\n", "", 0)


def test_48_forty_threads_that_are_interrupted_anywhere_lose_nothing(store: MemoryStore) -> None:
    for _ in range(5):
        job = JobLogger(store)

        def work(thread: int, job: JobLogger = job) -> None:
            for n in range(500):
                job.log(f"{thread} {n}")

        in_threads(40, work)
        of_each: dict[str, list[str]] = {}
        for event in so_far(store, job.job_id):
            thread, _, n = event["message"].partition(" ")
            of_each.setdefault(thread, []).append(n)
        assert of_each == {str(thread): [str(n) for n in range(500)] for thread in range(40)}


def test_an_entry_has_a_visibility_only_if_it_is_given_one() -> None:
    store = MemoryStore()
    with JobLogger(store) as job:
        job.log("a")
        job.log("b", "warning", "model_only")
        job.log("c", visibility="user_facing")
        job.log("\n".join("xyz") + "\ud800", visibility="internal_only")
    events = asyncio.run(collect(store, job.job_id))
    assert [list(event) for event in events[:3]] == [
        ["event", "message", "level", "t"], *[["event", "message", "level", "visibility", "t"]] * 2
    ]  # fmt: skip
    assert events[1]["level"] == "warning" and events[1]["visibility"] == "model_only"
    assert events[3]["message"] == "x\ny\nz\ufffd" and events[3]["visibility"] == "internal_only"


def test_drain_without_viewers_returns_at_once() -> None:
    async def main() -> None:
        with JobLogger(MemoryStore(maxlen=1)) as job:
            job.log("a")
            assert await job.drain(timeout=0)

    asyncio.run(main())


def test_a_message_of_any_kind_with_a_visibility_is_its_text() -> None:
    store = MemoryStore()
    with JobLogger(store) as job:
        job.log({"a": 1}, visibility="model_only")
        job.log("x" * 70_000, visibility="model_only")
    first, second, _ = asyncio.run(collect(store, job.job_id))
    assert first["message"] == "{'a': 1}"
    assert second["message"].startswith("xxx") and second["message"].endswith("characters kept]")
