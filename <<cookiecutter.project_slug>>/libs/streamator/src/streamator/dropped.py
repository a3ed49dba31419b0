"""Loggers that were garbage-collected without `close`: their logs are ended."""

from __future__ import annotations

import contextlib
import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from weakref import ref

from .forks import after_fork
from .log import EventLog

if TYPE_CHECKING:
    from .tracing import JobSpan

logger = logging.getLogger("streamator")

_dropped: SimpleQueue[tuple[EventLog, str, JobSpan | None, ref[object]]] = SimpleQueue()
_ending = threading.Lock()


def end_soon(log: EventLog, job_id: str, span: JobSpan | None, store: ref[object]) -> None:
    """End the log of a job, if it is open, in another thread: ``failed``, after an error entry. A warning is logged,
    unless the store is gone too: nobody can ask for the log then.

    For a finalizer. The garbage collector may run it anywhere, even while its thread holds the lock of this log or of
    its store, so nothing here waits for a lock.
    """
    if log.closed:
        return
    _dropped.put((log, job_id, span, store))
    if not _ending.locked():  # else the thread that holds it looks again
        with contextlib.suppress(RuntimeError):  # the interpreter ends, or the system has no more threads
            threading.Thread(target=end_dropped, name="streamator-dropped", daemon=True).start()


def end_dropped() -> None:
    """End the logs that `end_soon` was given; when this returns, none waits."""
    while True:
        with _ending, contextlib.suppress(Empty):
            while True:
                _end(*_dropped.get_nowait())
        if _dropped.empty():
            return


def _end(log: EventLog, job_id: str, span: JobSpan | None, store: ref[object]) -> None:
    log.append_log("The job's logger was dropped without close(): how the job ended is not known.", "error")
    if not log.close({"event": "done", "status": "failed"}):
        return
    if span is not None:
        span.end("failed")
    if store() is not None:
        logger.warning(
            "job %r: its logger was dropped without close(), so that its log ends as failed: use `with` or track()",
            job_id, extra={"job_id": job_id},
        )  # fmt: skip


@after_fork
def _reset() -> None:
    global _dropped, _ending
    _dropped = SimpleQueue()
    _ending = threading.Lock()
