"""Requests of other processes to cancel a job, as the job's process looks for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from streamator import EventLog
from streamator.store import Job
from streamator.stores.remote.cancel import CancelRequests
from streamator.stores.remote.faults import StoreFault


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.005)


def looking() -> bool:
    return any(thread.name == "streamator-cancel" for thread in threading.enumerate())


class Requests:
    """A store's requests, and jobs that note that they were cancelled."""

    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self.fault: StoreFault | None = None
        self.looks = 0
        self.cancelled: list[str] = []
        self.found = CancelRequests("the store", self.read, 0.01)

    def read(self) -> set[str]:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return self.wanted

    def job(self, job_id: str) -> Job:
        def cancel() -> bool:
            self.cancelled.append(job_id)
            return True

        job = Job(EventLog())
        job.cancel = cancel
        self.found.watch(job_id, job)
        return job


@pytest.fixture
def requests() -> Requests:
    return Requests()


def test_only_requested_jobs_are_cancelled_and_each_once(requests: Requests) -> None:
    mine, other = requests.job("mine"), requests.job("other")
    requests.wanted = {"mine", "a-job-of-another-process"}
    until(lambda: requests.cancelled)
    looks = requests.looks
    until(lambda: requests.looks > looks + 3)
    assert requests.cancelled == ["mine"]
    mine.cancel = other.cancel = None
    until(lambda: not looking())


def test_a_cooperating_job_is_watched_until_it_ends(requests: Requests) -> None:
    job = Job(EventLog())
    job.cooperates = True
    requests.wanted = {"a"}
    requests.found.watch("a", job)
    until(lambda: job.cancel_requested)
    until(lambda: not looking())
    over = Job(EventLog())
    over.cooperates = True
    requests.found.watch("b", over)
    looks = requests.looks
    until(lambda: requests.looks > looks + 2)
    over.log.close()
    until(lambda: not looking())


def test_the_store_is_not_asked_while_no_job_can_be_cancelled(requests: Requests) -> None:
    assert not looking()
    job = requests.job("a")
    until(lambda: requests.looks)
    job.cancel = None  # its task has ended
    until(lambda: not looking())
    requests.job("b")
    until(looking)
    requests.found.stop()
    until(lambda: not looking())


def test_a_failing_store_is_reported_once_and_asked_again(requests: Requests, caplog: pytest.LogCaptureFixture) -> None:
    requests.fault = StoreFault("denied", "no right to read")
    with caplog.at_level(logging.WARNING):
        requests.job("a")
        until(lambda: requests.looks >= 3)
        requests.fault, requests.wanted = None, {"a"}
        until(lambda: requests.cancelled)
    requests.found.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "the store: requests of other processes to cancel jobs cannot be read: no right to read",
        "the store: requests to cancel jobs are read again",
    ]
    until(lambda: not looking())
