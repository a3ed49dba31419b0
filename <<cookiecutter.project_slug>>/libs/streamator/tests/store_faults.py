"""`FaultContract`: tests for every store of viewers that come and go, hostile content, producers and abuse."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import select
import signal
import threading
import time
import traceback
import uuid
import warnings
from collections import Counter
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import pytest
from hostile import FORGING_TEXTS, INVALID_JOB_IDS, ODD_TEXTS

from streamator import follow
from streamator.dropped import end_dropped
from streamator.emitter import JobEmitter
from streamator.errors import InvalidJobId
from streamator.events import LEVELS, MAX_TEXT, STATUSES, Event
from streamator.logger import JobLogger
from streamator.store import Store
from streamator.testing.base import Contract, in_threads, messages, new_id, raises, run
from streamator.testing.transcript import collect

HOUR = 3_600.0


class FaultContract(Contract):
    """Tests of the faults in the README's table that concern every store, each with its line's number. Derive
    from it beside `StoreContract`, with the same fixture ``store``."""

    # Viewers

    def test_22_two_viewers_see_everything_once(self, store: Store) -> None:
        for events in self._watched(store, early=2):
            assert messages(events) == [f"line {n}" for n in range(100)]
            assert [event["event"] for event in events] == ["log"] * 100 + ["done"]

    def test_23_a_viewer_that_comes_in_the_middle_sees_everything(self, store: Store) -> None:
        early, *others = self._watched(store, early=1, late=1)
        assert messages(early) == [f"line {n}" for n in range(100)]
        assert all(events == early for events in others)

    def test_24_after_the_end_the_whole_log_is_replayed_in_order(self, store: Store) -> None:
        with JobLogger(store) as job:
            for n in range(2_000):
                job.log(f"line {n}", level=LEVELS[n % 4])
        for events in self._read(store, job.job_id):
            assert messages(events) == [f"line {n}" for n in range(2_000)]
            assert [event["level"] for event in events[:-1]] == [LEVELS[n % 4] for n in range(2_000)]
            assert all(list(event) == ["event", "message", "level", "t"] for event in events[:-1])
            times = [event["t"] for event in events]
            assert times == sorted(times) and times[0] >= 0

    def test_30_a_viewer_resumes_right_after_any_id(self, store: Store) -> None:
        with JobLogger(store) as job:
            for n in range(1, 40):
                job.log(str(n))
        for log in self._logs(store, job.job_id):
            whole = run(collect(log))
            assert log.last == len(whole) == 40
            for after in range(41):
                assert run(collect(log, after=after)) == whole[after:], after

    def test_32_impossible_ids_read_the_log_without_error(self, store: Store) -> None:
        with JobLogger(store) as job:
            job.log("x")
        for log in self._logs(store, job.job_id):
            for after in (-1, 10**18, 10**400):
                assert messages(run(collect(log, after=after))) == ["x"], after

    def test_33_an_id_from_another_run_reads_the_whole_log_of_this_one(self, store: Store) -> None:
        with JobLogger(store) as another:
            for n in range(10):
                another.log(f"another's {n}")
        job = JobLogger(store)
        job.log("first")

        async def watch(after: int) -> list[Event]:
            log = await store.find(job.job_id)
            assert log is not None
            batches = follow(log, after=after)
            events = list(await anext(batches))
            job.log("while it is watched")
            job.close()
            return [*events, *[event async for batch in batches for event in batch]]

        (last,) = {len(events) for events in self._read(store, another.job_id)}
        assert messages(run(asyncio.wait_for(watch(last), self.timeout))) == ["first", "while it is watched"]
        for log in self._logs(store, job.job_id):
            assert messages(run(collect(log, after=last))) == ["first", "while it is watched"]

    def test_39_clock_jumps_change_no_t_and_make_no_job_lost(self, store: Store, monkeypatch: Any) -> None:
        clock = time.time
        jumps = itertools.cycle((HOUR, 0.0, -HOUR))
        monkeypatch.setattr(time, "time", lambda: clock() + next(jumps))
        job = JobLogger(store)
        with self._views(store) as views:

            async def watch() -> list[list[Event]]:
                watching = [asyncio.create_task(collect(view, job.job_id, timeout=self.timeout)) for view in views]
                for n in range(20):
                    job.log(f"line {n}")
                await asyncio.sleep(1)  # several checks of the lease without a new event
                job.close()
                return await asyncio.gather(*watching)

            for events in run(watch()):
                assert messages(events) == [f"line {n}" for n in range(20)] and len(events) == 21
                times = [event["t"] for event in events]
                assert times == sorted(times) and 0 <= times[0] < 0.9 < times[-1] < self.timeout

    # Content

    def test_40_no_message_breaks_or_forges_an_event(self, store: Store) -> None:
        self._arrive_as_they_are(store, FORGING_TEXTS)

    def test_41_unusual_characters_arrive_intact(self, store: Store) -> None:
        self._arrive_as_they_are(store, ODD_TEXTS)

    def test_42_a_lone_surrogate_becomes_the_replacement_character(self, store: Store) -> None:
        with JobEmitter(store) as job:
            job.log("a\ud800b")
            job.emit({"event": "x\udfff", "\udc00": ["\ud83d"]})
            job.log("the stream goes on")
        for events in self._read(store, job.job_id):
            assert messages(events) == ["a\ufffdb", "the stream goes on"]
            assert events[1] == {"event": "x\ufffd", "\ufffd": ["\ufffd"], "t": events[1]["t"]}

    def test_43_nan_and_the_infinities_are_strict_json(self, store: Store) -> None:
        nan, infinity = float("nan"), float("inf")
        event: Any = {"event": "x", "is": nan, "in": [infinity, {"deep": -infinity}], "fine": 0.5, nan: "key"}
        with JobEmitter(store) as job:
            job.log(nan)
            job.emit(event)
        for events in self._read(store, job.job_id):
            assert messages(events) == ["nan"]
            assert events[1] == {
                "event": "x", "is": "nan", "in": ["inf", {"deep": "-inf"}], "fine": 0.5, "nan": "key",
                "t": events[1]["t"],
            }  # fmt: skip

    def test_44_objects_become_text_and_raise_nothing(self, store: Store) -> None:
        cycle: list[Any] = [1]
        cycle.append(cycle)
        plain = object()
        hostile = [plain, {1}, b"\xff", Mute(), cycle]
        texts = [str(plain), "{1}", "b'\\xff'", "<Mute that has no text: OSError>"]
        with JobEmitter(store) as job:
            for value in hostile:
                job.log(value)
            job.emit({"event": "x", "values": hostile, "kept": 1})
        for events in self._read(store, job.job_id):
            assert messages(events) == [*texts, "[1, [...]]"]
            assert events[-2]["values"] == [*texts, [1, "<list inside itself>"]] and events[-2]["kept"] == 1

    def test_45_a_message_of_ten_megabytes_is_cut_with_a_marker(self, store: Store) -> None:
        longest = "y" * MAX_TEXT
        with JobLogger(store) as job:
            for text in ("x" * 10_000_000, "\U0001f600" * 10_000_000, longest):
                job.log(text)
        marker = f"... [truncated: {MAX_TEXT:,} of 10,000,000 characters kept]"
        for events in self._read(store, job.job_id):
            assert messages(events) == ["x" * MAX_TEXT + marker, "\U0001f600" * MAX_TEXT + marker, longest]

    def test_46_an_event_is_sent_as_it_was_when_it_was_emitted(self, store: Store) -> None:
        event: Event = {"event": "x", "step": 1, "nested": {"list": [1, {"two": 2}]}}
        with JobEmitter(store) as job:
            job.emit(event)
            event["step"] = 2
            event["nested"]["list"][1].clear()
            event["nested"]["list"].append("later")
        for events in self._read(store, job.job_id):
            sent = {"event": "x", "step": 1, "nested": {"list": [1, {"two": 2}]}, "t": events[0]["t"]}
            assert events[0] == sent

    def test_47_an_event_named_done_is_renamed_with_a_warning(self, store: Store) -> None:
        endings: list[dict[Any, Any]] = [
            {"event": "done"}, {"status": "failed", "event": "done"}, {"event": Named.DONE}, {"event": Says("done")},
            {Says("event"): "done"}, {"event": "done", "nan": float("nan")}, {"event": "done", "long": "x" * 300_000},
            {"event": "done", "list": list(range(200_000))},
        ]  # fmt: skip
        with JobEmitter(store) as job:
            for ending in endings:
                (warning,) = warned(partial(job.emit, ending))
                assert "'done' is reserved, sent as 'user_done'" in warning and "close()" in warning
            job.log("after")
        for events in self._read(store, job.job_id):
            assert [event["event"] for event in events] == ["user_done"] * len(endings) + ["log", "done"]
            assert events[-1]["status"] == "completed"

    # Producers

    def test_48_forty_threads_log_everything_in_order_per_thread(self, store: Store) -> None:
        job = JobLogger(store)
        over = threading.Barrier(40, action=job.close)
        live: list[list[Event]] = []

        def work(thread: int) -> None:
            for n in range(50):
                job.log(f"{thread} {n}")
            over.wait(self.timeout)

        in_threads(40, work, lambda: live.append(run(collect(store, job.job_id, timeout=self.timeout))))
        for events in [*live, *self._read(store, job.job_id)]:
            assert len(events) == 2_001
            for thread in range(40):
                mine = [text for text in messages(events) if text.split()[0] == str(thread)]
                assert mine == [f"{thread} {n}" for n in range(50)]

    def test_49_a_thread_wakes_a_viewer_of_an_idle_loop_within_100_ms(self, store: Store) -> None:
        job = JobLogger(store)
        logged_at: list[float] = []

        def work() -> None:
            logged_at.append(time.monotonic())
            job.log("x")

        async def watch() -> list[float]:
            log = await store.find(job.job_id)
            assert log is not None
            batches = follow(log, heartbeat=HOUR)
            delays = []
            for _ in range(5):
                threading.Timer(0.02, work).start()  # the loop waits by then, and nothing else wakes it
                assert [event["message"] for event in await anext(batches)] == ["x"]
                delays.append(time.monotonic() - logged_at[-1])
            return delays

        delays = run(asyncio.wait_for(watch(), self.timeout))
        assert sorted(delays)[2] < 0.1, f"seen after {delays} s"

    def test_50_a_forked_child_gets_a_warning_for_its_parents_job_and_logs_its_own(self, store: Store) -> None:
        if not hasattr(os, "fork"):
            return
        job, own = JobEmitter(store), new_id()
        job.log("from the parent")

        def child() -> None:
            for call in (lambda: job.log("from the child"), lambda: job.emit({"event": "from the child"})):
                (warning,) = warned(call)
                assert "forked" in warning and "make a JobLogger in this process" in warning
            job.close()
            with JobLogger(store, job_id=own) as logger:
                logger.log("its own")
            assert messages(run(collect(store, own, timeout=self.timeout))) == ["its own"]
            store.close()

        in_a_fork(child, self.timeout)
        job.log("from the parent again")
        job.close()
        for events in self._read(store, job.job_id):
            assert messages(events) == ["from the parent", "from the parent again"]
        with self._views(store) as (_, *others):
            for other in others:
                assert messages(run(collect(other, own, timeout=self.timeout))) == ["its own"]

    def test_51_logging_after_close_warns_and_is_dropped(self, store: Store) -> None:
        job = JobEmitter(store)
        job.log("x")
        job.close()
        calls = {"log()": lambda: job.log("late"), "emit()": lambda: job.emit({"event": "late"})}
        for name, call in calls.items():
            assert warned(call) == [f"{name} after close() on job {job.job_id!r}: dropped"]
        for events in self._read(store, job.job_id):
            assert [event["event"] for event in events] == ["log", "done"]

    def test_52_closing_twice_or_from_many_threads_gives_one_done(self, store: Store) -> None:
        twice, at_once = JobLogger(store), JobLogger(store)
        for status in STATUSES:
            assert warned(partial(twice.close, status)) == []
        in_threads(8, lambda n: at_once.close(STATUSES[n % 3]))
        for job in (twice, at_once):
            for events in self._read(store, job.job_id):
                assert [event["event"] for event in events] == ["done"]
                assert job is at_once or events[0]["status"] == "completed"

    def test_53_an_exception_gives_an_error_entry_and_then_failed(self, store: Store) -> None:
        jobs = [JobEmitter(store) for _ in range(3)]

        def block() -> None:
            with jobs[0]:
                jobs[0].log("x")
                raise KeyError("which")

        async def awaited() -> None:
            async with jobs[1]:
                jobs[1].log("x")
                raise KeyError("which")

        async def work() -> None:
            jobs[2].log("x")
            raise KeyError("which")

        async def tracked() -> None:
            task = asyncio.create_task(work())
            jobs[2].track(task)
            await task

        assert all(raises(KeyError, call) for call in (block, lambda: run(awaited()), lambda: run(tracked())))
        for job in jobs:
            for events in self._read(store, job.job_id):
                assert messages(events) == ["x", "KeyError: 'which'"]
                assert (events[1]["level"], events[2]["event"], events[2]["status"]) == ("error", "done", "failed")

    def test_54_a_task_cancelled_before_its_first_step_ends_as_cancelled(self, store: Store) -> None:
        async def cancel_after(steps: int) -> str:
            job = JobEmitter(store)
            task = asyncio.create_task(asyncio.sleep(HOUR))
            job.track(task)
            for _ in range(steps):
                await asyncio.sleep(0)
            assert JobEmitter.cancel(job.job_id)
            await asyncio.wait([task], timeout=self.timeout)
            assert task.cancelled() and not JobEmitter.cancel(job.job_id)
            return job.job_id

        for steps in (0, 1, 3):
            for events in self._read(store, run(cancel_after(steps))):
                assert [(event["event"], event["status"]) for event in events] == [("done", "cancelled")]

    def test_55_a_loop_that_closes_in_mid_job_leaves_no_traceback(self, store: Store, capfd: Any, caplog: Any) -> None:
        gc.collect()
        end_dropped()  # earlier warnings about dropped loggers must not count below
        capfd.readouterr()
        caplog.clear()
        job, tracked, unknown = JobLogger(store), JobEmitter(store), new_id()

        async def watch(view: Store, seen: asyncio.Event) -> None:
            while (log := await view.find(job.job_id)) is None:
                await asyncio.sleep(0.02)
            async for _ in follow(log):
                seen.set()

        async def search(view: Store) -> None:
            await view.find(unknown)

        with self._views(store) as views:

            async def main() -> None:
                tracked.track(asyncio.create_task(asyncio.sleep(HOUR)))
                seen = [asyncio.Event() for _ in views]
                viewers = [asyncio.create_task(watch(*each)) for each in zip(views, seen, strict=True)]
                job.log("in the loop")
                await asyncio.wait_for(asyncio.gather(*(each.wait() for each in seen)), self.timeout)
                assert not any(viewer.done() for viewer in viewers)
                viewers += [asyncio.create_task(search(view)) for view in views]
                await asyncio.sleep(0)

            run(main())  # this cancels the viewers and the task, and closes the loop
            assert all(run(view.find(unknown)) is None for view in views)  # cancelled searches have ended too
            job.log("after the loop")
            in_threads(1, lambda _: job.log("from a thread"))
            job.close()
            gc.collect()
        for events in self._read(store, job.job_id):
            assert messages(events) == ["in the loop", "after the loop", "from a thread"]
        for events in self._read(store, tracked.job_id):
            assert [(event["event"], event["status"]) for event in events] == [("done", "cancelled")]
        assert capfd.readouterr().err == "" and not caplog.records

    def test_56_a_logger_made_outside_any_loop_is_followed_in_one(self, store: Store) -> None:
        job = JobLogger(store)
        job.log("before")

        async def main() -> list[Event]:
            reading = asyncio.create_task(collect(store, job.job_id, timeout=self.timeout))
            await asyncio.sleep(0)
            job.log("in the loop")
            await asyncio.to_thread(job.log, "in a thread")
            job.close()
            return await reading

        for events in [run(main()), *self._read(store, job.job_id)]:
            assert messages(events) == ["before", "in the loop", "in a thread"]

    # Abuse

    def test_57_invalid_job_ids_are_refused_and_find_nothing(self, store: Store) -> None:
        with self._views(store) as views:
            for job_id in INVALID_JOB_IDS:
                assert raises(InvalidJobId, partial(store.create, job_id)), job_id
                for view in views:
                    assert view.get(job_id) is None, job_id
                    assert run(view.find(job_id)) is None, job_id
        assert store.degraded is None

    def test_58_a_flood_of_unknown_ids_is_answered_and_leaks_nothing(self, store: Store) -> None:
        count = 200

        async def flood(view: Store) -> Counter[str]:
            answers = await asyncio.gather(*(view.find(uuid.uuid4().hex) for _ in range(count)))
            assert answers == [None] * count
            del answers
            gc.collect()
            return Counter(type(thing).__name__ for thing in gc.get_objects())

        # Other threads allocate too, so some rounds may grow; with a leak every round grows.
        with self._views(store) as views:
            for view in views:
                objects = run(asyncio.wait_for(flood(view), self.timeout))
                grown = []
                for _ in range(20):
                    before, objects = objects, run(asyncio.wait_for(flood(view), self.timeout))
                    grown.append(objects.total() - before.total())
                    if grown[-1] < count / 2:
                        break
                else:
                    most = (objects - before).most_common(9)
                    pytest.fail(f"each search leaves something behind: {grown}, last {most}")
        JobLogger(store, job_id=(job_id := new_id())).close()
        assert all(self._read(store, job_id))

    # Helpers

    def _watched(self, store: Store, early: int, late: int = 0) -> list[list[Event]]:
        """The events of a thread's hundred lines in each view: for ``early`` viewers, who come before the first line,
        and ``late`` ones, who come in the middle."""
        job = JobLogger(store)
        half, go_on = threading.Event(), threading.Event()

        def work() -> None:
            for n in range(100):
                if n == 50:
                    half.set()
                    go_on.wait(self.timeout)
                job.log(f"line {n}")
            job.close()

        with self._views(store) as views:

            async def watch() -> list[list[Event]]:
                def join(count: int) -> list[asyncio.Task[list[Event]]]:
                    return [
                        asyncio.create_task(collect(view, job.job_id, timeout=self.timeout))
                        for _ in range(count) for view in views
                    ]  # fmt: skip

                viewers = join(early)
                await asyncio.sleep(0)
                working = asyncio.ensure_future(asyncio.to_thread(work))
                await asyncio.to_thread(half.wait, self.timeout)
                viewers += join(late)
                await asyncio.sleep(0)
                go_on.set()
                await working
                return await asyncio.gather(*viewers)

            return run(watch())

    def _arrive_as_they_are(self, store: Store, texts: tuple[str, ...]) -> None:
        with JobLogger(store) as job:
            for text in texts:
                job.log(text)
        for events in self._read(store, job.job_id):
            assert messages(events) == list(texts)
            assert [event["event"] for event in events] == ["log"] * len(texts) + ["done"]


class Mute:
    """An object whose string raises."""

    def __str__(self) -> str:
        raise OSError("no text")

    __repr__ = __str__


class Says:
    """An object whose string is ``text``."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Named(str, Enum):
    DONE = "done"


def warned(call: Callable[[], object]) -> list[str]:
    """The warnings of a call. Each must be attributed to a line in this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(warning.filename == __file__ for warning in caught), caught
    return [str(warning.message) for warning in caught]


def in_a_fork(work: Callable[[], object], timeout: float) -> None:
    """Run ``work`` in a fork of this process. Fails with the child's traceback if it raises."""
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads in a process that forks
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os.write(tell, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(tell)
    try:
        ended = bool(select.select([told], [], [], timeout)[0])
        if not ended:
            os.kill(child, signal.SIGKILL)
        said = os.read(told, 65_536).decode()
    finally:
        os.close(told)
        os.waitpid(child, 0)
    assert ended, f"the child still ran after {timeout:g} s"
    assert not said, said
