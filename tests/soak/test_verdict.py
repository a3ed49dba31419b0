"""How it may end for a viewer, by what has happened: each way that needs a reason is wrong without one."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from soak.content import MAXLEN
from soak.faults import ENDED, KILLED, PAUSED, WIPED, Fault, Faults
from soak.judge import Transcript
from soak.load import Job, Plan
from soak.processes import JOB_TTL_SECONDS, LEASE_SECONDS, Process, Stack
from soak.verdict import Verdicts
from soak.viewers import Viewer, Visit

SERVER, STORE = cast(Process, "server"), cast(Process, "store")
BEGAN, ENDED_AT = 1_000.0, 1_030.0
LINES = 100


def viewer(ending: str = "done", *, status: str | None = None, number: int = LINES, **facts: Any) -> Viewer:
    transcript = Transcript("job", status=status, lines=number, **facts)
    transcript.number = number
    found: Any = SimpleNamespace(
        transcript=transcript, ending=ending, ended_at=ENDED_AT, problem=None, refused={}, visit=Visit()
    )
    return cast(Viewer, found)


def judge(
    of: Viewer, *faults: Fault, store: Process | None = STORE, lines: int = LINES, others: Any = ()
) -> str | None:
    stack = cast(Stack, SimpleNamespace(store=store))
    history = Faults(stack, random.Random(0))
    history.all += faults
    job = Job(Plan("job", lines, 20.0, "completed", False), "id", SERVER, BEGAN, [of, *others])
    return Verdicts(stack, history, clock=lambda: ENDED_AT + 60).later(job, of)


def fault(what: str, process: Process = SERVER, began: float = BEGAN + 15, seconds: float = 2.0) -> Fault:
    return Fault(what, process, began, began + seconds)


def test_an_end_after_the_last_line_is_right() -> None:
    assert judge(viewer(status="completed")) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (viewer(status="completed", number=LINES - 1), "done after line 99 of 100"),
        (viewer(status="failed"), "done with 'failed'"),
        (viewer("open"), "hangs at id 100"),
        (viewer("gone"), "404"),
        (viewer(status="completed", losses=[BEGAN + 20]), "though its server lives"),
        (viewer(status="completed", gaps=[(50, 10)]), "a gap of 10 up to id 50"),
    ],
)
def test_what_has_no_reason_is_wrong(wrong: Viewer, says: str) -> None:
    assert says in str(judge(wrong))


@pytest.mark.parametrize("store", [None, STORE])
def test_a_connection_that_was_silent_for_too_long_is_wrong(store: Process | None) -> None:
    found = viewer(status="completed")
    found.refused["silence"] = 1
    assert "silent" in str(judge(found, store=store))


def test_a_gap_in_what_a_log_need_not_keep_is_right() -> None:
    lines = MAXLEN + 500
    assert judge(viewer(status="completed", number=lines, gaps=[(400, 100)]), lines=lines) is None
    assert "a gap" in str(judge(viewer(status="completed", number=lines, gaps=[(600, 100)]), lines=lines))


@pytest.mark.parametrize(
    ("reason", "right"),
    [
        (fault(KILLED), True),
        (fault(PAUSED, seconds=LEASE_SECONDS + 1), True),
        (fault(PAUSED, seconds=LEASE_SECONDS - 1), False),
        (fault(ENDED), False),
        (fault(KILLED, began=BEGAN - 60), False),
        (fault(KILLED, STORE), False),
        (fault(WIPED, STORE), False),
    ],
)
def test_a_job_is_lost_with_its_server_and_for_no_other_reason(reason: Fault, right: bool) -> None:
    assert (judge(viewer("lost", losses=[BEGAN + 25]), reason) is None) == right


@pytest.mark.parametrize("status", ["failed", "completed", "cancelled"])
def test_a_job_may_end_in_a_later_attempt_where_its_server_was_lost_and_only_there(status: str) -> None:
    closed = viewer(status=status, attempt=2, number=60)
    for reason in (fault(KILLED), fault(PAUSED, seconds=LEASE_SECONDS + 1)):
        assert judge(closed, reason) is None
    assert "attempt 2, though its server lives" in str(judge(closed, fault(KILLED, STORE)))


def test_a_log_begins_with_a_later_attempt_only_where_the_one_before_may_be_gone() -> None:
    anew = viewer(status="failed", attempt=2, number=0, anew=True)
    assert judge(anew, fault(KILLED), store=None) is None
    assert judge(anew, fault(WIPED, STORE), fault(KILLED)) is None
    assert "its log begins with attempt 2" in str(judge(anew, fault(KILLED)))


def test_a_job_is_lost_with_the_stores_data_where_it_had_ended_before_that() -> None:
    first = viewer(status="completed")
    first.ended_at = BEGAN + 18
    lost, wiped = viewer("lost", losses=[BEGAN + 25]), fault(WIPED, STORE, began=BEGAN + 17.5)
    assert judge(lost, wiped, others=[first]) is None
    first.ended_at = BEGAN + 24  # it was still there to be written again
    assert "though its server lives" in str(judge(lost, wiped, others=[first]))


def test_a_job_of_a_server_that_ended_is_lost_where_the_store_took_nothing() -> None:
    assert judge(viewer("lost", losses=[BEGAN + 25]), fault(ENDED), fault(PAUSED, STORE)) is None


@pytest.mark.parametrize(
    ("reason", "right"),
    [
        (fault(WIPED, STORE), True),
        (fault(KILLED, STORE), False),
        (fault(KILLED), False),
        (fault(KILLED, began=BEGAN + 1), True),
    ],
)
def test_a_job_is_gone_from_a_store_with_the_stores_data_or_before_it_was_there(reason: Fault, right: bool) -> None:
    assert (judge(viewer("gone"), reason) is None) == right


@pytest.mark.parametrize(("began", "right"), [(BEGAN + 9, True), (BEGAN + 12, True), (BEGAN + 14, False)])
def test_a_job_that_could_not_be_stored_is_not_there(began: float, right: bool) -> None:
    # The store is back at 10 s, and the writer tries again within half a lease.
    late = fault(PAUSED, seconds=30.0, began=began)
    assert (judge(viewer("gone"), fault(KILLED, STORE, began=BEGAN - 20, seconds=30), late) is None) == right


def test_a_job_of_a_store_that_is_well_is_there_at_once() -> None:
    assert "404" in str(judge(viewer("gone"), fault(PAUSED, seconds=30.0, began=BEGAN + 1)))


def test_a_job_is_gone_from_memory_with_its_server_or_when_it_is_forgotten() -> None:
    assert judge(viewer("gone"), fault(ENDED), store=None) is None
    assert "404" in str(judge(viewer("gone"), fault(PAUSED), store=None))
    first = viewer(status="completed")
    first.ended_at = ENDED_AT - JOB_TTL_SECONDS
    assert judge(viewer("gone"), store=None, others=[first]) is None


def test_what_was_seen_long_before_the_kill_is_there_for_all_who_come_later() -> None:
    watcher = viewer("lost", losses=[BEGAN + 25], times=[(BEGAN + 10, 40), (BEGAN + 14.9, 60)])
    kill = fault(KILLED)
    assert judge(viewer("lost", number=40, losses=[BEGAN + 25]), kill, others=[watcher]) is None
    assert "40 had been seen" in str(judge(viewer("lost", number=39, losses=[BEGAN + 25]), kill, others=[watcher]))
