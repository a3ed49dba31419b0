"""Random schedules against a model of a log: jobs that log and end, viewers who come, go and resume, stores that fail,
processes that are stopped and killed. Whatever happens, what a viewer has seen is exact, or has a gap of the right
size.

The library's own code runs, with all of its threads, in a `simulation`: a step takes no time, and a case that was
found happens again. ``make model`` in the template's repository looks for new ones, for as long as it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, TypeVar

import pytest
from cloud import Cloud, CloudStore, Streams, StreamStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from simulation import Process, Simulation, simulation

from streamator import EventLog, MemoryStore, StoreError, event_type, follow
from streamator.log import Batch, Overflow
from streamator.stores.chunks.format import Chunk, Fetched, Key
from streamator.stores.chunks.writer import _Outgoing as Outgoing
from streamator.stores.records.format import Append
from streamator.stores.remote.faults import FaultKind, StoreFault
from streamator.stores.remote.store import RemoteStore
from streamator.transports.poll import snapshot_json

pytestmark = pytest.mark.server

T = TypeVar("T")

# The same cases each time: what fails is then the change that is tested. Others are for `make model`, which says how
# many, and hands over a seed.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 20, derandomize=not EXAMPLES, stateful_step_count=60 if EXAMPLES else 30, deadline=None,
    database=None, suppress_health_check=list(HealthCheck),
)  # fmt: skip

LEVELS = ("info", "success", "warning", "error")
POISON = "poison"
HUGE = "huge"  # more than a chunk holds
TEXTS = {"": "", "short": "x" * 100, "long": "é" * 3_000, POISON: POISON, HUGE: "\U0001f600" * 40_000}
LEASE = 4.0
NUMBERS = st.integers(0, 5)
WEEK = 604_800.0
FRAME = re.compile(rb"(?:id: ([0-9]+)\n)?data: ([^\n]*)\n\n")


class Model:
    """A log: events, each with its place as its id, and the last one when it is closed."""

    def __init__(self, maxlen: int, overflow: Overflow) -> None:
        self.events: list[dict[str, Any]] = []
        self.status: str | None = None
        self.maxlen = maxlen
        self.newest_go = overflow == "drop_newest"

    def has_room_for(self, event_id: int) -> bool:
        """Whether a log of ``maxlen`` events has this one to the end."""
        last = len(self.events) + 1
        return event_id == last or (event_id <= self.maxlen if self.newest_go else event_id > last - self.maxlen)


class Job:
    """A job, its model, and what is known of its readers."""

    def __init__(self, job_id: str, server: Server, model: Model) -> None:
        self.id = job_id
        self.server = server
        self.model = model
        with server.inside():
            self.log: EventLog = server.store.create(job_id).log
        self.read: dict[int, Any] = {}
        """What the readers were given, by its id."""
        self.done_id: int | None = None
        self.cut = False
        """Whether its memory may have lost any of its events."""
        self.at_risk = False
        """Whether its end may never be seen by other processes."""
        self.may_begin_anew = False
        """Whether viewers may have seen events that are nowhere any more."""
        self.stored = 0
        """So many of its first events are in the store for good."""

    def append(self, kind: str, text: str, level: str) -> None:
        event: dict[str, Any] = {"event": kind, "message": f"{len(self.model.events)} {text}", "level": level}
        # There is no turn of another thread between the two.
        self.model.events.append(event)
        taken = self.log.append_log(event["message"], level) if kind == "log" else self.log.append(event)
        if not taken:
            self.model.events = [other for other in self.model.events if other is not event]

    def close(self, status: str) -> None:
        if self.log.close({"event": "done", "status": status}):
            self.model.status = status

    def orphan(self) -> None:
        """Its process is dead: calls that were being made, to append and to close, are over, and gave no answer."""
        if self.log.closed:
            last = self.log.last
            del self.model.events[last - 1 :]
            self.model.status = [*self.log.read(last - 1)][-1]["status"]

    @property
    def waits(self) -> bool:
        """Whether its process has still to store some of it."""
        store = self.server.store
        return isinstance(store, RemoteStore) and store._writer.get(self.id) is not None

    @property
    def may_be_lost(self) -> bool:
        """Whether its process may seem to be dead."""
        return self.server.killed or self.at_risk or not self.server.network.is_calm

    def may_lack(self, event_id: int) -> bool:
        """Whether a gap may stand for this event."""
        events = self.model.events
        poisoned = event_id <= len(events) and POISON in events[event_id - 1]["message"]
        return self.cut or poisoned or not self.model.has_room_for(event_id)


class Server(Process):
    """A process with a store of its own, and an event loop for its viewers."""

    def __init__(self, sim: Simulation, network: Network, new_store: Callable[[], MemoryStore]) -> None:
        super().__init__()
        self.network = network
        self.inside: Callable[[], contextlib.AbstractContextManager[None]] = partial(sim.inside, self)
        with self.inside():
            self.store = new_store()
            self.loop = sim.new_loop()
            sim.thread(self._serve)

    def _serve(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


@dataclass
class Viewer:
    """Somebody who looks at a job, comes back after each end that is not the job's, and checks what there is to see."""

    job: Job
    only_logs: bool = False
    polls: bool = False
    limit: int = 65_536
    batch_delay: float = 0.0
    heartbeat: float = 3_600.0  # without one, who is not woken is found out
    pause: float = 0.0
    cursor: int = 0
    t: float = 0.0
    state: str = "away"
    server: Server | None = None
    visit: object = None
    task: asyncio.Task[None] | None = None
    log: EventLog | None = None
    failed: AssertionError | None = None

    def come(self, server: Server) -> None:
        """From another thread: look at the job there."""
        self.state, self.server = "coming", server
        self.visit = visit = object()

        def begin() -> None:
            if self.visit is visit:  # it has not left before
                self.task = server.loop.create_task(self.look(server))

        server.loop.call_soon_threadsafe(begin)

    async def look(self, server: Server) -> None:
        while self.state not in ("done", "lost"):
            try:
                await self.find_and_read(server)
            except AssertionError as error:
                self.failed = error
            await asyncio.sleep(1)

    async def find_and_read(self, server: Server) -> None:
        known = server.network.has(self.job.id)
        try:
            self.log = await server.store.find(self.job.id)
        except StoreError:
            return
        if self.log is None:
            self.state = "missing"
            assert not (known and server.network.has(self.job.id)), "a job that is stored was not found"
            return
        self.state = "following"
        await (self.poll(self.log) if self.polls else self.follow(self.log))

    async def follow(self, log: EventLog) -> None:
        batches = follow(
            log, self.cursor, filter=event_type("log") if self.only_logs else None, limit=self.limit,
            batch_delay=self.batch_delay, heartbeat=self.heartbeat,
        )  # fmt: skip
        try:
            async for batch in batches:
                self.take(batch)
                if self.pause:
                    await asyncio.sleep(self.pause)
        finally:
            batches.stop()
        if log.status == "lost" and self.state != "done":
            self.state = "lost"

    async def poll(self, log: EventLog) -> None:
        event_id = log.start_at(self.cursor)
        answer = json.loads(await snapshot_json(log, self.cursor))
        for event in answer["logs"]:
            if event == {"event": "status", "status": "lost"}:
                self.state = "lost"
            else:
                event_id += event["missed"] if event["event"] == "gap" else 1
                self.see(event_id, event)
        assert answer["next"] == event_id

    def take(self, batch: Batch) -> None:
        for event_id, text in FRAME.findall(batch.frames):
            event = json.loads(text)
            if event_id:
                self.see(int(event_id), event)
            else:
                assert event["status"] == "running" or self.job.may_be_lost, "lost, and nothing happened"
        if not batch:  # a heartbeat
            self.skip(max(batch.last + 1, self.cursor + 1))
            self.cursor = max(self.cursor, batch.last)

    def see(self, event_id: int, event: dict[str, Any]) -> None:
        job, missed = self.job, event["missed"] if event["event"] == "gap" else 0
        assert missed >= 0
        self.skip(event_id - missed + 1 if missed else event_id)
        self.cursor = event_id
        if missed:
            lacks = range(event_id - missed + 1, event_id + 1)
            assert all(map(job.may_lack, lacks)), f"a gap of {missed} up to {event_id}"
            return
        assert event == job.read.setdefault(event_id, event), "two viewers were told two things"
        t = event.pop("t")
        if event["event"] == "done":
            self.state = "done"
            assert job.done_id in (None, event_id)
            job.done_id = event_id
        else:
            assert event == job.model.events[event_id - 1]
        event["t"] = t
        assert t >= self.t
        self.t = t

    def begin_anew(self) -> None:
        self.cursor, self.t = 0, 0.0

    def skip(self, event_id: int) -> None:
        """Nothing is seen between the cursor and this event: it was not to be shown."""
        if event_id <= self.cursor and self.job.may_begin_anew:
            self.begin_anew()
        hidden = self.job.model.events[self.cursor : event_id - 1]
        assert event_id > self.cursor, f"{event_id} after {self.cursor}"
        assert len(hidden) == event_id - 1 - self.cursor
        assert all(self.only_logs and event["event"] != "log" for event in hidden), f"{event_id} after {self.cursor}"


@dataclass
class Weather:
    """What becomes of calls to a store."""

    fails: float = 0.0
    kind: FaultKind = "busy"
    late: float = 0.0
    """How many of the writes are given up, and are made all the same, some time later."""
    unanswered: float = 0.0
    """How many are made, and nobody is told."""
    delay: float = 0.0
    stale: float = 0.0
    partial: float = 0.0


class Network:
    """What is between processes and their store."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.weather = Weather()
        self.itself = Process()
        self.well_since = -inf
        """When the last thing that was wrong, here or with a process, came to its end."""
        self.written: dict[tuple[str, int, int], float] = {}
        """When each version of a chunk was."""
        self.begun: dict[str, float] = {}
        """When each job that is stored was first."""

    @property
    def is_calm(self) -> bool:
        """Whether all has been well for longer than anything waits after a fault."""
        return self.weather == Weather() and self.sim.now > self.well_since + 45

    def has(self, job_id: str) -> bool:
        """Whether the job has been in the store for longer than any read is behind."""
        return self.begun.get(job_id, inf) < self.sim.now - 2

    def trouble(self, seconds: float = 0.0) -> None:
        self.well_since = max(self.well_since, self.sim.now + seconds)

    def happens(self, chance: float) -> bool:
        return self.sim.random.random() < chance

    def fail(self) -> None:
        if self.happens(self.weather.fails):
            raise StoreFault(self.weather.kind, "turned away")

    def call(self, effect: Callable[[], T]) -> T:
        self.sim.sleep(self.sim.random.random() * self.weather.delay)
        self.fail()
        if self.happens(self.weather.late):
            with self.sim.inside(self.itself):
                self.sim.thread(partial(self._later, effect))
            raise StoreFault("down", "no answer in time")
        answer = effect()
        if self.happens(self.weather.unanswered):
            raise StoreFault("down", "the answer was lost")
        return answer

    def _later(self, effect: Callable[[], object]) -> None:
        self.sim.sleep(self.sim.random.random() * 8)
        with contextlib.suppress(StoreFault):
            effect()


class Chunks(CloudStore):
    """A store of chunks at the other end of a network."""

    def __init__(self, cloud: Cloud, network: Network, ttl_seconds: float, **options: Any) -> None:
        self.network = network
        self.ttl_seconds = ttl_seconds
        super().__init__(cloud, ttl_days=ttl_seconds / 86_400, **options)

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        if POISON in chunk.text:
            raise StoreFault("refused", "it is poison")
        return self.network.call(partial(self._store, job_id, index, chunk, run, known))

    def _store(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        self._expire()
        size = super()._write(job_id, index, chunk, run, known)
        self.network.written[job_id, index, chunk.beat] = self.network.sim.now
        if index == 0:
            self.network.begun.setdefault(job_id, self.network.sim.now)
        return 4 * size  # so that there are more chunks, and more that may go wrong with them

    def _fetch(self, keys: list[Key]) -> Fetched:
        network = self.network
        network.sim.sleep(network.sim.random.random() * network.weather.delay)
        network.fail()
        self.cloud.unknown = network.weather.partial
        self._expire()
        fetched = super()._fetch(keys)
        for key in list(fetched.found):
            if network.happens(network.weather.stale):  # what was there a second ago
                then = network.sim.now - 1
                former = [chunk for chunk, _ in self.cloud.chunks[key] if network.written[(*key, chunk.beat)] < then]
                del fetched.found[key]
                if former:
                    fetched.found[key] = former[-1]
        return fetched

    def _expire(self) -> None:
        for key, versions in list(self.cloud.chunks.items()):
            if self.network.written[(*key, versions[-1][0].beat)] < self.network.sim.now - self.ttl_seconds:
                del self.cloud.chunks[key]
                if key[1] == 0:
                    self.network.begun.pop(key[0], None)


class Records(StreamStore):
    """A store of records at the other end of a network."""

    def __init__(self, streams: Streams, network: Network, **options: Any) -> None:
        self.network = network
        super().__init__(streams, **options)

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        poisoned = [any(POISON in text.decode() for _, text in append.events) for append in appends]
        taken = [append for append, bad in zip(appends, poisoned, strict=True) if not bad]
        answers = iter(self.network.call(partial(self._store, taken)))
        return [StoreFault("refused", "it is poison") if bad else next(answers) for bad in poisoned]

    def _store(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        for append in appends:
            self.network.begun.setdefault(append.job_id, self.network.sim.now)
        return super().append(appends)

    def beat(self, beat: int) -> bool:
        return self.network.call(partial(super().beat, beat))

    async def read(self, effect: Callable[[], T]) -> T:
        await asyncio.sleep(self.network.sim.random.random() * self.network.weather.delay)
        self.network.fail()
        return effect()


class LogsOfAStore(RuleBasedStateMachine):
    """Jobs and viewers of a few processes that have one store in common."""

    servers_count = 3
    ttl_seconds = WEEK

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = contextlib.ExitStack()
        self.jobs: list[Job] = []
        self.viewers: list[Viewer] = []
        self.kills = 0
        self.has_lost = False
        """Whether the store has lost something."""

    def new_store(self) -> MemoryStore:
        raise NotImplementedError

    @initialize(
        seed=st.integers(0, 2**32), maxlen=st.sampled_from([1_000_000, 30, 3]), max_jobs=st.sampled_from([10_000, 2]),
        overflow=st.sampled_from(["drop_oldest", "drop_newest", "block"]), max_bytes=st.sampled_from([2**28, 20_000]),
    )  # fmt: skip
    def begin(self, seed: int, **options: Any) -> None:
        self.sim = self.cleanup.enter_context(simulation(seed))
        self.mistakes = self.cleanup.enter_context(mistakes())
        self.options = {**options, "block_seconds": 1.0}
        self.network = Network(self.sim)
        self.servers = [self.new_server() for _ in range(self.servers_count)]
        self.start(0)

    @property
    def open_jobs(self) -> list[Job]:
        return [job for job in self.jobs if job.model.status is None and not job.server.killed]

    def new_server(self) -> Server:
        return Server(self.sim, self.network, self.new_store)

    # Jobs

    @precondition(lambda self: len(self.jobs) < 6)
    @rule(server=NUMBERS)
    def start(self, server: int) -> None:
        """A job, and two who look at it from its beginning, here and elsewhere."""
        model = Model(self.options["maxlen"], self.options["overflow"])
        here = pick(self.servers, server)
        waiting = [other for other in self.jobs if other.server is here and other.waits]
        job = Job(f"job{len(self.jobs)}", here, model)
        for other in waiting:
            other.at_risk = other.at_risk or not other.waits  # more wait than may: the oldest is given up
        for other in self.jobs:
            if other.server is job.server and other.model.status is None and job.server.store.get(other.id) is None:
                other.at_risk = other.may_begin_anew = other.cut = True  # it had to make room while it was open
        job.cut = self.options["max_bytes"] < 2**28 or self.ttl_seconds < WEEK
        self.jobs.append(job)
        self.join(Viewer(job), server)
        self.join(Viewer(job), server + 1)

    @precondition(lambda self: self.open_jobs)
    @rule(
        job=NUMBERS, kind=st.sampled_from(["log", "note"]), level=st.sampled_from(LEVELS),
        text=st.sampled_from(list(TEXTS)), count=st.integers(1, 40), where=st.sampled_from(["here", "thread", "loop"]),
        then=st.sampled_from([0.0, 0.3, 3.0]),
    )  # fmt: skip
    def log(self, job: int, kind: str, level: str, text: str, count: int, where: str, then: float) -> None:
        one = pick(self.open_jobs, job)

        def work() -> None:
            for _ in range(1 if text == HUGE else count):
                one.append(kind, TEXTS[text], level)

        with one.server.inside():
            if where == "here":
                work()
            elif where == "thread":
                self.sim.thread(work)
            else:
                one.server.loop.call_soon_threadsafe(work)
        self.sim.sleep(then)

    @precondition(lambda self: self.open_jobs)
    @rule(
        job=NUMBERS, status=st.sampled_from(["completed", "failed", "cancelled"]), twice=st.booleans(),
        forget=st.booleans(),
    )  # fmt: skip
    def close(self, job: int, status: str, twice: bool, forget: bool) -> None:
        one = pick(self.open_jobs, job)
        with one.server.inside():
            if twice:
                self.sim.thread(partial(one.close, "failed"))
            one.close(status)
            if forget:
                one.server.store.evict(closed_before=self.sim.now)

    # Viewers

    @rule(
        job=NUMBERS, server=NUMBERS, only_logs=st.booleans(), limit=st.sampled_from([65_536, 1]),
        batch_delay=st.sampled_from([0.0, 0.5]), heartbeat=st.sampled_from([15.0, 3_600.0]),
        pause=st.sampled_from([0.0, 0.3]),
    )  # fmt: skip
    def follow(self, job: int, server: int, **options: Any) -> None:
        self.join(Viewer(pick(self.jobs, job), **options), server)

    @rule(job=NUMBERS, server=NUMBERS)
    def poll(self, job: int, server: int) -> None:
        self.join(Viewer(pick(self.jobs, job), polls=True), server)

    def join(self, viewer: Viewer, server: int) -> None:
        self.viewers.append(viewer)
        viewer.come(pick(self.servers, server))

    @rule(viewer=st.integers(0, 20), server=st.none() | NUMBERS)
    def move(self, viewer: int, server: int | None) -> None:
        """Leave, and come back to any of the servers, with the id that it has."""
        one = pick([viewer for viewer in self.viewers if viewer.state != "done"] or self.viewers, viewer)
        self.leave(one)
        if one.state == "away" and server is not None:
            one.come(pick(self.servers, server))

    def leave(self, viewer: Viewer) -> None:
        before, task = viewer.server, viewer.task
        viewer.server = viewer.visit = viewer.task = None
        if before is not None and task is not None and not before.killed:
            before.loop.call_soon_threadsafe(task.cancel)
            self.sim.wait(task.done, 60)
        if viewer.state != "done":
            viewer.state = "away"

    # Time, and what goes wrong

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        calm = self.network.is_calm
        ends = {job.id: job.log.last for job in self.open_jobs}
        self.sim.sleep(seconds)
        if seconds >= 5:
            self.check_viewers(ends if calm else {})
        self.check()

    @rule(server=NUMBERS, seconds=st.sampled_from([1.0, 6.0, 20.0]))
    def stop(self, server: int, seconds: float) -> None:
        self.network.trouble(seconds)
        self.sim.stop(pick(self.servers, server), seconds)

    @precondition(lambda self: self.kills < 2)
    @rule(server=NUMBERS, gently=st.booleans())
    def kill(self, server: int, gently: bool) -> None:
        """It starts anew, with nothing of what it had in memory."""
        self.kills += 1
        gone = pick(self.servers, server)
        if gently:
            with gone.inside():
                gone.store.close()
        all_stored = gone.store.counts().pending == 0
        self.sim.kill(gone)
        self.network.trouble()
        for job in self.jobs:
            if job.server is gone:
                job.orphan()
                certain = all_stored and not (job.at_risk or job.cut or self.has_lost)
                job.stored = job.log.last if certain else 0
                job.at_risk = job.at_risk or not (all_stored and job.model.status)
                job.may_begin_anew = job.may_begin_anew or not all_stored
        for viewer in self.viewers:
            if viewer.server is gone:
                self.leave(viewer)
        self.servers[self.servers.index(gone)] = self.new_server()

    # What is wrong

    def check(self) -> None:
        assert not self.sim.errors, self.sim.errors[0]
        assert not self.mistakes, self.mistakes[0]
        for viewer in self.viewers:
            if viewer.failed is not None:
                raise viewer.failed

    def check_viewers(self, ends: dict[str, int]) -> None:
        """Who only looks has seen all that is there by now; and so much of these jobs, wherever it looks."""
        for viewer in self.viewers:
            assert viewer.state != "missing" or viewer.job.at_risk or viewer.job.id not in ends, "not found"
        seen = [(viewer, viewer.log, viewer.log.last) for viewer in self.viewers if viewer.log is not None]
        self.sim.sleep(0.1)
        for viewer, log, last in seen:
            server = viewer.server
            if server is None or self.sim.now < server.stopped_until + 0.1 or viewer.pause:
                continue
            if log.evicted:  # it was sent away, and looks for the job elsewhere
                continue
            if viewer.state == "following" and viewer.log is log and not viewer.polls and not viewer.batch_delay:
                assert viewer.only_logs or viewer.cursor >= last, f"{viewer.cursor} of {last}, and not woken"
                if viewer.job.id in ends and not viewer.job.at_risk and not viewer.job.cut:
                    assert last >= ends[viewer.job.id], f"{last} of {ends[viewer.job.id]} in the mirror"

    def teardown(self) -> None:
        try:
            if hasattr(self, "sim"):
                self.finish()
        finally:
            self.cleanup.close()

    def finish(self) -> None:
        """When all goes well again, every viewer comes to the end, as far as there can be one."""
        self.network.trouble()
        self.network.weather = Weather()
        self.sim.sleep(70)
        for viewer in self.viewers:
            viewer.pause = 0.0
        self.come_back(self.open_jobs)
        self.wait(5)
        while self.open_jobs:
            self.close(0, "completed", False, False)
        self.sim.sleep(60)
        self.come_back(self.jobs)
        self.wait(60)
        for viewer in self.viewers:
            self.check_end(viewer)

    def come_back(self, jobs: list[Job]) -> None:
        """Let everybody be somewhere, and somebody look at these jobs everywhere."""
        for viewer in self.viewers:
            if viewer.state in ("away", "lost"):
                self.leave(viewer)
                viewer.come(self.servers[0])
        for job in jobs:
            for server in range(len(self.servers)):
                self.join(Viewer(job), server)

    def is_safe(self, job: Job) -> bool:
        """Whether there must be all of the job."""
        return not job.at_risk

    def check_end(self, viewer: Viewer) -> None:
        job = viewer.job
        assert viewer.state in ("done", "lost", "missing"), f"{viewer.state} for ever"
        if self.is_safe(job):
            assert viewer.state == "done", f"{job.id} is {viewer.state} at {viewer.cursor}"
        if viewer.state == "done":
            assert job.read[viewer.cursor]["status"] == job.model.status
            assert viewer.cursor == len(job.model.events) + 1
        elif not viewer.only_logs and job.server.killed and self.ttl_seconds == WEEK:
            assert viewer.cursor >= job.stored


def pick(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


@contextlib.contextmanager
def mistakes() -> Iterator[list[str]]:
    """What the library says of its own mistakes."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info or record.levelno >= logging.ERROR:
                found.append(logging.Formatter().format(record))

    logger, listener = logging.getLogger("streamator"), Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "propagate", False)
        patch.setattr(logger, "handlers", [listener])
        yield found


class LogsInMemory(LogsOfAStore):
    servers_count = 1

    def new_store(self) -> MemoryStore:
        return MemoryStore(**self.options)

    def is_safe(self, job: Job) -> bool:
        return not job.server.killed and job.server.store.get(job.id) is not None


class LogsElsewhere(LogsOfAStore):
    """Of a store that other processes see, over a network."""

    @rule(
        weather=st.just(Weather())
        | st.builds(
            Weather, fails=st.sampled_from([0.0, 0.3, 1.0]), kind=st.sampled_from(["busy", "down", "denied"]),
            late=st.sampled_from([0.0, 0.3]), unanswered=st.sampled_from([0.0, 0.3]), delay=st.sampled_from([0.0, 0.3]),
            stale=st.sampled_from([0.0, 0.5]), partial=st.sampled_from([0.0, 0.8]),
        )
    )  # fmt: skip
    def change_the_weather(self, weather: Weather) -> None:
        self.network.trouble()
        self.network.weather = weather

    def remote_options(self) -> dict[str, Any]:
        return {**self.options, "lease_seconds": LEASE, "flush_seconds": 0.2, "dead_letters": lambda letter: None}

    def lost(self) -> None:
        """The store has lost something."""
        self.has_lost = True
        self.network.trouble()
        self.network.begun.clear()
        for job in self.jobs:
            # The thread that closes a log may not have come back from it to say so.
            if job.log.closed or job.model.status is not None or job.server.killed:
                job.at_risk = job.may_begin_anew = True
                job.stored = 0


class LogsInChunks(LogsElsewhere):
    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud()

    def new_store(self) -> MemoryStore:
        return Chunks(self.cloud, self.network, self.ttl_seconds, **self.remote_options())

    @rule()
    def lose_everything(self) -> None:
        self.cloud.lose_everything()
        self.lost()


class LogsInChunksThatExpire(LogsInChunks):
    ttl_seconds = 30.0

    def is_safe(self, job: Job) -> bool:
        return False


class LogsInRecords(LogsElsewhere):
    def __init__(self) -> None:
        super().__init__()
        self.streams = Streams()

    def new_store(self) -> MemoryStore:
        return Records(self.streams, self.network, **self.remote_options())

    @rule(newest=st.sampled_from([1, 5, 10**9]))
    def lose(self, newest: int) -> None:
        self.streams.lose(newest)
        self.lost()


for machine in (LogsInMemory, LogsInChunks, LogsInChunksThatExpire, LogsInRecords):
    machine.TestCase.settings = SETTINGS
TestMemory = LogsInMemory.TestCase
TestChunks = LogsInChunks.TestCase
TestChunksThatExpire = LogsInChunksThatExpire.TestCase
TestRecords = LogsInRecords.TestCase


# What was found so, in as few steps as it takes


@pytest.mark.parametrize("seed", range(10))
def test_append_is_true_exactly_for_the_events_in_the_log(seed: int) -> None:
    said: list[str] = []

    def work(name: str) -> None:
        for n in range(5):
            text = f"{name} {n} {'x' * 2_000}"  # so long that it is put into a block at once
            if log.append_log(text, "info"):
                said.append(text)

    with simulation(seed) as sim, sim.inside(Process()):
        log = EventLog()
        for name in "abcdef":
            sim.thread(partial(work, name))
        sim.wait(lambda: len(said) > 3)
        log.close()
        sim.sleep(1)
        *kept, done = log.read(0, 1_000_000)
    assert done["event"] == "done"
    assert sorted(event["message"] for event in kept) == sorted(said)


def test_find_answers_for_an_ended_job_although_the_next_read_fails() -> None:
    class Fails(StreamStore):
        calls = 0

        async def read(self, effect: Callable[[], T]) -> T:
            self.calls += 1
            if self.calls == 3:  # after the jobs were found, and their records read: is the producer alive?
                raise StoreFault("busy", "turned away")
            return effect()

    async def find() -> tuple[EventLog | None, EventLog | None]:
        searches = asyncio.gather(reader.find("over"), reader.find("open"))
        return await asyncio.wait_for(searches, 30)

    with simulation(0) as sim, sim.inside(Process()):
        streams = Streams()
        writer, reader = StreamStore(streams), Fails(streams)
        writer.create("over").log.close()
        writer.create("open")
        sim.sleep(1)
        over, going_on = asyncio.run(find())
    assert over is not None and over.closed
    assert going_on is not None and reader.calls > 3


def test_find_answers_although_only_the_last_chunk_is_left() -> None:
    done = '{"event":"done","status":"completed","t":1.000}\n'
    with simulation(0) as sim, sim.inside(Process()):
        cloud = Cloud()
        cloud.chunks["job", 0] = [(Chunk(1, 0, "", beat=8, lease=LEASE, tail=3), "run")]
        cloud.chunks["job", 3] = [(Chunk(10, 0, done, beat=9, lease=LEASE, closed=True), "run")]
        log = asyncio.run(asyncio.wait_for(CloudStore(cloud).find("job"), 30))
        assert log is not None and log.closed
        assert [event["event"] for event in log.read()] == ["gap", "done"]


def test_a_log_is_read_again_from_the_start_before_any_of_it_is_given_up() -> None:
    def chunk(first: int, last: int, beat: int) -> list[tuple[Chunk, str]]:
        events = (f'{{"event":"log","message":"{n}","level":"info","t":1.000}}\n' for n in range(first, last + 1))
        return [(Chunk(first, 0, "".join(events), beat, LEASE), "run")]

    async def read() -> list[dict[str, Any]]:
        log = await reader.find("job")
        assert log is not None
        for beat in range(3, 40):
            if beat == 10:  # the producer has paused, and the log was read anew for it
                await asyncio.sleep(1.5 * LEASE)
            if beat < 20:
                cloud.chunks["job", 1] = chunk(4, 3, beat)
            else:  # all was lost, and is written again: more goes into the chunks than before
                cloud.chunks["job", 0] = chunk(1, 9, 20)
                cloud.chunks["job", 1] = chunk(10, beat, beat + 1)
            await asyncio.sleep(LEASE / 3)
            log.read()  # somebody looks
        return [*log.read()]

    with simulation(0) as sim, sim.inside(Process()):
        cloud = Cloud()
        reader = CloudStore(cloud)
        cloud.chunks["job", 0], cloud.chunks["job", 1] = chunk(1, 3, 1), chunk(4, 3, 2)
        assert [event.get("message", "gap") for event in asyncio.run(read())] == [str(n) for n in range(1, 40)]


@pytest.mark.parametrize("trouble", ["the store is away", "the job's process pauses"])
def test_a_viewer_ahead_of_the_store_waits_while_there_is_no_news(trouble: str) -> None:
    def chunk(last: int, beat: int) -> list[tuple[Chunk, str]]:
        events = (f'{{"event":"log","message":"{n}","level":"info","t":1.000}}\n' for n in range(1, last + 1))
        return [(Chunk(1, 0, "".join(events), beat, LEASE), "run")]

    def away(keys: list[Key]) -> None:
        raise StoreFault("down", "no answer")

    async def live(last: int, beats: range) -> None:
        for beat in beats:
            cloud.chunks["job", 0] = chunk(last, beat)
            await asyncio.sleep(LEASE / 4)

    async def watch() -> list[str]:
        log = await reader.find("job")
        assert log is not None
        return [event["message"] async for batch in follow(log, after=5, heartbeat=0.5) for event in batch]

    async def main() -> list[str]:
        watching = asyncio.create_task(watch())
        await live(3, range(2, 8))
        if trouble == "the store is away":
            heard, cloud.on_fetch = cloud.on_fetch, away
            await asyncio.sleep(3 * LEASE)
            cloud.on_fetch = heard
        else:
            await asyncio.sleep(1.1 * LEASE)
        await live(6, range(8, 20))
        reader.close()
        return await watching

    with simulation(0) as sim, sim.inside(Process()):
        cloud = Cloud()
        reader = CloudStore(cloud)
        cloud.chunks["job", 0] = chunk(3, 1)
        assert asyncio.run(main()) == ["6"]


def test_a_log_that_is_closed_while_it_is_read_is_stored_as_closed() -> None:
    class Closes(EventLog):
        """A log that another thread closes at the last moment before it is read."""

        def read(self, after: int = 0, limit: int = 65_536) -> Batch:
            self.close()
            return super().read(after, limit)

    log = Closes()
    log.append_log("x", "info")
    out = Outgoing("job", log)
    assert out.fill()
    assert [json.loads(line)["event"] for line in out.text.splitlines()] == ["log", "done"]


def test_a_silent_job_is_read_again_once() -> None:
    async def read() -> str | None:
        log = await reader.find("job")
        assert log is not None
        for _ in range(20):
            await asyncio.sleep(LEASE / 8)
            log.read()  # somebody looks
        return log.status

    with simulation(0) as sim, sim.inside(Process()):
        cloud = Cloud()
        reader = CloudStore(cloud)
        for n in range(3):
            cloud.chunks["job", n] = [(Chunk(n + 1, 0, '{"event":"x","t":1.000}\n', n + 1, LEASE), "run")]
        assert asyncio.run(read()) == "lost"
        assert len([keys for keys in cloud.fetches if ("job", 0) in keys]) == 2


@pytest.mark.parametrize("when", ["before it is read", "after it was read"])
def test_leftover_chunks_of_a_lost_log_hide_no_new_events(when: str) -> None:
    def chunk(first: int, count: int, beat: int) -> list[tuple[Chunk, str]]:
        events = (f'{{"event":"log","message":"{n}","level":"info","t":1.000}}\n' for n in range(first, first + count))
        return [(Chunk(first, 0, "".join(events), beat, LEASE), "run")]

    async def read() -> tuple[int, str | None]:
        log = await reader.find("job")
        assert log is not None
        for beat in range(9, 40):  # the producer lives, and logs
            if beat == 10:
                cloud.chunks["job", 0] = chunk(1, 3, 8)
            cloud.chunks["job", 1] = chunk(4, beat, beat)
            await asyncio.sleep(LEASE / 3)
            log.read()  # somebody looks
        return log.last, log.status

    with simulation(0) as sim, sim.inside(Process()):
        cloud = Cloud()
        reader = CloudStore(cloud)
        for n in range(3):
            cloud.chunks["job", n] = chunk(n + 1, 1, n + 1)
        if when == "before it is read":
            cloud.chunks["job", 0], cloud.chunks["job", 1] = chunk(1, 3, 8), chunk(4, 1, 9)
        assert asyncio.run(read()) == (3 + 39, None)
