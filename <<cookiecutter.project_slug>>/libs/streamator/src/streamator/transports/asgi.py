"""A job's stream as a plain ASGI application, for any framework and for none.

It needs no framework: `StreamApp` streams one job, for an endpoint of yours to call; `LogApp` has the routes of all
jobs, to be mounted as any ASGI application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from .. import wire
from ..filters import DEFAULT_FILTER, Filter
from ..follow import HEARTBEAT_SECONDS, Follow
from ..options import check_callable, check_prefix
from ..stores.base import Store
from .answers import Refusal, encoded, look_up, short
from .compression import Encoder
from .lookup import given_store
from .open_streams import logger
from .options import StreamOptions
from .poll import poll
from .scope import ASGIApp, RawHeaders, Receive, Scope, Send, cursor, header, raw, respond, route_path
from .sse import HEADERS, OPENING, encoding, piece
from .viewer import Viewer
from .websocket import check_origins, serve_websocket

# How long a viewer waits, after its permission has ended in mid-stream, before it reconnects with another one.
AGAIN_MS = 100
Background = Callable[[], Awaitable[None]]


class StreamApp:
    """An ASGI application that streams a job's log as server-sent events, for any number of viewers at a time.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat, named, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.

    It reads the cursor from the request: the ``Last-Event-ID`` header, or else ``?after=``. An unknown job is a 404,
    an unknown visibility a 422, a store that cannot be read a 503, and a cursor at the end of a closed log a 204, which
    tells an `EventSource` to stop. It ends after the job's last event; when the viewer leaves; when the viewer takes
    nothing for 30 seconds; and, without the last event, when the server shuts down and at the Unix time that an
    authentication has put into ``scope["streamator.ends_at"]``, or within a second of it. An authentication may also
    put a function into ``scope["streamator.revoked"]``, plain or ``async``: it is called once a second, in the
    request's own context, and the stream ends when it returns true, raises, or does not return within 5 seconds.
    """

    __slots__ = ("_job_id", "_options", "_store")

    def __init__(
        self, job_id: str, store: Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        compress: bool = False,
    ) -> None:  # fmt: skip
        self._job_id = job_id
        self._store = given_store(store, {})
        self._options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress, named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await stream(self._job_id, self._store, self._options, scope, receive, send)


def stream(
    job_id: str, store: Store | None, options: StreamOptions, scope: Scope, receive: Receive, send: Send,
    headers: RawHeaders | None = None, background: Background | None = None,
) -> Awaitable[None]:  # fmt: skip
    """Answer a request as `StreamApp` does, with a framework's own headers, and with a background task that begins with
    the stream and goes on when the viewer leaves."""
    return _Stream(job_id, options, receive, send, background).run(store, headers, scope)


class _Stream(Viewer):
    """One viewer's open stream."""

    __slots__ = ("background", "encoder", "options")

    transport = "sse"

    def __init__(
        self, job_id: str, options: StreamOptions, receive: Receive, send: Send, background: Background | None
    ) -> None:
        super().__init__(job_id, receive, send)
        self.options = options
        self.background = background
        self.encoder: Encoder | None = None

    async def run(self, store: Store | None, headers: RawHeaders | None, scope: Scope) -> None:
        """Answer the request."""
        background = None if self.background is None else _beside(self.background, self.job_id)
        self.background = None
        with self:
            self.register(scope, self.job_id)
            batches = await self._begin(store, headers, scope)
            del scope, headers, store  # free what is not needed again: a stream lasts
            if batches is not None:
                self.following(batches)
                self.watcher = asyncio.ensure_future(self.watch(self.receive))
                async for batch in batches:
                    await self._put(self._encoded(piece(batch, self.options.named)))
                if self.expired:  # the viewer may reconnect at once, with a new permission
                    await self._put(self._encoded(wire.retry(AGAIN_MS)))
                await self._put(b"" if self.encoder is None else self.encoder.finish(), more=False)
        if background is not None:
            await asyncio.wait([background])

    async def _begin(self, store: Store | None, headers: RawHeaders | None, scope: Scope) -> Follow | None:
        """Answer up to the first event; None if the answer is complete."""
        after = cursor(scope)
        try:
            log, options = await look_up(self.job_id, store, self.options, scope["query_string"], after)
        except Refusal as refusal:
            await respond(self.put, refusal.answer)
            return None
        self.encoder, more = encoding(options, header(scope, b"accept-encoding"))
        headers = [*(raw(HEADERS) if headers is None else headers), *raw(more)]
        await self.put({"type": "http.response.start", "status": 200, "headers": headers})
        await self._put(self._encoded(OPENING))
        return options.follow(log, after)

    def _encoded(self, data: bytes) -> bytes:
        return data if self.encoder is None else self.encoder.encode(data)

    def _put(self, data: bytes, more: bool = True) -> Awaitable[None]:
        return self.put({"type": "http.response.body", "body": data, "more_body": more})


# Keeps references: a task that nobody waits for could be garbage-collected.
_working: set[asyncio.Future[None]] = set()


def _beside(background: Background, job_id: str) -> asyncio.Future[None]:
    """Begin a framework's background task now, not after the response: it may be the job that the stream follows."""

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
        prefix: the path that it answers under, if it is not mounted at one (default: any).
        otherwise: the application that gets the requests that are not under ``prefix`` (default: none, 404).
        heartbeat, filter, batch_delay_ms, batch_size, compress: see `StreamOptions`.
        origins: sites beside the server's own whose pages may open a WebSocket (default: none); see `WebSocketApp`.
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    ``GET {prefix}/{job_id}/stream`` is the live stream; see `StreamApp`. ``WS {prefix}/{job_id}/ws`` is the same over a
    WebSocket; see `WebSocketApp`. ``GET {prefix}/{job_id}`` is a poll: what there is now, ``{"logs": [...], "next": 7,
    "closed": false}``. Ask again with ``?after=7`` for newer events, or for the rest of a log of more than 16 MiB; with
    ``&wait=20`` it waits for up to 20 seconds (30 at the most) until there is something. Whoever knows a job's id can
    read it: put your framework's authentication in front.
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
        self._options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, compress)
        self._origins = check_origins(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = route_path(scope)
        if self._otherwise is not None and not path.startswith(f"{self._prefix}/"):
            await self._otherwise(scope, receive, send)
            return
        # By the last parts: frameworks differ in how much of the path they leave to a mounted application, and one
        # (Litestar) adds a slash at its end.
        *_, job_id, last = f"//{path.rstrip('/')}".split("/")
        shown = self._store, self._options
        if scope["type"] == "websocket":
            if last == "ws":
                await serve_websocket(job_id, *shown, scope, receive, send, self._origins)
            else:
                await send({"type": "websocket.close", "code": 1008})  # not accepted: the server answers 403
        elif scope["type"] != "http":
            raise ValueError(f"streamator's LogApp answers no {scope['type']!r}: only http and websocket")
        elif scope["method"] != "GET":
            error = encoded({"error": f"{scope['method']} {path}: only GET is answered here"})
            await respond(send, short(405, error, allow="GET"))
        elif last == "stream" and job_id:
            await stream(job_id, *shown, scope, receive, send)
        else:
            query = scope["query_string"]
            await respond(send, await poll(last, *shown, query, cursor(scope), scope, receive))
