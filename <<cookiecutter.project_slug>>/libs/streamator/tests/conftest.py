"""What several files of tests use: a DynamoDB and a Redis on this machine, and warnings as errors."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator

import pytest
from dynamo_server import Proxy, moto
from redis_server import RedisServer

import streamator
import streamator.store
from streamator.dropped import end_dropped

pytest.register_assert_rewrite("streamator.testing")

SERVERS = {"server", "proxy", "redis_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs one of the servers here is marked as such: `make check` leaves it out."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def pytest_make_parametrize_id(val: object) -> str | None:
    """No test is named after bytes: what is compressed has the time in it, and each process needs the same names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[int, int]]:
    """One moto server for all tests: (port, pid). A test that stops it starts its own, with `moto`."""
    with moto() as running:
        yield running


@pytest.fixture
def proxy(server: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Before a DynamoDB, to which the environment leads."""
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
    """One Redis server for all tests. A test that breaks it starts its own."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def quiet() -> Iterator[None]:
    """A warning that no test expects is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(autouse=True)
def _dropped_loggers_are_this_tests_own() -> Iterator[None]:
    """What is warned of the loggers that a test leaves open is not heard by the next one."""
    yield
    end_dropped()


@pytest.fixture(autouse=True)
def _no_stores_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is one of its process's until it is collected: one that a test before this one has left is not asked, and
    its jobs are nobody's."""
    monkeypatch.setattr(streamator.store, "_stores", weakref.WeakSet())
    monkeypatch.setattr(streamator.store, "_shared", {})
    streamator.open_store("memory")


@pytest.fixture(autouse=True)
def _no_letters_at_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has refused does not end up among the letters of whoever runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
