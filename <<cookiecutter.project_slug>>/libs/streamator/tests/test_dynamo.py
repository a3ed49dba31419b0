"""`DynamoStore` on a real server process (moto) behind a proxy that can break things, and across
processes."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from dynamo_server import Answer, Proxy, error
from store_outages import Viewer, transcript, until

from streamator import DynamoStore, JobLogger, open_store
from streamator.stores.dynamo import item_size
from streamator.testing.base import messages

pytest.importorskip("moto")
import boto3

pytestmark = pytest.mark.server

PATIENCE = 30.0  # seconds, where it does not matter how long it takes


@pytest.fixture
def table() -> str:
    return f"logs-{uuid.uuid4().hex[:8]}"


Make = Callable[..., DynamoStore]


@pytest.fixture
def make(proxy: Proxy, table: str) -> Iterator[Make]:
    made: list[DynamoStore] = []

    def make(**options: Any) -> DynamoStore:
        made.append(DynamoStore(**{"table": table, "lease_seconds": 1.5, "flush_seconds": 0.05, **options}))
        return made[-1]

    yield make
    proxy.on_call = lambda name, body: None
    for store in made:
        store.close()


def run(job: Awaitable[Any], timeout: float = 40) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, timeout)

    return asyncio.run(bounded())


def lines(n: int) -> list[str]:
    return [f"line {i}" for i in range(n)]


def log_all(store: DynamoStore, job_id: str, texts: list[str], pause: float = 0.001) -> threading.Thread:
    def work() -> None:
        with JobLogger(store, job_id=job_id) as job:
            for text in texts:
                job.log(text)
                time.sleep(pause)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def script(code: str, table: str, **kwargs: Any) -> subprocess.Popen[str]:
    """Another process: ``store`` is its store, ``JobLogger`` and ``time`` are imported."""
    head = (
        "import os, sys, time\nfrom streamator import JobLogger, DynamoStore\n"
        f"store = DynamoStore(table={table!r}, lease_seconds=1.5, flush_seconds=0.05)\n"
    )
    return subprocess.Popen([sys.executable, "-c", head + code], text=True, **kwargs)


# Processes


def test_a_short_script_stores_its_whole_log(make: Make, table: str) -> None:
    producer = script("job = JobLogger(store, job_id='job')\njob.log('x')\njob.close()", table)
    assert producer.wait(20) == 0
    events = run(transcript(make(), "job"))
    assert messages(events) == ["x"] and events[-1]["status"] == "completed"


def test_50_a_multiprocessing_child_stores_its_logs(make: Make, table: str) -> None:
    code = """
import multiprocessing, warnings
inherited = JobLogger(store, job_id='parent')
inherited.log('from the parent')
def child():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        inherited.log('from the child')
    job = JobLogger(store, job_id='child')
    for warning in caught:
        job.log(str(warning.message))
    job.close()
store.flush()
process = multiprocessing.get_context('fork').Process(target=child)
process.start()
process.join()
inherited.log('from the parent again')
inherited.close()
"""
    assert script(code, table).wait(30) == 0
    store = make()
    assert messages(run(transcript(store, "parent"))) == ["from the parent", "from the parent again"]
    (warning,) = messages(run(transcript(store, "child")))
    assert "'parent' in a process forked after the job was made" in warning and "make a JobLogger" in warning


def test_the_log_of_an_earlier_run_of_the_same_id_is_kept(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    first, second = make(), make()
    log_all(first, "job", ["mine"]).join()
    assert first.flush(PATIENCE) == 0
    log_all(second, "job", ["another's"]).join()
    until(lambda: "'job' was used by another run" in caplog.text)
    assert messages(run(transcript(make(), "job"))) == ["mine"]


def test_a_late_write_does_not_set_the_log_back(proxy: Proxy, make: Make) -> None:
    writer = make()
    job = JobLogger(writer, job_id="job")
    job.log("early")
    assert writer.flush(PATIENCE) == 0
    late, _ = proxy.named("PutItem")[-1]
    job.log("and more")
    assert writer.flush(PATIENCE) == 0
    client = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{proxy.target}")
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**late)
    job.close()
    assert messages(run(transcript(make(), "job"))) == ["early", "and more"]


# Cost


def test_the_cost_of_a_thousand_lines_is_bounded(proxy: Proxy, make: Make) -> None:
    writer = make(flush_seconds=0.2, lease_seconds=10)
    job = JobLogger(writer, job_id="job")
    began = time.monotonic()
    steps = ("fetching", "parsing", "storing", "checking")
    for n in range(1_000):
        words, seconds = random.randint(20, 900), random.random()
        job.log(f"{random.choice(steps)} page {n} of 1000: {words} words in {seconds:.2f} s")
        time.sleep(max(began + (n + 1) / 100 - time.monotonic(), 0))
    job.close()
    assert writer.flush(PATIENCE) == 0
    puts = [item_size(body["Item"]) for body, _ in proxy.named("PutItem")]
    write_units = sum(math.ceil(size / 1024) for size in puts)
    reads = len(proxy.named("BatchGetItem"))
    events = run(transcript(make(), "job"))
    assert len(events) == 1_001
    read_units = 0.0
    for body, answer in proxy.named("BatchGetItem")[reads:]:
        ((name, asked),) = body["RequestItems"].items()
        got = answer["Responses"][name]
        read_units += sum(math.ceil(item_size(item) / 4096) / 2 for item in got)
        read_units += (len(asked["Keys"]) - len(got)) / 2
    print(f"\n1,000 lines: {len(puts)} puts, {write_units} write units; replay: {read_units} read units")
    assert write_units <= 100
    assert read_units <= 5


# A server that fails


@pytest.mark.parametrize(
    "fault",
    [
        error("InternalServerError", 500), (503, b"{}"), "drop",
    ],
    ids=["500", "503", "dropped"],
)  # fmt: skip
def test_10_nothing_is_lost_when_a_third_of_all_calls_fail(proxy: Proxy, make: Make, fault: Answer | str) -> None:
    # Dropped connections fail before and after the call had its effect.
    proxy.on_call = lambda name, body: fault if random.random() < (0.2 if fault == "drop" else 0.3) else None
    log_all(make(), "job", lines(500))
    assert messages(run(transcript(make(), "job"))) == lines(500)


def test_17_partial_batch_reads_leave_no_gap(proxy: Proxy, make: Make) -> None:
    writer = make()
    log_all(writer, "job", [random.randbytes(200).hex() for _ in range(500)], pause=0).join()
    assert writer.flush(PATIENCE) == 0
    client = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{proxy.target}")

    def part(name: str, body: dict[str, Any]) -> Answer | None:
        if name != "BatchGetItem" or "RequestItems" not in body:
            return None
        ((table, asked),) = body["RequestItems"].items()
        kept = [key for key in asked["Keys"] if random.random() < 0.5]
        rest = [key for key in asked["Keys"] if key not in kept]
        items = []
        if kept:
            items = client.batch_get_item(RequestItems={table: {"Keys": kept}})["Responses"][table]
        left = {table: {"Keys": rest}} if rest else {}
        return 200, json.dumps({"Responses": {table: items}, "UnprocessedKeys": left}).encode()

    proxy.on_call = part
    for _ in range(3):
        log = run(make().find("job"))
        assert log is not None and log.closed and log.last == 501
    assert any(answer.get("UnprocessedKeys") for _, answer in proxy.named("BatchGetItem"))


def test_18_a_stale_read_sets_no_viewer_back(proxy: Proxy, make: Make) -> None:
    versions: dict[str, list[dict[str, Any]]] = {}
    stale = 0
    chance = random.Random(18)  # what comes round at regular times might always meet the same kind of read

    def old(name: str, body: dict[str, Any]) -> Answer | None:
        nonlocal stale
        if name == "PutItem" and "Item" in body:
            versions.setdefault(body["Item"]["cache_id"]["S"], []).append(body["Item"])
        if name != "BatchGetItem" or "RequestItems" not in body or chance.random() < 0.5:
            return None
        ((table, asked),) = body["RequestItems"].items()
        items = []
        for key in asked["Keys"]:
            there = versions.get(key["cache_id"]["S"], [])
            back = chance.randint(1, 4)
            stale += 1 < back <= len(there)
            items += there[-back:][:1] if back <= len(there) else []  # or it is not there yet
        return 200, json.dumps({"Responses": {table: items}}).encode()

    proxy.on_call = old
    viewer = Viewer(make(), "job")
    log_all(make(), "job", lines(3_000)).join()
    assert [event["event"] for event in viewer.join()] == ["log"] * 3_000 + ["done"]
    assert viewer.messages == lines(3_000)
    assert stale, "no read was an old one"


def test_13_a_table_that_is_being_created_is_waited_for(proxy: Proxy, make: Make) -> None:
    asked = 0

    def creating(name: str, body: dict[str, Any]) -> Answer | None:
        nonlocal asked
        if name == "DescribeTable" and asked < 4 and "answered" not in body:
            asked += 1
            return 200, json.dumps({"Table": {"TableStatus": "CREATING"}}).encode()
        return error("ResourceNotFoundException") if name == "PutItem" and asked < 4 else None

    proxy.on_call = creating
    log_all(make(), "job", lines(100))
    assert messages(run(transcript(make(), "job"))) == lines(100)
    assert asked == 4


def test_logging_works_where_the_time_to_live_cannot_be_enabled(
    proxy: Proxy, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.on_call = lambda name, body: error("AccessDeniedException") if name == "UpdateTimeToLive" else None
    log_all(make(), "job", lines(10))
    assert messages(run(transcript(make(), "job"))) == lines(10)
    assert "time to live could not be enabled" in caplog.text


def test_the_table_has_a_time_to_live_and_each_item_its_expiry(table: str, proxy: Proxy, make: Make) -> None:
    writer = make(ttl_days=3)
    log_all(writer, "job", lines(3)).join()
    assert writer.flush(PATIENCE) == 0
    client = boto3.client("dynamodb", endpoint_url=proxy.url)
    ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    item = client.get_item(TableName=table, Key={"cache_id": {"S": "job#000000"}})["Item"]
    assert abs(int(item["ttl"]["N"]) - time.time() - 3 * 86_400) < 60


@pytest.mark.parametrize(
    ("unset", "says"),
    [
        ("AWS_DEFAULT_REGION", "set AWS_DEFAULT_REGION or give region_name"),
        ("AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"),
    ],
)
def test_missing_settings_are_named_in_the_error(
    unset: str, says: str, table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    del settings[unset]
    if unset == "AWS_ACCESS_KEY_ID":
        del settings["AWS_SECRET_ACCESS_KEY"]
    settings |= {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    for name, value in (settings | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    store = DynamoStore(table, flush_seconds=0.02, close_seconds=0.1)
    job = JobLogger(store, job_id="job")
    job.log("x")
    assert says in str(until(lambda: store.degraded))
    assert run(store.find("job")).last == 1
    store.close()


def test_credentials_that_come_later_are_used(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = make()
    JobLogger(store, job_id="job").log("x")
    until(lambda: store.degraded)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert store.flush(PATIENCE) == 0
    until(lambda: store.degraded is None)


def test_a_region_is_not_needed_where_there_is_an_endpoint(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = make()
    JobLogger(store, job_id="job").log("x")
    assert store.flush(PATIENCE) == 0


# The constructor


def test_the_same_options_are_the_same_store(proxy: Proxy, table: str) -> None:
    store = open_store("dynamo", table=table, ttl_days=1)
    assert store is open_store("dynamo", ttl_days=1, table=table)
    assert isinstance(store, DynamoStore)
    assert proxy.calls == []


def test_without_the_extra_the_store_says_what_to_install() -> None:
    code = """
import sys
sys.modules["dynamorator"] = None
import streamator, streamator.stores.dynamo
try:
    streamator.JobLogger(store="dynamo", table="t")
except streamator.StoreError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "streamator[dynamo]"' in said
