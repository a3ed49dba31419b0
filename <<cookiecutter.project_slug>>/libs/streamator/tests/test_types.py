"""The types of the public names: mypy checks this file, and an unused ignore is an error to it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from streamator import Batch, JobEmitter, JobLogger, MemoryStore, follow


class MyEmitter(JobEmitter):
    def page(self, number: int) -> None:
        self.emit({"event": "page", "number": number})


def test_in_a_with_block_a_job_is_of_its_own_class() -> None:
    with MyEmitter(MemoryStore()) as job:
        mine: MyEmitter = job
        mine.page(1)
        assert type(job) is MyEmitter
        with pytest.raises(AttributeError):
            job.lgo("a typo")  # type: ignore[attr-defined]  # that mypy says so is the test
    with JobLogger(MemoryStore()) as logger:
        with pytest.raises(AttributeError):
            logger.emit({})  # type: ignore[attr-defined]  # that mypy says so is the test


def test_in_an_async_with_block_a_job_is_of_its_own_class() -> None:
    async def main() -> None:
        async with MyEmitter(MemoryStore()) as job:
            mine: MyEmitter = job
            mine.page(1)
            assert type(job) is MyEmitter
            with pytest.raises(AttributeError):
                job.lgo("a typo")  # type: ignore[attr-defined]  # that mypy says so is the test

    asyncio.run(main())


def test_a_follower_can_be_closed() -> None:
    async def main() -> None:
        store = MemoryStore()
        job = JobLogger(store)
        job.log("x")
        log = await store.find(job.job_id)
        assert log is not None
        async with aclosing(follow(log)) as batches:
            async for batch in batches:
                known: Batch = batch
                assert [event["message"] for event in known] == ["x"]
                with pytest.raises(AttributeError):
                    batch.shape()  # type: ignore[attr-defined]  # that mypy says so is the test
                break
        assert [batch async for batch in batches] == []

    asyncio.run(main())
