"""`RedisStore` on real servers that are stopped, killed, filled and cut off, and across processes."""

from __future__ import annotations

import asyncio
import logging
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis_server import RedisServer
from store_outages import Viewer, found, told, transcript, until

from streamator import EventLog, JobEmitter, JobLogger, RedisStore, StoreError, follow, open_store
from streamator.testing.base import messages

pytestmark = pytest.mark.server

LEASE = 1.5

Make = Callable[..., RedisStore]


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server for a test that breaks it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def make(redis_server: RedisServer, prefix: str) -> Iterator[Make]:
    made: list[RedisStore] = []
    others = set(threading.enumerate())

    def make(server: RedisServer = redis_server, **options: Any) -> RedisStore:
        made.append(RedisStore(**{"url": server.url, "key_prefix": prefix, "lease_seconds": LEASE, **options}))
        return made[-1]

    yield make
    for store in made:
        store._close_seconds = 0.2  # a server that a test left broken is not waited for
        store.close()
    until(lambda: not any(t.name.startswith("streamator-") for t in set(threading.enumerate()) - others))


def run(job: Awaitable[Any], timeout: float = 40) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, timeout)

    return asyncio.run(bounded())


def lines(n: int, start: int = 0) -> list[str]:
    return [f"line {i}" for i in range(start, n)]


def log_all(job: JobLogger, texts: list[str], pause: float = 0.0) -> None:
    for text in texts:
        job.log(text)
        if pause:
            time.sleep(pause)


def script(code: str, server: RedisServer, prefix: str, **kwargs: Any) -> subprocess.Popen[str]:
    """Another process: ``store`` is its store."""
    head = (
        "import os, sys, time\nfrom streamator import JobLogger, RedisStore\n"
        f"store = RedisStore({server.url!r}, key_prefix={prefix!r}, lease_seconds={LEASE})\n"
    )
    return subprocess.Popen([sys.executable, "-c", head + code], text=True, **kwargs)


# How it is stored


def test_a_job_is_one_stream_with_the_events_ids(redis_server: RedisServer, prefix: str, make: Make) -> None:
    store = make(ttl_days=2)
    with JobLogger(store, job_id="job") as job:
        log_all(job, lines(3))
    assert store.flush() == 0
    entries = redis_server.client.xrange(f"{prefix}:log:job")
    assert [entry_id for entry_id, _ in entries] == [b"1-0", b"2-0", b"3-0", b"4-0"]
    assert b'"message":"line 0"' in entries[0][1][b"event"]
    keys = redis_server.client.keys(f"{prefix}:*")
    assert {key.split(b":")[1] for key in keys} == {b"log", b"job", b"jobs", b"producer"}
    for name in (f"{prefix}:log:job", f"{prefix}:job:job"):
        assert 2 * 86_400 - 60 < redis_server.client.ttl(name) <= 2 * 86_400
    assert all(redis_server.client.ttl(key) > 0 for key in keys)  # nothing stays for ever


def test_lines_that_come_together_are_written_together(redis_server: RedisServer, make: Make) -> None:
    store = make()
    with JobLogger(store, job_id="warm"):
        pass
    store.flush()
    before = redis_server.client.info("commandstats")["cmdstat_eval"]["calls"]
    with JobLogger(store, job_id="job") as job:
        log_all(job, lines(5_000))
    assert store.flush() == 0
    calls = redis_server.client.info("commandstats")["cmdstat_eval"]["calls"] - before
    assert calls < 100
    assert messages(run(transcript(make(), "job"))) == lines(5_000)


def test_the_newest_jobs_are_listed_with_their_status(make: Make, redis_server: RedisServer, prefix: str) -> None:
    store = make()
    for n, status in enumerate(("completed", "failed", "cancelled")):
        JobLogger(store, job_id=f"job{n}").close(status)
        assert store.flush() == 0
        time.sleep(0.002)  # they are listed by the millisecond
    _open = JobLogger(store, job_id="open")
    producer = script("job = JobLogger(store, job_id='dead')\nstore.flush()\ntime.sleep(60)", redis_server, prefix)
    reader = make()
    until(lambda: len(run(reader.jobs())) == 5)
    producer.kill()
    producer.wait()
    until(lambda: run(reader.jobs())[0]["status"] == "lost" or run(reader.jobs())[1]["status"] == "lost")
    listed = {job["job_id"]: job["status"] for job in run(reader.jobs())}
    assert listed == {"dead": "lost", "open": "running", "job2": "cancelled", "job1": "failed", "job0": "completed"}
    assert [job["job_id"] for job in run(reader.jobs())][2:] == ["job2", "job1", "job0"]
    assert len(run(reader.jobs(2))) == 2 and run(reader.jobs(0)) == []
    assert abs(run(reader.jobs())[0]["created_at"] - time.time()) < 60


# Processes


def test_a_line_reaches_another_process_within_milliseconds(redis_server: RedisServer, prefix: str, make: Make) -> None:
    code = """
job = JobLogger(store, job_id='job')
for _ in range(40):
    time.sleep(0.05)
    job.log(repr(time.time()))
job.close()
"""
    producer = script(code, redis_server, prefix)

    async def watch() -> list[float]:
        delays = []
        async for batch in follow(await found(store, "job")):
            delays += [time.time() - float(event["message"]) for event in batch if event["event"] == "log"]
        return delays

    store = make()
    delays = run(watch())
    assert producer.wait(10) == 0 and len(delays) == 40
    # A reader that polls shows only a quarter of the lines within a quarter of its interval: one that polls less often
    # than every 80 ms fails here. The median would fail on a busy machine, too.
    quickest = statistics.quantiles(delays, n=4)[0]
    assert quickest < 0.02, f"from log() to a viewer in another process, a quarter within {1_000 * quickest:.1f} ms"


def test_closing_a_connection_in_use_counts_as_an_outage(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*args: Any, **kwargs: Any) -> None:
        raise ValueError("I/O operation on closed file.")

    writer = make()
    job = JobLogger(writer)
    with monkeypatch.context() as patch:
        patch.setattr("redis.client.Pipeline.execute", closed)
        job.log("x")
        until(lambda: told(caplog, "the connection was closed here"))
    job.close()
    assert messages(run(transcript(make(), job.job_id))) == ["x"]
    assert not told(caplog, "an unexpected error")


def test_a_short_script_stores_its_whole_log(redis_server: RedisServer, prefix: str, make: Make) -> None:
    producer = script("job = JobLogger(store, job_id='job')\njob.log('x')\njob.close()", redis_server, prefix)
    assert producer.wait(20) == 0
    events = run(transcript(make(), "job"))
    assert messages(events) == ["x"] and events[-1]["status"] == "completed"


def test_a_script_that_drops_its_logger_stores_a_failed_log(redis_server: RedisServer, prefix: str, make: Make) -> None:
    code = "def main():\n    job = JobLogger(store, job_id='job')\n    job.log('x')\nmain()"
    assert script(code, redis_server, prefix).wait(20) == 0
    events = run(transcript(make(), "job"))
    assert messages(events)[0] == "x" and "dropped without close()" in messages(events)[1]
    assert events[-1]["status"] == "failed"


def test_an_open_job_that_its_process_evicted_is_lost(make: Make) -> None:
    writer, reader = make(max_jobs=1), make()
    job = JobLogger(writer, job_id="job")
    job.log("x")
    viewer = Viewer(reader, "job")
    until(lambda: viewer.messages == ["x"])
    another = JobLogger(writer, job_id="another")
    another.log("y")  # its producer gives signs of life
    assert [event["event"] for event in viewer.join()] == ["log", "status"]


def test_the_log_of_an_earlier_run_of_the_same_id_is_kept(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    first, second = make(), make()
    with JobLogger(first, job_id="job") as job:
        job.log("mine")
    assert first.flush() == 0
    with JobLogger(second, job_id="job") as job:
        job.log("another's")
        assert not job.flush(timeout=20)
    (record,) = [record for record in caplog.records if "'job' was used by another run" in record.getMessage()]
    assert record.levelname == "ERROR" and "for a retry f'{task_id}-{retry}'" in record.getMessage()
    assert messages(run(transcript(make(), "job"))) == ["mine"]


def test_50_a_multiprocessing_child_stores_its_logs(redis_server: RedisServer, prefix: str, make: Make) -> None:
    code = """
import multiprocessing, warnings
warnings.simplefilter('ignore')
inherited = JobLogger(store, job_id='parent')
inherited.log('from the parent')
def child():
    inherited.log('from the child')
    with JobLogger(store, job_id='child') as job:
        job.log('its own')
store.flush()
process = multiprocessing.get_context('fork').Process(target=child)
process.start()
process.join()
inherited.log('from the parent again')
inherited.close()
"""
    assert script(code, redis_server, prefix).wait(30) == 0
    store = make()
    assert messages(run(transcript(store, "parent"))) == ["from the parent", "from the parent again"]
    assert messages(run(transcript(store, "child"))) == ["its own"]


# Readers


def test_a_job_that_is_stored_a_moment_later_is_found(make: Make) -> None:
    writer, reader = make(), make()

    async def ask() -> EventLog | None:
        asked = asyncio.create_task(reader.find("job"))
        await asyncio.sleep(0.1)  # within the time for which a job may be on its way
        _job = JobLogger(writer, job_id="job")
        return await asked

    assert run(ask()) is not None


def test_many_jobs_are_followed_by_one_connection_that_waits(redis_server: RedisServer, make: Make) -> None:
    writer, reader = make(), make()
    jobs = [JobLogger(writer, job_id=f"job{n}") for n in range(50)]
    viewers = [Viewer(reader, job.job_id) for job in jobs for _ in range(2)]
    for job in jobs:
        job.log("x")
    until(lambda: all(viewer.messages == ["x"] for viewer in viewers))

    def waiting() -> int:
        return len([client for client in redis_server.client.client_list() if "b" in client["flags"]])

    assert until(waiting) == 1
    before = redis_server.client.info("commandstats")["cmdstat_xread"]["calls"]
    time.sleep(1)  # a quiet second costs no more than a read that ran out
    assert redis_server.client.info("commandstats")["cmdstat_xread"]["calls"] - before <= 2
    for job in jobs:
        job.close()
    for viewer in viewers:
        assert [event["event"] for event in viewer.join()] == ["log", "done"]


def test_58_a_flood_of_unknown_ids_reads_little(redis_server: RedisServer, make: Make) -> None:
    reader = make()

    async def flood() -> None:
        results = await asyncio.gather(*(reader.find(uuid.uuid4().hex) for _ in range(500)))
        assert results == [None] * 500
        again = time.monotonic()
        assert await asyncio.gather(*(reader.find("nobody") for _ in range(500))) == [None] * 500
        assert await reader.find("nobody") is None
        assert time.monotonic() - again < 5

    run(flood())
    assert len(redis_server.client.client_list()) < 10


def test_a_foreign_value_at_a_jobs_key_affects_no_other_job(redis_server: RedisServer, prefix: str, make: Make) -> None:
    redis_server.client.set(f"{prefix}:log:strange", "x")
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")
    viewer = Viewer(reader, "job")
    with pytest.raises(StoreError, match="a key is used by something else"):
        run(reader.find("strange"))
    job.log("x")
    job.close()
    assert messages(viewer.join()) == ["x"]


# What is missing is a gap


def test_a_stream_trimmed_to_maxlen_begins_with_a_gap(make: Make, redis_server: RedisServer, prefix: str) -> None:
    writer = make(maxlen=100)
    job = JobLogger(writer, job_id="job")
    for n in range(0, 500, 50):  # so slowly that nothing is lost before it is written
        log_all(job, lines(n + 50, n))
        assert writer.flush() == 0
    assert redis_server.client.xlen(f"{prefix}:log:job") == 100
    job.close()
    assert writer.flush() == 0
    events = run(transcript(make(), "job"))
    assert events[0] == {"event": "gap", "missed": 401}
    assert messages(events) == lines(500, 401)


def test_drop_newest_is_stored_whole(make: Make) -> None:
    writer = make(maxlen=100, overflow="drop_newest")
    with JobLogger(writer, job_id="job") as job:
        log_all(job, lines(300))
    assert writer.flush() == 0
    events = run(transcript(make(maxlen=100, overflow="drop_newest"), "job"))
    assert messages(events) == lines(100)
    assert [event["event"] for event in events[100:]] == ["gap", "done"] and events[100]["missed"] == 200


def test_21_an_expired_log_goes_on_with_the_events_its_process_holds(
    make: Make, redis_server: RedisServer, prefix: str
) -> None:
    writer, reader = make(maxlen=100), make()
    job = JobLogger(writer, job_id="job")
    for n in range(0, 300, 50):
        log_all(job, lines(n + 50, n))
        assert writer.flush() == 0
    viewer = Viewer(reader, "job")
    until(lambda: viewer.messages and viewer.messages[-1] == "line 299")
    assert redis_server.client.delete(f"{prefix}:log:job", f"{prefix}:job:job") == 2  # as at the end of their time
    log_all(job, ["after"])
    job.close()
    assert messages(viewer.join())[-101:] == [*lines(300, 200), "after"]
    assert [event for event in viewer.events if event["event"] == "gap"] == viewer.events[:1]
    late = run(transcript(make(), "job"))
    assert late[0]["event"] == "gap" and late[0]["missed"] + len(late) - 1 == 302
    assert messages(late)[-1] == "after"


# A server that fails


def test_18_a_server_that_lost_some_data_sets_no_viewer_back(own: RedisServer, make: Make) -> None:
    """As after a failover to a replica that was behind."""
    writer, reader = make(own), make(own)
    job = JobLogger(writer, job_id="job")
    log_all(job, lines(100))
    assert writer.flush() == 0
    own.client.save()
    log_all(job, lines(200, 100))
    assert writer.flush() == 0
    viewer = Viewer(reader, "job")
    until(lambda: len(viewer.messages) == 200)
    own.kill()
    own.start()
    assert own.client.dbsize() > 0  # it has read its file
    log_all(job, lines(300, 200))
    job.close()
    assert [event["event"] for event in viewer.join()] == ["log"] * 300 + ["done"]
    assert viewer.messages == lines(300)
    assert messages(run(transcript(make(own), "job"))) == lines(300)


def test_a_failover_is_waited_out(own: RedisServer, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The server becomes a replica, which takes no writes, and is then made the master again."""
    with RedisServer() as other:
        # A producer that cannot write gives no sign of life, so the lease is longer than the failover.
        writer, reader = make(own, lease_seconds=30), make(own, lease_seconds=30)
        job = JobLogger(writer, job_id="job")
        log_all(job, lines(50))
        assert writer.flush() == 0
        other.client.replicaof("127.0.0.1", own.port)
        until(lambda: other.client.info("replication").get("master_link_status") == "up")
        until(lambda: other.client.dbsize() == own.client.dbsize())
        viewer = Viewer(reader, "job")
        until(lambda: len(viewer.messages) == 50)
        other.client.replicaof("NO", "ONE")
        own.client.replicaof("127.0.0.1", other.port)
        log_all(job, lines(100, 50))
        assert "the server is a replica" in until(lambda: writer.degraded)
        until(lambda: own.client.info("replication").get("master_link_status") == "up")
        own.client.replicaof("NO", "ONE")
        job.close()
        assert messages(viewer.join()) == lines(100)
        assert len(told(caplog, "writing fails")) == 1


def test_a_server_out_of_memory_is_reported_and_gets_everything_later(
    own: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    writer, reader = make(own), make(own)
    job = JobLogger(writer, job_id="job")
    log_all(job, lines(10))
    viewer = Viewer(reader, "job")
    until(lambda: len(viewer.messages) == 10)
    own.client.config_set("maxmemory", "1")
    log_all(job, lines(1_000, 10))
    assert "out of memory" in until(lambda: writer.degraded)
    assert "maxmemory" in str(writer.degraded)
    assert len(viewer.messages) == 10 and reader.degraded is None  # what is there is read all the same
    own.client.config_set("maxmemory", "0")
    log_all(job, lines(1_100, 1_000))
    job.close()
    assert messages(viewer.join()) == lines(1_100)
    until(lambda: writer.degraded is None)
    assert len(told(caplog, "writing fails")) == 1


def test_reconnects_are_silent_and_lose_nothing(
    redis_server: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "streamator")
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")
    viewer = Viewer(reader, "job")
    for n in range(20):
        log_all(job, lines(50 * n + 50, 50 * n), 0.0002)
        redis_server.client.client_kill_filter(_type="normal", skipme=True)
    job.close()
    assert messages(viewer.join()) == lines(1_000)
    assert not told(caplog, "writing fails")


def test_a_failed_call_closes_no_connection_of_another_thread(
    own: RedisServer, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wait for a server that hangs: the writer, and who looks for requests to cancel the job."""
    monkeypatch.setattr("streamator.stores.redis.ANSWER_SECONDS", 0.3)
    store = make(own)

    async def work() -> None:
        job = JobEmitter(store, job_id="job")
        job.track(asyncio.get_running_loop().create_future())
        await asyncio.to_thread(store.flush)
        own.pause()
        log_all(job, lines(10))
        for said in ("writing fails", "to cancel jobs cannot be read"):
            await asyncio.to_thread(until, lambda said=said: told(caplog, said))
        own.resume()
        await asyncio.to_thread(until, lambda: store.degraded is None)

    run(work())
    assert not told(caplog, "an unexpected error")


def test_14_a_wrong_password_is_one_warning_and_the_live_view_goes_on(
    own: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    own.client.config_set("requirepass", "right")
    writer = make(url=own.url.replace("//", "//:wrong@"))
    job = JobLogger(writer, job_id="job")
    log_all(job, lines(20), 0.01)
    said = str(until(lambda: writer.degraded))
    assert "give a url with the user and the password" in said and "wrong@" not in said
    assert run(writer.find("job")).last == 20
    assert len(told(caplog, "writing fails")) == 1


@pytest.mark.parametrize("count", [1, 100])
def test_14_a_password_change_in_mid_job_loses_no_line(own: RedisServer, make: Make, count: int) -> None:
    letters: list[Any] = []
    writer = make(own, lease_seconds=60, dead_letters=letters.append)  # no beat comes before the lines
    job = JobLogger(writer)
    job.log("x")
    assert writer.flush() == 0
    own.client.config_set("requirepass", "another")
    own.client.client_kill_filter(_type="normal", skipme=True)
    for _ in range(count):
        job.log("x")
    assert "give a url with the user and the password" in str(until(lambda: writer.degraded))
    own.client.config_set("requirepass", "")
    assert writer.flush() == 0
    job.close()
    assert messages(run(transcript(make(own), job.job_id))) == ["x"] * (count + 1) and letters == []


# The constructor


def test_the_same_options_are_the_same_store(redis_server: RedisServer) -> None:
    store = open_store("redis", url=redis_server.url, ttl_days=1)
    assert store is open_store("redis", ttl_days=1, url=redis_server.url)
    assert isinstance(store, RedisStore)
    with JobLogger("redis", url=redis_server.url, ttl_days=1) as job:
        job.log("x")
    assert store.get(job.job_id) is not None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "http://127.0.0.1"}, r"give redis://\[user:password@\]host:port/db"),
        ({"key_prefix": "a b"}, "key_prefix is 'a b'"),
        ({"key_prefix": ""}, "key_prefix is ''"),
        ({"ttl_days": 0}, "greater than 0"),
    ],
)
def test_useless_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RedisStore(**options)


def test_without_the_extra_the_store_says_what_to_install() -> None:
    code = """
import sys
sys.modules["redis"] = None
import streamator, streamator.stores.redis
try:
    streamator.JobLogger(store="redis")
except streamator.StoreError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "streamator[redis]"' in said
