"""The contracts for `RedisStore`, with a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from redis_server import RedisServer, Throttle
from store_faults import FaultContract
from store_outages import RemoteFaultContract

from streamator import RedisStore
from streamator.testing import StoreContract

pytestmark = pytest.mark.server


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


class Server(RedisServer):
    """A Redis without a disk: it loses its data when it stops."""

    throttled: Throttle | None = None

    def where(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"url": self.throttled.url if self.throttled else self.url, **options}

    def open(self, **options: Any) -> RedisStore:
        return RedisStore(**self.where(options))

    def program(self, **options: Any) -> str:
        return f"from streamator import RedisStore\nstore = RedisStore(**{self.where(options)!r})"

    def throttle(self, share: float) -> None:
        self.throttled = Throttle(self.port, share)

    def lose(self) -> None:
        self.client.flushall()

    def expire(self) -> None:
        pass  # Redis does so by itself

    def deny(self) -> None:
        self.client.config_set("requirepass", "another")
        self.client.client_kill_filter(_type="normal", skipme=True)

    def admit(self) -> None:
        self.client.config_set("requirepass", "")


class TestRedisFaults(RemoteFaultContract):
    @pytest.fixture
    def server(self) -> Iterator[Server]:
        own = Server()
        with own:
            yield own
        if own.throttled:
            own.throttled.close()
