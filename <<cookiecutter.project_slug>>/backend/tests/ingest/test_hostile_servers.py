"""Name servers and web servers that mean harm: where a fetch goes, what it takes, and what its error tells."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.ingest import fetch
from app.ingest.addresses import is_public
from app.ingest.fetch import Fetched, Fetcher, check_url
from app.jobs import JobError
from tests.ingest.name_server import NameServer, name_server
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
Sends = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Site:
    """A web server that sends what it is told to, whatever it is asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0
        self.sends: Sends
        self._serving = set[asyncio.Task[None]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                await self.sends(writer)
                writer.close()
                await writer.wait_closed()
        except asyncio.CancelledError:  # the test is over; a task of a server's may not end as cancelled
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            tasks = list(self._serving)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # sockets are closed a turn later


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site().running() as found:
        yield found


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture
def public_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's web server is on the public internet; of all other addresses it is known which are."""
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


async def fetching(directory: Path, names: NameServer, url: str, **options: Any) -> Fetched:
    fetcher = Fetcher(**{"max_bytes": 1_000_000, "nameservers": [names.address], "step": 0.01, **options})
    try:
        return await fetcher.fetch(url, directory / "fetched", lambda message, level: None)
    finally:
        await fetcher.close()


def endlessly(data: bytes, start: bytes = b"") -> Sends:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(data)
            await writer.drain()

    return send


def at_once(data: bytes) -> Sends:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return send


def a_byte_at_a_time(data: bytes) -> Sends:
    async def send(writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    return send


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "sends",
    [
        pytest.param(endlessly(b"HTTP/1.1 100 Continue\r\n\r\n" * 500), id="1xx answers"),
        pytest.param(endlessly(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 500), id="early hints"),
        pytest.param(endlessly(b"x: y\r\n" * 500, OK), id="headers"),
        pytest.param(endlessly(b"x" * 5000, OK + b"x: "), id="one header"),
        pytest.param(endlessly(b"x" * 5000), id="no status line"),
        pytest.param(endlessly(b"1\r\nx\r\n" * 500, CHUNKED), id="small chunks"),
        pytest.param(endlessly(b"1;" + b"x" * 4000 + b"\r\nx\r\n", CHUNKED), id="chunk extensions"),
        pytest.param(endlessly(b"x" * 5000, CHUNKED + b"1;"), id="one chunk extension"),
        pytest.param(endlessly(b"x: y\r\n" * 500, CHUNKED + b"1\r\nx\r\n0\r\n"), id="trailers"),
    ],
)
@pytest.mark.usefixtures("public_here")
async def test_what_is_not_the_document_is_bounded(tmp_path: Path, names: NameServer, site: Site, sends: Sends) -> None:
    site.sends = sends
    with pytest.raises(JobError, match=r"are the document: upload the file|could not be fetched"):
        await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/", timeout=30)


@pytest.mark.usefixtures("public_here")
async def test_a_document_in_small_parts_is_taken_in(tmp_path: Path, names: NameServer, site: Site) -> None:
    site.sends = at_once(CHUNKED + b"8\r\nwords...\r\n" * 40_000 + b"0\r\n\r\n")
    assert (await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/")).bytes == 320_000


@pytest.mark.parametrize("data", [OK + b"x: " + b"y" * 1000, OK + b"\r\n" + b"x" * 1000, CHUNKED + b"1\r\n" * 1000])
@pytest.mark.usefixtures("public_here")
async def test_a_server_that_is_slow_is_left_at_the_time_limit(
    tmp_path: Path, names: NameServer, site: Site, data: bytes
) -> None:
    site.sends = a_byte_at_a_time(data)
    with pytest.raises(JobError, match="did not arrive within 400 ms"):
        await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/", timeout=0.4)


@pytest.mark.usefixtures("public_here")
async def test_others_have_their_turn_while_a_document_is_unpacked(
    tmp_path: Path, names: NameServer, site: Site
) -> None:
    packed = gzip.compress(bytes(30_000_000))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    site.sends = at_once(head + packed)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    found = await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/", max_bytes=40_000_000)
    counting.cancel()
    assert found.bytes == 30_000_000
    assert turns > 30_000_000 / 65_536


@pytest.mark.usefixtures("public_here")
async def test_a_name_that_changes_between_check_and_connect_leads_where_it_was_checked(
    tmp_path: Path, names: NameServer, site: Site
) -> None:
    names.names["rebinds.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    site.sends = at_once(OK + b"Content-Length: 5\r\n\r\nwords")
    url = f"http://rebinds.example:{site.port}/"
    assert (await fetching(tmp_path, names, url)).bytes == 5
    assert names.asked == ["rebinds.example"]
    with pytest.raises(JobError, match="not on the public internet: refused"):
        await fetching(tmp_path, names, url)


@pytest.mark.usefixtures("public_here")
async def test_a_name_that_changes_between_two_redirects_is_checked_again(
    tmp_path: Path, names: NameServer, site: Site
) -> None:
    names.names["rebinds.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    site.sends = at_once(b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(JobError, match=r"'rebinds\.example' is not on the public internet: refused"):
        await fetching(tmp_path, names, f"http://rebinds.example:{site.port}/")
    assert site.asked == 1


INSIDE = [
    "10.0.0.1", "127.0.0.2", "169.254.169.254", "168.63.129.16", "::1", "fd00:ec2::254", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:102:304::f5ff:fffe", "2001:db8::5efe:a00:1", "2a00::5efe:a00:1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_inside_is_refused_as_one_that_nobody_has(tmp_path: Path, names: NameServer, address: str) -> None:
    names.names["inside.example"] = [[address]]
    told = []
    for name in ("inside.example", "nobody.example"):
        with pytest.raises(JobError) as refused:
            await fetching(tmp_path, names, f"http://{name}/")
        told.append(str(refused.value).replace(name, "NAME"))
    assert names.asked == ["inside.example", "nobody.example"]
    assert told[0] == told[1]


@pytest.mark.parametrize("kind", ["inside", "nobody", "silent"])
async def test_a_name_is_refused_after_a_time_that_does_not_tell_why(
    tmp_path: Path, names: NameServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["inside.example"] = [["10.0.0.1"]]
    names.silent.add("silent.example")
    read, ends, now = list[float](), list[float](), anyio.current_time

    def current_time() -> float:
        read.append(now())
        return read[-1]

    async def sleep(seconds: float) -> None:
        ends.append(read[-1] + seconds)

    monkeypatch.setattr(anyio, "current_time", current_time)
    monkeypatch.setattr(anyio, "sleep", sleep)
    with pytest.raises(JobError, match="not on the public internet: refused"):
        await fetching(tmp_path, names, f"http://{kind}.example/", step=0.5, lookup=0.2)
    (end,) = ends
    assert any(round((end - began) / 0.5, 6) % 1 == 0 for began in read[:-1])


async def test_who_may_reach_the_network_is_told_what_is_wrong_with_a_name(tmp_path: Path, names: NameServer) -> None:
    with pytest.raises(JobError, match=r"There is no host 'nobody.example' \(.+\): check the URL's spelling"):
        await fetching(tmp_path, names, "http://nobody.example/", allow_private=True)


@pytest.mark.usefixtures("public_here")
async def test_names_that_are_never_answered_hold_nobody_up(tmp_path: Path, names: NameServer, site: Site) -> None:
    site.sends = at_once(OK + b"Content-Length: 5\r\n\r\nwords")
    hanging = [f"hangs{n}.example" for n in range(100)]
    names.silent.update(hanging)
    names.names["quick.example"] = [["127.0.0.1"]]
    fetcher = Fetcher(max_bytes=1000, nameservers=[names.address])
    async with anyio.create_task_group() as group:
        for number, name in enumerate(hanging):
            target = tmp_path / str(number)
            group.start_soon(fetcher.fetch, f"http://{name}/", target, lambda message, level: None)
        await eventually_async(lambda: len(set(names.asked)) == 100)
        url = f"http://quick.example:{site.port}/"
        with anyio.fail_after(20):  # each of them takes 5 s
            found = await fetcher.fetch(url, tmp_path / "quick", lambda message, level: None)
            assert await asyncio.to_thread(lambda: "a thread is free") == "a thread is free"
        group.cancel_scope.cancel()
    await fetcher.close()
    assert found.bytes == 5


@pytest.mark.usefixtures("public_here")
async def test_of_thousands_of_addresses_a_few_are_tried(tmp_path: Path, names: NameServer) -> None:
    # By TCP, since no datagram holds them. Nobody listens at port 2.
    names.names["many.example"] = [["127.0.0.1"] + [f"10.{n >> 8}.{n & 255}.1" for n in range(3000)]]
    with pytest.raises(JobError, match=r"many\.example \(127\.0\.0\.1, port 2\) cannot be connected to"):
        await fetching(tmp_path, names, "http://many.example:2/")


async def test_a_few_addresses_are_tried_and_no_more(
    tmp_path: Path, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "is_public", lambda address: True)
    names.names["many.example"] = [[f"127.0.{n >> 8}.{n & 255}" for n in range(1, 3000)]]
    lines: list[str] = []
    fetcher = Fetcher(max_bytes=1000, nameservers=[names.address])
    with pytest.raises(JobError, match="port 2\\) cannot be connected to"):
        await fetcher.fetch("http://many.example:2/", tmp_path / "x", lambda message, level: lines.append(message))
    await fetcher.close()
    assert len([line for line in lines if "trying the next address" in line]) == 2


async def test_many_addresses_of_one_kind_hide_none_of_the_other(
    tmp_path: Path, names: NameServer, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str, names: object) -> list[str]:
        return [*(f"::ffff:127.0.1.{n}" for n in range(1, 100)), "127.0.0.1"]

    monkeypatch.setattr(fetch, "is_public", lambda address: True)
    monkeypatch.setattr(fetch, "resolve", resolve)
    site.sends = at_once(OK + b"Content-Length: 5\r\n\r\nwords")
    assert (await fetching(tmp_path, names, f"http://many.example:{site.port}/")).bytes == 5


@pytest.mark.usefixtures("public_here")
async def test_proxies_of_the_environment_are_not_asked(
    tmp_path: Path, names: NameServer, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Site()
    proxy.sends = at_once(OK + b"Content-Length: 5\r\n\r\nproxy")
    names.names["site.example"] = [["127.0.0.1"]]
    site.sends = at_once(OK + b"Content-Length: 4\r\n\r\nsite")
    async with proxy.running():
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        found = await fetching(tmp_path, names, f"http://site.example:{site.port}/")
    assert (found.bytes, site.asked, proxy.asked) == (4, 1, 0)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost.", "LOCALHOST", "a.localhost", "127.0.0.1.", "127.1", "0177.0.0.1", "0x7f.0.0.1",
        "127.0x1", "[fe80::1%25lo]", "[2606:4700:4700::1111%25lo]", "[fe80::1%lo]", "ⓛocalhost", "１２７.0.0.1",
        "127。0。0。1", "in..side", ".", "..", "-", "a_b.example", "xn--a", "x" * 64 + ".example",
    ],
)  # fmt: skip
async def test_a_host_in_any_spelling_leads_nowhere_inside(
    tmp_path: Path, names: NameServer, site: Site, host: str
) -> None:
    site.sends = at_once(OK + b"Content-Length: 6\r\n\r\nsecret")
    with pytest.raises(JobError, match=r"not on the public internet: refused|is not a URL|not a web address"):
        await fetching(tmp_path, names, f"http://{host}:{site.port}/")
    assert site.asked == 0


async def test_a_name_of_any_script_is_asked_for_in_ascii(tmp_path: Path, names: NameServer) -> None:
    assert check_url("http://bücher.example/").host == "bücher.example"
    with pytest.raises(JobError, match=r"'bücher\.example' is not on the public internet"):
        await fetching(tmp_path, names, "http://bücher.example/")
    assert names.asked == ["xn--bcher-kva.example"]


@pytest.mark.usefixtures("public_here")
async def test_what_a_server_says_of_itself_is_told_in_short(tmp_path: Path, names: NameServer, site: Site) -> None:
    site.sends = at_once(b"HTTP/1.1 404 " + b"no " * 9000 + b"\r\n\r\n")
    with pytest.raises(JobError, match="answered 404 no no") as refused:
        await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/")
    assert len(str(refused.value)) < 300
    site.sends = at_once(OK + b"Content-Type: text/" + b"x" * 9000 + b"\r\nContent-Length: 1\r\n\r\nx")
    assert len((await fetching(tmp_path, names, f"http://127.0.0.1:{site.port}/")).media_type) == 200
