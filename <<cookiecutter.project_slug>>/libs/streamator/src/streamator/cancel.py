"""Cancelling a job from another process: the store carries the request, and the job's process looks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

from .fault import StoreFault, Trouble, as_fault, logger
from .store import Job

RETRY_CAP_SECONDS: Final = 5.0


class CancelRequests:
    """Cancels the jobs of this process of which the store says that somebody wants it.

    Args:
        place: where the store's data is, for messages.
        read: gives the ids of all jobs that somebody wants cancelled, also those of other processes. It is called from
            a thread of its own, and raises `StoreFault`.
        seconds: the time between two looks.

    The thread runs while there is a job here that could be cancelled. Each job is cancelled once: a job that takes its
    time to clean up is not disturbed in it.
    """

    def __init__(self, place: str, read: Callable[[], Collection[str]], seconds: float) -> None:
        self._place = place
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._trouble: Trouble | None = None

    def watch(self, job_id: str, job: Job) -> None:
        """Look for requests to cancel this job, from now until it has ended."""
        with self._lock:
            self._jobs[job_id] = job
            if self._thread is not None:
                return
            self._wake.clear()
            self._thread = threading.Thread(target=self._run, name="streamator-cancel", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # the interpreter ends, or the system has no more threads
                self._thread = None
                logger.warning("%s: jobs cannot be cancelled from other processes: %s", self._place, error)

    def stop(self) -> None:
        """Look no more for the jobs there are."""
        with self._lock:
            self._jobs.clear()
        self._wake.set()

    def _run(self) -> None:
        wait = self._seconds
        while True:
            self._wake.wait(wait)
            with self._lock:
                for job_id, job in list(self._jobs.items()):
                    if job.cancel is None and (job.log.closed or not job.cooperates):  # it is over
                        del self._jobs[job_id]
                if not self._jobs:
                    self._thread = None
                    return
            try:
                wanted = self._read()
            except Exception as error:
                wait = max(self._failed(as_fault(error)), self._seconds)
                continue
            wait = self._seconds
            self._worked()
            with self._lock:
                found = [self._jobs.pop(job_id) for job_id in wanted if job_id in self._jobs]
            for job in found:
                job.ask_to_stop()

    def _failed(self, fault: StoreFault) -> float:
        told = self._trouble is not None and self._trouble.serious
        self._trouble = Trouble.after(self._trouble, fault)
        if self._trouble.serious and not told:
            logger.warning(
                "%s: requests of other processes to cancel jobs cannot be read: %s", self._place, fault.reason
            )
        return self._trouble.wait(RETRY_CAP_SECONDS)

    def _worked(self) -> None:
        if self._trouble is not None and self._trouble.serious:
            logger.warning("%s: requests to cancel jobs are read again", self._place)
        self._trouble = None
