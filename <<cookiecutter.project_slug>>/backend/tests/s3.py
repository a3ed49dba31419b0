"""A bucket on loopback, and a disk that is full."""

from __future__ import annotations

import contextlib
import resource
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
import pytest

from tests.process import moto_server, s3_environment

__all__ = ["Bucket", "bucket", "disk_of", "own_bucket", "s3_server"]


@dataclass
class Bucket:
    """A bucket at a server of S3 on loopback."""

    port: int
    process: subprocess.Popen[bytes]
    name: str = field(default_factory=lambda: f"bucket-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        self.client = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="eu-central-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    @property
    def url(self) -> str:
        return f"s3://{self.name}/some/prefix"

    @property
    def keys(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def ask_who_it_is(self) -> None:
        """From here on the server answers those alone who have a key that it has given, which nobody has."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}/moto-api/reset-auth", content=b"0")
        assert answer.status_code == 200

    def go_away(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with moto_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: tuple[int, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of a server that is there for all tests."""
    for name, value in s3_environment(s3_server[0]).items():
        monkeypatch.setenv(name, value)
    return Bucket(*s3_server)


@pytest.fixture
def own_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket of a server that the test may end."""
    with moto_server(tmp_path) as server:
        for name, value in s3_environment(server[0]).items():
            monkeypatch.setenv(name, value)
        yield Bucket(*server)


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can be larger: what the kernel says is what it says of a full disk, but for the words."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
