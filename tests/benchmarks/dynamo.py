"""What a job costs in DynamoDB: capacity units as JSON on stdout.

    python dynamo.py 1000

That many lines at 100 a second, into a local server that is asked what it was sent: 1 write unit for each KB of an
item begun, half a read unit for each 4 KB of an item read. What is written at the end is waited for.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import sys
import time
from contextlib import suppress
from typing import Any

os.environ |= {
    "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


class Units:
    """Counts what passes through botocore, whoever's client it is."""

    def __init__(self) -> None:
        self.write = 0.0
        self.read = 0.0

    def watch(self) -> None:
        from botocore.client import BaseClient

        call = BaseClient._make_api_call
        units = self

        def counted(client: Any, name: str, arguments: dict[str, Any]) -> Any:
            answer = call(client, name, arguments)
            if name == "PutItem":
                units.write += math.ceil(item_size(arguments["Item"]) / 1024)
            elif name == "GetItem":
                units.read += reading([answer["Item"]] if "Item" in answer else [], 1)
            elif name == "BatchGetItem":
                for table, asked in arguments["RequestItems"].items():
                    units.read += reading(answer["Responses"].get(table, []), len(asked["Keys"]))
            return answer

        BaseClient._make_api_call = counted


def reading(items: list[dict[str, Any]], asked: int) -> float:
    return sum(max(math.ceil(item_size(item) / 4096), 1) / 2 for item in items) + (asked - len(items)) / 2


def item_size(item: dict[str, Any]) -> int:
    """Names and values, as DynamoDB counts them."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value: Any) -> int:
    ((kind, held),) = value.items() if isinstance(value, dict) and len(value) == 1 else (("?", value),)
    if isinstance(held, bytes):
        return len(held)
    if kind in ("N",) or isinstance(held, (int, float)):
        return len(str(held)) // 2 + 1
    return len(str(held).encode())


def main() -> None:
    lines = int(sys.argv[1])
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = f"http://{host}:{port}"
    units = Units()
    units.watch()
    import streamator

    options: dict[str, Any] = {"ttl_days": 1}
    job: Any = streamator.JobLogger(store="dynamo", table="bench", **options)
    began = time.monotonic()
    steps = ("fetching", "parsing", "storing", "checking")
    rng = random.Random(1)
    for n in range(lines):
        words, seconds = rng.randint(20, 900), rng.random()
        job.log(f"{rng.choice(steps)} page {n} of {lines}: {words} words in {seconds:.2f} s")
        time.sleep(max(began + (n + 1) / 100 - time.monotonic(), 0))
    job.close()
    found: dict[str, float] = {}
    if hasattr(streamator, "open_store"):
        store: Any = streamator.open_store("dynamo", table="bench", **options)
        assert store.flush() == 0, "not everything was written"
        found["write"] = units.write
        found["read"] = asyncio.run(replay(units, job.job_id, lines))
        store.close()
    else:
        found["write"] = units.write
        before = units.read
        assert len(job._store.snapshot()) == lines, "lines were lost"
        found["read"] = units.read - before
    with suppress(Exception):
        server.stop()
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # the local server's threads are of no use any more


async def replay(units: Units, job_id: str, lines: int) -> float:
    """What another process pays to read the job to its end."""
    from streamator import DynamoStore
    from streamator.testing import collect

    reader = DynamoStore(table="bench", ttl_days=2)
    before = units.read
    events = await collect(reader, job_id, timeout=60)
    assert len(events) == lines + 1, f"{len(events)} events of {lines + 1}"
    read = units.read - before
    reader.close()
    return read


if __name__ == "__main__":
    main()
