"""Helpers for tests: `collect`, and `StoreContract`, the tests that every store passes.

Neither needs pytest to be imported; pytest collects the contract where a test class derives from it. The fixture
`streamator_store` is in the pytest plugin `streamator.testing.fixtures`.
"""

from .contract import StoreContract
from .transcript import collect

__all__ = ["StoreContract", "collect"]
