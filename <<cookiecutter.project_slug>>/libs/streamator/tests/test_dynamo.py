"""`DynamoStore` on a real server process (moto) behind a proxy that can break things, and across
processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from dynamo_server import Answer, Proxy, error, moto

from streamator import DynamoStore, EventLog, JobLogger, StoreError, follow, open_store
from streamator.dynamo import item_size

pytest.importorskip("moto")
import boto3

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


def until(condition: Callable[[], Any], timeout: float = 15) -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.01)
    return value


async def found(store: DynamoStore, job_id: str) -> EventLog:
    while True:
        with contextlib.suppress(StoreError):
            if (log := await store.find(job_id)) is not None:
                return log
        await asyncio.sleep(0.05)


async def transcript(store: DynamoStore, job_id: str) -> list[dict[str, Any]]:
    return [event async for batch in follow(await found(store, job_id)) for event in batch]


def messages(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "log"]


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


def test_ten_thousand_lines_of_another_process_arrive_exactly(make: Make, table: str) -> None:
    text = "for i in range(10_000): job.log(f'line {i} ' + os.urandom(30).hex())"
    producer = script(f"job = JobLogger(store, job_id='job')\n{text}\njob.close()", table)
    events = run(transcript(make(), "job"))
    assert [message.split()[1] for message in messages(events)] == [str(i) for i in range(10_000)]
    assert events[-1]["event"] == "done" and len(events) == 10_001
    assert sum(map(len, messages(events))) > 400_000  # more than one item can hold
    assert producer.wait(10) == 0


def test_a_short_script_leaves_its_log_behind(make: Make, table: str) -> None:
    producer = script("job = JobLogger(store, job_id='job')\njob.log('x')\njob.close()", table)
    assert producer.wait(20) == 0
    events = run(transcript(make(), "job"))
    assert messages(events) == ["x"] and events[-1]["status"] == "completed"


def test_a_forked_child_logs_jobs_of_its_own_and_is_told_about_its_parents(make: Make, table: str) -> None:
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


def test_a_killed_producer_is_lost_within_two_leases(make: Make, table: str) -> None:
    producer = script("job = JobLogger(store, job_id='job')\njob.log('x')\ntime.sleep(60)", table)
    store = make()

    async def watch() -> float:
        log = await found(store, "job")
        while not log.last:
            await asyncio.sleep(0.01)
        producer.kill()
        began = time.monotonic()
        async for batch in follow(log):
            if [event for event in batch if event == {"event": "status", "status": "lost"}]:
                break
        return time.monotonic() - began

    assert run(watch()) < 2 * 1.5
    producer.wait()


def test_a_producer_that_was_stopped_is_lost_and_found_again(make: Make, table: str) -> None:
    code = "job = JobLogger(store, job_id='job')\nsys.stdin.readline()\njob.log('y')\njob.close()"
    producer = script(code, table, stdin=subprocess.PIPE)
    store = make()

    async def watch() -> list[str]:
        log = await found(store, "job")
        os.kill(producer.pid, signal.SIGSTOP)
        seen: list[str] = []
        async for batch in follow(log):
            for event in batch:
                seen.append(event.get("status") or event["message"])
                if event.get("status") == "lost":
                    os.kill(producer.pid, signal.SIGCONT)
                if event.get("status") == "running":
                    assert producer.stdin
                    producer.stdin.write("\n")
                    producer.stdin.flush()
        return seen

    assert run(watch()) == ["lost", "running", "y", "completed"]
    assert producer.wait(10) == 0


def test_four_processes_create_the_table_at_once(make: Make, table: str) -> None:
    together = f"time.sleep(max({time.time() + 3} - time.time(), 0))\n"
    processes = [
        script(
            together + f"job = JobLogger(store, job_id='job{n}')\n"
            "for i in range(50): job.log(f'line {i}')\njob.close()",
            table, stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]  # fmt: skip
    for process in processes:
        _, warned = process.communicate(timeout=30)
        assert process.returncode == 0 and warned == ""
    store = make()
    for n in range(4):
        assert messages(run(transcript(store, f"job{n}"))) == lines(50)


def test_the_log_of_an_earlier_run_of_the_same_id_is_kept(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = make(), make()
    log_all(first, "job", ["mine"]).join()
    assert first.flush(PATIENCE) == 0
    log_all(second, "job", ["another's"]).join()
    until(lambda: "'job' was used by another run" in caplog.text)
    assert messages(run(transcript(make(), "job"))) == ["mine"]


def test_a_write_that_arrives_late_does_not_set_the_log_back(proxy: Proxy, make: Make) -> None:
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


# Content


def test_text_that_is_neither_ascii_nor_compressible_is_stored_whole(proxy: Proxy, make: Make) -> None:
    chance = random.Random(7)
    texts = ["é" * 65_536, "".join(chr(chance.randint(0x10000, 0x10FFFF)) for _ in range(65_536))]
    big = {f"k{n}": "".join(chr(chance.randint(0x10000, 0x10FFFF)) for _ in range(40_000)) for n in range(2)}
    writer = make()
    job = JobLogger(writer, job_id="job")
    for text in texts:
        job.log(text)
    job._log.append({"event": "big", **big})
    job.close()
    assert writer.flush(PATIENCE) == 0
    events = run(transcript(make(), "job"))
    assert messages(events) == texts
    assert {key: value for key, value in events[2].items() if key.startswith("k")} == big
    sizes = [item_size(body["Item"]) for body, _ in proxy.named("PutItem")]
    assert 100_000 < max(sizes) < 400 * 1024


# Cost


def test_what_a_thousand_lines_cost(proxy: Proxy, make: Make) -> None:
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
        error("ProvisionedThroughputExceededException"), error("ThrottlingException"),
        error("InternalServerError", 500), (503, b"{}"), "drop",
    ],
    ids=["throughput", "throttled", "500", "503", "dropped"],
)  # fmt: skip
def test_a_third_of_all_calls_fail_and_nothing_is_lost(proxy: Proxy, make: Make, fault: Answer | str) -> None:
    # Dropped connections fail before and after the call had its effect.
    proxy.on_call = lambda name, body: fault if random.random() < (0.2 if fault == "drop" else 0.3) else None
    log_all(make(), "job", lines(500))
    assert messages(run(transcript(make(), "job"))) == lines(500)


def test_batches_that_are_answered_in_part_leave_no_gap(proxy: Proxy, make: Make) -> None:
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


def test_a_server_that_hangs_does_not_slow_the_job(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto() as (port, pid):
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            monkeypatch.setenv(name, value)
        url = f"http://127.0.0.1:{port}"
        writer = DynamoStore(
            table, endpoint_url=url, region_name="eu-west-1", flush_seconds=0.05, close_seconds=15
        )
        job = JobLogger(writer, job_id="job")
        job.log("first")
        assert writer.flush(PATIENCE) == 0
        os.kill(pid, signal.SIGSTOP)
        took = []
        for n in range(3_000):
            began = time.perf_counter()
            job.log(f"line {n}")
            took.append(time.perf_counter() - began)
            time.sleep(0.0005)
        assert sorted(took)[-4] < 0.005  # a shared machine may take the processor away now and then
        until(lambda: writer.degraded)
        assert "ReadTimeout" in str(writer.degraded)
        os.kill(pid, signal.SIGCONT)
        job.close()
        writer.close()
        reader = DynamoStore(table, endpoint_url=url, region_name="eu-west-1")
        assert messages(run(transcript(reader, "job"))) == ["first", *lines(3_000)]
        reader.close()


def test_a_server_that_is_not_there_yet_stops_nobody(
    table: str, make: Make, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    down = True
    proxy.on_call = lambda name, body: "drop" if down else None
    began = time.monotonic()
    writer = make()
    job = JobLogger(writer, job_id="job")
    for text in lines(200):
        job.log(text)
    job.close()
    assert time.monotonic() - began < 0.5
    until(lambda: writer.degraded)
    assert "201 events of 1 job waiting" in str(writer.degraded)
    down = False
    assert messages(run(transcript(make(), "job"))) == lines(200)
    until(lambda: writer.degraded is None)
    assert [r.getMessage().split(": ")[1] for r in caplog.records if "writing" in r.getMessage()] == [
        "writing fails", "writing works again",
    ]  # fmt: skip


def test_a_table_deleted_in_mid_job_is_made_anew_with_all_that_was_in_it(
    table: str, make: Make, proxy: Proxy
) -> None:
    writer, reader = make(), make()
    job = JobLogger(writer, job_id="job")
    for text in lines(300):
        job.log(text)

    async def watch() -> list[str]:
        log = await found(reader, "job")
        client = boto3.client("dynamodb", endpoint_url=proxy.url)
        client.delete_table(TableName=table)
        for n in range(300, 600):
            job.log(f"line {n}")
            await asyncio.sleep(0.001)
        job.close()
        return messages([event async for batch in follow(log) for event in batch])

    assert run(watch()) == lines(600)
    assert messages(run(transcript(make(), "job"))) == lines(600)


def test_a_table_that_is_being_created_is_waited_for(proxy: Proxy, make: Make) -> None:
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


def test_a_time_to_live_that_cannot_be_enabled_stops_nothing(
    proxy: Proxy, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.on_call = lambda name, body: error("AccessDeniedException") if name == "UpdateTimeToLive" else None
    log_all(make(), "job", lines(10))
    assert messages(run(transcript(make(), "job"))) == lines(10)
    assert "time to live could not be enabled" in caplog.text


def test_the_table_is_made_with_a_time_to_live_and_items_say_when_they_end(
    table: str, proxy: Proxy, make: Make
) -> None:
    writer = make(ttl_days=3)
    log_all(writer, "job", lines(3)).join()
    assert writer.flush(PATIENCE) == 0
    client = boto3.client("dynamodb", endpoint_url=proxy.url)
    ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    item = client.get_item(TableName=table, Key={"cache_id": {"S": "job#000000"}})["Item"]
    assert abs(int(item["ttl"]["N"]) - time.time() - 3 * 86_400) < 60


def test_credentials_that_expire_are_one_warning_and_the_live_view_goes_on(
    proxy: Proxy, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    writer = make()
    job = JobLogger(writer, job_id="job")
    job.log("before")
    assert writer.flush(PATIENCE) == 0
    expired = True
    proxy.on_call = lambda name, body: error("ExpiredTokenException") if expired else None
    caplog.set_level(logging.WARNING, "streamator")
    for text in lines(20):
        job.log(text)
    refused = len(proxy.calls)
    until(lambda: len(proxy.calls) > refused + 2)
    assert "ExpiredTokenException" in str(writer.degraded)
    log = run(writer.find("job"))
    assert log is not None and log.last == 21
    assert len([r for r in caplog.records if "writing fails" in r.getMessage()]) == 1
    expired = False
    assert writer.flush(PATIENCE) == 0
    until(lambda: writer.degraded is None)


@pytest.mark.parametrize(
    ("unset", "says"),
    [
        ("AWS_DEFAULT_REGION", "set AWS_DEFAULT_REGION or give region_name"),
        ("AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"),
    ],
)
def test_an_environment_without_settings_is_told_which_to_set(
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


def test_credentials_that_come_later_are_used(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
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
import streamator, streamator.dynamo
try:
    streamator.JobLogger(store="dynamo", table="t")
except streamator.StoreError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "streamator[dynamo]"' in said
