"""The contracts for `DynamoStore`, with a server on this machine."""

from __future__ import annotations

import os
import random
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from dynamo_server import Answer, Proxy, error
from store_faults import FaultContract
from store_outages import Make, RemoteFaultContract

from streamator import DynamoStore
from streamator.stores.dynamo import item_size
from streamator.testing import StoreContract

pytest.importorskip("moto")
from dynamo_table import THROTTLED, Table

pytestmark = pytest.mark.server


class TestDynamoStoreContract(StoreContract, FaultContract):
    timeout = 30.0

    def make(self) -> DynamoStore:
        return DynamoStore(self.table, endpoint_url=self.url, flush_seconds=0.05, lease_seconds=1.5, close_seconds=5)

    @pytest.fixture
    def store(self, server: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStore]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        self.url = f"http://127.0.0.1:{server[0]}"
        self.table = f"logs-{uuid.uuid4().hex[:8]}"
        store = self.make()
        yield store
        store.close()

    def reader(self) -> DynamoStore:
        return self.make()


class Server(Table):
    """A moto table behind a proxy."""

    def __init__(self, proxy: Proxy, pid: int) -> None:
        super().__init__(f"http://127.0.0.1:{proxy.target}")
        self.proxy = proxy
        self.pid = pid

    def kill(self) -> None:
        self.proxy.shut()

    def start(self) -> None:
        self.proxy.open()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def throttle(self, share: float) -> None:
        def turn_away(name: str, body: dict[str, Any]) -> Answer | None:
            turned_away = name == "PutItem" and "answered" not in body and random.random() < share
            return error(random.choice(THROTTLED)) if turned_away else None

        self.proxy.on_call = turn_away

    def deny(self) -> None:
        self.proxy.on_call = lambda name, body: error("ExpiredTokenException")

    def admit(self) -> None:
        self.proxy.on_call = lambda name, body: None


class TestDynamoFaults(RemoteFaultContract):
    @pytest.fixture
    def server(self, proxy: Proxy, server: tuple[int, int]) -> Iterator[Server]:
        """A server that is resumed after the test."""
        own = Server(proxy, server[1])
        yield own
        own.resume()

    def test_16_text_that_is_neither_ascii_nor_compressible_is_stored_whole(self, server: Any, make: Make) -> None:
        super().test_16_text_that_is_neither_ascii_nor_compressible_is_stored_whole(server, make)
        sizes = [item_size(body["Item"]) for body, _ in server.proxy.named("PutItem")]
        assert 100_000 < max(sizes) < 400 * 1_024
