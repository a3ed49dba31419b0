"""`JobLogger`: what a job writes its log with."""

from __future__ import annotations

import asyncio
import time
import uuid
import warnings
from types import TracebackType
from typing import Any

from .events import LEVELS, STATUSES, clip, text_of
from .log import LONG_TEXT, EventLog
from .store import Job, Store, open_store

_LEVELS = {level: level for level in LEVELS}
_INFO = _LEVELS["info"]


class JobLogger:
    """The log of one job, from the job's side.

    Args:
        store: ``"memory"`` (default), ``"dynamo"``, ``"redis"``, or any `Store`.
        job_id: the job's id (default: a new UUID). 1 to 128 letters, digits, ``_`` or ``-``, new for each run.
        options: what the store takes: ``table="my-logs", ttl_days=1`` for ``"dynamo"``, ``url=`` for ``"redis"``.

    Raises:
        InvalidJobId, JobExists: ``job_id`` cannot be used.
        StoreError: the store is unknown, or its options do not fit.

    As a context manager, plain or ``async``, it closes the log at the end: ``completed``, or ``cancelled`` when the
    job was cancelled, or ``failed``, after an error entry, when an exception leaves the block. The exception goes on.

    Guarantees: `log` and `close` may be called from any thread, with or without an event loop. They never block on
    a store and never raise for what they are given.
    """

    def __init__(self, store: str | Store = "memory", *, job_id: str | None = None, **options: Any) -> None:
        self._store = open_store(store, **options)
        self._job_id = str(uuid.uuid4()) if job_id is None else job_id
        self.start_t = time.monotonic()
        """The `time.monotonic` reading that every ``t`` counts from, in seconds."""
        self._job: Job = self._store.create(self._job_id, self.start_t)
        self._log: EventLog = self._job.log
        self._append = self._log.append_short

    @property
    def job_id(self) -> str:
        """The job's id, for its viewers."""
        return self._job_id

    def log(self, message: str, level: str = "info") -> None:
        """Append ``{"event": "log", "message", "level", "t"}``.

        Args:
            message: the text. Anything else becomes its string; past 65,536 characters it is cut, with a marker.
            level: ``"info"`` (default), ``"success"``, ``"warning"`` or ``"error"``. Another warns and logs as info.

        After `close` it warns, and the entry is dropped.
        """
        if level is not _INFO:  # the default costs one comparison
            level = self._known(level)
        if type(message) is str and len(message) <= LONG_TEXT:
            taken = self._append(message, level)
        else:
            taken = self._log.append_log(clip(text_of(message)), level)
        if not taken:
            self._warn_closed("log()")

    def _known(self, level: str) -> str:
        if type(level) is not str:
            level = text_of(level)
        if level in _LEVELS:
            return _LEVELS[level]
        warnings.warn(f"unknown level {level[:80]!r}, logged as 'info': use one of {LEVELS}", stacklevel=3)
        return _INFO

    def close(self, status: str = "completed") -> None:
        """Append the last event, ``{"event": "done", "t", "status"}``, and close the log. Quiet the second time.

        Args:
            status: ``"completed"`` (default), ``"failed"`` or ``"cancelled"``.

        Raises:
            ValueError: another status; the log stays open.
        """
        if status not in STATUSES:
            raise ValueError(f"unknown status {text_of(status)[:80]!r}: close with one of {STATUSES}")
        self._log.close({"event": "done", "status": status})

    def _fail(self, error: BaseException) -> None:
        """End the log of a job that did not come to its end."""
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self.close("cancelled")
        else:
            detail = text_of(error)
            text = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
            self._log.append_log(clip(text), "error")
            self.close("failed")

    def _warn_closed(self, call: str) -> None:
        if self._log.disowned:
            why = "in a process forked after the job was made: dropped; make a JobLogger in this process"
            warnings.warn(f"{call} on job {self._job_id!r} {why}", stacklevel=3)
            return
        warnings.warn(f"{call} after close() on job {self._job_id!r}: dropped", stacklevel=3)

    def _exit(self, error: BaseException | None) -> None:
        if error is None:
            self.close()
        else:
            self._fail(error)

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)
