"""Ids that nobody has given out, on all stores: of jobs, and of what a viewer says that it has seen."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.fuzz import open_files, resident
from tests.process import Process, dynamo_server, redis_server
from tests.support import eventually

pytestmark = pytest.mark.server

pytest.importorskip("app.ingest", reason="the jobs of these tests are those of ingest")


class Tap(socketserver.ThreadingTCPServer):
    """A proxy that keeps what passes through it on its way to the server at a port."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.behind = port
        self.asked: list[bytes] = []
        """What was sent at a time: of a client that waits for its answers, one request each, or a large one's part."""


class _Through(socketserver.BaseRequestHandler):
    server: Tap
    request: socket.socket

    def handle(self) -> None:
        with closing(socket.create_connection(("127.0.0.1", self.server.behind))) as server, suppress(OSError):
            threading.Thread(target=self._back, args=(server,), daemon=True).start()
            while data := self.request.recv(1_048_576):
                self.server.asked.append(data)
                server.sendall(data)

    def _back(self, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1_048_576):
                self.request.sendall(data)


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    with Tap(port) as tap:
        threading.Thread(target=tap.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield tap
        tap.shutdown()


@dataclass
class Served:
    """A server that shows a job: from its store alone, where it is one that servers share."""

    server: Process
    job_id: str
    ids: list[int]
    """Of all that the job's log shows."""
    asked: list[bytes] = field(default_factory=list)
    """What the server has asked its store, where that is another process."""

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.server.client.get(path, timeout=5, **options)


@pytest.fixture(scope="module", params=["memory", "dynamo", "redis"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        environment = {"STREAMATOR_STORE": "memory"}
        if request.param == "dynamo":
            environment = stack.enter_context(dynamo_server(folder))
        elif request.param == "redis":
            environment = stack.enter_context(redis_server())
        first = Process(folder, **environment)
        stack.callback(first.close)
        job_id = first.ingest(b"A text to read.", "a.txt")
        ids = list(range(1, len(list(first.lines(job_id))) + 1))
        if request.param == "memory":
            yield Served(first, job_id, ids)
            return
        place = "AWS_ENDPOINT_URL_DYNAMODB" if request.param == "dynamo" else "STREAMATOR_REDIS_URL"
        url = httpx.URL(environment[place])
        assert url.port is not None
        tap = stack.enter_context(tapped(url.port))
        environment[place] = str(url.copy_with(port=tap.server_address[1]))
        (folder / "other").mkdir()
        other = Process(folder / "other", **environment)
        stack.callback(other.close)
        eventually(lambda: other.client.get(f"/api/log/{job_id}").json().get("closed"))
        yield Served(other, job_id, ids, tap.asked)


FUTURE_IDS = ["9" * digits for digits in (10, 18, 19, 400, 5_000)]
NO_IDS = ["-1", "x", "", "1e3", "0x1", "1,2", "\u00b2", "null", "+1", "1.5"]


@pytest.mark.parametrize("cursor", [*NO_IDS, *FUTURE_IDS])
def test_32_an_id_that_the_log_does_not_have_reads_the_whole_log(served: Served, cursor: str) -> None:
    assert streams(served, cursor) == [(200, served.ids)] * 4
    polled = served.get(f"/api/log/{served.job_id}", params={"after": cursor}).json()
    assert (len(polled["logs"]), polled["next"], polled["closed"]) == (len(served.ids), served.ids[-1], True)
    assert socket_to(served, served.job_id, after=cursor) == (served.ids, 1000)


def streams(served: Served, cursor: str) -> list[tuple[int, list[int]]]:
    """The status and the ids of what each stream shows a viewer who has this id, in its header or in its query."""
    found = []
    for path in (f"/api/{kind}/{served.job_id}/stream" for kind in ("log", "job")):
        for answer in (
            served.get(path, headers={"last-event-id": cursor.encode("latin-1")}),
            served.get(path, params={"after": cursor}),
        ):
            ids = [int(line[4:]) for line in answer.text.split("\n") if line.startswith("id: ")]
            found.append((answer.status_code, ids))
    return found


def socket_to(served: Served, job_id: str, **query: str) -> tuple[list[int], int | None]:
    """The ids that a WebSocket shows, and the code that it is closed with, or the status in place of one."""
    url = served.server.client.build_request("GET", f"/api/log/{job_id}/ws", params=query).url.copy_with(scheme="ws")
    ids: list[int] = []
    try:
        with connect(str(url), open_timeout=10) as connection, suppress(ConnectionClosed):
            while True:
                ids += [item["id"] for item in json.loads(connection.recv(5))]
    except InvalidStatus as refused:
        return ids, refused.response.status_code
    return ids, connection.close_code


# Of a form that no store may see, with a mark that can be looked for on the way to one.
HOSTILE = [
    "..%2f..%2f{}", "..%5c{}", "{}%23", "{}%2f..", "%00{}", "{}%0d%0a", "{}%20", "{}%ff", "%c3%a9{}", "{}'--", "{}*",
    "x" * 8_000 + "{}",
]  # fmt: skip
PATHS = ["/api/log/{}/stream", "/api/log/{}", "/api/job/{}/stream", "/api/job/{}/result", "/api/jobs/{}"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile[:9])
def test_57_what_is_no_id_is_not_found_and_does_not_reach_the_store(served: Served, hostile: str) -> None:
    mark = secrets.token_hex(8)
    for path in PATHS:
        answer = served.get(path.format(hostile.format(mark)))
        assert (answer.status_code, answer.json()) == (404, {"error": "not found"}), path
    assert served.server.client.post(f"/api/job/{hostile.format(mark)}/cancel").status_code == 404
    # 403: there is no such path; 414: uvicorn reads none so long.
    assert socket_to(served, hostile.format(mark)) in (([], 4404), ([], 403), ([], 414))
    assert mark.encode() not in b"".join(served.asked)
    if served.asked:  # it would have been seen there
        assert served.get(f"/api/log/{mark}").status_code == 404
        assert mark.encode() in b"".join(served.asked)


def test_58_a_flood_of_random_ids_asks_the_store_little_and_leaves_nothing(served: Served) -> None:
    mark = secrets.token_hex(8)

    async def flood(count: int) -> None:
        places = asyncio.Semaphore(100)
        async with httpx.AsyncClient(base_url=served.server.client.base_url, timeout=30) as client:

            async def one(n: int) -> None:
                async with places:
                    path = PATHS[n % 3].format(f"{mark}{secrets.token_hex(8)}")
                    assert (await client.get(path)).status_code == 404

            await asyncio.gather(*map(one, range(count)))

    process = served.server.process.pid

    def growth() -> int:
        before = resident(process)
        asyncio.run(flood(400))
        return resident(process) - before

    asyncio.run(flood(100))
    asked, files = len(served.asked), open_files(process)
    asyncio.run(flood(400))
    assert sum(mark.encode() in each for each in served.asked[asked:]) < 400, "each search asks the store by itself"
    # The server may be at something else meanwhile, that it loads once.
    assert any(growth() < 1_000_000 for _ in range(5)), "every flood leaves something"
    # The database opens more connections when it has more to do, and keeps them.
    eventually(lambda: open_files(process) < files + 50)
