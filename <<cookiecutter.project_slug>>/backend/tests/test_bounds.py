"""What a server takes at a time, beside its streams (test_streams) and jobs (test_jobs)."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
from streamator import JobEmitter

from tests.process import Process
from tests.support import RunningApp, eventually


def test_one_connection_too_many_is_answered_503(launch: Callable[..., Process]) -> None:
    server = launch(MAX_CONNECTIONS="3")
    address = (server.client.base_url.host, server.client.base_url.port or 0)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_connection(address))
        assert server.client.get("/healthz").status_code == 200  # the third
        with httpx.Client(base_url=server.client.base_url) as fourth:
            answer = fourth.get("/healthz")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            refusal = "3 connections are open and MAX_CONNECTIONS is 3: try again in a few seconds"
            assert answer.json() == {"error": refusal}
    eventually(lambda: httpx.get(server.client.base_url.join("/healthz")).status_code == 200)


def started_with(limit: str) -> tuple[str, ...]:
    """The server's program, under a limit of the system's."""
    return ("sh", "-c", f"ulimit {limit}; exec {shlex.quote(sys.executable)} -m app")


def test_a_server_may_have_as_many_connections_as_are_set_whatever_it_was_started_with(
    launch: Callable[..., Process],
) -> None:
    server = launch(program=started_with("-Sn 128"))
    address = (server.client.base_url.host, server.client.base_url.port or 0)
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(address))
        assert server.client.get("/healthz").status_code == 200
    assert "ulimit" not in server.said()


def test_a_server_says_where_the_system_allows_fewer(launch: Callable[..., Process]) -> None:
    server = launch(program=started_with("-n 300"), MAX_CONNECTIONS="101")
    assert "MAX_CONNECTIONS needs 301 open files, and the system allows 300: raise that" in server.said()


def test_the_logs_in_memory_are_bounded(run_app: Callable[..., RunningApp]) -> None:
    running = run_app(streamator_store="memory", streamator_max_jobs=2, streamator_max_events=3)
    app: Any = running.server.config.app
    store = app.state.services.store
    first, second = JobEmitter(store=store), JobEmitter(store=store)
    for number in range(9):
        second.log(str(number))
    polled = running.client.get(f"/api/log/{second.job_id}").json()["logs"]
    assert [event.get("missed") or event["message"] for event in polled] == [6, "6", "7", "8"]
    JobEmitter(store=store)
    assert running.client.get(f"/api/log/{first.job_id}").status_code == 404
    assert running.client.get(f"/api/log/{second.job_id}").status_code == 200
