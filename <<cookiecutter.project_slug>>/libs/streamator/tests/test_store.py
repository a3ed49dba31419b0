"""`MemoryStore`, `open_store`, and what holds for all stores of a process."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from typing import Any

import pytest

import streamator.stores.registry
from streamator import EventLog, JobEmitter, JobExists, JobLogger, MemoryStore, Store, StoreError, follow, open_store
from streamator.store import find_job, register_store
from streamator.testing import collect

# Bounds


def test_a_full_store_evicts_the_oldest_closed_job_first() -> None:
    store = MemoryStore(max_jobs=3)
    jobs = [JobLogger(store, job_id=name) for name in ("open", "closed", "closed-too")]
    jobs[1].close()
    jobs[2].close()
    _job = JobLogger(store, job_id="new")
    assert store.get("closed") is None
    assert all(store.get(name) for name in ("open", "closed-too", "new"))


def test_running_jobs_outlive_finished_ones_however_many_are_running() -> None:
    store = MemoryStore(max_jobs=1_000)
    running = [store.create(f"running-{n}") for n in range(500)]
    for n in range(5_000):
        JobLogger(store, job_id=f"short-{n}").close()
    assert all(store.get(f"running-{n}") is job for n, job in enumerate(running))


def test_66_a_store_full_of_open_jobs_evicts_the_oldest_and_ends_its_streams() -> None:
    async def main() -> None:
        store = MemoryStore(max_jobs=2)
        oldest = JobLogger(store, job_id="oldest")
        oldest.log("x")
        _second = JobLogger(store, job_id="second")
        reading = asyncio.create_task(collect(store, "oldest"))
        log = await store.find("oldest")
        assert log is not None
        while log.read_at == log.start:
            await asyncio.sleep(0)
        _third = JobLogger(store, job_id="third")
        events = await reading
        assert [event["event"] for event in events] == ["log"]  # and no `done`: nothing is known of the job's end
        assert store.get("oldest") is None and await store.find("oldest") is None
        oldest.log("its job goes on")
        oldest.close()

    asyncio.run(main())


def test_66_a_hundred_thousand_jobs_that_never_close_stay_bounded_and_cheap() -> None:
    def processor_seconds(store: MemoryStore, jobs: int) -> float:
        began = time.process_time()
        for n in range(jobs):
            store.create(f"job-{n}")
        return (time.process_time() - began) / jobs

    store = MemoryStore(max_jobs=5_000)
    each = processor_seconds(store, 100_000)
    kept = [n for n in range(100_000) if store.get(f"job-{n}") is not None]
    assert kept == list(range(95_000, 100_000))
    # 2 to 4 times as much is usual. Would each look at all that are open, it would be 30 times as much.
    assert each < 8 * processor_seconds(MemoryStore(max_jobs=50), 10_000)


def test_jobs_closed_after_a_vain_look_are_evicted_before_open_ones() -> None:
    store = MemoryStore(max_jobs=200)
    jobs = [JobLogger(store, job_id=f"old-{n}") for n in range(201)]  # one look at all of them, in vain
    for job in jobs[150:]:
        job.close()
    jobs += [JobLogger(store, job_id=f"new-{n}") for n in range(40)]
    assert sum(store.get(f"old-{n}") is not None for n in range(1, 150)) >= 145


@pytest.mark.parametrize("option", ["max_jobs", "maxlen"])
def test_max_jobs_of_zero_is_refused(option: str) -> None:
    options: dict[str, Any] = {option: 0}
    with pytest.raises(ValueError, match=f"{option} is 0"):
        store = MemoryStore(**options)
        store.create("job")


# Forgetting


def test_the_reaper_evicts_only_jobs_that_ended_long_enough_ago() -> None:
    from streamator.emitter import start_reaper

    async def main() -> None:
        stores = [MemoryStore(), MemoryStore()]
        over = [JobLogger(store) for store in stores]
        running = JobLogger(stores[0])
        for job in over:
            job.close()
        keeping = asyncio.create_task(start_reaper(ttl_seconds=3_600, interval=0.001))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert all(JobEmitter.exists(job.job_id) for job in over)
        reaping = asyncio.create_task(start_reaper(ttl_seconds=0.05, interval=0.001))
        while any(JobEmitter.exists(job.job_id) for job in over):
            await asyncio.sleep(0.005)
        ended = [store.get(job.job_id) for store, job in zip(stores, over, strict=True)]
        assert ended == [None, None]
        assert JobEmitter.exists(running.job_id)
        assert not keeping.done() and not reaping.done()
        for task in (keeping, reaping):
            task.cancel()

    asyncio.run(asyncio.wait_for(main(), 10))


def test_an_unused_store_is_garbage_collected() -> None:
    import gc

    job_id = str(uuid.uuid4())
    store = MemoryStore()
    store.create(job_id)
    assert find_job(job_id) is not None
    del store
    gc.collect()
    assert find_job(job_id) is None


# open_store


def test_the_same_name_and_options_are_the_same_store() -> None:
    assert open_store() is open_store("memory")
    assert open_store("memory", max_jobs=5) is open_store("memory", max_jobs=5)
    assert open_store("memory", max_jobs=5) is not open_store("memory", max_jobs=6)
    assert open_store("memory", max_jobs=5, maxlen=7) is open_store("memory", maxlen=7, max_jobs=5)


def test_many_threads_that_open_a_store_at_once_get_the_same() -> None:
    found: list[Store] = []
    start = threading.Barrier(16)

    def work() -> None:
        start.wait()
        found.append(open_store("memory", maxlen=12_345))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1 and len(found) == 16


@pytest.mark.parametrize(
    ("store", "options", "says"),
    [
        ("redys", {}, "unknown store 'redys'.*'memory', 'dynamo'"),
        ("memory", {"table": "x"}, r"options \['table'\] do not fit the memory store"),
        ("memory", {"maxlen": []}, "cannot be compared"),
        ("memory", {"maxlen": 0}, "maxlen is 0: give a whole number from 1"),
        ("memory", {"max_jobs": True}, "max_jobs is True"),
        (MemoryStore, {}, "it is a class; give an object of it"),
        (object(), {}, "object is no store: it lacks create, get, find"),
        (MemoryStore(), {"maxlen": 5}, "give them to the store itself"),
    ],
)
def test_a_store_that_cannot_be_opened_says_why(store: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(StoreError, match=says):
        open_store(store, **options)
    with pytest.raises(ValueError, match=says):
        JobLogger(store, **options)


class Own:
    """A store that derives from nothing."""

    degraded = None

    def __init__(self) -> None:
        self.jobs: dict[str, Any] = {}

    def create(self, job_id: str, start: float | None = None) -> Any:
        from streamator.store import Job

        if job_id in self.jobs:
            raise JobExists(job_id)
        self.jobs[job_id] = Job(EventLog(start=start))
        return self.jobs[job_id]

    def get(self, job_id: str) -> Any:
        return self.jobs.get(job_id)

    async def find(self, job_id: str) -> EventLog | None:
        return self.jobs[job_id].log if job_id in self.jobs else None

    async def cancel(self, job_id: str) -> bool:
        return False

    def evict(self, *, closed_before: float) -> int:
        gone = [name for name, job in self.jobs.items() if (job.log.closed_at or closed_before) < closed_before]
        for name in gone:
            del self.jobs[name]
        return len(gone)

    def close(self) -> None:
        pass


def test_a_custom_store_runs_jobs_that_are_found_by_id() -> None:
    store = Own()
    with JobEmitter(store) as job:
        job.log("x")
        job.set_result(1)
    assert len(asyncio.run(collect(store, job.job_id))) == 2
    assert JobEmitter.exists(job.job_id) and JobEmitter.pop_result(job.job_id) == 1
    assert open_store(store) is store


def test_an_unhashable_store_is_refused_with_the_fix() -> None:
    class Equal(Own):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

    with pytest.raises(StoreError, match="Equal.*hash"):
        JobLogger(Equal())


# collect


def test_collect_says_how_far_it_came_when_a_log_does_not_end() -> None:
    job = JobLogger(MemoryStore(), job_id="endless")
    job.log("so far")
    store = MemoryStore()
    other = JobLogger(store)
    other.log("so far")
    with pytest.raises(TimeoutError, match=rf"job '{other.job_id}' did not end within 0.05 s; .* 1, .*so far"):
        asyncio.run(collect(store, other.job_id, timeout=0.05))
    with pytest.raises(TimeoutError, match="after id 0: 0, the last one None"):
        asyncio.run(collect(EventLog(), timeout=0.05))


def test_collect_waits_for_a_job_that_does_not_exist_yet() -> None:
    async def main() -> list[dict[str, Any]]:
        store = MemoryStore()
        waiting = asyncio.create_task(collect(store, "later"))
        await asyncio.sleep(0)
        JobLogger(store, job_id="later").close()
        return await waiting

    assert len(asyncio.run(main())) == 1


def test_collect_of_a_store_needs_a_job_id() -> None:
    with pytest.raises(ValueError, match="no job_id"):
        asyncio.run(collect(MemoryStore()))


def test_a_stopped_follower_gives_nothing_more() -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log)
        waiting = asyncio.ensure_future(anext(batches, None))
        await asyncio.sleep(0)
        batches.stop()
        assert await waiting is None
        log.append_log("x", "info")
        assert await anext(batches, None) is None

    asyncio.run(asyncio.wait_for(main(), 10))


class OwnStore(MemoryStore):
    """A store that somebody else has written."""


def test_a_custom_store_is_opened_by_its_registered_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.stores.registry, "_classes", dict(streamator.stores.registry._classes))
    register_store("own", f"{__name__}:OwnStore")
    register_store("own", f"{__name__}:OwnStore")  # the same again is quiet
    store = open_store("own", max_jobs=5)
    assert type(store) is OwnStore and store is open_store("own", max_jobs=5)
    with JobLogger(store="own", max_jobs=5) as job:
        assert store.get(job.job_id) is not None
    with pytest.raises(
        ValueError, match="unknown store 'x': use 'memory', 'dynamo', 'redis', 'file', 'own' or a Store object"
    ):
        open_store("x")


@pytest.mark.parametrize(
    ("name", "where", "says"),
    [
        ("redis", "mine:Store", "name is 'redis': it is the name of streamator.stores.redis:RedisStore"),
        ("a b", "mine:Store", "name is 'a b': give letters, digits"),
        ("own", "mine.Store", "where is 'mine.Store': give the store's class as 'package.module:Class'"),
        ("own", OwnStore, "where is <class .*: give the store's class as"),
    ],
)
def test_invalid_registrations_are_refused(name: str, where: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        register_store(name, where)


@pytest.mark.parametrize("where", ["no_such_module:Store", "json:Store"])
def test_a_registered_store_that_cannot_be_imported_is_named(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamator.stores.registry, "_classes", {})
    register_store("own", where)
    with pytest.raises(StoreError, match=f"the own store is registered as '{where}', which cannot be imported: "):
        open_store("own")
