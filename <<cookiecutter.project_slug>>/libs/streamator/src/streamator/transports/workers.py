"""Whether this process is one of several that answer the same requests, each with a memory store of its own."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import sys
import threading
from types import FrameType

logger = logging.getLogger("streamator")

_told = False


def tell_of_an_unknown_job(job_id: str) -> None:
    """Warn once, if no store is shared by processes, why a job that runs may be unknown here."""
    global _told
    if _told:
        return
    server = one_of_several()
    if server is None:
        return
    _told = True
    text = (
        "job %s is unknown to this process, which is one of several workers (%s): the memory store is one process's, "
        "so a job is a 404 at all others. Give all workers one store, store='redis' or 'dynamo', or run one worker"
    )
    logger.warning(text, job_id, server, extra={"job_id": job_id})


def one_of_several() -> str | None:
    """The server that runs this process beside others of its kind; None if none is known.

    It is read from the main thread's stack: a supervisor's frame in a worker says that there are more.
    """
    frame = frame_of(threading.main_thread().ident)
    while frame is not None:
        found = _supervisor(frame)
        if found is not None:
            return found
        frame = frame.f_back
    return None


def frame_of(thread: int | None) -> FrameType | None:
    """The innermost frame of the thread with this identifier; None if there is no such thread.

    Python 3.11 before 3.11.9 holds a lock of the interpreter while it makes the frames; a garbage collection within
    that lets another thread run, which may want that lock: both then wait forever (python/cpython#106883).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames().get(thread) if thread is not None else None
    finally:
        if collects:
            gc.enable()


def _supervisor(frame: FrameType) -> str | None:
    module = frame.f_globals.get("__name__", "")
    if module == "uvicorn.supervisors.multiprocess" and multiprocessing.parent_process() is not None:
        return "uvicorn --workers"
    if module == "gunicorn.arbiter" and getattr(frame.f_locals.get("self"), "num_workers", 1) > 1:
        return "gunicorn --workers"
    is_hypercorn = module.startswith("hypercorn.") and multiprocessing.parent_process() is not None
    if is_hypercorn and getattr(frame.f_locals.get("config"), "workers", 1) > 1:
        return "hypercorn --workers"
    return None
