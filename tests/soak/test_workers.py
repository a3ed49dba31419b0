"""What the judge of a soak of workers finds."""

from __future__ import annotations

from typing import Any

import pytest

from soak.workers import KILLED, Fault, Job, Seen, percentile, problems_of, waits

Event = dict[str, Any]


def log(message: str) -> Event:
    return {"event": "log", "message": message}


def begins(attempt: int, worker: str, after: int) -> Event:
    return log(f"attempt {attempt} at {worker}, after line {after}")


def line(attempt: int, number: int) -> Event:
    return log(f"attempt {attempt}, line {number}")


def checkpoint(data: int) -> Event:
    return {"event": "checkpoint", "data": data}


def attempt(number: int) -> Event:
    return {"event": "attempt", "attempt": number, "reason": "lost"}


DONE: Event = {"event": "done", "status": "completed"}

FIRST = [begins(1, "worker 1", 0), line(1, 1), checkpoint(1), line(1, 2)]
SECOND = [attempt(2), begins(2, "worker 2", 1), line(2, 2), line(2, 3)]


def seen(*events: Event, first: int = 1) -> Seen:
    return Seen(list(enumerate(events, first)), [float(number) for number in range(len(events))])


def problems(*events: Event, lines: int = 3) -> list[str]:
    return problems_of(Job("j", lines, []), seen(*events))


def test_a_log_whose_second_attempt_goes_on_after_the_checkpoint_is_right() -> None:
    assert problems(*FIRST, log("Other words of the app's."), *SECOND, DONE) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([*FIRST, *SECOND[:3], DONE], "it is completed after line 2 of 3"),
        ([*FIRST, *SECOND], "no end: it stands at id 8"),
        ([*FIRST, *SECOND, {**DONE, "status": "failed"}], "it is failed after line 3 of 3"),
        ([*FIRST[:2], line(1, 3), *SECOND, DONE], "line 3 after line 1 of attempt 1"),
        ([*FIRST, line(1, 2), *SECOND, DONE], "line 2 after line 2 of attempt 1"),
        ([*FIRST, *SECOND[:3], line(1, 3), line(2, 3), DONE], "line 3 of attempt 1 within attempt 2"),
        (
            [*FIRST, attempt(2), begins(2, "w", 0), line(2, 1), line(2, 2), line(2, 3), DONE],
            "attempt 2 begins after line 0, within attempt 2, and the newest checkpoint is 1",
        ),
        ([*FIRST, attempt(2), *SECOND, DONE], "attempt 2 after 2"),
        ([*FIRST, {"event": "gap", "missed": 3}, *SECOND, DONE], "a gap before id 5"),
    ],
)
def test_what_is_wrong_is_named(events: list[Event], problem: str) -> None:
    assert problem in problems(*events)


def test_an_id_that_does_not_rise_is_wrong() -> None:
    found = seen(*FIRST, *SECOND, DONE)
    found.events[3] = (2, found.events[3][1])
    assert "id 2 after 3" in problems_of(Job("j", 3, []), found)


def test_the_next_attempt_is_waited_for_by_the_jobs_of_the_worker_that_was_killed() -> None:
    jobs = [Job("j", 3, [seen(*FIRST, *SECOND, DONE)])]  # each event a second after the one before
    assert waits(jobs, [Fault(KILLED, "worker 1", 3.5)]) == [1.5]
    assert waits(jobs, [Fault(KILLED, "worker 2", 3.5)]) == []  # it ran at the other
    assert waits(jobs, [Fault(KILLED, "worker 2", 7.5)]) == []  # it ended without another attempt


@pytest.mark.parametrize(("share", "value"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_percentile(share: float, value: int) -> None:
    assert percentile(list(range(1, 101)), share) == value
