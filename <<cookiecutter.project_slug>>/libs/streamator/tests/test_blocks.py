"""The blocks of a log, against a simple model: a list of events, each kept, gone, lost or refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streamator.log.blocks import Batch, BlockList

LEVELS = ("info", "error", None, "")  # None: JSON that needs its t, "": JSON that has it


@dataclass
class Event:
    """What the model knows of one event."""

    id: int
    text: str
    t: float


def told(batch: Batch) -> list[tuple[int, Any]]:
    """(id, text) of each event of a batch; (id, the number missed) of a gap."""
    found: list[tuple[int, Any]] = []
    for part in batch.frames.split(b"\n\n")[:-1]:
        head, _, data = part.partition(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        found.append(
            (int(head.removeprefix(b"id: ")), event["missed"] if event["event"] == "gap" else event["message"])
        )
    return found


class BlocksMachine(RuleBasedStateMachine):
    @initialize(maxlen=st.integers(1, 600), newest_go=st.booleans())
    def begin(self, maxlen: int, newest_go: bool) -> None:
        self.blocks = BlockList(maxlen, 0.0, newest_go)
        self.maxlen, self.newest_go = maxlen, newest_go
        self.events: list[Event] = []
        """Those that are not known to be gone."""
        self.last = self.refused = self.number = 0
        self.now = 0.0
        self.final = False

    def entry(self, size: int, step: float) -> list[Any]:
        """The next event, as `BlockList.add` takes it."""
        self.number += 1
        text = f"{self.number}".ljust(size, "x")
        level = LEVELS[self.number % len(LEVELS)]
        reading = self.now + step
        self.now = max(self.now, reading)
        if level is None:
            return [reading, json.dumps({"event": "x", "message": text}), level]
        return [
            reading,
            json.dumps({"event": "x", "message": text, "t": self.now * 1_000 // 1 / 1_000}) if level == "" else text,
            level,
        ]

    def note(self, entries: list[Any]) -> None:
        for reading, text, level in zip(entries[::3], entries[1::3], entries[2::3], strict=True):
            if self.newest_go and self.last >= self.maxlen and not self.final:
                self.refused += 1
                continue
            self.last += 1
            message = text if level else json.loads(text)["message"]
            self.events.append(Event(self.last, message, reading))

    def let_go(self, seen: int) -> None:
        """Of the oldest past ``maxlen``, those that were seen are gone."""
        if not self.newest_go:
            too_many = self.events[: max(len(self.events) - self.maxlen, 0)]
            gone = {event.id for event in too_many if event.id <= seen}
            self.events = [event for event in self.events if event.id not in gone]

    @rule(
        count=st.integers(1, 300), size=st.sampled_from((1, 100, 30_000)), step=st.sampled_from((0.0, 0.001, -5.0)),
        unseen=st.sampled_from((0, 0, 0, 50, 500)), encode=st.booleans(),
    )  # fmt: skip
    def add(self, count: int, size: int, step: float, unseen: int, encode: bool) -> None:
        if self.final:
            return
        entries = [part for _ in range(count if size < 1_000 else 1) for part in self.entry(size, step)]
        seen = max(self.last - unseen, 0) if unseen else 10**9
        self.note(entries)
        self.blocks.add(entries, seen, encode=encode)
        self.let_go(seen)

    @rule(waiting=st.integers(0, 3))
    def end(self, waiting: int) -> None:
        if self.final:
            return
        entries = [part for _ in range(waiting) for part in self.entry(10, 0.0)]
        self.note(entries)
        self.final = True
        last = self.entry(10, 0.0)
        self.last, self.refused = self.last + self.refused, 0
        self.note(last)
        self.blocks.add([*entries, *last], final=True)
        self.let_go(10**9)

    @rule(ahead=st.integers(-5, 500))
    def skip(self, ahead: int) -> None:
        if not self.newest_go:
            self.blocks.skip(self.last + ahead)
            self.last = max(self.last, self.last + ahead)

    @rule()
    def give_up_on_the_slow(self) -> None:
        self.blocks.let_go()
        self.let_go(10**9)

    @rule(share=st.floats(0, 1))
    def trim(self, share: float) -> None:
        self.blocks.trim(int(self.blocks.size * share))
        assert self.blocks.size <= self.blocks.size * max(share, 1)
        kept = self.last + self.refused - self.blocks.dropped
        assert kept <= len(self.events)
        self.events = self.events[len(self.events) - kept :]

    @rule(after=st.floats(0, 1), limit=st.sampled_from((1, 5_000, 65_536, 10**9)))
    def read(self, after: float, limit: int) -> None:
        """From any cursor, in steps of any size: each event once, in order, and a gap for each that is not there."""
        cursor = int(self.last * after)
        found: list[tuple[int, Any]] = []
        while cursor < self.last:
            batch = self.blocks.read(cursor, limit)
            assert batch.last > cursor and batch.more == (batch.last < self.last)
            newest = len(batch.frames.split(b"\n\n")[-2]) + 2
            assert len(batch.frames) - newest <= limit + 400  # a gap may come on top
            part = told(batch)
            assert part[-1][0] == batch.last
            cursor = batch.last
            found += part
        expected: list[tuple[int, Any]] = []
        at = int(self.last * after)
        for event in self.events:
            if event.id > at:
                if event.id > at + 1:
                    expected.append((event.id - 1, event.id - 1 - at))
                expected.append((event.id, event.text))
                at = event.id
        if at < self.last:
            expected.append((self.last, self.last - at))
        assert found == expected

    @rule()
    def look_at_the_clock(self) -> None:
        times = [event["t"] for event in self.blocks.read(0, 10**9) if event["event"] != "gap"]
        assert times == sorted(times)

    @invariant()
    def counts_are_right(self) -> None:
        if hasattr(self, "blocks"):
            blocks = self.blocks
            assert (blocks.last, blocks.refused) == (self.last, self.refused)
            assert blocks.dropped == self.last - len(self.events) + self.refused
            assert blocks.size >= sum(len(event.text) for event in self.events)


BlocksMachine.TestCase.settings = settings(
    max_examples=50, stateful_step_count=25, deadline=None, derandomize=True, database=None
)
test_blocks_are_as_the_model_says = BlocksMachine.TestCase


def entries(count: int, first: int = 1) -> list[Any]:
    return [part for n in range(first, first + count) for part in (float(n), str(n), "info")]


def test_what_is_read_one_by_one_ends_in_few_blocks_and_each_byte_moves_a_few_times() -> None:
    blocks = BlockList(10**6, 0.0)
    for n in range(1, 1_025):
        blocks.add(entries(1, n))
        assert told(blocks.read(n - 1, 65_536)) == [(n, str(n))]
    assert len(blocks._blocks) <= 4 + 10


def test_what_nobody_reads_is_not_encoded_and_fills_its_blocks() -> None:
    blocks = BlockList(10**6, 0.0)
    for n in range(1, 1_001, 100):
        blocks.add(entries(100, n))
    assert all(block.entries is not None for block in blocks._blocks)
    assert [block.count for block in blocks._blocks] == [200, 200, 200, 200, 100, 100]


def test_an_event_older_than_the_one_before_gets_its_time() -> None:
    blocks = BlockList(10, 0.0)
    blocks.add([5.0, "a", "info", 4.0, "b", "info"])
    blocks.add([3.0, "c", "info"])
    assert [event["t"] for event in blocks.read(0, 1_000)] == [5.0, 5.0, 5.0] and blocks.newest_at == 5.0
