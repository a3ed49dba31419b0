"""The base of remote stores, on a store made of a dict: writer, mirror and lease without a network."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from cloud import Cloud, CloudStore, Streams, StreamStore
from simulation import Process, simulation

from streamator import EventLog, JobExists, JobLogger, StoreError, follow
from streamator.stores.chunks import format as chunk
from streamator.stores.chunks import mirror as chunk_mirror
from streamator.stores.chunks import writer as chunk_writer
from streamator.stores.chunks.format import Chunk
from streamator.stores.chunks.store import ChunkStore
from streamator.stores.remote import mirror
from streamator.stores.remote.faults import StoreFault
from streamator.stores.remote.store import RemoteStore

PATIENCE = 30.0  # seconds, where it does not matter how long it takes


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def make(cloud: Cloud) -> Iterator[Callable[..., CloudStore]]:
    made: list[CloudStore] = []
    others = set(threading.enumerate())

    def make(kind: type[CloudStore] = CloudStore, **options: Any) -> CloudStore:
        made.append(kind(cloud, **options))
        return made[-1]

    yield make
    cloud.on_write = lambda job_id, index, chunk: None
    for store in made:
        store.close()
    # What a thread of this test says later would be heard by the next one.
    until(lambda: not any(t.name.startswith("streamator-") for t in set(threading.enumerate()) - others))


Make = Callable[..., CloudStore]


def run(job: Awaitable[Any], timeout: float = 20) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, timeout)

    return asyncio.run(bounded())


def until(condition: Callable[[], Any], timeout: float = 10) -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.005)
    return value


async def found(store: ChunkStore, job_id: str) -> EventLog:
    while (log := await store.find(job_id)) is None:
        await asyncio.sleep(0.02)
    return log


async def transcript(store: ChunkStore, job_id: str) -> list[dict[str, Any]]:
    return [event async for batch in follow(await found(store, job_id)) for event in batch]


def messages(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "log"]


def lines(n: int) -> list[str]:
    return [f"line {i}" for i in range(n)]


def log_all(store: ChunkStore, job_id: str, texts: list[str], pause: float = 0.0005) -> threading.Thread:
    def work() -> None:
        with JobLogger(store, job_id=job_id) as job:
            for text in texts:
                job.log(text)
                time.sleep(pause)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def waiting(free: threading.Event) -> Callable[..., None]:
    def hang(*_: object) -> None:
        free.wait(10)

    return hang


def after(first: Callable[..., None], call: Callable[..., Any]) -> Callable[..., Any]:
    def both(*arguments: Any) -> Any:
        first()
        return call(*arguments)

    return both


def fail(kind: Any, when: Callable[[], bool]) -> Callable[..., None]:
    def check(*_: object) -> None:
        if when():
            raise StoreFault(kind, "out of order")

    return check


# Following


def test_a_job_of_another_process_is_followed_exactly(make: Make) -> None:
    log_all(make(), "job", lines(2_000))
    events = run(transcript(make(), "job"))
    assert messages(events) == lines(2_000)
    assert events[-1]["event"] == "done" and events[-1]["status"] == "completed"


def test_a_job_is_seen_before_it_logs_anything(make: Make) -> None:
    _job = JobLogger(make(), job_id="job")
    log = run(found(make(), "job"))
    assert log.last == 0 and not log.closed


def test_a_finished_log_is_complete_when_it_is_found(cloud: Cloud, make: Make) -> None:
    writer = make()
    log_all(writer, "job", lines(3_000)).join()
    assert writer.flush(PATIENCE) == 0
    log = run(found(make(), "job"))
    assert log.closed and log.last == 3_001
    assert len({key for keys in cloud.fetches for key in keys}) <= len(cloud.chunks) * 3 // 2 + 2


def test_a_log_found_again_is_up_to_date_with_the_store(make: Make) -> None:
    writer, reader = make(lease_seconds=60), make()
    job = JobLogger(writer, job_id="job")

    async def look() -> None:
        log = await found(reader, "job")
        for n in range(1, 5):
            await asyncio.sleep(n / 5)  # nobody follows, and it is read less and less often
            job.log("x")
            assert await asyncio.to_thread(writer.flush, PATIENCE) == 0
            await asyncio.sleep(chunk_mirror.POLL_SECONDS)
            assert await reader.find("job") is log
            assert log.last == n
        job.close()
        assert await asyncio.to_thread(writer.flush, PATIENCE) == 0
        await asyncio.sleep(chunk_mirror.POLL_SECONDS)
        assert await reader.find("job") is log and log.closed

    run(look())


def test_a_mirrored_log_is_found_while_the_store_hangs(cloud: Cloud, make: Make) -> None:
    free = threading.Event()
    job = JobLogger(make(), job_id="job")
    job.log("x")
    reader = make()

    async def look() -> None:
        log = await found(reader, "job")
        cloud.on_fetch = waiting(free)
        reads = len(cloud.fetches)
        while len(cloud.fetches) == reads:
            await asyncio.sleep(0.01)
        await asyncio.sleep(chunk_mirror.POLL_SECONDS)
        assert await reader.find("job") is log
        assert not free.is_set()

    run(look(), 8)
    free.set()


def test_a_mirrored_log_is_not_a_job_of_this_process(make: Make) -> None:
    _job = JobLogger(make(), job_id="job")
    reader = make()
    run(found(reader, "job"))
    assert reader.get("job") is None


def test_an_event_longer_than_a_chunk_arrives_whole(make: Make) -> None:
    texts = ["a", "\U0001f600" * 60_000, "b\r\ndata: x", "é" * 65_536, "c"]
    log_all(make(), "job", texts)
    assert messages(run(transcript(make(), "job"))) == texts


def test_no_chunk_is_larger_than_a_store_may_take(cloud: Cloud, make: Make) -> None:
    writer = make()
    with JobLogger(writer, job_id="job") as job:
        for n in range(40):
            job.log("\U0001f600" * (n * 1_500))
    assert writer.flush(PATIENCE) == 0
    assert max(len(v[-1][0].text) for v in cloud.chunks.values()) <= chunk_writer.CHUNK_CHARS
    assert len(cloud.chunks) > 30


def test_a_bug_in_the_reader_is_logged_and_its_viewers_reconnect(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = make(), make()
    job = JobLogger(writer)
    job.log("line 0")
    writer.flush()

    async def view() -> list[str]:
        log = await found(reader, job.job_id)
        with monkeypatch.context() as mistake:
            mistake.setattr(mirror, "MIRROR_IDLE_SECONDS", "a minute")
            before = [event async for batch in follow(log) for event in batch]  # it ends, without a `done`
        assert messages(before) == ["line 0"] and not log.closed
        job.log("line 1")
        job.close()
        return messages(await transcript(reader, job.job_id))

    assert run(view()) == lines(2)
    (told,) = caplog.records
    assert "the reader failed; the next find starts it again" in told.getMessage() and told.exc_info


def test_a_bug_in_the_writer_is_logged_and_loses_nothing(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes = 0

    def place_after(*place: Any) -> Any:
        nonlocal mistakes
        mistakes += 1
        if mistakes == 1:
            raise ZeroDivisionError("nobody had thought of that")
        return chunk.place_after(*place)

    monkeypatch.setattr("streamator.stores.chunks.writer.place_after", place_after)
    writer, reader = make(lease_seconds=0.4), make()
    job = JobLogger(writer)
    for text in lines(10):
        job.log(text)
    until(lambda: mistakes > 1)
    job.close()
    assert messages(run(transcript(reader, job.job_id))) == lines(10)
    assert [(r.getMessage(), bool(r.exc_info)) for r in caplog.records] == [
        ("cloud: the writer failed; it tries again in 0.2 s", True)
    ]


def test_a_log_that_is_full_while_the_store_is_down_leaves_gaps_of_the_right_size(cloud: Cloud, make: Make) -> None:
    down = True
    cloud.on_write = fail("down", lambda: down)
    log_all(make(maxlen=100), "job", lines(1_000), pause=0).join()
    down = False
    events = run(transcript(make(), "job"))
    gaps = [event["missed"] for event in events if event["event"] == "gap"]
    assert gaps and sum(gaps) + len(events) - len(gaps) == 1_001
    assert messages(events)[-1] == "line 999"


# A store that fails


def test_nothing_is_lost_while_the_store_is_down(cloud: Cloud, make: Make) -> None:
    end = time.monotonic() + 1.5
    cloud.on_write = fail("down", lambda: time.monotonic() < end)
    writer = make()
    log_all(writer, "job", lines(1_000))
    until(lambda: writer.degraded)
    assert "cloud: writing fails since" in str(writer.degraded) and "of 1 job waiting" in str(writer.degraded)
    assert messages(run(transcript(make(), "job"))) == lines(1_000)
    until(lambda: writer.degraded is None)


@pytest.mark.parametrize("kind", ["busy", "down"])
def test_random_write_failures_change_nothing(cloud: Cloud, make: Make, kind: str) -> None:
    cloud.on_write = fail(kind, lambda: random.random() < 0.3)
    log_all(make(), "job", lines(500))
    assert messages(run(transcript(make(), "job"))) == lines(500)


def test_a_tail_that_failed_twice_is_written_whole(cloud: Cloud, make: Make) -> None:
    failures = iter([True, True])
    writer = make()
    job = JobLogger(writer, job_id="job")
    job.log("line 0")
    assert writer.flush(PATIENCE) == 0
    cloud.on_write = fail("busy", lambda: next(failures, False))
    for n in range(1, 2_000):  # more than the tail has room for
        job.log(f"line {n}")
    job.close()
    assert messages(run(transcript(make(), "job"))) == lines(2_000)


def test_a_stored_write_that_reported_a_failure_is_not_doubled(cloud: Cloud, make: Make) -> None:
    class Lossy(CloudStore):
        def _write(self, *args: Any) -> int:
            size = super()._write(*args)
            if random.random() < 0.4:
                raise StoreFault("down", "the answer was lost")
            return size

    writer = make(Lossy)
    log_all(writer, "job", lines(500))
    assert messages(run(transcript(make(), "job"))) == lines(500)


def test_an_outage_is_reported_once(cloud: Cloud, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    down = True
    cloud.on_write = fail("denied", lambda: down)
    writer = make()
    with caplog.at_level(logging.WARNING, "streamator"):
        jobs = [JobLogger(writer, job_id=f"job{n}") for n in range(5)]
        for job in jobs:
            job.log("x")
        until(lambda: len(cloud.writes) >= 4)
        assert [r.getMessage() for r in caplog.records] == ["cloud: writing fails: out of order; events wait in memory"]
        down = False
        until(lambda: writer.degraded is None and len(cloud.chunks) == 5)
        until(lambda: len(caplog.records) == 2)
    assert "works again" in caplog.records[1].getMessage()


def test_an_outage_is_not_over_before_something_is_written(
    cloud: Cloud, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    kinds: Iterator[Any] = iter(["down", "gone", "busy", "down"])

    def fails(*_: object) -> None:
        for kind in kinds:
            raise StoreFault(kind, "out of order")

    cloud.on_write = fails
    writer = make()
    job = JobLogger(writer, job_id="job")
    job.log("x")
    assert writer.flush(PATIENCE) == 0
    until(lambda: writer.degraded is None and "works again" in caplog.records[-1].getMessage())
    assert [record.getMessage() for record in caplog.records] == [
        "cloud: writing fails: out of order; events wait in memory", "cloud: writing works again",
    ]  # fmt: skip


def test_one_broken_job_does_not_block_the_others(cloud: Cloud, make: Make) -> None:
    def broken(job_id: str, index: int, chunk: Chunk) -> None:
        if job_id == "broken":
            raise StoreFault("refused", "never")

    cloud.on_write = broken
    writer = make()
    job = JobLogger(writer, job_id="broken")
    job.log("x")
    log_all(writer, "well", lines(200))
    assert messages(run(transcript(make(), "well"))) == lines(200)
    assert "never" in str(writer.degraded)


def test_logging_does_not_wait_for_a_store_that_hangs(cloud: Cloud, make: Make) -> None:
    free = threading.Event()
    cloud.on_write = waiting(free)
    writer = make(close_seconds=0.2)
    job = JobLogger(writer, job_id="job")
    until(lambda: cloud.writes)
    slowest = 0.0
    for n in range(2_000):
        began = time.perf_counter()
        job.log(f"line {n}")
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 0.005 * 10  # 5 ms, and what a shared machine adds
    began = time.perf_counter()
    writer.close()
    assert time.perf_counter() - began < 2
    free.set()


def test_closing_with_the_store_down_is_bounded_and_reports_the_count(
    cloud: Cloud, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.on_write = fail("down", lambda: True)
    writer = make(close_seconds=0.3)
    job = JobLogger(writer, job_id="job")
    for text in lines(41):
        job.log(text)
    began = time.monotonic()
    job.close()
    assert 0.3 <= time.monotonic() - began < 1.5
    assert f"the end of job {job.job_id!r} timed out: 42 events" in caplog.text
    writer.close()
    assert time.monotonic() - began < 3
    assert "42 events not stored: out of order" in caplog.text


def test_closing_in_the_writer_thread_does_not_wait(cloud: Cloud, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    def bury(letter: object) -> None:
        with JobLogger(writer) as job:
            job.log(str(letter))
        closed.append(job.job_id)

    def refuse(job_id: str, index: int, chunk: Chunk) -> None:
        if "never" in chunk.text and job_id == "job":
            raise StoreFault("refused", "not this")

    cloud.on_write = refuse
    writer = make(dead_letters=bury)
    with JobLogger(writer, job_id="job") as job:
        job.log("never")
        job.log("x")
    assert not job.flush(PATIENCE), "the store lacks what it has refused"
    assert writer.flush(PATIENCE) == 0 and len(closed) == 1
    assert "timed out" not in caplog.text


def test_closing_does_not_give_up_on_a_store_that_is_slow(cloud: Cloud, make: Make) -> None:
    cloud.on_write = lambda job_id, index, chunk: time.sleep(0.1)
    writer = make(close_seconds=0.5)
    job = JobLogger(writer, job_id="job")
    for _ in range(12):
        job.log("x" * 30_000)  # a chunk each
    job.close()
    writer.close()
    assert writer.flush(0) == 0
    assert cloud.chunks["job", 11][-1][0].closed


def test_a_store_that_was_closed_works_again_with_the_next_job(make: Make) -> None:
    writer = make()
    log_all(writer, "first", lines(3)).join()
    writer.close()
    writer.close()
    log_all(writer, "second", lines(3))
    reader = make()
    for job_id in ("first", "second"):
        assert messages(run(transcript(reader, job_id))) == lines(3)


def test_a_store_that_lost_its_data_gets_it_again(cloud: Cloud, make: Make) -> None:
    writer = make()
    job = JobLogger(writer, job_id="job")
    for text in lines(1_000):
        job.log(text)
    assert writer.flush(PATIENCE) == 0

    async def watch() -> list[str]:
        log = await found(reader, "job")
        cloud.lose_everything()
        for n in range(1_000, 1_500):
            job.log(f"line {n}")
        job.close()
        return messages([event async for batch in follow(log) for event in batch])

    reader = make()
    assert run(watch()) == lines(1_500)
    assert messages(run(transcript(make(), "job"))) == lines(1_500)


def test_a_loss_between_two_chunks_is_noticed_before_the_end(cloud: Cloud, make: Make) -> None:
    writer = make()
    job = JobLogger(writer, job_id="job")
    for text in lines(1_000):
        job.log(text)
        if not text.endswith("99"):
            continue
        assert writer.flush(PATIENCE) == 0  # the tail is full, and the next line begins a new one
        cloud.lose_everything()
        job.log("one more")
        assert writer.flush(PATIENCE) == 0
    job.close()
    assert writer.flush(PATIENCE) == 0
    assert len(messages(run(transcript(make(), "job")))) == 1_010


def test_a_producer_that_writes_its_log_again_is_not_lost(cloud: Cloud, make: Make) -> None:
    writer, reader = make(lease_seconds=0.6), make()
    job = JobLogger(writer, job_id="job")
    for text in lines(300):
        job.log(text)
        assert writer.flush(PATIENCE) == 0  # many chunks, all of which fit in one when they are written again

    async def watch() -> list[dict[str, Any]]:
        log = await found(reader, "job")
        assert log.last == 300
        cloud.lose_everything()
        job.log("line 300")
        while log.last < 301:
            await asyncio.sleep(0.01)
        assert log.status is None
        job.close()
        return [event async for batch in follow(log) for event in batch]

    assert messages(run(watch())) == lines(301)


def test_jobs_may_begin_while_the_store_fails(cloud: Cloud, make: Make) -> None:
    cloud.on_write = fail("busy", lambda: random.random() < 0.5)
    writer = make()

    def begin(name: str) -> None:
        for n in range(400):
            JobLogger(writer, job_id=f"{name}{n}").close(wait=0)

    threads = [threading.Thread(target=begin, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cloud.on_write = lambda job_id, index, chunk: None
    assert writer.flush(PATIENCE) == 0
    assert sum(versions[-1][0].closed for versions in cloud.chunks.values()) == 1_600


def test_a_chunk_that_is_refused_is_split(cloud: Cloud, make: Make) -> None:
    def small(job_id: str, index: int, chunk: Chunk) -> None:
        if len(chunk.text) > 5_000:
            raise StoreFault("refused", "too large")

    cloud.on_write = small
    texts = ["x" * 20_000, *lines(500)]
    log_all(make(), "job", texts, pause=0)
    assert messages(run(transcript(make(), "job"))) == texts


def test_the_log_of_an_earlier_run_of_the_same_id_is_kept(
    cloud: Cloud, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    log_all(make(), "job", ["mine"]).join()
    until(lambda: any(v[-1][0].closed for v in cloud.chunks.values()))
    second = make()
    log_all(second, "job", ["another's"]).join()
    until(lambda: "used by another run" in caplog.text)
    assert messages(run(transcript(make(), "job"))) == ["mine"]
    assert second.flush(PATIENCE) == 0


def test_an_id_in_use_here_is_refused(make: Make) -> None:
    store = make()
    _job = JobLogger(store, job_id="job")
    with pytest.raises(JobExists, match="'job' is in use"):
        JobLogger(store, job_id="job")


# Reads that are stale, partial, or fail


def test_stale_reads_neither_rewind_nor_leave_a_gap(cloud: Cloud, make: Make) -> None:
    cloud.stale = 0.5
    log_all(make(), "job", lines(1_500))
    assert messages(run(transcript(make(), "job"))) == lines(1_500)


def test_partial_reads_leave_no_gap(cloud: Cloud, make: Make) -> None:
    cloud.unknown = 0.5
    log_all(make(), "job", lines(1_500))
    assert messages(run(transcript(make(), "job"))) == lines(1_500)


def test_a_partial_read_is_neither_a_missing_job_nor_a_short_log(cloud: Cloud, make: Make) -> None:
    writer = make()
    log_all(writer, "job", lines(1_000), pause=0).join()
    assert writer.flush(PATIENCE) == 0
    cloud.unknown = 0.7
    for _ in range(5):
        log = run(make().find("job"))
        assert log is not None and log.last == 1_001


def test_failed_reads_are_reported_and_are_not_a_missing_job(cloud: Cloud, make: Make) -> None:
    cloud.on_fetch = fail("down", lambda: True)
    reader = make()
    with pytest.raises(StoreError, match="cloud could not be read: out of order"):
        run(reader.find("job"))
    assert "reading fails since" in str(reader.degraded)


@pytest.mark.parametrize("kind", ["busy", "down"])
def test_find_survives_occasional_read_failures(cloud: Cloud, make: Make, kind: str) -> None:
    writer = make()
    log_all(writer, "job", lines(3)).join()
    assert writer.flush(PATIENCE) == 0
    failures = iter([True, True])
    cloud.on_fetch = fail(kind, lambda: next(failures, False))
    assert run(make().find("job")).last == 4


def test_a_viewer_survives_failed_reads(cloud: Cloud, make: Make) -> None:
    failing = False
    cloud.on_fetch = fail("down", lambda: failing)
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")

    async def watch() -> list[dict[str, Any]]:
        nonlocal failing
        log = await found(reader, "job")
        failing = True
        reads = len(cloud.fetches)
        job.log("said meanwhile")
        job.close()
        while len(cloud.fetches) < reads + 3:
            await asyncio.sleep(0.01)
            assert await reader.find("job") is log  # another one gets what there is
        failing = False
        return [event async for batch in follow(log) for event in batch]

    events = run(watch())
    assert messages(events) == ["said meanwhile"] and events[-1]["event"] == "done"
    until(lambda: reader.degraded is None)


def test_a_missing_chunk_is_shown_as_a_gap(cloud: Cloud, make: Make) -> None:
    writer, watching = make(lease_seconds=60), make()  # it takes four seconds to be sure
    job = JobLogger(writer, job_id="job")
    job.log("line 0")
    assert writer.flush(PATIENCE) == 0
    early = run(found(watching, "job"))
    for text in lines(1_000)[1:]:
        job.log(text)
    assert writer.flush(PATIENCE) == 0
    until(lambda: early.last == 1_000)
    job.close()
    assert writer.flush(PATIENCE) == 0
    cloud.chunks["job", 0] = cloud.chunks["job", 0][:1]  # what no store should do
    events = run(transcript(make(), "job"))
    gaps = [event["missed"] for event in events if event["event"] == "gap"]
    assert len(gaps) == 1 and gaps[0] + len(events) - 1 == 1_001
    assert messages(events)[:2] == ["line 0", f"line {gaps[0] + 1}"]
    assert events[-1]["event"] == "done"
    assert messages(run(transcript(watching, "job"))) == lines(1_000)


# Unknown jobs


def test_a_job_that_is_stored_a_moment_later_is_found(cloud: Cloud, make: Make) -> None:
    writer, reader = make(), make()

    async def ask() -> EventLog | None:
        asked = asyncio.create_task(reader.find("job"))
        while not cloud.fetches:  # a find has missed it
            await asyncio.sleep(0.01)
        _job = JobLogger(writer, job_id="job")
        return await asked

    assert run(ask()) is not None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("store", [CloudStore, StreamStore])
def test_a_job_begun_during_an_outage_is_found_after_it(
    store: Callable[..., RemoteStore], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its producer may wait for the next try: for the others it is not there yet, and that is no answer."""
    away = True

    def fail(*_: object) -> None:
        if away:
            raise StoreFault("down", "nobody answers")

    for name in ("append", "beat"):
        monkeypatch.setattr(Streams, name, after(fail, getattr(Streams, name)))
    monkeypatch.setattr(StreamStore, "read", after(fail, StreamStore.read))
    for name in ("_write", "_fetch"):
        monkeypatch.setattr(CloudStore, name, after(fail, getattr(CloudStore, name)))
    with simulation(seed) as sim, sim.inside(Process()):
        stored = Cloud() if store is CloudStore else Streams()
        writer, reader = (store(stored, lease_seconds=10) for _ in range(2))
        writer.create("job")
        with pytest.raises(StoreError):
            asyncio.run(reader.find("job"))
        sim.sleep(20)
        away = False
        assert asyncio.run(reader.find("job")) is not None
        assert asyncio.run(reader.find("nobody")) is None
        writer.close()
        reader.close()
        sim.sleep(1)  # their threads end


def test_58_an_unknown_job_is_missing_and_costs_few_reads_a_second(cloud: Cloud, make: Make) -> None:
    reader = make()

    async def ask() -> None:
        for _ in range(50):
            assert await asyncio.gather(*(reader.find("nobody") for _ in range(20))) == [None] * 20

    run(ask())
    assert len(cloud.fetches) <= 4  # within a third of a second, in which it may be on its way


def test_58_a_flood_of_unknown_ids_is_few_reads(cloud: Cloud, make: Make) -> None:
    reader = make()

    async def ask() -> None:
        assert not any(await asyncio.gather(*(reader.find(f"id{n}") for n in range(900))))

    run(ask())
    assert len(cloud.fetches) <= 60


def test_58_too_many_searches_at_once_are_turned_away(cloud: Cloud, make: Make) -> None:
    free = threading.Event()
    cloud.on_fetch = waiting(free)
    reader = make()

    async def ask() -> list[Any]:
        finds = [asyncio.ensure_future(reader.find(f"id{n}")) for n in range(1_500)]
        while sum(find.done() for find in finds) < 500:
            await asyncio.sleep(0.01)
        free.set()
        return await asyncio.gather(*finds, return_exceptions=True)

    answers = run(ask())
    assert sum(isinstance(answer, StoreError) for answer in answers) == 500


@pytest.mark.parametrize("job_id", ["", "../x", "a#b", "x" * 129, "a\n", "é"])
def test_57_no_invalid_id_reaches_the_store(cloud: Cloud, make: Make, job_id: str) -> None:
    assert run(make().find(job_id)) is None
    assert cloud.fetches == []


def test_a_cancelled_search_does_not_cancel_that_of_another(cloud: Cloud, make: Make) -> None:
    free = threading.Event()
    cloud.on_fetch = waiting(free)
    log_all(make(), "job", lines(3)).join()
    until(lambda: any(v[-1][0].closed for v in cloud.chunks.values()))
    reader = make()

    async def ask() -> EventLog | None:
        first, second = (asyncio.ensure_future(reader.find("job")) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        free.set()
        return await second

    assert run(ask()).last == 4


# The producer's death


async def statuses(log: EventLog, count: int) -> list[str]:
    seen: list[str] = []
    async for batch in follow(log):
        seen += [event["status"] for event in batch if event["event"] == "status"]
        if len(seen) == count:
            break
    return seen


def test_a_silent_producer_is_lost_within_two_leases_and_its_stream_ends(cloud: Cloud, make: Make) -> None:
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")
    job.log("x")
    assert writer.flush(PATIENCE) == 0
    log = run(found(reader, "job"))
    cloud.on_write = fail("down", lambda: True)
    began = time.monotonic()

    async def watch() -> float:
        assert await statuses(log, 1) == ["lost"]
        silent = time.monotonic() - began
        while not log.evicted:
            await asyncio.sleep(0.01)
        return silent

    assert 0.9 - 0.3 - 0.1 < run(watch()) < 1.8
    assert not log.closed


def test_a_producer_that_comes_back_is_running_again(cloud: Cloud, make: Make) -> None:
    silent = False
    written = threading.Event()
    cloud.on_write = fail("busy", lambda: silent)
    writer = make()
    job = JobLogger(writer, job_id="job")
    reader = make()

    async def watch() -> None:
        nonlocal silent
        log = await found(reader, "job")
        # The next read finds it back: a busy machine may take longer than a lease to write.
        cloud.on_fetch = lambda keys: log.status == "lost" and written.wait(10)
        silent = True
        assert await statuses(log, 1) == ["lost"]
        silent = False
        job.log("back")
        job.close()
        assert await asyncio.to_thread(writer.flush, PATIENCE) == 0
        written.set()
        events = [event async for batch in follow(log) for event in batch]
        assert [e.get("message", e["event"]) for e in events if e["event"] != "status"] == ["back", "done"]
        assert log.status == "running"

    run(watch())


def test_an_idle_job_costs_one_small_write_per_third_of_its_lease(cloud: Cloud, make: Make) -> None:
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")
    for text in lines(65):  # more than an idle tail may hold, but not enough to fill it
        job.log(text)
    assert writer.flush(PATIENCE) == 0
    log = run(found(reader, "job"))
    before = len(cloud.writes)
    began = time.monotonic()
    sizes: list[int] = []
    cloud.on_write = lambda job_id, index, chunk: sizes.append(len(chunk.text) // 4)
    until(lambda: len(cloud.writes) >= before + 8)
    assert time.monotonic() - began > 2.4 * 0.8
    assert max(sizes) <= chunk_writer.IDLE_BYTES
    assert log.status is None and log.last == 65


def test_following_a_long_log_reads_no_more_than_a_short_one(cloud: Cloud, make: Make) -> None:
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")

    def write(count: int) -> None:
        for _ in range(count):
            job.log(random.randbytes(2_400).hex())  # fills a chunk
            assert writer.flush(PATIENCE) == 0

    def write_and_read(count: int) -> None:
        wanted = log.last + count
        write(count)
        until(lambda: log.last == wanted)

    write(40)
    log = run(found(reader, "job"))
    until(lambda: log.last == 40)
    assert len(cloud.chunks) == 40
    before = len(cloud.fetches)
    for _ in range(5):
        write_and_read(2)
    assert max(len(keys) for keys in cloud.fetches[before:]) <= 4


def test_reads_that_fail_do_not_make_a_producer_lost(cloud: Cloud, make: Make) -> None:
    failing = False
    cloud.on_fetch = fail("down", lambda: failing)
    writer, reader = make(), make()
    _job = JobLogger(writer, job_id="job")
    log = run(found(reader, "job"))
    failing = True
    time.sleep(2.5)  # longer than a lease, in which nothing is known of the producer
    failing = False
    reads = len(cloud.fetches)
    until(lambda: len(cloud.fetches) > reads + 5)
    assert log.status is None


# Jobs that outlive their time to live


def test_a_head_that_expired_is_shown_as_a_gap(cloud: Cloud, make: Make) -> None:
    writer = make(ttl_days=1.0 / 86_400, maxlen=500)
    job = JobLogger(writer, job_id="job")
    for text in lines(3_000):
        job.log(text)
        time.sleep(0.0005)
    assert writer.flush(PATIENCE) == 0
    head = until(lambda: cloud.chunks["job", 0][-1][0].tail)
    for n in range(1, head - 3):
        cloud.chunks.pop(("job", n), None)
    left = cloud.chunks["job", head - 3][-1][0]
    job.close()
    events = run(transcript(make(), "job"))
    gaps = [event["missed"] for event in events if event["event"] == "gap"]
    assert len(gaps) == 1 and gaps[0] > 500
    assert messages(events)[-1] == "line 2999"
    assert messages(events)[-(3_000 - left.first + 1) :] == lines(3_000)[left.first - 1 :]
    assert gaps[0] + len(events) - 1 == 3_001


# Bounds


def test_a_job_that_nobody_reads_is_not_read_from_the_store(
    cloud: Cloud, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MIRROR_IDLE_SECONDS", 0.3)
    _job = JobLogger(make(), job_id="job")
    log = run(found(make(), "job"))
    until(lambda: log.evicted)
    reads = len(cloud.fetches)
    time.sleep(0.5)
    assert len(cloud.fetches) == reads


def test_max_mirrors_bounds_the_mirrored_jobs(cloud: Cloud, make: Make) -> None:
    writer, reader = make(), make(max_mirrors=3)
    for n in range(6):
        log_all(writer, f"job{n}", lines(2)).join()
    assert writer.flush(PATIENCE) == 0

    async def look() -> list[EventLog]:
        logs = [await found(reader, f"job{n}") for n in range(6)]
        await found(reader, "job5")
        return logs

    logs = run(look())
    until(lambda: sum(log.evicted for log in logs) >= 2)
    assert logs[5].last == 3 and not logs[5].evicted


def test_66_many_open_jobs_are_bounded(cloud: Cloud, make: Make) -> None:
    writer = make(max_jobs=10)
    jobs = [JobLogger(writer, job_id=f"job{n}") for n in range(300)]
    for job in jobs:
        job.log("x")
    assert writer.flush(PATIENCE) == 0
    writes = len(cloud.writes)
    time.sleep(0.7)  # two renewals of each lease that is still held
    assert len(cloud.writes) - writes <= 10 * 4


# A full log


def told(events: list[dict[str, Any]]) -> list[Any]:
    return [event.get("message", (event["event"], event.get("missed"))) for event in events]


def test_drop_newest_looks_the_same_in_other_processes(make: Make) -> None:
    writer, reader = make(maxlen=10, overflow="drop_newest"), make(maxlen=10, overflow="drop_newest")
    with JobLogger(writer, job_id="job") as job:
        for line in lines(50):
            job.log(line)
    expected = [*lines(10), ("gap", 40), ("done", None)]
    assert told(run(transcript(writer, "job"))) == expected
    assert told(run(transcript(reader, "job"))) == expected


def test_block_waits_for_the_writer_and_loses_nothing(make: Make, cloud: Cloud) -> None:
    cloud.on_write = lambda job_id, index, chunk: time.sleep(0.002)
    store = make(maxlen=20, overflow="block", block_seconds=10, flush_seconds=0.005)
    with JobLogger(store, job_id="job") as job:
        for line in lines(400):
            job.log(line)
    assert store.flush() == 0
    # Fewer are in memory: the others can only have been stored before they went.
    log = store.get("job")
    assert log is not None and log.log.dropped >= 300
    assert messages(run(transcript(make(), "job"))) == lines(400)


def test_block_waits_once_during_an_outage(make: Make, cloud: Cloud) -> None:
    def away(job_id: str, index: int, chunk: Chunk) -> None:
        raise StoreFault("down", "away")

    cloud.on_write = away
    store = make(maxlen=20, overflow="block", block_seconds=0.2, close_seconds=0.1)
    began = time.monotonic()
    with JobLogger(store, job_id="job") as job:
        for line in lines(400):
            job.log(line)
    assert 0.2 <= time.monotonic() - began < 2


def test_a_job_drains_into_its_store(make: Make, cloud: Cloud) -> None:
    async def main() -> None:
        store = make(maxlen=100, flush_seconds=0.01)
        job = JobLogger(store, job_id="job")
        for n, line in enumerate(lines(1_000), 1):
            job.log(line)
            if n % 50 == 0:
                assert await job.drain(timeout=10)
        job.close()

    run(main())
    assert messages(run(transcript(make(), "job"))) == lines(1_000)
