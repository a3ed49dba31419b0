"""The store contract on `DynamoStore`, over a server on this machine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from streamator import DynamoStore
from streamator.testing import FaultContract, StoreContract

pytest.importorskip("moto")


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
