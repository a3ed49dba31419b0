"""`RemoteFaultContract`: what comes out where the server of a store fails, or the process of a job."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from ..emitter import JobEmitter
from ..errors import StoreError
from ..events import Event
from ..log import EventLog
from ..logger import JobLogger
from ..remote import RemoteStore
from ..stream import follow
from .base import messages, raises, run

T = TypeVar("T")

LOST: Event = {"event": "status", "status": "lost"}


class StoreServer(Protocol):
    """The server of a store, as a test breaks it. It is well when a test gets it, and has nothing stored."""

    def open(self, **options: Any) -> RemoteStore:
        """A store on it, as another process would have it. The options are those of `RemoteStore`."""

    def program(self, **options: Any) -> str:
        """Python that gives a process such a store, by the name ``store``."""

    def kill(self) -> None:
        """End it: connections are refused."""

    def start(self) -> None:
        """Begin anew, with what it had or without."""

    def pause(self) -> None:
        """Let it hang, as SIGSTOP does: it takes requests, and answers none."""

    def resume(self) -> None:
        """Let it answer again."""

    def throttle(self, share: float) -> None:
        """Turn away this share of the writes, at random, of the stores that are opened from now on."""

    def lose(self) -> None:
        """Lose all that is stored."""

    def expire(self) -> None:
        """Remove what has outlived its time to live, if the server does not do so by itself."""

    def deny(self) -> None:
        """Let the credentials of all stores expire."""

    def admit(self) -> None:
        """Take these credentials again."""


class RemoteFaultContract:
    """The tests that a store passes whose data is in a server: derive from it, and give a fixture ``server``, which is
    a `StoreServer`. The numbers are those of the README's table of faults."""

    lease: float = 1.5
    """The ``lease_seconds`` of the stores, in seconds."""
    outage: float = 10.0
    """How long the server is away in the middle of a job, in seconds."""

    # A server that fails

    def test_04_who_waits_for_a_server_that_hangs_waits_no_longer_when_the_process_is_to_stop(
        self, server: StoreServer
    ) -> None:
        code = """
import asyncio, signal
from streamator import StoreError

signal.signal(signal.SIGTERM, lambda *_: None)  # as a web server has it, which ends when all requests are answered

async def ask(call, job_id):
    try:
        await call(job_id)
    except StoreError as error:
        return str(error)

async def main():
    waiting = [asyncio.ensure_future(ask(call, "other")) for call in (store.find, store.cancel)]
    await asyncio.sleep(0.5)
    assert not any(each.done() for each in waiting)
    print("waits", flush=True)
    for said in [*await asyncio.gather(*waiting), await ask(store.find, "another")]:
        print(said)
    print(time.monotonic(), flush=True)

asyncio.run(main())
"""
        server.pause()
        with self._process(server, code) as process:
            assert process.stdout and process.stdout.readline() == "waits\n"
            began = time.monotonic()
            process.terminate()
            *said, ended = process.communicate(timeout=20)[0].splitlines()
            assert float(ended) - began < 1.5
            assert len(said) == 3 and all("the server stops" in each for each in said), said
        server.resume()

    def test_06_a_server_that_is_not_there_yet_holds_up_nobody(self, server: StoreServer, caplog: Any) -> None:
        server.kill()
        with self._stores(server) as make:
            writer = make()
            job = self._work(writer)
            assert "201 events of 1 job waiting" in until(lambda: writer.degraded)
            assert messages(run(transcript(writer, job.job_id))) == lines(0, 200), "here it is seen all the same"
            assert raises(StoreError, lambda: run(make().find(job.job_id)))
            server.start()
            assert messages(run(transcript(make(), job.job_id))) == lines(0, 200)
            until(lambda: writer.degraded is None)
            assert len(told(caplog, "writing fails")) == len(told(caplog, "writing works again")) == 1

    def test_06_a_server_that_hangs_from_the_start_holds_up_nobody(self, server: StoreServer) -> None:
        server.pause()
        with self._stores(server) as make:
            writer = make()
            job = self._work(writer)
            assert messages(run(transcript(writer, job.job_id))) == lines(0, 200)
            server.resume()
            assert messages(run(transcript(make(), job.job_id))) == lines(0, 200)

    def test_07_a_server_that_is_away_in_the_middle_of_a_job_costs_nothing(self, server: StoreServer) -> None:
        with self._stores(server) as make:
            writer, reader = make(), make()
            job, quiet = JobLogger(writer), JobLogger(writer)
            quiet.log("x")
            log(job, 0, 100)
            viewer, watcher = Viewer(reader, job.job_id), Viewer(reader, quiet.job_id)
            until(lambda: len(viewer.messages) == 100 and watcher.messages == ["x"])
            server.kill()
            count, back = 100, time.monotonic() + self.outage
            while time.monotonic() < back:
                log(job, count, count + 1)
                count += 1
                time.sleep(0.001)
            assert writer.degraded and reader.degraded
            server.start()
            log(job, count, count + 100)
            until(lambda: writer.degraded is None and reader.degraded is None)
            server.kill()  # once more, and at once
            server.start()
            log(job, count + 100, count + 200)
            job.close()
            assert [event["event"] for event in viewer.join()] == ["log"] * (count + 200) + ["done"]
            assert viewer.messages == messages(run(transcript(make(), job.job_id))) == lines(0, count + 200)
            # A job that says nothing is there too.
            assert run(found(make(), quiet.job_id)).last == 1
            quiet.close()
            assert [event["event"] for event in watcher.join()] == ["log", "done"]

    def test_08_to_close_without_the_server_is_bounded_and_tells_how_much_is_lost(
        self, server: StoreServer, caplog: Any
    ) -> None:
        for fails, mends in ((server.kill, server.start), (server.pause, server.resume)):
            caplog.clear()
            with self._stores(server) as make:
                writer = make(close_seconds=0.5)
                job = JobLogger(writer)
                job.log("stored")
                assert writer.flush(20) == 0
                fails()
                log(job, 0, 41)
                began = time.monotonic()
                job.close()
                assert time.monotonic() - began < 1.5
                (waited,) = told(caplog, "waited for in vain")
                assert "42 events" in waited
                began = time.monotonic()
                with JobLogger(writer):
                    pass
                assert time.monotonic() - began < 0.45, "an outage is waited for once"
                run(self._closed_on_a_loop(writer))
                writer.close()
                assert time.monotonic() - began < 2.5
                (loss,) = told(caplog, "not stored")
                assert "46 events" in loss
                mends()

    async def _closed_on_a_loop(self, store: RemoteStore) -> None:
        """On an event loop a job ends at once, and nothing there waits for the server."""
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        began = time.monotonic()
        JobLogger(store).close()
        assert time.monotonic() - began < 0.1
        ticking = asyncio.ensure_future(tick())
        async with JobLogger(store) as job:
            job.log("x")
            assert not await job.flushed(0.3)
        ticking.cancel()
        assert ticks > 10 and time.monotonic() - began < 1.5

    def test_08_a_process_that_ends_without_the_server_tells_how_much_is_lost(self, server: StoreServer) -> None:
        code = "job = JobLogger(store)\nlog(10)\nprint(time.monotonic(), flush=True)"
        for fails, mends in ((server.kill, server.start), (server.pause, server.resume)):
            fails()
            with self._process(server, code, close_seconds=0.5) as process:
                said, warned = process.communicate(timeout=20)
                assert time.monotonic() - float(said) < 5
                assert "10 events not stored" in warned and "Traceback" not in warned
            mends()

    def test_09_a_server_that_hangs_does_not_slow_the_job(self, server: StoreServer) -> None:
        with self._stores(server) as make:
            writer, reader = make(), make()
            job = JobLogger(writer)
            log(job, 0, 1)
            viewer = Viewer(reader, job.job_id)
            until(lambda: viewer.messages)
            server.pause()
            took = []
            for n in range(1, 3_000):
                began = time.perf_counter()
                log(job, n, n + 1)
                took.append(time.perf_counter() - began)
                time.sleep(0.0005)
            assert sorted(took)[-4] < 0.005  # a shared machine may take the processor away now and then
            until(lambda: writer.degraded and reader.degraded)
            server.resume()
            job.close()
            assert [event["event"] for event in viewer.join()] == ["log"] * 3_000 + ["done"]
            assert viewer.messages == messages(run(transcript(make(), job.job_id))) == lines(0, 3_000)

    def test_10_three_writes_of_ten_turned_away_change_nothing(self, server: StoreServer) -> None:
        server.throttle(0.3)
        with self._stores(server) as make:
            # In a short lease chance alone turns away all of a producer's signs of life, now and then.
            writer, reader = make(lease_seconds=10), make(lease_seconds=10)
            jobs = [JobLogger(writer) for _ in range(3)]
            viewers = [Viewer(reader, job.job_id) for job in jobs]
            count = 0
            while count < 500 or failures(writer) < 10:
                for job in jobs:
                    log(job, count, count + 1)
                count += 1
                time.sleep(0.001)
            for job in jobs:
                job.close()
            for viewer in viewers:
                assert [event["event"] for event in viewer.join()] == ["log"] * count + ["done"]
                assert viewer.messages == lines(0, count)

    def test_11_what_the_server_has_lost_is_written_again_and_told(self, server: StoreServer, caplog: Any) -> None:
        with self._stores(server) as make:
            writer, reader = make(), make()
            job = JobLogger(writer)
            log(job, 0, 300)
            viewer = Viewer(reader, job.job_id)
            until(lambda: len(viewer.messages) == 300)
            server.lose()
            log(job, 300, 600, pause=0.001)
            job.close()
            assert [event["event"] for event in viewer.join()] == ["log"] * 600 + ["done"]
            assert viewer.messages == messages(run(transcript(make(), job.job_id))) == lines(0, 600)
            assert told(caplog, "still in memory is written again")

    def test_11_what_is_in_memory_no_more_is_a_gap(self, server: StoreServer) -> None:
        with self._stores(server) as make:
            writer, reader = make(maxlen=100), make()
            job = JobLogger(writer)
            viewer = Viewer(reader, job.job_id)
            for n in range(0, 300, 50):  # so slowly that it is seen before it goes
                log(job, n, n + 50)
                until(partial(viewer.has, n + 50))
            server.lose()
            log(job, 300, 301)
            job.close()
            assert numbered(viewer.join()) == list(enumerate(lines(0, 301), 1))
            late = run(transcript(make(), job.job_id))
            assert late[0]["event"] == "gap" and late[0]["missed"] >= 200
            assert numbered(late) == list(enumerate(lines(0, 301), 1))[late[0]["missed"] :]

    def test_12_four_processes_that_begin_at_once_on_an_empty_server_all_work(self, server: StoreServer) -> None:
        wait = "print('ready', flush=True)\nsys.stdin.readline()\n"
        code = wait + "job = JobLogger(store, job_id={!r})\nlog(50)\njob.close()"
        names = [f"job{n}" for n in range(4)]
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(self._process(server, code.format(name))) for name in names]
            for process in processes:
                assert process.stdout and process.stdout.readline() == "ready\n"
            for process in processes:
                assert process.stdin
                process.stdin.write("go\n")
                process.stdin.flush()
            for process in processes:
                _, warned = process.communicate(timeout=30)
                assert (process.returncode, warned) == (0, "")
        with self._stores(server) as make:
            store = make()
            for name in names:
                assert messages(run(transcript(store, name))) == lines(0, 50)

    def test_14_credentials_that_expire_are_one_warning_and_the_live_view_goes_on(
        self, server: StoreServer, caplog: Any
    ) -> None:
        with self._stores(server) as make:
            writer, reader = make(), make()
            job = JobLogger(writer)
            log(job, 0, 1)
            here, there = Viewer(writer, job.job_id), Viewer(reader, job.job_id)
            until(lambda: here.messages and there.messages)
            server.deny()
            log(job, 1, 20)
            until(lambda: here.messages == lines(0, 20))
            until(lambda: failures(writer, "denied") > 2)
            assert "19 events of 1 job waiting" in str(writer.degraded)
            assert len(told(caplog, "writing fails")) == 1
            server.admit()
            assert writer.flush(20) == 0
            job.close()
            assert messages(here.join()) == messages(there.join()) == lines(0, 20)
            until(lambda: writer.degraded is None)
            assert len(told(caplog, "writing fails")) == 1

    # Much, and large

    def test_15_ten_thousand_lines_of_another_process_arrive_exactly(self, server: StoreServer) -> None:
        work = "for n in range(10_000): job.log(f'{n} {os.urandom(30).hex()}')\n"
        code = f"job = JobLogger(store, job_id='job')\n{work}job.close()"
        with self._stores(server) as make, self._process(server, code) as process:
            events = run(transcript(make(), "job"))
            assert process.wait(20) == 0
        assert [text.split()[0] for text in messages(events)] == [str(n) for n in range(10_000)]
        assert events[-1]["event"] == "done" and len(events) == 10_001
        assert sum(map(len, messages(events))) > 400 * 1_024

    def test_16_text_that_is_neither_ascii_nor_compressible_is_stored_whole(self, server: StoreServer) -> None:
        chance = random.Random(7)

        def text(length: int) -> str:
            return "".join(chr(chance.randint(0x10000, 0x10FFFF)) for _ in range(length))

        texts = ["é" * 65_536, text(65_536)]
        large = {"event": "large", "one": text(40_000), "two": text(40_000)}
        with self._stores(server) as make:
            writer = make()
            with JobEmitter(writer) as job:
                for each in texts:
                    job.log(each)
                job.emit(large)
            assert writer.flush(20) == 0
            events = run(transcript(make(), job.job_id))
            assert messages(events) == texts
            assert {**events[2], "t": 0} == {**large, "t": 0}

    # The process of a job

    def test_19_a_producer_that_is_killed_is_lost_within_two_leases(self, server: StoreServer) -> None:
        with self._stores(server) as make:
            reader = make()
            with self._process(server, "job = JobLogger(store, job_id='job')\nlog(1)\ntime.sleep(60)") as process:
                viewer = Viewer(reader, "job")
                until(lambda: viewer.messages)
                process.kill()
                killed = time.monotonic()
                until(lambda: LOST in viewer.events)
                assert time.monotonic() - killed < 2 * self.lease
            assert [event["event"] for event in viewer.join()] == ["log", "status"], "and then the stream ends"
            late = Viewer(reader, "job")
            until(lambda: late.events[1:] == [LOST])

    def test_a_process_that_ends_right_after_its_jobs_has_lost_nothing(self, server: StoreServer) -> None:
        """As workers end that fork for each job: by `os._exit`, or killed. Frozen right then, as a function in a cloud
        is, it comes to the same."""
        work = "for n in range(jobs):\n    with JobLogger(store, job_id=f'{name}{n}') as job: log(3)\n"
        flush = """
jobs = [JobLogger(store, job_id=f'{name}{n}') for n in range(jobs)]
for job in jobs: log(3), job.close(wait=0)
assert all([job.flush(20) for job in jobs])
"""
        loop = """
import asyncio

async def one(n):
    async with JobLogger(store, job_id=f'{name}{n}') as job:
        for i in range(3): job.log(f'line {i}')

async def main():
    await asyncio.gather(*map(one, range(1, jobs)))
    job = JobLogger(store, job_id=f'{name}0')
    for i in range(3): job.log(f'line {i}')
    job.close()
    assert await job.flushed(20)

asyncio.run(main())
"""
        freeze = "import signal\nos.kill(os.getpid(), signal.SIGSTOP)"
        with self._stores(server) as make:
            store = make()
            for name, code, end, jobs in [
                ("exit", work, "os._exit(0)", 40), ("freeze", work, freeze, 5), ("flush", flush, "os._exit(0)", 20),
                ("loop", loop, "os._exit(0)", 20),
            ]:  # fmt: skip
                with self._process(server, f"name, jobs = {name!r}, {jobs}\n{code}{end}") as process:
                    if name == "freeze":
                        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
                    else:
                        assert (process.communicate(timeout=40)[1], process.returncode) == ("", 0)
                    for n in range(jobs):
                        events = run(transcript(store, f"{name}{n}"))
                        assert messages(events) == lines(0, 3) and events[-1]["event"] == "done", (name, n)

    def test_20_a_producer_that_was_stopped_is_lost_and_found_again(self, server: StoreServer) -> None:
        code = "job = JobLogger(store, job_id='job')\nlog(1)\nsys.stdin.readline()\nlog(1)\njob.close()"
        with self._stores(server) as make, self._process(server, code) as process:
            viewer = Viewer(make(), "job")
            until(lambda: viewer.messages)
            os.kill(process.pid, signal.SIGSTOP)
            until(lambda: LOST in viewer.events)
            os.kill(process.pid, signal.SIGCONT)
            until(lambda: {**LOST, "status": "running"} in viewer.events)
            assert process.stdin
            process.stdin.write("go on\n")
            process.stdin.flush()
            seen = [event.get("status") or event["message"] for event in viewer.join()]
            assert seen == ["line 0", "lost", "running", "line 0", "completed"]
            assert process.wait(20) == 0

    def test_21_of_a_job_that_outlives_its_time_to_live_the_missing_head_is_a_gap(self, server: StoreServer) -> None:
        with self._stores(server) as make:
            seconds = 4  # long enough for a slow machine to keep the head from expiring
            writer = make(ttl_days=seconds / 86_400, maxlen=1_000)
            job = JobLogger(writer)
            count, end = 0, time.monotonic() + 2 * seconds
            while time.monotonic() < end:
                log(job, count, count + 1)
                count += 1
                time.sleep(0.001)
            assert writer.flush(20) == 0
            server.expire()
            viewer = Viewer(make(), job.job_id)
            until(lambda: viewer.messages[-1:] == lines(count - 1, count))
            job.close()
            events = viewer.join()
            gaps = [event["missed"] for event in events if event["event"] == "gap"]
            there = numbered(events)
            assert len(gaps) == 1 and gaps[0] > 100 and gaps[0] + len(there) == count
            assert there == [(n, f"line {n - 1}") for n, _ in there] and there[-1][0] == count
            assert events[-1]["event"] == "done"

    # Helpers

    def _work(self, store: RemoteStore) -> JobLogger:
        """A job of two hundred lines on an event loop, which must not wait for the server."""

        async def work() -> JobLogger:
            job = JobLogger(store)
            log(job, 0, 200)
            job.close()
            return job

        began = time.monotonic()
        job = run(work())
        assert time.monotonic() - began < 0.5, "the event loop waited for the server"
        return job

    @contextmanager
    def _stores(self, server: StoreServer) -> Iterator[Callable[..., RemoteStore]]:
        """What opens stores on the server, and closes them when the test is over."""
        opened: list[RemoteStore] = []
        others = set(threading.enumerate())

        def make(**options: Any) -> RemoteStore:
            opened.append(server.open(**{"lease_seconds": self.lease, **options}))
            return opened[-1]

        try:
            yield make
        finally:
            for store in opened:
                store.close()
        # What a thread of this test says later would be heard by the next one.
        until(lambda: not any(t.name.startswith("streamator-") for t in set(threading.enumerate()) - others))

    @contextmanager
    def _process(self, server: StoreServer, code: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Another process. It has a ``store``; ``log(n)`` logs the lines 0 to n of its ``job``."""
        head = "import os, sys, time\nfrom streamator import JobLogger\n"
        log = "def log(n):\n    for i in range(n): job.log(f'line {i}')\n"
        program = f"{head}{server.program(**{'lease_seconds': self.lease, **options})}\n{log}{code}"
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()


class Viewer:
    """A viewer in a thread of its own, who reads to the end: ``viewer.events`` is what it has seen."""

    def __init__(self, store: RemoteStore, job_id: str, after: int = 0) -> None:
        self.events: list[Event] = []
        self._thread = threading.Thread(target=lambda: run(self._read(store, job_id, after)), daemon=True)
        self._thread.start()

    async def _read(self, store: RemoteStore, job_id: str, after: int) -> None:
        async for batch in follow(await found(store, job_id), after):
            self.events += batch

    @property
    def messages(self) -> list[Any]:
        return messages(list(self.events))

    def has(self, count: int) -> bool:
        """Whether it has seen so many messages, and no more."""
        return len(self.messages) == count

    def join(self) -> list[Event]:
        """All that it has seen, when its stream is over."""
        self._thread.join(40)
        assert not self._thread.is_alive(), f"the stream did not end; the last event was {self.events[-1:]}"
        return self.events


async def found(store: RemoteStore, job_id: str) -> EventLog:
    """A job's log, as soon as there is one that can be read."""
    while True:
        with contextlib.suppress(StoreError):
            if (log := await store.find(job_id)) is not None:
                return log
        await asyncio.sleep(0.02)


async def transcript(store: RemoteStore, job_id: str) -> list[Event]:
    """A job's events, to the end of the stream, also where it ends without ``done``."""

    async def read() -> list[Event]:
        return [event async for batch in follow(await found(store, job_id)) for event in batch]

    return await asyncio.wait_for(read(), 40)


def until(condition: Callable[[], T | None], timeout: float = 20.0) -> T:
    """Wait for a condition, ``timeout`` seconds at the most; returns what it gave."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.01)
    return value


def lines(start: int, stop: int) -> list[str]:
    return [f"line {n}" for n in range(start, stop)]


def log(job: JobLogger, start: int, stop: int, pause: float = 0.0) -> None:
    for line in lines(start, stop):
        job.log(line)
        if pause:
            time.sleep(pause)


def numbered(events: list[Event]) -> list[tuple[int, Any]]:
    """The messages and their ids, gaps counted."""
    found, event_id = [], 0
    for event in events:
        event_id += event.get("missed", 1)
        if event["event"] == "log":
            found.append((event_id, event["message"]))
    return found


def failures(store: RemoteStore, kind: str | None = None) -> int:
    """How many writes have failed."""
    counted = store.counts().totals.failures
    return sum(counted.values()) if kind is None else counted[kind]


def told(caplog: Any, words: str) -> list[str]:
    """The warnings that have these words."""
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]
