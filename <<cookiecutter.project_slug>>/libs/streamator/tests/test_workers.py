"""Several workers with a memory store each: why a job that runs is a 404 is said once; one worker says nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from test_server import HERE, PATIENCE_S, eventually

pytestmark = pytest.mark.server

TEXT = "one of several workers"
PROGRAMMATIC = "import uvicorn; uvicorn.run('server_app:app', port={port}, workers={workers})"
SERVERS = {
    "uvicorn --workers": ["-m", "uvicorn", "server_app:app", "--port", "{port}", "--workers", "{workers}"],
    "uvicorn --reload": ["-m", "uvicorn", "server_app:app", "--port", "{port}", "--reload"],
    "WEB_CONCURRENCY": ["-m", "uvicorn", "server_app:app", "--port", "{port}"],
    "uvicorn.run": ["-c", "if __name__ == '__main__': " + PROGRAMMATIC],
    "hypercorn": ["-m", "hypercorn", "server_app:app", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"],
    "gunicorn": [
        "-m", "gunicorn", "server_app:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}", "-w",
        "{workers}",
    ],
}  # fmt: skip


def said(name: str, workers: int, output: Path, path: str) -> str:
    """What a server has said when some jobs were asked for that it does not know."""
    if name == "gunicorn":
        pytest.importorskip("gunicorn")
        pytest.importorskip("uvicorn_worker")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port, workers=workers) for part in SERVERS[name]]
    environment = {**os.environ, "WEB_CONCURRENCY": str(workers)} if name == "WEB_CONCURRENCY" else None
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=HERE, stdout=out, stderr=out, start_new_session=True, env=environment
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, output.read_text()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/tasks", timeout=PATIENCE_S).status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers, "the server to answer")
        for n in range(12):  # each by a connection of its own, so that every worker gets some
            assert httpx.get(f"http://127.0.0.1:{port}{path.format(n)}", timeout=PATIENCE_S).status_code == 404
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return output.read_text()


SEVERAL = [name for name in SERVERS if "reload" not in name]
PATHS = ["/log/unknown-{}/stream", "/log/unknown-{}"]


# Which route is asked has nothing to do with who started the workers: each is asked of some.
@pytest.mark.parametrize(("name", "path"), list(zip(SEVERAL, cycle(PATHS), strict=False)))
def test_each_of_several_workers_warns_once_of_unknown_jobs(name: str, path: str, tmp_path: Path) -> None:
    text = said(name, 2, tmp_path / "server.log", path)
    assert 1 <= text.count(TEXT) <= 2, text
    assert "store='redis'" in text


@pytest.mark.parametrize("name", SERVERS)
def test_one_worker_warns_of_nothing(name: str, tmp_path: Path) -> None:
    text = said(name, 1, tmp_path / "server.log", "/log/unknown-{}")
    assert TEXT not in text, text


def test_an_invalid_id_warns_of_nothing(tmp_path: Path) -> None:
    text = said("uvicorn --workers", 2, tmp_path / "server.log", "/log/no%20id{}")
    assert TEXT not in text, text


COLLECTED_MEANWHILE = """
import gc, os, threading, time
from streamator.transports.workers import frame_of

def start_threads():
    while True:
        threading.Thread(target=int).start()

for _ in range(20):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
threading.Thread(target=start_threads, daemon=True).start()
gc.callbacks.append(lambda *_: time.sleep(0.001))  # lets another thread run, as a destructor may
gc.set_threshold(1)
for _ in range(20):
    assert frame_of(threading.get_ident()) is not None
gc.disable()
frame_of(threading.get_ident())
assert not gc.isenabled(), "it was off, and stays so"
print("done", flush=True)
os._exit(0)
"""


def test_looking_at_a_thread_never_waits_for_ever() -> None:
    """Python 3.11.7 did without `frame_of`'s guard: python/cpython#106883."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED_MEANWHILE], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout == "done\n"
