"""A job's stream over a WebSocket, as a plain ASGI application.

What the server sends is JSON text. An array holds events, ``[{"id": 7, "event": {...}}, ...]``: all that is ready,
in order. An empty one comes at once where there is such a job, and then as a heartbeat, because a page cannot see a
WebSocket's own pings; a heartbeat ``[{"id": 7, "event": null}]`` says how far the viewer has come where the last events
are not shown to it. An object is the answer to what the client has sent.

What the client may send, up to 1,024 characters each: ``{"type": "pause"}``, ``{"type": "resume"}`` and, where the
route allows it, ``{"type": "cancel"}``. Answers: ``{"paused": true}``, ``{"paused": false}``,
``{"cancelled": job_id}``, ``{"status": "requested", "requested": job_id}``, or ``{"error": "..."}`` that says what was
wrong.

How it ends: 1000 after the job's last event, and where there is nothing after the cursor in a closed log; 1012, and
no last event, when the server stops or no longer keeps the log: connect again; 4401, and no last event, when the
permission to look on has ended (``scope["streamator.ends_at"]``, see `StreamApp`); 4404 for an unknown job;
4422 for an unknown visibility in the query; 1013 where a store cannot be read; 1009 for a client that sends too much. A
page of another site gets no WebSocket but a 403.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Collection
from typing import Any
from urllib.parse import urlsplit

from . import guards, wire
from .errors import StoreError
from .filters import DEFAULT_FILTER, Filter
from .log import EventLog
from .options import check_flag, wrong
from .store import Store
from .stream import HEARTBEAT_SECONDS, Follow, check_heartbeat
from .view import View, view_of
from .viewer import (
    ASGIApp,
    Left,
    Receive,
    Scope,
    Send,
    Viewer,
    cancel_job,
    cursor,
    find_log,
    given_store,
    header,
    logger,
)

NORMAL, TOO_BIG, RESTART, TRY_LATER, EXPIRED, NOT_FOUND, UNPROCESSABLE = 1000, 1009, 1012, 1013, 4401, 4404, 4422
# The longest message that a client has a use for is 18 characters.
MAX_MESSAGE = 1_024
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class WebSocketApp:
    """An ASGI application that streams a job's log over WebSockets; see the module for what is sent.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).
        heartbeat: seconds without an event after which an empty array is sent (default 15).
        filter, batch_delay_ms, batch_size: see `StreamApp`.
        origins: sites beside the server's own whose pages may connect, ``"https://example.com"`` for instance, or
            ``"*"`` for all (default: none). Cookies go with a WebSocket whatever page opens it, and nothing else
            asks; who sends no ``Origin`` is no browser, and may connect.
        cancel: whether a client may cancel the job (default False).

    It reads the cursor from ``?after=`` or ``Last-Event-ID``. A paused client costs one batch; it goes on where it
    stopped, with a gap where the log has had to let go of events meanwhile. It ends as a `StreamApp` does.
    """

    __slots__ = ("_cancel", "_heartbeat", "_job_id", "_origins", "_store", "_view")

    def __init__(
        self, job_id: str, store: Store | None = None, *, heartbeat: float = HEARTBEAT_SECONDS,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        origins: Collection[str] = (), cancel: bool = False,
    ) -> None:  # fmt: skip
        self._job_id = job_id
        self._store = given_store(store, {})
        self._heartbeat = check_heartbeat(heartbeat)
        self._origins = check_origins(origins)
        self._cancel = check_flag("cancel", cancel)
        self._view = view_of(filter, batch_delay_ms, batch_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self.serve(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send, guard: ASGIApp = guards.admit) -> None:
        """What a call does, with a guard of the route's own that sees HTTP requests alone; see `guards.refusal`."""
        origin = header(scope, b"origin")
        if origin is not None and not _is_welcome(origin, header(scope, b"host") or "", self._origins):
            logger.info("a WebSocket from a page of %r is refused: give origins=[...] to allow it", origin[:200])
            await send({"type": "websocket.close", "code": 1008})  # not accepted before: the server answers 403
            return
        refusal = await guards.refusal(scope, guard)
        if refusal is not None:
            for message in refusal:
                await send(message)
            return
        socket = _Socket(self._job_id, self._heartbeat, self._cancel, receive, send)
        await socket.run(self._store, self._view, scope)


class _Socket(Viewer):
    """One viewer's open WebSocket."""

    __slots__ = ("code", "going", "heartbeat", "left", "may_cancel")

    transport = "ws"

    def __init__(self, job_id: str, heartbeat: float, may_cancel: bool, receive: Receive, send: Send) -> None:
        super().__init__(job_id, receive, send)
        self.heartbeat = heartbeat
        self.may_cancel = may_cancel
        self.going = asyncio.Event()  # not set while the client has paused
        self.going.set()
        self.left = False
        self.code: int | None = None

    async def run(self, store: Store | None, view: View, scope: Scope) -> None:
        """Serve the connection."""
        with self:
            self.permitted(scope)
            await self.receive()  # websocket.connect
            await self.put({"type": "websocket.accept"})
            after = cursor(scope)
            log = None
            try:
                view = view.narrowed(scope["query_string"])
            except ValueError as error:
                self._send_away(error, UNPROCESSABLE)
            else:
                log = await self._find(store)
            del scope  # it is not needed again
            if log is not None and log.is_over_for(after):
                self.code = NORMAL
            elif log is not None:
                batches = view.follow(log, after, self.heartbeat)
                self.following(batches)
                await self._text(wire.websocket_text(b""))
                self.watcher = asyncio.ensure_future(self._listen(batches, log, store))
                last = await self._serve(batches, log.start_at(after))
                if self.code is None:
                    self.code = self._ended or (NORMAL if log.closed and last >= log.last else RESTART)
            if not self.left:
                await self.put({"type": "websocket.close", "code": self.code})

    @property
    def _ended(self) -> int | None:
        """The code where this was ended from outside: by the permission, or by the server, which may close the
        connection first, with the same code. None where it was not."""
        if not self.ending:
            return None
        return EXPIRED if self.expired else RESTART

    def _send_away(self, error: Exception, code: int) -> None:
        logger.info("a viewer of job %s is sent away: %s", self.job_id, error, extra={"job_id": self.job_id})
        self.code = code

    async def _find(self, store: Store | None) -> EventLog | None:
        try:
            log = await find_log(self.job_id, store)
        except StoreError as error:
            self._send_away(error, self._ended or TRY_LATER)
            return None
        if log is None:
            self.code = NOT_FOUND
        return log

    async def _serve(self, batches: Follow, last: int) -> int:
        """Send what there is to send; returns the id of the last event sent, ``last`` where there was none."""
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
                await asyncio.wait_for(self.going.wait(), self.heartbeat)
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
    """Raise ValueError for what is no list of origins (RFC 6454)."""
    if origins == "*":
        return ("*",)
    if isinstance(origins, (str, bytes)) or not isinstance(origins, Collection):  # any part of a text would be one
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
