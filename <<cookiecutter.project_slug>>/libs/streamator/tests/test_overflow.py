"""What a full log does: drops the oldest, drops the newest, or waits for those who read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from streamator import EventLog, JobEmitter, JobLogger, MemoryStore, follow
from streamator.log import Overflow
from streamator.testing import collect

PATIENCE = 10


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def fill(log: EventLog, lines: int, first: int = 1) -> None:
    for n in range(first, first + lines):
        log.append_log(str(n), "info")


def told(events: list[dict[str, Any]]) -> list[Any]:
    """The messages as numbers; gaps and the end as they are."""
    return [
        int(event["message"]) if event["event"] == "log" else ("gap", event["missed"]) if event["event"] == "gap"
        else event["event"]
        for event in events
    ]  # fmt: skip


def ids(log: EventLog, after: int = 0) -> list[int]:
    found: list[int] = []
    while batch := log.read(after):
        found += [int(line[4:]) for line in batch.frames.split(b"\n") if line.startswith(b"id: ")]
        after = batch.last
    return found


async def settled(log: EventLog) -> None:
    """Until the log's followers wait: none has looked at it while the loop went round."""
    seen = None
    while seen != log.read_at:
        seen = log.read_at
        for _ in range(5):
            await asyncio.sleep(0)


async def until(condition: Callable[[], Any]) -> None:
    async def look() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(look(), PATIENCE)


class Follower:
    """A reader that has seen what the test says."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.seen = 0
        self.stalled = -1
        log.add_follower(self)

    def read(self, seen: int) -> None:
        self.seen = seen
        self.log.has_read()


# drop_oldest


@pytest.mark.parametrize("maxlen", [1, 2, 10, 255, 256, 300, 1_000])
def test_a_full_log_drops_the_oldest_and_counts_them(maxlen: int) -> None:
    log = EventLog(maxlen=maxlen)
    fill(log, 1_000)
    dropped = 1_000 - maxlen
    assert log.dropped == dropped
    expected = ([("gap", dropped)] if dropped else []) + list(range(dropped + 1, 1_001))
    assert told(list(log.read(0, 10**9))) == expected
    log.close()
    assert log.dropped == dropped + 1


def test_events_lost_before_the_log_count_as_dropped_and_not_against_maxlen() -> None:
    log = EventLog(maxlen=10)
    fill(log, 5)
    log.skip(1_000)
    fill(log, 5)
    assert log.dropped == 995
    assert told(list(log.read(0, 10**9))) == [1, 2, 3, 4, 5, ("gap", 995), 1, 2, 3, 4, 5]


# drop_newest


@pytest.mark.parametrize("read_often", [False, True])
@pytest.mark.parametrize("maxlen", [1, 10, 128, 300])
def test_drop_newest_keeps_the_first_events_and_one_gap(maxlen: int, read_often: bool) -> None:
    log = EventLog(maxlen=maxlen, overflow="drop_newest")
    for n in range(1, 1_001):
        assert log.append_log(str(n), "info")
        if read_often:
            log.read(max(n - 1, 0))
    assert (log.last, log.dropped) == (maxlen, 1_000 - maxlen)
    assert told(list(log.read(0, 10**9))) == list(range(1, maxlen + 1))
    log.close()
    assert (log.last, log.dropped) == (1_001, 1_000 - maxlen)
    for after in (0, maxlen // 2, maxlen):
        expected = [*range(after + 1, maxlen + 1), ("gap", 1_000 - maxlen), "done"]
        assert told(list(log.read(after, 10**9))) == expected
    assert ids(log) == [*range(1, maxlen + 1), 1_000, 1_001]
    assert not log.append_log("late", "info") and log.dropped == 1_000 - maxlen


def test_drop_newest_changes_nothing_in_a_log_that_is_not_full() -> None:
    log = EventLog(maxlen=10, overflow="drop_newest")
    fill(log, 10)
    log.close()
    assert told(list(log.read(0, 10**9))) == [*range(1, 11), "done"] and log.dropped == 0
    assert ids(log) == list(range(1, 12))


def test_a_live_viewer_with_drop_newest_sees_the_gap_and_the_end() -> None:
    async def main() -> None:
        log = EventLog(maxlen=10, overflow="drop_newest")
        viewer = asyncio.create_task(collect(log))
        for n in range(1, 51):
            log.append_log(str(n), "info")
            await asyncio.sleep(0)
        log.close()
        assert told(await viewer) == [*range(1, 11), ("gap", 40), "done"]

    asyncio.run(main())


# block


@pytest.mark.parametrize("maxlen", [2, 3, 10, 100, 1_000])
def test_a_thread_waits_for_the_slowest_viewer_so_that_all_see_everything(maxlen: int) -> None:
    async def main() -> None:
        log = EventLog(maxlen=maxlen, overflow="block", pace=0)
        lines = 20 * maxlen if maxlen < 100 else 2 * maxlen
        most = 0

        async def view(delay: float) -> list[Any]:
            nonlocal most
            seen: list[Any] = []
            async for batch in follow(log, limit=1_000):
                seen += told(list(batch))
                most = max(most, log.lag)
                await asyncio.sleep(delay)
            return seen

        viewers = [asyncio.create_task(view(delay)) for delay in (0, 0.001)]
        await asyncio.sleep(0)  # they follow from here on
        producers = [in_thread(lambda: fill(log, lines)) for _ in range(2)]
        await until(lambda: not any(producer.is_alive() for producer in producers))
        log.close()
        for seen in await asyncio.wait_for(asyncio.gather(*viewers), PATIENCE):
            assert len(seen) == 2 * lines + 1 and not any(isinstance(one, tuple) for one in seen)
        assert 0 < most <= maxlen + max(maxlen // 4, 1)  # what the other thread has appended before it looks
        assert log.dropped <= 2 * lines + 1 - maxlen

    asyncio.run(main())


def test_block_with_a_maxlen_of_two_keeps_two_events() -> None:
    log = EventLog(maxlen=2, overflow="block", block_seconds=PATIENCE)
    reader = Follower(log)
    done = 0

    def produce() -> None:
        nonlocal done
        for n in range(1, 6):
            log.append_log(str(n), "info")
            done = n

    producer = in_thread(produce)
    for seen in range(4):
        end = time.monotonic() + PATIENCE
        while log.last < seen + 2 and time.monotonic() < end:
            time.sleep(0.001)
        # The second one waits for the first to be read.
        assert (log.last, done) == (seen + 2, seen + 1)
        reader.read(seen + 1)
    producer.join(PATIENCE)
    assert done == 5 and told(list(log.read(3))) == [4, 5]


def test_block_waits_for_block_seconds_and_then_drops_the_oldest() -> None:
    log = EventLog(maxlen=10, overflow="block", block_seconds=0.1)
    stuck = Follower(log)
    began = time.monotonic()
    fill(log, 100)
    took = time.monotonic() - began
    assert 0.1 <= took < 1  # waited for once, and not for each
    assert log.dropped == 90 and told(list(log.read(0, 10**9))) == [("gap", 90), *range(91, 101)]
    assert log.lag == 100 and stuck.seen == 0
    stuck.read(95)  # it has moved on: it is waited for again
    began = time.monotonic()
    fill(log, 20, 101)
    assert 0.1 <= time.monotonic() - began < 1


@pytest.mark.parametrize("on_loop", [True, False])
def test_block_keeps_to_maxlen_with_one_fast_and_one_stuck_viewer(on_loop: bool) -> None:
    async def main() -> None:
        log = EventLog(maxlen=400, overflow="block", block_seconds=0.1, pace=0)
        stuck = Follower(log)
        viewer = asyncio.create_task(collect(log))
        await settled(log)
        most = 0

        def append(n: int) -> None:
            nonlocal most
            log.append_log(str(n), "info")
            most = max(most, log.last - log.dropped)

        for n in range(1, 3_001):
            if on_loop:
                append(n)
            else:
                await asyncio.to_thread(append, n)
            if n % 5 == 0:
                await asyncio.sleep(0)
        log.close()
        assert told(await viewer) == [*range(1, 3_001), "done"]
        assert stuck.seen == 0 and most <= 400 + 100  # a quarter is appended between two looks

    asyncio.run(main())


def test_block_does_not_wait_without_followers() -> None:
    log = EventLog(maxlen=2, overflow="block", block_seconds=60)
    began = time.monotonic()
    fill(log, 1_000)
    assert told(list(log.read(0, 10**9))) == [("gap", 998), 999, 1_000]
    reader = Follower(log)
    reader.read(1_000)
    log.remove_follower(reader)
    fill(log, 1_000)
    gone = Follower(log)
    del gone
    fill(log, 1_000)
    assert time.monotonic() - began < 5 and log.lag == 0


def test_a_viewer_that_leaves_releases_the_blocked_thread() -> None:
    log = EventLog(maxlen=4, overflow="block", block_seconds=60)
    reader = Follower(log)
    producer = in_thread(lambda: fill(log, 100))
    end = time.monotonic() + PATIENCE
    while log.last < 4 and time.monotonic() < end:
        time.sleep(0.001)
    assert producer.is_alive() and log.last == 4
    log.remove_follower(reader)
    producer.join(PATIENCE)
    assert not producer.is_alive() and log.last == 100


@pytest.mark.parametrize("end", ["close", "evict"])
def test_the_end_of_the_log_releases_the_blocked_thread(end: str) -> None:
    log = EventLog(maxlen=2, overflow="block", block_seconds=60)
    reader = Follower(log)
    producer = in_thread(lambda: fill(log, 2))
    until_end = time.monotonic() + PATIENCE
    while log.last < 2 and time.monotonic() < until_end:
        time.sleep(0.001)
    getattr(log, end)()
    producer.join(PATIENCE)
    assert not producer.is_alive() and reader.seen == 0


def test_on_an_event_loop_an_append_never_waits() -> None:
    async def main() -> None:
        log = EventLog(maxlen=10, overflow="block", block_seconds=60)
        reader = Follower(log)
        began = time.monotonic()
        fill(log, 1_000)
        assert time.monotonic() - began < 5
        assert told(list(log.read(0, 10**9))) == [("gap", 990), *range(991, 1_001)]
        assert reader.seen == 0

    asyncio.run(main())


def test_a_late_viewer_of_a_blocking_log_does_not_block_at_once() -> None:
    log = EventLog(maxlen=10, overflow="block", block_seconds=60)
    fill(log, 100)
    began = time.monotonic()
    reader = Follower(log)
    assert told(list(log.read(0, 10**9))) == [("gap", 90), *range(91, 101)]
    reader.read(100)
    fill(log, 5, 101)
    assert time.monotonic() - began < 5


# drain


def test_a_job_that_drains_on_its_event_loop_loses_nothing() -> None:
    async def main() -> None:
        store = MemoryStore(maxlen=100, overflow="block", pace=0)
        job = JobEmitter(store)
        log = await store.find(job.job_id)
        assert log is not None
        viewers = [asyncio.create_task(collect(log)) for _ in range(3)]
        await settled(log)
        for n in range(1, 2_001):
            job.log(str(n))
            if n % 50 == 0:
                assert await job.drain()
                assert log.lag <= 50
        job.close()
        for viewer in viewers:
            assert told(await viewer) == [*range(1, 2_001), "done"]

    asyncio.run(main())


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
def test_drain_waits_until_half_is_read_or_its_timeout(overflow: Overflow) -> None:
    async def main() -> None:
        log = EventLog(maxlen=10, overflow=overflow)
        assert await log.drain(timeout=0)  # nobody follows
        reader = Follower(log)
        fill(log, 10)
        assert not await log.drain(timeout=0.01)
        waiting = [asyncio.create_task(log.drain(timeout=PATIENCE)) for _ in range(3)]
        await asyncio.sleep(0)
        reader.read(4)
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in waiting)
        in_thread(lambda: reader.read(5)).join()
        assert await asyncio.gather(*waiting) == [True] * 3

    asyncio.run(main())


def test_a_cancelled_drain_leaks_nothing() -> None:
    async def main() -> None:
        log = EventLog(maxlen=2)
        reader = Follower(log)
        fill(log, 2)
        waiting = asyncio.create_task(log.drain())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        reader.read(2)
        assert await log.drain(timeout=0)

    asyncio.run(main())


# Its place in a store


@pytest.mark.parametrize(
    ("options", "names"),
    [({"overflow": "drop"}, "drop_oldest"), ({"block_seconds": -1}, "block_seconds"),
     ({"block_seconds": float("nan")}, "block_seconds")],
)  # fmt: skip
def test_a_wrong_option_is_an_error_at_once(options: dict[str, Any], names: str) -> None:
    for make in (EventLog, MemoryStore):
        with pytest.raises(ValueError, match=names):
            make(**options)


def test_a_stores_overflow_holds_for_its_jobs() -> None:
    with JobLogger("memory", maxlen=5, overflow="drop_newest") as job:
        for n in range(1, 11):
            job.log(str(n))
    store = MemoryStore(maxlen=5, overflow="drop_newest")
    with JobLogger(store) as job:
        for n in range(1, 11):
            job.log(str(n))
    assert told(asyncio.run(collect(store, job.job_id))) == [1, 2, 3, 4, 5, ("gap", 5), "done"]
