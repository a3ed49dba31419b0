"""How far jobs are, as their logs say: the last `progress` event of each, wherever the job runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from streamator import EventLog, Store, StoreError

__all__ = ["JobProgress", "ProgressReader"]

_FIND_SECONDS = 0.3
"""How long a log of another process is waited for. It is looked for all the same, for who asks next."""

_FIRST_LOOK = 5_000
"""How many of a log's newest events are looked at when it is first read."""

_KEPT = 1_000

# An event's name is the first thing in its frame.
_MARK = b'data: {"event":"progress"'


@dataclass(frozen=True)
class JobProgress:
    """Where a job is: its step's (or stage's) name, and how much of it is done, from 0 to 100."""

    step: str | None = None
    percent: float | None = None

    def after(self, event: dict[str, Any]) -> JobProgress:
        """What it is after a progress event; one that does not say how far it is does not change that."""
        step = event.get("step", event.get("stage"))
        percent = event.get("percent", event.get("progress"))
        if isinstance(percent, bool) or not isinstance(percent, (int, float)):
            percent = self.percent
        else:
            percent = min(max(float(percent), 0.0), 100.0)
        return JobProgress(step if isinstance(step, str) else self.step, percent)


class _Reading:
    """One job's log, and how far it has been read."""

    def __init__(self) -> None:
        self.log: EventLog | None = None
        self.finding: asyncio.Task[None] | None = None
        self.cursor: int | None = None
        self.progress = JobProgress()

    async def find(self, job_id: str, store: Store) -> None:
        try:
            self.log = await store.find(job_id)
        except StoreError:
            self.log = None  # the health report says that the store cannot be read; it is tried again
        finally:
            self.finding = None

    async def read(self) -> None:
        log = self.log
        if log is None:
            return
        log.read_at = time.monotonic()  # the mirror of another process's job is kept while it is read
        if self.cursor is None or self.cursor > log.last:
            self.cursor = max(log.last - _FIRST_LOOK, 0)
        while batch := log.read(self.cursor):
            self.cursor = batch.last
            if _MARK in batch.frames:
                for frame in batch.frames.split(b"\n\n"):
                    if _MARK in frame:
                        self.progress = self.progress.after(json.loads(frame.partition(b"data: ")[2]))
            await asyncio.sleep(0)  # a long log is many batches: the others have their turn between two


class ProgressReader:
    """Reads how far jobs are from their logs in the store. Each log is read once, and then what has come since.

    Nothing is read while nobody asks. Use it from the event loop's thread.

    Arguments:
        store: where the logs are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readings: OrderedDict[str, _Reading] = OrderedDict()

    async def of(self, job_ids: Iterable[str]) -> dict[str, JobProgress]:
        """How far each of these jobs is; nothing is known of one whose log is not there (yet)."""
        readings = {job_id: self._reading(job_id) for job_id in job_ids}
        finding = [reading.finding for reading in readings.values() if reading.finding is not None]
        if finding:
            await asyncio.wait(finding, timeout=_FIND_SECONDS)
        for reading in readings.values():
            await reading.read()
        while len(self._readings) > max(_KEPT, len(readings)):
            self._readings.popitem(last=False)
        return {job_id: reading.progress for job_id, reading in readings.items()}

    def _reading(self, job_id: str) -> _Reading:
        reading = self._readings.setdefault(job_id, _Reading())
        self._readings.move_to_end(job_id)
        if (reading.log is None or reading.log.evicted) and reading.finding is None:
            reading.finding = asyncio.create_task(reading.find(job_id, self._store))
        return reading
