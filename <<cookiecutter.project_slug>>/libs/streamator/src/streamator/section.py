"""Locks that a signal handler, or a finalizer, may come upon while its own thread holds them.

Python runs both between any two steps of a thread. One that logs or closes a job then finds the state half changed,
and may not wait for what its own thread holds. So in a thread that is within a section, writing is put off until it has
left it: `interrupted` tells, and `later` keeps the call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class _Here(threading.local):
    """What this thread is at."""

    def __init__(self) -> None:
        self.depth = 0
        self.catching_up = False
        self.later: deque[Callable[[], object]] = deque()


_here = _Here()


def interrupted() -> bool:
    """Whether this thread was interrupted within a section: what is to be written must wait for its end."""
    return _here.depth > 0


def later(call: Callable[[], object]) -> None:
    """Call it, in this thread, as soon as it is in no section any more."""
    _here.later.append(call)


class Section:
    """``with section:`` is a short piece of work that no other thread is to see unfinished. `interrupted` is true for
    whatever interrupts it."""

    __slots__ = ("_lock", "depth")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.depth = 0
        """How often the thread that holds it has entered it: more than once, where it was interrupted."""

    def __enter__(self) -> None:
        _here.depth += 1  # first: nothing is to get in between
        self._lock.acquire()
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        self._lock.release()
        _leave()


class Uninterrupted:
    """A section without a lock."""

    __slots__ = ()

    def __enter__(self) -> None:
        _here.depth += 1

    def __exit__(self, *_: object) -> None:
        _leave()


UNINTERRUPTED = Uninterrupted()


def _leave() -> None:
    _here.depth -= 1
    if _here.depth or _here.catching_up or not _here.later:
        return
    _here.catching_up = True  # what is called here enters sections too, and leaves the rest to this loop
    try:
        while _here.later:
            _here.later.popleft()()
    finally:
        _here.catching_up = False
