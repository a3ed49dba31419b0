"""The store contract on `RedisStore`, over a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from redis_server import RedisServer

from streamator import RedisStore
from streamator.testing import FaultContract, StoreContract


class TestRedisStoreContract(StoreContract, FaultContract):
    timeout = 30.0

    def make(self) -> RedisStore:
        return RedisStore(self.url, key_prefix=self.prefix, lease_seconds=1.5)

    @pytest.fixture
    def store(self, redis_server: RedisServer) -> Iterator[RedisStore]:
        self.url, self.prefix = redis_server.url, uuid.uuid4().hex[:8]
        store = self.make()
        yield store
        store.close()

    def reader(self) -> RedisStore:
        return self.make()
