from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import update
from streamator import JobEmitter

from app.feature import Feature, Services, SharedServices
from app.jobs import Job
from app.jobs.models import JobRow
from app.main import create_app
from app.settings import Settings
from tests.support import Events, NoArgs, RunningApp, eventually, feature_of, job_of, write

RunApp = Callable[..., RunningApp]


@pytest.fixture
def jobs_for_tests() -> Feature:
    """A feature whose jobs do what a test wants of them."""
    router = APIRouter()

    async def crash(emitter: Job) -> None:
        emitter.log("so far so good")
        raise RuntimeError("out of luck")

    async def wait(emitter: Job) -> None:
        emitter.log("waiting")
        await asyncio.sleep(60)

    kinds = {"crash": job_of(crash, "crash"), "wait": job_of(wait, "wait")}

    @router.post("/test/{what}")
    async def start(what: str, services: SharedServices) -> str:
        return (await services.jobs.start(kinds[what], NoArgs(), source=what)).job_id

    @router.get("/test/bug")
    async def bug() -> None:
        raise RuntimeError("a secret of the server")

    return feature_of(router, jobs=[*kinds.values()])


def test_it_is_well_and_says_what_it_runs_on(run_app: RunApp) -> None:
    running = run_app(streamator_store="memory")
    health = running.client.get("/healthz").json()
    assert health["status"] == "ok"
    assert health["store"] == {"name": "memory", "degraded": None}


def test_the_page_is_told_the_limits(run_app: RunApp) -> None:
    config = run_app(max_upload_mb=1.5, max_running_jobs=3).client.get("/api/config").json()
    assert config["max_upload_bytes"] == 1_500_000
    assert config["max_running_jobs"] == 3
    assert config["project_name"]


def test_it_runs_without_any_feature(run_app: RunApp) -> None:
    running = run_app(features=())
    assert running.client.get("/healthz").status_code == 200
    assert running.client.get("/api/jobs").json() == {"jobs": []}
    assert running.client.get("/api/documents").status_code == 404


def test_a_crash_in_a_job_is_an_error_entry_and_then_done_failed(run_app: RunApp, jobs_for_tests: Feature) -> None:
    running = run_app(features=(jobs_for_tests,))
    job_id = running.client.post("/api/test/crash").json()
    found = running.events(job_id)
    told = "Unexpected RuntimeError: the server made a mistake; its log says more."
    assert [event.get("message") for event in found] == [
        "so far so good",
        told,
        None,
    ]
    assert found[1]["level"] == "error"
    assert (found[-1]["event"], found[-1]["status"]) == ("done", "failed")
    job = running.client.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["error"]) == ("failed", told)


def test_a_job_is_cancelled_by_its_route(run_app: RunApp, jobs_for_tests: Feature) -> None:
    running = run_app(features=(jobs_for_tests,))
    job_id = running.client.post("/api/test/wait").json()
    assert running.client.post(f"/api/job/{job_id}/cancel").json() == {"cancelled": job_id}
    found = running.events(job_id)
    assert found[-1]["status"] == "cancelled"
    assert running.client.get(f"/api/jobs/{job_id}").json()["status"] == "cancelled"
    assert running.client.post(f"/api/job/{job_id}/cancel").json() == {"cancelled": job_id}  # over, and asked for again
    assert running.client.post("/api/job/no-such-job/cancel").status_code == 404


def test_jobs_of_a_stopped_server_are_interrupted(run_app: RunApp, jobs_for_tests: Feature) -> None:
    first = run_app(features=(jobs_for_tests,))
    job_id = first.client.post("/api/test/wait").json()
    first.stop()
    second = run_app(features=(jobs_for_tests,))
    (job,) = second.client.get("/api/jobs").json()["jobs"]
    assert (job["job_id"], job["status"]) == (job_id, "interrupted")


def test_jobs_of_a_killed_server_are_interrupted_at_the_next_start(
    run_app: RunApp, jobs_for_tests: Feature, settings: Callable[..., Settings]
) -> None:
    first = run_app(features=(jobs_for_tests,))
    job_id = first.client.post("/api/test/wait").json()
    first.stop()
    # What a server leaves that was killed before it could write how its jobs ended.
    left = update(JobRow).values(status="running", finished_at=None, error=None)
    write(settings(), lambda session: session.execute(left))
    second = run_app(features=(jobs_for_tests,))
    eventually(lambda: second.client.get(f"/api/jobs/{job_id}").json()["status"] == "interrupted")
    assert second.events(job_id)[-1]["event"] == "done"
    job = second.client.get(f"/api/jobs/{job_id}").json()
    assert job["error"] == "The server stopped while this job was running."
    assert job["finished_at"]


def test_a_finished_job_leaves_the_memory_after_its_time(run_app: RunApp, jobs_for_tests: Feature) -> None:
    running = run_app(features=(jobs_for_tests,), job_ttl_seconds=1, streamator_store="memory")
    job_id = running.client.post("/api/test/wait").json()
    assert JobEmitter.exists(job_id)
    running.client.post(f"/api/job/{job_id}/cancel")
    eventually(lambda: not JobEmitter.exists(job_id))
    answer = running.client.get(f"/api/log/{job_id}/stream")
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
    assert running.client.get(f"/api/jobs/{job_id}").json()["status"] == "cancelled"


@pytest.mark.parametrize("path", ["/api/jobs/none", "/api/nothing", "/api/log/none/stream", "/nothing"])
def test_what_is_not_there_is_the_same_404(run_app: RunApp, path: str) -> None:
    answer = run_app().client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


def test_a_wrong_parameter_names_itself_and_its_value(run_app: RunApp) -> None:
    answer = run_app().client.get("/api/jobs?limit=many")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("limit='many': ")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_a_500_that_tells_no_secret(run_app: RunApp, jobs_for_tests: Feature) -> None:
    answer = run_app(features=(jobs_for_tests,)).client.get("/api/test/bug")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]


def test_a_features_lifespan_is_left_after_its_jobs(run_app: RunApp) -> None:
    order: list[str] = []
    router = APIRouter()

    async def wait(emitter: Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append("job ended")

    kind = job_of(wait)

    @router.post("/start")
    async def start(services: SharedServices) -> str:
        return (await services.jobs.start(kind, NoArgs(), source="x")).job_id

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        assert isinstance(app.state.services, Services)
        yield
        order.append("feature left")

    running = run_app(features=(Feature("test", router, lifespan, jobs=[kind]),))
    job_id = running.client.post("/api/start").json()
    eventually(lambda: running.client.get(f"/api/jobs/{job_id}").json()["status"] == "running")
    running.stop()
    assert order == ["job ended", "feature left"]


def test_every_answer_of_the_schema_names_its_body(settings: Callable[..., Settings]) -> None:
    schema = create_app(settings()).openapi()
    for path in ("/healthz", "/api/config", "/api/jobs", "/api/jobs/{job_id}"):
        answers = schema["paths"][path]["get"]["responses"]
        assert "$ref" in answers["200"]["content"]["application/json"]["schema"], path
    assert schema["components"]["schemas"]["ErrorBody"]["required"] == ["error"]


def test_every_error_of_the_schema_is_json_also_where_the_other_answers_are_streams(
    settings: Callable[..., Settings],
) -> None:
    operations = [each for path in create_app(settings()).openapi()["paths"].values() for each in path.values()]
    answers = [answer for each in operations for answer in each["responses"].items()]
    bodies = [answer["content"] for status, answer in answers if status >= "400"]
    assert len(bodies) > 3
    assert all([*body] == ["application/json"] for body in bodies), bodies


def test_the_built_page_is_served_with_a_fallback_for_its_own_routes(run_app: RunApp, tmp_path: Path) -> None:
    page = tmp_path / "dist"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("the page")
    (page / "assets" / "a-1234.js").write_text("code")
    client = run_app(static_dir=page).client
    for path in ("/", "/documents/some-id"):
        answer = client.get(path)
        assert (answer.text, answer.headers["cache-control"]) == ("the page", "no-cache")
    script = client.get("/assets/a-1234.js")
    assert (script.text, "immutable" in script.headers["cache-control"]) == ("code", True)
    assert client.get("/assets/gone.js").status_code == 404
    assert client.get("/api/nothing").json() == {"error": "not found"}
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/..%2f..%2fdata/app.db").status_code == 404


@pytest.mark.parametrize("sent", ["/app", ""], ids=["the proxy leaves the prefix", "the proxy takes it away"])
def test_below_a_path_of_its_host_the_page_and_the_api_are_found(
    run_app: RunApp, jobs_for_tests: Feature, tmp_path: Path, sent: str
) -> None:
    page = tmp_path / "dist"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text('<base href="/" /><script src="./assets/a-1234.js">')
    (page / "assets" / "a-1234.js").write_text("code")
    app = run_app(static_dir=page, root_path="/app/", metrics=True, features=(jobs_for_tests,))
    for path in ("/", "/index.html", "/documents/some-id"):
        answer = app.client.get(sent + path)
        assert (answer.status_code, answer.text) == (200, '<base href="/app/" /><script src="./assets/a-1234.js">')
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "base-uri 'self'" in answer.headers["content-security-policy"]
        assert "etag" not in answer.headers, "with another ROOT_PATH the same file is another page"
    assert app.client.get(f"{sent}/assets/a-1234.js").text == "code"
    assert app.client.get(f"{sent}/healthz").json()["status"] == "ok"
    assert app.client.get(f"{sent}/metrics").status_code == 200
    assert app.client.get(f"{sent}/api/nothing").json() == {"error": "not found"}
    schema = app.client.get(f"{sent}/api/openapi.json").json()
    assert (schema["servers"], "/api/jobs" in schema["paths"]) == ([{"url": "/app"}], True)
    job_id = app.client.post(f"{sent}/api/test/crash").json()
    with app.client.stream("GET", f"{sent}/api/log/{job_id}/stream") as response:
        assert list(Events(response))[-1]["status"] == "failed"


def test_below_a_path_the_prefix_alone_leads_to_the_page(run_app: RunApp, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the page")
    client = run_app(static_dir=tmp_path, root_path="/app").client
    assert client.get("/app").headers["location"] == str(client.base_url.join("/app/"))
    assert client.get("/app-two/x").text == "the page", "a prefix of a name is not the prefix"
