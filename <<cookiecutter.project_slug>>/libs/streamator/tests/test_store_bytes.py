"""A server runs for weeks: the events of all jobs together take no more than ``max_bytes``."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import cycle
from typing import Any

import pytest
from own_process import figures_of

from streamator import EventLog, JobLogger, MemoryStore
from streamator.testing import collect

KB = 1_000
LINE = "x" * 500


def job_of(store: MemoryStore, kilobytes: int) -> JobLogger:
    job = JobLogger(store)
    for _ in range(kilobytes * 2):
        job.log(LINE)
    return job


def finished(store: MemoryStore, kilobytes: int) -> str:
    with job_of(store, kilobytes) as job:
        return str(job.job_id)


@pytest.mark.server
def test_the_counted_size_is_close_to_the_memory_used() -> None:
    written, read = figures_of("""
async def read_all():
    log = await store.find(job.job_id)
    last = log.last
    async for batch in follow(log):
        if batch.last >= last:
            return

store = MemoryStore()
job = JobLogger(store)
for n in range(20_000):
    job.log(f"{n:0120}")
print(store.size / allocated())
asyncio.run(read_all())
job.log("counts what reading has changed")
job.close()
print(store.size / allocated())
""")
    assert 0.8 < written < 1.3
    assert 0.8 < read < 1.3


def test_the_job_that_was_closed_first_goes_first() -> None:
    store = MemoryStore(max_bytes=1_200 * KB)
    first_made = job_of(store, 100)
    others = [finished(store, 100) for _ in range(8)]
    first_made.close()
    assert all(store.get(job_id) for job_id in others), "there was room for all"
    others += [finished(store, 100) for _ in range(4)]
    kept = [store.get(job_id) is not None for job_id in others]
    assert kept == sorted(kept) and not kept[0] and all(kept[-4:])
    assert store.get(first_made.job_id) is not None, "it was made first, but closed after the others"
    assert store.size <= 1_200 * KB


def test_open_jobs_lose_nothing_while_there_are_closed_ones() -> None:
    store = MemoryStore(max_bytes=1_000 * KB)
    working = job_of(store, 300)
    for _ in range(30):
        finished(store, 100)
    working.close()
    events = asyncio.run(collect(store, working.job_id))
    assert len(events) == 601 and events[0]["event"] == "log"


def test_a_job_that_never_stops_keeps_its_newest_events_and_readers_see_a_gap() -> None:
    store = MemoryStore(max_bytes=1_000 * KB)
    job = JobLogger(store)
    for n in range(20_000):
        job.log(f"{n:05} {LINE}")
        assert store.size <= 1_000 * KB
    job.close()
    events = asyncio.run(collect(store, job.job_id))
    missed = events[0]["missed"]
    assert 10_000 < missed < 20_000
    assert [event["message"][:5] for event in events[1:-1]] == [f"{n:05}" for n in range(missed, 20_000)]
    assert events[-1]["event"] == "done"


def test_the_largest_open_job_is_cut_before_small_ones() -> None:
    store = MemoryStore(max_bytes=1_000 * KB)
    small = [job_of(store, 50) for _ in range(5)]
    large = job_of(store, 5_000)
    for job in (*small, large):
        job.log("the last")
        assert store.get(job.job_id) is not None
    for job in small:
        log = store.get(job.job_id)
        assert log is not None
        assert [event["event"] for event in log.log.read(0, 10**9)] == ["log"] * 101


def test_a_viewer_of_a_job_that_is_cut_gets_the_rest_and_the_end() -> None:
    async def main() -> None:
        store = MemoryStore(max_bytes=200 * KB)
        job = JobLogger(store)
        watching = asyncio.create_task(collect(store, job.job_id))
        await asyncio.sleep(0)
        for n in range(3_000):
            job.log(f"{n:05} {LINE}")
            if n % 1_000 == 0:
                await asyncio.sleep(0.02)
        job.close()
        events = await watching
        seen = sum(event.get("missed", 1) for event in events)
        assert seen == 3_001 and events[-1]["event"] == "done"
        assert any(event["event"] == "gap" for event in events)

    asyncio.run(main())


@pytest.mark.parametrize("jobs", [100, 800])
def test_making_room_looks_few_times_at_each_open_job(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    slot: Any = vars(EventLog)["charged"]

    class Counted:
        def __get__(self, log: EventLog, kind: type) -> Any:
            nonlocal looks
            looks += 1
            return slot.__get__(log, kind)

        def __set__(self, log: EventLog, value: int) -> None:
            slot.__set__(log, value)

    store = MemoryStore(max_bytes=jobs * 16 * KB)
    running = [JobLogger(store) for _ in range(jobs)]
    monkeypatch.setattr(EventLog, "charged", Counted())
    worst = grown = 0
    for job in cycle(running):
        looks = 0
        job.log(LINE * 3)  # long enough to be counted at once
        worst = max(worst, looks)
        if store.size < grown:
            break
        grown = store.size
    assert store.size < jobs * 16 * KB and worst < 10 * jobs, f"{worst:,} looks in one call of log()"


def test_evicted_jobs_free_their_bytes() -> None:
    store = MemoryStore(max_jobs=3)
    for _ in range(3):
        finished(store, 100)
    assert store.size > 300 * KB
    running = job_of(store, 10)
    assert 200 * KB < store.size < 300 * KB
    assert store.evict(closed_before=time.monotonic()) == 2
    assert store.size < 20 * KB
    running.close()


def test_an_evicted_log_stays_small_while_its_job_goes_on() -> None:
    store = MemoryStore(max_jobs=1)
    job = JobLogger(store)
    log = store.get(job.job_id)
    assert log is not None
    JobLogger(store).close()
    for _ in range(20_000):
        job.log(LINE)
    assert log.log.size < 1_300 * KB
    assert store.size < 10 * KB


def test_long_and_wide_texts_are_counted_at_once() -> None:
    store = MemoryStore()
    job = JobLogger(store)
    job.log("\U0001f600" * 10_000)
    assert 40_000 < store.size < 50_000


def test_threads_that_log_and_close_at_once_leak_no_bytes() -> None:
    store = MemoryStore(max_bytes=500 * KB)

    def work() -> None:
        for _ in range(10):
            finished(store, 40)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < store.size <= 500 * KB
    store.evict(closed_before=time.monotonic())
    assert store.size == 0


@pytest.mark.server
def test_the_memory_of_a_busy_server_is_bounded() -> None:
    before, after = figures_of("""
store = MemoryStore(max_bytes=2_000_000)
for n in range(41):
    with JobLogger(store) as job:
        for _ in range(2_000):
            job.log("x" * 500)
    if n in (0, 40):
        print(allocated())
""")
    assert after - before < 2_000 * KB


def test_max_bytes_must_be_a_size() -> None:
    with pytest.raises(ValueError, match="max_bytes is 0"):
        MemoryStore(max_bytes=0)
