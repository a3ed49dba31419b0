from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import cast

import pytest
from fastapi import FastAPI
from streamator import JobLogger

from app.agents import feature
from app.agents.events import AGENTS, AgentEvent
from app.main import create_app
from app.settings import Settings
from app.users import User, current_user
from tests.agents.shelf import CATS, Shelf
from tests.support import JsonObject, RunningApp, eventually


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def app(run_app: Callable[..., RunningApp], shelf: Shelf) -> RunningApp:
    return run_app(features=[shelf.feature(), feature.FEATURE])


def run_id(app: RunningApp) -> str:
    return str(eventually(lambda: app.client.get("/api/agents").json()["run_id"]))


def known(app: RunningApp, document: str) -> JsonObject:
    """What the agents know of a document, once all three have worked on it."""

    def all_worked() -> JsonObject | None:
        found = app.client.get("/api/agents/findings", params={"document_id": document}).json()["documents"]
        return found[0] if found and len(found[0]["work"]) == 3 else None

    return dict(eventually(all_worked))


@contextmanager
def events(app: RunningApp, headers: dict[str, str] | None = None, **query: str) -> Iterator[Iterator[JsonObject]]:
    """A stream's events, as they come."""
    with app.client.stream("GET", "/api/agents/stream", params=query, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def with_one_heartbeat(stream: Iterator[JsonObject]) -> Iterator[JsonObject]:
    """The events without the heartbeats after the first: another one comes every ten seconds."""
    yield next(stream)
    yield from (event for event in stream if event["event"] != "heartbeat")


def until_done_with(document: str, stream: Iterator[JsonObject]) -> list[AgentEvent]:
    """The events up to the coordinator's last about a document."""
    found = []
    for event in stream:
        found.append(AgentEvent.model_validate(event))
        last = found[-1]
        if (last.event, last.source_id, last.payload.agent_name) == ("activity_completed", document, "coordinator"):
            return found
    raise AssertionError("the stream ended")


def test_a_new_document_is_worked_on_and_seen_live(app: RunningApp, shelf: Shelf) -> None:
    assert app.client.get("/api/agents").json()["run_id"] is None
    shelf.put("d1")
    run_id(app)
    with events(app) as stream:
        assert [next(stream)["payload"]["agent_name"] for _ in AGENTS] == list(AGENTS)
        seen = until_done_with("d1", stream)
    assert {each.payload.agent_name for each in seen} == set(AGENTS)
    found = known(app, "d1")
    assert (found["title"], found["tags"][0], len(found["summary"])) == ("Title of d1", "suspension bridge", 2)
    assert app.client.get("/api/agents/findings").json() == {"documents": [found], "total": 1}


def test_a_late_viewer_sees_the_run_from_its_start(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    known(app, "d1")
    with events(app) as stream:
        seen = until_done_with("d1", stream)
    assert [each.event for each in seen[: len(AGENTS)]] == ["heartbeat"] * len(AGENTS)
    with events(app, run=run_id(app)) as stream:
        assert until_done_with("d1", stream) == seen


def test_a_reconnect_to_a_run_goes_on_where_it_was_and_one_without_begins_anew(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    run = run_id(app)
    with events(app) as stream:
        seen = until_done_with("d1", stream)
    cursor = {"last-event-id": "3"}
    with events(app, cursor, run=run) as stream:
        assert until_done_with("d1", stream) == seen[3:]
    with events(app, cursor, after="3") as stream:  # of which run the cursor is, nobody knows
        assert until_done_with("d1", stream) == seen


def test_a_poll_of_a_run_gives_what_its_stream_does(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    query = {"run": run_id(app), "kind": "tagger", "id": "d1"}
    with events(app, None, **query) as stream:
        seen = [next(stream) for _ in range(4)]  # a heartbeat, and the work on the document
    first = app.client.get("/api/agents", params=query).json()
    assert first["logs"][:4] == seen
    assert first["next"] > 4  # it counts what is not shown, too
    rest = app.client.get("/api/agents", params={**query, "after": str(first["next"])}).json()
    assert rest["next"] >= first["next"]
    assert not [each for each in rest["logs"] if each in seen]
    for wrong, status in (({"run": "none"}, 404), ({**query, "kind": "spy"}, 422)):
        assert app.client.get("/api/agents", params=wrong).status_code == status


def test_the_stream_can_be_of_one_agent(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    run_id(app)
    with events(app, kind="tagger") as stream:
        seen = [AgentEvent.model_validate(event) for event in islice(with_one_heartbeat(stream), 4)]
    assert {each.payload.agent_name for each in seen} == {"tagger"}
    assert [each.event for each in seen] == [
        "heartbeat", "activity_registered", "activity_updated", "activity_completed",
    ]  # fmt: skip


def test_the_stream_can_be_of_one_document_with_the_heartbeats(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    shelf.put("d2", CATS)
    run_id(app)
    with events(app, id="d2") as stream:
        seen = until_done_with("d2", stream)
    assert {each.source_id for each in seen} == {"d2", *AGENTS}
    with events(app, id="d2", kind="indexer") as stream:
        seen_of_indexer = [event["source_id"] for event in islice(with_one_heartbeat(stream), 3)]
    assert seen_of_indexer == ["indexer", "d2", "d2"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"kind": "spy"}, 422), ({"run": "none"}, 404), ({"run": "../x"}, 404), ({"id": "x" * 129}, 422)],
)
def test_what_there_is_not_is_refused(app: RunningApp, shelf: Shelf, query: dict[str, str], status: int) -> None:
    shelf.put("d1")
    run_id(app)
    answer = app.client.get("/api/agents/stream", params=query)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_a_job_of_another_kind_is_no_run(app: RunningApp) -> None:
    with JobLogger() as job:
        job.log("not for the agents' viewers")
    assert app.client.get("/api/agents/stream", params={"run": job.job_id}).json() == {"error": "not found"}


def test_forgotten_findings_are_made_again(app: RunningApp, shelf: Shelf) -> None:
    shelf.put("d1")
    before = known(app, "d1")
    assert app.client.delete("/api/agents/findings/d1").status_code == 204
    again = known(app, "d1")
    assert (again["tags"], again["summary"]) == (before["tags"], before["summary"])
    assert min(each["finished_at"] for each in again["work"]) > max(each["finished_at"] for each in before["work"])
    assert app.client.delete("/api/agents/findings/none").json() == {"error": "not found"}


def test_what_was_found_out_about_a_document_goes_with_it(app: RunningApp, shelf: Shelf) -> None:
    for document in ("d1", "d2"):
        shelf.put(document)
        known(app, document)
    shelf.remove("d1")
    left = app.client.get("/api/agents/findings").json()
    assert ([each["document_id"] for each in left["documents"]], left["total"]) == (["d2"], 1)


def test_a_document_s_run_is_the_last_in_which_it_was_worked_on(app: RunningApp, shelf: Shelf) -> None:
    def run_of(**document: str) -> str:
        return str(app.client.get("/api/agents", params=document).json()["run_id"])

    def ended(run: str) -> bool:
        return bool(app.client.get("/api/agents", params={"run": run}).json()["closed"])

    runs = {}
    for document in ("d1", "d2"):
        shelf.put(document)
        known(app, document)
        runs[document] = run_of()
        eventually(lambda: ended(run_of()))
    assert runs["d1"] != runs["d2"]
    assert {document: run_of(id=document) for document in runs} == runs
    assert run_of(id="none") == runs["d2"]
    with events(app, id="d1") as stream:
        assert "d1" in {each.source_id for each in until_done_with("d1", stream)}
    app.client.delete("/api/agents/findings/d1")
    known(app, "d1")
    assert run_of(id="d1") not in runs.values()


def test_the_count_is_of_all_documents_and_not_of_those_that_were_asked_for(app: RunningApp, shelf: Shelf) -> None:
    for name in ("d1", "d2", "d3"):
        shelf.put(name)
        known(app, name)
    shelf.put("d4", user=User("b", "Bob"))
    answer = app.client.get("/api/agents/findings", params={"limit": "2"}).json()
    assert ([each["document_id"] for each in answer["documents"]], answer["total"]) == (["d3", "d2"], 3)
    assert app.client.get("/api/agents/findings", params={"document_id": "d1"}).json()["total"] == 1
    assert app.client.get("/api/agents/findings", params={"document_id": "d4"}).json() == {"documents": [], "total": 0}


def test_agents_hold_no_place_of_a_job(run_app: Callable[..., RunningApp], shelf: Shelf) -> None:
    app = run_app(features=[shelf.feature(), feature.FEATURE], max_running_jobs=1)
    shelf.put("d1")
    known(app, "d1")
    assert app.client.get("/api/jobs").json() == {"jobs": []}


def test_another_users_documents_are_nobody_elses_business(app: RunningApp, shelf: Shelf) -> None:
    bob = User("b", "Bob")
    shelf.put("d1")
    shelf.put("d2", CATS, user=bob)
    known(app, "d1")
    cast(FastAPI, app.server.config.app).dependency_overrides[current_user] = lambda: bob
    known(app, "d2")
    assert [each["document_id"] for each in app.client.get("/api/agents/findings").json()["documents"]] == ["d2"]
    assert app.client.delete("/api/agents/findings/d1").json() == {"error": "not found"}
    with events(app) as stream:
        seen = until_done_with("d2", stream)
    assert {each.source_id for each in seen} == {"d2", *AGENTS}
    assert "Title of d1" not in " ".join(each.payload.message for each in seen)


def test_the_form_of_the_events_is_in_the_schema(settings: Callable[..., Settings]) -> None:
    schemas = create_app(settings(), features=[feature.FEATURE]).openapi()["components"]["schemas"]
    assert {"stream", "source_id", "event", "timestamp", "payload"} <= set(schemas["AgentEvent"]["properties"])
    assert set(schemas["AgentActivity"]["properties"]) == {
        "agent_name", "status", "message", "progress", "result",
    }  # fmt: skip
