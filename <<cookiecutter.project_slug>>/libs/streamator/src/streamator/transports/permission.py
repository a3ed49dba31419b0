"""How long a viewer may watch: what an authentication has put into the request's scope."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

# In a request's scope: the Unix time at which the permission ends, and a function that is asked once a second whether
# it has ended before that.
ENDS_AT = "streamator.ends_at"
REVOKED = "streamator.revoked"
# How long that function may take to answer.
ANSWER_SECONDS = 5.0

logger = logging.getLogger("streamator")

Revoked = Callable[[], "bool | Awaitable[bool]"]


class Permission:
    """A viewer's permission, as its request's scope has it. Make it in the request's own context, on its event loop.

    `has_ended` is true once it has ended, and once nobody can tell: the function has raised, or has not answered within
    5 seconds. That is logged once.
    """

    __slots__ = ("_answer", "_asked_at", "_context", "_ended", "_ends_at", "_revoked", "job_id")

    def __init__(self, job_id: str, ends_at: float | None, revoked: Revoked | None) -> None:
        self.job_id = job_id
        # By the loop's clock: setting the machine's clock neither ends nor extends a permission.
        self._ends_at = None if ends_at is None else asyncio.get_running_loop().time() + ends_at - time.time()
        self._revoked = revoked
        self._context = contextvars.copy_context()
        self._answer: asyncio.Future[Any] | None = None
        self._asked_at = 0.0
        self._ended = False

    def has_ended(self, now: float) -> bool:
        """Whether it has ended, by the loop's time; asks anew, unless an answer is still awaited."""
        if not self._ended:
            self._ended = (self._ends_at is not None and not now < self._ends_at) or self._is_revoked(now)
        return self._ended

    def drop(self) -> None:
        """Ask no more: the viewer has left."""
        self._ended = True
        if self._answer is not None:
            self._answer.cancel()

    def _is_revoked(self, now: float) -> bool:
        if self._revoked is None:
            return False
        if self._answer is not None:
            if now - self._asked_at < ANSWER_SECONDS:
                return False
            self._answer.cancel()
            return self._refuse(TimeoutError(f"no answer within {ANSWER_SECONDS:g} s"))
        try:
            answer = self._context.run(self._revoked)
            if not inspect.isawaitable(answer):
                return bool(answer)
            self._asked_at = now
            self._answer = self._context.run(asyncio.ensure_future, answer)
            self._answer.add_done_callback(self._answered)
        except (Exception, asyncio.CancelledError) as error:
            return self._refuse(error)
        return False

    def _answered(self, answer: asyncio.Future[Any]) -> None:
        self._answer = None
        if self._ended:
            if not answer.cancelled():
                answer.exception()  # retrieved: nobody asks any more
            return
        try:
            self._ended = bool(answer.result())
        except (Exception, asyncio.CancelledError) as error:
            self._ended = self._refuse(error)

    def _refuse(self, error: BaseException) -> bool:
        text = "a viewer of job %s is sent away, because scope[%r] could not tell whether it may look on: %s: %s"
        about = {"job_id": self.job_id}
        values = (self.job_id, REVOKED, type(error).__name__, error)
        self._context.run(logger.error, text, *values, exc_info=error, extra=about)
        return True


def permission_of(scope: Any, job_id: str) -> Permission | None:
    """The permission in a request's scope; None if it has no end."""
    ends_at, revoked = scope.get(ENDS_AT), scope.get(REVOKED)
    return None if ends_at is None and revoked is None else Permission(job_id, ends_at, revoked)
