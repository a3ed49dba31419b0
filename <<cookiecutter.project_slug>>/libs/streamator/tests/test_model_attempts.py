"""Random schedules of jobs with attempts: `test_model`, with producers that are killed, stopped, and wake as zombies
when a newer attempt has begun. Whatever happens, every id has one event for all viewers, each attempt's events are in
order and without a gap, and nothing of a zombie comes after its fence."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import partial
from typing import Any

import pytest
from cloud import Cloud, CloudStore, Streams
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from simulation import simulation
from test_model import FRAME, LEASE, NUMBERS, SETTINGS, Chunks, Network, Records, Server, Weather, mistakes, pick

from streamator import JobExists, MemoryStore, StoreError, follow
from streamator.events import ATTEMPT_IDS, attempt_of
from streamator.stores.chunks.format import Chunk
from streamator.stores.remote.outgoing import Opened
from streamator.stores.remote.store import RemoteStore
from streamator.transports.poll import snapshot_json

pytestmark = pytest.mark.server


class AttemptChunks(Chunks):
    """`Chunks` over whose network attempts begin."""

    def _replace(self, job_id: str, index: int, old: Chunk | None, new: Chunk, run: str) -> None:
        def effect() -> None:
            CloudStore._replace(self, job_id, index, old, new, run)
            self.network.written[job_id, index, new.beat] = self.network.sim.now

        self.network.call(effect)

    def _freeze(self, job_id: str, index: int, run: str) -> tuple[Chunk, int]:
        return self.network.call(partial(CloudStore._freeze, self, job_id, index, run))

    def _keep_checkpoint(self, job_id: str, text: str, chunk: Chunk, run: str) -> None:
        self.network.call(partial(CloudStore._keep_checkpoint, self, job_id, text, chunk, run))


class AttemptRecords(Records):
    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        return self.network.call(partial(super()._begin_attempt, job_id, run, reason, reopen, least))


class Producer:
    """One attempt, with what it has logged, and how much of that it knows to be stored."""

    def __init__(self, server: Server, reopen: bool) -> None:
        self.server = server
        with server.inside():
            self.job = server.store.open_attempt("job", "why not", reopen, 0)
        self.buffer = self.job.handle
        self.number = self.job.attempt
        self.began_with = None if self.buffer.checkpoint is None else json.loads(self.buffer.checkpoint)
        self.said: list[str] = []
        self.stored = 0
        self.checkpoint: str | None = None
        self.ended = False

    def log(self, count: int) -> None:
        with self.server.inside():
            for _ in range(count):
                text = f"{self.number}.{len(self.said)}"
                self.said.append(text)
                self.buffer.append_log(text, "info")

    def keep(self) -> None:
        with self.server.inside():
            text = f"{self.number}.{len(self.said)}"
            self.said.append(text)
            self.buffer.checkpoint = json.dumps(text)
            self.buffer.append_json(f'{{"event":"checkpoint","data":"{text}"}}', add_time=True)

    def close(self) -> None:
        with self.server.inside():
            self.buffer.close()

    def flush(self) -> bool:
        with self.server.inside():
            return self.job.flush is None or self.job.flush(5, False)

    @property
    def is_over(self) -> bool:
        return self.server.killed or self.buffer.closed or bool(self.buffer.over)


class Watcher:
    """Reads the job somewhere, by a stream or in polls, and comes back with its cursor until it is stopped."""

    def __init__(self, machine: AttemptsOfAStore, server: Server, polls: bool, cursor: int = 0) -> None:
        self.machine, self.server, self.polls, self.cursor = machine, server, polls, cursor
        self.begun_at = cursor
        self.seen: dict[int, dict[str, Any]] = {}
        self.gaps = 0
        self.ended = False
        self.failed: AssertionError | None = None
        server.loop.call_soon_threadsafe(self.start)

    def start(self) -> None:
        self.task = self.server.loop.create_task(self.look())

    async def look(self) -> None:
        while not self.ended:
            try:
                log = await self.server.store.find("job")
                if log is not None and not log.is_over_for(self.cursor):
                    await (self.poll(log) if self.polls else self.follow(log))
            except StoreError:
                pass
            except AssertionError as error:
                self.failed = error
                return
            await asyncio.sleep(0.5)

    async def follow(self, log: Any) -> None:
        async for batch in follow(log, self.cursor, heartbeat=15.0):
            for event_id, text in FRAME.findall(batch.frames):
                if event_id:
                    self.see(int(event_id), json.loads(text))

    async def poll(self, log: Any) -> None:
        """A poll tells the id of its last event alone, and has the same events as a stream."""
        after = log.start_at(self.cursor)
        answer = json.loads(await snapshot_json(log, self.cursor))
        events = [event for event in answer["logs"] if event["event"] != "status"]
        frames = b""
        while after < answer["next"] and (batch := log.read(after)):
            frames, after = frames + batch.frames, batch.last
        found = [(int(event_id), json.loads(text)) for event_id, text in FRAME.findall(frames)]
        read = [(event_id, event) for event_id, event in found if event_id <= answer["next"]]
        assert [event for _, event in read] == events
        for event_id, event in read:
            self.see(event_id, event)
        if events:
            assert self.cursor == answer["next"]

    def see(self, event_id: int, event: dict[str, Any]) -> None:
        machine = self.machine
        if event["event"] == "gap":
            assert machine.may_lose, f"a gap of {event['missed']} up to {event_id}"
            self.gaps += 1
            self.cursor = event_id
            return
        assert event_id > self.cursor or machine.begun_anew, f"{event_id} after {self.cursor}"
        first = event["event"] == "attempt"
        assert first or event_id == self.cursor + 1 or machine.may_lose or not self.cursor, (
            f"{event_id} after {self.cursor}"
        )
        self.cursor = event_id
        assert event == machine.shown.setdefault(event_id, event), f"two events with the id {event_id}"
        assert not first or event["attempt"] == attempt_of(event_id)
        self.seen[event_id] = event


class AttemptsOfAStore(RuleBasedStateMachine):
    """One job whose attempts are begun by three servers, and viewers everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = contextlib.ExitStack()
        self.producers: list[Producer] = []
        self.watchers: list[Watcher] = []
        self.shown: dict[int, dict[str, Any]] = {}
        """What anybody was shown, by its id."""
        self.kills = 0
        self.may_lose = False
        """Whether the store has lost something."""
        self.begun_anew = False

    def new_store(self) -> MemoryStore:
        raise NotImplementedError

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.sim = self.cleanup.enter_context(simulation(seed))
        self.mistakes = self.cleanup.enter_context(mistakes())
        self.network = Network(self.sim)
        self.servers = [Server(self.sim, self.network, self.new_store) for _ in range(3)]
        self.next_attempt(0, False)
        for n in range(3):
            self.watch(n, n == 2, False)

    def pick(self, number: int) -> Server:
        return pick(self.servers, number)

    @precondition(lambda self: len(self.producers) < 8)
    @rule(server=NUMBERS, reopen=st.booleans())
    def next_attempt(self, server: int, reopen: bool) -> None:
        """While the one before works, is stopped, or is dead."""
        self.sim.sleep(max(self.pick(server).stopped_until - self.sim.now, 0))
        try:
            producer = Producer(self.pick(server), reopen)
        except StoreError:
            assert self.network.weather != Weather()
            return
        except JobExists:
            assert not reopen
            return
        assert self.may_lose or all(producer.number > other.number for other in self.producers)
        kept = [other.checkpoint for other in self.producers if other.checkpoint is not None]
        if kept and not self.may_lose:
            # One that was stored, or a newer one, which may have been stored although nobody was told.
            assert producer.began_with is not None
            assert order(producer.began_with) >= order(kept[-1]), f"{producer.began_with}, not {kept[-1]}"
        self.producers.append(producer)

    @rule(producer=st.integers(0, 7), count=st.integers(1, 20), then=st.sampled_from([0.0, 0.3, 3.0]))
    def log(self, producer: int, count: int, then: float) -> None:
        """Any attempt, also one that is fenced and does not know."""
        one = pick(self.producers, producer)
        if not one.server.killed:
            one.log(count)
        self.sim.sleep(then)

    @precondition(lambda self: self.producers)
    @rule(count=st.integers(1, 20), keep=st.booleans())
    def log_and_flush(self, count: int, keep: bool) -> None:
        """What the newest attempt was told to be stored is in the log for good."""
        one = self.producers[-1]
        if one.is_over:
            return
        one.log(count)
        if keep:
            one.keep()
        said = len(one.said)
        if one.flush() and not one.is_over:
            one.stored = said
            if keep:
                one.checkpoint = one.said[-1]

    @rule(producer=st.integers(0, 7))
    def close(self, producer: int) -> None:
        one = pick(self.producers, producer)
        if not one.server.killed:
            one.close()

    @precondition(lambda self: len(self.watchers) < 9)
    @rule(server=NUMBERS, polls=st.booleans(), ahead=st.booleans())
    def watch(self, server: int, polls: bool, ahead: bool) -> None:
        """Somebody new, or with the largest id that anybody was shown."""
        cursor = max(self.shown, default=0) if ahead else 0
        self.watchers.append(Watcher(self, self.pick(server), polls, cursor))

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.sim.sleep(seconds)
        self.check()

    @rule(server=NUMBERS, seconds=st.sampled_from([1.0, 6.0, 20.0]))
    def stop(self, server: int, seconds: float) -> None:
        self.sim.stop(self.pick(server), seconds)

    @precondition(lambda self: self.kills < 3)
    @rule(server=NUMBERS)
    def kill(self, server: int) -> None:
        self.kills += 1
        gone = self.pick(server)
        self.sim.kill(gone)
        new = Server(self.sim, self.network, self.new_store)
        self.servers[self.servers.index(gone)] = new
        for watcher in [watcher for watcher in self.watchers if watcher.server is gone]:
            self.watchers.remove(watcher)
            self.watchers.append(Watcher(self, new, watcher.polls, watcher.cursor))

    @rule(
        weather=st.just(Weather())
        | st.builds(
            Weather, fails=st.sampled_from([0.0, 0.3, 1.0]), late=st.sampled_from([0.0, 0.3]),
            unanswered=st.sampled_from([0.0, 0.3]), delay=st.sampled_from([0.0, 0.3]),
            stale=st.sampled_from([0.0, 0.5]), partial=st.sampled_from([0.0, 0.8]),
        )
    )  # fmt: skip
    def change_the_weather(self, weather: Weather) -> None:
        self.network.weather = weather

    def remote_options(self) -> dict[str, Any]:
        return {"lease_seconds": LEASE, "flush_seconds": 0.2, "dead_letters": lambda letter: None}

    def check(self) -> None:
        assert not self.sim.errors, self.sim.errors[0]
        assert not self.mistakes, self.mistakes[0]
        for watcher in self.watchers:
            if watcher.failed is not None:
                raise watcher.failed

    def teardown(self) -> None:
        try:
            if hasattr(self, "sim"):
                self.finish()
        finally:
            self.cleanup.close()

    def finish(self) -> None:
        """All goes well again, one more attempt ends the job, and every viewer comes to that end."""
        self.network.weather = Weather()
        self.sim.sleep(70)
        last = Producer(self.servers[0], True)
        self.producers.append(last)
        last.log(3)
        self.sim.sleep(1)
        for zombie in self.producers[:-1]:
            if not zombie.server.killed:
                zombie.log(1)
        self.sim.sleep(2 * LEASE)
        last.close()
        self.sim.sleep(3 * LEASE)
        self.watchers += [Watcher(self, server, polls, 0) for server in self.servers for polls in (False, True)]
        self.sim.sleep(30)
        self.check()
        end = max(self.shown)
        assert self.shown[end]["event"] == "done"
        late = self.watchers[-1]
        for watcher in self.watchers:
            assert watcher.cursor == end, f"at {watcher.cursor}, not {end}"
            if watcher in self.watchers[-6:] and not self.may_lose:
                assert watcher.seen == late.seen, "two late viewers were told two things"
            watcher.ended = True
        for producer in self.producers[:-1]:
            if not producer.server.killed:
                assert producer.job.cancel_requested or producer.buffer.closed
        if not self.begun_anew:
            self.check_attempts(late.seen)

    def check_attempts(self, seen: dict[int, dict[str, Any]]) -> None:
        assert self.may_lose or [number % ATTEMPT_IDS for number in seen] == list(range(1, len(seen) + 1))
        for producer in self.producers:
            mine = [event for event_id, event in seen.items() if attempt_of(event_id) == producer.number]
            texts = [
                event.get("message", event.get("data")) for event in mine if event["event"] in ("log", "checkpoint")
            ]
            if not self.may_lose:
                assert texts == producer.said[: len(texts)], "within an attempt nothing is lost or doubled"
                assert len(texts) >= producer.stored, f"{len(texts)} of {producer.stored} that were stored"


def order(checkpoint: str) -> tuple[int, int]:
    attempt, _, count = checkpoint.partition(".")
    return int(attempt), int(count)


class AttemptsInMemory(AttemptsOfAStore):
    store: MemoryStore | None = None

    def new_store(self) -> MemoryStore:
        if self.store is None:
            self.store = MemoryStore()
        return self.store

    def kill(self, server: int) -> None:
        """There is one process alone."""


class AttemptsInChunks(AttemptsOfAStore):
    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud()

    def new_store(self) -> RemoteStore:
        return AttemptChunks(self.cloud, self.network, 604_800.0, **self.remote_options())


class AttemptsInRecords(AttemptsOfAStore):
    def __init__(self) -> None:
        super().__init__()
        self.streams = Streams()

    def new_store(self) -> RemoteStore:
        return AttemptRecords(self.streams, self.network, **self.remote_options())


class AttemptsInRecordsThatAreLost(AttemptsInRecords):
    """The store loses its newest records: viewers are ahead of it when the next attempt begins."""

    @rule(newest=st.sampled_from([1, 5]))
    def lose(self, newest: int) -> None:
        rows = self.streams.rows.get("job", [])
        if len(rows) > newest:
            self.may_lose = True
            self.streams.lose(newest)


for machine in (AttemptsInMemory, AttemptsInChunks, AttemptsInRecords, AttemptsInRecordsThatAreLost):
    machine.TestCase.settings = SETTINGS
TestMemory = AttemptsInMemory.TestCase
TestChunks = AttemptsInChunks.TestCase
TestRecords = AttemptsInRecords.TestCase
TestRecordsThatAreLost = AttemptsInRecordsThatAreLost.TestCase
