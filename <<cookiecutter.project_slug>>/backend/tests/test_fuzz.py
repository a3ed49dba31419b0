"""Random requests: whatever comes in, the server answers, without a mistake of its own, and keeps nothing of it."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence

import pytest

from app.features import FEATURES
from tests.fuzz import ask_as_the_schema_says, jobs_to_ask_for
from tests.support import RunningApp, eventually

pytestmark = pytest.mark.server

pytest.importorskip("app.ingest", reason="the jobs and the uploads of these tests are those of ingest")

RunApp = Callable[..., RunningApp]


@pytest.fixture
def running(run_app: RunApp, caplog: pytest.LogCaptureFixture) -> Iterator[RunningApp]:
    """An app that takes all that comes, and has no mistake to tell of at the end."""
    running = run_app(features=(*FEATURES, jobs_to_ask_for()), streamator_store="memory", job_ttl_seconds=3_600)
    yield running
    running.stop()
    assert [record.getMessage() for record in caplog.get_records("call") if is_mistake(record)] == []


def is_mistake(record: logging.LogRecord) -> bool:
    """Whether a line of the log tells of one. What uvicorn says of a client is none: that its text is no UTF-8, that it
    left before it had an answer, or that the answer is not whole, where uvicorn itself has hung up on it."""
    message, error = record.getMessage(), record.exc_info[1] if record.exc_info else None
    if record.levelno < logging.ERROR or record.name not in ("uvicorn.error", "asyncio"):
        return record.levelno >= logging.ERROR
    if message.startswith("Exception in ASGI application"):
        return not (isinstance(error, RuntimeError) and "the handler is closed" in str(error))
    return "never retrieved" in message or "was destroyed" in message


@pytest.fixture
def job_ids(running: RunningApp) -> list[str]:
    """A job that is over, and one that goes on."""
    over, open_ = (str(running.client.post(f"/api/fuzz/{how}").json()) for how in ("over", "open"))
    assert running.events(over)[-1]["event"] == "done"
    return [over, open_]


def test_no_request_that_the_schema_describes_or_forbids_is_a_mistake_of_the_servers(
    running: RunningApp, job_ids: list[str], subtests: pytest.Subtests
) -> None:
    document = running.result(running.ingest(b"A text to read.", "a.txt"))["id"]
    ask_as_the_schema_says(running, subtests, {"job_id": job_ids, "document_id": [document]})


HEAD = "host: 127.0.0.1\r\n"
FORM = (
    b'--xx\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nA text.\r\n'
    b'--xx\r\ncontent-disposition: form-data; name="url"\r\n\r\n\r\n--xx--\r\n'
)
POSTS = [
    ("/api/ingest", "multipart/form-data; boundary=xx", FORM),
    ("/api/ingest", "application/x-www-form-urlencoded", b"url=x%3A%2F%2F"),
    ("/api/ingest/stream", "application/json", b'{"url":"http://[","limit":"all"}'),
    ("/api/run", "application/json", b'{"text":"It says so. It is so.","options":{"length":"short"}}'),
    ("/api/auth/sign-in", "application/json", b'{"name":"ada","password":"x"}'),
    ("/api/job/none/cancel", "text/plain", b"x"),
]
# What stands between one thing and another, or means something to some parser on the way.
MARKS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\xff", b" ", b"#", b"?", b"&", b"=", b";", b"[", b"{", b'"',
    b"\\ud800", b"%00", b"%ff", b"%2f", b"..%2f", b"../", b"-1", b"9" * 400, b"x" * 10_000, b"; charset=undefined",
]  # fmt: skip
HEADERS = [
    b"host: [", b"host: 127.0.0.1:x", b"content-length: 5", b"content-length: -1", b"transfer-encoding: chunked",
    b"expect: 100-continue", b"upgrade: websocket\r\nconnection: upgrade", b"last-event-id: \xb2", b"origin: http://[",
    b"range: bytes=5-1,0-", b"cookie: \xff=;;", b"accept-encoding: \xff", b"authorization: Bearer e30.e30.",
    b"content-type: multipart/form-data", b"content-type: application/json; charset=undefined", b"connection: close",
]  # fmt: skip


def good_requests(job_ids: Sequence[str]) -> list[bytes]:
    """Requests with nothing wrong in them."""
    paths = [f"/api/{path}" for path in ("jobs?limit=3&kind=x", "stats/stream", "agents/stream", "documents?q=a+b")]
    for job_id in job_ids:
        paths += [f"/api/log/{job_id}?after=2&types=log", f"/api/job/{job_id}/stream", f"/api/log/{job_id}/stream"]
    made = [f"GET {path} HTTP/1.1\r\n{HEAD}last-event-id: 3\r\n\r\n".encode() for path in paths]
    # More than a body may have, where none is read.
    head = f"GET /api/log/{job_ids[-1]}/stream HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n"
    made.append(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (100_000, b"x" * 100_000))
    for path, kind, body in POSTS:
        head = f"POST {path} HTTP/1.1\r\n{HEAD}content-type: {kind}\r\n"
        made.append(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        made.append(f"{head}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    return made


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A client's WebSocket frame (RFC 6455, 5.2); `first`, its first byte, says what it is."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + bytes(4) + payload  # a mask of zeros


FRAMES = [
    frame(b'{"type":"pause"}'), frame(b'{"type":"resume"}'), frame(b"x" * 2_000), frame(b"\xff"), frame(b""),
    frame(b'{"type":', 0x01), frame(b'"pause"}', 0x80), frame(b"\x00\xff", 0x82), frame(b"", 0xF1),
    frame(b"a ping", 0x89), frame(b"a pong", 0x8A), frame(b"\x03\xe8", 0x88), b"\x81\xff" + b"\x7f" * 8,
]  # fmt: skip


def spoilt(request: bytes, chance: random.Random) -> bytes:
    """A request with a few things wrong in it."""
    for _ in range(chance.randint(0, 3)):
        start = chance.randrange(len(request) + 1)
        end = min(start + chance.choice([0, 0, 1, 5, 50]), len(request))
        put = chance.choice([b"", chance.choice(MARKS), chance.randbytes(3), request[start:end] * 3])
        request = request[:start] + put + request[end:]
    if chance.random() < 0.5:
        request = request.replace(b"\r\n", b"\r\n%b\r\n" % chance.choice(HEADERS), 1)
    return request


def conversation(job_ids: Sequence[str], chance: random.Random) -> list[bytes]:
    """What a client says, in parts: a request, or one for a WebSocket and then its frames."""
    if chance.random() < 0.7:
        return [spoilt(chance.choice(good_requests(job_ids)), chance)]
    key = base64.b64encode(chance.randbytes(16)).decode()
    path = f"/api/{chance.choice(['log', 'job'])}/{chance.choice(job_ids)}/ws"
    ask = (
        f"GET {path} HTTP/1.1\r\n{HEAD}upgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    )
    frames = b"".join(chance.choices(FRAMES, k=chance.randint(1, 4)))
    return [ask.encode(), spoilt(frames, chance) if chance.random() < 0.5 else frames]


async def converse(port: int, parts: Sequence[bytes]) -> bytes:
    """Sends each part when the one before was answered, or was not for a while; gives all that the server says."""
    said = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.wait_for(writer.drain(), 5)
            while new := await asyncio.wait_for(reader.read(65_536), 0.2):
                said += new
                if part is not parts[-1]:
                    break
    except (asyncio.TimeoutError, ConnectionError):
        pass  # it waits for the rest, or has had enough
    finally:
        writer.transport.abort()
    return said


def test_no_bytes_are_a_mistake_of_the_servers_and_none_of_them_stay(running: RunningApp, job_ids: list[str]) -> None:
    port = running.client.base_url.port
    assert port is not None

    async def converse_often(seeds: range) -> None:
        places = asyncio.Semaphore(40)

        async def one(seed: int) -> None:
            async with places:
                said = await converse(port, conversation(job_ids, random.Random(seed)))
                failed = re.findall(rb"^HTTP/1\.[01] 5\d\d.*", said, re.MULTILINE)
                assert not failed, f"{failed} after {conversation(job_ids, random.Random(seed))}"

        await asyncio.gather(*map(one, seeds))

    def held() -> dict[str, int]:
        gc.collect()
        return dict(running.client.get("/api/fuzz/held").json())

    def is_quiet() -> bool:
        now = held()
        more = {name: now[name] - idle[name] for name in ("tasks", "files", "open_jobs") if now[name] > idle[name]}
        print(more)  # shown where it fails
        return not more

    tasks = held()["tasks"]

    def growth(seeds: range) -> int:
        before = held()["memory"]
        asyncio.run(converse_often(seeds))
        # Where something waits behind a stream uvicorn does not read on: who leaves is missed at the second heartbeat.
        eventually(is_quiet, 60)
        return held()["memory"] - before

    asyncio.run(converse_often(range(300)))
    eventually(lambda: held()["tasks"] <= tasks, 60)
    idle = held()  # with what is loaded once
    assert any(growth(range(n, n + 300)) < 2_000_000 for n in range(300, 1_800, 300)), "each round leaves something"
    assert running.client.get("/healthz").json()["status"] == "ok"
