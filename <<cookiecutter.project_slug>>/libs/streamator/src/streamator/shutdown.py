"""Streams that are open here, and what ends them from outside: the server's shutdown, or a viewer that is stuck.

A server such as uvicorn waits for open responses when it is told to stop, and tells the application only after
them. So the signals that tell it are seen first here: each open stream ends, cleanly and without ``done``, nobody
waits for a store any more, and the server finds nothing left to wait for. Nothing else that handles these signals is
kept from it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from types import FrameType
from typing import Any, Final, Protocol

from .log import running_loop

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A viewer reconnects at once, and the server listens for a moment longer: what it opens then must not hold it up.
# Not for ever: the signal may have meant something else to the program.
ENDING_SECONDS = 10.0
# For so long a request that comes while the server is ending waits for a store.
LAST_SECONDS = 0.5
TRANSPORTS: Final = ("sse", "ws")
# How often an event loop looks for stuck streams. They go at most this much later than their timeout says.
SWEEP_SECONDS = 1.0


class Stream(Protocol):
    """What is registered here. Both methods are called on the stream's own event loop."""

    @property
    def transport(self) -> str:
        """One of `TRANSPORTS`."""

    @property
    def lag(self) -> int | None:
        """How many events its viewer has still to take; None while it follows no log. From any thread."""

    def end(self) -> None:
        """The server stops: come to a clean end."""

    def sweep(self, now: float) -> None:
        """Give up on the viewer if it has been stuck for too long; ``now`` is the loop's time."""


class _OpenStreams:
    """The open streams of one event loop, and the requests that wait for a store."""

    __slots__ = ("loop", "streams", "timer", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.streams: set[Stream] = set()
        self.timer: asyncio.TimerHandle | None = None
        self.waits: set[asyncio.Future[None]] = set()

    def sweep(self) -> None:
        self.timer = self.loop.call_later(SWEEP_SECONDS, self.sweep) if self.streams else None
        now = self.loop.time()
        for stream in list(self.streams):
            stream.sweep(now)

    def end(self) -> None:
        for stream in list(self.streams):
            stream.end()
        for waiting in self.waits:
            if not waiting.done():
                waiting.set_result(None)


_loops: dict[asyncio.AbstractEventLoop, _OpenStreams] = {}
_ending_until = float("-inf")


def add(stream: Stream) -> None:
    """Register a stream of the running event loop. While the server is ending, the stream is told so at once."""
    opened = _of_this_loop()
    opened.streams.add(stream)
    if opened.timer is None:
        opened.timer = opened.loop.call_later(SWEEP_SECONDS, opened.sweep)
    watch_signals()
    if is_ending():
        stream.end()


async def wait(future: asyncio.Future[Any], timeout: float | None = None) -> bool:
    """Wait for what a store answers, for ``timeout`` seconds at the most (None: as long as it takes), and not while the
    server is ending, which would wait for the request that waits here. Returns whether the future is done."""
    opened = _of_this_loop()
    watch_signals()
    if is_ending():
        timeout = LAST_SECONDS if timeout is None else min(timeout, LAST_SECONDS)
    ending = opened.loop.create_future()
    opened.waits.add(ending)
    try:
        await asyncio.wait([future, ending], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        opened.waits.discard(ending)
    return future.done()


def _of_this_loop() -> _OpenStreams:
    loop = running_loop()
    opened = _loops.get(loop)
    if opened is None:
        for other in [other for other in list(_loops) if other.is_closed()]:
            _loops.pop(other, None)
        opened = _loops[loop] = _OpenStreams(loop)
    return opened


def open_streams() -> list[Stream]:
    """The streams that are registered in this process, on whichever event loop. From any thread."""
    return [stream for opened in list(_loops.values()) for stream in list(opened.streams)]


_counts_lock = threading.Lock()
_opened: Counter[str] = Counter()
_resumed: Counter[str] = Counter()


def count_opened(transport: str, resumed: bool) -> None:
    """Count a stream that has begun to follow a log, and whether its viewer has seen some of it before."""
    with _counts_lock:
        _opened[transport] += 1
        _resumed[transport] += resumed


def opened() -> tuple[Counter[str], Counter[str]]:
    """How many streams were opened in this process, and how many of them after an event, by their transport."""
    with _counts_lock:
        return _opened.copy(), _resumed.copy()


def _after_fork() -> None:
    """In the child: the counts are the parent's, and the lock may be held by a thread that is not there."""
    global _counts_lock
    _counts_lock = threading.Lock()
    _opened.clear()
    _resumed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def remove(stream: Stream) -> None:
    """Take a stream out again."""
    opened = _loops.get(asyncio.get_running_loop())
    if opened is not None:
        opened.streams.discard(stream)


def end_streams() -> None:
    """End all streams that are open in this process, cleanly and without ``done``: the viewers reconnect. Requests
    that wait for a store are told to come again.

    This happens by itself at SIGTERM and SIGINT. Call it where a server is stopped in another way, one that runs in
    a thread for instance; streams opened in the 10 seconds after it end at once. From any thread.
    """
    global _ending_until
    _ending_until = time.monotonic() + ENDING_SECONDS
    for loop, opened in list(_loops.items()):
        try:
            loop.call_soon_threadsafe(opened.end)
        except RuntimeError:
            if not loop.is_closed():
                raise


def is_ending() -> bool:
    """Whether the server was told to stop, less than 10 seconds ago: see `end_streams`. From any thread."""
    return time.monotonic() < _ending_until


class _Chained:
    """A signal handler that ends the streams and then does what was to be done before."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        end_streams()
        self.before(number, frame)


def watch_signals() -> None:
    """See the signals before the server does; in another thread than the main one it does nothing.

    The server's handlers are set after the application is imported, so this looks again at each stream: two lookups.
    Where a signal has its default action the process ends at once, streams and all.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Chained):
            signal.signal(number, _Chained(handler))
