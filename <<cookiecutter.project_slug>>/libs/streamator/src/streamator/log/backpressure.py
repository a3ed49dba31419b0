"""Backpressure: the followers of a log, and waiting for the slowest of them. A log has it once somebody follows."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from sys import maxsize
from time import monotonic
from typing import Protocol
from weakref import WeakSet

from ..loops import running_loop


class Follower(Protocol):
    """A reader that a log with ``overflow="block"`` waits for: see `EventLog.add_follower`."""

    stalled: int
    """The cursor at its last timeout; the follower is skipped until it moves. -1 at first."""

    @property
    def seen(self) -> int:
        """The id of the last event it has finished. The log reads it under its lock."""


class Followers:
    """The followers of one log, held weakly. Callers hold the log's lock."""

    __slots__ = ("_members", "waiting")

    def __init__(self) -> None:
        self._members: WeakSet[Follower] = WeakSet()
        self.waiting: list[Callable[[], None]] = []
        """The callbacks of `moved`."""

    def add(self, follower: Follower) -> None:
        self._members.add(follower)

    def discard(self, follower: Follower) -> None:
        self._members.discard(follower)

    def slowest(self, *, stalled: bool = False) -> int:
        """The id that all have seen, `sys.maxsize` if there are none; stalled ones count only if ``stalled``."""
        return min((seen for each in self._members if (seen := each.seen) != each.stalled or stalled), default=maxsize)

    def stall(self, before: int) -> None:
        """Skip those who have not seen the id ``before``, until they move."""
        for each in self._members:
            if each.seen < before:
                each.stalled = each.seen

    # From any thread, without the lock

    def moved(self) -> None:
        """A follower's ``seen`` has grown, or the log is over: let whoever waits look again."""
        for tell in list(self.waiting):
            tell()

    def wait(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Wait in this thread until ``ready()``, which takes the lock itself; False after ``timeout`` seconds."""
        until = monotonic() + timeout
        moved = threading.Event()
        self.waiting.append(moved.set)  # before the look: a follower moves, then tells
        try:
            while not ready():
                if not moved.wait(max(until - monotonic(), 0.0)):
                    return False
                moved.clear()
            return True
        finally:
            self.waiting.remove(moved.set)

    async def drained(self, ready: Callable[[], bool], timeout: float) -> bool:
        """`wait` on the running event loop."""
        loop = running_loop()
        until = loop.time() + timeout
        moved = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(moved.set)

        self.waiting.append(tell)
        try:
            while not ready():
                await asyncio.wait_for(moved.wait(), max(until - loop.time(), 0.0))
                moved.clear()
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self.waiting.remove(tell)
