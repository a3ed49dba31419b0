"""How many streams may be open."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamator import JobEmitter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.features import FEATURES
from app.main import create_app
from app.settings import Settings
from tests.support import RunningApp, event_streams, eventually


def test_68_one_stream_too_many_at_a_server_is_429_of_whatever_kind_it_is_and_starts_no_job(
    run_app: Callable[..., RunningApp], settings: Callable[..., Settings]
) -> None:
    running = run_app(features=FEATURES, max_streams=2)
    kinds = event_streams(create_app(settings()).openapi()["paths"])
    assert {("GET", "/api/log/{job_id}/stream"), ("GET", "/api/job/{job_id}/stream")} <= set(kinds)
    job = JobEmitter()
    stream = f"/api/log/{job.job_id}/stream"
    socket = f"{running.client.base_url.join(stream)}".replace("http", "ws", 1).replace("/stream", "/ws")
    with running.client.stream("GET", stream) as first, connect(socket) as second:
        assert first.status_code == 200
        assert second.recv(10) == "[]"
        for method, path in kinds:
            answer = running.client.request(method, path.replace("{job_id}", job.job_id), json={})
            assert answer.status_code == 429, path
            assert int(answer.headers["retry-after"]) > 0
            assert "2 streams are open at this server and MAX_STREAMS is 2" in answer.json()["error"]
        with connect(socket) as third, pytest.raises(ConnectionClosed):
            third.recv(10)
        assert third.close_code == 4429
        assert running.client.get(f"/api/log/{job.job_id}").status_code == 200
        assert running.client.get(f"/api/log/{job.job_id}?wait=20").status_code == 429
    assert running.client.get("/api/jobs").json() == {"jobs": []}

    def free() -> bool:
        with running.client.stream("GET", stream) as again:
            return again.status_code == 200

    eventually(free)
