"""`follow`: readers that wait, in one loop or several, with writers anywhere."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest

from streamator import Batch, EventLog, JobLogger, MemoryStore, follow
from streamator.asgi import StreamApp, WebSocketApp
from streamator.emitter import start_reaper
from streamator.log import MirroredLog
from streamator.testing import collect


def run(job: Awaitable[Any], timeout: float = 15) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, timeout)

    return asyncio.run(bounded())


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def settled(log: EventLog) -> None:
    """Until the log's followers wait: none has looked at it while the loop went round."""
    seen = None
    while seen != log.read_at:
        seen = log.read_at
        for _ in range(5):
            await asyncio.sleep(0)


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "log"]


# What a reader sees


def test_22_two_readers_and_a_late_one_see_everything() -> None:
    async def main() -> None:
        log = EventLog()
        early = [asyncio.create_task(collect(log)) for _ in range(2)]
        for n in range(1_000):
            log.append_log(str(n), "info")
            if n % 100 == 0:
                await asyncio.sleep(0)
            if n == 500:
                early.append(asyncio.create_task(collect(log)))
        log.close()
        late = await collect(log)
        assert texts(late) == [str(n) for n in range(1_000)] and late[-1]["event"] == "done"
        for events in await asyncio.gather(*early):
            assert events == late

    run(main())


def test_24_after_the_end_a_reader_gets_the_unseen_events() -> None:
    async def main() -> None:
        log = EventLog()
        for n in range(1, 11):
            log.append_log(str(n), "info")
        log.close()
        for after in range(11):
            events = await collect(log, after=after)
            assert texts(events) == [str(n) for n in range(after + 1, 11)] and events[-1]["event"] == "done"
        assert await collect(log, after=11) == []
        for unknown in (12, 10**400, -1):
            assert len(await collect(log, after=unknown)) == 11

    run(main())


def mirrored(count: int, lag_seconds: float) -> MirroredLog:
    """A log of a job that runs elsewhere: it may lag behind what viewers there have seen."""
    log = MirroredLog()
    log.lag_seconds = lag_seconds
    log.steady_until = inf  # there is always news of its job
    for n in range(1, count + 1):
        log.append_log(str(n), "info")
    return log


async def gathered(log: EventLog, after: int) -> list[dict[str, Any]]:
    """All events that a reader with frequent heartbeats gets."""
    return [event async for batch in follow(log, after=after, heartbeat=0.02) for event in batch]


def test_a_reader_ahead_of_a_lagging_log_waits_for_the_next_event() -> None:
    async def main() -> None:
        log = mirrored(3, lag_seconds=10)
        reader = asyncio.create_task(gathered(log, after=5))
        for n in range(4, 9):
            await settled(log)
            log.append_log(str(n), "info")
        log.close()
        assert texts(await reader) == ["6", "7", "8"]

    run(main())


def test_33_an_id_from_another_log_reads_from_the_beginning_after_the_lag() -> None:
    async def main() -> None:
        log = mirrored(3, lag_seconds=0.1)
        before = time.monotonic()
        async for batch in follow(log, after=5, heartbeat=0.02):
            if batch:
                assert texts(list(batch)) == ["1", "2", "3"]
                break
        assert time.monotonic() - before >= 0.1
        async for batch in follow(log, after=10**9, heartbeat=10):  # further ahead than any log can be: at once
            assert texts(list(batch)) == ["1", "2", "3"]
            break

    run(main())


def test_a_reader_ahead_of_a_lost_jobs_log_gets_nothing_twice() -> None:
    async def main() -> None:
        log = mirrored(3, lag_seconds=0.05)
        log.set_status("lost")
        reader = asyncio.create_task(gathered(log, after=5))
        await asyncio.sleep(0.2)
        log.evict()
        assert await reader == [{"event": "status", "status": "lost"}]

    run(main())


def test_all_ready_events_come_in_one_batch() -> None:
    async def main() -> None:
        log = EventLog()
        for n in range(300):
            log.append_log(str(n), "info")
        batches = [batch async for batch in follow_to_end(log)]
        assert [len(list(batch)) for batch in batches] == [301]

    run(main())


def follow_to_end(log: EventLog, **options: Any) -> Any:
    log.close()
    return follow(log, **options)


def test_a_batch_keeps_to_its_limit() -> None:
    async def main() -> None:
        log = EventLog()
        for n in range(1_000):
            log.append_log(str(n), "info")
        batches = [batch async for batch in follow_to_end(log, limit=5_000)]
        assert all(len(batch.frames) < 5_100 for batch in batches) and len(batches) > 10
        events = [event for batch in batches for event in batch]
        assert texts(events) == [str(n) for n in range(1_000)] and events[-1]["event"] == "done"

    run(main())


def test_reading_a_long_log_yields_to_other_tasks() -> None:
    async def main() -> None:
        log = EventLog()
        for n in range(2_000):
            log.append_log(str(n), "info")
        log.close()
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        before = turns
        batches = [batch async for batch in follow(log, limit=1_000)]
        task.cancel()
        assert turns - before >= len(batches) - 1 > 50

    run(main())


def test_a_slow_reader_gets_a_gap_and_the_remaining_events() -> None:
    async def main() -> None:
        log = EventLog(maxlen=10)
        batches = follow(log)
        log.append_log("0", "info")
        assert texts(list(await anext(batches))) == ["0"]
        for n in range(1, 1_000):
            log.append_log(str(n), "info")
        log.close()
        events = [event async for batch in batches for event in batch]
        assert events[0] == {"event": "gap", "missed": 990}
        assert texts(events) == [str(n) for n in range(991, 1_000)] and events[-1]["event"] == "done"

    run(main())


# Waiting


def test_49_every_append_from_a_thread_reaches_a_reader_that_waits_for_each() -> None:
    async def main() -> None:
        log = EventLog(pace=0)
        seen = threading.Semaphore(0)

        def work() -> None:
            for n in range(2_000):
                log.append_log(str(n), "info")
                assert seen.acquire(timeout=10)
            log.close()

        thread = in_thread(work)
        got = []
        async for batch in follow(log, heartbeat=3_600):
            for event in batch:
                got.append(event)
                seen.release()
        thread.join()
        assert texts(got) == [str(n) for n in range(2_000)]

    run(main())


def test_readers_on_several_loops_are_all_woken() -> None:
    log = EventLog()
    results: list[list[dict[str, Any]]] = []
    threads = [in_thread(lambda: results.append(run(collect(log)))) for _ in range(4)]
    for n in range(200):
        log.append_log(str(n), "info")
        time.sleep(0.0005)  # so that they wait in between
    log.close()
    for thread in threads:
        thread.join(15)
    assert len(results) == 4
    for events in results:
        assert texts(events) == [str(n) for n in range(200)]


def test_the_first_event_of_a_quiet_log_comes_at_once_and_a_busy_log_is_paced() -> None:
    async def main() -> None:
        pace = 0.3
        log = EventLog(pace=pace)
        loop = asyncio.get_running_loop()
        batches = follow(log)

        async def timed() -> tuple[list[str], float]:
            batch = await anext(batches)
            return texts(list(batch)), loop.time()

        waiting = asyncio.ensure_future(timed())
        await settled(log)
        began = loop.time()
        log.append_log("first", "info")
        first, at = await waiting
        assert first == ["first"] and at - began < pace / 2
        waiting = asyncio.ensure_future(timed())
        await settled(log)
        for n in range(5):
            log.append_log(str(n), "info")
            await asyncio.sleep(0)
        second, then = await waiting
        assert second == ["0", "1", "2", "3", "4"]  # one wake for all of them
        assert then - at > pace * 0.9

    run(main())


def test_one_append_wakes_a_loop_once_however_many_readers_wait() -> None:
    async def main() -> None:
        log = EventLog(pace=0)
        readers = [asyncio.create_task(collect(log)) for _ in range(50)]
        await settled(log)
        loop = asyncio.get_running_loop()
        calls = 0
        threadsafe = loop.call_soon_threadsafe

        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            return threadsafe(*args, **kwargs)

        def work() -> None:
            for n in range(100):
                log.append_log(str(n), "info")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_soon_threadsafe", counting)
            in_thread(work).join()  # the loop is held up meanwhile: nobody waits anew
        assert calls == 1
        log.close()
        for events in await asyncio.gather(*readers):
            assert len(events) == 101

    run(main())


def test_a_quiet_log_gives_heartbeats_that_move_no_cursor() -> None:
    async def main() -> None:
        log = EventLog()
        loop = asyncio.get_running_loop()
        batches = follow(log, heartbeat=0.01)
        began = loop.time()
        for n in range(1, 31):
            beat = await anext(batches)
            assert not beat and isinstance(beat, Batch) and list(beat) == [] and beat.frames == b""
            assert loop.time() - began >= n * 0.0099
        assert loop.time() - began < 5
        log.append_log("x", "info")
        assert texts(list(await anext(batches))) == ["x"]
        assert not await anext(batches)

    run(main())


def test_all_heartbeats_of_a_loop_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop, delays = asyncio.get_running_loop(), []
        call_later = loop.call_later

        def noted(delay: float, *args: Any) -> asyncio.TimerHandle:
            delays.append(delay)
            return call_later(delay, *args)

        monkeypatch.setattr(loop, "call_later", noted)
        log = EventLog()

        async def view() -> int:
            return sum([len([*batch]) async for batch in follow(log, heartbeat=1_000)])

        viewers = [asyncio.create_task(view()) for _ in range(50)]
        for n in range(20):  # each has them wait anew
            await settled(log)
            log.append_log(str(n), "info")
        log.close()
        assert set(await asyncio.gather(*viewers)) == {21}
        assert delays.count(1_000) == 1

    run(main())


def test_each_heartbeat_comes_after_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    # A timer of asyncio's fires when it is due by the loop's clock, to the last digit: so does this loop's.
    loop = asyncio.new_event_loop()
    now = 0.0
    monkeypatch.setattr(loop, "time", lambda: now)
    log = EventLog()

    async def main() -> float:
        nonlocal now
        batches = follow(log, heartbeat=10)
        waiting = asyncio.ensure_future(anext(batches))
        for _ in range(5):
            await asyncio.sleep(0)
        now += 10
        for _ in range(5):
            await asyncio.sleep(0)
        assert waiting.done() and not waiting.result()
        return now

    try:
        assert loop.run_until_complete(asyncio.wait_for(main(), 10_000)) == 10
    finally:
        loop.close()


def test_a_cancelled_reader_leaks_nothing_and_may_go_on() -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log)
        for _ in range(3):
            waiting = asyncio.ensure_future(anext(batches))
            await settled(log)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        log.append_log("x", "info")
        assert texts(list(await anext(batches))) == ["x"]

    async def leave(log: EventLog) -> None:
        tasks = [asyncio.ensure_future(anext(follow(log))) for _ in range(100)]
        await settled(log)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def many() -> None:
        log = EventLog()
        kind = type(follow(log))
        gc.collect()
        # Tests that have failed before this one may hold some still.
        before = {id(item) for item in gc.get_objects() if type(item) is kind}
        for _ in range(3):
            await leave(log)
            await asyncio.sleep(0)  # the loop lets go of what it has just run
            gc.collect()
            assert not [item for item in gc.get_objects() if type(item) is kind and id(item) not in before]

    run(main())
    run(many())


# The end of things


def test_readers_of_an_evicted_log_end_without_done() -> None:
    async def main() -> None:
        log = EventLog()
        reading = asyncio.create_task(collect(log))
        await settled(log)
        log.append_log("x", "info")
        log.evict()
        assert [event["event"] for event in await reading] == ["log"]

    run(main())


def test_each_producer_status_is_sent_once_without_an_id() -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log)
        waiting = asyncio.ensure_future(anext(batches))
        await settled(log)
        for status in ("lost", "running"):
            log.set_status(status)
            batch = await waiting
            assert batch.frames == b'data: {"event":"status","status":"%s"}\n\n' % status.encode() and batch.last == 0
            waiting = asyncio.ensure_future(anext(batches))
            await settled(log)
            assert not waiting.done()
        log.append_log("x", "info")
        assert texts(list(await waiting)) == ["x"]
        assert (await anext(follow(log, 1))).frames.startswith(b"data:")  # a late reader is told as well

    run(main())


@pytest.mark.parametrize("same_thread", [True, False])
def test_55_a_job_goes_on_when_its_readers_loop_has_closed(same_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tracebacks: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: tracebacks.append(raised.exc_value))
    monkeypatch.setattr(threading, "excepthook", lambda raised: tracebacks.append(raised.exc_value))
    store = MemoryStore()
    job = JobLogger(store, job_id="job")

    def viewer() -> None:
        loop = asyncio.new_event_loop()

        async def watch() -> None:
            log = await store.find("job")
            assert log is not None
            tasks = [asyncio.ensure_future(collect(log)) for _ in range(3)]
            await settled(log)
            assert not any(task.done() for task in tasks)
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own note of it

        loop.run_until_complete(watch())
        loop.close()

    if same_thread:
        viewer()
    else:
        in_thread(viewer).join()
    for n in range(3):
        job.log(str(n))
    threads = [in_thread(lambda: job.log("from a thread")) for _ in range(3)]
    for thread in threads:
        thread.join()
    job.close()
    assert len(run(collect(store, "job"))) == 7  # and a new loop reads it
    gc.collect()
    assert tracebacks == []


# Batching


def test_events_within_the_batch_delay_come_in_one_batch() -> None:
    async def main() -> None:
        log = EventLog(pace=0)
        batches = follow(log, batch_delay=1)
        log.append_log("0", "info")
        assert texts(list(await anext(batches))) == ["0"]  # what is there at the start does not wait
        waiting = asyncio.ensure_future(anext(batches))
        began = time.monotonic()
        for n in range(1, 20):
            await asyncio.sleep(0.005)
            assert not waiting.done()
            log.append_log(str(n), "info")
        assert texts(list(await waiting)) == [str(n) for n in range(1, 20)]
        assert 1 <= time.monotonic() - began < 5

    run(main())


def test_a_batch_of_batch_size_comes_without_the_delay() -> None:
    async def main() -> None:
        log = EventLog(pace=0)
        batches = follow(log, batch_delay=10, batch_size=10)
        log.append_log("0", "info")
        await anext(batches)
        for first in (1, 11):
            waiting = asyncio.ensure_future(anext(batches))
            for n in range(first, first + 10):
                await asyncio.sleep(0.002)
                assert not waiting.done()
                log.append_log(str(n), "info")
            assert texts(list(await asyncio.wait_for(waiting, 5))) == [str(n) for n in range(first, first + 10)]

    run(main())


@pytest.mark.parametrize("end", ["close", "evict", "status", "stop"])
def test_the_end_does_not_wait_for_the_batch_delay(end: str) -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log, batch_delay=10)
        log.append_log("0", "info")
        await anext(batches)
        waiting = asyncio.ensure_future(anext(batches, None))
        await settled(log)
        log.append_log("1", "info")
        await asyncio.sleep(0.02)
        assert not waiting.done()
        if end == "stop":
            batches.stop()
            assert await asyncio.wait_for(waiting, 5) is None
            return
        if end == "status":
            log.set_status("lost")
        else:
            getattr(log, end)()
        batch = await asyncio.wait_for(waiting, 5)
        assert batch is not None and texts(list(batch)) == ["1"]

    run(main())


def test_heartbeats_come_with_a_batch_delay_too() -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log, batch_delay=0.05, heartbeat=0.05)
        log.append_log("0", "info")
        assert await anext(batches)
        for _ in range(3):
            assert not await asyncio.wait_for(anext(batches), 5)

    run(main())


def test_a_busy_threads_log_is_read_whole_in_few_batches() -> None:
    async def main() -> None:
        log = EventLog()

        def produce() -> None:
            for n in range(200):
                log.append_log(str(n), "info")
                time.sleep(0.001)

        threads = [in_thread(produce) for _ in range(2)]
        read = 0
        sizes = []
        async for batch in follow(log, batch_delay=0.1, batch_size=1_000):
            sizes.append(len(list(batch)))
            read += sizes[-1]
            if read == 400:
                log.close()
        for thread in threads:
            thread.join()
        assert sum(sizes) == 401 and len(sizes) < 20

    run(main())


@pytest.mark.parametrize(
    "options", [{"batch_delay": -1}, {"batch_delay": 16}, {"batch_delay": 1, "batch_size": 0}, {"batch_size": 5}]
)
def test_wrong_batch_options_are_errors_that_name_them(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch_(delay|size) is"):
        follow(EventLog(), **options)


# Where asyncio does not run


def test_under_trio_the_error_says_what_to_do() -> None:
    """trio runs a coroutine as it is done here, without asyncio's loop."""

    async def nothing(*_: Any) -> None:
        pass

    job = JobLogger()
    request = {"type": "http", "path": "/", "query_string": b"", "headers": []}
    for waits in (
        anext(follow(EventLog())),
        EventLog().drain(0),
        StreamApp(job.job_id)(request, nothing, nothing),
        WebSocketApp(job.job_id)({**request, "type": "websocket"}, nothing, nothing),
        start_reaper(),
    ):
        with pytest.raises(RuntimeError, match='under trio it does not work; run .* worker_class = "asyncio"'):
            next(waits.__await__())
    job.close()
