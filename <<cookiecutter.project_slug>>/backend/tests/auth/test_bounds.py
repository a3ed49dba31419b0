"""What one user may have at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter, Response
from streamator.fastapi import StreamResponse, make_stream_response

from app.feature import Feature, SharedServices
from app.features import FEATURES
from app.jobs import Job
from app.main import create_app
from app.settings import Settings
from app.users import CurrentUser
from tests.auth.people import FEATURES as JOBS_OF_TESTS
from tests.auth.people import Person, add_users
from tests.support import NoArgs, RunningApp, event_streams, eventually, feature_of, job_of

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


def started_by_their_stream() -> Feature:
    """A feature whose jobs wait, and are started by a request for their stream."""
    router = APIRouter()

    async def wait(emitter: Job) -> None:
        await asyncio.sleep(60)

    kind = job_of(wait, "wait")

    @router.post("/wait/stream", status_code=200, response_class=StreamResponse)
    async def start(services: SharedServices, user: CurrentUser) -> Response:
        record = await services.jobs.start(kind, NoArgs(), source="x", user=user)
        return make_stream_response(record.job_id, services.store)

    return feature_of(router, jobs=[kind])


def test_68_a_user_has_so_many_streams_of_all_kinds_together_and_one_more_starts_no_job(
    run_app: RunAuth, settings: Callable[..., Settings], visit: Visit
) -> None:
    add_users(settings(), "Ada", "Grace")
    features = [*FEATURES, JOBS_OF_TESTS[-1], started_by_their_stream()]
    running = run_app(features=features, auth="jwt", streamator_store="memory", max_streams_per_user=2)
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    job_id = ada.start()
    kinds = event_streams(create_app(settings(auth="jwt"), features=features).openapi()["paths"])
    assert ("POST", "/api/wait/stream") in kinds
    with ada.client.stream("POST", "/api/wait/stream", headers=ada.headers) as first, ada.stream(job_id) as second:
        assert (first.status_code, second.response.status_code) == (200, 200)
        jobs = ada.ask("GET", "/api/jobs").json()["jobs"]
        for method, path in kinds:
            answer = ada.ask(method, path.replace("{job_id}", job_id), json={})
            assert answer.status_code == 429, path
            assert "2 streams are open and MAX_STREAMS_PER_USER is 2" in answer.json()["error"]
        assert len(ada.ask("GET", "/api/jobs").json()["jobs"]) == len(jobs) == 2
        with grace.client.stream("POST", "/api/wait/stream", headers=grace.headers) as others:
            assert others.status_code == 200

    def free() -> bool:
        with ada.stream(job_id) as again:
            return again.response.status_code == 200

    eventually(free)


def test_a_user_has_so_many_sessions_and_the_one_unused_for_longest_goes(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth(max_sessions_per_user=2)
    first, second, grace = visit(running, "Ada"), visit(running, "Ada"), visit(running, "Grace")
    assert first.refresh().status_code == 200  # now the second is the one unused for longest
    third = visit(running, "Ada")
    assert second.refresh().status_code == 401
    assert [each.refresh().status_code for each in (first, third, grace)] == [200] * 3


def test_a_user_has_so_many_answers_under_way_and_one_more_is_429(
    run_app: RunAuth, settings: Callable[..., Settings], visit: Visit
) -> None:
    add_users(settings(), "Ada", "Grace")
    router, go = APIRouter(), asyncio.Event()
    waiting: list[int] = []

    @router.get("/wait")
    async def wait(user: CurrentUser) -> None:
        waiting.append(1)
        await go.wait()

    @router.post("/go")
    async def let_go(user: CurrentUser) -> None:
        go.set()

    features = [*FEATURES, feature_of(router)]
    running = run_app(features=features, auth="jwt", streamator_store="memory", max_answers_per_user=2)
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(ada.ask, "GET", "/api/wait") for _ in range(2)]
        eventually(lambda: len(waiting) == 2)
        for path in ("/api/wait", "/api/jobs", "/api/documents"):
            answer = ada.ask("GET", path)
            refusal = "2 answers to you are under way and MAX_ANSWERS_PER_USER is 2: wait for one to end"
            assert (answer.status_code, answer.json()) == (429, {"error": refusal})
        assert grace.ask("POST", "/api/go").status_code == 200
        assert [each.result().status_code for each in pending] == [200, 200]
    eventually(lambda: ada.ask("GET", "/api/jobs").status_code == 200)
