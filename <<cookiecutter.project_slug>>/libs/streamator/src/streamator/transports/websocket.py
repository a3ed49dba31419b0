"""A job's stream over a WebSocket, as a plain ASGI application.

What the server sends is JSON text. An array holds events, ``[{"id": 7, "event": {...}}, ...]``: all that is ready,
in order. An empty one comes at once if the job exists, and then as a heartbeat, because a page cannot see a WebSocket's
own pings; a heartbeat ``[{"id": 7, "event": null}]`` says how far the viewer has come where the last events are not
shown to it. An object is the answer to what the client has sent.

What the client may send, up to 1,024 characters each: ``{"type": "pause"}``, ``{"type": "resume"}`` and, where the
route allows it, ``{"type": "cancel"}``. Answers: ``{"paused": true}``, ``{"paused": false}``,
``{"cancelled": job_id}``, ``{"status": "requested", "requested": job_id}``, or ``{"error": "..."}`` that says what was
wrong.

How it ends: 1000 after the job's last event, and if a closed log has nothing after the cursor; 1012, and no last event,
when the server stops or no longer keeps the log: connect again; 4401, and no last event, when the permission to look on
has ended (``scope["streamator.ends_at"]``, see `StreamApp`); 4404 for an unknown job; 4422 for an unknown visibility in
the query; 1013 if a store cannot be read; 1009 for a client that sends too much. A page of another site gets no
WebSocket but a 403.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Collection
from typing import Any
from urllib.parse import urlsplit

from .. import wire
from ..errors import StoreError
from ..filters import DEFAULT_FILTER, Filter
from ..follow import HEARTBEAT_SECONDS, Follow
from ..log import EventLog
from ..options import check_flag, wrong
from ..stores.base import Store
from . import guards
from .answers import Refusal, look_up
from .lookup import cancel_job, given_store
from .open_streams import logger
from .options import StreamOptions
from .scope import ASGIApp, Receive, Scope, Send, cursor, header
from .viewer import Left, Viewer

NORMAL, TOO_BIG, RESTART, TRY_LATER, EXPIRED, NOT_FOUND, UNPROCESSABLE = 1000, 1009, 1012, 1013, 4401, 4404, 4422
# The close code in place of a refusal's HTTP status.
_CODES = {204: NORMAL, 404: NOT_FOUND, 422: UNPROCESSABLE, 503: TRY_LATER}
# The longest message that a client has a use for is 18 characters.
MAX_MESSAGE = 1_024
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class WebSocketApp:
    """An ASGI application that streams a job's log over WebSockets; see the module for what is sent.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat, filter, batch_delay_ms, batch_size: see `StreamOptions`; a heartbeat is an empty array.
        origins: sites beside the server's own whose pages may connect, ``"https://example.com"`` for instance, or
            ``"*"`` for all (default: none). A browser sends cookies with a WebSocket whichever page opens it, so the
            origin must be checked. A client that sends no ``Origin`` is no browser, and may connect.
        cancel: whether a client may cancel the job (default False).

    It reads the cursor from ``?after=`` or ``Last-Event-ID``. A paused client costs one batch; it goes on where it
    stopped, with a gap if the log has dropped events meanwhile. It ends as a `StreamApp` does.
    """

    __slots__ = ("_cancel", "_job_id", "_options", "_origins", "_store")

    def __init__(
        self, job_id: str, store: Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        origins: Collection[str] = (), cancel: bool = False,
    ) -> None:  # fmt: skip
        self._job_id = job_id
        self._store = given_store(store, {})
        self._options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size)
        self._origins = check_origins(origins)
        self._cancel = check_flag("cancel", cancel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        where = self._job_id, self._store, self._options
        await serve_websocket(*where, scope, receive, send, self._origins, self._cancel)


async def serve_websocket(
    job_id: str, store: Store | None, options: StreamOptions, scope: Scope, receive: Receive, send: Send,
    origins: Collection[str], cancel: bool = False, guard: ASGIApp = guards.admit,
) -> None:  # fmt: skip
    """Serve a connection as `WebSocketApp` does, with a guard of the route's own that sees HTTP requests alone; see
    `guards.refusal`."""
    origin = header(scope, b"origin")
    if origin is not None and not _is_welcome(origin, header(scope, b"host") or "", origins):
        logger.info("a WebSocket from a page of %r is refused: give origins=[...] to allow it", origin[:200])
        await send({"type": "websocket.close", "code": 1008})  # not accepted before: the server answers 403
        return
    refusal = await guards.refusal(scope, guard)
    if refusal is None:
        await _Socket(job_id, options, cancel, receive, send).run(store, scope)
    else:
        for message in refusal:
            await send(message)


class _Socket(Viewer):
    """One viewer's open WebSocket."""

    __slots__ = ("code", "going", "left", "may_cancel", "options")

    transport = "ws"

    def __init__(self, job_id: str, options: StreamOptions, may_cancel: bool, receive: Receive, send: Send) -> None:
        super().__init__(job_id, receive, send)
        self.options = options
        self.may_cancel = may_cancel
        self.going = asyncio.Event()  # not set while the client has paused
        self.going.set()
        self.left = False
        self.code: int | None = None

    async def run(self, store: Store | None, scope: Scope) -> None:
        """Serve the connection."""
        with self:
            self.register(scope, self.job_id)
            await self.receive()  # websocket.connect
            await self.put({"type": "websocket.accept"})
            after = cursor(scope)
            try:
                log, options = await look_up(self.job_id, store, self.options, scope["query_string"], after)
            except Refusal as refusal:
                self._refuse(refusal)
            else:
                del scope  # it is not needed again
                batches = options.follow(log, after)
                self.following(batches)
                await self._text(wire.websocket_text(b""))
                self.watcher = asyncio.ensure_future(self._listen(batches, log, store))
                last = await self._serve(batches, log.start_at(after))
                if self.code is None:
                    self.code = self._ended or (NORMAL if log.closed and last >= log.last else RESTART)
            if not self.left:
                await self.put({"type": "websocket.close", "code": self.code})

    def _refuse(self, refusal: Refusal) -> None:
        self.code = _CODES[refusal.status]
        if refusal.status in (422, 503):
            text, about = "a viewer of job %s is sent away: %s", {"job_id": self.job_id}
            logger.info(text, self.job_id, refusal, extra=about)
        if refusal.status == 503:
            self.code = self._ended or self.code

    @property
    def _ended(self) -> int | None:
        """The code if this was ended from outside: by the permission, or by the server, which may close the connection
        first, with the same code. Else None."""
        if not self.ending:
            return None
        return EXPIRED if self.expired else RESTART

    async def _serve(self, batches: Follow, last: int) -> int:
        """Send the batches; returns the id of the last event sent, ``last`` if there was none."""
        async for batch in batches:
            if not self.going.is_set() and not await self._paused():
                break
            await self._text(wire.websocket_text(batch.frames, batch.last))
            last = batch.last or last
        return last

    async def _paused(self) -> bool:
        """Wait until the client wants more; False where it will not."""
        while not (self.left or self.ending):
            try:
                await asyncio.wait_for(self.going.wait(), self.options.heartbeat)
            except asyncio.TimeoutError:
                await self._text(wire.websocket_text(b""))
            else:
                break
        return not (self.left or self.ending)

    async def _listen(self, batches: Follow, log: EventLog, store: Store | None) -> None:
        """Do what the client asks for, until it leaves."""
        try:
            while (message := await self.receive())["type"] == "websocket.receive":
                data: str | bytes = message.get("text") or message.get("bytes") or ""
                if len(data) > MAX_MESSAGE:
                    self.code = TOO_BIG
                    break
                await self._text(json.dumps(await self._do(data, log, store), ensure_ascii=False))
            else:
                self.left = True
        except Left:
            self.left = True
        except Exception as error:
            about = {"job_id": self.job_id}
            text = "a viewer of job %s is not listened to any more: %s: %s"
            logger.error(text, self.job_id, type(error).__name__, error, exc_info=error, extra=about)
        finally:
            self.going.set()
            batches.stop()

    async def _do(self, data: str | bytes, log: EventLog, store: Store | None) -> dict[str, Any]:
        """Do what a message asks for; returns the answer."""
        try:
            kind = json.loads(data)["type"]
        except (ValueError, LookupError, TypeError, RecursionError):  # no JSON, or not of this form
            kind = None
        if kind == "pause":
            self.going.clear()
            return {"paused": True}
        if kind == "resume":
            self.going.set()
            return {"paused": False}
        if kind != "cancel":
            return {"error": 'not understood: send {"type": "pause"}, {"type": "resume"} or {"type": "cancel"}'}
        if not self.may_cancel:
            return {"error": "jobs are not cancelled here: this WebSocket only shows their log"}
        try:
            _, answer = await cancel_job(self.job_id, log, store)
        except StoreError as error:
            return {"error": str(error)}
        return answer

    def end(self) -> None:
        """End, without the job's last event: the server shuts down, or the viewer may look on no longer."""
        super().end()
        self.going.set()

    def _text(self, text: str) -> Awaitable[None]:
        return self.put({"type": "websocket.send", "text": text})


def check_origins(origins: Collection[str]) -> Collection[str]:
    """Raise ValueError unless it is a list of origins (RFC 6454)."""
    if origins == "*":
        return ("*",)
    if isinstance(origins, (str, bytes)) or not isinstance(origins, Collection):  # a text is a Collection
        raise wrong("origins", origins, "give a list, such as ['https://example.com'], or '*' for all")
    for origin in origins:
        if not isinstance(origin, str) or not (origin == "*" or _ORIGIN.fullmatch(origin)):
            raise wrong(
                "origins", origin, "give scheme, host and port alone, as in 'https://example.com', or '*' for all"
            )
    return origins


def _is_welcome(origin: str, host: str, origins: Collection[str]) -> bool:
    """Whether a page of ``origin`` may connect to the server that it calls ``host``."""
    if "*" in origins or origin in origins:
        return True
    try:
        theirs = urlsplit(origin)
        # A proxy that ends TLS hides our scheme, so a port that is left out is the default of theirs.
        ours = urlsplit(f"{theirs.scheme}://{host}")
        default = _DEFAULT_PORTS[theirs.scheme]
        return bool(host) and (theirs.hostname, theirs.port or default) == (ours.hostname, ours.port or default)
    except (ValueError, KeyError):  # "null", another scheme, a port that is no number
        return False
