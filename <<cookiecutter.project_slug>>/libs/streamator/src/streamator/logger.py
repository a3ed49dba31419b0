"""`JobLogger`: what a job writes its log with."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import uuid
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, TypeVar

from .dropped import end_soon
from .errors import Fenced, InvalidStore, JobCancelled
from .events import (
    INTERNAL_ONLY,
    LEVELS,
    MAX_ATTEMPT,
    MAX_REASON,
    STATUSES,
    VISIBILITIES,
    clip,
    encode_checkpoint,
    encode_event,
    text_of,
)
from .log import AttemptLog, EventLog
from .loops import on_event_loop
from .options import check, check_flag, check_timeout, wrong
from .section import interrupted, later
from .stores.base import Attempt, Job, Store
from .stores.registry import open_store
from .tracing import Headers, JobSpan, start_span

logger = logging.getLogger("streamator")

INFO: Final = LEVELS[0]
# How many exceptions of a group its error entry names.
MAX_CAUSES: Final = 10

_Self = TypeVar("_Self", bound="JobLogger")


class JobLogger:
    """The log of one job, from the job's side.

    Args:
        store: ``"memory"`` (default), ``"dynamo"``, ``"redis"``, or any `Store`.
        job_id: the job's id (default: a new UUID). 1 to 128 letters, digits, ``_`` or ``-``, new for each run.
        error_text: a function that takes the exception that ended the job and returns the text of the error entry
            (default: its type and message, which may hold secrets). If it raises or returns an empty text, the entry is
            the type alone.
        trace: the ``traceparent`` of the request that started the job, or all of its headers (default: the current span
            of OpenTelemetry, if there is one). The job is then a span of that trace, and each entry has its
            ``trace_id``. A malformed value is ignored; without OpenTelemetry every value is.
        attempt: ``"next"`` for a job that may have several attempts, in one log: it begins the job, or opens the log of
            the attempt before, which is fenced from then on (see `Fenced`). It waits for a remote store, up to its
            ``close_seconds``; on an event loop use ``await asyncio.to_thread(JobLogger, ...)``. A number is the same
            for a caller who counts the attempts: it has that number at least, and ids go on rising past what viewers
            have seen, also where its log was lost with its store. ``1`` waits for no store: there is nobody to fence.
            Default: the job has no attempts.
        reason: why there is another attempt, for its viewers: 1 to 500 characters (default ``"retried"``). A first
            attempt has none.
        reopen: whether the attempt may follow the end of a log that was closed (default: no).
        will_retry: whether another attempt follows if an exception leaves the ``with``, or fails the task: the log then
            gets the error entry, and stays open (default: no).
        options: what the store takes: ``table="my-logs", ttl_days=1`` for ``"dynamo"``, ``url=`` for ``"redis"``.

    Raises:
        InvalidJobId, JobExists: ``job_id`` cannot be used.
        StoreError: the store is unknown, or its options do not fit; or it keeps no attempts, or cannot be reached to
            begin one.
        ValueError: ``attempt``, ``reason``, ``reopen`` or ``will_retry`` cannot be used.

    As a context manager, plain or ``async``, it closes the log at the end: ``completed``, also with ``sys.exit(0)``;
    ``cancelled`` when the job was cancelled, or interrupted by a `KeyboardInterrupt`; or ``failed``, after an error
    entry, when another exception leaves the block. The exception propagates. The exit then waits as `close` does;
    ``async with`` waits without blocking the event loop. In the block, new spans are children of the job's, see
    `in_trace`.

    A logger that is garbage-collected without `close` ends its log as ``failed``, after an error entry, with a warning
    in the log ``streamator``. This does not happen at the end of the process.

    Guarantees: `log` and `close` may be called from any thread, with or without an event loop, and from a signal
    handler. They never raise for what they are given. `log` never waits for a store, and nothing blocks an event loop.
    """

    def __init__(
        self, store: str | Store = "memory", *, job_id: str | None = None, trace: str | Headers | None = None,
        error_text: Callable[[BaseException], str] | None = None, attempt: str | int | None = None,
        reason: str | None = None, reopen: bool = False, will_retry: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        self._store = open_store(store, **options)
        self._job_id = str(uuid.uuid4()) if job_id is None else job_id
        self.start_t = time.monotonic()
        """The `time.monotonic` reading that every ``t`` counts from, in seconds."""
        if attempt is None and reason is None and not (reopen or will_retry):
            self._job: Job = self._store.create(self._job_id, self.start_t)
            self._log: EventLog = self._job.log
        else:
            self._job = job = self._open_attempt(attempt, reason, reopen, will_retry)
            self._log = job.handle
            self.start_t = self._log.start
            self._checkpoint = job.handle.checkpoint
        self._span: JobSpan | None = start_span(trace, self._job_id, self._store)
        self._entered: list[AbstractContextManager[Any]] = []
        self._error_text = error_text
        # Bound once, so that `log` need not check for a trace. Nothing here refers to the logger itself: in a reference
        # cycle it would be finalized only by the next garbage collection.
        self._append: Callable[[str, str], bool] = self._log.append_log
        if self._span is not None:
            self._append = partial(_append_event, self._log, self._span.trace_id, None)
        dropped = weakref.finalize(self, end_soon, self._log, self._job_id, self._span, weakref.ref(self._store))
        dropped.atexit = False

    _will_retry = False
    _told_fenced = False
    _checkpoint: str | None = None

    def _open_attempt(self, attempt: Any, reason: object, reopen: bool, will_retry: bool) -> Attempt:
        if attempt is None:
            raise wrong("attempt", attempt, "reason, reopen and will_retry are for attempts: give attempt='next'")
        least = 0
        if attempt != "next":
            fix = f"give 'next', or the number that it has at least, from 1 to {MAX_ATTEMPT:,}"
            is_number = isinstance(attempt, int) and not isinstance(attempt, bool)
            least = check(is_number and 1 <= attempt <= MAX_ATTEMPT, "attempt", attempt, fix)
        reason = "retried" if reason is None else reason
        length = len(reason) if isinstance(reason, str) else 0
        check(1 <= length <= MAX_REASON, "reason", reason, f"give a text of 1 to {MAX_REASON} characters, or None")
        check_flag("reopen", reopen)
        self._will_retry = check_flag("will_retry", will_retry)
        opens = getattr(self._store, "open_attempt", None)
        if opens is None:
            raise InvalidStore(
                f"{type(self._store).__name__} keeps no attempts, as it has no open_attempt(): see `streamator.Store`, "
                "use one of streamator's stores, or leave attempt out"
            )
        opened: Attempt = opens(self._job_id, text_of(reason), reopen, least)
        return opened

    @property
    def attempt(self) -> int:
        """Which attempt of the job this is: 1, 2, 3, ..."""
        return self._job.attempt

    def checkpoint(self, data: Any, visibility: str | None = None) -> None:
        """Append ``{"event": "checkpoint", "data", "t"}``, and keep the data for the next attempt.

        Args:
            data: what `last_checkpoint` then gives: JSON of up to 262,144 bytes.
            visibility: as for `log`.

        Raises:
            ValueError: the data is no JSON, or too large; nothing is appended.

        After `close` it warns, and the checkpoint is dropped. `flush` waits until the store has it.
        """
        text = encode_checkpoint(data)
        about = {} if visibility is None else {"visibility": known_visibility(visibility)}
        if self.trace_id is not None:
            about["trace_id"] = self.trace_id
        rest = f",{encode_event(about)[1:]}" if about else "}"
        event = f'{{"event":"checkpoint","data":{text}{rest}'
        # First: a store that has the event must not have an older checkpoint.
        if isinstance(self._log, AttemptLog) and not self._log.over and not self._log.closed:
            self._log.checkpoint = text
        if self._log.append_json(event, add_time=True):
            self._checkpoint = text
        else:
            self._warn_closed("checkpoint()")

    @property
    def last_checkpoint(self) -> Any:
        """The data of the newest `checkpoint`, of this attempt or of the ones before; None if there is none."""
        return None if self._checkpoint is None else json.loads(self._checkpoint)

    @property
    def job_id(self) -> str:
        """The job's id, for its viewers."""
        return self._job_id

    @property
    def trace_id(self) -> str | None:
        """The trace that the job belongs to, as 32 hexadecimal digits, or None."""
        return None if self._span is None else self._span.trace_id

    def in_trace(self) -> AbstractContextManager[Any]:
        """A context in which OpenTelemetry's current span is the job's: ``with job.in_trace(): ...``. An exception that
        leaves it is recorded in the span. Leaving it does not end the job; without a trace it does nothing."""
        return nullcontext() if self._span is None else self._span.current()

    def log(self, message: object, level: str = "info", visibility: str | None = None) -> None:
        """Append ``{"event": "log", "message", "level", "t"}``.

        Args:
            message: the text. Anything else becomes its string; past 65,536 characters it is cut, with a marker.
            level: ``"info"`` (default), ``"success"``, ``"warning"`` or ``"error"``. Any other logs as info, with a
                warning.
            visibility: ``"user_facing"``, ``"model_only"``, ``"live_ui_only"`` or ``"internal_only"``, for the routes'
                filters; the entry then has it as ``visibility`` (default: none, which counts as user-facing). Any other
                becomes ``"internal_only"``, with a warning, so that a typo shows nothing by accident.

        After `close` it warns, and the entry is dropped.
        """
        if level is not INFO and not (type(level) is str and level in LEVELS):
            level = _known_level(level)
        if type(message) is not str:
            message = text_of(message)
        if visibility is None:
            taken = self._append(message, level)
        else:
            taken = _append_event(self._log, self.trace_id, known_visibility(visibility), message, level)
        if not taken:
            self._warn_closed("log()")

    async def drain(self, timeout: float = 30.0) -> bool:
        """Wait until the slowest viewer, and the writer of a remote store, have at most half of the store's ``maxlen``
        still to read. For a job on an event loop that logs faster than it is read: `log` itself never waits there.

        Args:
            timeout: seconds to wait at the most (default 30).

        Returns:
            False on timeout. True at once if nobody reads.
        """
        return await self._log.drain(timeout=timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the store has everything logged so far, for instance before `os._exit`.

        Args:
            timeout: seconds to wait at the most (default 5).

        Returns:
            Whether the store has everything; False too after an event that it refuses for good (a dead letter). True at
            once with the memory store. On an event loop it warns and does not wait: use ``await job.flushed()``.
        """
        check_timeout("timeout", timeout)
        if self._job.flush is None:
            return True
        if on_event_loop():
            warnings.warn("flush() on an event loop does not wait: use await flushed()", stacklevel=2)
            timeout = 0.0
        return not self._log.disowned and self._job.flush(timeout, False)

    async def flushed(self, timeout: float = 5.0) -> bool:
        """`flush` without blocking the event loop: ``await job.flushed()``. It stops waiting when the server shuts
        down."""
        check_timeout("timeout", timeout)
        if self._job.flushed is None:
            return True
        return not self._log.disowned and await self._job.flushed(timeout, False)

    def close(self, status: str = "completed", *, wait: float | None = None) -> None:
        """Append the last event, ``{"event": "done", "t", "status"}``, and close the log. Quiet the second time.

        Then wait until a remote store has the whole log, so that nothing is lost if the process ends or is frozen next.
        On an event loop it returns at once: ``await job.flushed()`` waits there. A warning of the logger ``streamator``
        counts the events that are not stored in time; the store goes on trying while the process lives.

        Args:
            status: ``"completed"`` (default), ``"failed"`` or ``"cancelled"``.
            wait: seconds to wait at the most; 0: not at all. By default the store's ``close_seconds`` (5), and up to
                six times as long for a store that is slow but makes progress; after one such timeout 0.2 seconds, until
                a write succeeds.

        Raises:
            ValueError: an unknown status, or an invalid ``wait``; the log stays open.
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
            if self._log.over and self._span is not None:
                self._span.end("cancelled")
                self._span = None
            return
        if self._span is not None:
            self._span.end(status, error)
        if self._job.flush is not None and wait != 0 and not on_event_loop():
            self._job.flush(wait, True)

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody, in this process or another, asked to cancel the job. A job that is no asyncio task checks
        it between two steps. It reads a flag, from any thread.

        The first check tells the store that the job can be cancelled: check once before the first long step. From then
        on requests from other processes arrive within the store's ``cancel_seconds``. It is also true once the job's
        task was cancelled, for a thread that the task has started: cancelling the task does not end the thread.
        """
        job = self._job
        if not job.cooperates and not self._log.closed:
            job.cooperates = True
            if job.on_track is not None:
                job.on_track(job)
        return job.cancel_requested

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` if `cancel_requested` is true: `Fenced` if that is because a newer attempt has begun. It
        ends a ``with`` as ``cancelled``, and propagates."""
        if self._log.over == "fenced":
            raise Fenced(self._fenced_text())
        if self.cancel_requested:
            raise JobCancelled(f"job {self._job_id!r} is to be cancelled")

    def _fail(self, error: BaseException) -> str:
        """End the log of a job that this exception has ended; returns its status."""
        status = status_of(error)
        if status == "failed":
            self._append(self._told(error), "error")
            if self._will_retry and isinstance(self._log, AttemptLog):
                self._leave(self._log, error)
                return status
        self._close(status, error if status == "failed" else None)
        return status

    def _leave(self, log: AttemptLog, error: BaseException) -> None:
        """End the attempt, but not the job."""
        log.leave()
        if self._span is not None:
            self._span.end("failed", error)
            self._span = None
        if self._job.flush is not None and not on_event_loop():
            self._job.flush(None, True)

    def _told(self, error: BaseException) -> str:
        """The text of the error entry."""
        if self._error_text is None:
            return describe(error)
        try:
            return text_of(self._error_text(error) or type(error).__name__)
        except Exception:  # the message may hold what error_text was to hide
            logger.exception("job %s: its error_text failed", self._job_id, extra={"job_id": self._job_id})
            return type(error).__name__

    def _warn_closed(self, call: str, stacklevel: int = 3) -> None:
        if self._log.over == "fenced":
            if not self._told_fenced:
                self._told_fenced = True
                warn(Fenced(self._fenced_text()), stacklevel=stacklevel)
            return
        why = "after close() on job {!r}: dropped"
        if self._log.disowned:
            why = "on job {!r} in a process forked after the job was made: dropped; make a JobLogger in this process"
        warn(f"{call} {why.format(self._job_id)}", stacklevel=stacklevel)

    def _fenced_text(self) -> str:
        return (
            f"a newer attempt of job {self._job_id!r} has begun: attempt {self.attempt} is fenced, and what it logs is "
            "dropped"
        )

    def __enter__(self: _Self) -> _Self:
        if self._span is not None:
            self._entered.append(self.in_trace())
            self._entered[-1].__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._entered:
            self._entered.pop().__exit__(None, None, None)
        if error is None:
            self.close()
        else:
            self._fail(error)

    async def __aenter__(self: _Self) -> _Self:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)
        if self._job.flushed is not None and not self._log.disowned:
            await self._job.flushed(None, True)


def _append_event(log: EventLog, trace_id: str | None, visibility: str | None, message: str, level: str) -> bool:
    entry = {"event": "log", "message": message, "level": level}
    return log.append_json(encode_event(entry, visibility, trace_id), add_time=True)


def _known_level(level: object) -> str:
    text = text_of(level)
    if text in LEVELS:
        return text
    warn(f"unknown level {text[:80]!r}, logged as 'info': use one of {LEVELS}", stacklevel=3)
    return INFO


def status_of(error: BaseException) -> str:
    """The status of a job that an exception has ended. Of an exception group, the worst of its exceptions counts."""
    found = {_status_of_one(each) for each in _leaves(error)}
    return next((status for status in ("failed", "cancelled", "completed") if status in found), "failed")


def _status_of_one(error: BaseException) -> str:
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, JobCancelled, KeyboardInterrupt)):
        return "cancelled"
    if isinstance(error, SystemExit) and (error.code is None or (isinstance(error.code, int) and not error.code)):
        return "completed"  # the exit status of the process would be 0
    return "failed"


def describe(error: BaseException) -> str:
    """The type and the message of an exception; for a group, those of its exceptions too."""
    leaves = _leaves(error)
    if len(leaves) == 1 and leaves[0] is error:
        return _describe_one(error)
    more = f"; and {len(leaves) - MAX_CAUSES} more" if len(leaves) > MAX_CAUSES else ""
    return f"{_describe_one(error)}: {'; '.join(map(_describe_one, leaves[:MAX_CAUSES]))}{more}"


def _describe_one(error: BaseException) -> str:
    detail = clip(text_of(error))
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group and its subgroups; any other exception by itself."""
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


def warn(text: str | Warning, stacklevel: int = 2) -> None:
    """`warnings.warn`, but silent within itself: if warnings go to `logging`, and from there to a job's log, each would
    cause the next."""
    if getattr(_warning, "given", False):
        return
    _warning.given = True
    try:
        warnings.warn(text, stacklevel=stacklevel + 1)
    finally:
        _warning.given = False


def known_visibility(visibility: str, stacklevel: int = 3) -> str:
    """``visibility``; an unknown one becomes ``internal_only``, with a warning."""
    text = text_of(visibility)
    if text in VISIBILITIES:
        return text
    warn(f"unknown visibility {text[:80]!r}, kept as {INTERNAL_ONLY!r}: use one of {VISIBILITIES}", stacklevel)
    return INTERNAL_ONLY
