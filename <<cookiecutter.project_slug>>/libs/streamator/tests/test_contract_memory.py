"""The contracts for `MemoryStore`."""

from __future__ import annotations

import pytest
from store_faults import FaultContract

from streamator import MemoryStore
from streamator.testing import StoreContract


class TestMemoryStoreContract(StoreContract, FaultContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
