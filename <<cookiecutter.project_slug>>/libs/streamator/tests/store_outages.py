"""`RemoteFaultContract`: tests for remote stores of a server that fails, and of a job's process that dies."""

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
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import pytest

from streamator import follow
from streamator.emitter import JobEmitter
from streamator.errors import StoreError
from streamator.events import Event
from streamator.log import EventLog
from streamator.logger import JobLogger
from streamator.stores.remote.store import RemoteStore
from streamator.testing import collect
from streamator.testing.base import messages, raises, run

T = TypeVar("T")
Make = Callable[..., RemoteStore]

LOST: Event = {"event": "status", "status": "lost"}


class StoreServer(Protocol):
    """A store's server that a test can break. Each test gets an empty one that works."""

    def open(self, **options: Any) -> RemoteStore:
        """Open a new store on it, as another process would. The options are those of `RemoteStore`."""

    def program(self, **options: Any) -> str:
        """Python code that opens such a store as ``store``."""

    def kill(self) -> None:
        """Stop it: connections are refused."""

    def start(self) -> None:
        """Start it again. It may have lost its data."""

    def pause(self) -> None:
        """Make it hang, as SIGSTOP does: it accepts requests but answers none."""

    def resume(self) -> None:
        """Let it answer again."""

    def throttle(self, share: float) -> None:
        """Refuse this share of the writes, at random, for stores that are opened from now on."""

    def lose(self) -> None:
        """Delete all data."""

    def expire(self) -> None:
        """Delete expired data, if the server does not do so by itself."""

    def deny(self) -> None:
        """Make the credentials of all stores expire."""

    def admit(self) -> None:
        """Accept these credentials again."""


class RemoteFaultContract:
    """Tests that a store passes whose data is on a server. Derive from it, and give a fixture ``server`` that is a
    `StoreServer`. The numbers are those of the README's table of faults."""

    lease: float = 1.5
    """The ``lease_seconds`` of the stores, in seconds."""
    outage: float = 10.0
    """How long the server is away in the middle of a job, in seconds."""

    @pytest.fixture
    def make(self, server: StoreServer) -> Iterator[Make]:
        """Opens stores on the server, with options that differ from the defaults. The fixture closes them."""
        opened: list[RemoteStore] = []
        others = set(threading.enumerate())

        def make(**options: Any) -> RemoteStore:
            opened.append(server.open(**{"lease_seconds": self.lease, **options}))
            return opened[-1]

        yield make
        for store in opened:
            store.close()
        # A thread that is still there could log a warning in the next test.
        until(lambda: not any(t.name.startswith("streamator-") for t in set(threading.enumerate()) - others))

    # A server that fails

    def test_04_sigterm_ends_the_wait_for_a_hanging_server(self, server: StoreServer) -> None:
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
            reads(process, "waits")
            began = time.monotonic()
            process.terminate()
            *said, ended = process.communicate(timeout=20)[0].splitlines()
            assert float(ended) - began < 1.5
            assert len(said) == 3 and all("the server stops" in each for each in said), said
        server.resume()

    def test_06_a_server_that_is_down_at_the_start_blocks_nobody(
        self, server: StoreServer, make: Make, caplog: Any
    ) -> None:
        server.kill()
        writer = make()
        job = self._work(writer)
        assert "201 events of 1 job waiting" in until(lambda: writer.degraded)
        assert read(writer, job.job_id) == lines(0, 200), "the job's own process shows it all the same"
        assert raises(StoreError, lambda: run(make().find(job.job_id)))
        server.start()
        assert read(make(), job.job_id) == lines(0, 200)
        until(lambda: writer.degraded is None)
        assert len(told(caplog, "writing fails")) == len(told(caplog, "writing works again")) == 1

    def test_06_a_server_that_hangs_from_the_start_blocks_nobody(self, server: StoreServer, make: Make) -> None:
        server.pause()
        writer = make()
        job = self._work(writer)
        assert read(writer, job.job_id) == lines(0, 200)
        server.resume()
        assert read(make(), job.job_id) == lines(0, 200)

    def test_07_an_outage_in_mid_job_loses_nothing(self, server: StoreServer, make: Make) -> None:
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
        server.kill()  # a short outage
        server.start()
        log(job, count + 100, count + 200)
        job.close()
        assert viewer.complete() == read(make(), job.job_id) == lines(0, count + 200)
        # A quiet job is there too.
        assert run(found(make(), quiet.job_id)).last == 1
        quiet.close()
        assert watcher.complete() == ["x"]

    def test_08_close_during_an_outage_is_bounded_and_reports_the_loss(
        self, server: StoreServer, make: Make, caplog: Any
    ) -> None:
        for fails, mends in ((server.kill, server.start), (server.pause, server.resume)):
            caplog.clear()
            writer = make(close_seconds=0.5)
            job = JobLogger(writer)
            job.log("stored")
            assert writer.flush(20) == 0
            fails()
            log(job, 0, 41)
            with within(1.5):
                job.close()
            (waited,) = told(caplog, "the end of job")
            assert "42 events" in waited
            with within(2.5):
                with within(0.45), JobLogger(writer):
                    pass  # only the first close of an outage waits
                run(self._closed_on_a_loop(writer))
                writer.close()
            (loss,) = told(caplog, "not stored")
            assert "46 events" in loss
            mends()

    async def _closed_on_a_loop(self, store: RemoteStore) -> None:
        """Close jobs on an event loop, which must not wait for the server."""
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        with within(1.5):
            with within(0.1):
                JobLogger(store).close()
            ticking = asyncio.ensure_future(tick())
            async with JobLogger(store) as job:
                job.log("x")
                assert not await job.flushed(0.3)
            ticking.cancel()
        assert ticks > 10

    def test_08_a_process_that_ends_during_an_outage_reports_the_loss(self, server: StoreServer) -> None:
        code = "job = JobLogger(store)\nlog(10)\nprint(time.monotonic(), flush=True)"
        for fails, mends in ((server.kill, server.start), (server.pause, server.resume)):
            fails()
            with self._process(server, code, close_seconds=0.5) as process:
                said, warned = process.communicate(timeout=20)
                assert time.monotonic() - float(said) < 5
                assert "10 events not stored" in warned and "Traceback" not in warned
            mends()

    def test_09_a_server_that_hangs_does_not_slow_the_job(self, server: StoreServer, make: Make) -> None:
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
        assert sorted(took)[-4] < 0.005  # a shared machine may pause this process a few times
        until(lambda: writer.degraded and reader.degraded)
        server.resume()
        job.close()
        assert viewer.complete() == read(make(), job.job_id) == lines(0, 3_000)

    def test_10_throttling_three_writes_in_ten_loses_nothing(self, server: StoreServer, make: Make) -> None:
        server.throttle(0.3)
        # With a short lease chance alone would refuse all of a producer's beats now and then.
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
            assert viewer.complete() == lines(0, count)

    def test_11_lost_data_is_written_again_with_a_warning(self, server: StoreServer, make: Make, caplog: Any) -> None:
        writer, reader = make(), make()
        job = JobLogger(writer)
        log(job, 0, 300)
        viewer = Viewer(reader, job.job_id)
        until(lambda: len(viewer.messages) == 300)
        server.lose()
        log(job, 300, 600, pause=0.001)
        job.close()
        assert viewer.complete() == read(make(), job.job_id) == lines(0, 600)
        assert told(caplog, "still in memory is written again")

    def test_11_lost_data_that_cannot_be_written_again_is_a_gap(self, server: StoreServer, make: Make) -> None:
        writer, reader = make(maxlen=100), make()
        job = JobLogger(writer)
        viewer = Viewer(reader, job.job_id)
        for n in range(0, 300, 50):  # slowly, so that the viewer sees each event before it is dropped
            log(job, n, n + 50)
            until(partial(viewer.has, n + 50))
        server.lose()
        log(job, 300, 301)
        job.close()
        assert numbered(viewer.join()) == list(enumerate(lines(0, 301), 1))
        late = run(transcript(make(), job.job_id))
        assert late[0]["event"] == "gap" and late[0]["missed"] >= 200
        assert numbered(late) == list(enumerate(lines(0, 301), 1))[late[0]["missed"] :]

    def test_12_four_processes_start_at_once_on_an_empty_server(self, server: StoreServer, make: Make) -> None:
        wait = "print('ready', flush=True)\nsys.stdin.readline()\n"
        code = wait + "job = JobLogger(store, job_id={!r})\nlog(50)\njob.close()"
        names = [f"job{n}" for n in range(4)]
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(self._process(server, code.format(name))) for name in names]
            for process in processes:
                reads(process, "ready")
            for process in processes:
                go_on(process)
            for process in processes:
                _, warned = process.communicate(timeout=30)
                assert (process.returncode, warned) == (0, "")
        store = make()
        for name in names:
            assert read(store, name) == lines(0, 50)

    def test_14_expired_credentials_give_one_warning_and_the_live_view_goes_on(
        self, server: StoreServer, make: Make, caplog: Any
    ) -> None:
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
        assert here.complete() == there.complete() == lines(0, 20)
        until(lambda: writer.degraded is None)
        assert len(told(caplog, "writing fails")) == 1

    # Much, and large

    def test_15_ten_thousand_lines_arrive_exactly_in_another_process(self, server: StoreServer, make: Make) -> None:
        work = "for n in range(10_000): job.log(f'{n} {os.urandom(30).hex()}')\n"
        code = f"job = JobLogger(store, job_id='job')\n{work}job.close()"
        with self._process(server, code) as process:
            events = run(transcript(make(), "job"))
            assert process.wait(20) == 0
        assert [text.split()[0] for text in messages(events)] == [str(n) for n in range(10_000)]
        assert events[-1]["event"] == "done" and len(events) == 10_001
        assert sum(map(len, messages(events))) > 400 * 1_024

    def test_16_text_that_is_neither_ascii_nor_compressible_is_stored_whole(
        self, server: StoreServer, make: Make
    ) -> None:
        chance = random.Random(7)

        def text(length: int) -> str:
            return "".join(chr(chance.randint(0x10000, 0x10FFFF)) for _ in range(length))

        texts = ["é" * 65_536, text(65_536)]
        large = {"event": "large", "one": text(40_000), "two": text(40_000)}
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

    def test_19_a_killed_producer_is_lost_within_two_leases(self, server: StoreServer, make: Make) -> None:
        reader = make()
        with self._process(server, "job = JobLogger(store, job_id='job')\nlog(1)\ntime.sleep(60)") as process:
            viewer = Viewer(reader, "job")
            until(lambda: viewer.messages)
            process.kill()
            with within(2 * self.lease):
                until(lambda: LOST in viewer.events)
        assert [event["event"] for event in viewer.join()] == ["log", "status"], "and then the stream ends"
        late = Viewer(reader, "job")
        until(lambda: late.events[1:] == [LOST])

    def test_a_process_that_ends_right_after_its_jobs_loses_nothing(self, server: StoreServer, make: Make) -> None:
        """Some workers fork for each job and end by `os._exit`; a cloud function is frozen."""
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

    def test_20_a_stopped_producer_is_lost_and_then_running_again(self, server: StoreServer, make: Make) -> None:
        code = "job = JobLogger(store, job_id='job')\nlog(1)\nsys.stdin.readline()\nlog(1)\njob.close()"
        with self._process(server, code) as process:
            viewer = Viewer(make(), "job")
            until(lambda: viewer.messages)
            os.kill(process.pid, signal.SIGSTOP)
            until(lambda: LOST in viewer.events)
            os.kill(process.pid, signal.SIGCONT)
            until(lambda: {**LOST, "status": "running"} in viewer.events)
            go_on(process)
            seen = [event.get("status") or event["message"] for event in viewer.join()]
            assert seen == ["line 0", "lost", "running", "line 0", "completed"]
            assert process.wait(20) == 0

    # Attempts

    def test_a_producer_that_wakes_after_the_next_attempt_began_is_refused(
        self, server: StoreServer, make: Make
    ) -> None:
        code = """
job = JobLogger(store, job_id='job', attempt='next')
log(1)
job.flush(20)
sys.stdin.readline()
while not job.cancel_requested:
    job.log('of a zombie')
    time.sleep(0.01)
job.log('late')
job.log('later')
job.close()
print('told', flush=True)
"""
        with self._process(server, code) as process:
            viewer = Viewer(make(), "job")
            until(lambda: viewer.messages)
            os.kill(process.pid, signal.SIGSTOP)
            until(lambda: LOST in viewer.events)
            job = JobLogger(make(), job_id="job", attempt="next", reason="worker lost")
            log(job, 1, 2)
            until(lambda: viewer.messages == lines(0, 2))
            os.kill(process.pid, signal.SIGCONT)
            go_on(process)
            reads(process, "told")
            log(job, 2, 3)
            job.close()
            names = [event.get("status", event.get("message", event["event"])) for event in viewer.join()]
            assert [name for name in names if name != "running"] == [
                "line 0", "lost", "attempt", "line 1", "line 2", "completed"
            ]  # fmt: skip
            _, warned = process.communicate(timeout=20)
            assert warned.count("Fenced") == 1 and "Traceback" not in warned
        assert read(make(), "job") == lines(0, 3)

    def test_of_two_attempts_that_write_at_once_the_newer_has_the_log(self, server: StoreServer, make: Make) -> None:
        older, newer, reader = make(), make(), make()
        first = JobLogger(older, job_id="job", attempt="next")
        viewer = Viewer(reader, "job")
        over = threading.Event()

        def write() -> None:
            count = 0
            while not over.is_set():
                first.log(f"old {count}")
                count += 1
                time.sleep(0.001)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is fenced
            writing = threading.Thread(target=write)
            writing.start()
            until(lambda: len(viewer.messages) > 20)
            second = JobLogger(newer, job_id="job", attempt="next")
            log(second, 0, 500, pause=0.001)
            until(lambda: first.cancel_requested)
            over.set()
            writing.join()
        second.close()
        live, late = viewer.join(), run(transcript(make(), "job"))
        assert live == late and not [event for event in live if event["event"] == "gap"]
        begun = [event["event"] for event in live].index("attempt")
        assert messages(live[:begun]) == [f"old {n}" for n in range(begun)], "nothing is lost or doubled"
        assert messages(live[begun:]) == lines(0, 500)

    def test_an_attempt_begins_when_a_store_that_was_away_is_back(self, server: StoreServer, make: Make) -> None:
        first = JobLogger(make(), job_id="job", attempt="next")
        log(first, 0, 10)
        first.checkpoint({"line": 10})
        assert first.flush(20)
        server.pause()
        with within(12), pytest.raises(StoreError, match="an attempt of job 'job' could not begin: .*; try again when"):
            JobLogger(make(close_seconds=1), job_id="job", attempt="next")
        server.resume()
        second = JobLogger(make(close_seconds=20), job_id="job", attempt="next")
        assert second.attempt >= 2, "the one that was refused may have begun all the same"
        assert second.last_checkpoint == {"line": 10}
        log(second, 10, 20)
        second.close()
        assert read(make(), "job") == lines(0, 20)

    def test_a_first_attempt_begins_without_the_store_and_is_stored_when_that_is_back(
        self, server: StoreServer, make: Make
    ) -> None:
        store = make()
        server.pause()
        with within(2):
            first = JobLogger(store, job_id="job", attempt=1)
            log(first, 0, 10)
            first.checkpoint(10)
        server.resume()
        assert first.flush(20)
        second = JobLogger(make(), job_id="job", attempt=2)
        assert second.last_checkpoint == 10
        log(second, 10, 20)
        second.close()
        assert read(make(), "job") == lines(0, 20)

    def test_an_epoch_that_was_lost_with_the_store_is_still_the_newest(self, server: StoreServer, make: Make) -> None:
        first = JobLogger(make(), job_id="job", attempt="next")
        log(first, 0, 10)
        assert first.flush(20)
        second = JobLogger(make(), job_id="job", attempt="next")
        log(second, 10, 20)
        second.checkpoint({"line": 20})
        assert second.flush(20)
        viewer = Viewer(make(), "job")
        until(lambda: viewer.messages == lines(0, 20))
        server.lose()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while not first.cancel_requested:
                first.log("of a zombie")
                time.sleep(0.01)
        log(second, 20, 30)
        assert second.flush(20) and not second.cancel_requested
        third = JobLogger(make(), job_id="job", attempt="next")
        assert (third.attempt, third.last_checkpoint) == (3, {"line": 20})
        third.close()
        assert viewer.messages[:20] == lines(0, 20) and [*viewer.join()][-1]["event"] == "done"
        assert viewer.messages == lines(0, 30)
        late = run(transcript(make(), "job"))
        begun = [event["event"] for event in late].index("attempt")
        assert messages(late[begun:]) == lines(10, 30)
        assert [event["attempt"] for event in late if event["event"] == "attempt"] == [2, 3]

    def test_21_an_expired_head_is_a_gap(self, server: StoreServer, make: Make) -> None:
        seconds = 4  # long enough for a slow machine to renew the head in time
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
        """Log two hundred lines on an event loop, which must not wait for the server."""

        async def work() -> JobLogger:
            job = JobLogger(store)
            log(job, 0, 200)
            job.close()
            return job

        with within(0.5):
            return run(work())

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
    """A viewer in its own thread that reads to the end. ``viewer.events`` holds the events so far."""

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
        """Whether it has seen exactly this many messages."""
        return len(self.messages) == count

    def join(self) -> list[Event]:
        """All events, once the stream has ended."""
        self._thread.join(40)
        assert not self._thread.is_alive(), f"the stream did not end; the last event was {self.events[-1:]}"
        return self.events

    def complete(self) -> list[Any]:
        """All messages, once the stream has ended: it must hold nothing else but ``done``, as its last event."""
        names = [event["event"] for event in self.join()]
        assert names == ["log"] * (len(names) - 1) + ["done"]
        return self.messages


async def found(store: RemoteStore, job_id: str) -> EventLog:
    """A job's log, as soon as the store can read it."""
    while True:
        with contextlib.suppress(StoreError):
            if (log := await store.find(job_id)) is not None:
                return log
        await asyncio.sleep(0.02)


async def transcript(store: RemoteStore, job_id: str) -> list[Event]:
    """A job's events to the end of its stream, with or without ``done``."""
    return await collect(await asyncio.wait_for(found(store, job_id), 40), timeout=40)


def read(store: RemoteStore, job_id: str) -> list[Any]:
    """A job's messages to the end of its stream."""
    return messages(run(transcript(store, job_id)))


def reads(process: subprocess.Popen[str], line: str) -> None:
    """Wait for the next line that a process prints, which must be ``line``."""
    assert process.stdout and process.stdout.readline() == f"{line}\n"


def go_on(process: subprocess.Popen[str]) -> None:
    """Release a process that waits for a line on its standard input."""
    assert process.stdin
    process.stdin.write("go on\n")
    process.stdin.flush()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Assert that the block takes less than this many seconds."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds, f"it took {took:.2f} s, not less than {seconds:g} s"


def until(condition: Callable[[], T | None], timeout: float = 20.0) -> T:
    """Wait until a condition is true, ``timeout`` seconds at most. Returns its value."""
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
    """The messages with their ids; a gap counts as the events it stands for."""
    found, event_id = [], 0
    for event in events:
        event_id += event.get("missed", 1)
        if event["event"] == "log":
            found.append((event_id, event["message"]))
    return found


def failures(store: RemoteStore, kind: str | None = None) -> int:
    """How many writes have failed, of one kind or of all."""
    counted = store.counts().totals.failures
    return sum(counted.values()) if kind is None else counted[kind]


def told(caplog: Any, words: str) -> list[str]:
    """The log records that contain these words."""
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]
