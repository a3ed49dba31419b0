"""Helpers for tests: `collect`, and `StoreContract`, the tests that every store passes.

Nothing here needs pytest to be imported; `StoreContract` is collected by it where a test derives from it.
"""

from .contract import StoreContract
from .hostile import HOSTILE_TEXTS, INVALID_JOB_IDS
from .transcript import collect

__all__ = ["HOSTILE_TEXTS", "INVALID_JOB_IDS", "StoreContract", "collect"]
