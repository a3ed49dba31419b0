from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import update
from starlette.datastructures import State
from streamator import JobEmitter, MemoryStore, follow

from app.database import Database, DatabaseUnavailable
from app.jobs import SYSTEM, Job, JobError, JobKind, JobRecord, JobRunner, JobTable, TooManyJobs, job
from app.jobs.engines.inline import InlineEngine
from app.jobs.job import utc_now
from app.jobs.models import JobRow
from app.jobs.table import NewJob
from app.users import LOCAL_USER, User
from tests.support import eventually_async

pytestmark = pytest.mark.anyio


class Args(BaseModel):
    name: str = "x"


class Works:
    """What the jobs of a test do: the kind `test` calls what is put here, and others that may be retried."""

    def __init__(self) -> None:
        self.do: Callable[[Job], Awaitable[Any]] = nothing
        self.ended: list[tuple[str, str]] = []
        self.missed: dict[str, Args] = {}

    def kinds(self, retries: int = 0, **options: Any) -> list[JobKind[Any]]:
        @job("test", retries=retries, **options)
        async def test(job: Job, args: Args) -> Any:
            return await self.do(job)

        @test.on_end
        async def ended(state: State, args: Args, status: str) -> None:
            self.ended.append((args.name, status))

        @test.missed(every=0.01)
        async def missed(state: State) -> dict[str, Args]:
            return self.missed

        return [test]


async def nothing(job: Job) -> None:
    pass


async def wait(job: Job) -> None:
    job.log("waiting")
    await asyncio.sleep(60)


class Server:
    """A server's jobs; several may be on the same path."""

    def __init__(
        self,
        database: Database,
        runner: JobRunner,
        table: JobTable,
        store: MemoryStore,
        works: Works,
        kind: JobKind[Any],
        engine: InlineEngine,
    ) -> None:
        self.engine = engine
        self.database = database
        self.runner = runner
        self.table = table
        self.store = store
        self.works = works
        self.kind = kind

    async def start(self, do: Callable[[Job], Awaitable[Any]], source: str = "x", **options: Any) -> str:
        self.works.do = do
        record = await self.runner.start(self.kind, Args(name=source), source=source, **options)
        assert record.status == "running"
        return record.job_id

    async def events(self, job_id: str) -> list[dict[str, Any]]:
        """All events of a job, once it has ended."""
        await self.runner.begun(job_id, user=None, patience=10)
        await eventually_async(lambda: self.store.get(job_id) is not None)
        log = await self.store.find(job_id)
        assert log is not None
        found: list[dict[str, Any]] = []
        async for batch in follow(log):
            found.extend(batch)
        return found

    async def ended(self, job_id: str, *, user: User = LOCAL_USER) -> JobRecord:
        record = await self.runner.ended(job_id, user=user)
        assert record is not None
        return record


@asynccontextmanager
async def server_on(
    url: str,
    *,
    kept: int = 100,
    limit: int = 4,
    retries: int = 0,
    store: MemoryStore | None = None,
    lease: float = 10.0,
    kind: dict[str, Any] | None = None,
    **bounds: Any,
) -> AsyncIterator[Server]:
    database = Database(url)
    await database.open()
    works, store = Works(), store or MemoryStore()
    table = JobTable(database, kept=kept, lease=lease)
    kinds = works.kinds(retries, **(kind or {}))
    engine = InlineEngine()
    runner = JobRunner(table, store, kinds, State(), engine, limit=limit, **{"pause": 0.01, **bounds})
    try:
        yield Server(database, runner, table, store, works, kinds[0], engine)
    finally:
        await runner.shutdown(timeout=0.5)
        await engine.close()
        await database.close()


async def left_behind(server: Server, *, attempts: int = 1, args: str | None = '{"name": "x"}') -> str:
    """A job that another server has begun so many times and was lost each time, as its row is."""
    other = JobTable(server.database)
    job_id = f"left-{attempts}"
    await other.add(NewJob(job_id, LOCAL_USER.id, "test", "x", args or "", None), begun=True)
    await server.database.write(
        lambda session: session.execute(
            update(JobRow)
            .where(JobRow.job_id == job_id)
            .values(attempt=attempts, tries=attempts, args=args, seen_at=utc_now() - timedelta(seconds=11))
        )
    )
    return job_id


def told_of(server: Server, job_id: str) -> list[dict[str, Any]]:
    """The events of a job so far."""
    stored = server.store.get(job_id)
    return [] if stored is None else [dict(each) for each in stored.log.read(0)]


def told(store: MemoryStore, job_id: str, message: str) -> bool:
    """Whether a job's log has a line."""
    stored = store.get(job_id)
    return stored is not None and any(each.get("message") == message for each in stored.log.read(0))


def lines(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["level"], event["message"]) for event in found if event["event"] == "log"]


@contextmanager
def watching(server: Server) -> Iterator[None]:
    """The runner's watch over what is its own, and what others have left behind."""
    task = asyncio.create_task(server.runner.watch())
    try:
        yield
    finally:
        task.cancel()


async def test_a_job_that_returns_is_completed_with_its_result(database_url: str) -> None:
    async def work(job: Job) -> dict[str, Any]:
        job.log("working")
        return {"document_id": "d1"}

    async with server_on(database_url) as server:
        job_id = await server.start(work, "a source")
        found = await server.events(job_id)
        assert lines(found) == [("info", "working")]
        assert (found[-1]["event"], found[-1]["status"]) == ("done", "completed")
        assert JobEmitter.pop_result(job_id) == {"document_id": "d1"}
        record = await server.ended(job_id)
        assert (record.status, record.document_id, record.error, record.attempt) == ("completed", "d1", None, 1)
        assert (record.kind, record.source) == ("test", "a source")
        assert record.finished_at is not None
        assert record.finished_at >= record.created_at
        await eventually_async(lambda: server.works.ended == [("a source", "completed")])


async def test_an_exception_is_an_error_entry_and_then_done_failed(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(job: Job) -> None:
        raise ZeroDivisionError("by nothing")

    async with server_on(database_url) as server:
        job_id = await server.start(work)
        found = await server.events(job_id)
        told = "Unexpected ZeroDivisionError: the server made a mistake; its log says more."
        assert lines(found) == [("error", told)]
        assert found[-1]["status"] == "failed"
        ended = await server.ended(job_id)
        assert (ended.status, ended.error) == ("failed", told)
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.name == "app.jobs.run"
    assert job_id in record.getMessage()
    assert "ZeroDivisionError: by nothing" in caplog.text  # for whoever runs the server, and nobody else


async def test_an_expected_failure_is_shown_in_its_own_words_and_not_retried(database_url: str) -> None:
    async def work(job: Job) -> None:
        raise JobError("The page is empty: give another.")

    async with server_on(database_url, retries=2) as server:
        job_id = await server.start(work)
        assert lines(await server.events(job_id)) == [("error", "The page is empty: give another.")]
        assert (await server.ended(job_id)).attempt == 1


async def test_a_poison_job_stops_after_its_retries_with_each_attempt_in_its_log_and_the_reason_first(
    database_url: str,
) -> None:
    async def work(job: Job) -> None:
        job.log(f"attempt {job.attempt}")
        raise ZeroDivisionError

    async with server_on(database_url, retries=2) as server:
        job_id = await server.start(work)
        found = await server.events(job_id)
        unexpected = "Unexpected ZeroDivisionError: the server made a mistake; its log says more."
        attempts = [each for each in found if each["event"] == "attempt"]
        assert [(each["attempt"], each["reason"]) for each in attempts] == [
            (2, "Unexpected ZeroDivisionError"), (3, "Unexpected ZeroDivisionError"),
        ]  # fmt: skip
        assert lines(found) == [
            ("info", "attempt 1"),
            ("error", f"{unexpected} It is tried again in 10 ms (1 of 2)."),
            ("info", "attempt 2"),
            ("error", f"{unexpected} It is tried again in 20 ms (2 of 2)."),
            ("info", "attempt 3"),
            ("error", unexpected),
        ]
        assert [each["event"] for each in found].count("done") == 1
        record = await server.ended(job_id)
        assert (record.status, record.error, record.attempt) == ("failed", unexpected, 3)


async def test_an_attempt_that_works_after_one_that_failed_completes_the_job(database_url: str) -> None:
    async def work(job: Job) -> dict[str, Any]:
        if job.attempt == 1:
            job.checkpoint({"page": 7})
            raise ZeroDivisionError
        return {"partial": f"from page {job.last_checkpoint['page']}"}

    async with server_on(database_url, retries=1) as server:
        job_id = await server.start(work)
        assert (await server.events(job_id))[-1]["status"] == "completed"
        record = await server.ended(job_id)
        assert (record.partial, record.attempt) == ("from page 7", 2)


async def test_a_plain_function_runs_in_a_thread_and_sees_that_it_is_to_stop(database_url: str) -> None:
    began = threading.Event()

    @job("plain")
    def plain(job: Job, args: Args) -> Args:
        assert threading.current_thread() is not threading.main_thread()
        began.set()
        while args.name == "endless":
            job.raise_if_cancelled()
        return args

    async with server_on(database_url) as server:
        server.runner._kinds["plain"] = plain
        quick = await server.runner.start(plain, Args(name="quick"), source="x")
        assert (await server.events(quick.job_id))[-1]["status"] == "completed"
        endless = await server.runner.start(plain, Args(name="endless"), source="x")
        await asyncio.to_thread(began.wait, 10)
        assert await server.runner.cancel(endless.job_id)
        assert (await server.events(endless.job_id))[-1]["status"] == "cancelled"


async def test_a_function_without_a_model_of_its_arguments_is_no_job() -> None:
    with pytest.raises(TypeError, match=r"declare it as \(job: Job, args: Args\), with a pydantic model"):

        @job("wrong")  # type: ignore[type-var]
        async def wrong(job: Job, args: int) -> None:
            pass


@pytest.mark.parametrize("by", ["the runner", "the log"])
async def test_a_cancelled_job_ends_at_once_and_says_so(database_url: str, by: str) -> None:
    async with server_on(database_url, retries=1) as server:
        job_id = await server.start(wait)
        if by == "the runner":
            assert await server.runner.cancel(job_id)
        else:
            assert JobEmitter.cancel(job_id)
        found = await server.events(job_id)
        assert lines(found)[-1] == ("warning", "Cancelled.")
        assert (found[-1]["event"], found[-1]["status"]) == ("done", "cancelled")
        ended = await server.ended(job_id)
        assert (ended.status, ended.error, ended.attempt) == ("cancelled", None, 1)
        assert await server.runner.cancel(job_id)  # over, and asked for again


async def test_a_cancel_reaches_a_job_at_another_server_within_a_second(database_url: str) -> None:
    async with server_on(database_url) as here, server_on(database_url) as elsewhere:
        job_id = await elsewhere.start(wait)
        with watching(elsewhere):
            await asyncio.sleep(0)
            asked = time.monotonic()
            await here.runner.cancel(job_id)
            found = await elsewhere.events(job_id)
        assert time.monotonic() - asked < 1
        assert found[-1]["status"] == "cancelled"
        assert (await here.ended(job_id)).status == "cancelled"


async def test_who_has_seen_done_finds_the_row_ended_on_every_server(database_url: str) -> None:
    async with server_on(database_url) as server, server_on(database_url) as other:
        for _ in range(20):
            job_id = await server.start(nothing)
            await server.events(job_id)
            for each in (server, other):
                seen = await each.runner.get(job_id, user=LOCAL_USER)
                assert seen is not None
                assert seen.status == "completed"
                assert (await each.runner.latest(1, user=LOCAL_USER))[0].status == "completed"


async def test_the_cap_counts_what_runs_and_frees_its_place(database_url: str) -> None:
    release = asyncio.Event()

    async def work(job: Job) -> None:
        await release.wait()

    async with server_on(database_url, limit=2) as server:
        # All at once: the place is taken before anything is awaited.
        answers = await asyncio.gather(*(server.start(work, str(n)) for n in range(5)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, TooManyJobs)]
        assert len(refused) == 3
        assert str(refused[0]) == ("2 jobs are running and MAX_RUNNING_JOBS is 2: wait for one to end, or cancel one")
        release.set()
        await eventually_async(lambda: server.runner.running == 0)
        await server.events(await server.start(work, "again"))


async def test_a_job_that_is_prepared_has_its_place_until_that_ends(database_url: str) -> None:
    async with server_on(database_url, limit=2) as server:
        await server.start(wait, "first")
        async with server.runner.preparing():
            with pytest.raises(TooManyJobs, match="2 jobs are running and MAX_RUNNING_JOBS is 2"):
                async with server.runner.preparing():
                    pass
            with pytest.raises(TooManyJobs):
                await server.start(wait, "in its place")
        await server.start(wait, "second")
        assert server.runner.running == 2


async def test_one_user_has_so_many_jobs_at_all_servers_together(database_url: str) -> None:
    ann, ben = User("1", "Ann"), User("2", "Ben")
    async with server_on(database_url, per_user=2) as server, server_on(database_url, per_user=2) as other:
        first = await server.start(wait, user=ann)
        await other.start(wait, user=ann)
        for each in (server, other):
            with pytest.raises(TooManyJobs) as refused:
                await each.start(wait, user=ann)
            assert str(refused.value) == (
                "2 of your jobs are running and MAX_RUNNING_JOBS_PER_USER is 2: wait for one to end, or cancel one"
            )
            with pytest.raises(TooManyJobs):
                async with each.runner.preparing(ann):
                    pass
        await server.start(wait, user=ben)
        await server.runner.cancel(first)
        await server.events(first)
        await other.start(wait, user=ann)


async def test_where_nobody_signs_in_all_places_are_everybodys(database_url: str) -> None:
    async with server_on(database_url, limit=3, per_user=1) as server:
        for _ in range(3):
            await server.start(wait)


async def test_a_job_that_runs_for_too_long_has_failed(database_url: str) -> None:
    stopped = []

    async def work(job: Job) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    async with server_on(database_url, retries=2, seconds=0.1) as server:
        job_id = await server.start(work)
        found = await server.events(job_id)
        reason = "It ran for 100 ms, and MAX_JOB_SECONDS is 0.1: give it less to do, or raise the limit."
        assert (lines(found), found[-1]["status"], stopped) == ([("error", reason)], "failed", [True])
        assert (await server.events(await server.start(nothing)))[-1]["status"] == "completed"


async def test_a_kind_has_a_limit_of_its_own(database_url: str) -> None:
    async with server_on(database_url, kind={"timeout": 0.1}) as server:
        found = await server.events(await server.start(wait))
        assert lines(found)[-1] == (
            "error", "It ran for 100 ms, and the limit of its kind: give it less to do, or raise the limit.",
        )  # fmt: skip


async def test_the_oldest_jobs_of_a_user_are_forgotten_but_none_that_runs(database_url: str) -> None:
    ann, ben = User("1", "Ann"), User("2", "Ben")
    async with server_on(database_url, kept=2) as server:
        await server.start(wait, "runs", user=ann)
        await server.events(await server.start(nothing, "of another", user=ben))
        for name in ("one", "two", "three", "four"):
            await server.events(await server.start(nothing, name, user=ann))
        assert [each.source for each in await server.table.latest(10, user=ann)] == ["four", "three", "runs"]
        assert [each.source for each in await server.table.latest(10, user=ben)] == ["of another"]


async def test_jobs_are_kept_alive_without_anyone_holding_them(database_url: str) -> None:
    async def work(job: Job) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.1, future.set_result, None)
        await future

    async with server_on(database_url) as server:
        job_id = await server.start(work)
        await asyncio.sleep(0)
        gc.collect()
        assert (await server.events(job_id))[-1]["status"] == "completed"


async def test_shutdown_interrupts_what_may_not_be_retried_and_refuses_what_comes(database_url: str) -> None:
    async with server_on(database_url) as server:
        job_id = await server.start(wait)
        await asyncio.sleep(0)
        await server.runner.shutdown()
        found = await server.events(job_id)
        assert lines(found)[-1] == ("warning", "The server is stopping: start this job again later.")
        assert found[-1]["status"] == "cancelled"
        record = await server.table.get(job_id)
        assert record is not None
        assert (record.status, record.error) == ("interrupted", "The server stopped while this job was running.")
        with pytest.raises(TooManyJobs, match="stopping"):
            await server.start(nothing)


async def test_what_may_be_retried_goes_on_at_the_next_start_and_that_is_no_failure(database_url: str) -> None:
    store = MemoryStore()

    async def work(job: Job) -> None:
        job.log(f"attempt {job.attempt}")
        if job.attempt < 4:
            await asyncio.sleep(60)

    async with server_on(database_url, retries=1, store=store) as server:
        job_id = await server.start(work)
        await eventually_async(lambda: told(store, job_id, "attempt 1"))
    for number in (2, 3):
        async with server_on(database_url, retries=1, store=store) as server:
            server.works.do = work
            await server.runner.sweep()
            await eventually_async(partial(told, store, job_id, f"attempt {number}"))
    async with server_on(database_url, retries=1, store=store) as server:
        server.works.do = work
        await server.runner.sweep()
        found = await server.events(job_id)
    stops = "The server is stopping: the job goes on at its next start, or at another one."
    assert [message for _, message in lines(found)] == [
        "attempt 1", stops, "attempt 2", stops, "attempt 3", stops, "attempt 4"
    ]  # fmt: skip
    assert {each["reason"] for each in found if each["event"] == "attempt"} == {"It was stopped with its server."}
    assert found[-1]["status"] == "completed"


async def test_shutdown_does_not_wait_for_ever_for_a_job_that_clings(database_url: str) -> None:
    release = asyncio.Event()

    async def work(job: Job) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with server_on(database_url) as server:
        job_id = await server.start(work)
        await asyncio.sleep(0)
        await server.runner.shutdown(timeout=0.1)
        assert not release.is_set()
        assert (await server.events(job_id))[-1]["status"] == "cancelled"
        record = await server.table.get(job_id)
        assert record is not None
        assert record.status == "interrupted"
        release.set()


async def test_the_jobs_of_a_server_that_lives_are_left_alone(database_url: str) -> None:
    async with server_on(database_url) as first, server_on(database_url) as second:
        theirs = await first.start(wait)
        own = await second.start(wait)
        assert await second.table.left(queued_for=0) == [(own, 1, True)]
        await second.runner.sweep()
        for one in (theirs, own):
            await second.runner.run(one)
        for one in (theirs, own):
            record = await second.table.get(one)
            assert record is not None
            assert (record.status, record.attempt) == ("running", 1)


async def test_a_job_of_a_killed_server_runs_again_where_it_may(database_url: str) -> None:
    async with server_on(database_url, retries=1) as server:
        job_id = await left_behind(server)
        await server.runner.sweep()
        found = await server.events(job_id)
        record = await server.ended(job_id)
    assert (found[-1]["status"], record.status, record.attempt) == ("completed", "completed", 2)
    # The store has lost the log of the first attempt with its server, and the next one is the second all the same.
    attempts = [(event["attempt"], event["reason"]) for event in found if event["event"] == "attempt"]
    assert attempts == [(2, "The server or worker that ran it was lost.")]
    assert found[0]["event"] == "attempt"


async def test_a_job_of_a_killed_server_that_may_not_be_retried_is_interrupted(database_url: str) -> None:
    async with server_on(database_url) as server:
        job_id = await left_behind(server)
        await server.runner.sweep()
        found = await server.events(job_id)
        record = await server.ended(job_id)
    assert (record.status, record.error) == ("interrupted", "The server stopped while this job was running.")
    assert (lines(found)[-1], found[-1]["status"]) == (("error", record.error), "failed")


async def test_a_job_that_takes_its_server_with_it_is_begun_only_so_often(database_url: str) -> None:
    async with server_on(database_url, retries=2) as server:
        job_id = await left_behind(server, attempts=3)
        await server.runner.sweep()
        found = await server.events(job_id)
        record = await server.ended(job_id)
    assert record.error == (
        "It was begun 3 times, and each time the server or worker that ran it was lost or it failed: it is not tried "
        "again."
    )
    assert (record.status, lines(found)[-1]) == ("failed", ("error", record.error))


async def test_a_job_of_an_earlier_version_of_the_app_is_interrupted(database_url: str) -> None:
    async with server_on(database_url, retries=2) as server:
        job_id = await left_behind(server, args=None)
        await server.runner.sweep()
        assert (await server.ended(job_id)).status == "interrupted"


async def test_an_attempt_that_was_taken_for_lost_changes_nothing(database_url: str) -> None:
    store, release = MemoryStore(), asyncio.Event()

    async def slow(job: Job) -> dict[str, Any]:
        await release.wait()
        return {"document_id": "of the first"}

    async def quick(job: Job) -> dict[str, Any]:
        return {"document_id": "of the second"}

    async with (
        server_on(database_url, store=store, retries=1) as first,
        server_on(database_url, store=store, retries=1, lease=0.0) as second,
    ):
        job_id = await first.start(slow)
        second.works.do = quick
        await second.runner.sweep()
        found = await second.events(job_id)
        release.set()
        await eventually_async(lambda: first.runner.running == 0)
        record = await first.ended(job_id)
    assert (record.status, record.document_id, record.attempt) == ("completed", "of the second", 2)
    assert [each["event"] for each in found].count("done") == 1
    assert first.works.ended == []


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.server)], indirect=True)
async def test_a_machine_whose_clock_is_ahead_takes_no_job_from_another(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server_on(database_url, retries=1) as server:
        await server.start(wait)
        monkeypatch.setattr("app.jobs.table.utc_now", lambda: utc_now() + timedelta(hours=1))
        async with server_on(database_url, retries=1) as ahead:
            assert await ahead.table.left(queued_for=0) == []


async def test_while_the_database_was_away_nobody_was_lost(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, release, lease, looks = MemoryStore(), asyncio.Event(), 1.0, 0

    async def work(job: Job) -> None:
        await release.wait()

    async with (
        server_on(database_url, store=store, retries=1, lease=lease) as first,
        server_on(database_url, store=store, retries=1, lease=lease) as second,
    ):
        job_id, left = await first.start(work), second.table.left

        async def counted(**options: Any) -> Any:
            nonlocal looks
            found = await left(**options)
            looks += 1
            return found

        async def away(**options: Any) -> Any:
            raise DatabaseUnavailable("the database is away")

        with watching(second):
            monkeypatch.setattr(second.table, "left", away)
            await asyncio.sleep(lease * 1.2)  # the first server cannot say that it lives, either
            monkeypatch.setattr(second.table, "left", counted)
            await eventually_async(lambda: looks == 1)  # before the first server has said so
            with watching(first):
                await eventually_async(lambda: looks == 3)
        release.set()
        assert (await first.ended(job_id)).attempt == 1


async def test_a_job_that_others_have_taken_over_is_stopped(database_url: str) -> None:
    cancelled = asyncio.Event()

    async def slow(job: Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with server_on(database_url, retries=1) as server:
        await server.start(slow)
        await server.database.write(lambda session: session.execute(update(JobRow).values(attempt=2, server="another")))
        with watching(server):
            await asyncio.wait_for(cancelled.wait(), 5)


class SlowStore(MemoryStore):
    """A store that is away until `stored` is set: what was logged is not stored before."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = asyncio.Event()

    def open_attempt(self, *arguments: Any) -> Any:
        job = super().open_attempt(*arguments)

        async def flushed(timeout: float | None, closing: bool) -> bool:
            await asyncio.sleep(0.01)
            return self.stored.is_set()

        job.flushed = flushed
        return job

    @property
    def degraded(self) -> str | None:
        return None if self.stored.is_set() else "it is away"


async def test_a_job_that_is_over_is_let_go_of_once_its_log_is_stored(database_url: str) -> None:
    store = SlowStore()
    async with server_on(database_url, store=store, limit=1) as server:
        job_id = await server.start(nothing)
        assert (await server.ended(job_id)).status == "completed"
        await eventually_async(lambda: server.works.ended == [("x", "completed")])
        for _ in range(3):
            assert await server.table.left(queued_for=0) == [(job_id, 1, True)], "who finds it lost closes the log"
            await server.runner.sweep()
        await server.ended(await server.start(nothing))  # it takes no place
        store.stored.set()
        ends_at = time.monotonic() + 10
        while await server.table.left(queued_for=0):
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.01)


async def test_a_server_that_stops_leaves_a_log_that_is_not_stored_to_others(database_url: str) -> None:
    store = SlowStore()
    async with server_on(database_url, store=store) as server:
        job_id = await server.start(nothing)
        await server.ended(job_id)
        await server.runner.shutdown(timeout=1)
        assert await server.table.left(queued_for=0) == [(job_id, 1, True)]


async def test_a_job_whose_log_was_not_closed_has_it_closed_as_its_row_says(database_url: str) -> None:
    async with server_on(database_url) as server:
        job_id = await left_behind(server)
        await server.database.write(
            lambda session: session.execute(update(JobRow).values(status="failed", error="It was too large."))
        )
        await server.runner.sweep()
        found = await server.events(job_id)
        await eventually_async(lambda: server.works.ended == [("x", "failed")])
        await server.runner.shutdown()
        await server.engine.close()
        assert await server.table.left(queued_for=0) == []
    assert (lines(found)[-1], found[-1]["status"]) == (("error", "It was too large."), "failed")


async def test_a_kind_that_is_not_known_here_is_left_to_others(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_on(database_url) as server:
        new = NewJob("newer", LOCAL_USER.id, "of a newer version", "x", "{}", None)
        await server.table.add(new, begun=False)
        for _ in range(2):
            await server.runner.run("newer")
        record = await server.table.get("newer")
        assert record is not None
        assert (record.status, record.waits, record.attempt) == ("running", True, 0)
    told = [each for each in caplog.messages if "of a newer version" in each]
    assert told == ["jobs of the kind 'of a newer version' are left to others: this version of the app knows none"]


async def test_arguments_that_no_longer_fit_are_a_failure_that_names_them(database_url: str) -> None:
    async with server_on(database_url, retries=2) as server:
        new = NewJob("older", LOCAL_USER.id, "test", "x", '{"name": 7}', None)
        await server.table.add(new, begun=False)
        await server.runner.sweep()
        found = await server.events("older")
        record = await server.ended("older")
    told = "does not fit this version of the app (name: Input should be a valid string): start it again."
    assert (record.status, record.error) == ("failed", f"What it was asked for {told}")
    assert lines(found) == [("error", record.error)]


async def test_a_job_that_waits_is_cancelled_at_once(database_url: str) -> None:
    async with server_on(database_url) as server:
        await server.table.add(NewJob("waits", LOCAL_USER.id, "test", "x", "{}", None), begun=False)
        assert await server.runner.cancel("waits")
        record = await server.ended("waits")
        assert record.status == "cancelled"
        assert lines(await server.events("waits")) == [("warning", "Cancelled.")]
        await server.runner.run("waits")
        assert server.works.ended == [("x", "cancelled")]


async def test_what_should_be_there_is_started_once(database_url: str) -> None:
    async with server_on(database_url) as server, server_on(database_url) as other:
        for each in (server, other):
            each.works.do, each.works.missed = wait, {"a": Args(), "b": Args()}
        with watching(server), watching(other):
            await eventually_async(lambda: server.runner.running + other.runner.running == 2)
            for _ in range(3):
                await server.runner._look_for_missed()
        open_ = await server.table.latest(10, user=SYSTEM, is_open=True)
        assert sorted(each.source for each in open_) == ["a", "b"]
        assert await server.runner.latest(10, user=LOCAL_USER) == []


async def test_how_a_job_ended_is_stored_when_the_database_is_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server_on(database_url) as server:
        finish, failures = server.table.finish, iter([OSError("away"), OSError("away")])

        async def away(*arguments: Any) -> bool:
            for failure in failures:
                raise failure
            return await finish(*arguments)

        monkeypatch.setattr(server.table, "finish", away)
        job_id = await server.start(nothing)
        assert (await server.events(job_id))[-1]["status"] == "completed"
        assert (await server.ended(job_id)).status == "completed"


async def test_a_job_that_is_cancelled_between_two_attempts_ends_its_log(database_url: str) -> None:
    async def work(job: Job) -> None:
        raise ZeroDivisionError

    async with server_on(database_url, retries=1, pause=60.0) as server:
        job_id = await server.start(work)
        assert await eventually_async(lambda: server.store.get(job_id))
        await eventually_async(lambda: any("tried again" in message for _, message in lines(told_of(server, job_id))))
        assert await server.runner.cancel(job_id)
        found = await server.events(job_id)
        assert (lines(found)[-1], found[-1]["status"]) == (("warning", "Cancelled."), "cancelled")
        assert (await server.ended(job_id)).status == "cancelled"


async def test_a_job_that_could_not_be_seen_to_its_end_is_gone_on_with(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(job: Job) -> None:
        if job.attempt == 1:
            raise ZeroDivisionError

    async with server_on(database_url, retries=2) as server:

        async def away(*arguments: Any) -> None:
            raise OSError("away")

        with monkeypatch.context() as patched:
            patched.setattr(server.table, "again", away)
            job_id = await server.start(work)
            await eventually_async(lambda: server.runner.running == 0)
        await server.runner.sweep()
        assert (await server.events(job_id))[-1]["status"] == "completed"
