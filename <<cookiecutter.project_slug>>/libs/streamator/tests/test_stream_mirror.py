"""The mirrors of stores that append, on a reader that does what a real one does only now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from streamator.stores.records.format import Head, Row
from streamator.stores.records.mirror import StreamMirrors
from streamator.stores.remote.faults import StoreFault


class Forgetful:
    """A reader that knows every job, has nothing of it, and loses the first cancellation of a read that waits, as
    `asyncio.wait_for` may before Python 3.12."""

    def __init__(self) -> None:
        self.lost = 0

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        return {job_id: Head("producer", 10.0) for job_id in job_ids}

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        if seconds is None:
            return {}
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.lost += 1
            if self.lost > 1:
                raise
        return {}

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        return ["1" for _ in producers]

    async def close(self) -> None:
        pass


class Away(Forgetful):
    """The same, with a server that may be away."""

    away = False

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        self.reach()
        return await super().look(job_ids)

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        self.reach()
        if seconds is not None:
            await asyncio.sleep(0.05)
            self.reach()
        return {}

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        self.reach()
        return await super().beats(producers)

    def reach(self) -> None:
        if self.away:
            raise StoreFault("down", "connection refused")


def test_an_outage_and_its_end_are_each_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    def told(what: str) -> int:
        return sum(what in record.message for record in caplog.records)

    async def main() -> None:
        reader = Away()
        mirrors = StreamMirrors("a store", lambda: reader, max_mirrors=10, maxlen=100, pace=0.0)
        assert await mirrors.find("job") is not None
        reader.away = True
        await asyncio.sleep(3)
        assert (told("reading fails"), told("reading works again")) == (1, 0)
        reader.away = False
        while not told("reading works again"):
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        mirrors.stop()
        assert (told("reading fails"), told("reading works again")) == (1, 1)

    asyncio.run(main())


def test_a_lost_cancellation_blocks_nobody() -> None:
    reader: list[Forgetful] = []

    def open_reader() -> Forgetful:
        reader.append(Forgetful())
        return reader[-1]

    async def main() -> None:
        mirrors = StreamMirrors("a store", open_reader, max_mirrors=10, maxlen=100, pace=0.0)
        assert await mirrors.find("first") is not None
        await asyncio.sleep(0.1)  # it waits for news of that one
        # Another one is to be followed: the read that waits is given up for it.
        assert await asyncio.wait_for(mirrors.find("second"), 5) is not None
        assert await asyncio.wait_for(mirrors.find("third"), 5) is not None
        mirrors.stop()
        assert reader[0].lost

    asyncio.run(main())
