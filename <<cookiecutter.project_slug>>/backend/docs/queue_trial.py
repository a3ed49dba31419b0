"""Tries Docket and SAQ as queues for jobs: `pip install pydocket==0.27.0 saq==0.26.4`, then `python queue_trial.py`.

It starts a Redis of its own (redis-server must be installed) and workers in processes of their own, and prints, for
each queue: how many of 10,000 jobs ran and how fast, how long a job waits after `kill -9` of its worker, what Redis
forgets when it is stopped or killed in mid-work, and how long a cancel takes. It takes
some minutes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

LEASE_SECONDS = 5
PORT = int(os.environ.get("TRIAL_PORT", "0"))
URL = f"redis://127.0.0.1:{PORT}/0"


async def note(event: str, key: str) -> None:
    """Counts in Redis what a worker did."""
    redis = Redis.from_url(URL)
    while True:
        try:
            await redis.rpush(f"trial:{event}", f"{key} {time.time()}")
            break
        except RedisError:
            await asyncio.sleep(0.1)
    await redis.aclose()


async def quick(key: str) -> None:
    """A job that only counts."""
    redis = quick_redis()
    await redis.rpush("trial:ran", key)


_redis: list[Redis] = []


def quick_redis() -> Redis:
    if not _redis:
        _redis.append(Redis.from_url(URL))
    return _redis[0]


async def slow(key: str) -> None:
    """A job that takes three seconds, or until it is cancelled."""
    await note("began", key)
    try:
        await asyncio.sleep(3)
    except asyncio.CancelledError:
        await note("cancelled", key)
        raise
    await note("ended", key)


async def docket_worker(kinds: list[str]) -> None:
    from docket import Docket, Worker

    async with Docket(name="trial", url=URL) as docket:
        for kind in kinds:
            docket.register(globals()[kind])
        async with Worker(
            docket, concurrency=10, redelivery_timeout=timedelta(seconds=LEASE_SECONDS),
            reconnection_delay=timedelta(seconds=0.5), minimum_check_interval=timedelta(milliseconds=50),
        ) as worker:  # fmt: skip
            await worker.run_forever()


async def saq_worker(kinds: list[str]) -> None:
    from saq import Queue, Worker

    def named(kind: str) -> tuple[str, Callable[..., Awaitable[None]]]:
        async def run(context: object, *, what: str) -> None:
            await globals()[kind](what)

        return kind, run

    worker = Worker(
        Queue.from_url(URL, name="trial"), [named(kind) for kind in kinds], concurrency=10,
        timers={"schedule": 1, "worker_info": 10, "sweep": 1, "abort": 1},
    )  # fmt: skip
    await worker.start()


class DocketClient:
    async def __aenter__(self) -> DocketClient:
        from docket import Docket

        self.docket = await Docket(name="trial", url=URL).__aenter__()
        for kind in (quick, slow):
            self.docket.register(kind)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.docket.__aexit__(None, None, None)

    async def add(self, kind: str, key: str) -> None:
        await self.docket.add(kind, key=key)(key)

    async def cancel(self, key: str) -> None:
        await self.docket.cancel(key)


class SaqClient:
    async def __aenter__(self) -> SaqClient:
        from saq import Queue

        self.queue = Queue.from_url(URL, name="trial")
        await self.queue.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.queue.disconnect()

    async def add(self, kind: str, key: str) -> None:
        # A job is given up for dead after `heartbeat` seconds without `job.update()`, which its author has to call.
        # `timeout` alone bounds the whole job.
        await self.queue.enqueue(kind, key=key, what=key, retries=3, timeout=LEASE_SECONDS)

    async def cancel(self, key: str) -> None:
        if (job := await self.queue.job(key)) is not None:
            await self.queue.abort(job, "cancelled")


class Server:
    """A Redis that writes its log of commands once a second, as most do that are meant to keep something."""

    def __init__(self, port: int, folder: Path) -> None:
        self._command = [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--appendonly", "yes", "--save", "",
        ]  # fmt: skip

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        redis = Redis.from_url(URL)
        while True:
            try:
                await redis.ping()
                break
            except RedisError:
                await asyncio.sleep(0.02)
        await redis.aclose()

    def end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait()


@asynccontextmanager
async def worker(queue: str, *kinds: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    command = [sys.executable, __file__, queue, *kinds]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def times(event: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in await quick_redis().lrange(f"trial:{event}", 0, -1):
        key, at = line.decode().split()
        found.setdefault(key, []).append(float(at))
    return found


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if await condition():
                return True
        except RedisError:
            pass
        await asyncio.sleep(0.02)
    return False


async def trial(queue: str, server: Server) -> None:
    client_type = {"docket": DocketClient, "saq": SaqClient}[queue]
    redis = quick_redis()

    await redis.flushall()
    async with client_type() as client, worker(queue, "quick", "slow"):
        began = time.monotonic()
        for start in range(0, 10_000, 100):
            await asyncio.gather(*(client.add("quick", f"q{start + n}") for n in range(100)))
        added = time.monotonic() - began

        async def all_ran() -> bool:
            return len(set(await redis.lrange("trial:ran", 0, -1))) == 10_000

        done = await until(all_ran, 120)
        ran = await redis.lrange("trial:ran", 0, -1)
        took = time.monotonic() - began
        print(
            f"{queue}: 10,000 jobs: added in {added:.1f} s, {len(set(ran)):,} ran in {took:.1f} s, all: {done}, "
            f"{len(ran) - len(set(ran))} twice",
            flush=True,
        )

        latencies = []
        for number in range(10):
            key = f"c{number}"
            await client.add("slow", key)
            if not await until(lambda key=key: _has("began", key), 60):
                print("  did not begin")
                continue
            asked = time.time()
            await client.cancel(key)
            if await until(lambda key=key: _has("cancelled", key), 6):
                latencies.append((await times("cancelled"))[key][0] - asked)
        latencies.sort()
        told = ", ".join(f"{latency * 1000:.0f}" for latency in latencies)
        print(f"{queue}: cancel of a running job: {len(latencies)} of 10 reached it, after {told} ms", flush=True)

    await redis.flushall()
    waits = []
    async with client_type() as client:
        for number in range(3):
            key = f"k{number}"
            async with worker(queue, "slow") as first:
                await client.add("slow", key)
                await until(lambda key=key: _has("began", key), 60)
                first.kill()
                killed = time.time()
            async with worker(queue, "slow"):
                if await until(lambda key=key: _has("ended", key), 40):
                    waits.append((await times("began"))[key][1] - killed)
    print(
        f"{queue}: kill -9 in mid-job: {len(waits)} of 3 ran again, after "
        f"{', '.join(f'{wait:.1f}' for wait in waits)} s (lease {LEASE_SECONDS} s)",
        flush=True,
    )

    for how in (signal.SIGTERM, signal.SIGKILL):
        await redis.flushall()
        async with client_type() as client, worker(queue, "slow"):
            for number in range(30):
                await client.add("slow", f"r{number}")
            await until(lambda: _has("began", "r5"), 60)
            await asyncio.sleep(1.1)  # the log of commands is on the disk
            server.end(how)
            await asyncio.sleep(2)
            await server.start()

            async def all_ended() -> bool:
                return len(await times("ended")) == 30

            back = time.monotonic()
            done = await until(all_ended, 60)
            ended = await times("ended")
            twice = sum(len(each) - 1 for each in ended.values())
            print(
                f"{queue}: Redis ended by {how.name} for 2 s in mid-work: {len(ended)} of 30 ended, all: {done} "
                f"after {time.monotonic() - back:.1f} s, {twice} twice",
                flush=True,
            )


async def _has(event: str, key: str) -> bool:
    return key in await times(event)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(PORT, Path(folder))
        await server.start()
        try:
            for queue in os.environ.get("TRIAL_QUEUES", "docket saq").split():
                await trial(queue, server)
        finally:
            server.end(signal.SIGKILL)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run({"docket": docket_worker, "saq": saq_worker}[sys.argv[1]](sys.argv[2:]))
    elif not PORT:
        with socket.create_server(("127.0.0.1", 0)) as free:
            os.environ["TRIAL_PORT"] = str(free.getsockname()[1])
        os.execv(sys.executable, [sys.executable, *sys.argv])
    else:
        asyncio.run(main())
