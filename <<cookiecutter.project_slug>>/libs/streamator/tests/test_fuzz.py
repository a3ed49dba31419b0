"""Random input: what a job says is what every reader of the wire is told, and whatever a client sends has an answer."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, MutableMapping, Sequence
from itertools import takewhile
from typing import Any

import httpx
from hostile import HOSTILE_TEXTS
from httpx_sse import EventSource
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_fastapi import application, finished
from test_wire import parse

from streamator import EventLog, JobEmitter, JobLogger, MemoryStore, event_type, visibility, wire
from streamator.asgi import WebSocketApp
from streamator.events import RESERVED, VISIBILITIES, is_job_id
from streamator.transports.websocket import MAX_MESSAGE

# The same cases each time, unless it is told to look for others.
LOOK = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")), derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip

LEVELS = st.sampled_from(["info", "success", "warning", "error"])
# What means something to JSON, to an event stream or to UTF-8, in any order.
PIECES = [
    "\r", "\n", "data: ", "id: 9", "event: done", ": ", "{", '"', "\\", "\\u0000", "\x00", "\u2028", "\ufeff",
    "\ud83d", "\ude00",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters()),  # lone surrogates too
    st.lists(st.sampled_from(PIECES)).map("".join),
    st.sampled_from([text for text in HOSTILE_TEXTS if len(text) < 1_000]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=9), TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=9,
)
NAMES = TEXTS.filter(lambda name: name not in RESERVED)
EVENTS = st.builds(
    lambda fields, known: {**fields, **known},
    st.dictionaries(TEXTS.filter(lambda key: key != "event"), VALUES, max_size=4),
    st.fixed_dictionaries({}, optional={"event": NAMES, "visibility": st.sampled_from(VISIBILITIES) | VALUES}),
)
CALLS = st.lists(st.tuples(TEXTS, LEVELS) | EVENTS, max_size=12)


class Watched(MemoryStore):
    """A store that keeps the ids that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def find(self, job_id: str) -> EventLog | None:
        self.asked.append(job_id)
        return await super().find(job_id)


STORE = Watched()
APP = application(store=STORE)
LAST = 6
JOBS: list[str] = []


def job_id() -> str:
    """A job that has ended; made again where a test before this one has reaped all of them."""
    if not JOBS or not JobEmitter.exists(JOBS[-1]):
        JOBS.append(finished(LAST - 1))
    return JOBS[-1]


def said(calls: Sequence[tuple[str, str] | dict[str, Any]]) -> EventLog:
    """The log of a job that makes these calls and ends."""
    log = EventLog()
    for call in calls:
        if isinstance(call, dict):
            log.append(call)
        else:
            log.append_log(*call)
    log.close()
    return log


def meant(call: tuple[str, str] | dict[str, Any]) -> dict[str, Any]:
    """The event that a reader is to see, without its time."""
    event = call if isinstance(call, dict) else {"event": "log", "message": call[0], "level": call[1]}
    return {in_json(key): in_json(value) for key, value in event.items() if key != "t"}


def in_json(value: Any) -> Any:
    """A value as JSON in UTF-8 can hold it."""
    if isinstance(value, str):  # two halves of a character that stand together are one
        return re.sub("[\ud800-\udfff]", "\ufffd", json.loads(json.dumps(value)))
    if isinstance(value, dict):
        return {in_json(key): in_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [in_json(inner) for inner in value]
    return str(value) if isinstance(value, bytes) or value != value or value in (float("inf"), -float("inf")) else value


def timeless(events: Sequence[Any]) -> list[Any]:
    """Decoded events without their times, which must be there."""
    assert all(isinstance(event.pop("t"), float | int) for event in events)
    return list(events)


def batches(log: EventLog, after: int, limit: int) -> Iterator[bytes]:
    """A log read in pieces."""
    while batch := log.read(after, limit):
        yield batch.frames
        after = batch.last


class Chunks(httpx.SyncByteStream):
    """A body that comes in pieces of these sizes, over and over."""

    def __init__(self, body: bytes, sizes: Sequence[int]) -> None:
        self._body = body
        self._sizes = sizes

    def __iter__(self) -> Iterator[bytes]:
        start = turn = 0
        while start < len(self._body):
            size = self._sizes[turn % len(self._sizes)]
            yield self._body[start : start + size]
            start, turn = start + size, turn + 1


@LOOK
@given(CALLS, st.integers(0, 12), st.integers(1, 2_000), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_40_two_independent_readers_of_a_stream_read_what_the_job_logged(
    calls: list[tuple[str, str] | dict[str, Any]], after: int, limit: int, sizes: list[int]
) -> None:
    expected = [*map(meant, calls), {"event": "done", "status": "completed"}]
    after = min(after, len(calls))
    pieces = list(batches(said(calls), after, limit))
    stream = wire.opening(3_000) + wire.heartbeat().join(pieces) + wire.heartbeat(len(expected)) + wire.retry(100)

    read = parse(stream)
    assert all(set(event) <= {"id", "data", "retry"} for event in read)
    assert [int(event["id"]) for event in read] == list(range(after + 1, len(expected) + 1))
    assert timeless([json.loads(event["data"]) for event in read]) == expected[after:]

    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Chunks(stream, sizes))
    others = [each for each in EventSource(response).iter_sse() if each.data]  # it also gives blocks without data
    assert [(each.id, each.data) for each in others] == [(event["id"], event["data"]) for event in read]


@LOOK
@given(CALLS)
def test_40_every_transport_carries_the_same_events(calls: list[tuple[str, str] | dict[str, Any]]) -> None:
    frames = b"".join(batches(said(calls), 0, 65_536))
    read = [(event["id"], json.loads(event["data"])) for event in parse(frames)]
    named = parse(wire.named(frames))
    assert [(event["id"], json.loads(event["data"])) for event in named] == read
    for event, (_, told) in zip(named, read, strict=True):
        assert event["event"] in (told.get("event"), "message")
    socket = json.loads(wire.websocket_text(frames))
    assert [(str(item["id"]), item["event"]) for item in socket] == read
    polled = json.loads(wire.poll_json(wire.json_parts(frames), next_id=len(read), closed=True))
    assert polled == {"logs": [event for _, event in read], "next": len(read), "closed": True}


@LOOK
@given(CALLS, st.lists(st.sampled_from(VISIBILITIES), min_size=1), st.lists(NAMES | st.just("log"), min_size=1))
def test_a_filter_gives_the_same_for_frames_as_for_events(
    calls: list[tuple[str, str] | dict[str, Any]], seen_by: list[str], names: list[str]
) -> None:
    frames = b"".join(batches(said(calls), 0, 65_536))
    read = [json.loads(event["data"]) for event in parse(frames)]
    seen, named = visibility(*seen_by), event_type(*names)
    for shown in (seen, named, ~seen, seen & named, seen | named):
        assert [json.loads(event["data"]) for event in parse(shown.select(frames))] == list(filter(shown, read))


@LOOK
@given(
    st.one_of(
        st.text(st.characters()),
        st.text(st.characters(categories=["Nd", "No"]), max_size=3),
        st.from_regex(r"\s*[0-9]{1,30}\s*", fullmatch=True),
    )
)
@example("0" * 30)
@example("0" * 30 + "7")
def test_32_a_cursor_is_never_an_error_and_never_past_eighteen_digits(text: str) -> None:
    number = text.strip()
    is_number = number.isascii() and number.isdigit()
    assert wire.parse_cursor(text) == (min(int(number), 10**18 - 1) if is_number else 0)


# What a client can put into a request: any bytes that an HTTP parser lets through, and what is nearly right.
CURSORS = st.one_of(
    st.binary(max_size=30).map(lambda value: value.translate(None, b"\r\n\0")),
    st.sampled_from([b"3", b"0", b"-1", b"9" * 400, b"+2", b" 2 ", b"%32", b"2,3", b"\xb2", b"1e0", b"0x2"]),
)
QUERIES = st.one_of(
    st.lists(st.tuples(st.sampled_from([b"after", b"types", b"visibility", b"ticket", b""]), CURSORS), max_size=4).map(
        lambda fields: b"&".join(b"=".join(field) for field in fields)
    ),
    st.binary(max_size=60),
)
STREAMS = st.sampled_from(["/log/{}/stream", "/job/{}/stream"])
PATHS = STREAMS | st.sampled_from(["/log/{}", "/job/{}/result"])


async def ask(path: str, query: bytes = b"", cursors: Sequence[bytes] = ()) -> tuple[int, bytes]:
    """What a GET is answered, as an ASGI server hands it on: the status and the body."""
    sent: list[MutableMapping[str, Any]] = []

    async def stay() -> dict[str, Any]:
        return await asyncio.Future()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "",
        "headers": [(b"last-event-id", each) for each in cursors], "client": ("test", 1), "server": ("test", 80),
    }  # fmt: skip
    await asyncio.wait_for(APP(scope, stay, send), 10)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@LOOK
@given(QUERIES, st.lists(CURSORS, max_size=2), STREAMS)
def test_32_any_last_event_id_gives_a_stream_to_the_end(query: bytes, cursors: list[bytes], path: str) -> None:
    status, body = asyncio.run(ask(path.format(job_id()), query, cursors))
    if status == 200:
        ids = [int(event["id"]) for event in parse(body)]
        assert ids == sorted(set(ids)) and ids[-1] == LAST
        if b"types" not in query:  # which shows some of them only
            assert ids == list(range(ids[0], LAST + 1))
    elif status == 204:
        assert body == b""
    else:
        assert status == 422 and "unknown visibility" in json.loads(body)["error"]


@LOOK
@given(QUERIES)
def test_32_any_poll_is_answered_with_the_next_id(query: bytes) -> None:
    status, body = asyncio.run(ask(f"/log/{job_id()}", query))
    polled = json.loads(body)
    if status == 200:
        assert (polled["next"] >= LAST, polled["closed"]) == (True, True)
    else:
        assert status == 422 and re.search("unknown visibility|wait is .*: give 0 to 30 seconds", polled["error"])


@LOOK
@given(TEXTS | st.text(max_size=300), PATHS)
@example("..", "/log/{}/stream")
def test_57_any_text_as_a_job_id_is_a_404_and_invalid_ones_reach_no_store(job_id: str, path: str) -> None:
    STORE.asked.clear()
    path = path.format(in_json(job_id))
    status, body = asyncio.run(ask(path))
    # A path that ends with a slash is led to the one without it.
    assert (status, bool(body)) in [(404, True), (307, False)], path
    assert all(map(is_job_id, STORE.asked))


MESSAGES = st.one_of(
    st.text(),
    st.binary(),
    st.sampled_from(["pause", "resume", "cancel", [], {}, None]).map(lambda kind: json.dumps({"type": kind})),
    st.sampled_from(["9", "[]", '"type"', '{"type":%s}' % ("9" * 1_000), "x" * MAX_MESSAGE, b"x" * (MAX_MESSAGE + 1)]),
)


@LOOK
@given(st.lists(MESSAGES, max_size=6))
def test_67_any_websocket_message_is_answered_in_order_until_one_is_too_large(
    messages: list[str | bytes],
) -> None:
    job = JobLogger(store=STORE)
    sent: list[dict[str, Any]] = []
    script: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    script += [{"type": "websocket.receive", "text" if isinstance(each, str) else "bytes": each} for each in messages]
    script += [{"type": "websocket.disconnect"}]
    coming = iter(script)

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(WebSocketApp(job.job_id, STORE, cancel=True)(scope, receive, send))
    job.close()
    taken = list(takewhile(lambda each: len(each) <= MAX_MESSAGE, messages))
    told = [json.loads(message["text"]) for message in sent if message["type"] == "websocket.send"]
    answers = [each for each in told if isinstance(each, dict)]
    assert len(answers) == len(taken)
    assert all(list(answer) in (["paused"], ["status", "requested"], ["error"]) for answer in answers)
    codes = [message["code"] for message in sent if message["type"] == "websocket.close"]
    assert codes == ([] if taken == messages else [1009])
