"""Events on the wire: frames, names, polls and cursors."""

from __future__ import annotations

import json

import pytest
from hostile import HOSTILE_TEXTS

from streamator import EventLog
from streamator.wire import (
    frame,
    gap_frame,
    json_parts,
    named,
    opening,
    parse_cursor,
    poll_json,
    status_frame,
)


def parse(stream: bytes) -> list[dict[str, str]]:
    """The events of a stream, as the specification has a browser read them (WHATWG HTML, section 9.2.6)."""
    events: list[dict[str, str]] = []
    event: dict[str, str] = {}
    for line in stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if "data" in event:
                events.append(event)
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            event[name] = f"{event[name]}\n{value}" if name == "data" and "data" in event else value
    assert not event, "the stream ends within an event"
    return events


def test_a_stream_opens_with_the_time_to_reconnect_and_a_comment() -> None:
    assert opening(3_000) == b"retry: 3000\n: ok\n\n"


def test_a_frame_is_an_id_and_one_line_of_data() -> None:
    assert frame(7, '{"a":"é"}') == 'id: 7\ndata: {"a":"é"}\n\n'.encode()
    assert frame(8, '{"a":"\ud800"}') == 'id: 8\ndata: {"a":"\ufffd"}\n\n'.encode()


def test_40_a_browser_reads_one_event_for_each_message_whatever_it_holds() -> None:
    log = EventLog()
    for text in HOSTILE_TEXTS:
        log.append_log(text, "info")
        log.append({"event": text, text: text})
    log.close()
    frames = log.read(0, 10**9).frames
    events = parse(frames)
    assert [event["id"] for event in events] == [str(n) for n in range(1, len(HOSTILE_TEXTS) * 2 + 2)]
    assert all(set(event) == {"id", "data"} for event in events)
    got = [json.loads(event["data"]) for event in events]
    assert [event["message"] for event in got[0:-1:2]] == list(HOSTILE_TEXTS)
    assert [event["event"] for event in got[1:-1:2]] == list(HOSTILE_TEXTS)
    assert [json.loads(part) for part in json_parts(frames)] == got


def test_named_frames_carry_the_events_name_and_the_same_data() -> None:
    log = EventLog()
    log.append_log("x", "info")
    log.append({"step": 1, "event": "progress"})
    log.append({"no": "name"})
    log.append({"event": 5})
    for text in HOSTILE_TEXTS:
        log.append({"event": text, "data: ": text})
    log.close()
    plain = log.read(0, 10**9).frames
    events = parse(named(plain))
    assert [event.get("event") for event in events][:4] == ["log", "progress", "message", "message"]
    assert events[-1]["event"] == "done"
    assert [{k: v for k, v in event.items() if k != "event"} for event in events] == parse(plain)
    by_name = dict(zip(HOSTILE_TEXTS, (event["event"] for event in events[4:]), strict=False))
    assert all(got in (text, "message") for text, got in by_name.items())
    assert by_name["data: x"] == "data: x"


def test_a_gap_and_a_status_are_named_too_and_a_status_has_no_id() -> None:
    assert parse(gap_frame(9, 4)) == [{"id": "9", "data": '{"event":"gap","missed":4}'}]
    assert parse(status_frame("lost")) == [{"data": '{"event":"status","status":"lost"}'}]
    names = [event["event"] for event in parse(named(gap_frame(9, 4) + status_frame("lost")))]
    assert names == ["gap", "status"]


def test_a_poll_holds_the_events_the_next_id_and_closed() -> None:
    log = EventLog()
    for text in HOSTILE_TEXTS:
        log.append_log(text, "info")
    batch = log.read(0, 10**9)
    answer = json.loads(poll_json(json_parts(batch.frames), next_id=batch.last, closed=False))
    assert answer == {"logs": list(batch), "next": len(HOSTILE_TEXTS), "closed": False}
    assert json.loads(poll_json([], next_id=0, closed=True)) == {"logs": [], "next": 0, "closed": True}


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (None, 0), ("", 0), ("0", 0), ("7", 7), (" 7 ", 7), ("007", 7), ("-1", 0), ("+7", 0), ("7.0", 0), ("1e3", 0),
        ("x", 0), ("7, 8", 0), ("\u0667", 0), ("７", 0), ("²", 0), ("\x00", 0), ("null", 0), ("9" * 18, 10**18 - 1),
        ("9" * 19, 10**18 - 1), ("9" * 400, 10**18 - 1), ("9" * 5_000, 10**18 - 1), ("7\n", 7), ("1_000", 0),
    ],
)  # fmt: skip
def test_32_a_cursor_is_a_number_and_anything_else_reads_from_the_beginning(text: str | None, cursor: int) -> None:
    assert parse_cursor(text) == cursor
