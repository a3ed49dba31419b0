"""What stores count: plain numbers. `metrics` makes Prometheus' series of them.

Nothing is counted for each event. The numbers that a log has anyway are added up on request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

# In seconds: from an append in memory, some microseconds, to a write that an outage of the store has held up.
BOUNDS: Final = (
    0.00001, 0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip


class Durations:
    """A histogram of durations. One thread notes at a time; any may read meanwhile."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        """How many took up to the first bound, from there to the second, and so on; the last: longer than all."""
        self.sum = 0.0

    def note(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def add(self, other: Durations) -> None:
        """Count what another has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


@dataclass(slots=True)
class Totals:
    """The numbers that only grow while the process lives."""

    published: int = 0
    """Events that jobs have logged, including the last one of each."""
    dropped: int = 0
    """Those of them that a log has refused or dropped."""
    unstored: int = 0
    """Those that a remote store will not get, because too many jobs wait for it."""
    refused: int = 0
    """Those that it refuses for good: the dead letters."""
    failures: Counter[str] = field(default_factory=Counter)
    """Writes to a remote store that failed, by their kind: see `StoreFault`."""
    retries: int = 0
    """Writes that were retried."""
    publish: Durations = field(default_factory=Durations)
    """The time from an event's call to when all who may read it can: see `MemoryStore.counts`."""

    def add(self, other: Totals) -> None:
        """Count what another has counted."""
        self.published += other.published
        self.dropped += other.dropped
        self.unstored += other.unstored
        self.refused += other.refused
        self.failures.update(other.failures)
        self.retries += other.retries
        self.publish.add(other.publish)

    def copy(self) -> Totals:
        """A copy of them, as they are now."""
        return deepcopy(self)


@dataclass(slots=True)
class Counts:
    """A store, at one moment."""

    totals: Totals = field(default_factory=Totals)
    active: int = 0
    """Jobs that are not over."""
    size: int = 0
    """About how many bytes of memory their events take."""
    pending: int | None = None
    """Events that are not known to be stored yet; None for a store without a writer."""

    def add(self, other: Counts) -> None:
        """Count another store too."""
        self.totals.add(other.totals)
        self.active += other.active
        self.size += other.size
        if other.pending is not None:
            self.pending = (self.pending or 0) + other.pending
