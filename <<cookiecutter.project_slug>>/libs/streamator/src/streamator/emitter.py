"""`JobEmitter`: a logger that also carries structured events, the job's task and its result."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from . import events
from .logger import JobLogger, known_visibility, warn
from .loops import running_loop
from .options import DAY_SECONDS, YEAR_SECONDS, check_number
from .stores.base import evict_closed, find_job

logger = logging.getLogger("streamator")


class JobEmitter(JobLogger):
    """A `JobLogger` that adds structured events, a task to cancel, and a result.

    Takes the same arguments and gives the same guarantees. The class methods find a job by its id in every store
    of this process.
    """

    def emit(self, event: Mapping[str, Any], visibility: str | None = None) -> None:
        """Append an event of your own, with the log's ``t``: ``emitter.emit({"event": "progress", "step": 1})``.

        Args:
            event: a mapping. It is taken as it is now: a later change does not show. Values that JSON cannot hold
                become their string; a string over 65,536 characters is cut, and an event over 262,144 characters of
                JSON is replaced by its name and a note. The log's ``t`` replaces its own.
            visibility: as for `log` (default: the event's own ``visibility``, or none, which counts as user-facing).

        The names ``done``, ``gap`` and ``attempt`` are reserved: such an event is sent as ``user_done`` and so on, with
        a warning. After `close` it warns, and the event is dropped.
        """
        if not events.is_mapping(event):
            warn(f"emit() takes a mapping, not {type(event).__name__}: sent as a log entry", stacklevel=2)
        name = self._emit("emit()", event, visibility)
        if name is not None:
            hint = ", or end the job with close()" if name == "done" else ""
            warn(f"the event name {name!r} is reserved, sent as 'user_{name}': rename it{hint}", stacklevel=2)

    def _emit(self, call: str, event: Mapping[str, Any], visibility: str | None, stacklevel: int = 4) -> str | None:
        """Append an event; returns the reserved name if it had one."""
        if visibility is not None:
            visibility = known_visibility(visibility, stacklevel)
        text, name = events.free_name(events.encode_event(event, visibility, self.trace_id))
        if not self._log.append_json(text, add_time=True):
            self._warn_closed(call, stacklevel)
        return name

    def workflow_started(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` ``{"event": "workflow_started", "message": message, **fields}``; None leaves the message out."""
        self._emit_named(events.WORKFLOW_STARTED, message, fields, visibility)

    def step_started(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``step_started``: ``emitter.step_started("Fetch the pages", step=1)``."""
        self._emit_named(events.STEP_STARTED, message, fields, visibility)

    def step_progress(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``step_progress``: ``emitter.step_progress(step=1, percent=40)``."""
        self._emit_named(events.STEP_PROGRESS, message, fields, visibility)

    def step_completed(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``step_completed``."""
        self._emit_named(events.STEP_COMPLETED, message, fields, visibility)

    def tool_executed(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``tool_executed``: ``emitter.tool_executed(tool="search", seconds=0.4)``."""
        self._emit_named(events.TOOL_EXECUTED, message, fields, visibility)

    def workflow_completed(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``workflow_completed``. It does not close the log: `close` does, or the task's end."""
        self._emit_named(events.WORKFLOW_COMPLETED, message, fields, visibility)

    def error(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` an ``error``, of the level ``error``. The job goes on."""
        self._emit_named(events.ERROR, message, {"level": "error", **fields}, visibility)

    def heartbeat(self, message: str | None = None, *, visibility: str | None = None, **fields: Any) -> None:
        """`emit` a ``heartbeat`` of the job itself. Streams send their own without it."""
        self._emit_named(events.HEARTBEAT, message, fields, visibility)

    def _emit_named(self, name: str, message: str | None, fields: dict[str, Any], visibility: str | None) -> None:
        event = {"event": name, **({} if message is None else {"message": message}), **fields}
        event["event"] = name  # even if the fields have one
        self._emit(f"{name}()", event, visibility, stacklevel=5)

    def track(self, task: asyncio.Future[Any] | concurrent.futures.Future[Any]) -> None:
        """Tie the job to its task: `cancel` stops it, and when it ends the log is closed, if it still is open:
        ``completed``, ``cancelled`` (also before the task's first step), or an error entry and ``failed``.

        Args:
            task: an `asyncio.Task`. The store holds it until it ends, so that it is not garbage-collected. Or a
                `concurrent.futures.Future`, ``pool.submit(work, job)``: once begun, it stops only if it checks
                `cancel_requested` or calls `raise_if_cancelled`. Cancelling a task does not stop a thread that it has
                started; what the thread logs after that is dropped.
        """
        job = self._job
        if isinstance(task, concurrent.futures.Future):
            job.cooperates = True
            stop: Callable[[], bool] = task.cancel
        else:
            stop = partial(_cancel_task, task)

        def ended(_: object) -> None:
            self._task_ended(task)
            if job.cancel is stop:
                job.cancel = None  # the job must not keep alive what the task holds

        job.cancel = stop
        task.add_done_callback(ended)
        if job.on_track is not None:
            job.on_track(job)

    def _task_ended(self, task: asyncio.Future[Any] | concurrent.futures.Future[Any]) -> None:
        if self._log.closed:
            return
        if task.cancelled():
            self.close("cancelled")
            return
        error = task.exception()
        if error is None:
            self.close()
        elif self._fail(error) == "failed":  # a cancellation was asked for: no error to report
            logger.error("job %s failed", self.job_id, exc_info=error, extra={"job_id": self.job_id})

    def set_result(self, data: Any) -> None:
        """Keep the job's result until it is taken or the job is forgotten.

        Args:
            data: what `pop_result` returns, and ``GET .../result`` sends as JSON.
        """
        self._job.result = data
        self._job.has_result = True

    @classmethod
    def cancel(cls, job_id: str) -> bool:
        """Ask the job to stop: its task is cancelled, and `cancel_requested` is true. From any thread.

        Returns:
            True if a running task is cancelled, or the job is known to check `cancel_requested`. False for a job that
            is unknown here, over, or has no task and has not checked yet; such a job sees the request at its first
            check.
        """
        job = find_job(job_id)
        return job is not None and job.ask_to_stop() is not None

    @classmethod
    def pop_result(cls, job_id: str) -> Any:
        """Take the job's result: None if there is none (yet), or it was taken before."""
        job = find_job(job_id)
        if job is None:
            return None
        job.has_result = False
        result, job.result = job.result, None
        return result

    @classmethod
    def exists(cls, job_id: str) -> bool:
        """Whether this process holds the job's log: the job was made here and is not forgotten yet."""
        return find_job(job_id) is not None


def _cancel_task(task: asyncio.Future[Any]) -> bool:
    """Cancel from any thread; False if the task has ended."""
    loop = task.get_loop()
    if task.done():
        return False
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        if not loop.is_closed():
            raise
        return False  # the task stopped with its loop
    return True


def start_reaper(ttl_seconds: float = 300, interval: float = 60) -> Coroutine[Any, Any, None]:
    """Forget finished jobs, forever: run it as a task of your server.

    Args:
        ttl_seconds: how long after its end a job is kept, in seconds (default 300).
        interval: how often to look, in seconds (default 60).

    Open jobs stay. A remote store keeps its own copy for its ``ttl_days``. A store that raises is logged, and asked
    again.
    """
    # Checked here, not in the coroutine: nobody would see the exception of a task that runs forever.
    check_number("ttl_seconds", ttl_seconds, 0, 100 * YEAR_SECONDS, "seconds")
    check_number("interval", interval, 0.001, DAY_SECONDS, "seconds")
    return _reap(ttl_seconds, interval)


async def _reap(ttl_seconds: float, interval: float) -> None:
    running_loop()
    while True:
        await asyncio.sleep(interval)
        evict_closed(ttl_seconds)


__all__ = ["JobEmitter", "start_reaper"]
