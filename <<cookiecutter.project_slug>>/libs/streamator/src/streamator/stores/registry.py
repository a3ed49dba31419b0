"""Stores by their names: `open_store`, and `register_store` for one of your own."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, cast

from ..errors import InvalidStore
from ..options import check_text, wrong
from . import base
from .base import Store, add_store
from .memory import MemoryStore

_FORM: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"

# Imported at their first use: a store may need an extra.
_classes: dict[str, str] = {
    "memory": "streamator.stores.memory:MemoryStore",
    "dynamo": "streamator.stores.dynamo:DynamoStore",
    "redis": "streamator.stores.redis:RedisStore",
    "file": "streamator.stores.files:FileStore",
}
_shared: dict[tuple[Any, ...], Store] = {}


def register_store(name: str, where: str) -> None:
    """Give a store of your own a name for `open_store` and ``JobLogger(store=name)``.

    Args:
        name: letters, digits, ``_`` or ``-``.
        where: its class, as ``"package.module:Class"``. It is imported when the store is first opened.

    Raises:
        ValueError: the name or the place is not of that form, or the name is another store's.
    """
    check_text("name", name, r"[A-Za-z0-9_-]+", "give letters, digits, '_' or '-'")
    check_text("where", where, _FORM, "give the store's class as 'package.module:Class'")
    if _classes.setdefault(name, where) != where:
        raise wrong("name", name, f"it is the name of {_classes[name]}; give another one")


def store_names() -> list[str]:
    """The names that `open_store` knows."""
    return list(_classes)


def store_class(name: str) -> type[Store]:
    """The class of the stores with this name. Raises `InvalidStore` for an unknown name, and for a class that cannot be
    imported."""
    where = _classes.get(name)
    if where is None:
        raise InvalidStore(f"unknown store {name!r}: use {', '.join(map(repr, _classes))} or a Store object")
    module, _, attribute = where.partition(":")
    try:
        return cast("type[Store]", getattr(import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise InvalidStore(f"the {name} store is registered as {where!r}, which cannot be imported: {error}") from error


def open_store(store: str | Store = "memory", **options: Any) -> Store:
    """The store that ``store`` means: a name with its options, or a store itself.

    Args:
        store: ``"memory"``, ``"dynamo"``, ``"redis"``, ``"file"``, a name of yours (see `register_store`), or a
            `Store`, which is returned as it is.
        options: what that store's class takes, ``table="my-logs", ttl_days=1`` for instance.

    Returns:
        The same object for the same name and options, so that loggers and routes meet in it.

    Raises:
        InvalidStore: the name is unknown, or an option does not fit. It is a `StoreError` and a ValueError.
        StoreError: the store's extra is not installed.
    """
    if isinstance(store, MemoryStore) and not options:  # the usual case; it has registered itself
        return store
    if not isinstance(store, str):
        if not isinstance(store, Store) or isinstance(store, type):
            needed = ("create", "get", "find", "cancel", "evict", "degraded", "close")
            missing = [name for name in needed if not hasattr(store, name)]
            lacks = f"it lacks {', '.join(missing)}" if missing else "it is a class; give an object of it"
            raise InvalidStore(f"{type(store).__name__} is no store: {lacks}; see streamator.Store")
        if options:
            raise InvalidStore(f"options {sorted(options)} with a store object: give them to the store itself")
        add_store(store)
        return store
    try:
        # True equals 1, but is not the same option.
        key = (store, *sorted((name, isinstance(value, bool), value) for name, value in options.items()))
        hash(key)
    except TypeError as error:
        raise InvalidStore(f"options {options!r} of store {store!r} cannot be compared: {error}") from error
    found = _shared.get(key)
    if found is None:
        kind = store_class(store)
        with base.lock:
            found = _shared.get(key)
            if found is None:
                found = _shared[key] = _make(store, kind, options)
    return found


def _make(name: str, kind: type[Store], options: dict[str, Any]) -> Store:
    try:
        return kind(**options)
    except TypeError as error:
        raise InvalidStore(f"options {sorted(options)} do not fit the {name} store: {error}") from error
    except ValueError as error:
        raise InvalidStore(f"{name} store: {error}") from error
