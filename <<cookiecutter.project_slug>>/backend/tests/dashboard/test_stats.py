"""GET /api/stats and /api/stats/stream: a user's jobs as they are, and each change of them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.datastructures import State
from streamator import MemoryStore

from app.dashboard.stats import StatsFeeds, current_stats
from app.database import Database
from app.jobs import Job, JobKind, JobRunner, JobTable
from app.jobs.engines.inline import InlineEngine
from app.users import User
from tests.support import JsonObject, NoArgs, RunningApp, Web, eventually, eventually_async, job_of

ANN, BEN = User("1", "Ann"), User("2", "Ben")
QUIET = {"event": "stats", "processing_count": 0, "completed": 0, "failed": 0, "cancelled": 0, "rate_per_minute": 0}


@pytest.fixture
def running(run_app: Callable[..., RunningApp]) -> RunningApp:
    pytest.importorskip("app.ingest", reason="the jobs of these tests are those of ingest")
    return run_app(ingest_allow_private_urls=True)


def stats(response: httpx.Response) -> Iterator[JsonObject]:
    for line in response.iter_lines():
        assert not line.startswith("event:")
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            event.pop("t")
            yield event


def slow(web: Web, path: str, release: threading.Event) -> str:
    def write(wfile: Any) -> None:
        assert release.wait(20)
        wfile.write(f"words of {path}".encode())

    return web.put(path, write, content_type="text/plain")


def test_the_stream_begins_with_what_is_and_tells_each_change(running: RunningApp, web: Web) -> None:
    release = threading.Event()
    url = slow(web, "/slow.txt", release)
    with running.client.stream("GET", "/api/stats/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = stats(response)
        assert next(told) == {**QUIET, "jobs": []}
        job_id = running.client.post("/api/ingest", data={"url": url}).json()["job_id"]
        (job,) = next(each for each in told if each["jobs"] and each["jobs"][0]["step"] == "fetching")["jobs"]
        assert job == {
            "job_id": job_id, "kind": "ingest", "source": url, "step": "fetching", "percent": 3,
            "age_seconds": job["age_seconds"],
        }  # fmt: skip
        assert 0 <= job["age_seconds"] < 20
        release.set()
        ended = next(each for each in told if each["completed"])
        assert ended == {**QUIET, "completed": 1, "rate_per_minute": 1, "jobs": []}


def test_a_viewer_that_comes_back_begins_anew_whatever_it_has_seen(running: RunningApp) -> None:
    for headers in ({"last-event-id": "1"}, {"last-event-id": "999"}, {}):
        with running.client.stream("GET", "/api/stats/stream?after=1", headers=headers) as response:
            assert response.status_code == 200
            assert next(stats(response)) == {**QUIET, "jobs": []}


def test_a_poll_gives_what_the_stream_begins_with(running: RunningApp) -> None:
    assert running.client.get("/api/stats").json() == {"logs": [{**QUIET, "jobs": []}], "next": 1, "closed": False}


def test_how_jobs_ended_is_counted(running: RunningApp, web: Web) -> None:
    release = threading.Event()
    running.result(running.ingest(b"some words", "a.txt"))
    running.events(running.ingest(b" \n", "blank.txt"))
    cancelled = running.client.post("/api/ingest", data={"url": slow(web, "/slow.txt", release)}).json()["job_id"]
    running.client.post(f"/api/job/{cancelled}/cancel")
    running.events(cancelled)
    release.set()

    def now() -> JsonObject:
        return dict(running.client.get("/api/stats").json()["logs"][0])

    eventually(lambda: now()["rate_per_minute"] == 3)
    counts = now()
    assert (counts["completed"], counts["failed"], counts["cancelled"], counts["processing_count"]) == (1, 1, 1, 0)


def test_the_list_of_jobs_says_how_far_those_are_that_run(running: RunningApp, web: Web) -> None:
    release = threading.Event()
    job_id = running.client.post("/api/ingest", data={"url": slow(web, "/slow.txt", release)}).json()["job_id"]

    def listed() -> JsonObject:
        return dict(running.client.get("/api/jobs").json()["jobs"][0])

    eventually(lambda: listed()["step"] == "fetching")
    assert (listed()["percent"], listed()["age_seconds"] >= 0) == (3, True)
    assert running.client.get(f"/api/jobs/{job_id}").json()["step"] == "fetching"
    release.set()
    running.events(job_id)
    ended = listed()
    assert (ended["step"], ended["percent"], ended["age_seconds"]) == (None, None, None)


# One look for all who watch


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def runner_on(url: str, *kinds: JobKind[Any], store: MemoryStore | None = None) -> tuple[JobRunner, Database]:
    database = Database(url)
    await database.open()
    table = JobTable(database)
    return JobRunner(table, store or MemoryStore(), kinds, State(), InlineEngine(), limit=100), database


@pytest.mark.anyio
async def test_59_a_user_is_told_of_their_own_jobs_alone(database_url: str) -> None:
    release = asyncio.Event()

    async def work(job: Job) -> None:
        await release.wait()

    kind = job_of(work, "ingest")
    jobs, database = await runner_on(database_url, kind)
    await jobs.start(kind, NoArgs(), source="hers", user=ANN)
    await jobs.start(kind, NoArgs(), source="his", user=BEN)
    assert [job.source for job in (await current_stats(jobs, ANN)).jobs] == ["hers"]
    release.set()
    await eventually_async(lambda: jobs.running == 0)
    await jobs.shutdown()
    assert (await current_stats(jobs, BEN)).completed == 1
    await database.close()


@pytest.mark.anyio
async def test_the_jobs_of_another_process_are_counted_with_their_steps(database_url: str) -> None:
    release = asyncio.Event()

    async def work(job: Job) -> None:
        job.emit({"event": "progress", "stage": "generator", "progress": 40})
        await release.wait()

    kind, store = job_of(work, "generation"), MemoryStore()
    there, database = await runner_on(database_url, kind, store=store)
    here, other = await runner_on(database_url, store=store)  # it has started none of them
    job = await there.start(kind, NoArgs(), source="a text", user=ANN)
    await asyncio.sleep(0)
    stats = await current_stats(here, ANN)
    assert (stats.processing_count, stats.jobs[0].job_id) == (1, job.job_id)
    assert (stats.jobs[0].step, stats.jobs[0].percent) == ("generator", 40)
    release.set()
    await eventually_async(lambda: there.running == 0)
    await there.shutdown()
    assert (await current_stats(here, ANN)).completed == 1
    await other.close()
    await database.close()


@pytest.mark.anyio
async def test_nothing_is_looked_at_while_nobody_watches(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, database = await runner_on(database_url)
    looks: list[str] = []
    running_of = jobs.running_of

    async def counted(user: User) -> Any:
        looks.append(user.id)
        return await running_of(user)

    monkeypatch.setattr(jobs, "running_of", counted)
    feeds = StatsFeeds(jobs)
    with feeds.watch(ANN) as first, feeds.watch(ANN) as second:
        await eventually_async(lambda: looks)
        logs = [await feeds.store.find(job_id) for job_id in (first, second)]
        await eventually_async(lambda: all(log is not None and log.last == 1 for log in logs))
        with feeds.watch(ANN) as late:  # is told what is known already
            log = await feeds.store.find(late)
            assert log is not None
            assert log.last == 1
    assert looks == ["1"]  # one for all three
    for job_id in (first, second, late):
        assert await feeds.store.find(job_id) is None
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("stats of")]
    await database.close()
