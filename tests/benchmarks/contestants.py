"""What is compared: each contestant is a way to show a job's log live, as a server and as a plain Python object.

    python contestants.py NAME --port 8801      serve it: one worker, uvloop and httptools
    python contestants.py NAME --solo 200000    measure log() and the memory of so many entries, without a server

The names are the keys of CONTESTANTS. Each is asked to do the same: keep a job's entries, and stream them to any
viewer from the first one on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

MESSAGE_BYTES = 120
PACE = 0.005


def message(n: int, stamp: int | None = None) -> str:
    """A message of 120 bytes that begins with its number, and with the time it was made if one is given."""
    return f"{n:09d} {'' if stamp is None else stamp} ".ljust(MESSAGE_BYTES, "x")


class Contestant:
    """A way to show jobs' logs. `app` is what it would be in a user's server."""

    app: Any
    from_threads = False
    """Whether a job may log from a worker thread."""
    replays = True
    """Whether a viewer that comes later sees everything, more than once."""
    many_viewers = True

    def new(self) -> Any:
        """A job: an object with log(text) and close()."""
        raise NotImplementedError

    def path(self, job: Any) -> str:
        """Where its stream is."""
        return f"/log/{job.job_id}/stream"

    def read_all(self, job: Any) -> None:
        """Turn everything into what is sent, as a viewer would make it do."""


class Streamator(Contestant):
    """This repository's library."""

    from_threads = True

    def __init__(self) -> None:
        from fastapi import FastAPI
        from streamator import JobLogger
        from streamator.fastapi import add_log_routes

        self.new = JobLogger  # type: ignore[method-assign]
        self.app = FastAPI()
        add_log_routes(self.app)

    def read_all(self, job: Any) -> None:
        from streamator.store import find_job

        found = find_job(job.job_id)
        assert found is not None
        after = 0
        while batch := found.log.read(after):
            after = batch.last


class Streamator021(Contestant):
    """Version 0.2.1 of the package of the same name: one queue a job, whoever reads first has the event."""

    replays = False
    many_viewers = False

    def __init__(self) -> None:
        import streamator
        from fastapi import FastAPI
        from streamator.fastapi import add_log_routes

        assert not hasattr(streamator, "follow"), f"this is not 0.2.1: {streamator.__file__}"
        self.new = streamator.JobLogger  # type: ignore[method-assign]
        self.app = FastAPI()
        add_log_routes(self.app)


class QueueJob:
    """What one writes by hand around a library that only sends: a history, and a queue for each viewer."""

    count = 0

    def __init__(self) -> None:
        QueueJob.count += 1
        self.job_id = f"job-{QueueJob.count}"
        self.start = time.monotonic()
        self.history: list[dict[str, Any]] = []
        self.queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self.closed = False

    def log(self, text: str, level: str = "info") -> None:
        t = round(time.monotonic() - self.start, 3)
        entry = {"event": "log", "message": text, "level": level, "t": t}
        self.history.append(entry)
        for queue in self.queues:
            queue.put_nowait(entry)

    def close(self) -> None:
        self.closed = True
        for queue in self.queues:
            queue.put_nowait(None)

    async def events(self) -> AsyncIterator[tuple[int, str]]:
        """(id, JSON) of each entry."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        past = list(self.history)
        if self.closed:
            queue.put_nowait(None)
        else:
            self.queues.add(queue)
        try:
            n = 0
            for entry in past:
                n += 1
                yield n, json.dumps(entry)
            while (new := await queue.get()) is not None:
                n += 1
                yield n, json.dumps(new)
        finally:
            self.queues.discard(queue)


class WithQueues(Contestant):
    def __init__(self) -> None:
        from fastapi import FastAPI

        self.jobs: dict[str, QueueJob] = {}
        self.app = FastAPI()

    def new(self) -> QueueJob:
        job = QueueJob()
        self.jobs[job.job_id] = job
        return job


class SseStarlette(WithQueues):
    def __init__(self) -> None:
        from sse_starlette import EventSourceResponse, ServerSentEvent  # type: ignore[import-not-found]

        super().__init__()

        async def stream(job_id: str) -> EventSourceResponse:
            async def events() -> AsyncIterator[ServerSentEvent]:
                async for n, data in self.jobs[job_id].events():
                    yield ServerSentEvent(data=data, id=str(n))

            return EventSourceResponse(events())

        self.app.get("/log/{job_id}/stream", response_model=None)(stream)


class FastapiSse(WithQueues):
    def __init__(self) -> None:
        from fastapi.sse import EventSourceResponse, ServerSentEvent

        super().__init__()

        async def stream(job_id: str) -> AsyncIterator[ServerSentEvent]:
            async for n, data in self.jobs[job_id].events():
                yield ServerSentEvent(raw_data=data, id=str(n))

        stream.__annotations__["return"] = AsyncIterator[ServerSentEvent]
        self.app.get("/log/{job_id}/stream", response_class=EventSourceResponse)(stream)


class RawJob:
    """Bytes that are ready to be sent."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.frames: list[bytes] = []
        self.prepared = False
        self.count = 0
        self.closed = False
        self.waiting: list[asyncio.Future[None]] = []

    def prepare(self, texts: list[str]) -> None:
        self.frames = [self.frame(n, text) for n, text in enumerate(texts, 1)]
        self.prepared = True

    def frame(self, n: int, text: str) -> bytes:
        return b'id: %d\ndata: {"event":"log","message":"%s","level":"info","t":0.123}\n\n' % (n, text.encode())

    def log(self, text: str) -> None:
        if not self.prepared:
            self.frames.append(self.frame(self.count + 1, text))
        self.count += 1
        if self.waiting:
            self.wake()

    def close(self) -> None:
        self.closed = True
        self.wake()

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Raw(Contestant):
    """The limit: no framework, no encoding, everything that is pending in one send."""

    pace = 0.0

    def __init__(self) -> None:
        self.jobs: dict[str, RawJob] = {}
        self.app = self.serve

    def new(self) -> RawJob:
        job = RawJob(f"job-{len(self.jobs)}")
        self.jobs[job.job_id] = job
        return job

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        job = self.jobs[scope["path"].split("/")[2]]
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": ok\n\n", "more_body": True})
        seen = 0
        while True:
            if seen < job.count:
                end = job.count
                await send({"type": "http.response.body", "body": b"".join(job.frames[seen:end]), "more_body": True})
                seen = end
                if self.pace:
                    await asyncio.sleep(self.pace)
            elif job.closed:
                break
            else:
                waiter = asyncio.get_running_loop().create_future()
                job.waiting.append(waiter)
                await waiter
        await send({"type": "http.response.body", "body": b""})


class RawPaced(Raw):
    """The same, with at least 5 ms between two sends to a viewer."""

    pace = PACE


CONTESTANTS: dict[str, type[Contestant]] = {
    "streamator": Streamator,
    "streamator 0.2.1": Streamator021,
    "sse-starlette": SseStarlette,
    "fastapi.sse": FastapiSse,
    "limit": Raw,
    "limit, paced": RawPaced,
}


class Bench:
    """The contestant's app, with what the client needs beside it: jobs, producers and figures of the process."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.jobs: dict[str, Any] = {}
        self.opened = 0

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"].startswith("/bench/"):
            return self.answer(scope, send)
        self.opened += scope["type"] == "http"
        answer: Awaitable[None] = self.contestant.app(scope, receive, send)
        return answer  # no frame of ours stays: an idle stream is measured

    async def answer(self, scope: Any, send: Any) -> None:
        query = dict(parse_qsl(scope["query_string"].decode()))
        found = await getattr(self, scope["path"].removeprefix("/bench/"))(**query)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})

    async def new(self, jobs: str = "1") -> list[str]:
        """Make so many jobs; where their streams are."""
        made = [self.contestant.new() for _ in range(int(jobs))]
        paths = [self.contestant.path(job) for job in made]
        self.jobs.update(zip(paths, made, strict=True))
        self.opened = 0
        return paths

    async def drop(self) -> None:
        """Forget the jobs made so far, as far as it is ours to say."""
        self.jobs.clear()

    async def run(self, how: str, n: str, viewers: str, rate: str = "0") -> dict[str, float]:
        """Wait for the viewers, then let the jobs log ``n`` entries and close; when it began, by the system's
        monotonic clock, which the client shares."""
        while self.opened < int(viewers):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        jobs, self.jobs = list(self.jobs.values()), {}
        count = int(n)
        if how == "rate":
            began = time.monotonic()
            await self.at_rate(jobs, count, float(rate))
        else:
            (job,) = jobs
            texts = [message(k) for k in range(1, count + 1)]
            if isinstance(job, RawJob):
                job.prepare(texts)
            began = time.monotonic()
            if how == "thread":
                await asyncio.get_running_loop().run_in_executor(None, self.all_at_once, job, texts)
            else:
                await self.in_bursts(job, texts, 100 if how == "burst" else 1)
            logged = time.monotonic() - began
        for job in jobs:
            job.close()
        return {"began": began, "logged": 0.0 if how == "rate" else logged}

    async def in_bursts(self, job: Any, texts: list[str], burst: int) -> None:
        log = job.log
        if burst == 1:
            for text in texts:
                log(text)
                await asyncio.sleep(0)
        else:
            for first in range(0, len(texts), burst):
                for text in texts[first : first + burst]:
                    log(text)
                await asyncio.sleep(0)

    def all_at_once(self, job: Any, texts: list[str]) -> None:
        for text in texts:
            job.log(text)

    async def at_rate(self, jobs: list[Any], count: int, rate: float) -> None:
        """One entry after another at so many a second, over all jobs in turn."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for k in range(count):
            wait = start + k / rate - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            jobs[k % len(jobs)].log(message(k // len(jobs) + 1, time.monotonic_ns()))
        await asyncio.sleep(0.05)

    async def memory(self) -> int:
        gc.collect()
        return resident()

    async def cpu(self) -> tuple[float, float]:
        """CPU seconds so far, and the time."""
        return time.process_time(), time.monotonic()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def solo(contestant: Contestant, count: int) -> dict[str, float]:
    """log() in ns, and bytes an entry, before and after it was read."""
    if isinstance(contestant, Raw):
        kept: list[Any] = []

        def log(text: str) -> None:
            kept.append((time.monotonic(), text, "info"))

        def plain(texts: list[str]) -> float:
            began = time.perf_counter()
            for text in texts:
                kept.append((time.monotonic(), text, "info"))
            return time.perf_counter() - began

        timed = plain
    else:

        def timed(texts: list[str]) -> float:
            log = contestant.new().log
            began = time.perf_counter()
            for text in texts:
                log(text)
            return time.perf_counter() - began

    texts = [message(k) for k in range(20_000)]
    times = sorted(timed(texts) for _ in range(25))
    job = contestant.new()
    del texts
    gc.collect()
    before = resident()
    for k in range(1, count + 1):
        job.log(message(k))
    gc.collect()
    unread = resident()
    contestant.read_all(job)
    gc.collect()
    read = resident()
    return {
        "log_ns": times[len(times) // 4] / 20_000 * 1e9,
        "unread": (unread - before) / count,
        "read": (read - before) / count,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--port", type=int)
    parser.add_argument("--solo", type=int)
    arguments = parser.parse_args()
    contestant = CONTESTANTS[arguments.name]()
    if arguments.solo:
        print(json.dumps(solo(contestant, arguments.solo)))
        return
    import resource

    import uvicorn

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    bench = Bench(contestant)
    uvicorn.run(
        bench, port=arguments.port, loop="uvloop", http="httptools", interface="asgi3", lifespan="off",
        log_level="warning", access_log=False, timeout_graceful_shutdown=1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
