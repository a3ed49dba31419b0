"""Filters: which events a reader is shown, by `follow` and by the routes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from streamator import (
    EventLog,
    Filter,
    JobEmitter,
    JobLogger,
    MemoryStore,
    TypeFilter,
    VisibilityFilter,
    event_type,
    follow,
    open_store,
    visibility,
)
from streamator.asgi import LogApp
from streamator.fastapi import add_job_routes, add_log_routes, make_stream_response
from streamator.filters import DEFAULT_FILTER
from streamator.testing import collect

VISIBILITIES = ("user_facing", "model_only", "live_ui_only", "internal_only")


def job_of_all(lines: int = 1) -> JobEmitter:
    """A finished job with entries and events of every visibility: the message is the visibility."""
    job = JobEmitter()
    for _ in range(lines):
        job.log("none")
        for name in VISIBILITIES:
            job.log(name, visibility=name)
        job.emit({"event": "token", "message": "token"}, visibility="model_only")
        job.emit({"event": "progress", "message": "progress", "visibility": "live_ui_only"})
    job.close()
    return job


def messages(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("message", event["event"]) for event in events]


def data(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]


async def read(log: EventLog, filter: Filter | None, after: int = 0) -> list[dict[str, Any]]:
    return [event async for batch in follow(log, after, filter=filter) for event in batch]


def log_of(*events: dict[str, Any]) -> EventLog:
    log = EventLog()
    for event in events:
        log.append(event)
    log.close()
    return log


def shown(filter: Filter, *events: dict[str, Any]) -> list[str]:
    return messages(asyncio.run(read(log_of(*events), filter)))


def entry(message: str, seen_by: Any = None) -> dict[str, Any]:
    return {"event": "log", "message": message, **({} if seen_by is None else {"visibility": seen_by})}


# A filter


@pytest.mark.parametrize("name", VISIBILITIES)
def test_each_visibility_shows_its_own_events_and_an_event_without_one_is_user_facing(name: str) -> None:
    events = [entry("none"), *(entry(each, each) for each in VISIBILITIES)]
    expected = ["none"] * (name == "user_facing") + [name]
    assert shown(visibility(name), *events) == [*expected, "done"]


def test_an_unknown_visibility_is_shown_by_no_filter() -> None:
    odd = [entry("odd", value) for value in ("public", "", 1, True, ["user_facing"], {"user_facing": 1}, "USER_FACING")]
    assert shown(visibility(*VISIBILITIES), *odd) == ["done"]
    assert shown(visibility("model_only"), *odd) == ["done"]
    assert shown(visibility("user_facing"), {"event": "log", "message": "null", "visibility": None}) == ["null", "done"]


def test_the_word_visibility_in_a_message_hides_nothing() -> None:
    text = 'say "visibility":"internal_only" and \\"visibility\\"'
    assert shown(DEFAULT_FILTER, entry(text), {"event": "x", "deep": {"visibility": "internal_only"}}) == [
        text, "x", "done"
    ]  # fmt: skip


def test_filters_combine_with_and_or_and_not() -> None:
    events = [entry("a"), entry("b", "model_only"), {"event": "token", "message": "c"},
              {"event": "token", "message": "d", "visibility": "model_only"}]  # fmt: skip
    model, token = visibility("model_only"), event_type("token")
    assert shown(model & token, *events) == ["d", "done"]
    assert shown(model | token, *events) == ["b", "c", "d", "done"]
    assert shown(~model, *events) == ["a", "c", "done"]
    assert shown(~(model | token), *events) == ["a", "done"]
    assert shown(~model & ~token, *events) == ["a", "done"]
    assert shown(~~token, *events) == ["c", "d", "done"]
    assert shown(visibility("user_facing") & visibility("user_facing", "model_only"), *events) == ["a", "c", "done"]
    assert shown(visibility("user_facing") | model, *events) == ["a", "b", "c", "d", "done"]
    assert shown(event_type("token", "log") & ~event_type("log"), *events) == ["c", "d", "done"]


def test_any_predicate_is_a_filter_and_combines_with_one() -> None:
    events = [{"event": "progress", "percent": percent} for percent in range(0, 100, 10)]
    every_fifty = Filter(lambda event: event["percent"] % 50 == 0)
    assert len(shown(every_fifty, *events)) == 3
    assert len(shown(event_type("progress") & (lambda event: event["percent"] > 70), *events)) == 3
    assert len(shown(event_type("log") | (lambda event: event["percent"] > 70), *events)) == 3


def test_the_end_and_gaps_pass_every_filter() -> None:
    async def main() -> None:
        log = EventLog(maxlen=3)
        for n in range(1_000):
            log.append_log(str(n), "info")
        log.close()
        nothing = Filter(lambda event: False)
        for one in (nothing, ~Filter(lambda event: True), event_type("x"), visibility("model_only"), nothing & nothing):
            events = await asyncio.wait_for(read(log, one), 5)
            assert [event["event"] for event in events] == ["gap", "done"]

    asyncio.run(main())


def test_producer_status_passes_every_filter_and_a_jobs_own_status_event_does_not() -> None:
    async def main() -> None:
        log = EventLog()
        log.append({"event": "status", "status": "secret", "visibility": "internal_only"})
        log.set_status("lost")
        batches = follow(log, filter=DEFAULT_FILTER, heartbeat=3_600)
        first = await asyncio.wait_for(anext(batches), 5)
        assert list(first) == [{"event": "status", "status": "lost"}]

    asyncio.run(main())


def test_a_failing_filter_hides_the_event_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    events = [entry("a"), {"event": "log"}, {"event": "log"}, entry("b")]
    fussy = Filter(lambda event: event["message"])
    for one in (fussy, ~Filter(lambda event: not event["message"]), fussy & (lambda event: True)):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "streamator"):
            assert shown(one, *events) == ["a", "b", "done"]
        assert len(caplog.records) == 1 and "KeyError" in caplog.text and "not shown" in caplog.text
    assert shown(~(fussy & (lambda event: False)), *events) == ["a", "b", "done"]  # hidden, not turned into shown


@pytest.mark.parametrize("names", [("public",), ("user_facing", "modle_only"), ()])
def test_an_unknown_visibility_is_an_error_that_lists_the_known_ones(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=", ".join(VISIBILITIES)):
        visibility(*names)
    with pytest.raises(ValueError, match="no event name"):
        event_type()


def test_the_streamweaver_filter_names_work() -> None:
    assert shown(VisibilityFilter("model_only"), entry("a", "model_only"), entry("b")) == ["a", "done"]
    assert shown(TypeFilter("log"), entry("a"), {"event": "x"}) == ["a", "done"]


def test_readers_at_one_cursor_share_the_filtered_bytes() -> None:
    log = log_of(entry("a"), entry("b", "internal_only"))
    frames = log.read().frames
    narrow = visibility("user_facing")
    assert narrow.select(frames) is narrow.select(frames) is not frames
    assert b"internal" not in narrow.select(frames)
    plain = log_of(entry("a")).read().frames
    assert narrow.select(plain) is plain and event_type("log").select(plain) is plain


# With `follow`


def test_30_a_filtered_reader_resumes_after_any_id() -> None:
    log = asyncio.run(open_store("memory").find(job_of_all(50).job_id))
    assert log is not None
    whole = asyncio.run(collect(log))
    kept = visibility("model_only")
    for after in range(0, len(whole), 37):
        expected = [event for event in whole[after:] if kept(event)]
        assert asyncio.run(read(log, kept, after)) == expected


def test_a_heartbeat_after_hidden_events_moves_the_cursor() -> None:
    async def main() -> None:
        log = EventLog()
        log.append(entry("seen"))
        batches = follow(log, filter=DEFAULT_FILTER, heartbeat=0.05)
        assert messages(list(await anext(batches))) == ["seen"]
        beat = await anext(batches)
        assert not beat and beat.last == 0  # nothing hidden: nothing to say
        for _ in range(3):
            log.append(entry("hidden", "internal_only"))
        beat = await asyncio.wait_for(anext(batches), 5)
        assert not beat and beat.last == 4
        beat = await asyncio.wait_for(anext(batches), 5)
        assert not beat and beat.last == 0  # it is told once
        log.append(entry("seen"))
        log.append(entry("hidden", "internal_only"))
        batch = await asyncio.wait_for(anext(batches), 5)
        assert messages(list(batch)) == ["seen"]
        assert (await asyncio.wait_for(anext(batches), 5)).last == 6

    asyncio.run(main())


def test_heartbeats_come_while_all_events_are_hidden() -> None:
    async def main() -> None:
        log = EventLog()
        batches = follow(log, filter=DEFAULT_FILTER, heartbeat=0.1)

        async def chatter() -> None:
            while True:
                log.append(entry("hidden", "internal_only"))
                await asyncio.sleep(0.005)

        busy = asyncio.create_task(chatter())
        beats = [(await asyncio.wait_for(anext(batches), 5)) for _ in range(3)]
        busy.cancel()
        assert not any(beats) and 0 < beats[0].last < beats[1].last < beats[2].last

    asyncio.run(main())


def test_reading_many_hidden_events_yields_to_other_tasks() -> None:
    async def main() -> None:
        log = EventLog()
        for n in range(20_000):
            log.append(entry(str(n), "internal_only"))
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        log.close()
        assert messages(await read(log, DEFAULT_FILTER)) == ["done"]
        other.cancel()
        assert turns >= 10

    asyncio.run(main())


# At the routes


def application(**options: Any) -> FastAPI:
    app = FastAPI()
    add_log_routes(app, **options)
    add_job_routes(app, **options)

    @app.get("/own/{job_id}")
    async def own(job_id: str) -> Any:
        return make_stream_response(job_id, **options)

    return app


def get(app: Any, path: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get(path, **options)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/log/{}/stream", "/job/{}/stream", "/own/{}", "/log/{}"])
def test_the_routes_show_user_facing_and_live_ui_only_unless_told_otherwise(path: str) -> None:
    def ask(query: str = "", **options: Any) -> list[str]:
        answer = get(application(**options), path.format(job_id) + query)
        assert answer.status_code == 200, answer.text
        return messages(answer.json()["logs"] if path == "/log/{}" else data(answer.text))

    job_id = job_of_all().job_id
    default = ["none", "user_facing", "live_ui_only", "progress", "done"]
    everything = ["none", *VISIBILITIES, "token", "progress", "done"]
    assert ask() == default
    assert ask(filter=None) == everything
    assert ask(filter=visibility("model_only")) == ["model_only", "token", "done"]
    # What a viewer asks for takes away, and adds nothing.
    assert ask("?visibility=user_facing") == ["none", "user_facing", "done"]
    assert ask("?visibility=internal_only,model_only") == ["done"]
    assert ask("?visibility=internal_only,live_ui_only") == ["live_ui_only", "progress", "done"]
    assert ask("?types=progress,token") == ["progress", "done"]
    assert ask("?types=log&visibility=live_ui_only") == ["live_ui_only", "done"]
    assert ask("?visibility=&types=") == default
    assert ask("?visibility=internal_only&visibility=live_ui_only") == ["live_ui_only", "progress", "done"]
    assert ask("?visibility=internal_only", filter=None) == ["internal_only", "done"]
    assert ask("?types=token", filter=None) == ["token", "done"]


@pytest.mark.parametrize("path", ["/log/{}/stream", "/job/{}/stream", "/own/{}", "/log/{}"])
def test_an_unknown_visibility_in_the_query_is_a_422_that_lists_the_known_ones(path: str) -> None:
    for app in (application(), LogApp()) if path.startswith("/log") else (application(),):
        answer = get(app, path.format(job_of_all().job_id), params={"visibility": "user_facing,publik"})
        assert answer.status_code == 422
        assert "publik" in answer.json()["error"] and "live_ui_only" in answer.json()["error"]


def test_a_polls_next_skips_hidden_events() -> None:
    store = MemoryStore()
    job = JobLogger(store)
    job.log("seen")
    for _ in range(5):
        job.log("hidden", visibility="internal_only")
    app = application(store=store)
    answer = get(app, f"/log/{job.job_id}").json()
    assert (messages(answer["logs"]), answer["next"], answer["closed"]) == (["seen"], 6, False)
    answer = get(app, f"/log/{job.job_id}?after=6").json()
    assert (answer["logs"], answer["next"]) == ([], 6)
    job.log("hidden", visibility="model_only")
    job.close()
    answer = get(app, f"/log/{job.job_id}?after=6").json()
    assert (messages(answer["logs"]), answer["next"], answer["closed"]) == (["done"], 8, True)


def test_a_stream_with_hidden_events_keeps_the_ids_of_those_it_shows() -> None:
    text = get(application(), f"/log/{job_of_all().job_id}/stream").text
    assert [line for line in text.split("\n") if line.startswith("id: ")] == [f"id: {n}" for n in (1, 2, 4, 7, 8)]


def test_a_streams_heartbeat_carries_the_id_of_hidden_events() -> None:
    async def main() -> None:
        job = JobLogger()
        job.log("seen")
        for _ in range(3):
            job.log("hidden", visibility="internal_only")
        sent: list[bytes] = []
        told = asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message.get("body", b""))
            if b"heartbeat" in sent[-1]:
                told.set()

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "path": "/"}
        response: Any = make_stream_response(job.job_id, heartbeat=0.05)
        viewer = asyncio.create_task(response(scope, receive, send))
        await asyncio.wait_for(told.wait(), 5)
        viewer.cancel()
        assert sent[-1] == b": heartbeat\nid: 4\n\n"
        assert b"".join(sent).count(b"data: ") == 1

    asyncio.run(main())


def over_websocket(app: Any, job_id: str, query: str, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """What a WebSocket sends until there is enough of it, and its close code, if it closes."""

    async def main() -> list[Any]:
        sent: list[Any] = []
        over = asyncio.Event()
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "websocket.connect"}
            await over.wait()
            return {"type": "websocket.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                sent.extend(json.loads(message["text"]))
            elif message["type"] == "websocket.close":
                sent.append(message["code"])
            if enough(sent):
                over.set()

        scope = {"type": "websocket", "headers": [], "query_string": query.encode(), "path": f"/log/{job_id}/ws"}
        await asyncio.wait_for(app(scope, receive, send), 10)
        return sent

    return asyncio.run(main())


def test_a_websocket_filters_as_a_stream_does() -> None:
    def shown(query: str, **options: Any) -> list[str]:
        app, job_id = LogApp(**options), job_of_all().job_id
        sent = over_websocket(app, job_id, query, lambda sent: bool(sent) and sent[-1] == 1000)
        return messages([item["event"] for item in sent[:-1]])

    assert shown("") == ["none", "user_facing", "live_ui_only", "progress", "done"]
    assert shown("visibility=live_ui_only,internal_only") == ["live_ui_only", "progress", "done"]
    assert shown("types=token", filter=None) == ["token", "done"]
    assert over_websocket(LogApp(), job_of_all().job_id, "visibility=x", lambda sent: bool(sent)) == [4422]
    job = JobLogger()
    job.log("seen")
    for _ in range(3):
        job.log("hidden", visibility="internal_only")
    sent = over_websocket(LogApp(heartbeat=0.05), job.job_id, "", lambda sent: len(sent) == 2)
    assert [item["id"] for item in sent] == [1, 4] and sent[1]["event"] is None


def test_a_wrong_option_is_an_error_when_the_routes_are_added() -> None:
    wrong: list[dict[str, Any]] = [
        {"batch_size": 10},
        {"batch_delay_ms": -1},
        {"batch_delay_ms": 60_000},
        {"batch_size": 0},
    ]
    for options in wrong:
        for add in (add_log_routes, add_job_routes):
            with pytest.raises(ValueError, match="batch_"):
                add(FastAPI(), **options)
