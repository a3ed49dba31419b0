"""Attempts: one log over all runs of a job, in every store; what an attempt before writes is refused."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, CloudStore, Streams, StreamStore
from redis_server import RedisServer
from store_outages import until

from streamator import (
    DynamoStore,
    Fenced,
    FileStore,
    InvalidStore,
    JobCancelled,
    JobEmitter,
    JobExists,
    JobLogger,
    MemoryStore,
    RedisStore,
    Store,
    StoreError,
    follow,
    visibility,
)
from streamator.events import ATTEMPT_IDS, Event
from streamator.log import EventLog
from streamator.stores.base import Job
from streamator.stores.chunks.store import ChunkStore
from streamator.stores.remote.store import RemoteStore
from streamator.testing import collect
from streamator.testing.base import messages, raises, run
from streamator.transports.poll import snapshot_json

Make = Callable[[], MemoryStore]


class AttemptContract:
    """What every store with attempts passes. A fixture ``make`` opens stores on the same data, as processes would."""

    def test_a_first_attempt_looks_as_a_job_without_attempts(self, make: Make) -> None:
        with JobLogger(make(), job_id="job", attempt="next", reason="none") as job:
            job.log("x")
        assert (job.attempt, job.last_checkpoint, job.cancel_requested) == (1, None, False)
        assert [(number, event["event"]) for number, event in numbered(make(), "job")] == [(1, "log"), (2, "done")]

    def test_the_next_attempt_follows_on_the_same_open_stream(self, make: Make) -> None:
        first, watching = begin(make()), make()
        first.log("one")
        viewer = Viewer(watching)
        until(lambda: messages(viewer.events) == ["one"])
        second = begin(make(), reason="worker lost")
        second.log("two")
        assert second.attempt == 2
        second.close()
        events = [event for event in viewer.join() if event["event"] != "status"]
        assert [event.get("message", event["event"]) for event in events] == ["one", "attempt", "two", "done"]
        assert events[1] == {"event": "attempt", "attempt": 2, "reason": "worker lost", "t": 0.0}

    def test_ids_rise_and_tell_the_attempt_and_every_reader_agrees(self, make: Make) -> None:
        one = begin(make())
        one.log("one")
        assert one.flush()
        two = begin(make())
        two.log("two")
        assert two.flush()
        three = begin(make())
        three.close()
        ids = [number for number, _ in numbered(make(), "job")]
        assert ids == [1, ATTEMPT_IDS + 2, ATTEMPT_IDS + 3, 2 * ATTEMPT_IDS + 4, 2 * ATTEMPT_IDS + 5]
        for store in (make(), make()):
            log = find(store, "job")
            whole = [event for _, event in numbered(store, "job")]
            answer = json.loads(run(snapshot_json(log, 0)))
            assert (answer["logs"], answer["next"], answer["closed"]) == (whole, ids[-1], True)
            for count, after in enumerate([0, *ids]):
                assert run(collect(log, after=after)) == whole[count:]
                rest = json.loads(run(snapshot_json(log, after)))
                assert (rest["logs"], rest["next"]) == (whole[count:], ids[-1])

    def test_a_log_that_was_lost_goes_on_past_what_viewers_have_seen(self, make: Make) -> None:
        second = begin(make(), attempt=2, reason="restarted")
        second.log("two")
        assert second.flush() and second.attempt == 2
        assert begin(make(), attempt=2).attempt == 3, "the store knows of more"
        fifth = begin(make(), attempt=5)
        viewer = Viewer(make(), after=1_000)  # of the log that is lost
        fifth.log("five")
        fifth.close()
        assert [event.get("attempt", event.get("message")) for event in viewer.join()] == [2, "two", 3, 5, "five", None]
        ids = [number for number, _ in numbered(make(), "job")]
        assert [number // ATTEMPT_IDS + 1 for number in ids] == [2, 2, 3, 5, 5, 5]
        assert [number % ATTEMPT_IDS for number in ids] == [1, 2, 3, 4, 5, 6]

    def test_the_first_attempt_of_who_counts_them_is_followed_and_fenced_as_any(self, make: Make) -> None:
        first = begin(make(), attempt=1)
        first.log("one")
        first.checkpoint(1)
        assert first.flush() and first.attempt == 1
        second = begin(make(), attempt=2)
        assert (second.attempt, second.last_checkpoint) == (2, 1)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            first.log("late")
            until(lambda: first.cancel_requested)
        second.log("two")
        second.close()
        ids = [number for number, event in numbered(make(), "job") if event["event"] != "checkpoint"]
        assert ids == [1, ATTEMPT_IDS + 3, ATTEMPT_IDS + 4, ATTEMPT_IDS + 5]

    def test_t_counts_from_the_start_of_each_attempt(self, make: Make) -> None:
        first = begin(make())
        until(lambda: time.monotonic() - first.start_t > 0.2)
        first.log("one")
        assert first.flush()
        with begin(make()) as second:
            second.log("two")
        one, _, two, _ = (event["t"] for _, event in numbered(make(), "job"))
        assert one >= 0.2 and two < one  # to the millisecond

    def test_what_an_attempt_before_writes_is_refused_and_it_is_told_once(self, make: Make, caplog: Any) -> None:
        zombie = begin(make())
        zombie.log("one")
        assert zombie.flush() and not zombie.cancel_requested
        newer = begin(make())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            zombie.log("late")
            until(lambda: zombie.cancel_requested)
            zombie.log("later")
            zombie.emit({"event": "x"})
            zombie.checkpoint(1)
        (warning,) = (str(each.message) for each in caught if each.category is Fenced and each.filename == __file__)
        assert len(caught) == 1 and "a newer attempt of job 'job' has begun: attempt 1 is fenced" in warning, caught
        assert raises(Fenced, zombie.raise_if_cancelled) and issubclass(Fenced, JobCancelled)
        zombie.close("failed")
        newer.log("two")
        newer.close()
        names = [event.get("message", event["event"]) for _, event in numbered(make(), "job")]
        assert names == ["one", "attempt", "two", "done"]
        assert newer.last_checkpoint is None and not newer.cancel_requested
        assert len([record for record in caplog.records if "is fenced" in record.getMessage()]) == 1

    def test_a_fenced_task_is_cancelled(self, make: Make) -> None:
        async def main() -> None:
            job = await asyncio.to_thread(begin, make())
            task = asyncio.create_task(asyncio.sleep(3_600))
            job.track(task)
            await asyncio.to_thread(begin, make())
            job.log("late")
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 20)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Fenced)
            run(main())

    def test_a_closed_log_is_opened_by_name_alone(self, make: Make) -> None:
        with begin(make()) as first:
            first.log("one")
        cursor = numbered(make(), "job")[-1][0]
        watching = make()
        assert find(watching, "job").is_over_for(cursor)
        with pytest.raises(JobExists, match="the log of job 'job' is closed: give reopen=True"):
            begin(make())
        assert [event["event"] for _, event in numbered(make(), "job")] == ["log", "done"]
        second = begin(make(), reopen=True)
        late = Viewer(watching, cursor)
        second.log("two")
        second.close("failed")
        assert [event.get("message", event["event"]) for event in late.join()] == ["attempt", "two", "done"]
        for store in (watching, make()):
            log = find(store, "job")
            assert not log.is_over_for(cursor)
            names = [event.get("status", event.get("message")) for event in run(collect(log))]
            assert names == ["one", "completed", None, "two", "failed"]

    def test_ids_that_no_event_has_are_no_lag(self, make: Make) -> None:
        store = make()
        first = begin(store)
        first.log("one")
        assert first.flush()
        log = find(store, "job")
        viewer = follow(log)
        begin(make()).log("two")
        until(lambda: log.last % ATTEMPT_IDS == 3)
        assert (viewer.lag, log.lag) == (3, 3)
        assert run(log.drain(left=3, timeout=1)) and not run(log.drain(left=2, timeout=0))
        viewer.stop()

    def test_a_job_without_attempts_gets_none(self, make: Make) -> None:
        with JobLogger(make(), job_id="job") as job:
            job.log("x")
        store = make()
        with pytest.raises(JobExists, match="begin each run of it with attempt='next', also the first"):
            begin(store)
        assert [event["event"] for _, event in numbered(make(), "job")] == ["log", "done"]

    def test_each_of_many_threads_gets_an_attempt_of_its_own(self, make: Make) -> None:
        stores = [make() for _ in range(4)]
        jobs: list[JobEmitter] = []
        threads = [threading.Thread(target=lambda store=store: jobs.append(begin(store))) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(jobs) == len({job.attempt for job in jobs}) == 4
        newest = max(jobs, key=lambda job: job.attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Fenced)
            for job in jobs:
                job.log(f"of {job.attempt}")
            newest.close()
            for job in jobs:
                job.close()
        assert messages([event for _, event in numbered(make(), "job")]) == [f"of {newest.attempt}"]

    # Checkpoints

    def test_the_next_attempt_begins_with_the_newest_checkpoint(self, make: Make) -> None:
        first = begin(make())
        first.checkpoint({"page": 1})
        first.log("x")
        first.checkpoint({"page": 2, "text": "é\ud83d\ude00"[:1]})
        first.last_checkpoint["page"] = 3  # a copy
        assert first.last_checkpoint == {"page": 2, "text": "é"} and first.flush()
        second = begin(make())
        assert second.last_checkpoint == {"page": 2, "text": "é"}
        third = begin(make())
        assert third.last_checkpoint == {"page": 2, "text": "é"}
        third.checkpoint(None)
        assert third.last_checkpoint is None and third.flush()
        assert begin(make()).last_checkpoint is None
        events = [event for _, event in numbered(make(), "job", open=True) if event["event"] == "checkpoint"]
        assert [event["data"] for event in events] == [{"page": 1}, {"page": 2, "text": "é"}, None]
        assert list(events[0]) == ["event", "data", "t"]

    def test_viewers_are_shown_a_checkpoint_as_its_visibility_says(self, make: Make) -> None:
        with begin(make()) as job:
            job.checkpoint("shown")
            job.checkpoint("hidden", visibility="internal_only")
        log = find(make(), "job")
        shown = json.loads(run(snapshot_json(log, 0, visibility("user_facing"))))["logs"]
        assert [event.get("data") for event in shown] == ["shown", None]
        assert [event.get("visibility") for event in run(collect(log))] == [None, "internal_only", None]

    @pytest.mark.parametrize("character", ["x", "é", "\U0001f600", '"'])
    def test_a_checkpoint_holds_256_kb_of_json_and_no_more(self, make: Make, character: str) -> None:
        size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
        largest = character * ((262_144 - 2) // size)
        first = begin(make())
        first.checkpoint(largest)
        with pytest.raises(ValueError, match="of JSON, and the limit is 262,144: keep the data elsewhere"):
            first.checkpoint(largest + "xx" * size)
        assert first.flush(20)
        second = begin(make())
        assert second.last_checkpoint == largest
        assert [event["data"] for _, event in numbered(make(), "job", open=True)[:1]] == [largest]

    def test_a_checkpoint_that_is_no_json_is_an_error(self, make: Make) -> None:
        job = begin(make())
        for data in (object(), float("nan"), {1, 2}, "\ud800"):
            with pytest.raises(ValueError, match="a checkpoint cannot be stored as JSON"):
                job.checkpoint(data)
        assert job.last_checkpoint is None

    # Retries

    def test_an_exception_that_is_retried_leaves_the_log_open(self, make: Make) -> None:
        first = begin(make(), will_retry=True)
        watching = make()
        with pytest.raises(KeyError), first:
            first.log("one")
            raise KeyError("which")
        with pytest.warns(UserWarning, match=r"after close\(\)"):
            first.log("late")
        viewer = Viewer(watching)
        until(lambda: messages(viewer.events) == ["one", "KeyError: 'which'"])
        with pytest.raises(KeyError), begin(make()) as last:
            raise KeyError("which")
        names = [event.get("message", event["event"]) for event in viewer.join() if event["event"] != "status"]
        assert names == ["one", "KeyError: 'which'", "attempt", "KeyError: 'which'", "done"]
        assert last.attempt == 2

    def test_a_task_that_is_retried_leaves_the_log_open(self, make: Make) -> None:
        async def fail() -> None:
            raise KeyError("which")

        async def main() -> None:
            job = await asyncio.to_thread(begin, make(), will_retry=True)
            task = asyncio.create_task(fail())
            job.track(task)
            await asyncio.wait([task])
            assert await job.flushed(20)
            second = await asyncio.to_thread(begin, make())
            assert second.attempt == 2
            second.close()
            assert await second.flushed(20)

        run(main())
        names = [event.get("message", event["event"]) for _, event in numbered(make(), "job")]
        assert names == ["KeyError: 'which'", "attempt", "done"]

    def test_an_attempt_after_it_was_forgotten_here_goes_on(self, make: Make) -> None:
        store = make()
        with begin(store) as job:
            job.log("x")
        store.evict(closed_before=time.monotonic() + 1)
        with begin(store, reopen=True) as again:
            again.log("y")
        assert again.attempt == (2 if isinstance(store, RemoteStore) else 1), "memory keeps nothing else"


class RemoteAttemptContract(AttemptContract):
    def test_on_an_event_loop_it_is_an_error_that_names_the_way(self, make: Make) -> None:
        async def main() -> JobEmitter:
            with pytest.raises(StoreError, match="await asyncio.to_thread"):
                begin(make())
            return await asyncio.to_thread(begin, make())

        assert run(main()).attempt == 1

    def test_a_job_that_dies_is_lost_and_then_goes_on_with_its_viewers(self, make: Make) -> None:
        first = begin(make())
        first.log("one")
        assert first.flush()
        viewer = Viewer(make())
        until(lambda: viewer.events)
        die(first)
        until(lambda: {"event": "status", "status": "lost"} in viewer.events)
        second = begin(make(), reason="worker lost")
        second.log("two")
        second.close()
        names = [event.get("message", event["event"]) for event in viewer.join()]
        assert [name for name in names if name != "status"] == ["one", "attempt", "two", "done"]
        assert names.index("status") == 1, "lost, before the next attempt"

    def test_the_stream_of_a_lost_job_stays_open_and_sees_the_next_attempt_live_and_die(self, make: Make) -> None:
        first = begin(make())
        first.log("one")
        assert first.flush()
        viewer = Viewer(make())
        until(lambda: viewer.events)
        second = begin_when_lost(viewer, first, make)
        die(second)
        until(lambda: states(viewer).count("lost") == 2)
        begun, lease = time.monotonic(), first._store._lease  # type: ignore[attr-defined]  # a remote store has it
        until(lambda: time.monotonic() - begun > 3.5 * lease)
        third = begin(make())
        third.log("three")
        third.close()
        names = [event.get("message", event["event"]) for event in viewer.join() if event["event"] != "status"]
        assert names == ["one", "attempt", "two", "attempt", "three", "done"]
        assert states(viewer).count("lost") == 2 and "running" in states(viewer)


class CancelContract(RemoteAttemptContract):
    def test_a_cancel_reaches_the_newest_attempt_and_not_the_one_that_is_opened_again(self, make: Make) -> None:
        first = begin(make())
        assert not first.cancel_requested
        asked = make()
        assert run(asked.cancel("job"))
        until(lambda: first.cancel_requested)
        first.close("cancelled")
        again = begin(make(), reopen=True)
        assert not again.cancel_requested
        other = JobEmitter(again._store)
        assert not other.cancel_requested and other.flush()
        assert run(asked.cancel(other.job_id))
        until(lambda: other.cancel_requested)  # so the requests were read
        other.close()
        assert not again.cancel_requested
        assert run(asked.cancel("job"))
        until(lambda: again.cancel_requested)
        again.close("cancelled")


class TestMemory(AttemptContract):
    @pytest.fixture
    def make(self) -> Make:
        store = MemoryStore()
        return lambda: store


def _maker(new: Callable[[], RemoteStore]) -> Iterator[Make]:
    opened: list[RemoteStore] = []

    def make() -> RemoteStore:
        opened.append(new())
        return opened[-1]

    yield make
    for store in opened:
        store.close()


class TestFiles(CancelContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Iterator[Make]:
        yield from _maker(lambda: FileStore(tmp_path, lease_seconds=1.0))

    def test_a_torn_line_is_cut_off_by_the_next_attempt(self, make: Make, tmp_path: Path) -> None:
        first = begin(make())
        first.log("one")
        assert first.flush()
        with (tmp_path / "job.jsonl").open("ab") as file:
            file.write(b'{"event":"log","mess')
        begin(make()).close()
        lines = (tmp_path / "job.jsonl").read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines] == ["log", "attempt", "done"]


class TestRedis(CancelContract):
    @pytest.fixture
    def make(self, redis_server: RedisServer) -> Iterator[Make]:
        prefix = uuid.uuid4().hex[:8]
        yield from _maker(lambda: RedisStore(redis_server.url, key_prefix=prefix, lease_seconds=1.0))


class TestDynamo(CancelContract):
    @pytest.fixture
    def make(self, server: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        table, url = f"logs-{uuid.uuid4().hex[:8]}", f"http://127.0.0.1:{server[0]}"
        options: dict[str, Any] = {"flush_seconds": 0.05, "lease_seconds": 1.5, "region_name": "eu-west-1"}
        yield from _maker(lambda: DynamoStore(table, endpoint_url=url, **options))


class TestChunks(RemoteAttemptContract):
    @pytest.fixture
    def make(self) -> Iterator[Make]:
        cloud = Cloud()
        yield from _maker(lambda: CloudStore(cloud))


class TestRecords(RemoteAttemptContract):
    @pytest.fixture
    def make(self) -> Iterator[Make]:
        streams = Streams()
        yield from _maker(lambda: StreamStore(streams))


def test_the_head_is_renewed_with_the_events_of_the_first_attempt() -> None:
    cloud = Cloud()
    options: dict[str, Any] = {"ttl_days": 0.4 / 86_400}  # the head is renewed twice in that time
    first = begin(CloudStore(cloud, **options))
    for n in range(5):
        first.log(f"{n} {'x' * 3_000}")
        assert first.flush()
    second = begin(CloudStore(cloud, **options))
    second.log("two")
    beat = cloud.chunks["job", 0][-1][0].beat
    until(lambda: len(cloud.chunks["job", 0]) > 3 and cloud.chunks["job", 0][-1][0].beat > beat + 3)
    second.close()
    events = [event for _, event in numbered(CloudStore(cloud), "job")]
    assert [str(event.get("message", event["event"]))[:3] for event in events] == [
        "0 x", "1 x", "2 x", "3 x", "4 x", "att", "two", "don"
    ]  # fmt: skip


# What is asked for wrongly


class Own:
    """A store written against the protocol, before there were attempts."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    def create(self, job_id: str, start: float | None = None) -> Job:
        return self.inner.create(job_id, start)

    def get(self, job_id: str) -> Job | None:
        return self.inner.get(job_id)

    async def find(self, job_id: str) -> EventLog | None:
        return await self.inner.find(job_id)

    async def cancel(self, job_id: str) -> bool:
        return await self.inner.cancel(job_id)

    def evict(self, *, closed_before: float) -> int:
        return self.inner.evict(closed_before=closed_before)

    degraded = None

    def close(self) -> None: ...


class OwnRemote(RemoteStore):
    _place = "own"

    def _new_writer(self, **options: Any) -> Any:
        return CloudStore(Cloud())._writer

    def _new_mirrors(self, **options: Any) -> Any:
        return CloudStore(Cloud())._mirrors


class OwnChunks(ChunkStore):
    _place = "own"


@pytest.mark.parametrize("own", [Own, OwnRemote, OwnChunks])
def test_a_store_of_ones_own_without_attempts_is_a_clear_error(own: Callable[[], Store]) -> None:
    store = own()
    with pytest.raises(InvalidStore, match=r"Own\w* keeps no attempts, as it has no \w+\(\): see .*leave attempt"):
        JobLogger(store, job_id="job", attempt="next")
    assert store.get("job") is None
    store.close()


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"attempt": "2"}, "attempt is '2': give 'next', or the number that it has at least, from 1 to 1,000,000"),
        ({"attempt": 0}, "attempt is 0: give 'next'"),
        ({"attempt": 1_000_001}, "attempt is 1000001: give 'next'"),
        ({"attempt": True}, "attempt is True: give 'next'"),
        ({"reason": "x"}, "reason, reopen and will_retry are for attempts: give attempt='next'"),
        ({"reopen": True}, "give attempt='next'"),
        ({"will_retry": True}, "give attempt='next'"),
        ({"attempt": "next", "reason": ""}, "reason is '': give a text of 1 to 500 characters"),
        ({"attempt": "next", "reason": "x" * 501}, "give a text of 1 to 500 characters"),
        ({"attempt": "next", "reason": 7}, "reason is 7: give a text"),
        ({"attempt": "next", "reopen": "yes"}, "reopen is 'yes': give True or False"),
        ({"attempt": "next", "will_retry": 3}, "will_retry is 3: give True or False"),
    ],
)
def test_wrong_options_are_an_error_that_names_the_fix(options: dict[str, Any], fix: str) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError) as raised:
        JobLogger(store, job_id="job", **options)
    assert fix in str(raised.value) and store.get("job") is None


def test_an_event_named_attempt_is_renamed_since_only_the_log_makes_it() -> None:
    with JobEmitter(MemoryStore()) as job, pytest.warns(UserWarning, match="'attempt' is reserved"):
        job.emit({"event": "attempt", "attempt": 7})
    assert [event["event"] for event in run(collect(find_of(job)))] == ["user_attempt", "done"]


def test_a_job_without_attempts_takes_checkpoints_too() -> None:
    with JobLogger(MemoryStore()) as job:
        assert (job.attempt, job.last_checkpoint) == (1, None)
        job.checkpoint([1])
        assert job.last_checkpoint == [1]


# Helpers


def begin(store: Store, job_id: str = "job", attempt: str | int = "next", **options: Any) -> JobEmitter:
    job = JobEmitter(store, job_id=job_id, attempt=attempt, **options)
    _kept.append(job)
    return job


_kept: list[JobEmitter] = []
"""What a test began: a logger that is collected would end its log."""


@pytest.fixture(autouse=True)
def _keep() -> Iterator[None]:
    yield
    _kept.clear()


def die(job: JobEmitter) -> None:
    """As if its process was killed: nothing more is written, and no sign of life is given."""
    writer = job._store._writer  # type: ignore[attr-defined]  # a remote store has it
    writer._round = lambda: False


def begin_when_lost(viewer: Viewer, first: JobEmitter, make: Make) -> JobEmitter:
    die(first)
    until(lambda: "lost" in states(viewer))
    second = begin(make())
    second.log("two")
    until(lambda: messages(viewer.events) == ["one", "two"] and states(viewer)[-1:] == ["running"])
    begun, lease = time.monotonic(), first._store._lease  # type: ignore[attr-defined]  # a remote store has it
    until(lambda: time.monotonic() - begun > 3 * lease)
    assert states(viewer)[-1] == "running", "it is quiet, and lives"
    return second


def states(viewer: Viewer) -> list[str]:
    return [event["status"] for event in viewer.events if event["event"] == "status"]


def find(store: Store, job_id: str) -> EventLog:
    log = run(store.find(job_id))
    assert log is not None
    return log


def find_of(job: JobLogger) -> EventLog:
    return find(job._store, job.job_id)


def numbered(store: Store, job_id: str, *, open: bool = False) -> list[tuple[int, Event]]:
    """The events, each with its id; of an ``open`` log those that are there."""

    async def read() -> list[tuple[int, Event]]:
        log = await store.find(job_id)
        assert log is not None
        found: list[tuple[int, Event]] = []
        batches = follow(log, limit=1)  # one event a batch
        while not (open and found and found[-1][0] >= log.last):
            try:
                batch = await asyncio.wait_for(anext(batches), 20)
            except StopAsyncIteration:
                break
            found += [(batch.last, event) for event in batch if event["event"] != "status"]
        return found

    return run(read())


class Viewer:
    """Reads a job's log in a thread of its own."""

    def __init__(self, store: Store, after: int = 0) -> None:
        self.events: list[Event] = []
        self._thread = threading.Thread(target=lambda: run(self._read(store, after)), daemon=True)
        self._thread.start()

    async def _read(self, store: Store, after: int) -> None:
        log = await store.find("job")
        assert log is not None
        async for batch in follow(log, after):
            self.events += batch

    def join(self) -> list[Event]:
        self._thread.join(20)
        assert not self._thread.is_alive(), f"the stream did not end: {self.events[-1:]}"
        return self.events
