"""Cancelling a job from another process: the store carries the request, and the job's process looks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from ..base import Job
from .faults import Health, as_fault, logger


class CancelRequests:
    """Cancels the jobs of this process for which the store has a request.

    Args:
        place: where the store's data is, for messages.
        read: returns the ids in all requests, including other processes' jobs. It is called from a thread of its own,
            and raises `StoreFault`.
        seconds: the time between two looks.

    The thread runs while there is a job here that could be cancelled. Each job is cancelled once, so that no second
    request interrupts its cleanup.
    """

    def __init__(self, place: str, read: Callable[[], Collection[str]], seconds: float) -> None:
        self._place = place
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._health = Health(
            place, "requests of other processes to cancel jobs cannot be read", "requests to cancel jobs are read again"
        )

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
        """Stop looking, for all jobs."""
        with self._lock:
            self._jobs.clear()
        self._wake.set()

    def _run(self) -> None:
        wait = self._seconds
        while True:
            self._wake.wait(wait)
            with self._lock:
                for job_id, job in list(self._jobs.items()):
                    if job.elsewhere or (job.cancel is None and (job.log.closed or not job.cooperates)):  # it is over
                        del self._jobs[job_id]
                if not self._jobs:
                    self._thread = None
                    return
            try:
                wanted = self._read()
            except Exception as error:
                wait = max(self._health.failed(as_fault(error)).backoff(), self._seconds)
                continue
            wait = self._seconds
            self._health.worked()
            with self._lock:
                found = [self._jobs.pop(job_id) for job_id in wanted if job_id in self._jobs]
            for job in found:
                job.ask_to_stop()
