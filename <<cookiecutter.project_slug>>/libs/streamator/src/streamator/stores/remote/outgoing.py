"""What a writer knows of one job: how far it is stored, and what of it the store refuses."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from sys import maxsize
from typing import Any, ClassVar, Final, NamedTuple

from ...log import EventLog
from .faults import StoreFault, Trouble

# Stored in the place of an event that the store refuses: to readers it is lost.
MISSING: Final = '{"event":"gap","missed":1}'


class Opened(NamedTuple):
    """An attempt that the store has let begin, or the first one of a caller who counts them."""

    run: str
    """Identifies it to the store."""
    attempt: int
    """Its epoch: 1, 2, 3, ... The store refuses what attempts with a smaller one write."""
    last: int
    """The id of the newest event of the attempts before."""
    event: str
    """The event that it begins with, which is stored; empty for attempt 1."""
    checkpoint: str | None
    """The data of the newest checkpoint, as JSON."""
    place: Any = None
    """Where its writer goes on, if that needs more than ids."""
    begun: bool = True
    """Whether the store knows of it yet."""


class Refusal(NamedTuple):
    """An event that the store did not take, even by itself."""

    id: int
    event: str | None
    """Its JSON; None if the log has dropped it."""
    reason: str


class Outgoing(ABC):
    """A job that runs here, and a follower of its log. Only the writer's thread touches it, except `unsaved`, `seen`,
    `stalled` and `due`."""

    __slots__ = (
        "__weakref__", "_saved", "closed", "dead", "doubt", "due", "job_id", "limit", "log", "opened", "reached",
        "refused", "renew_at", "run", "stalled", "trial", "trouble",
    )  # fmt: skip

    MOST: ClassVar[int]
    """How much one write may hold: characters, or events."""

    def __init__(self, job_id: str, log: EventLog, opened: Opened | None = None) -> None:
        self.job_id = job_id
        self.log = log
        self.opened = opened
        self.run = uuid.uuid4().hex if opened is None else opened.run
        self._saved = 0
        self.reached = 0
        """The largest value of `saved` so far: events up to it are written again."""
        self.stalled = -1
        self.closed = False
        """Whether the last event is known to be stored."""
        self.dead = False
        """Whether nothing is written any more: the id belongs to another run, or the job was given up or evicted."""
        self.due = 0.0
        self.renew_at = 0.0
        """When to write it again though there is nothing new, to keep it from expiring."""
        self.trouble: Trouble | None = None
        self.refused: set[int] = set()
        """The ids of the events that are dead letters."""
        self.limit = self.MOST
        """How much the next write may hold: less after one that was refused."""
        self.doubt = 0
        """The id up to which events are in doubt, because a write with several of them was refused."""
        self.trial: Refusal | None = None
        """The event that was refused by itself, while a gap is tried in its place."""
        self.rewind()
        if opened is not None and opened.begun:
            self.resume(opened)

    @property
    def saved(self) -> int:
        """The id of the last event that is known to be stored."""
        return self._saved

    @saved.setter
    def saved(self, value: int) -> None:
        self._saved = value
        self.reached = max(self.reached, value)
        self.log.has_read()

    @property
    def seen(self) -> int:
        """As a follower of the log, see `EventLog.add_follower`: a job that is not written any more holds nobody up."""
        return maxsize if self.dead else self._saved

    @property
    def unsaved(self) -> int:
        """How many events are not known to be stored."""
        return 0 if self.dead else max(self.log.last - self.saved, 0)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do for this job."""
        if self.dead:
            return self.log.closed or self.log.evicted
        evicted = self.log.evicted and not self.log.closed
        return self.closed or (evicted and self.settled)

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether all that there is now is written."""

    @abstractmethod
    def rewind(self) -> None:
        """Begin anew: the store has nothing of this job."""

    @abstractmethod
    def resume(self, opened: Opened) -> None:
        """Go on where an attempt was let begin."""

    @property
    def epoch(self) -> int:
        """The attempt's number; 0 for a job without attempts."""
        return 0 if self.opened is None else self.opened.attempt

    def narrow(self, fault: StoreFault) -> bool:
        """A write was refused: make the next one smaller, down to a single event, and then try a gap in the place of
        that one. False where that does not help: the gap is refused too, or it is the last event of a closed log."""
        if self.trial is not None:
            self._give_back()
            self.trial = None
            return False
        if self._split():
            return True
        self.trial = self._leave_out(fault.reason)
        return self.trial is not None

    @abstractmethod
    def _split(self) -> bool:
        """Make the next write smaller than the one that was refused. False if that had one event, or a part of one."""

    @abstractmethod
    def _leave_out(self, reason: str) -> Refusal | None:
        """Put a gap in the place of the one event that was refused; None if it may not be left out."""

    def _give_back(self) -> None:  # noqa: B027  # a writer that keeps the event has nothing to do
        """Put the event back in the place of its gap."""

    def release(self) -> None:
        """Nothing is written any more: free the buffers."""
        self.dead = not self.closed
