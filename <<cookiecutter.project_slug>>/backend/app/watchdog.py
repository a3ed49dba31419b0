"""Sees when the event loop stands still, and says where in the code.

One loop serves everybody: while a piece of code holds it, nobody gets an answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamator.transports.workers import frame_of

from app.wording import count, duration

__all__ = ["watch_loop"]

logger = logging.getLogger(__name__)

_FRAMES = 12
"""How many of the stack's frames a line tells, from the innermost out."""


@contextmanager
def watch_loop(seconds: float, *, every: float = 10.0, endless: float = 60.0) -> Iterator[None]:
    """Within it, a block of the running loop for longer than `seconds` is one line of the log (a warning), with its
    length and the stack of the loop's thread. The line is written when the block is over, or after `endless` seconds.

    The loop gives a sign of life each quarter of `seconds`, and a thread looks for it as often. The length may be a
    quarter of `seconds` too long.

    Time comes from the monotonic clock, which stands still while the machine is suspended. If the process was stopped
    (SIGSTOP), this thread wakes late and the process has used no processor: that is no block. Code in C that holds the
    GIL makes this thread late too, but uses the processor: that is a block, at the line that called it. A stack that
    begins in the loop itself says that the system gave the loop no processor.

    Arguments:
        seconds: what is no block yet.
        every: seconds in which there is one line at most; it says how many blocks were left out since the last.
        endless: seconds after which a block is told though it goes on.
    """
    watchdog = _Watchdog(asyncio.get_running_loop(), seconds, every, endless)
    thread = threading.Thread(target=watchdog.run, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watchdog.stop()
        thread.join(1)


class _Watchdog:
    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, every: float, endless: float) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._seconds = seconds
        self._pause = seconds / 4
        self._every = every
        self._endless = endless
        self._stopped = threading.Event()
        self._asleep = 0.0  # seconds in which the process was stopped
        self._next_line = time.monotonic()
        self._left_out = 0
        self._live()

    def _live(self) -> None:
        """The loop's sign of life."""
        self._alive = time.monotonic(), self._asleep
        self._next = self._loop.call_later(self._pause, self._live)

    def stop(self) -> None:
        self._next.cancel()
        self._stopped.set()

    def run(self) -> None:
        while not self._wait():
            last = self._alive
            if self._length(last, time.monotonic()) <= self._seconds:
                continue
            where = _stack(self._loop_thread)
            self._wait_for_life(last, time.monotonic() + self._endless)
            over = self._alive != last
            length = self._length(last, self._alive[0] if over else time.monotonic())
            if length > self._seconds and not self._stopped.is_set():
                self._tell(length, where, over)
            self._wait_for_life(last, math.inf)

    def _length(self, last: tuple[float, float], end: float) -> float:
        """The seconds since a sign of life, less those in which the process was stopped."""
        began, asleep = last
        return end - began - (self._asleep - asleep)

    def _wait_for_life(self, last: tuple[float, float], end: float) -> None:
        while self._alive == last and time.monotonic() < end and not self._wait():
            pass

    def _wait(self) -> bool:
        """Wait a quarter of the bound; whether the watch is over."""
        began, worked = time.monotonic(), time.process_time()
        over = self._stopped.wait(self._pause)
        late = time.monotonic() - began - self._pause
        if late > self._pause and time.process_time() - worked < late / 10:
            self._asleep += late
        return over

    def _tell(self, length: float, where: str, over: bool) -> None:
        if time.monotonic() < self._next_line:
            self._left_out += 1
            return
        began = "was blocked for" if over else "is blocked, so far for"
        since = f", and {count(self._left_out, 'time')} since the last such line" if self._left_out else ""
        logger.warning("the event loop %s %s%s, at %s", began, duration(length), since, where)
        self._next_line, self._left_out = time.monotonic() + self._every, 0


def _stack(thread: int) -> str:
    """A thread's frames on one line, the innermost first."""
    frame = frame_of(thread)
    told = list[str]()
    while frame is not None and len(told) < _FRAMES:
        code = frame.f_code
        told.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(told)
