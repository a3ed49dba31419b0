"""Abuse, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.auth.people import Person, close_code
from tests.support import RunningApp, eventually

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


def seen(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer but when it came, and the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, answer.content, headers


def test_59_another_users_job_is_the_same_404_as_a_missing_one(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth()
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    job_id = ada.start()
    missing = "x" * len(job_id)
    for (method, path), (_, nowhere) in zip(ada.job_routes(job_id), ada.job_routes(missing), strict=True):
        answer = grace.ask(method, path)
        assert seen(answer) == seen(grace.ask(method, nowhere)), path
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"}), path
    for either in (job_id, missing):
        answer = grace.ask("POST", "/api/auth/tickets", json={"job_id": either})
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
        with grace.socket(either, additional_headers=grace.headers) as connection:
            assert close_code(connection) == 4404
    assert grace.ask("GET", "/api/jobs").json() == {"jobs": []}

    ada.tell(job_id, "not cancelled")
    ada.tell(job_id)
    with ada.stream(job_id) as events:
        assert [event["event"] for event in events] == ["log", "done"]
    statuses = [ada.ask(method, path).status_code for method, path in ada.job_routes(job_id)]
    assert statuses == [200] * 6
    assert [job["job_id"] for job in ada.ask("GET", "/api/jobs").json()["jobs"]] == [job_id]


def test_60_a_websocket_from_a_foreign_origin_is_403(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    job_id = ada.start()
    ticket = ada.ticket(job_id)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        for shown in (ticket, {"cookie": ada.cookie}):
            with (
                pytest.raises(InvalidStatus) as refused,
                ada.socket(job_id, origin=Origin(origin), additional_headers=shown),
            ):
                pass
            assert refused.value.response.status_code == 403
    own = str(ada.client.base_url).rstrip("/")
    with ada.socket(job_id, additional_headers=ticket, origin=Origin(own)) as connection:
        assert connection.recv(30) == "[]"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_61_a_cross_site_post_with_a_cookie_is_refused(
    run_auth: RunAuth, visit: Visit, headers: dict[str, str]
) -> None:
    ada = visit(run_auth(), "Ada")
    job_id = ada.start()
    for path in (
        "/api/told",
        f"/api/job/{job_id}/cancel",
        "/api/auth/refresh",
        "/api/auth/sign-out",
        "/api/auth/sign-in",
        "/api/auth/tickets",
    ):
        assert ada.ask("POST", path, headers=headers).status_code == 403, path
    assert ada.ask("GET", f"/api/jobs/{job_id}").json()["status"] == "running"
    assert ada.refresh().status_code == 200


def test_61_a_cookie_alone_opens_nothing_but_the_next_token(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    job_id = ada.start()
    for method, path in [*ada.job_routes(job_id), ("POST", "/api/told"), ("POST", "/api/auth/tickets")]:
        assert ada.client.request(method, path, headers={"cookie": ada.cookie}).status_code == 401, path
    with ada.socket(job_id, additional_headers={"cookie": ada.cookie}) as connection:
        assert close_code(connection) == 4401


def test_62_no_origin_is_ever_allowed_with_credentials(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    job_id = ada.start()
    for method, path in [*ada.job_routes(job_id)[:2], ("GET", "/api/config"), ("OPTIONS", "/api/jobs")]:
        answer = ada.ask(method, path, headers={"origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")], path


def test_64_a_token_that_expires_in_mid_stream_ends_the_stream_and_reconnecting_is_401(
    run_auth: RunAuth, visit: Visit
) -> None:
    ada = visit(run_auth(auth_token_seconds=2), "Ada")
    job_id = ada.start()
    ada.tell(job_id, "one")
    old = ada.headers
    with ada.stream(job_id) as events:
        before = [event["message"] for event in events]  # the stream ends by itself, and in good order
    assert before == ["one"]
    resume = {"last-event-id": events.last_id}
    with ada.stream(job_id, headers={**old, **resume}) as refused:
        assert refused.response.status_code == 401
        refused.response.read()
        assert "expired" in refused.response.json()["error"]

    assert ada.refresh().status_code == 200
    ada.tell(job_id, "two")
    ada.tell(job_id)
    with ada.stream(job_id, headers={**ada.headers, **resume}) as events:
        after = list(events)
    assert [event.get("message") for event in after] == ["two", None]
    assert (after[-1]["event"], events.last_id) == ("done", "3")


def test_64_a_websocket_whose_token_expires_is_closed_with_4401(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(auth_token_seconds=2), "Ada")
    job_id = ada.start()
    ticket = ada.ticket(job_id)
    with ada.socket(job_id, additional_headers=ticket) as connection:
        assert close_code(connection) == 4401
    with ada.socket(job_id, additional_headers=ticket) as connection:
        assert close_code(connection) == 4401, "the ticket is no longer one"


def test_68_too_many_streams_for_one_user_are_429_and_the_log_can_be_polled(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth(max_streams_per_user=2)
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    job_id = ada.start()
    ada.tell(job_id, "one")
    with ada.stream(job_id) as first, ada.socket(job_id, additional_headers=ada.headers) as second:
        assert next(first)["message"] == "one"
        assert second.recv(30) == "[]"
        with ada.stream(job_id) as third:
            assert third.response.status_code == 429
            assert third.response.headers["retry-after"]
            third.response.read()
            assert "MAX_STREAMS_PER_USER is 2" in third.response.json()["error"]
        with ada.socket(job_id, additional_headers=ada.headers) as fourth:
            assert close_code(fourth) == 4429
        polled = ada.ask("GET", f"/api/log/{job_id}").json()
        assert [event["message"] for event in polled["logs"]] == ["one"]
        hers = grace.start()
        with grace.stream(hers) as others:
            assert others.response.status_code == 200

    def free() -> bool:
        with ada.stream(job_id) as again:
            return again.response.status_code == 200

    eventually(free)
