"""The faults of a DynamoDB that keeps its data: killed and started again with it, answering in part what is large, and
telling what it bills. The library's own tests have moto, which forgets all when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.awsrequest import AWSResponse
from dynalite_server import Dynalite
from dynamo_table import THROTTLED, Table
from store_outages import RemoteFaultContract
from streamator import DynamoStore, JobLogger
from streamator.stores.dynamo import item_size
from streamator.testing import collect
from streamator.testing.base import messages

Make = Callable[..., DynamoStore]


class Hooks:
    """In every client of boto3's that this process makes: what it is answered, and what is billed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.error: dict[str, tuple[float, tuple[str, ...]]] = {}
        """By operation, or by ``*`` for all: the share of calls that are not made, and the errors in their place."""
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.on_put: Callable[[dict[str, Any]], object] = lambda item: None
        make = boto3.session.Session.client

        def client(session: Any, *args: Any, **options: Any) -> Any:
            made = make(session, *args, **options)
            events = made.meta.events
            for name in ("PutItem", "BatchGetItem"):
                events.register(f"before-parameter-build.dynamodb.{name}", self._bill)
            events.register("before-call.dynamodb", self._before)
            events.register("after-call.dynamodb", self._after)
            return made

        patch.setattr(boto3.session.Session, "client", client)

    def billed(self, name: str) -> list[float]:
        """The capacity units of each of these calls that came through."""
        bills = [answer["ConsumedCapacity"] for answer in self.of(name) if "ConsumedCapacity" in answer]
        return [sum(table["CapacityUnits"] for table in (bill if isinstance(bill, list) else [bill])) for bill in bills]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [answer for called, answer in list(self.answers) if called == name]

    def _bill(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        if "Item" in params:
            self.on_put(params["Item"])

    def _before(self, model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        share, codes = self.error.get(model.name) or self.error.get("*") or (0.0, ())
        if random.random() >= share:
            return None
        told = {"Error": {"Code": random.choice(codes), "Message": "injected"}, "ResponseMetadata": {}}
        return AWSResponse("", 400, {}, None), told

    def _after(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.answers.append((model.name, parsed))


class Server(Table):
    """A table of dynalite's. The environment leads to it."""

    def __init__(self, dynalite: Dynalite, hooks: Hooks) -> None:
        super().__init__()
        self.hooks = hooks
        self.kill, self.start = dynalite.kill, dynalite.start
        self.pause, self.resume = dynalite.pause, dynalite.resume

    def throttle(self, share: float) -> None:
        self.hooks.error["PutItem"] = share, THROTTLED

    def deny(self) -> None:
        self.hooks.error["*"] = 1.0, ("ExpiredTokenException",)

    def admit(self) -> None:
        self.hooks.error.clear()


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    return Hooks(monkeypatch)


@pytest.fixture
def dynalite(tmp_path: Path) -> Iterator[Dynalite]:
    dynalite = Dynalite(tmp_path)
    yield dynalite
    dynalite.kill()


@pytest.fixture
def server(dynalite: Dynalite, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in dynalite.environment.items():
        monkeypatch.setenv(name, value)
    return Server(dynalite, hooks)


@pytest.fixture
def make(server: Server) -> Iterator[Make]:
    """What opens stores on the server's table, and closes them when the test is over."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> DynamoStore:
            return stack.enter_context(contextlib.closing(server.open(**options)))

        yield make


class TestDynamoOnDynalite(RemoteFaultContract):
    pass


def lines(count: int) -> list[str]:
    """Lines of which half can be compressed."""
    chance = random.Random(count)
    return [f"line {n} of {count}: {chance.randbytes(15).hex()}" for n in range(count)]


def work(job: JobLogger, count: int, pause: float) -> None:
    """Logs `lines`, one each ``pause`` seconds, and closes the job."""
    began = time.monotonic()
    for n, line in enumerate(lines(count)):
        job.log(line)
        time.sleep(max(began + pause * (n + 1) - time.monotonic(), 0))
    job.close()


def make_table(writer: DynamoStore) -> None:
    """Have a store make its table, and wait for it."""
    JobLogger(writer).close()
    assert writer.flush(20) == 0


def test_07_a_dynamo_that_is_killed_again_and_again_costs_no_line(server: Server, make: Make) -> None:
    writer, reader = make(), make()
    make_table(writer)  # killed while it makes one, dynalite never gets done with it
    jobs = [JobLogger(writer) for _ in range(4)]
    assert writer.flush(20) == 0

    async def watch() -> list[list[dict[str, Any]]]:
        # While the store is there: else they would be told to ask again.
        logs = [log for job in jobs if (log := await reader.find(job.job_id))]
        viewers = [asyncio.create_task(collect(log, timeout=60)) for log in logs]
        working = [asyncio.create_task(asyncio.to_thread(work, job, 4_000, 0.002)) for job in jobs]
        for _ in range(12):
            await asyncio.sleep(random.uniform(0.1, 0.9))  # in the middle of a write, and between two
            server.kill()
            await asyncio.to_thread(server.start)
        await asyncio.gather(*working)
        return await asyncio.gather(*viewers)

    for job, events in zip(jobs, asyncio.run(watch()), strict=True):
        assert messages(events) == lines(4_000)
        assert events == asyncio.run(collect(make(), job.job_id, timeout=30))


def test_dynalite_outlives_a_client_that_is_killed_within_its_request(dynalite: Dynalite) -> None:
    for operation in ("PutItem", "UpdateTimeToLive"):
        with socket.create_connection(("127.0.0.1", dynalite.port)) as client:
            target = f"X-Amz-Target: DynamoDB_20120810.{operation}"
            client.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{target}\r\nContent-Length: 9\r\n\r\n{{".encode())
            time.sleep(0.1)  # until it has begun to read
    assert httpx.get(f"http://127.0.0.1:{dynalite.port}").text.startswith("healthy")
    assert dynalite.answers()


def test_17_a_replay_that_dynamo_answers_in_parts_has_no_gap(hooks: Hooks, make: Make) -> None:
    chance = random.Random(17)
    texts = ["".join(chr(chance.randint(0x10000, 0x10FFFF)) for _ in range(60_000)) for _ in range(26)]
    writer = make()
    with JobLogger(writer) as job:
        for text in texts:
            job.log(text)
    assert writer.flush(120) == 0
    hooks.answers.clear()
    for _ in range(3):
        log = asyncio.run(make().find(job.job_id))
        assert log is not None and log.closed, "a part was taken for the whole"
        assert messages(asyncio.run(collect(log))) == texts
    assert any(answer["UnprocessedKeys"] for answer in hooks.of("BatchGetItem"))


def billed_size(item: dict[str, dict[str, Any]]) -> int:
    """`item_size` counts each number as large as one of its length can be. It is billed by its digits, less the zeros
    at its end, two a byte as they stand before and after the point."""
    size = item_size(item)
    for value in item.values():
        if "N" in value:
            text = value["N"]
            _, digits, zeros = Decimal(text).normalize().as_tuple()
            at_odd_places = len(digits) % 2 == 0 and (len(digits) + int(zeros)) % 2 == 1
            spare = len(text) // 2 + 2 - (1 + (len(digits) + 1) // 2 + at_odd_places)
            assert spare >= 0, text
            size -= spare
    return size


@pytest.mark.parametrize("beat", ["12345", "123456", "1234560", "12345600", "1764500000000", "1200", "7"])
def test_an_item_is_billed_by_its_size(server: Server, hooks: Hooks, make: Make, beat: str) -> None:
    writer = make()
    make_table(writer)
    hooks.answers.clear()
    item: dict[str, dict[str, Any]] = {
        "cache_id": {"S": "job#000000"}, "beat": {"N": beat}, "closed": {"BOOL": True}, "text": {"S": ""},
    }  # fmt: skip
    sizes = [1_023, 1_024, 1_025, 4_096, 4_097]
    for size in sizes:
        item["text"] = {"S": "x" * (size - billed_size({**item, "text": {"S": ""}}))}
        assert billed_size(item) == size
        server.client.put_item(TableName=server.options["table"], Item=item)
    assert hooks.billed("PutItem") == [math.ceil(size / 1_024) for size in sizes]


def test_a_job_costs_what_the_docstring_of_the_store_says(hooks: Hooks, make: Make) -> None:
    writer, reader = make(flush_seconds=0.2, lease_seconds=10), make()
    make_table(writer)
    job = JobLogger(writer)
    sizes = []
    hooks.on_put = lambda item: sizes.append(billed_size(item))

    async def follow() -> None:
        viewers = [asyncio.create_task(collect(reader, job.job_id, timeout=30)) for _ in range(10)]
        await asyncio.to_thread(work, job, 1_000, 0.01)
        await asyncio.gather(*viewers)

    hooks.answers.clear()
    began = time.monotonic()
    asyncio.run(follow())
    followed = time.monotonic() - began  # a busy machine takes more than 10 s, and reads less often
    assert writer.flush(20) == 0
    writes, reads = hooks.billed("PutItem"), hooks.billed("BatchGetItem")
    assert sum(writes) <= 100
    assert writes == [math.ceil(size / 1_024) for size in sizes]
    assert 2 <= sum(reads) / followed <= 5, "a second of following, however many viewers"

    hooks.answers.clear()
    assert len(asyncio.run(collect(make(), job.job_id, timeout=30))) == 1_001
    assert sum(hooks.billed("BatchGetItem")) <= 20

    idle = JobLogger(writer)
    idle.log("and then nothing")
    assert writer.flush(20) == 0

    async def follow_idle() -> None:
        viewer = asyncio.create_task(collect(reader, idle.job_id, timeout=30))
        await asyncio.sleep(6)  # by then it is looked at as seldom as can be
        hooks.answers.clear()
        began = time.monotonic()
        await asyncio.sleep(10)
        viewer.cancel()
        idled = time.monotonic() - began
        # One more than in any such time: it has two ends.
        assert 2 <= sum(hooks.billed("PutItem")) <= 0.3 * idled + 1
        assert 4 <= sum(hooks.billed("BatchGetItem")) <= 0.5 * idled + 1

    asyncio.run(follow_idle())
