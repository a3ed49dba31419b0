"""Whether the server is stopping, and the signals that say so.

A server such as uvicorn waits for open responses when it is told to stop, and tells the application only afterwards. So
this module handles the signals first: it ends waits for a store and calls `LoopEnding.on_end`. Then it calls the
earlier handlers.

The state is kept for each event loop: the end of one says nothing about the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from .forks import after_fork
from .loops import running_loop

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How long new streams end at once, since viewers reconnect while the server still listens. It is bounded, because the
# program may handle the signal without stopping.
ENDING_SECONDS = 10.0
# How long a request that comes while the server is stopping may wait for a store.
LAST_SECONDS = 0.5


class LoopEnding:
    """The shutdown state of one event loop."""

    __slots__ = ("ending_until", "loop", "on_end", "serves_threads", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.on_end: list[Callable[[], object]] = []
        """Called on the loop, each time it is told to end."""
        self.waits: set[asyncio.Future[None]] = set()
        self.ending_until = float("-inf")
        self.serves_threads = False

    @property
    def is_ending(self) -> bool:
        """Whether it was told to end less than 10 seconds ago."""
        return time.monotonic() < self.ending_until

    def end(self) -> None:
        """Call the callbacks, and end the waits for a store."""
        for call in self.on_end:
            call()
        self.release()

    def release(self) -> None:
        """End the waits for a store."""
        for waiting in self.waits:
            if not waiting.done():
                waiting.set_result(None)


_loops: dict[asyncio.AbstractEventLoop, LoopEnding] = {}
after_fork(_loops.clear)


def of_this_loop() -> LoopEnding:
    """The shutdown state of the running event loop."""
    loop = running_loop()
    if loop not in _loops:
        for other in [other for other in list(_loops) if other.is_closed()]:
            _loops.pop(other, None)
        _loops[loop] = LoopEnding(loop)
    return _loops[loop]


async def wait(future: asyncio.Future[Any], timeout: float | None = None) -> bool:
    """Wait for a store's answer, for ``timeout`` seconds at the most (None: as long as it takes). A server that stops
    waits for this request, so its shutdown ends the wait; a wait that begins later lasts half a second at most. Returns
    whether the future is done."""
    ending = of_this_loop()
    watch_signals()
    if ending.is_ending:
        timeout = LAST_SECONDS if timeout is None else min(timeout, LAST_SECONDS)
    released = ending.loop.create_future()
    ending.waits.add(released)
    try:
        await asyncio.wait([future, released], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.waits.discard(released)
    return future.done()


def serve_threads() -> None:
    """Mark the running event loop as one that serves the threads of any server in this process. `end` without a signal
    then ends its open streams, but not those that come later."""
    of_this_loop().serves_threads = True


def end(*, signalled: bool) -> None:
    """Tell all event loops of this process that they end; see `LoopEnding`. From any thread."""
    for loop, ending in list(_loops.items()):
        if signalled or not ending.serves_threads:
            ending.ending_until = time.monotonic() + ENDING_SECONDS
        try:
            loop.call_soon_threadsafe(ending.end)
        except RuntimeError:
            if not loop.is_closed():
                raise


def is_ending() -> bool:
    """Whether the server was told to stop, less than 10 seconds ago: see `end`. On an event loop, that loop's server;
    in a thread without one, any server of this process. From any thread."""
    try:
        ending = _loops.get(asyncio.get_running_loop())
    except RuntimeError:
        return any(ending.is_ending for loop, ending in list(_loops.items()) if not loop.is_closed())
    return ending is not None and ending.is_ending


class _Chained:
    """A signal handler that ends the streams, then calls the earlier handler."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        end(signalled=True)
        self.before(number, frame)


def watch_signals() -> None:
    """Handle the signals before the server does, and register the running event loop, if any, for `is_ending`. Outside
    the main thread signals cannot be handled.

    A server sets its handlers after it has imported the application, so each stream calls this again: two lookups. A
    signal with its default action is left alone: the process ends at once, streams and all.
    """
    with contextlib.suppress(RuntimeError):  # no event loop runs
        of_this_loop()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Chained):
            signal.signal(number, _Chained(handler))
