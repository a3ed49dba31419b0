"""Fixtures that several test files use: a DynamoDB and a Redis on this machine, and warnings as errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from dynamo_server import Proxy, moto
from redis_server import RedisServer

from streamator import MemoryStore

pytest.register_assert_rewrite("streamator.testing", "store_faults", "store_outages")

pytest_plugins = ["pytester", "streamator.testing.fixtures"]

SERVERS = {"server", "proxy", "redis_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use one of these servers: `make check` leaves them out."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name no test after bytes: compressed data holds the time, but every xdist process needs the same names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[int, int]]:
    """One moto server for all tests: (port, pid). A test that stops a server starts its own with `moto`."""
    with moto() as running:
        yield running


@pytest.fixture
def proxy(server: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of DynamoDB. The environment points to the proxy."""
    proxy = Proxy(server[0])
    for name, value in {
        "AWS_ENDPOINT_URL_DYNAMODB": proxy.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield proxy
    proxy.shut()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis server for all tests. A test that breaks a server starts its own."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def quiet() -> Iterator[None]:
    """Unexpected warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(autouse=True)
def _fresh_process(streamator_store: MemoryStore) -> None:
    """Each test begins with no store but a new default one."""


@pytest.fixture(autouse=True)
def _no_letters_at_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep dead letters of tests out of the home directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
