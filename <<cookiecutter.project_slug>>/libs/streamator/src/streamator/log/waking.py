"""Waking: how the readers that wait for a log learn that it has grown."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from ..loops import running_loop


class Reader(Protocol):
    """What a log wakes, on its event loop: see `EventLog.watch`."""

    def wake(self) -> None: ...


class Alarm(Protocol):
    """What a log calls from the thread that appends: see `EventLog.alarm`."""

    def notify(self) -> None: ...


class Waker:
    """Wakes the readers of one log on one event loop. An append costs one call, however many readers wait.

    While the log is busy its wakes are ``pace`` seconds apart, counted from when the last reader of a round is served,
    so that the job has its turn in between. Slow readers put a wake off by 20 times ``pace`` at the most.
    """

    __slots__ = ("_due", "_fired", "_loop", "_pace", "_readers", "_scheduled", "_thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, pace: float) -> None:
        self._loop = loop
        self._pace = pace
        self._due = self._fired = 0.0
        self._scheduled = False
        self._readers: set[Reader] = set()
        self._thread = 0

    def notify(self) -> None:
        """From any thread: wake the readers as soon as they are due."""
        try:
            # Called directly on the loop's own thread: through `call_soon_threadsafe` one reader's wake takes half as
            # long again.
            if threading.get_ident() == self._thread:
                self.schedule()
            else:
                self._loop.call_soon_threadsafe(self.schedule)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            self._readers.clear()

    # The rest is called on the loop's thread.

    def add(self, reader: Reader, served: bool) -> None:
        """Wake this reader at the next wake; one that was just ``served`` delays that."""
        self._thread = threading.get_ident()  # a loop may have moved to another thread
        self._readers.add(reader)
        if served:
            self._due = min(self._loop.time(), self._fired + 19 * self._pace) + self._pace

    def discard(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def may_wait(self, reader: Reader) -> bool:
        """Whether a reader that has more to read must wait for a later wake. False: it may go on at once."""
        now = self._loop.time()
        if now < self._due:
            self.schedule()
            return True
        self._fired = now
        self._readers.discard(reader)
        return False

    def schedule(self) -> None:
        """Wake the readers now, or when they are due."""
        if self._scheduled or not self._readers:
            return
        wait = self._due - self._loop.time()
        if wait > 0:
            self._scheduled = True
            self._loop.call_later(wait, self._try_again)
            return
        self._fired = self._loop.time()
        readers, self._readers = self._readers, set()
        for reader in readers:
            reader.wake()

    def _try_again(self) -> None:
        self._scheduled = False
        self.schedule()


def waker_here(wakers: dict[asyncio.AbstractEventLoop, Waker], pace: float) -> Waker:
    """The waker of the running event loop, from those of one log; those of closed loops are forgotten."""
    loop = running_loop()
    waker = wakers.get(loop)
    if waker is None:
        for other in [other for other in wakers if other.is_closed()]:
            del wakers[other]
        waker = wakers[loop] = Waker(loop, pace)
    return waker
