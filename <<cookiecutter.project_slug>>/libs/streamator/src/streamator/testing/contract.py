"""`StoreContract`: the tests that every store passes."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from functools import partial

from ..emitter import JobEmitter
from ..errors import InvalidJobId, JobExists
from ..events import LEVELS, STATUSES, Event
from ..logger import JobLogger
from ..store import Store
from ..stream import follow
from .base import Contract, in_threads, messages, new_id, raises, run
from .hostile import HOSTILE_TEXTS, INVALID_JOB_IDS
from .transcript import collect


class StoreContract(Contract):
    """The tests that every store passes. Derive from it, give a fixture ``store``, and run pytest:

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self):
                store = MyStore()
                yield store
                store.close()

    Each test takes a job id of its own, so that the fixture may be of any scope, except that one test closes the
    store. A store that other processes see overrides `reader`. For pytest's own explanations of a failure, call
    ``pytest.register_assert_rewrite("streamator.testing")`` in ``conftest.py``.
    """

    # Ids

    def test_a_new_job_is_found_by_its_id(self, store: Store) -> None:
        job_id = new_id()
        job = store.create(job_id)
        assert (job.log.last, job.log.closed, job.log.ended) == (0, False, False)
        assert (job.cancel, job.result, job.has_result) == (None, None, False)
        assert store.get(job_id) is job
        assert run(store.find(job_id)) is job.log

    def test_an_unknown_job_is_none(self, store: Store) -> None:
        with self._views(store) as views:
            for view in views:
                assert view.get(new_id()) is None
                assert run(view.find(new_id())) is None

    def test_an_invalid_id_is_refused_and_finds_nothing(self, store: Store) -> None:
        with self._views(store) as views:
            for job_id in INVALID_JOB_IDS:
                assert raises(InvalidJobId, partial(store.create, job_id)), job_id
                for view in views:
                    assert view.get(job_id) is None, job_id
                    assert run(view.find(job_id)) is None, job_id
        assert store.degraded is None

    def test_the_longest_and_the_oddest_id_are_taken(self, store: Store) -> None:
        for job_id in (uuid.uuid4().hex * 4, f"-_{uuid.uuid4().hex.upper()}_-"):
            JobLogger(store, job_id=job_id).close()
            for events in self._read(store, job_id):
                assert [event["event"] for event in events] == ["done"]

    def test_an_id_in_use_is_refused_and_its_log_stays(self, store: Store) -> None:
        with JobLogger(store) as job:
            job.log("first")
            assert raises(JobExists, lambda: store.create(job.job_id))
        assert raises(JobExists, lambda: store.create(job.job_id)), "also after its end"
        for events in self._read(store, job.job_id):
            assert messages(events) == ["first"]

    def test_of_many_who_ask_for_one_id_at_once_one_gets_it(self, store: Store) -> None:
        job_id = new_id()
        refused: list[bool] = []
        in_threads(8, lambda n: refused.append(raises(JobExists, lambda: store.create(job_id))))
        assert sorted(refused) == [False] + [True] * 7

    # Reading

    def test_events_are_read_in_the_order_they_were_logged(self, store: Store) -> None:
        with JobLogger(store) as job:
            for n in range(2_000):
                job.log(f"line {n}", level=LEVELS[n % 4])
        for events in self._read(store, job.job_id):
            assert messages(events) == [f"line {n}" for n in range(2_000)]
            assert [event["level"] for event in events[:-1]] == [LEVELS[n % 4] for n in range(2_000)]
            assert all(list(event) == ["event", "message", "level", "t"] for event in events[:-1])
            times = [event["t"] for event in events]
            assert times == sorted(times) and times[0] >= 0

    def test_a_reader_resumes_after_any_id(self, store: Store) -> None:
        with JobLogger(store) as job:
            for n in range(1, 40):
                job.log(str(n))
        with self._views(store) as views:
            for view in views:
                log = self._found(view, job.job_id)
                whole = run(collect(log, timeout=self.timeout))
                assert log.last == len(whole) == 40
                for after in range(41):
                    assert run(collect(log, after=after, timeout=self.timeout)) == whole[after:], after

    def test_an_id_that_the_log_does_not_have_reads_from_the_beginning(self, store: Store) -> None:
        with JobLogger(store) as job:
            job.log("x")
        with self._views(store) as views:
            for view in views:
                log = self._found(view, job.job_id)
                for after in (3, 10**18, -1):
                    assert len(run(collect(log, after=after, timeout=self.timeout))) == 2, after

    def test_live_readers_and_late_ones_see_the_same(self, store: Store) -> None:
        job = JobLogger(store)
        half, go_on = threading.Event(), threading.Event()

        def work(_: int) -> None:
            for n in range(100):
                if n == 50:
                    half.set()
                    go_on.wait(self.timeout)
                job.log(f"line {n}")
            job.close()

        with self._views(store) as views:
            async def watch() -> list[list[Event]]:
                def join() -> list[asyncio.Task[list[Event]]]:
                    return [
                        asyncio.create_task(collect(view, job.job_id, timeout=self.timeout))
                        for view in views for _ in range(2)
                    ]  # fmt: skip

                loop = asyncio.get_running_loop()
                early = join()
                await asyncio.sleep(0)
                working = loop.run_in_executor(None, work, 0)
                await loop.run_in_executor(None, half.wait, self.timeout)
                middle = join()
                await asyncio.sleep(0)
                go_on.set()
                await working
                return list(await asyncio.gather(*early, *middle, *join()))

            results = run(watch())
        assert len(results) in (6, 12)
        for events in results:
            assert messages(events) == [f"line {n}" for n in range(100)]
            assert events == results[0]

    def test_readers_on_several_event_loops_see_the_same(self, store: Store) -> None:
        job = JobLogger(store)
        results: list[list[Event]] = []

        def read(_: int) -> None:
            results.append(run(collect(store, job.job_id, timeout=self.timeout)))

        def write() -> None:
            for n in range(50):
                job.log(f"line {n}")
            job.close()

        in_threads(4, read, write)
        assert len(results) == 4
        for events in results:
            assert messages(events) == [f"line {n}" for n in range(50)]

    def test_a_worker_thread_wakes_a_reader_of_an_idle_loop(self, store: Store) -> None:
        job = JobLogger(store)
        logged_at: list[float] = []

        def work() -> None:
            logged_at.append(time.monotonic())
            job.log("x")

        async def watch() -> list[float]:
            log = await store.find(job.job_id)
            assert log is not None
            batches = follow(log, heartbeat=3_600)
            delays = []
            for _ in range(5):
                loop = asyncio.get_running_loop()
                loop.call_later(0.02, loop.run_in_executor, None, work)  # by then the reader waits
                assert [event["message"] for event in await anext(batches)] == ["x"]
                delays.append(time.monotonic() - logged_at[-1])
            return delays

        delays = run(asyncio.wait_for(watch(), self.timeout))
        assert sorted(delays)[2] < 0.1, f"seen after {delays} s"

    # The end

    def test_the_last_event_is_done_with_its_status(self, store: Store) -> None:
        for status in STATUSES:
            job = JobLogger(store)
            job.log("x")
            job.close(status)
            for events in self._read(store, job.job_id):
                assert [event["event"] for event in events] == ["log", "done"]
                assert events[-1] == {"event": "done", "status": status, "t": events[-1]["t"]}

    def test_a_closed_log_says_so_and_takes_nothing(self, store: Store) -> None:
        job = JobLogger(store)
        log = run(store.find(job.job_id))
        assert log is not None
        job.close()
        assert log.closed and log.closed_at is not None
        assert not log.append_log("late", "info")
        assert not log.append({"event": "late"})
        assert not log.close()
        with self._views(store) as views:
            for view in views:
                assert len(run(collect(view, job.job_id, timeout=self.timeout))) == 1
                assert self._found(view, job.job_id).closed

    def test_closing_from_many_threads_gives_one_last_event(self, store: Store) -> None:
        job = JobLogger(store)
        in_threads(8, lambda n: job.close(STATUSES[n % 3]))
        job.close()
        for events in self._read(store, job.job_id):
            assert [event["event"] for event in events] == ["done"]

    # Writing

    def test_many_threads_log_everything_in_order_per_thread(self, store: Store) -> None:
        job = JobLogger(store)

        def work(thread: int) -> None:
            for n in range(50):
                job.log(f"{thread} {n}")

        in_threads(40, work)
        job.close()
        for events in self._read(store, job.job_id):
            assert len(events) == 2_001
            for thread in range(40):
                mine = [text for text in messages(events) if text.split()[0] == str(thread)]
                assert mine == [f"{thread} {n}" for n in range(50)]

    def test_hostile_messages_arrive_as_they_are(self, store: Store) -> None:
        with JobLogger(store) as job:
            for text in HOSTILE_TEXTS:
                job.log(text)
        for events in self._read(store, job.job_id):
            assert messages(events) == list(HOSTILE_TEXTS)
            assert [event["event"] for event in events] == ["log"] * len(HOSTILE_TEXTS) + ["done"]

    def test_what_utf_8_or_json_cannot_hold_becomes_something_that_they_can(self, store: Store) -> None:
        with JobEmitter(store) as job:
            job.log("a\ud800b")
            job.emit({"event": "x\udfff", "\udc00": ["\ud83d"], "n": float("nan"), "set": {1}, "bytes": b"\xff"})
        for events in self._read(store, job.job_id):
            t = events[1]["t"]
            assert messages(events) == ["a\ufffdb"]
            assert events[1] == {
                "event": "x\ufffd", "\ufffd": ["\ufffd"], "n": "nan", "set": "{1}", "bytes": "b'\\xff'", "t": t,
            }  # fmt: skip

    def test_structured_events_arrive_as_they_were_emitted(self, store: Store) -> None:
        event: Event = {
            "event": "progress", "step": 1, "of": None, "ok": True, "ratio": 0.25, "big": 2**70, "empty": {},
            "nested": {"list": [1, [2, {"three": "\n"}]]},
        }  # fmt: skip
        with JobEmitter(store) as job:
            job.emit(event)
            job.emit({"no": "name"})
            sent = dict(event)
            event["step"] = 2
            event["nested"]["list"].append("later")
        sent["nested"] = {"list": [1, [2, {"three": "\n"}]]}
        for events in self._read(store, job.job_id):
            assert events[:-1] == [{**sent, "t": events[0]["t"]}, {"no": "name", "t": events[1]["t"]}]

    def test_a_job_keeps_its_result_until_it_is_taken(self, store: Store) -> None:
        job = JobEmitter(store)
        assert JobEmitter.exists(job.job_id)
        job.set_result({"answer": 42})
        assert JobEmitter.pop_result(job.job_id) == {"answer": 42}
        assert JobEmitter.pop_result(job.job_id) is None

    # Forgetting

    def test_a_job_is_cancelled_from_wherever_it_is_seen(self, store: Store) -> None:
        async def cancel_from(view: Store) -> tuple[bool, bool]:
            job = JobEmitter(store)
            job.log("begun")
            cleaned_up = False

            async def work() -> None:
                nonlocal cleaned_up
                try:
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0.3)  # a second cancellation would interrupt this
                    cleaned_up = True

            job.track(asyncio.create_task(work()))
            while await view.find(job.job_id) is None:  # another process may not have written it yet
                await asyncio.sleep(0.02)
            asked = await view.cancel(job.job_id)
            events = await collect(store, job.job_id, timeout=self.timeout)
            assert events[-1]["status"] == "cancelled"
            assert not await store.cancel(job.job_id)
            return asked, cleaned_up

        with self._views(store) as views:
            for view in views:
                assert asyncio.run(cancel_from(view)) == (True, True)
                assert not asyncio.run(view.cancel("no-such-job"))
                assert not asyncio.run(view.cancel("no/such/id"))

    def test_closed_jobs_are_forgotten_and_open_ones_are_not(self, store: Store) -> None:
        running, over = JobLogger(store), JobLogger(store)
        over.log("x")
        over.close()
        assert store.evict(closed_before=time.monotonic() - 3_600) == 0
        assert store.get(over.job_id) is not None
        assert store.evict(closed_before=time.monotonic() + 1) >= 1
        assert store.get(over.job_id) is None
        assert store.get(running.job_id) is not None
        reader = self.reader()
        if reader is not None:  # what is stored stays
            try:
                assert len(run(collect(reader, over.job_id, timeout=self.timeout))) == 2
            finally:
                reader.close()

    def test_a_reader_of_a_forgotten_log_reads_it_to_its_end(self, store: Store) -> None:
        with JobLogger(store) as job:
            for n in range(1_000):
                job.log(f"line {n}")

        async def read() -> list[Event]:
            log = await store.find(job.job_id)
            assert log is not None
            batches = follow(log, limit=1_000)
            events = list(await anext(batches))
            store.evict(closed_before=time.monotonic() + 1)
            async for batch in batches:
                events.extend(batch)
            return events

        assert len(run(asyncio.wait_for(read(), self.timeout))) == 1_001

    # The store as a whole

    def test_a_store_that_is_well_says_so(self, store: Store) -> None:
        with JobLogger(store) as job:
            job.log("x")
        assert all(self._read(store, job.job_id))
        assert store.degraded is None

    def test_a_store_is_closed_twice_and_logging_goes_on_quietly(self, store: Store) -> None:
        job = JobLogger(store)
        job.log("before")
        store.close()
        store.close()
        job.log("after")
        job.close()
        store.close()
        assert job.job_id
