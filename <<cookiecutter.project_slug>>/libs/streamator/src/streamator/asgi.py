"""A job's stream as a plain ASGI application, for any framework and for none.

Of an ASGI framework it needs nothing: `StreamApp` is one job's stream, which an endpoint of yours ends with;
`LogApp` is the routes of all jobs, to be mounted where the framework mounts applications.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from . import wire
from .compression import Encoder, encoder_for
from .errors import StoreError
from .filters import DEFAULT_FILTER, Filter
from .options import check_callable, check_flag, check_prefix
from .store import Store
from .stream import HEARTBEAT_SECONDS, Follow, check_heartbeat
from .view import View, view_of
from .viewer import (
    RETRY_MS,
    ASGIApp,
    Headers,
    Receive,
    Scope,
    Send,
    Viewer,
    cursor,
    find_log,
    given_store,
    header,
    logger,
    route_path,
    snapshot_json,
    stream_headers,
)  # fmt: skip
from .websocket import WebSocketApp, check_origins

NO_STORE = (b"cache-control", b"no-store")
# How long a viewer waits whose permission has ended in mid-stream, until it comes back with another.
AGAIN_MS = 100
_JSON = (b"content-type", b"application/json")


class StreamApp:
    """An ASGI application that streams a job's log as server-sent events, for any number of viewers at a time.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        named: put each event's name on an ``event:`` line, for an endpoint that starts a job and streams it as the
            answer to a POST (default False: unnamed, so that a browser's ``onmessage`` sees every event).
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); None for all. A
            viewer's ``?visibility=`` and ``?types=``, lists with commas, can take away from it and add nothing.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        compress: send the stream compressed to a client that takes it, as gzip or, with the ``[compress]`` extra, zstd
            (default False); lines still arrive one by one, and a viewer costs about 30 KB more.

    It reads the cursor from the request: the ``Last-Event-ID`` header, or else ``?after=``. An unknown job is a 404,
    an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of a closed log a 204, which
    tells an `EventSource` to stop. It ends after the job's last event; when the viewer leaves; when the viewer takes
    nothing for 30 seconds; and, without the last event, when the server shuts down and at the Unix time that an
    authentication has put into ``scope["streamator.ends_at"]``, or within a second of it. Where it has put a function
    into ``scope["streamator.revoked"]``, plain or ``async``, that is asked once a second, in the request's own context,
    and ends the stream when it gives true, raises, or does not answer within 5 seconds.
    """

    __slots__ = ("_compress", "_heartbeat", "_job_id", "_named", "_store", "_view")

    def __init__(
        self, job_id: str, store: Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        compress: bool = False,
    ) -> None:  # fmt: skip
        self._job_id = job_id
        self._store = given_store(store, {})
        self._heartbeat = check_heartbeat(heartbeat)
        self._named = check_flag("named", named)
        self._compress = check_flag("compress", compress)
        self._view = view_of(filter, batch_delay_ms, batch_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self.stream(scope, receive, send)

    def stream(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers | None = None,
        background: Callable[[], Awaitable[None]] | None = None,
    ) -> Awaitable[None]:  # fmt: skip
        """What a call does, with headers of a framework's own and what is to be done beside the stream: it begins with
        it, and goes on when the viewer leaves."""
        stream = _Stream(self._job_id, self._heartbeat, self._named, receive, send, background)
        headers = stream_headers() if headers is None else headers
        if self._compress:
            stream.encoder = encoder_for(header(scope, b"accept-encoding"))
            headers = [*headers, (b"vary", b"accept-encoding")]
        return stream.run(self._store, self._view, headers, scope)


class _Stream(Viewer):
    """One viewer's open stream."""

    __slots__ = ("background", "encoder", "heartbeat", "named")

    transport = "sse"

    def __init__(
        self, job_id: str, heartbeat: float, named: bool, receive: Receive, send: Send,
        background: Callable[[], Awaitable[None]] | None,
    ) -> None:  # fmt: skip
        super().__init__(job_id, receive, send)
        self.heartbeat = heartbeat
        self.named = named
        self.background = background
        self.encoder: Encoder | None = None

    async def run(self, store: Store | None, view: View, headers: Headers, scope: Scope) -> None:
        """Answer the request."""
        background = None if self.background is None else _beside(self.background, self.job_id)
        self.background = None
        with self:
            self.permitted(scope)
            batches = await self._begin(store, view, headers, scope)
            del scope, headers, store, view  # none of it is needed again
            if batches is not None:
                self.following(batches)
                self.watcher = asyncio.ensure_future(self.watch())
                async for batch in batches:
                    data = batch.frames or wire.heartbeat(batch.last)
                    await self._put(self._encoded(wire.named(data) if self.named and batch else data))
                if self.expired:  # whoever may see more asks for it with a new permission, and need not wait
                    await self._put(self._encoded(wire.retry(AGAIN_MS)))
                await self._put(b"" if self.encoder is None else self.encoder.finish(), more=False)
        if background is not None:
            await asyncio.wait([background])

    async def _begin(self, store: Store | None, view: View, headers: Headers, scope: Scope) -> Follow | None:
        """Answer up to the first event; None where that was all there is to say."""
        try:
            view = view.narrowed(scope["query_string"])
        except ValueError as error:
            await unprocessable(self.put, error)
            return None
        try:
            log = await find_log(self.job_id, store)
        except StoreError as error:
            await unavailable(self.put, error)
            return None
        if log is None:
            await not_found(self.put)
            return None
        after = cursor(scope)
        if log.is_over_for(after):
            await respond(self.put, 204)
            return None
        if self.encoder is not None:
            headers = [*headers, (b"content-encoding", self.encoder.name.encode())]
        await self.put({"type": "http.response.start", "status": 200, "headers": headers})
        await self._put(self._encoded(wire.opening(RETRY_MS)))
        return view.follow(log, after, self.heartbeat)

    def _encoded(self, data: bytes) -> bytes:
        return data if self.encoder is None else self.encoder.encode(data)

    def _put(self, data: bytes, more: bool = True) -> Awaitable[None]:
        return self.put({"type": "http.response.body", "body": data, "more_body": more})


# Or a task that nobody waits for any more could be garbage-collected.
_working: set[asyncio.Future[None]] = set()


def _beside(background: Callable[[], Awaitable[None]], job_id: str) -> asyncio.Future[None]:
    """Begin what a framework would do after the response: it may be the job whose end the stream waits for."""

    def over(task: asyncio.Future[None]) -> None:
        _working.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            text, about = "a background task of the stream of job %s has failed: %s: %s", {"job_id": job_id}
            logger.error(text, job_id, type(error).__name__, error, exc_info=error, extra=about)

    task = asyncio.ensure_future(background())
    _working.add(task)
    task.add_done_callback(over)
    return task


class LogApp:
    """An ASGI application with the routes that show jobs' logs, for a framework to mount.

    Args:
        store: where to look for jobs that do not run in this process: ``"dynamo"``, or a `Store` (default: in every
            store that is open here).
        prefix: the path that it answers under, where nothing in front of it has seen to that (default: any).
        otherwise: the application that gets the requests that are not under ``prefix`` (default: none, 404).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        filter, batch_delay_ms, batch_size, compress: see `StreamApp`.
        origins: sites beside the server's own whose pages may open a WebSocket (default: none); see `WebSocketApp`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    ``GET {prefix}/{job_id}/stream`` is the live stream; see `StreamApp`. ``WS {prefix}/{job_id}/ws`` is the same over
    a WebSocket; see `WebSocketApp`. ``GET {prefix}/{job_id}`` is what there is
    now, ``{"logs": [...], "next": 7, "closed": false}``: ask again with ``?after=7`` for what has come since,
    or for the rest of a log of more than 16 MiB.
    Whoever knows a job's id can read it: put what your framework has for authentication in front of it.
    """

    def __init__(
        self, store: str | Store | None = None, *, prefix: str = "", otherwise: ASGIApp | None = None,
        heartbeat: float = HEARTBEAT_SECONDS, filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0,
        batch_size: int | None = None, compress: bool = False, origins: Collection[str] = (), **store_options: Any,
    ) -> None:  # fmt: skip
        self._store = given_store(store, store_options)
        self._prefix = check_prefix("prefix", prefix)
        if otherwise is not None:
            check_callable("otherwise", otherwise, "give an ASGI application, or None")
        self._otherwise = otherwise
        self._heartbeat = check_heartbeat(heartbeat)
        self._compress = check_flag("compress", compress)
        self._origins = check_origins(origins)
        self._shows: dict[str, Any] = {
            "filter": filter, "batch_delay_ms": batch_delay_ms, "batch_size": batch_size,
        }  # fmt: skip
        self._view = view_of(filter, batch_delay_ms, batch_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = route_path(scope)
        if self._otherwise is not None and not path.startswith(f"{self._prefix}/"):
            await self._otherwise(scope, receive, send)
            return
        # By its last parts: frameworks differ in what they leave of a path in front of a mounted application, and one
        # (Litestar) adds a slash behind it.
        *_, job_id, last = f"//{path.rstrip('/')}".split("/")
        if scope["type"] == "websocket":
            socket = WebSocketApp(job_id, self._store, heartbeat=self._heartbeat, origins=self._origins, **self._shows)
            await (socket if last == "ws" else _refuse)(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"streamator's LogApp answers no {scope['type']!r}: only http and websocket")
        if scope["method"] != "GET":
            await respond(send, 405, _error(f"{scope['method']} {path}: only GET is answered here"), (b"allow", b"GET"))
        elif last == "stream" and job_id:
            stream = StreamApp(job_id, self._store, heartbeat=self._heartbeat, compress=self._compress, **self._shows)
            await stream(scope, receive, send)
        else:
            await self._snapshot(last, scope, send)

    async def _snapshot(self, job_id: str, scope: Scope, send: Send) -> None:
        try:
            view = self._view.narrowed(scope["query_string"])
        except ValueError as error:
            await unprocessable(send, error)
            return
        try:
            log = await find_log(job_id, self._store)
        except StoreError as error:
            await unavailable(send, error)
            return
        if log is None:
            await not_found(send)
            return
        await respond(send, 200, await snapshot_json(log, cursor(scope), view.filter))


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept no WebSocket: the server answers 403."""
    await send({"type": "websocket.close", "code": 1008})


async def respond(send: Send, status: int, body: bytes = b"", *more: tuple[bytes, bytes]) -> None:
    """Send a short answer: JSON, or nothing."""
    headers = [NO_STORE, *more]
    if status != 204:
        headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def not_found(send: Send) -> None:
    """Answer that there is no such job (any more)."""
    await respond(send, 404, _error("not found"))


async def unprocessable(send: Send, error: ValueError) -> None:
    """Answer that the query asks for what there is not."""
    await respond(send, 422, _error(str(error)))


async def unavailable(send: Send, error: StoreError) -> None:
    """Answer that nobody knows, because a store cannot be read."""
    await respond(send, 503, _error(str(error)), (b"retry-after", b"2"))


def _error(text: str) -> bytes:
    return json.dumps({"error": text}, separators=(",", ":"), ensure_ascii=False).encode()
