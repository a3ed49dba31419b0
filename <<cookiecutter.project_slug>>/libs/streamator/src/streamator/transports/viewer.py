"""One viewer of a job's log on an ASGI server: what a stream of events and a WebSocket have in common.

There may be thousands of them, and nothing happens on most: a viewer keeps little. It ends after the job's last
event; when the client leaves; when the client takes nothing for 30 seconds; when its permission ends; and when the
server shuts down.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from ..loops import running_loop
from .open_streams import OpenStream, logger
from .scope import Message, Receive, Send

SEND_TIMEOUT_SECONDS = 30.0
# How long after a failed `send` the server may take to tell that the client has left.
LEAVING_SECONDS = 0.5


class Left(Exception):
    """Nothing can be sent to the client any more. It is logged, unless the client has just left."""


class Viewer(OpenStream):
    """A client that follows a job's log. ``with viewer:`` is the time in which it does."""

    __slots__ = ("job_id", "receive", "send", "sending_since", "stuck", "task", "watcher")

    def __init__(self, job_id: str, receive: Receive, send: Send) -> None:
        super().__init__()
        self.job_id = job_id
        self.receive = receive
        self.send = send
        self.watcher: asyncio.Task[None] | None = None
        self.task: asyncio.Task[Any] | None = None
        self.sending_since: float | None = None
        self.stuck = False

    def __enter__(self) -> None:
        self.task = asyncio.current_task(running_loop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task, self.task = self.task, None
        self.leave()
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

    async def put(self, message: Message) -> None:
        """Send, and note the time for `sweep`."""
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
        """Whether the server tells of a disconnect too; if not, it may be a middleware's `send` that failed."""
        watcher = self.watcher
        if watcher is None or watcher is asyncio.current_task():
            watcher = asyncio.ensure_future(self.watch(self.receive))
        try:
            await asyncio.wait([watcher], timeout=LEAVING_SECONDS)
            return watcher.done()
        finally:
            watcher.cancel()

    def sweep(self, now: float) -> None:
        """Also give up a client that takes nothing: what waits for it takes memory."""
        OpenStream.sweep(self, now)
        since = self.sending_since
        if since is not None and now - since > SEND_TIMEOUT_SECONDS and self.task is not None:
            self.stuck = True
            self.task.cancel()
