"""What one user does that another must not feel: connections that go silent, a job that floods its log."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Callable

from streamator import JobEmitter

from tests.support import Events, RunningApp, eventually


def silent_websocket(running: RunningApp, path: str) -> socket.socket:
    """Opens a WebSocket by hand, and then neither reads from it nor answers a ping."""
    host, port = str(running.client.base_url.host), running.client.base_url.port
    assert port is not None
    connection = socket.create_connection((host, port))
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    return connection


def test_a_websocket_that_answers_no_ping_gives_its_place_back(run_app: Callable[..., RunningApp]) -> None:
    running = run_app(max_streams=1)
    running.server.config.ws_ping_interval = 0.2  # 20 s each, else
    running.server.config.ws_ping_timeout = 0.2
    job = JobEmitter()

    def status() -> int:
        with running.client.stream("GET", f"/api/log/{job.job_id}/stream") as response:
            return response.status_code

    with silent_websocket(running, f"/api/log/{job.job_id}/ws") as connection:
        assert connection.recv(12) == b"HTTP/1.1 101"
        assert status() == 429
        eventually(lambda: status() == 200)


def test_a_job_that_floods_its_log_keeps_no_other_stream_waiting(run_app: Callable[..., RunningApp]) -> None:
    running = run_app()
    flood, quiet = JobEmitter(), JobEmitter()
    stop = threading.Event()

    def pour() -> None:
        while not stop.is_set():
            flood.log("x" * 200)

    def watch() -> None:
        with running.client.stream("GET", f"/api/log/{flood.job_id}/stream", timeout=60) as response:
            for _ in response.iter_bytes():
                if stop.is_set():
                    return

    threads = [threading.Thread(target=each, daemon=True) for each in (pour, watch, watch)]
    waits = []
    with running.client.stream("GET", f"/api/log/{quiet.job_id}/stream", timeout=60) as response:
        events = Events(response)
        for thread in threads:
            thread.start()
        for number in range(20):
            began = time.monotonic()
            quiet.log(str(number))
            assert next(events)["message"] == str(number)
            assert running.client.get("/api/jobs").status_code == 200
            waits.append(time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert max(waits) < 10
