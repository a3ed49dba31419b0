"""What people have in a Redis URL: it works as it says, or is refused by name when the store is made."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis_server import LOOPBACK, RedisServer
from store_outages import until

from streamator import JobLogger, RedisStore, StoreError, open_store
from streamator.testing import collect
from streamator.testing.base import messages

PASSWORD = "p@ss/w#rd:?"
QUOTED = "p%40ss%2Fw%23rd%3A%3F"
PREFIX = "shop:prod"


@dataclass
class Places:
    """Where one server can be reached, and with what."""

    port: int
    tls_port: int
    unix: Path
    certificate: Path
    key: Path

    def fill(self, url: str) -> str:
        return url.format(
            plain=f"worker:{QUOTED}@{LOOPBACK}:{self.port}", tls=f"worker:{QUOTED}@{LOOPBACK}:{self.tls_port}",
            named=f"worker:{QUOTED}@localhost:{self.tls_port}", unix=f"worker:{QUOTED}@{self.unix}",
            cert=self.certificate, key=self.key, host=f"{LOOPBACK}:{self.port}", quoted=QUOTED,
        )  # fmt: skip


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 alone that nobody but itself has signed, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=redis",
            "-addext", f"subjectAltName=IP:{LOOPBACK}", "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        tls_port = probe.getsockname()[1]
    options = [
        "--tls-port", str(tls_port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "optional", "--unixsocket", "redis.sock",
    ]  # fmt: skip
    with RedisServer(*options) as server:
        rights = f"on >{PASSWORD} ~{PREFIX}:* +@read +@write +@scripting +@connection +time"
        server.client.execute_command("ACL", "SETUSER", "worker", *rights.split())
        yield Places(server.port, tls_port, server.folder / "redis.sock", certificate, key)


@pytest.mark.parametrize(
    "url",
    [
        "redis://{plain}/3",
        "redis://{plain}?db=3",
        "redis://{host}/3?username=worker&password={quoted}",
        "redis://{plain}/3?protocol=3&decode_responses=True",
        "redis://{plain}/3?encoding=utf-16&encoding_errors=ignore&max_connections=1&retry_on_timeout=yes&timeout=1",
        "redis://{plain}/3?socket_timeout=0.5&socket_connect_timeout=5&health_check_interval=1&client_name=web",
        "redis://{plain}/3?socket_keepalive=true",
        "rediss://{tls}/3?ssl_ca_certs={cert}",
        "rediss://{tls}/3?ssl_ca_certs={cert}&ssl_certfile={cert}&ssl_keyfile={key}&ssl_min_version=TLSv1_2",
        "rediss://{tls}/3?ssl_cert_reqs=none",
        "rediss://{tls}/3?ssl_cert_reqs=CERT_NONE",
        "rediss://{named}/3?ssl_ca_certs={cert}&ssl_check_hostname=false",
        "unix://{unix}?db=3",
    ],
)
def test_url_options_hold_for_writers_and_readers(places: Places, url: str) -> None:
    url = places.fill(url)
    writer, reader = (RedisStore(url, key_prefix=PREFIX, close_seconds=0.5) for _ in range(2))
    in_that_database = RedisStore(places.fill("redis://{plain}/3"), key_prefix=PREFIX, close_seconds=0.5)
    try:
        with JobLogger(writer) as job:
            job.log("one")
            job.log("two")
        for store in (reader, in_that_database):
            assert messages(asyncio.run(collect(store, job.job_id, timeout=10))) == ["one", "two"]
        assert (writer.degraded, reader.degraded) == (None, None)
    finally:
        for store in (writer, reader, in_that_database):
            store.close()


def test_a_line_that_comes_after_socket_timeout_is_seen(places: Places) -> None:
    url = places.fill("redis://{plain}/3?socket_timeout=0.2")
    writer, reader = (RedisStore(url, key_prefix=PREFIX, close_seconds=0.5) for _ in range(2))
    try:
        job = JobLogger(writer)
        job.log("one")

        async def watch() -> list[str]:
            watching = asyncio.create_task(collect(reader, job.job_id, timeout=20))
            await asyncio.sleep(0.6)  # for longer than an answer may take
            assert reader.degraded is None
            job.log("two")
            job.close()
            return messages(await watching)

        assert asyncio.run(watch()) == ["one", "two"]
    finally:
        writer.close()
        reader.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://h/0?ssl_cert_reqs=none", "'ssl_cert_reqs' without TLS: begin it with rediss://"),
        ("unix:///tmp/x?ssl_ca_certs=/dev/null", "ssl_ca_certs"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs is 'maybe': give none, optional or required"),
        ("rediss://h?ssl_ca_certs=/no/such/file", "ssl_ca_certs is '/no/such/file': there is no such file"),
        ("rediss://h?ssl_ca_data=x", "options ssl_ca_data cannot be used"),
        ("rediss://h?ssl_keyfile=/etc/hosts", "'ssl_keyfile' without 'ssl_certfile'"),
        ("rediss://h?ssl_cert_reqs=none&ssl_check_hostname=true", "ssl_check_hostname=true with ssl_cert_reqs=none"),
        ("rediss://h?ssl_min_version=TLSv9", "ssl_min_version is 'TLSv9'"),
        ("rediss://h?ssl_ciphers=none-of-them", "options ssl_ciphers cannot be used"),
        ("redis://h?colour=blue", "the option 'colour', which this store does not know: leave it out"),
        ("redis://h?connection_class=x", "connection_class"),
        ("redis://h?retry=3", "'retry'"),
        ("redis://h/0?db=3", "two values for db: 0 in its path and 3 as an option"),
        ("redis://h?db=1&db=2", "'db' twice"),
        ("redis://h/abc", "'abc' is no number of a database"),
        ("redis://h/0/1", "is no number of a database"),
        ("redis://h?db=one", "db is 'one'"),
        ("redis://h?protocol=4", "protocol is '4': give 2 or 3"),
        ("redis://h?decode_responses=perhaps", "decode_responses is 'perhaps': give true or false"),
        ("redis://h?socket_timeout=0", "socket_timeout is 0.0"),
        ("redis://h?socket_timeout=nan", "socket_timeout is 'nan'"),
        ("redis://h?health_check_interval=x", "health_check_interval"),
        ("redis://me@h?username=you", "two values for username"),
        ("redis://h:0", "the port"),
        ("redis://h:70000", "the port"),
        ("redis://h?db", "cannot be read"),
        ("redis+socket:///tmp/x", "'redis[+]socket' is none of redis, rediss and unix"),
        ("127.0.0.1:6379", "give redis://"),
        ("unix://", "no path of a socket"),
        ("", "it has no scheme"),
        (None, "url is None: give redis://"),
        (6379, "url is 6379"),
    ],
)
def test_bad_url_options_are_refused_by_name_when_the_store_is_made(url: str, says: str) -> None:
    for error in (ValueError, StoreError):
        with pytest.raises(error, match=says):
            open_store("redis", url=url)


@pytest.mark.parametrize(
    "url",
    ["redis://:top/secret@h", "redis://:top#secret@h", "redis://:top?secret@h", "redis://:1secret@h?password=2secret"],
)
def test_an_error_about_a_url_does_not_show_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="url ") as caught:
        RedisStore(url)
    seen = [caught.value, caught.value.__cause__]
    assert not any("secret" in str(error) for error in seen)


def test_missing_rights_are_named_with_the_fix() -> None:
    with RedisServer() as server:
        server.client.execute_command("ACL", "SETUSER", "default", "-time")
        store = RedisStore(server.url, close_seconds=0)
        JobLogger(store).log("x")
        assert "give a url with the user and the password of one who may" in str(until(lambda: store.degraded))
        store.close()


def test_an_unknown_certificate_is_named_with_the_fix(places: Places) -> None:
    store = RedisStore(places.fill("rediss://{tls}/3"), close_seconds=0)
    job = JobLogger(store)
    job.log("x")
    said = until(lambda: store.degraded)
    assert re.search(r"certificate is not known here .*rediss://\.\.\.\?ssl_ca_certs=ca\.pem", str(said))
    with pytest.raises(StoreError, match="ssl_ca_certs="):
        asyncio.run(store.find("unknown"))
    store.close()


@pytest.mark.parametrize("database", [0, 3])
def test_a_redis_cluster_is_refused_by_writer_and_reader(database: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as free:  # by default 10,000 above the other: too high
        bus = str(free.getsockname()[1])
    with RedisServer("--cluster-enabled", "yes", "--cluster-port", bus) as server:
        server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        until(lambda: "cluster_state:ok" in str(server.client.execute_command("CLUSTER", "INFO")))
        store = RedisStore(f"redis://{LOOPBACK}:{server.port}/{database}", close_seconds=0)
        job = JobLogger(store)
        job.log("x")
        said = until(lambda: store.degraded)
        assert "a Redis Cluster, which this store does not work with: give the url of a single server" in str(said)
        store.close()


@pytest.mark.parametrize("prefix", ["a:b", "{tag}:x", "prod/shop.1:", "é", "*"])
def test_the_usual_key_prefixes_are_accepted(redis_server: RedisServer, prefix: str) -> None:
    store = open_store("redis", url=redis_server.url, key_prefix=prefix, close_seconds=1)
    with JobLogger(store, job_id="job") as job:
        job.log("x")
    store.close()
    begin = prefix.rstrip(":")
    found = {key.decode() for key in redis_server.client.keys() if key.decode().startswith(begin)}
    assert {f"{begin}:log:job", f"{begin}:job:job", f"{begin}:jobs"} <= found
    reader = RedisStore(redis_server.url, key_prefix=prefix)
    assert [listed["job_id"] for listed in asyncio.run(reader.jobs())] == ["job"]
    assert messages(asyncio.run(collect(reader, "job"))) == ["x"]
    reader.close()
