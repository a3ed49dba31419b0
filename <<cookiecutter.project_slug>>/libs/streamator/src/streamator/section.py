"""Locks that a signal handler or a finalizer may meet while its own thread holds them.

Python runs both between any two bytecodes of a thread. One that logs or closes a job may find the state half changed,
and must not wait for a lock of its own thread. So `interrupted` is true while a thread is in a section, and `later`
puts writes off until the thread has left it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final


class _Here(threading.local):
    """The state of one thread: how deep in sections it is, and the calls it has put off."""

    def __init__(self) -> None:
        self.depth = 0
        self.catching_up = False
        self.later: deque[Callable[[], object]] = deque()


_here = _Here()


def interrupted() -> bool:
    """Whether the caller has interrupted this thread within a section: writes must then wait for its end."""
    return _here.depth > 0


def later(call: Callable[[], object]) -> None:
    """Call it in this thread, as soon as the thread is in no section any more."""
    _here.later.append(call)


class Section:
    """A reentrant lock for short work that no other thread may see unfinished. `interrupted` is true for a handler that
    interrupts it. ``depth`` counts how often the holding thread has entered: more than once means that it was
    interrupted."""

    __slots__ = ("_lock", "depth")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.depth = 0

    def __enter__(self) -> None:
        _here.depth += 1  # first: a handler may come before the lock is taken
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


UNINTERRUPTED: Final = Uninterrupted()


def _leave() -> None:
    _here.depth -= 1
    if _here.depth or _here.catching_up or not _here.later:
        return
    _here.catching_up = True  # the calls enter sections too; leaving those must not start a second loop
    try:
        while _here.later:
            _here.later.popleft()()
    finally:
        _here.catching_up = False
