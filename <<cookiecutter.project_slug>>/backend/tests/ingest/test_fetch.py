from __future__ import annotations

import gzip
import hashlib
import ssl
import time
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.ingest.fetch import BadUrl, Fetched, Fetcher, NotModified, RetryLater, check_url
from app.jobs import JobError
from tests.support import RunningApp, Web

pytestmark = pytest.mark.anyio


class Fetch:
    """Fetches into a file; collects the lines."""

    def __init__(self, directory: Path) -> None:
        self.target = directory / "fetched"
        self.lines: list[str] = []

    async def __call__(self, url: str, **options: Any) -> Fetched:
        more = {"known": options.pop("known")} if "known" in options else {}
        fetcher = Fetcher(**{"max_bytes": 100_000, "allow_private": True, "step": 0.01, **options})
        return await fetcher.fetch(url, self.target, lambda message, level: self.lines.append(message), **more)


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


async def test_a_document_arrives_with_what_is_known_of_it(fetch: Fetch, web: Web) -> None:
    url = web.put("/a/My%20page.html?x=1", b"hello", content_type="text/html; charset=Latin-1")
    found = await fetch(url)
    assert fetch.target.read_bytes() == b"hello"
    assert found == Fetched(
        bytes=5,
        sha256=hashlib.sha256(b"hello").hexdigest(),
        name="My page.html",
        media_type="text/html; charset=Latin-1",
        charset="Latin-1",
        url=url,
    )
    assert fetch.lines[0] == f"Fetching {url}"
    assert fetch.lines[2] == "200 OK, text/html; charset=Latin-1, 5 bytes announced"
    assert fetch.lines[-1].startswith("Fetched 5 bytes in ")


async def test_the_name_of_what_was_fetched_is_one_that_can_be_shown(fetch: Fetch, web: Web) -> None:
    path = "/%2e%2e%2f%E2%80%AEfdp%0a.%00exe"
    web.put(path, b"words")
    assert (await fetch(web.url + path)).name == "fdp.exe"


async def test_redirects_are_followed_and_shown(fetch: Fetch, web: Web) -> None:
    web.put("/b/c.txt", b"there")
    url = web.put("/a", status=302, location="/b/c.txt#part")
    found = await fetch(url)
    assert (found.name, fetch.target.read_bytes()) == ("c.txt", b"there")
    assert f"302 Found: redirected to {web.url}/b/c.txt" in fetch.lines


async def test_a_ring_of_redirects_ends(fetch: Fetch, web: Web) -> None:
    url = web.put("/ring", status=301, location="/ring")
    with pytest.raises(JobError, match=r"Redirected more than 5 times"):
        await fetch(url)
    assert len(web.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x.y/z", "gopher://x"])
async def test_a_redirect_out_of_the_web_is_refused(fetch: Fetch, web: Web, location: str) -> None:
    with pytest.raises(JobError, match=r"is not a web address|is not a URL"):
        await fetch(web.put("/a", status=302, location=location))


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (204, "has no content"), (206, "a part alone"), (300, "no address where to go on"), (304, "no address"),
        (400, "check the URL"), (401, "sign in"), (402, "paid for"), (403, "refuses this server"),
        (404, "check the URL"), (410, "removed for good"), (429, "too many requests: try again later"),
        (451, "legal reasons"), (500, "fault is on its side"), (503, "try again later"), (599, "try again later"),
    ],
)  # fmt: skip
async def test_an_error_status_is_a_clear_error(fetch: Fetch, web: Web, status: int, advice: str) -> None:
    url = web.put("/x", b"no", status=status)
    with pytest.raises(JobError, match=rf"answered {status} .*/x: .*{advice}"):
        await fetch(url)


async def test_a_length_over_the_limit_is_refused_unread(fetch: Fetch, web: Web) -> None:
    url = web.put("/big", b"x" * 200_000)
    with pytest.raises(JobError, match="is 200 kB, and MAX_UPLOAD_MB allows 100 kB"):
        await fetch(url)


async def test_a_body_over_the_limit_is_broken_off(fetch: Fetch, web: Web) -> None:
    sent: list[int] = []

    def endless(socket: Any) -> None:
        while len(sent) < 10_000:
            socket.write(b"x" * 10_000)
            sent.append(1)

    with pytest.raises(JobError, match="went past 100 kB"):
        await fetch(web.put("/endless", endless))
    assert fetch.target.stat().st_size <= 100_000


async def test_compressed_content_is_unpacked(fetch: Fetch, web: Web) -> None:
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        url = web.put(f"/{encoding}", pack(b"words " * 5000), content_encoding=encoding)
        assert (await fetch(url)).bytes == 30_000
        assert fetch.target.read_bytes() == b"words " * 5000


async def test_a_bomb_is_broken_off_at_the_limit(fetch: Fetch, web: Web) -> None:
    url = web.put("/bomb", gzip.compress(bytes(50_000_000)), content_encoding="gzip")
    with pytest.raises(JobError, match="went past 100 kB"):
        await fetch(url)


async def test_compressed_content_in_several_parts_is_whole(fetch: Fetch, web: Web) -> None:
    parts = gzip.compress(b"words " * 5000) + gzip.compress(b"and more")
    bare = zlib.compressobj(wbits=-15)
    deflated = bare.compress(b"words " * 5000 + b"and more") + bare.flush()
    for encoding, body in (("gzip", parts + bytes(100)), ("deflate", deflated), ("gzip", parts + b"rest")):
        await fetch(web.put("/parts", body, content_encoding=encoding))
        assert fetch.target.read_bytes() == b"words " * 5000 + b"and more"
    assert "4 bytes behind the compressed data are no part of it, and left out" in fetch.lines


async def test_cookies_are_kept_over_the_redirects_of_one_fetch_where_they_belong(fetch: Fetch, web: Web) -> None:
    elsewhere = f"http://localhost:{web.url.rsplit(':', 1)[1]}/c"
    url = web.put("/a", status=302, location="/b", set_cookie="seen=1; Path=/; HttpOnly")
    web.put("/b", status=302, location=elsewhere)
    web.put("/c", status=302, location=f"{web.url}/d")
    web.put("/d", b"words")
    for _ in range(2):
        found = await fetch(url)
        assert [with_.get("cookie") for with_ in web.asked_with[-4:]] == [None, "seen=1", None, "seen=1"]
    assert found.cookies.get("seen") == "1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7), ({"retry_after": "0"}, 0), ({"retry_after": " 7 "}, 7),
        ({"retry_after": "Sun, 01 Nov 1998 10:00:07 GMT"}, 0), ({"retry_after": "soon"}, None),
        ({"retry_after": "-7"}, None), ({"retry_after": "9" * 400}, None), ({}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
async def test_when_a_server_may_be_asked_again_is_known(
    fetch: Fetch, web: Web, status: int, headers: dict[str, Any], seconds: float | None
) -> None:
    with pytest.raises(JobError, match=f"answered {status}") as refused:
        await fetch(web.put("/x", b"no", status=status, **headers))
    assert getattr(refused.value, "seconds", None) == seconds


async def test_a_date_to_ask_again_is_by_the_clock_of_the_server(fetch: Fetch, web: Web) -> None:
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    with pytest.raises(RetryLater, match=r"in (\d\d\.\d s|1 min 0 s) at the earliest") as refused:
        await fetch(web.put("/x", b"no", status=429, retry_after=later))
    assert 50 < refused.value.seconds <= 60


@pytest.mark.parametrize("headers", [{"ETag": 'W/"1"'}, {"Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}])
async def test_a_document_is_asked_for_with_what_was_said_of_it(
    fetch: Fetch, web: Web, headers: dict[str, Any]
) -> None:
    web.put("/b", b"words", **headers)
    url = web.put("/a", status=302, location="/b")
    known = (await fetch(url)).validators
    assert known is not None
    web.put("/b", status=304)
    with pytest.raises(NotModified):
        await fetch(url, known=known)
    (value,) = headers.values()
    asked = {name.lower(): text for name, text in web.asked_with[-1].items()}
    assert [asked.get("if-none-match"), asked.get("if-modified-since")].count(value) == 1
    assert not {"if-none-match", "if-modified-since"} & set(web.asked_with[-2])  # it is not said of the redirect


async def test_layers_of_compression_are_refused(fetch: Fetch, web: Web) -> None:
    url = web.put("/layers", gzip.compress(gzip.compress(b"x")), content_encoding="gzip, gzip")
    with pytest.raises(JobError, match="compressed with “gzip, gzip”"):
        await fetch(url)


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"words " * 5000)[:-20]])
async def test_broken_compression_is_a_clear_error(fetch: Fetch, web: Web, body: bytes) -> None:
    with pytest.raises(JobError, match=r"cannot be decompressed|in the middle of its compressed data"):
        await fetch(web.put("/broken", body, content_encoding="gzip"))


async def test_a_body_cut_short_is_a_clear_error(fetch: Fetch, web: Web) -> None:
    url = web.put("/short", b"only this", content_length="500")
    with pytest.raises(JobError, match="could not be fetched whole: the server hung up after 9 bytes of the 500 bytes"):
        await fetch(url, timeout=5)


async def test_a_server_that_trickles_is_left_at_the_time_limit(
    fetch: Fetch, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    def trickle(socket: Any) -> None:
        for _ in range(200):
            socket.write(b"x")
            time.sleep(0.05)

    with pytest.raises(JobError, match="did not arrive within 300 ms"):
        await fetch(web.put("/trickle", trickle), timeout=0.3)
    assert "MAX_FETCH_SECONDS is 0.3" in caplog.text


async def test_no_server_is_a_clear_error(fetch: Fetch) -> None:
    with pytest.raises(JobError, match=r"127\.0\.0\.1, port 2\) cannot be connected to"):
        await fetch("http://127.0.0.1:2/")


async def test_no_such_host_is_a_clear_error(fetch: Fetch) -> None:
    with pytest.raises(JobError, match=r"There is no host 'nowhere.invalid'.*check the URL's spelling"):
        await fetch("http://nowhere.invalid/x")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://2130706433:{port}/x",
        "http://127.1:{port}/x",
        "http://0x7f000001:{port}/x",
        "http://0x7f.1:{port}/x",
        "http://017700000001:{port}/x",
        "http://0:{port}/x",
        "http://0.0.0.0:{port}/x",
        "http://[::1]:{port}/x",
        "http://[::ffff:127.0.0.1]:{port}/x",
        "http://[::ffff:7f00:1]:{port}/x",
        "http://[::ffff:0:127.0.0.1]:{port}/x",
        "http://[::127.0.0.1]:{port}/x",
        "http://[64:ff9b::127.0.0.1]:{port}/x",
        "http://[64:ff9b:1::127.0.0.1]:{port}/x",
        "http://[2002:7f00:1::]:{port}/x",
        "http://[fe80::1]:{port}/x",
        "http://[fc00::1]:{port}/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.0.1:8080/",
    ],
)
async def test_addresses_off_the_public_internet_are_never_connected_to(fetch: Fetch, web: Web, url: str) -> None:
    web.put("/x", b"secret")
    with pytest.raises(JobError, match="not on the public internet: refused"):
        await fetch(url.format(port=web.url.rsplit(":", 1)[1]), allow_private=False)
    assert web.asked == []


async def test_a_redirect_into_this_machine_is_refused(fetch: Fetch, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    # One public name in a world of its own: it leads to the test's server, and counts as public by its name.
    port = web.url.rsplit(":", 1)[1]
    public = _World(monkeypatch, {"public.example": ["127.0.0.1"]}, allowed={"public.example"})
    web.put("/secret", b"secret")
    web.put("/go", status=302, location=f"http://127.0.0.1:{port}/secret")
    with pytest.raises(JobError, match=r"'127.0.0.1' is not on the public internet: refused"):
        await fetch(f"http://public.example:{port}/go", allow_private=False)
    assert web.asked == ["/go"]
    assert public.asked == ["public.example", "127.0.0.1"]


@pytest.mark.parametrize(
    ("root", "item"), [("rss", "<item><link>{}</link></item>"), ("sitemapindex", "<sitemap><loc>{}</loc></sitemap>")]
)
def test_what_a_feed_or_a_sitemap_names_is_checked_like_the_first_address(
    run_app: Callable[..., RunningApp], web: Web, monkeypatch: pytest.MonkeyPatch, root: str, item: str
) -> None:
    _World(monkeypatch, {"public.example": ["127.0.0.1"]}, allowed={"public.example"})
    port = web.url.rsplit(":", 1)[1]
    public = f"http://public.example:{port}"
    web.put("/secret", b"secret")
    web.put("/go", status=302, location=f"http://127.0.0.1:{port}/secret")
    named = (
        f"http://localhost:{port}/secret",
        f"{public}/go",
        "file:///etc/passwd",
        f"http://a:b@public.example:{port}/secret",
    )
    web.put("/channel", f"<{root}>{''.join(map(item.format, named))}</{root}>".encode())
    running = run_app(streamator_store="memory")
    job_id = running.client.post("/api/ingest", json={"url": f"{public}/channel"}).json()["job_id"]
    assert running.events(job_id)[-1]["status"] == "failed"
    assert web.asked == ["/channel", "/go"]


async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(
    fetch: Fetch, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _World(monkeypatch, {"rebinds.example": ["203.0.113.1"]}, allowed={"rebinds.example"})
    world.then["rebinds.example"] = ["127.0.0.1"]
    web.put("/x", b"secret")
    with pytest.raises(JobError, match=r"203\.0\.113\.1"):
        await fetch(f"http://rebinds.example:{web.url.rsplit(':', 1)[1]}/x", allow_private=False, timeout=1)
    assert web.asked == []
    assert world.asked == ["rebinds.example"]


async def test_private_addresses_of_a_mixed_name_are_left_out(
    fetch: Fetch, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    _World(monkeypatch, {"mixed.example": ["127.0.0.1", "10.0.0.1"]}, allowed=set())
    with pytest.raises(JobError, match="refused") as refused:
        await fetch("http://mixed.example/", allow_private=False)
    assert "10.0.0.1" not in str(refused.value)


async def test_the_certificate_must_be_the_names(
    fetch: Fetch, tls_web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    names = {"named.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    _World(monkeypatch, names, allowed=set(names))
    tls_web.put("/x", b"words")
    port = tls_web.url.rsplit(":", 1)[1]
    assert (await fetch(f"https://named.example:{port}/x", allow_private=False)).bytes == 5
    with pytest.raises(JobError, match="certificate"):
        await fetch(f"https://other.example:{port}/x", allow_private=False)
    assert tls_web.asked == ["/x"]


@pytest.fixture
def tls_web(web: Web, tmp_path: Path) -> Web:
    """The web server with TLS, as named.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "named.example")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("named.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    return web


class _World:
    """Stands in for the name service, and makes what `allowed` names lead to count as public."""

    def __init__(self, patch: pytest.MonkeyPatch, names: dict[str, list[str]], allowed: set[str]) -> None:
        self.names, self.then, self.asked = names, dict[str, list[str]](), list[str]()
        self._public = False

        async def resolve(host: str, names: object) -> list[str]:
            self.asked.append(host)
            self._public = host in allowed
            answer = self.names.get(host, [host])
            if host in self.then:
                self.names[host] = self.then[host]
            return answer

        patch.setattr("app.ingest.fetch.resolve", resolve)
        patch.setattr("app.ingest.fetch.is_public", lambda address: self._public)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not a web address"),
        ("example.com", "not a web address"),
        ("ftp://example.com/", "not a web address"),
        ("javascript:alert(1)", "not a web address"),
        ("file:///etc/passwd", "not a web address"),
        ("http://", "not a web address"),
        ("http://user:password@example.com/", "holds a user name or password"),
        ("http://example.com:99999/", "has port 99999"),
        ("http://example.com:0/", "has port 0"),
        ("http://example.com:http/", "is not a URL"),
        ("http://example.com:25/", "port 25, which is not for the web"),
        ("https://example.com:6667/", "port 6667, which is not for the web"),
        ("http://example.com/\x00", "is not a URL"),
        ("http://[::1/", "is not a URL"),
        ("http://xn--a/", "is not a URL"),
        ("http://example.com/" + "x" * 3000, "at most 2,000"),
    ],
)
async def test_what_is_no_url_to_fetch_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(BadUrl, match=reason):
        check_url(url)


async def test_a_url_loses_its_fragment_and_keeps_the_rest() -> None:
    assert str(check_url(" https://Example.com/a?b=c#d ")) == "https://example.com/a?b=c"
