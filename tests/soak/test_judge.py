"""The judge finds what it is there for: each way in which a transcript can be wrong is wrong to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from soak import content
from soak.judge import ATTEMPT_IDS, Transcript, Wrong
from soak.resources import growth

KEY = "job-1"
Sent = tuple[int, dict[str, Any]]


def shown(first: int, last: int, *, words: int = 0) -> Iterator[Sent]:
    """What is shown of the lines from one to another, after so many events of the app's own."""
    for number in range(first, last + 1):
        if not content.hidden(number):
            yield number + words, {**content.event(KEY, number), "t": number / 10}


def gap(last: int, missed: int) -> Sent:
    return last, {"event": "gap", "missed": missed}


def done(event_id: int, status: str = "completed") -> Sent:
    return event_id, {"event": "done", "status": status, "t": 1e6}


def word(event_id: int, text: str = "Cancelled.") -> Sent:
    return event_id, {"event": "log", "message": text, "level": "warning", "t": event_id % ATTEMPT_IDS / 10}


def read(*sent: Sent, after: int = 0, by_poll: bool = False) -> Transcript:
    transcript = Transcript(KEY, after)
    for event_id, event in sent:
        transcript.take(event, None if by_poll else event_id)
    return transcript


polls = pytest.mark.parametrize("by_poll", [False, True], ids=["ids", "poll"])


@polls
def test_a_whole_log_is_right(by_poll: bool) -> None:
    transcript = read(*shown(1, 40), done(41), by_poll=by_poll)
    assert (transcript.lines, transcript.number, transcript.status) == (37, 40, "completed")


@polls
def test_a_log_goes_on_after_an_id(by_poll: bool) -> None:
    assert read(*shown(21, 40), after=20, by_poll=by_poll).seen == 40


@polls
@pytest.mark.parametrize("missing", [1, 20, 39])
def test_a_missing_line_is_found(missing: int, by_poll: bool) -> None:
    with pytest.raises(Wrong, match=f"line {missing} is missing"):
        read(*shown(1, missing - 1), *shown(missing + 1, 40), by_poll=by_poll)


@polls
def test_a_line_that_comes_twice_is_found(by_poll: bool) -> None:
    with pytest.raises(Wrong, match="line 20 comes after 20"):
        read(*shown(1, 20), *shown(20, 40), by_poll=by_poll)


@polls
def test_a_line_that_is_not_word_for_word_is_found(by_poll: bool) -> None:
    *rest, (event_id, event) = shown(1, 20)
    with pytest.raises(Wrong, match="line 20 is"):
        read(*rest, (event_id, {**event, "message": event["message"] + "."}), by_poll=by_poll)


@polls
def test_a_hidden_line_that_is_shown_is_found(by_poll: bool) -> None:
    hidden = {"event": "log", "message": f"5 {KEY} hidden", "level": "info", "t": 0.5, "visibility": "internal_only"}
    with pytest.raises(Wrong, match="line 5 is"):
        read(*shown(1, 4), (5, hidden), by_poll=by_poll)


def test_an_id_that_is_not_the_lines_is_found() -> None:
    with pytest.raises(Wrong, match="line 1 has the id 2"):
        read(*shown(1, 20, words=1))


def test_time_that_goes_back_is_found() -> None:
    first, (event_id, event) = shown(1, 2)
    with pytest.raises(Wrong, match="t falls"):
        read(first, (event_id, {**event, "t": 0.0}))


@polls
def test_a_gap_of_the_right_size_is_right(by_poll: bool) -> None:
    transcript = read(*shown(1, 20), gap(30, 10), *shown(31, 40), done(41), by_poll=by_poll)
    assert transcript.gaps == [(30, 10)]


def test_a_gap_may_hide_events_of_the_apps_own() -> None:
    assert read(*shown(1, 20), gap(30, 10), *shown(30, 40, words=1), done(42)).number == 40


@pytest.mark.parametrize(("last", "missed"), [(30, 9), (30, 11), (29, 9)])
def test_a_gap_of_the_wrong_size_is_found(last: int, missed: int) -> None:
    with pytest.raises(Wrong):
        read(*shown(1, 20), gap(last, missed), *shown(31, 40))


def test_a_gap_that_is_far_too_small_is_found_in_a_poll() -> None:
    with pytest.raises(Wrong, match="line 32 comes after 22"):
        read(*shown(1, 20), gap(22, 2), *shown(31, 40), by_poll=True)


@polls
def test_the_apps_own_last_words_are_right_and_others_are_found(by_poll: bool) -> None:
    assert read(*shown(1, 20), word(21), done(22, "cancelled"), by_poll=by_poll).status == "cancelled"
    with pytest.raises(Wrong, match="is not of this job"):
        read(*shown(1, 20), word(21, "Hello."), by_poll=by_poll)


@polls
def test_what_comes_after_the_end_is_found(by_poll: bool) -> None:
    with pytest.raises(Wrong, match="comes after the end"):
        read(*shown(1, 20), done(21), *shown(22, 22), by_poll=by_poll)


def test_an_end_that_is_none_is_found() -> None:
    with pytest.raises(Wrong, match="is not of this job"):
        read(*shown(1, 20), done(21, "interrupted"))


def test_an_end_before_the_last_line_is_found() -> None:
    with pytest.raises(Wrong, match="is missing"):
        read(*shown(1, 20), done(25))


def test_moving_on_over_hidden_lines_is_right_and_over_others_is_found() -> None:
    transcript = read(*shown(1, 17))
    transcript.move(18)
    assert transcript.seen == 18
    with pytest.raises(Wrong, match="line 19 is missing"):
        transcript.move(19)


def attempt(low: int, number: int = 2) -> Sent:
    return (number - 1) * ATTEMPT_IDS + low, {"event": "attempt", "attempt": number, "reason": "lost", "t": 0.0}


@polls
def test_a_log_may_be_closed_in_a_later_attempt(by_poll: bool) -> None:
    transcript = read(*shown(1, 20), attempt(21), done(ATTEMPT_IDS + 22, "failed"), by_poll=by_poll)
    assert (transcript.attempt, transcript.anew, transcript.status) == (2, False, "failed")
    assert transcript.seen == ATTEMPT_IDS + 22


@polls
def test_a_log_that_begins_with_a_later_attempt_has_lost_the_one_before(by_poll: bool) -> None:
    assert read(attempt(1), done(ATTEMPT_IDS + 2, "failed"), by_poll=by_poll).anew


def test_a_log_that_goes_back_with_a_later_attempt_has_lost_the_one_before() -> None:
    transcript = read(*shown(1, 20), attempt(1), word(ATTEMPT_IDS + 2), done(ATTEMPT_IDS + 3, "failed"))
    assert (transcript.anew, transcript.number, transcript.seen) == (True, 20, ATTEMPT_IDS + 3)


def test_a_line_that_is_missing_before_an_attempt_is_found() -> None:
    with pytest.raises(Wrong, match="line 20 is missing"):
        read(*shown(1, 19), attempt(21))


@polls
def test_a_line_of_a_zombie_is_found(by_poll: bool) -> None:
    (_, line) = next(shown(21, 21))
    with pytest.raises(Wrong, match="line 21 comes within attempt 2"):
        read(*shown(1, 20), attempt(21), (ATTEMPT_IDS + 22, line), by_poll=by_poll)


@pytest.mark.parametrize("again", [attempt(22), attempt(22, 1), (22, attempt(22, 3)[1])])
def test_an_attempt_that_is_not_a_later_one_is_found(again: Sent) -> None:
    with pytest.raises(Wrong, match="'attempt'.*(comes after attempt 2|has the id 22)"):
        read(*shown(1, 20), attempt(21), again)


def test_a_job_is_lost_until_it_runs_again() -> None:
    transcript = Transcript(KEY)
    for status in ("lost", "lost", "running", "lost"):
        transcript.take({"event": "status", "status": status}, None)
    assert transcript.lost
    assert len(transcript.losses) == 2


FLAT = {"memory": 80.0, "files": 30.0, "threads": 10.0, "tasks": 8.0, "streams": 0.0, "jobs": 0.0, "objects": 100_000.0}


def test_what_stays_as_it_was_is_flat() -> None:
    assert growth(FLAT, {**FLAT, "memory": 84.0, "files": 32.0, "objects": 101_000.0}) == []


@pytest.mark.parametrize("name", FLAT)
def test_what_has_grown_is_not_flat(name: str) -> None:
    (found,) = growth(FLAT, {**FLAT, name: FLAT[name] * 1.5 + 1})
    assert found.startswith(name)
