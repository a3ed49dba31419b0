"""Helpers for tests: `collect`, and the tests that every store passes, `StoreContract` and `FaultContract`, and those
for one whose data is in a server, `RemoteFaultContract`.

Nothing here needs pytest to be imported; the contracts are collected by it where a test derives from them.
"""

from .contract import StoreContract
from .faults import FaultContract
from .hostile import HOSTILE_TEXTS, INVALID_JOB_IDS
from .outages import RemoteFaultContract, StoreServer
from .transcript import collect

__all__ = [
    "HOSTILE_TEXTS", "INVALID_JOB_IDS", "FaultContract", "RemoteFaultContract", "StoreContract", "StoreServer",
    "collect",
]  # fmt: skip
