"""Chunks: the form in which a job's log lies in a remote store.

A job's log is kept as chunks 0, 1, 2, ... A chunk holds events as lines of JSON and says with which event it
begins; a line without its end goes on in the next chunk. Only the last chunk, the *tail*, is ever written
again, and chunk n+1 only after chunk n is known to be stored. So a reader may append a chunk that joins on to what it
has; a chunk that does not is a stale read, and the reader looks again. Exact reading needs nothing else: no index, no
counter, no lock.

Each write of a job carries a *beat*, a number that only grows. A producer with nothing to say writes it anew
every third of its lease: a reader to whom it stands still for long enough knows that the producer is dead.
A store that compares beats ignores a write that its writer has given up and that arrives late.

A new attempt first makes the tail its own, by a write on the condition that nobody has written it since it was read,
and then begins the next chunk, with the event that tells of it, on the condition that there is none. The attempt before
can then write neither. Where it was faster, its new chunk is the tail, and it is done again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

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
    epoch: int = 0
    """The number of the attempt that has written it; 0 for a job without attempts. In chunk 0 and the chunk before one
    that an attempt begins with, the number of that attempt."""
    tail: int = 0
    """In chunk 0, when it was written again to keep it from expiring: the number of the tail at that time."""


@dataclass(slots=True)
class Fetched:
    """The result of a read. A key in neither field is not stored; nothing is known of one in ``unknown``."""

    found: dict[Key, Chunk] = field(default_factory=dict)
    unknown: set[Key] = field(default_factory=set)


Write = Callable[[str, int, Chunk, str, bool], int]
"""See `ChunkStore._write`."""

Keep = Callable[[str, str, Chunk, str], None]
"""See `ChunkStore._keep_checkpoint`."""

Fetch = Callable[[list[Key]], Fetched]
"""See `ChunkStore._fetch`."""


def place_after(first: int, offset: int, text: str) -> tuple[int, int]:
    """Where a chunk that follows ``text`` begins: (event id, characters of it that are stored)."""
    *lines, part = text.split("\n")
    for line in lines:
        gap = GAP.fullmatch(line)
        first += int(gap[1]) if gap else 1
    return first, len(part) if lines else offset + len(part)
