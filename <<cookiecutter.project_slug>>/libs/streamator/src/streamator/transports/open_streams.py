"""The open streams of this process, and what ends them from outside: the server's shutdown, a permission's end, a
viewer that is stuck.

A server that is told to stop waits for open responses. The signals are seen here first (see `ending`), and so is a
server that takes no more requests (see `serving`). Each open stream then ends, cleanly and without ``done``, so that
the server has nothing to wait for.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Final

from .. import ending
from ..ending import LoopEnding
from ..follow import Follow
from ..forks import after_fork
from .permission import Permission, permission_of
from .scope import Receive, Scope
from .serving import Server, Servers, address_of

TRANSPORTS: Final = ("sse", "ws", "poll")
# How often an event loop looks for stuck streams. They go at most this much later than their timeout says.
SWEEP_SECONDS = 1.0
# How often it looks whether a server has stopped.
LOOK_SECONDS = 0.2

logger = logging.getLogger("streamator")


class OpenStream:
    """A stream that can be ended from outside. Everything happens on the stream's own event loop."""

    __slots__ = ("ending", "expired", "follow", "permission")

    transport: ClassVar[str]
    """One of `TRANSPORTS`."""

    def __init__(self) -> None:
        self.permission: Permission | None = None
        self.follow: Follow | None = None
        self.ending = False
        self.expired = False

    @property
    def lag(self) -> int | None:
        """How many events its viewer has still to take; None while it follows no log. From any thread."""
        follow = self.follow
        return None if follow is None else follow.lag

    def register(self, scope: Scope, job_id: str = "", worker: Any = None) -> None:
        """Let the stream be ended from outside from now on; at once if the server is ending.

        Args:
            scope: the request's ASGI scope, with its permission and its server; may be empty.
            job_id: the job that the permission is for.
            worker: see `gunicorn_worker`.
        """
        self.permission = permission_of(scope, job_id)
        opened = _of_this_loop()
        server = opened.servers.find(address_of(scope), worker)
        opened.add(self, server)
        ending.watch_signals()
        if opened.ending.is_ending or (server is not None and server.has_stopped()):
            self.end()

    def following(self, batches: Follow) -> None:
        """Set what `end` stops."""
        self.follow = batches
        _count(self.transport, resumed=batches.seen > 0)
        if self.ending:
            batches.stop()

    async def watch(self, receive: Receive) -> None:
        """Stop when the client has left: the server then sends a disconnect message."""
        try:
            while not (await receive())["type"].endswith(".disconnect"):
                pass  # the rest of a body that nobody reads
        except Exception as error:  # a middleware's `receive` failed
            logger.info("a viewer is sent away: %s: %s", type(error).__name__, error)
        if self.follow is not None:
            self.follow.stop()

    def end(self) -> None:
        """Come to a clean end without the job's last event: the server stops, or the permission has ended."""
        self.ending = True
        if self.follow is not None:
            self.follow.stop()

    def sweep(self, now: float) -> None:
        """End if the permission has ended by ``now``, the loop's time."""
        if not self.ending and self.permission is not None and self.permission.has_ended(now):
            self.expired = True
            self.end()

    def leave(self) -> None:
        """The viewer is gone, whatever the reason; quiet the second time."""
        opened = _loops.get(asyncio.get_running_loop())
        if opened is not None:
            opened.discard(self)
        if self.follow is not None:
            self.follow.stop()
        if self.permission is not None:
            self.permission.drop()
        self.follow = self.permission = None


class _OpenStreams:
    """The open streams of one event loop, by their server."""

    __slots__ = ("__weakref__", "ending", "servers", "streams", "timers")

    def __init__(self, ending: LoopEnding) -> None:
        self.ending = ending
        ending.on_end.append(self.end)
        self.servers = Servers()
        self.streams: dict[Server | None, set[OpenStream]] = {}
        self.timers: set[Callable[[], None]] = set()

    def add(self, stream: OpenStream, server: Server | None) -> None:
        self.streams.setdefault(server, set()).add(stream)
        self._again(self.sweep, SWEEP_SECONDS)
        self._again(self.look, LOOK_SECONDS)

    def discard(self, stream: OpenStream) -> None:
        for server, streams in self.streams.items():
            if stream in streams:
                streams.remove(stream)
                if not streams:
                    del self.streams[server]
                return

    def all(self) -> list[OpenStream]:
        return [stream for streams in list(self.streams.values()) for stream in list(streams)]

    def _again(self, task: Callable[[], None], seconds: float) -> None:
        """Do something every so many seconds while there are streams, in an empty context."""
        if task not in self.timers:
            self.timers.add(task)
            self.ending.loop.call_later(seconds, self._due, task, seconds, context=contextvars.Context())

    def _due(self, task: Callable[[], None], seconds: float) -> None:
        self.timers.discard(task)
        if self.streams:
            self._again(task, seconds)
            task()

    def sweep(self) -> None:
        now = self.ending.loop.time()
        for stream in self.all():
            stream.sweep(now)

    def look(self) -> None:
        stopped = [server for server in self.streams if server is not None and server.has_stopped()]
        for server in stopped:
            for stream in list(self.streams[server]):
                stream.end()
        if stopped and len(stopped) == len(self.streams):
            self.ending.release()

    def end(self) -> None:
        for stream in self.all():
            stream.end()


# Each lives as long as the loop's `LoopEnding`, whose `on_end` holds it.
_loops: weakref.WeakValueDictionary[asyncio.AbstractEventLoop, _OpenStreams] = weakref.WeakValueDictionary()


def _of_this_loop() -> _OpenStreams:
    of_loop = ending.of_this_loop()
    opened = _loops.get(of_loop.loop)
    if opened is None:
        opened = _loops[of_loop.loop] = _OpenStreams(of_loop)
    return opened


def open_streams() -> list[OpenStream]:
    """The streams that are registered in this process, on whichever event loop. From any thread."""
    return [stream for opened in list(_loops.values()) for stream in opened.all()]


_counts_lock = threading.Lock()
_opened: Counter[str] = Counter()
_resumed: Counter[str] = Counter()


def _count(transport: str, resumed: bool) -> None:
    """Count a stream that has begun to follow a log, and whether its viewer has seen some of it before."""
    with _counts_lock:
        _opened[transport] += 1
        _resumed[transport] += resumed


def opened() -> tuple[Counter[str], Counter[str]]:
    """How many streams were opened in this process, and how many of them after an event, by their transport."""
    with _counts_lock:
        return _opened.copy(), _resumed.copy()


@after_fork
def _after_fork() -> None:
    """In the child: streams and counts are the parent's, and the lock may be held by a thread that is not there."""
    global _counts_lock
    _loops.clear()
    _counts_lock = threading.Lock()
    _opened.clear()
    _resumed.clear()


def end_streams() -> None:
    """End all streams that are open in this process, cleanly and without ``done``: the viewers reconnect. Requests that
    wait for a store are answered 503.

    This happens by itself at SIGTERM and SIGINT, and on Linux when a server stops for another reason. Call it if your
    server is stopped in another way. A stream that opens within the next 10 seconds, on an event loop that served
    requests at the call, ends at once. Event loops that begin later, and the threads of WSGI, are not affected. From
    any thread.
    """
    ending.end(signalled=False)
