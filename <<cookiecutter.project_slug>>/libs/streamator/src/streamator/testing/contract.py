"""`StoreContract`: the tests that every store passes."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from ..emitter import JobEmitter
from ..errors import JobCancelled, JobExists
from ..events import STATUSES, Event
from ..follow import follow
from ..logger import JobLogger
from ..stores.base import Store
from .base import Contract, in_threads, messages, new_id, raises, run
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
        assert (job.log.last, job.log.closed, job.log.evicted) == (0, False, False)
        assert (job.cancel, job.result, job.has_result) == (None, None, False)
        assert store.get(job_id) is job
        assert run(store.find(job_id)) is job.log

    def test_an_unknown_job_is_none(self, store: Store) -> None:
        with self._views(store) as views:
            for view in views:
                assert view.get(new_id()) is None
                assert run(view.find(new_id())) is None

    def test_the_longest_and_oddest_ids_are_accepted(self, store: Store) -> None:
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

    def test_one_of_many_threads_gets_an_id(self, store: Store) -> None:
        job_id = new_id()
        refused: list[bool] = []
        in_threads(8, lambda n: refused.append(raises(JobExists, lambda: store.create(job_id))))
        assert sorted(refused) == [False] + [True] * 7

    # Reading

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

    # The end

    def test_the_last_event_is_done_with_its_status(self, store: Store) -> None:
        for status in STATUSES:
            job = JobLogger(store)
            job.log("x")
            job.close(status)
            for events in self._read(store, job.job_id):
                assert [event["event"] for event in events] == ["log", "done"]
                assert events[-1] == {"event": "done", "status": status, "t": events[-1]["t"]}

    def test_a_closed_log_accepts_nothing(self, store: Store) -> None:
        job = JobLogger(store)
        log = run(store.find(job.job_id))
        assert log is not None
        job.close()
        assert log.closed and log.closed_at is not None
        assert not log.append_log("late", "info")
        assert not log.append({"event": "late"})
        assert not log.close()
        for each in self._logs(store, job.job_id):
            assert each.closed and len(run(collect(each))) == 1

    # Writing

    def test_structured_events_arrive_as_they_were_emitted(self, store: Store) -> None:
        event: Event = {
            "event": "progress", "step": 1, "of": None, "ok": True, "ratio": 0.25, "big": 2**70, "empty": {},
            "nested": {"list": [1, [2, {"three": "\n"}]]},
        }  # fmt: skip
        with JobEmitter(store) as job:
            job.emit(event)
            job.emit({"no": "name"})
        for events in self._read(store, job.job_id):
            assert events[:-1] == [{**event, "t": events[0]["t"]}, {"no": "name", "t": events[1]["t"]}]

    def test_a_job_keeps_its_result_until_it_is_taken(self, store: Store) -> None:
        job = JobEmitter(store)
        assert JobEmitter.exists(job.job_id)
        job.set_result({"answer": 42})
        assert JobEmitter.pop_result(job.job_id) == {"answer": 42}
        assert JobEmitter.pop_result(job.job_id) is None

    # Forgetting

    def test_a_task_is_cancelled_from_every_view(self, store: Store) -> None:
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

    def test_a_thread_sees_a_cancel_request_from_every_view(self, store: Store) -> None:
        def work(job: JobLogger, looked: threading.Event) -> None:
            with job:
                end = time.monotonic() + self.timeout
                while time.monotonic() < end:
                    job.raise_if_cancelled()
                    looked.set()
                    time.sleep(0.005)

        async def ask(view: Store, job_id: str) -> bool:
            while await view.find(job_id) is None:  # another process may not have written it yet
                await asyncio.sleep(0.02)
            return await view.cancel(job_id)

        with self._views(store) as views, ThreadPoolExecutor() as pool:
            for view in views:
                job, other, looked = JobLogger(store), JobLogger(store), threading.Event()
                working = pool.submit(work, job, looked)
                assert looked.wait(self.timeout)
                assert asyncio.run(asyncio.wait_for(ask(view, job.job_id), self.timeout))
                assert isinstance(working.exception(timeout=self.timeout), JobCancelled)
                events = asyncio.run(collect(store, job.job_id, timeout=self.timeout))
                assert [(event["event"], event["status"]) for event in events] == [("done", "cancelled")]
                assert not other.cancel_requested
                other.close()

    def test_closed_jobs_are_evicted_and_open_ones_are_not(self, store: Store) -> None:
        running, over = JobLogger(store), JobLogger(store)
        over.log("x")
        over.close()
        assert store.evict(closed_before=time.monotonic() - 3_600) == 0
        assert store.get(over.job_id) is not None
        assert store.evict(closed_before=time.monotonic() + 1) >= 1
        assert store.get(over.job_id) is None
        assert store.get(running.job_id) is not None
        with self._views(store) as (_, *others):
            for other in others:  # a remote store keeps it
                assert len(run(collect(other, over.job_id, timeout=self.timeout))) == 2

    def test_a_reader_of_an_evicted_log_reads_it_to_its_end(self, store: Store) -> None:
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

    def test_a_healthy_store_is_not_degraded(self, store: Store) -> None:
        with JobLogger(store) as job:
            job.log("x")
        assert all(self._read(store, job.job_id))
        assert store.degraded is None

    def test_a_store_closes_twice_and_logging_goes_on_quietly(self, store: Store) -> None:
        job = JobLogger(store)
        job.log("before")
        store.close()
        store.close()
        job.log("after")
        job.close()
        store.close()
        assert job.job_id
