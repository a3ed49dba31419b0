"""`JobLogger`: what a job writes its log with."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar

from .dropped import end_soon
from .errors import JobCancelled
from .events import INTERNAL_ONLY, LEVELS, STATUSES, VISIBILITIES, clip, encode_event, text_of
from .log import LONG_TEXT, EventLog, on_event_loop
from .options import check_timeout
from .section import interrupted, later
from .store import Job, Store, open_store
from .tracing import Headers, JobSpan, start_span

_LEVELS = {level: level for level in LEVELS}
_INFO = _LEVELS["info"]
# So many causes of an exception group are named in its entry.
_CAUSES: Final = 10

_Self = TypeVar("_Self", bound="JobLogger")
_logger = logging.getLogger("streamator")


class JobLogger:
    """The log of one job, from the job's side.

    Args:
        store: ``"memory"`` (default), ``"dynamo"``, ``"redis"``, or any `Store`.
        job_id: the job's id (default: a new UUID). 1 to 128 letters, digits, ``_`` or ``-``, new for each run.
        error_text: what viewers are told of an exception that ends the job: a function of it that gives the text of the
            error entry (default: its type and message, which may hold what is not for everybody). Where that raises, or
            gives nothing, it is the type alone.
        trace: the ``traceparent`` of the request that started the job, or all of its headers (default: the current span
            of OpenTelemetry, if there is one). The job is then a span of that trace, and each entry has its
            ``trace_id``. What is malformed is ignored, and without OpenTelemetry all of it.
        options: what the store takes: ``table="my-logs", ttl_days=1`` for ``"dynamo"``, ``url=`` for ``"redis"``.

    Raises:
        InvalidJobId, JobExists: ``job_id`` cannot be used.
        StoreError: the store is unknown, or its options do not fit.

    As a context manager, plain or ``async``, it closes the log at the end: ``completed``, also with ``sys.exit(0)``;
    ``cancelled`` when the job was cancelled, or interrupted by a `KeyboardInterrupt`; or ``failed``, after an error
    entry, when another exception leaves the block. The exception goes on. It then waits as `close` does;
    ``async with`` waits too, and the event loop goes on meanwhile. In the block, spans are children of the job's, see
    `in_trace`.

    A logger that is garbage-collected without `close` ends its log as ``failed``, after an error entry, with a warning
    in the log ``streamator``; not at the end of the process.

    Guarantees: `log` and `close` may be called from any thread, with or without an event loop, and from a signal
    handler. They never raise for what they are given. `log` never waits for a store, and nothing blocks an event loop.
    """

    def __init__(
        self, store: str | Store = "memory", *, job_id: str | None = None, trace: str | Headers | None = None,
        error_text: Callable[[BaseException], str] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        self._store = open_store(store, **options)
        self._job_id = str(uuid.uuid4()) if job_id is None else job_id
        self.start_t = time.monotonic()
        """The `time.monotonic` reading that every ``t`` counts from, in seconds."""
        self._job: Job = self._store.create(self._job_id, self.start_t)
        self._log: EventLog = self._job.log
        self._span: JobSpan | None = start_span(trace, self._job_id, self._store)
        self._entered: list[AbstractContextManager[Any]] = []
        self._error_text = error_text
        # Bound here, so that `log` asks nothing of a job without a trace. Nothing is bound to the logger itself: in a
        # cycle, it would not be known to be dropped before the next garbage collection.
        self._append: Callable[[str, str], bool] = self._log.append_short
        if self._span is not None:
            self._append = partial(_append_traced, self._log, self._span.trace_id)
        dropped = weakref.finalize(self, end_soon, self._log, self._job_id, self._span, weakref.ref(self._store))
        dropped.atexit = False

    @property
    def job_id(self) -> str:
        """The job's id, for its viewers."""
        return self._job_id

    @property
    def trace_id(self) -> str | None:
        """The trace that the job belongs to, as 32 hexadecimal digits; None where there is none."""
        return None if self._span is None else self._span.trace_id

    def in_trace(self) -> AbstractContextManager[Any]:
        """A context in which OpenTelemetry's current span is the job's: ``with job.in_trace(): ...``. An exception that
        leaves it is recorded in the span. The job does not end with it, and without a trace it does nothing."""
        return nullcontext() if self._span is None else self._span.current()

    def log(self, message: object, level: str = "info", visibility: str | None = None) -> None:
        """Append ``{"event": "log", "message", "level", "t"}``.

        Args:
            message: the text. Anything else becomes its string; past 65,536 characters it is cut, with a marker.
            level: ``"info"`` (default), ``"success"``, ``"warning"`` or ``"error"``. Another warns and logs as info.
            visibility: ``"user_facing"``, ``"model_only"``, ``"live_ui_only"`` or ``"internal_only"``, for the routes'
                filters; the entry then has it as ``visibility`` (default: none, which counts as user-facing). Another
                warns, and is ``"internal_only"``: what is misspelt is not shown by accident.

        After `close` it warns, and the entry is dropped.
        """
        if level is not _INFO:  # the default costs one comparison
            level = self._known(level)
        if visibility is not None:
            taken = self._append_visible(message, level, visibility)
        elif type(message) is str and len(message) <= LONG_TEXT:
            taken = self._append(message, level)
        else:
            taken = self._append_any(message, level)
        if not taken:
            self._warn_closed("log()")

    def _append_visible(self, message: object, level: str, visibility: str) -> bool:
        entry = {"event": "log", "message": text_of(message), "level": level}
        text = encode_event(entry, known_visibility(visibility, stacklevel=4), self.trace_id)
        return self._log.append_json(text, add_time=True)

    def _append_any(self, message: object, level: str) -> bool:
        if self._span is not None:
            return _append_traced(self._log, self._span.trace_id, message, level)
        return self._log.append_log(clip(text_of(message)), level)

    def _known(self, level: str) -> str:
        if type(level) is not str:
            level = text_of(level)
        if level in _LEVELS:
            return _LEVELS[level]
        warn(f"unknown level {level[:80]!r}, logged as 'info': use one of {LEVELS}", stacklevel=3)
        return _INFO

    async def drain(self, timeout: float = 30.0) -> bool:
        """Wait until the slowest viewer, and the writer of a remote store, have at most half of the store's ``maxlen``
        still to read: for a job on an event loop that produces faster than it is read. `log` itself never waits there.

        Args:
            timeout: seconds to wait at the most (default 30).

        Returns:
            False where it took longer. Where nobody reads it is True at once.
        """
        return await self._log.drain(timeout=timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the store has all that was logged so far: with a remote store before `os._exit`, for instance.

        Args:
            timeout: seconds to wait at the most (default 5).

        Returns:
            Whether it has, also where it never will: an event that it refuses is a dead letter. With the memory store
            True at once. On an event loop it warns and does not wait: ``await job.flushed()`` there.
        """
        check_timeout("timeout", timeout)
        if self._job.flush is None:
            return True
        if on_event_loop():
            warnings.warn("flush() on an event loop does not wait: use await flushed()", stacklevel=2)
            timeout = 0.0
        return not self._log.disowned and self._job.flush(timeout, False)

    async def flushed(self, timeout: float = 5.0) -> bool:
        """`flush` on an event loop, which goes on meanwhile: ``await job.flushed()``. When the server is told to stop
        it waits no longer."""
        check_timeout("timeout", timeout)
        if self._job.flushed is None:
            return True
        return not self._log.disowned and await self._job.flushed(timeout, False)

    def close(self, status: str = "completed", *, wait: float | None = None) -> None:
        """Append the last event, ``{"event": "done", "t", "status"}``, and close the log. Quiet the second time.

        Then wait until a remote store has all of it, so that nothing is lost where the process ends or is frozen
        next; on an event loop it returns at once, and ``await job.flushed()`` waits there. What is not stored in time
        is reported as a warning of the logger ``streamator``, with its count; the store goes on trying while the
        process lives.

        Args:
            status: ``"completed"`` (default), ``"failed"`` or ``"cancelled"``.
            wait: seconds to wait at the most; 0: not at all. By default it is ``close_seconds`` of the store (5), six
                times as much for a store that is slow but takes something; after one such wait in vain 0.2
                seconds, until the store takes something again.

        Raises:
            ValueError: another status, or no number of seconds; the log stays open.
        """
        if status not in STATUSES:
            raise ValueError(f"unknown status {text_of(status)[:80]!r}: close with one of {STATUSES}")
        if wait is not None:
            check_timeout("wait", wait)
        self._close(status, wait=wait)

    def _close(self, status: str, error: BaseException | None = None, wait: float | None = None) -> None:
        if interrupted():  # by a signal handler, or a finalizer
            later(partial(self._close, status, error, wait))
            return
        if not self._log.close({"event": "done", "status": status}):
            return
        if self._span is not None:
            self._span.end(status, error)
        if self._job.flush is not None and wait != 0 and not on_event_loop():
            self._job.flush(wait, True)

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody wants the job cancelled, here or, with a remote store, in another process: for a job that is
        no asyncio task, to look at between two steps. It costs a look at a flag, from any thread.

        That the job looks is how others know that it takes cancellations: look once before the first long step. From
        then on requests of other processes are seen within ``cancel_seconds`` of the store. It is true as well for a
        job whose task was cancelled, which ends no thread that the task has started.
        """
        job = self._job
        if not job.cooperates and not self._log.closed:
            job.cooperates = True
            if job.on_track is not None:
                job.on_track(job)
        return job.cancel_requested

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` where `cancel_requested` is true. It ends a ``with`` as ``cancelled``, and goes on."""
        if self.cancel_requested:
            raise JobCancelled(f"job {self._job_id!r} is to be cancelled")

    def _fail(self, error: BaseException) -> str:
        """End the log of a job that this exception has ended; returns its status."""
        status = status_of(error)
        if status == "failed":
            self._append_any(self._told(error), "error")
        self._close(status, error if status == "failed" else None)
        return status

    def _told(self, error: BaseException) -> str:
        """What viewers are told of it."""
        if self._error_text is None:
            return describe(error)
        try:
            return text_of(self._error_text(error) or type(error).__name__)
        except Exception:  # what it was to hide must not show because of that
            _logger.exception("job %s: its error_text failed", self._job_id, extra={"job_id": self._job_id})
            return type(error).__name__

    def _warn_closed(self, call: str, stacklevel: int = 3) -> None:
        if self._log.disowned:
            why = "in a process forked after the job was made: dropped; make a JobLogger in this process"
            warn(f"{call} on job {self._job_id!r} {why}", stacklevel=stacklevel)
            return
        warn(f"{call} after close() on job {self._job_id!r}: dropped", stacklevel=stacklevel)

    def _enter(self) -> None:
        if self._span is not None:
            self._entered.append(self.in_trace())
            self._entered[-1].__enter__()

    def _exit(self, error: BaseException | None) -> None:
        if self._entered:
            self._entered.pop().__exit__(None, None, None)
        if error is None:
            self.close()
        else:
            self._fail(error)

    def __enter__(self: _Self) -> _Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)

    async def __aenter__(self: _Self) -> _Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)
        if self._job.flushed is not None and not self._log.disowned:
            await self._job.flushed(None, True)


def _append_traced(log: EventLog, trace_id: str, message: object, level: str) -> bool:
    entry = {"event": "log", "message": text_of(message), "level": level}
    return log.append_json(encode_event(entry, trace_id=trace_id), add_time=True)


def status_of(error: BaseException) -> str:
    """The status of a job that an exception has ended. Of what an exception group holds, the worst counts."""
    found = {_status_of_one(each) for each in _leaves(error)}
    return next((status for status in ("failed", "cancelled", "completed") if status in found), "failed")


def _status_of_one(error: BaseException) -> str:
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, JobCancelled, KeyboardInterrupt)):
        return "cancelled"
    if isinstance(error, SystemExit) and (error.code is None or (isinstance(error.code, int) and not error.code)):
        return "completed"  # the exit status of the process would be 0
    return "failed"


def describe(error: BaseException) -> str:
    """The type and the message of an exception; of an exception group also those of what it holds."""
    text = _describe_one(error)
    leaves = _leaves(error)
    if len(leaves) != 1 or leaves[0] is not error:
        text += ": " + "; ".join(map(_describe_one, leaves[:_CAUSES]))
        if len(leaves) > _CAUSES:
            text += f"; and {len(leaves) - _CAUSES} more"
    return text


def _describe_one(error: BaseException) -> str:
    detail = clip(text_of(error))
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _leaves(error: BaseException) -> list[BaseException]:
    """What an exception group, and each group in it, holds; of another exception itself."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop()
        # By its name: Python 3.10 has no groups but those of the package `exceptiongroup`.
        if any(kind.__name__ == "BaseExceptionGroup" for kind in type(each).__mro__):
            waiting.extend(reversed(getattr(each, "exceptions", ())))
        else:
            found.append(each)
    return found


_warning = threading.local()


def warn(text: str, stacklevel: int = 2) -> None:
    """`warnings.warn`, but silent within another one: where warnings go to `logging`, and from there to a job's log,
    each would be the cause of the next."""
    if getattr(_warning, "given", False):
        return
    _warning.given = True
    try:
        warnings.warn(text, stacklevel=stacklevel + 1)
    finally:
        _warning.given = False


def known_visibility(visibility: str, stacklevel: int = 3) -> str:
    """``visibility``, or with a warning ``internal_only`` where there is no such one."""
    if type(visibility) is not str:
        visibility = text_of(visibility)
    if visibility in VISIBILITIES:
        return visibility
    shown = visibility[:80]
    warn(f"unknown visibility {shown!r}, kept as {INTERNAL_ONLY!r}: use one of {VISIBILITIES}", stacklevel=stacklevel)
    return INTERNAL_ONLY
