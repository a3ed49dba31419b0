"""Streams that are open here, and what ends them from outside: the server's shutdown, or a viewer that is stuck.

A server such as uvicorn waits for open responses when it is told to stop, and tells the application only after
them. So what tells it is seen first here: the signals, and that it takes no more requests (see `serving`). Each open
stream ends, cleanly and without ``done``, nobody waits for a store any more, and the server finds nothing left to wait
for. Nothing else that handles these signals is kept from it.

All of it is the state of an event loop: what was ended on one says nothing of the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

from .log import running_loop
from .serving import Server, Servers

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A viewer reconnects at once, and the server listens for a moment longer: what it opens then must not hold it up.
# Not for ever: the signal may have meant something else to the program.
ENDING_SECONDS = 10.0
# For so long a request that comes while the server is ending waits for a store.
LAST_SECONDS = 0.5
TRANSPORTS: Final = ("sse", "ws")
# How often an event loop looks for stuck streams. They go at most this much later than their timeout says.
SWEEP_SECONDS = 1.0
# How often it looks whether a server has stopped.
LOOK_SECONDS = 0.2


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
    """The open streams of one event loop, by their server, and the requests that wait for a store."""

    __slots__ = ("ending_until", "loop", "servers", "serves_threads", "streams", "timers", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.servers = Servers()
        self.streams: dict[Server | None, set[Stream]] = {}
        self.timers: set[Callable[[], None]] = set()
        self.waits: set[asyncio.Future[None]] = set()
        self.ending_until = float("-inf")
        self.serves_threads = False

    @property
    def is_ending(self) -> bool:
        return time.monotonic() < self.ending_until

    def add(self, stream: Stream, server: Server | None) -> None:
        self.streams.setdefault(server, set()).add(stream)
        self._again(self.sweep, SWEEP_SECONDS)
        self._again(self.look, LOOK_SECONDS)

    def discard(self, stream: Stream) -> None:
        for server, streams in self.streams.items():
            if stream in streams:
                streams.remove(stream)
                if not streams:
                    del self.streams[server]
                return

    def all(self) -> list[Stream]:
        return [stream for streams in list(self.streams.values()) for stream in list(streams)]

    def _again(self, task: Callable[[], None], seconds: float) -> None:
        """Do something every so many seconds while there are streams; in a context of nobody's."""
        if task not in self.timers:
            self.timers.add(task)
            self.loop.call_later(seconds, self._due, task, seconds, context=contextvars.Context())

    def _due(self, task: Callable[[], None], seconds: float) -> None:
        self.timers.discard(task)
        if self.streams:
            self._again(task, seconds)
            task()

    def sweep(self) -> None:
        now = self.loop.time()
        for stream in self.all():
            stream.sweep(now)

    def look(self) -> None:
        stopped = [server for server in self.streams if server is not None and server.has_stopped()]
        for server in stopped:
            for stream in list(self.streams[server]):
                stream.end()
        if stopped and len(stopped) == len(self.streams):
            self.release()

    def end(self) -> None:
        for stream in self.all():
            stream.end()
        self.release()

    def release(self) -> None:
        """Let nobody wait for a store any more."""
        for waiting in self.waits:
            if not waiting.done():
                waiting.set_result(None)


_loops: dict[asyncio.AbstractEventLoop, _OpenStreams] = {}


def add(stream: Stream, address: int | str | None = None, worker: Any = None) -> None:
    """Register a stream of the running event loop, with what is known of its server: see `Servers.find`. While the
    server is ending, the stream is told so at once."""
    opened = _of_this_loop()
    server = opened.servers.find(address, worker)
    opened.add(stream, server)
    watch_signals()
    if opened.is_ending or (server is not None and server.has_stopped()):
        stream.end()


async def wait(future: asyncio.Future[Any], timeout: float | None = None) -> bool:
    """Wait for what a store answers, for ``timeout`` seconds at the most (None: as long as it takes), and not while the
    server is ending, which would wait for the request that waits here. Returns whether the future is done."""
    opened = _of_this_loop()
    watch_signals()
    if opened.is_ending:
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


def serve_threads() -> None:
    """Say that the running event loop serves the threads of whatever servers this process has: `end_streams` says
    nothing of what comes to it later, and only a signal does."""
    _of_this_loop().serves_threads = True


def open_streams() -> list[Stream]:
    """The streams that are registered in this process, on whichever event loop. From any thread."""
    return [stream for opened in list(_loops.values()) for stream in opened.all()]


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
    """In the child: streams and counts are the parent's, and the lock may be held by a thread that is not there."""
    global _counts_lock
    _loops.clear()
    _counts_lock = threading.Lock()
    _opened.clear()
    _resumed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def remove(stream: Stream) -> None:
    """Take a stream out again; quiet if it is not there."""
    opened = _loops.get(asyncio.get_running_loop())
    if opened is not None:
        opened.discard(stream)


def end_streams() -> None:
    """End all streams that are open in this process, cleanly and without ``done``: the viewers reconnect. Requests
    that wait for a store are told to come again.

    This happens by itself at SIGTERM and SIGINT, and on Linux where a server stops for another reason. Call it where
    one is stopped in another way. What is opened in the 10 seconds after it, on an event loop that served requests
    when it was called, ends at once. An event loop that begins later, and the threads of WSGI, know nothing of it. From
    any thread.
    """
    _end(signalled=False)


def _end(*, signalled: bool) -> None:
    for loop, opened in list(_loops.items()):
        if signalled or not opened.serves_threads:
            opened.ending_until = time.monotonic() + ENDING_SECONDS
        try:
            loop.call_soon_threadsafe(opened.end)
        except RuntimeError:
            if not loop.is_closed():
                raise


def is_ending() -> bool:
    """Whether the server was told to stop, less than 10 seconds ago: see `end_streams`. On an event loop it is that
    loop's server; in a thread without one, any that this process has. From any thread."""
    try:
        opened = _loops.get(asyncio.get_running_loop())
    except RuntimeError:
        return any(opened.is_ending for loop, opened in list(_loops.items()) if not loop.is_closed())
    return opened is not None and opened.is_ending


class _Chained:
    """A signal handler that ends the streams and then does what was to be done before."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _end(signalled=True)
        self.before(number, frame)


def watch_signals() -> None:
    """See the signals before the server does, and let `is_ending` tell of the event loop that runs here, if one does.
    In another thread than the main one no signals are seen.

    The server's handlers are set after the application is imported, so this looks again at each stream: two lookups.
    Where a signal has its default action the process ends at once, streams and all.
    """
    with contextlib.suppress(RuntimeError):  # no event loop runs
        _of_this_loop()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Chained):
            signal.signal(number, _Chained(handler))
