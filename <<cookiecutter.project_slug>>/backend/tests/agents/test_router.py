from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from fastapi import FastAPI

from app import agents, ingest
from app.agents.events import AGENTS, AgentEvent
from app.main import create_app
from app.settings import Settings
from app.users import User, current_user
from tests.support import JsonObject, RunningApp, eventually

TEXT = b"""A suspension bridge hangs its deck from cables. The cables of a suspension bridge run over towers of steel.
Wind is what a suspension bridge has to fear."""


@pytest.fixture
def app(run_app: Callable[..., RunningApp]) -> RunningApp:
    return run_app(features=[ingest.FEATURE, agents.FEATURE])


def run_id(app: RunningApp) -> str:
    return str(eventually(lambda: app.client.get("/api/agents").json()["run_id"]))


def findings(app: RunningApp, job_id: str) -> JsonObject:
    """What the agents know of a job's document, once all three have worked on it."""
    document = app.result(job_id)["id"]

    def known() -> JsonObject | None:
        (found,) = app.client.get("/api/agents/findings", params={"document_id": document}).json()["documents"] or [
            None
        ]
        return found if found and len(found["work"]) == 3 else None

    return dict(eventually(known))


@contextmanager
def events(app: RunningApp, headers: dict[str, str] | None = None, **query: str) -> Iterator[Iterator[JsonObject]]:
    """A stream's events, as they come."""
    with app.client.stream("GET", "/api/agents/stream", params=query, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def until_done_with(document: str, stream: Iterator[JsonObject]) -> list[AgentEvent]:
    """The events up to the coordinator's last about a document."""
    found = []
    for event in stream:
        found.append(AgentEvent.model_validate(event))
        last = found[-1]
        if (last.event, last.source_id, last.payload.agent_name) == ("activity_completed", document, "coordinator"):
            return found
    raise AssertionError("the stream ended")


def test_what_is_ingested_is_worked_on_and_seen_live(app: RunningApp) -> None:
    run_id(app)
    with events(app) as stream:
        assert [next(stream)["payload"]["agent_name"] for _ in AGENTS] == list(AGENTS)
        known = findings(app, app.ingest(TEXT, "bridges.txt"))
        seen = until_done_with(known["document_id"], stream)
    assert known["title"].startswith("A suspension bridge hangs")
    assert known["tags"][0] == "suspension bridge"
    assert len(known["summary"]) == 3
    assert {each.payload.agent_name for each in seen} == set(AGENTS)
    assert app.client.get("/api/agents/findings").json() == {"documents": [known]}


def test_a_late_viewer_sees_the_run_from_its_start(app: RunningApp) -> None:
    document = findings(app, app.ingest(TEXT, "bridges.txt"))["document_id"]
    with events(app) as stream:
        seen = until_done_with(document, stream)
    assert [each.event for each in seen[: len(AGENTS)]] == ["heartbeat"] * len(AGENTS)
    with events(app, run=run_id(app)) as stream:
        assert until_done_with(document, stream) == seen


def test_a_reconnect_to_a_run_goes_on_where_it_was_and_one_without_begins_anew(app: RunningApp) -> None:
    document = findings(app, app.ingest(TEXT, "bridges.txt"))["document_id"]
    with events(app) as stream:
        seen = until_done_with(document, stream)
    cursor = {"last-event-id": "3"}
    with events(app, cursor, run=run_id(app)) as stream:
        assert until_done_with(document, stream) == seen[3:]
    with events(app, cursor) as stream:  # of which run the cursor is, nobody knows
        assert until_done_with(document, stream) == seen


def test_the_stream_can_be_of_one_agent(app: RunningApp) -> None:
    findings(app, app.ingest(TEXT, "bridges.txt"))
    with events(app, kind="tagger") as stream:
        seen = [AgentEvent.model_validate(next(stream)) for _ in range(4)]
    assert {each.payload.agent_name for each in seen} == {"tagger"}
    assert [each.event for each in seen] == [
        "heartbeat", "activity_registered", "activity_updated", "activity_completed",
    ]  # fmt: skip


def test_the_stream_can_be_of_one_document_with_the_heartbeats(app: RunningApp) -> None:
    findings(app, app.ingest(TEXT, "bridges.txt"))
    document = findings(app, app.ingest(b"Cats sit on mats. The mats of cats are red.", "cats.txt"))["document_id"]
    with events(app, id=document) as stream:
        seen = until_done_with(document, stream)
    assert {each.source_id for each in seen} == {document, *AGENTS}
    with events(app, id=document, kind="indexer") as stream:
        assert [next(stream)["source_id"] for _ in range(3)] == ["indexer", document, document]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"kind": "spy"}, 422), ({"run": "none"}, 404), ({"run": "../x"}, 404), ({"id": "x" * 129}, 422)],
)
def test_what_there_is_not_is_refused(app: RunningApp, query: dict[str, str], status: int) -> None:
    run_id(app)
    answer = app.client.get("/api/agents/stream", params=query)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_a_job_of_another_kind_is_no_run(app: RunningApp) -> None:
    job_id = app.ingest(TEXT, "bridges.txt")
    app.events(job_id)
    assert app.client.get("/api/agents/stream", params={"run": job_id}).json() == {"error": "not found"}


def test_forgotten_findings_are_made_again(app: RunningApp) -> None:
    job_id = app.ingest(TEXT, "bridges.txt")
    before = findings(app, job_id)
    url = f"/api/agents/findings/{before['document_id']}"
    assert app.client.delete(url).status_code == 204
    again = findings(app, job_id)
    assert (again["tags"], again["summary"]) == (before["tags"], before["summary"])
    assert again["work"][-1]["finished_at"] > before["work"][-1]["finished_at"]
    assert app.client.delete("/api/agents/findings/none").json() == {"error": "not found"}


def test_agents_hold_no_place_of_a_job(run_app: Callable[..., RunningApp]) -> None:
    app = run_app(features=[ingest.FEATURE, agents.FEATURE], max_running_jobs=1)
    run_id(app)
    assert app.client.get("/api/jobs").json() == {"jobs": []}
    findings(app, app.ingest(TEXT, "bridges.txt"))


def test_without_documents_they_work_on_nothing_and_say_so(run_app: Callable[..., RunningApp]) -> None:
    app = run_app(features=[agents.FEATURE])
    run_id(app)
    with events(app) as stream:
        assert next(stream)["payload"]["message"] == "No part of this app keeps documents: nothing to do"


def test_another_users_documents_are_nobody_elses_business(
    app: RunningApp,
) -> None:
    document = findings(app, app.ingest(TEXT, "bridges.txt"))["document_id"]
    cast(FastAPI, app.server.config.app).dependency_overrides[current_user] = lambda: User("b", "Bob")
    assert app.client.get("/api/agents/findings").json() == {"documents": []}
    assert app.client.delete(f"/api/agents/findings/{document}").json() == {"error": "not found"}
    ours = app.ingest(b"Cats sit on mats. The mats of cats are red.", "cats.txt")
    mine = findings(app, ours)["document_id"]
    with events(app) as stream:
        seen = until_done_with(mine, stream)
    assert {each.source_id for each in seen} == {mine, *AGENTS}
    assert "suspension" not in " ".join(each.payload.message for each in seen)


def test_the_form_of_the_events_is_in_the_schema(settings: Callable[..., Settings]) -> None:
    schemas = create_app(settings(), features=[agents.FEATURE]).openapi()["components"]["schemas"]
    assert {"stream", "source_id", "event", "timestamp", "payload"} <= set(schemas["AgentEvent"]["properties"])
    assert set(schemas["AgentActivity"]["properties"]) == {"agent_name", "status", "message", "progress"}
