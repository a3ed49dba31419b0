"""`EventLog`: appending, reading from a cursor, closing, and what is let go."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from own_process import figures_of

import streamator.log.event_log
from streamator import EventLog
from streamator.log import MirroredLog


def filled(lines: int, **options: Any) -> EventLog:
    log = EventLog(**options)
    for n in range(1, lines + 1):
        assert log.append_log(f"line {n}", "info")
    return log


def numbered(frames: bytes) -> list[tuple[int, dict[str, Any]]]:
    """(id, event) of each frame."""
    parts = frames.split(b"\n\n")
    assert parts.pop() == b""
    lines = [part.split(b"\n") for part in parts]
    return [(int(head.removeprefix(b"id: ")), json.loads(data.removeprefix(b"data: "))) for head, data in lines]


def read_all(log: EventLog, after: int = 0, limit: int = 65_536) -> list[tuple[int, dict[str, Any]]]:
    """All that follows, read in steps of ``limit`` bytes."""
    found: list[tuple[int, dict[str, Any]]] = []
    cursor = after
    while batch := log.read(cursor, limit):
        assert batch.last > cursor
        found += numbered(batch.frames)
        assert found[-1][0] == batch.last
        cursor = batch.last
    return found


# Reading


def test_a_new_log_is_empty_and_open() -> None:
    log = EventLog()
    assert (log.last, log.closed, log.closed_at, log.evicted, log.status) == (0, False, None, False, None)
    assert not log.read() and list(log.read()) == []


def test_an_entry_is_exactly_event_message_level_and_t() -> None:
    log = filled(1)
    (entry,) = log.read()
    assert list(entry.items())[:3] == [("event", "log"), ("message", "line 1"), ("level", "info")]
    assert list(entry)[3:] == ["t"] and round(entry["t"], 3) == entry["t"]


@pytest.mark.parametrize("limit", [1, 100, 4_096, 65_536, 10**9])
@pytest.mark.parametrize("lines", [1, 255, 256, 257, 1_000])
def test_a_log_read_in_steps_of_any_size_is_complete(lines: int, limit: int) -> None:
    log = filled(lines)
    for _ in range(2):  # the second time from what the first has encoded
        found = read_all(log, limit=limit)
        assert [event_id for event_id, _ in found] == list(range(1, lines + 1))
        assert [event["message"] for _, event in found] == [f"line {n}" for n in range(1, lines + 1)]


def test_30_every_cursor_reads_exactly_what_follows_it() -> None:
    log = filled(600)
    log.close()
    whole = read_all(log)
    for after in range(602):
        assert read_all(log, after, limit=20_000) == whole[after:]


def test_reading_while_the_log_grows_gives_the_same_as_reading_at_the_end() -> None:
    log = EventLog()
    live: list[tuple[int, dict[str, Any]]] = []
    for n in range(1_000):
        log.append_log(f"line {n}", "info")
        if n % 7 == 0:
            live += read_all(log, live[-1][0] if live else 0)
    live += read_all(log, live[-1][0])
    assert live == read_all(log)


def test_a_batch_holds_about_its_limit_and_at_least_one_event() -> None:
    log = EventLog()
    for n in range(2_000):
        log.append_log("x" * (n % 2_000), "info")
    after = 0
    sizes = []
    while batch := log.read(after, 65_536):
        sizes.append(len(batch.frames))
        after = batch.last
    assert max(sizes) < 65_536 + 2_200 and min(sizes[:-1]) > 30_000
    log.append_log("x" * 60_000, "info")
    assert log.read(after, 10).last == 2_001


def test_readers_at_one_cursor_share_the_bytes() -> None:
    log = filled(100)
    assert log.read(50).frames is log.read(50).frames
    full = filled(256)
    assert full.read(0).frames is full.read(0).frames
    full.append_log("x", "info")
    assert full.read(0, 20_000).frames is full.read(0, 20_000).frames


def test_in_a_lagging_log_an_id_past_the_end_may_still_come() -> None:
    log = MirroredLog(maxlen=10)
    log.append({"event": "x"})
    assert log.start_at(500) == 0
    log.lag_seconds = 1.0
    assert [log.start_at(after) for after in (1, 2, 500, 10**9)] == [1, 2, 500, 0]
    log.close()
    assert log.start_at(500) == 0


def test_32_ids_that_do_not_exist_start_at_the_beginning() -> None:
    log = filled(3)
    assert [log.start_at(after) for after in (0, 1, 3, 4, 10**400, -1)] == [0, 1, 3, 0, 0, 0]


# Time


def test_39_t_counts_seconds_from_the_start_and_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(start=time.monotonic() - 5)
    log.append_log("x", "info")
    for clock in (0.0, 1e10):  # the wall clock jumps
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        log.append({"event": "x"})
        log.append_log("x", "info")
    log.close()
    times = [event["t"] for event in log.read()]
    assert len(times) == 6 and times == sorted(times)
    assert 5 <= times[0] < 15 and times[-1] - times[0] < 5


def test_39_t_does_not_fall_when_threads_append_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(start=0)
    for readings in ((5.0, 4.0, 6.0), (3.0, 7.0, 6.5)):  # in one run of entries, and from one to the next
        for reading in readings:
            monkeypatch.setattr(streamator.log.event_log, "monotonic", lambda reading=reading: reading)
            log.append_log("x", "info")
        last = log.last
    assert last == 6 and [event["t"] for event in log.read()] == [5.0, 5.0, 6.0, 6.0, 7.0, 7.0]


# Closing


def test_closing_is_the_last_event_and_happens_once() -> None:
    log = filled(2)
    before = time.monotonic()
    assert log.close() is True
    assert log.close({"event": "done", "status": "failed"}) is False
    assert log.close(json_text='{"event":"done"}') is False
    assert log.append_log("late", "info") is log.append({"event": "late"}) is log.append_json("{}") is False
    assert log.closed and log.closed_at is not None and before <= log.closed_at <= time.monotonic()
    events = list(log.read())
    assert [event["event"] for event in events] == ["log", "log", "done"]
    assert list(events[-1]) == ["event", "status", "t"] and events[-1]["status"] == "completed"


def test_52_many_threads_append_and_close_and_every_accepted_event_is_there() -> None:
    for _ in range(5):
        log = EventLog()
        taken: list[int] = []
        closed: list[bool] = []
        start = threading.Barrier(8)

        def work(
            thread: int, log: EventLog = log, taken: list[int] = taken, closed: list[bool] = closed,
            start: threading.Barrier = start,
        ) -> None:  # fmt: skip
            start.wait()
            count = 0
            while log.append_log(f"{thread} {count}", "info"):
                count += 1
                if count == 100 and thread < 2:
                    closed.append(log.close())
            taken.append(count)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(closed)[-1:] == [True] and closed.count(True) == 1
        found = read_all(log)
        assert found[-1][1]["event"] == "done"
        assert len(found) == sum(taken) + 1 == log.last
        times = [event["t"] for _, event in found]
        assert times == sorted(times)
        for thread_no in range(8):
            mine = [event["message"] for _, event in found[:-1] if event["message"].startswith(f"{thread_no} ")]
            assert mine == [f"{thread_no} {n}" for n in range(len(mine))]


# What is let go


@pytest.mark.parametrize("maxlen", [1, 10, 256, 300])
def test_past_maxlen_a_reader_gets_a_gap_of_the_right_size_then_the_rest(maxlen: int) -> None:
    log = EventLog(maxlen=maxlen)
    for n in range(1, 1_001):
        log.append_log(f"line {n}", "info")
        for after in (0, n // 2):
            expected = list(range(max(n - maxlen, after) + 1, n + 1))
            found = read_all(log, after) if n % 97 == 0 or n in (1, 256, 257, 1_000) else None
            if found is None:
                continue
            missed = expected[0] - 1 - after
            if missed:
                assert found.pop(0) == (after + missed, {"event": "gap", "missed": missed})
            assert [(i, event["message"]) for i, event in found] == [(i, f"line {i}") for i in expected]


def test_a_reader_that_keeps_up_sees_no_gap() -> None:
    log = EventLog(maxlen=5)
    cursor = 0
    for n in range(2_000):
        log.append_log(str(n), "info")
        batch = log.read(cursor)
        assert [event["message"] for event in batch] == [str(n)]
        cursor = batch.last


def test_the_last_event_is_kept_with_the_shortest_log() -> None:
    log = filled(10, maxlen=1)
    log.close()
    assert [event["event"] for event in log.read()] == ["gap", "done"]


def test_events_lost_elsewhere_are_a_gap_and_ids_go_on_after_them() -> None:
    log = filled(3)
    log.skip(10)
    log.skip(5)  # behind already
    assert log.last == 10
    assert [i for i, _ in read_all(log)] == [1, 2, 3, 10]
    log.append_log("x", "info")
    assert read_all(log, 2)[1:] == [(10, {"event": "gap", "missed": 7}), (11, read_all(log, 10)[0][1])]
    assert read_all(log, 7)[0] == (10, {"event": "gap", "missed": 3})
    empty = EventLog()
    empty.skip(4)
    assert read_all(empty) == [(4, {"event": "gap", "missed": 4})]


@pytest.mark.server
def test_a_log_that_is_full_does_not_grow() -> None:
    few, many = figures_of("""
for lines in (5_000, 30_000):
    tracemalloc.clear_traces()
    log = EventLog(maxlen=2_000)
    for n in range(lines):
        log.append_log(f"a line of some length, number {n}", "info")
        if n % 500 == 0:
            log.read(n)
    assert log.last == lines
    print(allocated())
    del log
    gc.collect()
""")
    assert many < 1.5 * few


@pytest.mark.server
def test_long_messages_do_not_pile_up_in_one_block() -> None:
    [size] = figures_of("""
log = EventLog(maxlen=1)
for n in range(300):
    log.append_log(str(n).ljust(60_000), "info")
print(allocated())
""")
    assert size < 1_000_000


def test_a_maxlen_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="maxlen is 0"):
        EventLog(maxlen=0)


def test_the_names_of_before_still_work_and_warn() -> None:
    log = EventLog()
    with pytest.warns(DeprecationWarning, match=r"end\(\) is deprecated: use evict"):
        log.end()
    with pytest.warns(DeprecationWarning, match="ended is deprecated: use evicted"):
        assert log.ended and log.evicted
