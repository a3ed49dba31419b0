"""The live counts: one look at the jobs for all who watch, and a log of its own for each of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from streamator import JobEmitter, MemoryStore

from app.dashboard.events import Stats, StatsJob
from app.jobs import JobRunner
from app.users import User

__all__ = ["StatsFeeds", "current_stats"]

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
"""Between two looks: so there are at most two events a second."""

_RATE_SECONDS = 60

_KEPT_EVENTS = 8
"""For a viewer that is slow: the newest is all that matters."""


async def current_stats(jobs: JobRunner, user: User) -> Stats:
    """The counts now."""
    since = datetime.now(timezone.utc) - timedelta(seconds=_RATE_SECONDS)
    totals, rate = await jobs.totals(user=user, since=since)
    running = await jobs.running_of(user)
    return Stats(
        processing_count=len(running),
        completed=totals.get("completed", 0),
        failed=totals.get("failed", 0) + totals.get("interrupted", 0),
        cancelled=totals.get("cancelled", 0),
        rate_per_minute=rate,
        jobs=[StatsJob.model_validate(job.model_dump()) for job in running],
    )


class StatsFeeds:
    """The counts of each user, looked at while one watches, and only then.

    Arguments:
        jobs: whose jobs they are of.
    """

    def __init__(self, jobs: JobRunner) -> None:
        self.store = MemoryStore(maxlen=_KEPT_EVENTS)
        """Where the logs of those who watch are. It is no matter of the app's own store."""
        self._jobs = jobs
        self._feeds: dict[str, _Feed] = {}

    @contextmanager
    def watch(self, user: User) -> Iterator[str]:
        """The id of a log to follow: it has the counts at once, and again whenever they have changed."""
        feed = self._feeds.get(user.id)
        if feed is None:
            feed = self._feeds[user.id] = _Feed(self._jobs, user)
        emitter = JobEmitter(store=self.store)
        feed.add(emitter)
        try:
            yield emitter.job_id
        finally:
            if not feed.remove(emitter):
                self._feeds.pop(user.id, None)
            emitter.close("cancelled")
            self.store.evict(closed_before=float("inf"))


class _Feed:
    """One user's counts, and the logs that they go to."""

    def __init__(self, jobs: JobRunner, user: User) -> None:
        self._jobs = jobs
        self._user = user
        self._emitters: set[JobEmitter] = set()
        self._last: Stats | None = None
        self._task = asyncio.create_task(self._run(), name=f"stats of {user.id}")

    def add(self, emitter: JobEmitter) -> None:
        self._emitters.add(emitter)
        if self._last is not None:
            emitter.emit(self._last.model_dump(mode="json"))

    def remove(self, emitter: JobEmitter) -> bool:
        """Whether somebody else watches."""
        self._emitters.discard(emitter)
        if not self._emitters:
            self._task.cancel()
        return bool(self._emitters)

    async def _run(self) -> None:
        while True:
            try:
                stats = await current_stats(self._jobs, self._user)
            except Exception:
                logger.exception("the counts of jobs could not be read: they are tried again")
            else:
                if self._last is None or _changed(self._last, stats):
                    self._last = stats
                    for emitter in self._emitters:
                        emitter.emit(stats.model_dump(mode="json"))
            await asyncio.sleep(_TICK_SECONDS)


def _changed(before: Stats, after: Stats) -> bool:
    """Whether anything but the jobs' age is another."""
    ages = {"jobs": {"__all__": {"age_seconds"}}}
    return before.model_dump(exclude=ages) != after.model_dump(exclude=ages)
