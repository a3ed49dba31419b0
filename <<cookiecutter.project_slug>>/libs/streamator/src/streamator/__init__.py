"""Show the progress of a long-running job live.

A job writes an append-only log; any number of viewers follow it by cursors, live, late or after a reconnect.
"""

from typing import TYPE_CHECKING, Any

from .emitter import JobEmitter
from .errors import Fenced, InvalidJobId, InvalidStore, JobCancelled, JobExists, StoreError, StreamatorError
from .filters import Filter, TypeFilter, VisibilityFilter, event_type, visibility
from .follow import follow
from .log import Batch, EventLog
from .logger import JobLogger
from .stores.base import Store
from .stores.memory import MemoryStore
from .stores.registry import open_store

if TYPE_CHECKING:
    from .stores.dynamo import DynamoStore
    from .stores.files import FileStore
    from .stores.redis import RedisStore

__version__ = "0.3.0"

__all__ = [
    "Batch", "DynamoStore", "EventLog", "Fenced", "FileStore", "Filter", "InvalidJobId", "InvalidStore", "JobCancelled",
    "JobEmitter", "JobExists", "JobLogger", "MemoryStore", "RedisStore", "Store", "StoreError", "StreamatorError",
    "TypeFilter", "VisibilityFilter", "event_type", "follow", "open_store", "visibility",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("DynamoStore", "FileStore", "RedisStore", "store"):  # loaded at their first use: some need an extra
        import streamator.store as store  # `from . import store` would ask here for it

        return store if name == "store" else getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
