from __future__ import annotations

import asyncio

import pytest
from streamator import EventLog, JobEmitter, MemoryStore, StoreError

from app.progress import JobProgress, ProgressReader
from tests.support import eventually_async

pytestmark = pytest.mark.anyio


class Store(MemoryStore):
    """A store whose logs come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0
        self.fails = False
        self.open = asyncio.Event()
        self.open.set()

    async def find(self, job_id: str) -> EventLog | None:
        self.looked += 1
        await self.open.wait()
        if self.fails:
            raise StoreError("away")
        return await super().find(job_id)


async def test_the_last_progress_event_tells_where_a_job_is() -> None:
    store = Store()
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    job_id = emitter.job_id
    assert await reader.of([job_id]) == {job_id: JobProgress()}
    emitter.emit({"event": "progress", "step": "fetching", "percent": 12.5})
    emitter.log('not {"event":"progress","step":"a log line"}')
    emitter.emit({"event": "token", "token": "x"})
    assert await reader.of([job_id]) == {job_id: JobProgress("fetching", 12.5)}


async def test_both_spellings_count_and_what_is_not_said_stays() -> None:
    store = Store()
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    emitter.emit({"event": "progress", "stage": "generator", "progress": 40})
    emitter.emit({"event": "progress", "message": "still at it"})
    assert (await reader.of([emitter.job_id]))[emitter.job_id] == JobProgress("generator", 40)
    emitter.emit({"event": "progress", "step": 3, "percent": "half"})
    emitter.emit({"event": "progress", "percent": 400})
    assert (await reader.of([emitter.job_id]))[emitter.job_id] == JobProgress("generator", 100)


async def test_a_log_is_read_once_and_then_what_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    emitter.emit({"event": "progress", "step": "one"})
    for _ in range(6_000):
        emitter.log("a line")
    asked: list[int] = []
    read = EventLog.read

    def counted(self: EventLog, after: int = 0, limit: int = 65_536) -> object:
        asked.append(after)
        return read(self, after, limit)

    monkeypatch.setattr(EventLog, "read", counted)
    await reader.of([emitter.job_id])
    assert asked[0] == 1_001  # of a long log the end is enough
    asked.clear()
    emitter.emit({"event": "progress", "step": "two"})
    assert (await reader.of([emitter.job_id]))[emitter.job_id].step == "two"
    assert (asked, store.looked) == ([6_001, 6_002], 1)


async def test_a_log_that_is_no_longer_kept_here_is_looked_for_again() -> None:
    store = Store()
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    emitter.emit({"event": "progress", "step": "one"})
    await reader.of([emitter.job_id])
    log = await store.find(emitter.job_id)
    assert log is not None
    log.evict()
    emitter.emit({"event": "progress", "step": "two"})
    before = store.looked
    assert (await reader.of([emitter.job_id]))[emitter.job_id].step == "two"
    assert store.looked == before + 1


async def test_a_store_that_does_not_answer_holds_up_nobody() -> None:
    store = Store()
    store.open.clear()
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    emitter.emit({"event": "progress", "step": "one"})
    first, second = await asyncio.wait_for(asyncio.gather(*(reader.of([emitter.job_id]) for _ in range(2))), 2)
    assert first == second == {emitter.job_id: JobProgress()}
    assert store.looked == 1
    store.open.set()
    await eventually_async(lambda: not [task for task in asyncio.all_tasks() if "find" in repr(task.get_coro())])
    assert (await reader.of([emitter.job_id]))[emitter.job_id].step == "one"


async def test_a_store_that_cannot_be_read_is_tried_again() -> None:
    store = Store()
    store.fails = True
    reader, emitter = ProgressReader(store), JobEmitter(store=store)
    emitter.emit({"event": "progress", "step": "one"})
    assert await reader.of([emitter.job_id, "no-such-job"]) == {
        emitter.job_id: JobProgress(),
        "no-such-job": JobProgress(),
    }
    store.fails = False
    assert (await reader.of([emitter.job_id]))[emitter.job_id].step == "one"
