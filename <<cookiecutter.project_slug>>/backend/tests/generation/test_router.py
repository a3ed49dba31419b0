"""Runs through the whole app, in a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.generation import writer
from app.users import User, current_user
from tests.generation.model_server import ModelServer, Refusal
from tests.generation.texts import GOOD_DRAFT, LIGHTHOUSES
from tests.support import JsonObject, RunningApp, eventually

RunApp = Callable[..., RunningApp]

BAD_DRAFT = GOOD_DRAFT.replace("## In short", "## Summary")


@pytest.fixture
def running(run_app: RunApp) -> RunningApp:
    return run_app()


@pytest.fixture
def modelled(run_app: RunApp, model: ModelServer) -> RunningApp:
    """An app whose default provider is the model server."""
    return run_app(openai_base_url=f"{model.url}/v1", openai_model="a-model")


def named_events(response: httpx.Response) -> Iterator[tuple[str, JsonObject]]:
    """The events of a stream of named events, as they come."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def run_stream(running: RunningApp, **asked: Any) -> list[tuple[str, JsonObject]]:
    with running.client.stream("POST", "/api/run/stream", json=asked) as response:
        assert response.status_code == 200, response.read()
        return list(named_events(response))


def of(events: list[tuple[str, JsonObject]], name: str) -> list[JsonObject]:
    return [event for each, event in events if each == name]


def draft_of(events: list[JsonObject]) -> str:
    """The draft as a viewer puts it together."""
    draft = ""
    for event in events:
        if event["event"] == "draft":
            draft = event["draft"]
        elif event["event"] == "token":
            draft += event["token"]
    return draft


def test_a_run_goes_through_its_stages_and_ends_with_its_output(running: RunningApp) -> None:
    events = run_stream(running, text=LIGHTHOUSES, prompt="summary")
    assert all(name == event["event"] for name, event in events)
    progress = [(event["stage"], event["progress"]) for event in of(events, "progress")]
    assert progress[0] == ("load_prompts", 10)
    assert progress[-1] == ("done", 100)
    stages = list(dict.fromkeys(stage for stage, _ in progress))
    assert stages == ["load_prompts", "generator", "formatter", "validator", "done"]
    assert [percent for _, percent in progress] == sorted(percent for _, percent in progress)
    assert all(30 <= percent <= 50 for stage, percent in progress if stage == "generator")
    assert dict(progress)["formatter"] == 60
    assert dict(progress)["validator"] == 80
    assert all(event["message"] for event in of(events, "progress"))

    [complete] = of(events, "complete")
    assert list(complete) == ["event", "success", "output", "metadata", "t"]
    assert complete["success"] is True
    assert complete["output"].startswith("## Key points\n\n- ")
    assert of(events, "draft")[-1]["draft"] == complete["output"]
    metadata = complete["metadata"]
    assert (metadata["prompt"], metadata["provider"], metadata["attempts"], metadata["problems"]) == (
        "summary", "extractive", 1, [],
    )  # fmt: skip
    assert metadata["source_words"] == len(LIGHTHOUSES.split()) - 3  # without the marks of headings
    assert events[-1][0] == "done"
    assert events[-1][1]["status"] == "completed"


def test_the_draft_is_seen_while_it_is_written(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[GOOD_DRAFT[:40], GOOD_DRAFT[40:90], GOOD_DRAFT[90:]]]
    model.go_on.clear()
    with modelled.client.stream("POST", "/api/run/stream", json={"text": LIGHTHOUSES}) as response:
        seen: list[JsonObject] = []
        for name, event in named_events(response):
            seen.append(event)
            if name == "token" and not model.go_on.is_set():
                assert event["token"] == GOOD_DRAFT[:40]
                model.go_on.set()
    assert seen[-1]["event"] == "done"
    before = seen[: next(index for index, event in enumerate(seen) if event["event"] == "draft")]
    assert draft_of(before) == GOOD_DRAFT
    assert draft_of(seen) == GOOD_DRAFT


def test_many_small_pieces_are_few_events(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [list(GOOD_DRAFT)]
    events = run_stream(modelled, text=LIGHTHOUSES)
    assert len(GOOD_DRAFT) == 300
    assert 1 <= len(of(events, "token")) <= 60
    assert "".join(event["token"] for event in of(events, "token")) == GOOD_DRAFT


def test_a_draft_that_breaks_a_rule_is_sent_back_with_the_reason(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[BAD_DRAFT], [GOOD_DRAFT]]
    events = run_stream(modelled, text=LIGHTHOUSES)
    retries = [event for event in of(events, "progress") if event["stage"] == "retry"]
    assert retries[0]["progress"] == 85
    assert retries[0]["message"] == "Sent back (1 of 2): The heading “## In short” is missing."
    assert all(85 <= event["progress"] <= 95 for event in retries)
    assert "The heading “## In short” is missing." in model.asked[1]["messages"][-1]["content"]
    [complete] = of(events, "complete")
    assert (complete["success"], complete["output"], complete["metadata"]["attempts"]) == (True, GOOD_DRAFT, 2)
    assert draft_of([event for _, event in events]) == GOOD_DRAFT  # the first draft is gone


def test_a_draft_is_sent_back_twice_at_most(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[BAD_DRAFT]]
    events = run_stream(modelled, text=LIGHTHOUSES)
    assert len(model.asked) == 3
    progress = [(event["stage"], event["progress"]) for event in of(events, "progress")]
    assert [percent for _, percent in progress] == sorted(percent for _, percent in progress)
    assert ("retry", 90) in progress
    assert progress[-1] == ("fail", 100)
    [complete] = of(events, "complete")
    assert (complete["success"], complete["output"]) == (False, BAD_DRAFT)
    assert complete["metadata"]["problems"] == ["The heading “## In short” is missing."]
    assert events[-1][1]["status"] == "failed"
    [job] = modelled.client.get("/api/jobs").json()["jobs"]
    assert job["error"] == "The draft still breaks the rules: The heading “## In short” is missing."
    whole = modelled.client.post("/api/run", json={"text": LIGHTHOUSES}).json()
    assert (whole["success"], whole["output"]) == (False, BAD_DRAFT)


def test_a_provider_that_fails_ends_the_run_with_the_reason(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [Refusal(401, "no such key")]
    events = run_stream(modelled, text=LIGHTHOUSES)
    [error] = of(events, "error")
    assert "answered 401" in error["message"]
    assert "OPENAI_API_KEY" in error["message"]
    assert of(events, "progress")[-1]["stage"] == "fail"
    assert not of(events, "complete")
    assert events[-1][1]["status"] == "failed"
    answer = modelled.client.post("/api/run", json={"text": LIGHTHOUSES})
    assert (answer.status_code, answer.json()["error"]) == (502, error["message"])


@pytest.mark.parametrize("text", ["0)", "# \n", "---"])
def test_a_text_without_sentences_is_the_askers_mistake_and_not_the_servers(running: RunningApp, text: str) -> None:
    answer = running.client.post("/api/run", json={"text": text})
    assert (answer.status_code, answer.json()["error"]) == (
        422, "The text has no sentences to choose from: give a longer one.",
    )  # fmt: skip
    assert of(run_stream(running, text=text), "error")


def test_a_model_that_writes_nothing_is_an_error(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [["\n", " "]]
    [error] = of(run_stream(modelled, text=LIGHTHOUSES), "error")
    assert "wrote nothing" in error["message"]


def test_a_model_that_does_not_come_to_an_end_is_stopped(
    modelled: RunningApp, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_DRAFT", 1_000)
    model.answers = [["word " * 100] * 100]
    events = run_stream(modelled, text=LIGHTHOUSES)
    [error] = of(events, "error")
    assert "(a-model) was stopped after 1,000 characters" in error["message"]
    assert events[-1][1]["status"] == "failed"


def test_the_whole_result_at_once(running: RunningApp) -> None:
    answer = running.client.post(
        "/api/run", json={"text": LIGHTHOUSES, "prompt": "outline", "options": {"length": "long"}}
    )
    assert answer.status_code == 200
    result = answer.json()
    assert result["success"] is True
    assert result["output"].startswith("## Outline\n")
    assert result["metadata"]["words"] > 50
    run = running.client.get(f"/api/runs/{result['job_id']}").json()
    assert (run["output"], run["metadata"]) == (result["output"], result["metadata"])


def test_a_run_goes_on_when_its_viewer_leaves_and_is_found_again(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[GOOD_DRAFT[:40], GOOD_DRAFT[40:]]]
    model.go_on.clear()
    with modelled.client.stream("POST", "/api/run/stream", json={"text": LIGHTHOUSES}) as response:
        job_id = response.headers["x-job-id"]
        assert next(name for name, _ in named_events(response) if name == "token")
    [run] = modelled.client.get("/api/runs").json()["runs"]
    assert (run["job_id"], run["status"], run["words"]) == (job_id, "running", None)
    assert run["title"] == "Summary of “Lighthouses”"

    model.go_on.set()
    events = modelled.events(job_id)  # from its first event, as another device would
    assert [event["event"] for event in events[:2]] == ["progress", "progress"]
    assert draft_of(events) == GOOD_DRAFT
    assert events[-1]["status"] == "completed"
    [run] = modelled.client.get("/api/runs").json()["runs"]
    assert (run["status"], run["words"], run["provider"]) == ("completed", 49, "openai")
    detail = modelled.client.get(f"/api/runs/{job_id}").json()
    assert (detail["text"], detail["output"], detail["length"]) == (LIGHTHOUSES, GOOD_DRAFT, "standard")


def test_a_run_is_cancelled_at_once_and_the_model_is_let_go(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[GOOD_DRAFT[:40], GOOD_DRAFT[40:]]]
    model.go_on.clear()
    with modelled.client.stream("POST", "/api/run/stream", json={"text": LIGHTHOUSES}) as response:
        events = named_events(response)
        assert next(name for name, _ in events if name == "token")
        modelled.client.post(f"/api/job/{response.headers['x-job-id']}/cancel")
        rest = [(name, event.get("status")) for name, event in events]
    assert rest[-1] == ("done", "cancelled")
    assert "error" not in [name for name, _ in rest]
    assert not model.go_on.is_set()  # it was not waited for
    eventually(model.left.is_set)


def test_a_cancelled_run_has_no_whole_result(modelled: RunningApp, model: ModelServer) -> None:
    model.answers = [[GOOD_DRAFT[:40], GOOD_DRAFT[40:]]]
    model.go_on.clear()

    def cancel() -> None:
        runs = eventually(lambda: modelled.client.get("/api/runs").json()["runs"])
        modelled.client.post(f"/api/job/{runs[0]['job_id']}/cancel")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    answer = modelled.client.post("/api/run", json={"text": LIGHTHOUSES})
    canceller.join()
    assert (answer.status_code, answer.json()) == (409, {"error": "the run was cancelled"})


def test_a_long_text_is_cancelled_while_it_is_read(running: RunningApp) -> None:
    words = [f"word{number}" for number in range(5_000)]
    text = " ".join(
        " ".join(words[(start * 7 + step * 13) % 5_000] for step in range(18)) + "." for start in range(7_000)
    )
    with running.client.stream("POST", "/api/run/stream", json={"text": text[:1_000_000]}) as response:
        events = named_events(response)
        assert next(event for _, event in events if event.get("stage") == "generator")
        running.client.post(f"/api/job/{response.headers['x-job-id']}/cancel")
        assert list(events)[-1][1]["status"] == "cancelled"


def test_what_cannot_be_asked_for_is_refused(running: RunningApp) -> None:
    def refused(**asked: Any) -> str:
        answers = [running.client.post(path, json=asked) for path in ("/api/run", "/api/run/stream")]
        assert [answer.status_code for answer in answers] == [422, 422]
        return str(answers[0].json()["error"])

    assert refused(text="  \n ").startswith("text=")
    assert refused(text="x" * 1_000_001).startswith("text=")
    assert refused(prompt="summary").startswith("text=")
    assert refused(text="Text.", prompt="../secret") == (
        "there is no prompt '../secret': choose one of briefing, outline, summary"
    )
    assert "options.length" in refused(text="Text.", options={"length": "endless"})
    assert "options.provider" in refused(text="Text.", options={"provider": "oracle"})
    assert refused(text="Text.", options={"provider": "anthropic"}) == (
        "the provider 'anthropic' has no key or address here: set one, or choose one of extractive"
    )
    assert running.client.get("/api/runs").json() == {"runs": []}
    assert running.client.get("/api/runs/none").status_code == 404


def test_there_is_a_limit_to_how_many_run_at_once(run_app: RunApp, model: ModelServer) -> None:
    running = run_app(openai_base_url=f"{model.url}/v1", max_running_jobs=1)
    model.answers = [[GOOD_DRAFT[:40], GOOD_DRAFT[40:]]]
    model.go_on.clear()
    with running.client.stream("POST", "/api/run/stream", json={"text": LIGHTHOUSES}):
        answer = running.client.post("/api/run", json={"text": LIGHTHOUSES})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


def test_what_may_be_asked_for(run_app: RunApp) -> None:
    running = run_app(
        anthropic_api_key="key", openai_base_url="http://localhost:11434/v1", openai_model="llama",
        generation_provider="extractive",
    )  # fmt: skip
    options = running.client.get("/api/run/options").json()
    assert [prompt["name"] for prompt in options["prompts"]] == ["briefing", "outline", "summary"]
    assert [(each["name"], each["title"]) for each in options["providers"]] == [
        ("extractive", "Built in"), ("anthropic", "Anthropic"), ("openai", "localhost"),
    ]  # fmt: skip
    assert "key" not in str(options["providers"])


def test_a_run_outlives_a_restart(run_app: RunApp) -> None:
    first = run_app()
    result = first.client.post("/api/run", json={"text": LIGHTHOUSES}).json()
    first.stop()
    again = run_app()
    [run] = again.client.get("/api/runs").json()["runs"]
    assert (run["job_id"], run["status"]) == (result["job_id"], "completed")
    assert again.client.get(f"/api/runs/{result['job_id']}").json()["output"] == result["output"]


def test_a_run_is_its_users_alone(running: RunningApp) -> None:
    result = running.client.post("/api/run", json={"text": LIGHTHOUSES}).json()
    app = running.server.config.app
    assert isinstance(app, FastAPI)
    app.dependency_overrides[current_user] = lambda: User("ann", "Ann")
    assert running.client.get("/api/runs").json() == {"runs": []}
    answer = running.client.get(f"/api/runs/{result['job_id']}")
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_the_events_are_in_the_openapi_schema(running: RunningApp) -> None:
    schema = running.client.get("/api/openapi.json").json()
    content = schema["paths"]["/api/run/stream"]["post"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"]["$ref"] == "#/components/schemas/GenerationEvent"
    union = schema["components"]["schemas"]["GenerationEvent"]
    assert {ref.rsplit("/", 1)[1] for ref in union["discriminator"]["mapping"].values()} == {
        "GenerationProgress", "GenerationDraft", "GenerationToken", "GenerationReasoning", "GenerationComplete",
        "GenerationError",
    }  # fmt: skip
