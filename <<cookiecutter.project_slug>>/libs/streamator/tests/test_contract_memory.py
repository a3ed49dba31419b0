"""The store contracts on `MemoryStore`."""

from __future__ import annotations

import pytest

from streamator import MemoryStore
from streamator.testing import FaultContract, StoreContract


class TestMemoryStoreContract(StoreContract, FaultContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
