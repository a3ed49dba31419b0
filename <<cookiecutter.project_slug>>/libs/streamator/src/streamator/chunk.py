"""Chunks: the form in which a job's log lies in a remote store.

A job's log is kept as chunks 0, 1, 2, ... A chunk holds events as lines of JSON and says with which event it
begins; a line without its end goes on in the next chunk. Only the last chunk, the *tail*, is ever written
again, and chunk n+1 only after chunk n is known to be stored. So whoever reads a chunk that joins on to what
it has may append it, and whoever reads one that does not has read something stale and looks again. Nothing
else is needed to read exactly: no index, no counter, no lock.

Each write of a job carries a *beat*, a number that only grows. A producer with nothing to say writes it anew
every third of its lease: a reader to whom it stands still for long enough knows that the producer is dead.
And a store that compares beats cannot be set back by a write that was given up and arrives late.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

GAP = re.compile(r'\{"event":"gap","missed":([0-9]{1,18})\}')
"""A line that stands for lost events. No user's event has this form: each of them has a ``t``."""

Key = tuple[str, int]
"""(job id, number of the chunk)."""


@dataclass(slots=True)
class Chunk:
    """Some of a job's events, as they are stored."""

    first: int
    """The id of the event that `text` begins with."""
    offset: int
    """How many characters of that event are in the chunks before."""
    text: str
    """Events, a line of JSON each; lost ones as ``{"event":"gap","missed":n}``. A last line without its end
    goes on in the next chunk."""
    beat: int
    """Grows with each write of the job."""
    lease: float
    """Seconds: the beat grows at least three times in so long, while the producer lives."""
    closed: bool = False
    """Whether the last line is the job's last event."""
    tail: int = 0
    """In chunk 0, when it was written again to keep it from expiring: the number of the tail at that time."""


@dataclass(slots=True)
class Fetched:
    """What a read gave. A key in neither field is not stored; nothing is known of one in ``unknown``."""

    found: dict[Key, Chunk] = field(default_factory=dict)
    unknown: set[Key] = field(default_factory=set)


class Write(Protocol):
    """Stores a chunk; returns its size in bytes, as it is billed.

    Args:
        job_id, index: the chunk's key.
        chunk: what to store.
        run: what tells this run of the job from another. A chunk of another run must not be overwritten, nor
            one with a later beat.
        known: the chunk was stored before: if it is not there, that is a `StoreFault` of kind ``gone``.

    Raises:
        StoreFault: it is not known to be stored.
    """

    def __call__(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int: ...


class Fetch(Protocol):
    """Reads up to 100 chunks. Raises `StoreFault` where nothing could be read."""

    def __call__(self, keys: list[Key]) -> Fetched: ...


def place_after(first: int, offset: int, text: str) -> tuple[int, int]:
    """Where a chunk that follows ``text`` begins: (event id, characters of it that are stored)."""
    *lines, part = text.split("\n")
    for line in lines:
        gap = GAP.fullmatch(line)
        first += int(gap[1]) if gap else 1
    return first, len(part) if lines else offset + len(part)
