"""Stores: the public names of `stores`."""

from typing import TYPE_CHECKING, Any

from .stores.base import Job, Store, find_job, stores
from .stores.memory import MemoryStore
from .stores.registry import open_store, register_store, store_class

if TYPE_CHECKING:
    from .stores.dynamo import DynamoStore
    from .stores.files import FileStore
    from .stores.redis import RedisStore

__all__ = [
    "DynamoStore", "FileStore", "Job", "MemoryStore", "RedisStore", "Store", "find_job", "open_store",
    "register_store", "stores",
]  # fmt: skip

_AT_FIRST_USE = {"DynamoStore": "dynamo", "FileStore": "file", "RedisStore": "redis"}  # two need an extra


def __getattr__(name: str) -> Any:
    if name in _AT_FIRST_USE:
        return store_class(_AT_FIRST_USE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
