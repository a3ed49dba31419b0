from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import Session
from streamator import JobEmitter, MemoryStore, follow

from app.database import Database
from app.jobs import Job, JobError, JobRunner, JobTable, TooManyJobs
from app.jobs.models import JobRow
from app.servers import Server
from app.users import LOCAL_USER, User
from tests.support import eventually_async

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def runner_on(
    path: Path, url: str, limit: int = 4, kept: int = 100, **bounds: Any
) -> AsyncIterator[tuple[JobRunner, JobTable, MemoryStore]]:
    """The jobs of a server; several may be on the same path and database."""
    server = Server(path / "servers")
    server.open()
    database = Database(url)
    await database.open()
    table, store = JobTable(database, server, kept=kept), MemoryStore()
    runner = JobRunner(table, store, limit=limit, **bounds)
    try:
        yield runner, table, store
    finally:
        await runner.shutdown(timeout=0.5)
        await database.close()
        server.close()


async def events(store: MemoryStore, job_id: str) -> list[dict[str, Any]]:
    """All events of a job, once it has ended."""
    log = await store.find(job_id)
    assert log is not None
    found: list[dict[str, Any]] = []
    async for batch in follow(log):
        found.extend(batch)
    return found


async def ended(table: JobTable, job: Job) -> None:
    """Waits until a job's row says how it ended: a moment after its log does."""
    while (row := await table.get(job.job_id)) is None or row.status == "running":  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def lines(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["level"], event["message"]) for event in found if event["event"] == "log"]


async def test_a_job_that_returns_is_completed_with_its_result(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> dict[str, Any]:
        emitter.log("working")
        return {"document_id": "d1"}

    async with runner_on(tmp_path, database_url) as (runner, table, store):
        job = await runner.start("test", "a source", work)
        assert (job.status, job.kind, job.source) == ("running", "test", "a source")
        found = await events(store, job.job_id)
        assert lines(found) == [("info", "working")]
        assert (found[-1]["event"], found[-1]["status"]) == ("done", "completed")
        assert JobEmitter.pop_result(job.job_id) == {"document_id": "d1"}
        await runner.shutdown()
        row = await table.get(job.job_id)
        assert row is not None
        assert (row.status, row.document_id, row.error) == ("completed", "d1", None)
        assert row.finished_at is not None
        assert row.finished_at >= row.created_at


async def test_an_exception_is_an_error_entry_and_then_done_failed(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(emitter: JobEmitter) -> None:
        raise ZeroDivisionError("by nothing")

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        job = await runner.start("test", "x", work)
        found = await events(store, job.job_id)
        told = "Unexpected ZeroDivisionError: the server made a mistake; its log says more."
        assert lines(found) == [("error", told)]
        assert found[-1]["status"] == "failed"
        ended = await runner.get(job.job_id, user=LOCAL_USER)
        assert ended is not None
        assert (ended.status, ended.error) == ("failed", told)
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.name == "app.jobs.runner"
    assert job.job_id in record.getMessage()
    assert "ZeroDivisionError: by nothing" in caplog.text  # for whoever runs the server, and nobody else


async def test_an_expected_failure_is_shown_in_its_own_words(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        raise JobError("The page is empty: give another.")

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        job = await runner.start("test", "x", work)
        assert lines(await events(store, job.job_id)) == [("error", "The page is empty: give another.")]


async def test_a_cancelled_job_ends_at_once_and_says_so(tmp_path: Path, database_url: str) -> None:
    started = asyncio.Event()

    async def work(emitter: JobEmitter) -> None:
        started.set()
        await asyncio.sleep(60)

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        job = await runner.start("test", "x", work)
        await started.wait()
        assert JobEmitter.cancel(job.job_id)
        found = await events(store, job.job_id)
        assert (found[-1]["event"], found[-1]["status"]) == ("done", "cancelled")
        ended = await runner.get(job.job_id, user=LOCAL_USER)
        assert ended is not None
        assert (ended.status, ended.error) == ("cancelled", None)


async def test_a_job_cancelled_before_its_first_step_is_cancelled_and_cleaned_up(
    tmp_path: Path, database_url: str
) -> None:
    ran, cleaned = [], []

    async def work(emitter: JobEmitter) -> None:
        ran.append(True)

    async with runner_on(tmp_path, database_url) as (runner, table, store):
        job = await runner.start("test", "x", work, on_end=lambda: cleaned.append(True))
        (task,) = (each for each in asyncio.all_tasks() if job.job_id in each.get_name())
        task.cancel()
        found = await events(store, job.job_id)
        assert found[-1]["status"] == "cancelled"
        assert (ran, cleaned) == ([], [True])
        await runner.shutdown()
        row = await table.get(job.job_id)
        assert row is not None
        assert row.status == "cancelled"


async def test_a_viewer_that_has_seen_done_is_never_told_running(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        await asyncio.sleep(0)

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        for _ in range(20):
            job = await runner.start("test", "x", work)
            await events(store, job.job_id)
            seen = await runner.get(job.job_id, user=LOCAL_USER)
            assert seen is not None
            assert seen.status == "completed"
            assert (await runner.latest(1, user=LOCAL_USER))[0].status == "completed"


async def test_the_cap_counts_what_runs_and_frees_its_place(tmp_path: Path, database_url: str) -> None:
    release = asyncio.Event()

    async def work(emitter: JobEmitter) -> None:
        await release.wait()

    async with runner_on(tmp_path, database_url, limit=2) as (runner, _, store):
        # All at once: the place is taken before anything is awaited.
        answers = await asyncio.gather(*(runner.start("test", str(n), work) for n in range(5)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, TooManyJobs)]
        assert len(refused) == 3
        assert str(refused[0]) == ("2 jobs are running and MAX_RUNNING_JOBS is 2: wait for one to end, or cancel one")
        release.set()
        await eventually_async(lambda: runner.running == 0)
        await events(store, (await runner.start("test", "again", work)).job_id)


async def test_a_job_that_is_prepared_has_its_place_until_that_ends(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        await asyncio.sleep(60)

    async with runner_on(tmp_path, database_url, limit=2) as (runner, _, _):
        await runner.start("test", "first", work)
        with runner.preparing():
            with pytest.raises(TooManyJobs, match="2 jobs are running and MAX_RUNNING_JOBS is 2"), runner.preparing():
                pass
            with pytest.raises(TooManyJobs):
                await runner.start("test", "in its place", work)
        await runner.start("test", "second", work)
        assert runner.running == 2


async def test_one_user_does_not_take_all_the_places(tmp_path: Path, database_url: str) -> None:
    ann, ben = User("1", "Ann"), User("2", "Ben")

    async def work(emitter: JobEmitter) -> None:
        await asyncio.sleep(60)

    async with runner_on(tmp_path, database_url, limit=4, per_user=2) as (runner, _, store):
        first = await runner.start("test", "x", work, user=ann)
        with runner.preparing(ann), pytest.raises(TooManyJobs) as refused:
            await runner.start("test", "y", work, user=ann)
        assert str(refused.value) == (
            "2 of your jobs are running and MAX_RUNNING_JOBS_PER_USER is 2: wait for one to end, or cancel one"
        )
        await runner.start("test", "y", work, user=ann)
        for name in ("z", "z again"):
            await runner.start("test", name, work, user=ben)
        JobEmitter.cancel(first.job_id)
        await events(store, first.job_id)
        await runner.start("test", "x again", work, user=ann)
        with pytest.raises(TooManyJobs, match="MAX_RUNNING_JOBS is 4"):
            await runner.start("test", "of all", work, user=User("3", "Cay"))


async def test_where_nobody_signs_in_all_places_are_everybodys(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        await asyncio.sleep(60)

    async with runner_on(tmp_path, database_url, limit=3, per_user=1) as (runner, _, _):
        for _ in range(3):
            await runner.start("test", "x", work)


async def test_a_job_that_runs_for_too_long_has_failed(tmp_path: Path, database_url: str) -> None:
    stopped = []

    async def work(emitter: JobEmitter) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    async with runner_on(tmp_path, database_url, seconds=0.1) as (runner, _, store):
        job = await runner.start("test", "x", work)
        found = await events(store, job.job_id)
        reason = "It ran for 100 ms, and MAX_JOB_SECONDS is 0.1: give it less to do, or raise the limit."
        assert (lines(found), found[-1]["status"], stopped) == ([("error", reason)], "failed", [True])
        quick = await runner.start("test", "y", lambda emitter: asyncio.sleep(0, None))
        assert (await events(store, quick.job_id))[-1]["status"] == "completed"


async def test_the_oldest_jobs_of_a_user_are_forgotten_but_none_that_runs(tmp_path: Path, database_url: str) -> None:
    ann, ben = User("1", "Ann"), User("2", "Ben")

    async def wait(emitter: JobEmitter) -> None:
        await asyncio.sleep(60)

    async def work(emitter: JobEmitter) -> None:
        pass

    async with runner_on(tmp_path, database_url, kept=2) as (runner, table, store):
        await runner.start("test", "runs", wait, user=ann)
        await events(store, (await runner.start("test", "of another", work, user=ben)).job_id)
        for name in ("one", "two", "three", "four"):
            job = await runner.start("test", name, work, user=ann)
            await events(store, job.job_id)
            await ended(table, job)
        await runner.shutdown()
        assert [job.source for job in await table.latest(10, user=ann)] == ["four", "three", "runs"]
        assert [job.source for job in await table.latest(10, user=ben)] == ["of another"]


async def test_jobs_are_kept_alive_without_anyone_holding_them(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.1, future.set_result, None)
        await future

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        job_id = (await runner.start("test", "x", work)).job_id
        await asyncio.sleep(0)
        gc.collect()
        assert (await events(store, job_id))[-1]["status"] == "completed"


async def test_shutdown_interrupts_what_runs_and_refuses_what_comes(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        await asyncio.sleep(60)

    async with runner_on(tmp_path, database_url) as (runner, table, store):
        job = await runner.start("test", "x", work)
        await asyncio.sleep(0)
        await runner.shutdown()
        found = await events(store, job.job_id)
        assert lines(found) == [("warning", "The server is stopping: start this job again later.")]
        assert found[-1]["status"] == "cancelled"
        row = await table.get(job.job_id)
        assert row is not None
        assert (row.status, row.error) == (
            "interrupted",
            "The server stopped while this job was running.",
        )
        with pytest.raises(TooManyJobs, match="stopping"):
            await runner.start("test", "y", work)


async def test_shutdown_does_not_wait_for_ever_for_a_job_that_clings(tmp_path: Path, database_url: str) -> None:
    release = asyncio.Event()

    async def work(emitter: JobEmitter) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with runner_on(tmp_path, database_url) as (runner, table, store):
        job = await runner.start("test", "x", work)
        await asyncio.sleep(0)
        await runner.shutdown(timeout=0.1)
        assert not release.is_set()
        assert (await events(store, job.job_id))[-1]["status"] == "cancelled"
        row = await table.get(job.job_id)
        assert row is not None
        assert row.status == "interrupted"
        release.set()


async def wait(emitter: JobEmitter) -> None:
    emitter.log("waiting")
    await asyncio.sleep(60)


async def test_the_jobs_of_a_server_that_lives_are_left_alone(tmp_path: Path, database_url: str) -> None:
    async with (
        runner_on(tmp_path, database_url) as (first, _, _),
        runner_on(tmp_path, database_url) as (second, table, _),
    ):
        job_id = (await first.start("test", "x", wait)).job_id
        own = (await second.start("test", "y", wait)).job_id
        assert await table.interrupt_abandoned() == 0
        for one in (job_id, own):
            row = await table.get(one)
            assert row is not None
            assert row.status == "running"


def leave(session: Session) -> None:
    session.execute(update(JobRow).values(status="running", finished_at=None, error=None))
    columns = (JobRow.kind, JobRow.source, JobRow.status, JobRow.created_at)
    older = select(literal("of-an-older-version"), *columns)
    session.execute(insert(JobRow).from_select(["job_id", *(each.name for each in columns)], older))


async def test_the_jobs_of_a_dead_server_are_interrupted_once(tmp_path: Path, database_url: str) -> None:
    async with runner_on(tmp_path, database_url) as (first, _, _):
        ended = (await first.start("test", "x", wait)).job_id
    # What a server leaves that was killed: its rows, and nobody who holds its lock.
    database = Database(database_url)
    await database.open()
    await database.write(leave)
    await database.close()
    async with runner_on(tmp_path, database_url) as (_, one, _), runner_on(tmp_path, database_url) as (_, other, _):
        assert sum(await asyncio.gather(one.interrupt_abandoned(), other.interrupt_abandoned())) == 2
        assert await one.interrupt_abandoned() == 0
        for job_id in (ended, "of-an-older-version"):
            row = await other.get(job_id)
            assert row is not None
            assert (row.status, row.error) == ("interrupted", "The server stopped while this job was running.")


async def test_the_newest_jobs_come_first(tmp_path: Path, database_url: str) -> None:
    async def work(emitter: JobEmitter) -> None:
        pass

    async with runner_on(tmp_path, database_url) as (runner, _, store):
        for name in ("a", "b", "c"):
            await events(store, (await runner.start("test", name, work)).job_id)
        assert [job.source for job in await runner.latest(2, user=LOCAL_USER)] == ["c", "b"]
        assert await runner.get("no-such-job", user=LOCAL_USER) is None


async def test_59_a_user_sees_their_own_jobs_alone(tmp_path: Path, database_url: str) -> None:
    async with runner_on(tmp_path, database_url) as (runner, _, _):

        async def work(emitter: JobEmitter) -> None:
            pass

        ann, ben = User("1", "Ann"), User("2", "Ben")
        hers = await runner.start("ingest", "hers", work, user=ann)
        await runner.start("generation", "her text", work, user=ann)
        await runner.start("ingest", "his", work, user=ben)
        assert [job.source for job in await runner.latest(9, user=ann)] == ["her text", "hers"]
        assert [job.source for job in await runner.latest(9, user=ann, kind="ingest")] == ["hers"]
        assert await runner.get(hers.job_id, user=ben) is None
        assert await runner.get(hers.job_id, user=ann) is not None
