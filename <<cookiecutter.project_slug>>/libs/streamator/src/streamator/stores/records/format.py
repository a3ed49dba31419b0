"""Records: the form in which a job's log lies in a remote store that can append.

A job's log is one stream of records, and a record's id is its event's: an append that is tried again adds nothing,
a reader asks for the records after the last id it has, and lost events are a gap between two ids. An append says which
id it follows, and is made as a whole or not at all. A store that has lost its newest records, or all of them, shows it
by the last id that it returns; the writer then goes on from there.

A producer is one store object of one process. It keeps a *beat* that changes at least three times in a lease, for all
of its jobs: a reader to whom it stands still for long enough knows that the producer is dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..remote.faults import StoreFault


@dataclass(slots=True)
class Append:
    """Events of one job, to be stored."""

    job_id: str
    run: str
    """Identifies this run of the job: nothing is added to the log of another run."""
    after: int
    """The id of the last event that is stored."""
    events: list[tuple[int, bytes]] = field(default_factory=list)
    """Ids and JSON, in order."""
    status: str | None = None
    """With the job's last event: how the job ended."""
    epoch: int = 0
    """The attempt's number: nothing is added for one that is smaller than the job's. 0: a job without attempts."""
    checkpoint: str | None = None
    """The data of a new checkpoint, in JSON. It is kept beside the events."""
    left: bool = False
    """Nothing more will come, though the job is not over."""


class Row(NamedTuple):
    """One record."""

    id: int
    json: str | None
    """The event; None: see `Append.left`."""
    closed: bool
    """Whether it is the job's last event."""


class Head(NamedTuple):
    """What a store knows of a job besides its events."""

    producer: str
    lease: float
    attempt: int = 0
    """The newest one; 0 for a job without attempts."""


class Appender(Protocol):
    """How records are written. Its methods are called from the writer's thread alone."""

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        """Store each; returns for each the id of the last event that is stored now, or its fault.

        Raises:
            StoreFault: nothing is known of any.
        """

    def beat(self, beat: int) -> bool:
        """Give a sign of life. False if the store does not have the one before: it has lost what it had.

        Raises:
            StoreFault: it was not given.
        """


class Reader(Protocol):
    """How records are read, on the event loop of the mirrors' thread. Every method raises `StoreFault`."""

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        """The heads of these jobs; a job that is not stored is left out."""

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        """The records that follow; jobs without any are left out.

        Args:
            cursors: for each job the last id that was read, and whether its ``left`` was.
            limit: how many of each.
            seconds: if there are none, wait so long for the first one (default: not at all).
        """

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        """The beat of each, or None."""

    async def close(self) -> None:
        """Close the connections."""
