"""One viewer of a job's log on an ASGI server: what a stream of events and a WebSocket have in common.

There may be thousands of them, and nothing happens on most: a viewer keeps little. It ends after the job's last
event; when the client leaves; when the client takes nothing for 30 seconds; when its permission ends; and when the
server shuts down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import parse_qs

from . import shutdown, wire, workers
from .errors import InvalidStore, StoreError
from .events import is_job_id
from .filters import Filter
from .log import EventLog, running_loop
from .permission import Permission, permission_of
from .serving import address_of
from .store import MemoryStore, Store, find_job, open_store, stores
from .stream import Follow

# As the ASGI specification has them (asgi.readthedocs.io): dicts, for which every framework has types of its own.
Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

RETRY_MS = 3_000
SEND_TIMEOUT_SECONDS = 30.0
# After `send` has failed, for so long the server may take to tell that the client has left.
LEAVING_SECONDS = 0.5
# About how much a poll is answered at once. Whoever is behind by more asks again, after its `next`.
POLL_BYTES = 16_777_216

logger = logging.getLogger("streamator")


class Left(Exception):
    """Nothing can be sent to the client any more; that is logged, where it is more than that the client has left."""


class Viewer:
    """A client that follows a job's log. ``with viewer:`` is the time in which it does."""

    __slots__ = (
        "ending", "expired", "follow", "job_id", "permission", "receive", "send", "sending_since", "stuck", "task",
        "watcher",
    )  # fmt: skip

    transport: ClassVar[str]
    """One of `shutdown.TRANSPORTS`."""

    def __init__(self, job_id: str, receive: Receive, send: Send) -> None:
        self.job_id = job_id
        self.receive = receive
        self.send = send
        self.watcher: asyncio.Task[None] | None = None
        self.follow: Follow | None = None
        self.task: asyncio.Task[Any] | None = None
        self.sending_since: float | None = None
        self.ending = False
        self.permission: Permission | None = None
        self.expired = False
        self.stuck = False

    def __enter__(self) -> None:
        self.task = asyncio.current_task(running_loop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task = self.task
        shutdown.remove(self)
        if self.follow is not None:
            self.follow.stop()
        if self.permission is not None:
            self.permission.drop()
        self.task = self.follow = self.permission = None
        if self.watcher is not None:
            self.watcher.cancel()
            self.watcher = None
        if isinstance(error, Left):
            logger.debug("a viewer of job %s left", self.job_id, extra={"job_id": self.job_id})
            return True
        if isinstance(error, asyncio.CancelledError) and self.stuck:
            if task is not None and hasattr(task, "uncancel"):  # Python 3.11
                task.uncancel()
            text, about = "a viewer of job %s took nothing for %g s: given up", {"job_id": self.job_id}
            logger.info(text, self.job_id, SEND_TIMEOUT_SECONDS, extra=about)
            return True
        return False

    def following(self, batches: Follow) -> None:
        """What `end` is to stop."""
        self.follow = batches
        shutdown.count_opened(self.transport, resumed=batches.seen > 0)
        if self.ending:
            batches.stop()

    def permitted(self, scope: Scope) -> None:
        """For how long the request may be answered: while it is permitted, and while its server runs."""
        self.permission = permission_of(scope, self.job_id)
        shutdown.add(self, address_of(scope))

    @property
    def lag(self) -> int | None:
        """How many events the client has still to take; None while it follows no log."""
        follow = self.follow
        return None if follow is None else follow.lag

    async def put(self, message: Message) -> None:
        """Send, with an eye on the time."""
        self.sending_since = asyncio.get_running_loop().time()
        try:
            await self.send(message)
        # The former is how an ASGI server (spec 2.4) says that the client has left, the latter how uvloop does.
        except (OSError, RuntimeError) as error:
            if not await self._has_left():
                text, about = "a viewer of job %s gets nothing more, because sending failed: %s: %s", {}
                about["job_id"] = self.job_id
                logger.error(text, self.job_id, type(error).__name__, error, exc_info=error, extra=about)
            raise Left from error
        self.sending_since = None

    async def _has_left(self) -> bool:
        """Whether the server says so too, by what is received: `send` may be that of a middleware, which has failed."""
        watcher = self.watcher
        if watcher is None or watcher is asyncio.current_task():
            watcher = asyncio.ensure_future(self.watch())
        try:
            await asyncio.wait([watcher], timeout=LEAVING_SECONDS)
            return watcher.done()
        finally:
            watcher.cancel()

    async def watch(self) -> None:
        """Take in what is received, until the client has left."""
        try:
            while not (await self.receive())["type"].endswith(".disconnect"):
                pass  # the rest of a body that nobody reads
        except Exception as error:  # what a middleware does not let through
            logger.info("a viewer is sent away: %s: %s", type(error).__name__, error)
        if self.follow is not None:
            self.follow.stop()

    def end(self) -> None:
        """End, without the job's last event: the server shuts down, or the viewer may look on no longer."""
        self.ending = True
        if self.follow is not None:
            self.follow.stop()

    def sweep(self, now: float) -> None:
        """Give up on a client that takes nothing: what waits for it is memory. End where the permission has ended."""
        if not self.ending and self.permission is not None and self.permission.has_ended(now):
            self.expired = True
            self.end()
        since = self.sending_since
        if since is not None and now - since > SEND_TIMEOUT_SECONDS and self.task is not None:
            self.stuck = True
            self.task.cancel()


async def find_log(job_id: str, store: Store | None) -> EventLog | None:
    """The log of a job of this process, or else of the store (None: of any that is open here).

    None for a job that does not exist, and for an id that no store should see. Raises `StoreError` where the job was
    not found and a store cannot be read.
    """
    if not is_job_id(job_id):
        return None
    job = find_job(job_id)
    if job is not None:
        return job.log
    unread: StoreError | None = None
    asked = [store] if store is not None else stores()
    for one in asked:
        try:
            log = await one.find(job_id)
        except Exception as error:
            unread = error if isinstance(error, StoreError) else failure(one, error)
        else:
            if log is not None:
                return log
    if unread is not None:
        raise unread
    if not any(is_shared(one) for one in asked):
        workers.tell_of_an_unknown_job(job_id)
    return None


def is_shared(store: Store) -> bool:
    """Whether the store may know jobs of other processes."""
    return type(store).find is not MemoryStore.find


def failure(store: Store, error: Exception) -> StoreError:
    """What a viewer is told of a store's own error, which is logged."""
    logger.error("%s failed: %s: %s", type(store).__name__, type(error).__name__, error, exc_info=error)
    return StoreError("the log store has failed: try again in a moment")


async def cancel_job(job_id: str, log: EventLog, store: Store | None) -> tuple[int, dict[str, str]]:
    """Ask the job with this log to stop, in whichever process it runs: the status and the JSON of the answer.

    200 ``{"cancelled": job_id}``: its task stops, or the job is over by then. 202 ``{"status": "requested",
    "requested": job_id}``: the request is noted, and whether the job heeds it is known there alone. 409 ``{"error":
    why}``: it cannot be stopped. Raises `StoreError` where the store cannot be reached.
    """
    cancelled, requested = {"cancelled": job_id}, {"status": "requested", "requested": job_id}
    if log.closed:
        return 200, cancelled
    if log.status == "lost":
        why = "gives no sign of life: the process that ran it has died, and nobody is there to cancel it"
        return 409, {"error": f"job {job_id} {why}"}
    job = find_job(job_id)
    if job is not None:
        # Also for a job that has not looked yet: the request waits for it.
        return (200, cancelled) if job.ask_to_stop() == "cancelled" or log.closed else (202, requested)
    for one in [store] if store is not None else stores():
        try:
            if await one.cancel(job_id):
                return (200, cancelled) if log.closed else (202, requested)
        except StoreError:
            raise
        except Exception as error:
            raise failure(one, error) from error
    if log.closed:
        return 200, cancelled
    return 409, {"error": f"job {job_id} runs in another process, which cannot be asked: cancel it there"}


def given_store(store: str | Store | None, options: Mapping[str, Any]) -> Store | None:
    """The store that a route was given, by name or as it is; None for every store that is open here. Raises
    `InvalidStore`."""
    if store is None and options:
        raise InvalidStore(f"options {sorted(options)} without a store: name it, store='dynamo' for instance")
    return None if store is None else open_store(store, **options)


def header(scope: Scope, name: bytes) -> str | None:
    """A request's header; of several the last one counts."""
    found: str | None = None
    for key, value in scope["headers"]:
        if key == name:
            found = value.decode("latin-1")
    return found


def route_path(scope: Scope) -> str:
    """The path below where the application is mounted. The ASGI specification has ``root_path`` in front of ``path``;
    servers and proxies that are older leave it out there."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    if not root or not f"{path}/".startswith(f"{root}/"):
        return path
    return "/" + path[len(root) :].lstrip("/")  # a root that ends with a slash makes two of them


def cursor(scope: Scope) -> int:
    """The id of the last event that the viewer has. The header is what an `EventSource` sends of its own when it
    reconnects, with the URL unchanged, so it wins; of several headers or parameters the last one counts."""
    text = header(scope, b"last-event-id")
    if text is None:
        text = parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[-1]
    return wire.parse_cursor(text)


def stream_headers() -> Headers:
    """The headers of an event stream."""
    return [
        (b"content-type", wire.MEDIA_TYPE.encode()),
        # no-transform: a proxy that compresses would hold events back until its buffer is full
        (b"cache-control", b"no-cache, no-transform"),
        (b"x-accel-buffering", b"no"),
    ]


async def snapshot_json(log: EventLog, after: int, filter: Filter | None = None) -> bytes:
    """What a poll is answered: the events after an id that are shown, as JSON, up to about 16 MiB of them. ``next``
    counts the others too."""
    after = log.start_at(after)
    parts: list[bytes] = []
    size = 0
    while size < POLL_BYTES and (batch := log.read(after)):
        frames = batch.frames if filter is None else filter.select(batch.frames)
        parts += wire.json_parts(frames)
        size += len(frames)
        after = batch.last
        await asyncio.sleep(0)  # a long log is many reads: the others have their turn between two
    if log.status == "lost" and not log.closed:
        parts += wire.json_parts(wire.status_frame("lost"))
    return wire.poll_json(parts, next_id=after, closed=log.closed and after >= log.last)
