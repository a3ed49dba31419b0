"""Show the progress of a long-running job live.

A job writes an append-only log; any number of viewers follow it by cursors, live, late or after a reconnect.
"""

from typing import TYPE_CHECKING, Any

from .emitter import JobEmitter
from .errors import InvalidJobId, InvalidStore, JobCancelled, JobExists, StoreError, StreamatorError
from .filters import Filter, TypeFilter, VisibilityFilter, event_type, visibility
from .log import Batch, EventLog
from .logger import JobLogger
from .store import MemoryStore, Store, open_store
from .stream import follow

if TYPE_CHECKING:
    from .dynamo import DynamoStore
    from .redis import RedisStore

__version__ = "0.3.0"

__all__ = [
    "Batch",
    "DynamoStore",
    "EventLog",
    "Filter",
    "InvalidJobId",
    "InvalidStore",
    "JobCancelled",
    "JobEmitter",
    "JobExists",
    "JobLogger",
    "MemoryStore",
    "RedisStore",
    "Store",
    "StoreError",
    "StreamatorError",
    "TypeFilter",
    "VisibilityFilter",
    "event_type",
    "follow",
    "open_store",
    "visibility",
]


def __getattr__(name: str) -> Any:
    if name == "DynamoStore":  # loaded at its first use: it needs the [dynamo] extra
        from .dynamo import DynamoStore

        return DynamoStore
    if name == "RedisStore":  # the [redis] extra
        from .redis import RedisStore

        return RedisStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
