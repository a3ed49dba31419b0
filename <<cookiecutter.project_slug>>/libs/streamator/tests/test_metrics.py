"""The metrics: what Prometheus is told of jobs, streams and stores, as its own parser reads it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, cast

import httpx
import pytest
import uvicorn
from dynamo_server import Proxy, error
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from redis_server import RedisServer
from starlette.applications import Starlette
from websockets.sync.client import connect

from streamator import DynamoStore, EventLog, JobEmitter, JobLogger, MemoryStore, RedisStore, follow
from streamator.fastapi import add_log_routes
from streamator.metrics import Metrics, add_metrics_route
from streamator.wsgi import EventStream

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(text: str) -> Series:
    """Every sample of an answer, by its name and labels."""
    found: Series = {}
    for family in parse(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def scrape(metrics: Metrics) -> Series:
    return series(generate_latest(metrics.registry).decode())


def value(found: Series | Metrics, name: str, **labels: str) -> float:
    found = scrape(found) if isinstance(found, Metrics) else found
    return found[f"streamator_{name}", tuple(sorted(labels.items()))]


def log_of(store: MemoryStore, job: JobLogger) -> EventLog:
    found = store.get(job.job_id)
    assert found is not None
    return found.log


def until(condition: Callable[[], Any], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """An application on a real server: its URL without the scheme."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until(lambda: server.started, "the server to start")
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


# Events and jobs


def test_every_event_of_a_job_is_counted_at_once_and_the_job_until_its_end() -> None:
    store = MemoryStore()
    metrics = Metrics(store)
    assert not [name for name, _ in scrape(metrics) if "store_write" in name]  # there are none in memory
    job = JobLogger(store)
    for n in range(5):
        job.log(f"line {n}")
    found = scrape(metrics)
    assert value(found, "events_published_total", store="memory") == 5
    assert value(found, "jobs_active", store="memory") == 1
    job.close()
    found = scrape(metrics)
    assert value(found, "events_published_total", store="memory") == 6  # and `done`
    assert value(found, "jobs_active", store="memory") == 0
    assert value(found, "log_memory_bytes", store="memory") > 0


def test_no_label_holds_a_job_id() -> None:
    store = MemoryStore()
    metrics = Metrics(store)
    _first = JobLogger(store, job_id="the-first")
    before = set(scrape(metrics))
    for n in range(1_000):
        JobLogger(store, job_id=f"another-{n}").close()
    text = generate_latest(metrics.registry).decode()
    assert set(series(text)) == before
    assert "the-first" not in text and "another" not in text


def test_totals_do_not_fall_when_an_open_job_is_evicted_during_a_scrape() -> None:
    store = MemoryStore(max_jobs=2)
    metrics = Metrics(store)
    first, second = JobLogger(store), JobLogger(store)
    others: list[JobLogger] = []
    log = log_of(store, first)

    class Interrupted:
        """The log of the first job; while it is counted, both are forgotten, and the second one goes on."""

        interrupted = False

        def counts(self, final: bool = False) -> Any:
            if not self.interrupted:
                self.interrupted = True
                others.extend(JobLogger(store) for _ in range(2))
                second.log("too late")
            return log.counts(final=final)

        def __getattr__(self, name: str) -> Any:
            return getattr(log, name)

    first.log("one")
    second.log("two")
    job = store.get(first.job_id)
    assert job is not None
    job.log = cast(EventLog, Interrupted())
    assert value(metrics, "events_published_total", store="memory") == 2
    assert value(metrics, "events_published_total", store="memory") == 2


def test_totals_never_fall_while_other_threads_evict_jobs() -> None:
    store = MemoryStore(max_jobs=50)
    metrics = Metrics(store)
    stop = threading.Event()

    def work() -> None:
        jobs: list[JobLogger] = []
        while not stop.is_set():
            jobs = [*jobs[-60:], JobLogger(store)]
            for job in jobs:  # the first ones are forgotten, and go on
                job.log("x")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        seen = [value(metrics, "events_published_total", store="memory") for _ in range(100)]
    finally:
        stop.set()
        worker.join()
    assert all(before <= after for before, after in pairwise(seen))
    assert seen[-1] > seen[0]


def test_final_counts_do_not_change() -> None:
    log = EventLog()
    log.append({"event": "one"})
    assert log.counts().last == 1
    counted = log.counts(final=True)
    log.append({"event": "two"})
    assert (log.counts(), log.last) == (counted, 2)


def test_events_of_evicted_jobs_stay_counted() -> None:
    store = MemoryStore(max_jobs=2)
    metrics = Metrics(store)
    for _ in range(7):
        with JobLogger(store) as job:
            job.log("x")
    assert value(metrics, "events_published_total", store="memory") == 14
    store.evict(closed_before=time.monotonic() + 1)
    assert value(metrics, "events_published_total", store="memory") == 14
    assert value(metrics, "log_memory_bytes", store="memory") == 0


def test_a_garbage_collected_store_stays_counted() -> None:
    metrics = Metrics()  # of all stores
    store = MemoryStore()
    with JobLogger(store) as job:
        job.log("x")
    before = value(metrics, "events_published_total", store="memory")
    del store, job
    gc.collect()
    assert value(metrics, "events_published_total", store="memory") == before


@pytest.mark.parametrize(("overflow", "dropped"), [("drop_oldest", 401), ("drop_newest", 400), ("block", 401)])
def test_events_that_a_full_log_drops_count_as_published_and_dropped(overflow: Any, dropped: int) -> None:
    store = MemoryStore(maxlen=100, overflow=overflow)
    metrics = Metrics(store)
    job = JobLogger(store)
    for n in range(500):
        job.log(f"line {n}")
    assert value(metrics, "events_published_total", store="memory") == 500
    job.close()
    found = scrape(metrics)
    assert value(found, "events_published_total", store="memory") == 501
    assert value(found, "events_dropped_total", store="memory", reason="full") == dropped
    store.evict(closed_before=time.monotonic() + 1)
    assert value(metrics, "events_dropped_total", store="memory", reason="full") == dropped


def test_events_evicted_by_max_bytes_count_as_dropped() -> None:
    store = MemoryStore(max_bytes=100_000)
    metrics = Metrics(store)
    job = JobLogger(store)
    for _ in range(400):
        job.log("x" * 1_000)
    assert value(metrics, "events_dropped_total", store="memory", reason="full") > 200
    assert value(metrics, "log_memory_bytes", store="memory") <= 100_000


def test_in_memory_the_publish_duration_is_sampled_and_each_job_has_a_sample() -> None:
    store = MemoryStore()
    metrics = Metrics(store)
    for _ in range(10):
        with JobLogger(store) as job:
            for _ in range(1_000):
                job.log("x")
    found = scrape(metrics)
    count = value(found, "publish_duration_seconds_count", store="memory")
    assert 10 <= count <= 10 * 1_000 / 20
    assert 0 < value(found, "publish_duration_seconds_sum", store="memory") < count
    assert value(found, "publish_duration_seconds_bucket", store="memory", le="+Inf") == count


# Streams


def test_streams_are_counted_by_their_transport_while_they_are_open_and_when_they_resume() -> None:
    app, store = FastAPI(), MemoryStore()
    add_log_routes(app, store=store)
    metrics = add_metrics_route(app)
    job = JobEmitter(store)
    for n in range(3):
        job.log(f"line {n}")

    def state(name: str) -> list[float]:
        found = scrape(metrics)
        return [value(found, name, transport=transport) for transport in ("sse", "ws")]

    opened, resumed = state("streams_opened_total"), state("stream_reconnects_total")
    with serving(app) as at, httpx.Client(base_url=f"http://{at}", timeout=20) as client:
        assert client.get(f"/log/{uuid.uuid4()}/stream").status_code == 404  # is no stream
        stream = f"/log/{job.job_id}/stream"
        with client.stream("GET", stream), client.stream("GET", stream, headers={"last-event-id": "2"}):
            with connect(f"ws://{at}/log/{job.job_id}/ws?after=1"):
                until(lambda: state("streams_active") == [2, 1], "all to be open")
                assert client.get("/metrics").status_code == 200
                assert state("streams_active") == [2, 1]  # a scrape is none of them
        until(lambda: state("streams_active") == [0, 0], "the viewers to be gone")
        assert state("streams_opened_total") == [opened[0] + 2, opened[1] + 1]
        assert state("stream_reconnects_total") == [resumed[0] + 1, resumed[1] + 1]
        job.close()
        assert client.get(stream, headers={"last-event-id": "4"}).status_code == 204
        assert state("stream_reconnects_total") == [resumed[0] + 1, resumed[1] + 1]


def test_wsgi_streams_are_counted() -> None:
    store = MemoryStore()
    metrics = Metrics(store)
    job = JobLogger(store)
    job.log("one")
    job.log("two")
    resumed = value(metrics, "stream_reconnects_total", transport="sse")
    stream = EventStream(log_of(store, job), after=1)
    next(stream)
    assert value(metrics, "streams_active", transport="sse") == 1
    assert value(metrics, "viewer_lag_events") == 1
    stream.close()
    until(lambda: value(metrics, "streams_active", transport="sse") == 0, "it to be gone")
    assert value(metrics, "stream_reconnects_total", transport="sse") == resumed + 1


def test_the_lag_is_that_of_the_slowest_viewer() -> None:
    app = FastAPI()
    add_log_routes(app)
    metrics = add_metrics_route(app)
    job = JobEmitter()
    with serving(app) as at, socket.socket() as slow, httpx.Client(base_url=f"http://{at}", timeout=20) as client:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect((at.partition(":")[0], int(at.partition(":")[2])))
        slow.sendall(f"GET /log/{job.job_id}/stream HTTP/1.1\r\nhost: {at}\r\n\r\n".encode())
        until(lambda: value(metrics, "streams_active", transport="sse") == 1, "the viewer")
        with client.stream("GET", f"/log/{job.job_id}/stream") as quick:
            for _ in range(20_000):
                job.log("x" * 1_000)
            job.close()
            quick.read()
        lag = value(metrics, "viewer_lag_events")
        assert 0 < lag <= 20_001
        slow.settimeout(20)
        data = b""
        while b'"event":"done"' not in data[-200:]:
            data = data[-200:] + slow.recv(1_000_000)
        until(lambda: value(metrics, "viewer_lag_events") == 0, "it to have all")


# Several of them, and where they are asked


def test_two_apps_in_one_process_report_their_own_stores() -> None:
    stores = [MemoryStore(), MemoryStore()]
    apps = [FastAPI(), FastAPI()]
    for app, store in zip(apps, stores, strict=True):
        add_metrics_route(app, store=store)
    job = JobLogger(stores[1])
    job.log("x")
    with serving(apps[0]) as first, serving(apps[1]) as second:
        found = [series(httpx.get(f"http://{at}/metrics").text) for at in (first, second)]
    assert [value(each, "events_published_total", store="memory") for each in found] == [0, 1]


def test_a_registry_may_hold_other_metrics_and_takes_these_once() -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders taken.", registry=registry).inc(3)
    metrics = Metrics(MemoryStore(), registry=registry)
    assert scrape(metrics)["orders_total", ()] == 3
    assert value(metrics, "viewer_lag_events") == 0
    with pytest.raises(ValueError, match="streamator_events_published"):
        Metrics(MemoryStore(), registry=registry)


@pytest.mark.parametrize("framework", ["fastapi", "router", "starlette", "none"])
def test_every_framework_serves_the_metrics_at_their_path(framework: str) -> None:
    app: Any
    if framework == "none":

        async def otherwise(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 418, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        app = Metrics(MemoryStore(), path="/internal/metrics", otherwise=otherwise)
    elif framework == "router":
        router = APIRouter()
        add_metrics_route(router, store=MemoryStore())
        app = FastAPI()
        app.include_router(router, prefix="/internal")
    else:
        app = FastAPI() if framework == "fastapi" else Starlette()
        add_metrics_route(app, "/internal/metrics", MemoryStore())
    with serving(app) as at, httpx.Client(base_url=f"http://{at}") as client:
        answer = client.get("/internal/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert answer.headers["cache-control"] == "no-store"
        assert value(series(answer.text), "jobs_active", store="memory") == 0
        head = client.head("/internal/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert client.post("/internal/metrics").status_code == 405
        assert client.get("/").status_code == (418 if framework == "none" else 404)


def test_openmetrics_is_served_on_request() -> None:
    app = Starlette()
    add_metrics_route(app, store=MemoryStore())
    with serving(app) as at:
        answer = httpx.get(f"http://{at}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {"streamator_events_published", "streamator_publish_duration_seconds"} <= {
        family.name
        for family in parse_openmetrics(answer.text)  # type: ignore[no-untyped-call]  # it has no types
    }


def test_a_custom_store_reports_whether_it_is_degraded() -> None:
    class Elsewhere:
        degraded: str | None = None

        def __init__(self) -> None:
            self._store = MemoryStore()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        async def find(self, job_id: str) -> Any:
            return await self._store.find(job_id)

        def create(self, job_id: str, start: float | None = None) -> Any:
            return self._store.create(job_id, start)

        def get(self, job_id: str) -> Any:
            return self._store.get(job_id)

        def evict(self, *, closed_before: float) -> int:
            return self._store.evict(closed_before=closed_before)

        def close(self) -> None: ...

    store = Elsewhere()
    metrics = Metrics(store)
    assert value(metrics, "store_degraded", store="elsewhere") == 0
    store.degraded = "the line is cut"
    assert value(metrics, "store_degraded", store="elsewhere") == 1


# Remote stores


def test_a_redis_outage_shows_in_pending_failures_and_duration() -> None:
    with RedisServer() as server:
        store = RedisStore(server.url, key_prefix=uuid.uuid4().hex[:8], close_seconds=0.2)
        metrics = Metrics(store)
        try:
            job = JobLogger(store)
            job.log("before")
            assert store.flush() == 0
            found = scrape(metrics)
            assert value(found, "publish_duration_seconds_count", store="redis") >= 1
            assert value(found, "publish_duration_seconds_sum", store="redis") < 1
            assert value(found, "store_write_failures_total", store="redis", kind="down") == 0
            server.kill()
            start = time.monotonic()
            job.log("meanwhile")
            until(lambda: value(metrics, "store_write_failures_total", store="redis", kind="down") > 1, "two failures")
            until(lambda: value(metrics, "store_degraded", store="redis") == 1, "the warning")
            found = scrape(metrics)
            assert value(found, "store_pending_events", store="redis") == 1
            assert value(found, "store_write_retries_total", store="redis") >= 1
            server.start()
            until(lambda: value(metrics, "store_pending_events", store="redis") == 0, "all to be stored")
            outage = time.monotonic() - start
            found = scrape(metrics)
            assert value(found, "store_degraded", store="redis") == 0
            assert value(found, "publish_duration_seconds_sum", store="redis") >= 0.1
            # What was lost with the server, and is written again, is not timed again.
            assert value(found, "publish_duration_seconds_count", store="redis") == 2
            assert value(found, "publish_duration_seconds_sum", store="redis") < outage + 1
            assert value(found, "events_published_total", store="redis") == 2
            job.close()
        finally:
            store.close()


def test_throttled_writes_to_dynamodb_are_counted_by_their_kind(proxy: Proxy) -> None:
    throttled = iter([True, True, True])
    store = DynamoStore(f"metrics-{uuid.uuid4().hex[:8]}", flush_seconds=0.05)
    metrics = Metrics(store)
    try:
        job = JobLogger(store)
        job.log("one")
        assert store.flush() == 0
        made = scrape(metrics)
        assert value(made, "store_write_failures_total", store="dynamo", kind="gone") >= 1  # there was no table
        proxy.on_call = lambda name, body: (
            error("ProvisionedThroughputExceededException")
            if name == "PutItem" and "answered" not in body and next(throttled, False)
            else None
        )
        job.log("two")
        assert store.flush(20) == 0
        job.close()
        assert store.flush(20) == 0
        found = scrape(metrics)
        assert value(found, "store_write_failures_total", store="dynamo", kind="busy") == 3
        before = value(made, "store_write_retries_total", store="dynamo")
        assert value(found, "store_write_retries_total", store="dynamo") == before + 3
        assert value(found, "store_pending_events", store="dynamo") == 0
        assert value(found, "publish_duration_seconds_count", store="dynamo") == 3  # for each write that brought some
        assert value(found, "events_published_total", store="dynamo") == 3
    finally:
        store.close()


def test_refused_events_count_as_dropped(proxy: Proxy) -> None:
    proxy.on_call = lambda name, body: (
        error("ValidationException") if name == "PutItem" and "poison" in json.dumps(body) else None
    )
    letters: list[Any] = []
    store = DynamoStore(f"metrics-{uuid.uuid4().hex[:8]}", flush_seconds=0.05, dead_letters=letters.append)
    metrics = Metrics(store)
    try:
        with JobLogger(store) as job:
            job.log("one")
            job.log("poison")
            job.log("two")
        assert store.flush(20) == 0
        found = scrape(metrics)
        assert value(found, "events_dropped_total", store="dynamo", reason="refused") == len(letters) == 1
        assert value(found, "store_write_failures_total", store="dynamo", kind="refused") >= 1
        assert value(found, "store_pending_events", store="dynamo") == 0
    finally:
        store.close()


def test_events_lost_to_an_outage_count_as_dropped() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
    store = RedisStore(url, max_jobs=2, close_seconds=0.1)
    metrics = Metrics(store)
    for _ in range(10):
        with JobLogger(store) as job:
            job.log("x")
    # Four jobs wait, twice as many as are kept; of the others two events each are given up.
    assert value(metrics, "events_dropped_total", store="redis", reason="unstored") == 12
    assert value(metrics, "events_published_total", store="redis") == 20
    store.close()


def test_a_follower_without_a_transport_is_no_stream() -> None:
    store = MemoryStore()
    metrics = Metrics(store)
    with JobLogger(store) as job:
        job.log("x")

    async def read() -> list[Any]:
        return [json.dumps(event) async for batch in follow(log_of(store, job)) for event in batch]

    before = value(metrics, "streams_opened_total", transport="sse")
    assert len(asyncio.run(read())) == 2
    assert value(metrics, "streams_opened_total", transport="sse") == before
