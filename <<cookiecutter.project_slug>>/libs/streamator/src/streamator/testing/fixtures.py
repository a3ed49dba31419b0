"""A pytest plugin with one fixture, `streamator_store`. In your outermost ``conftest.py``:

    pytest_plugins = ["streamator.testing.fixtures"]

It is not loaded by itself, as an entry point would be: an installed copy of this library changes no test run that does
not ask for it, and a copy that is only on the path offers the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast
from weakref import WeakSet

import pytest

from ..dropped import end_dropped
from ..stores import base, registry
from ..stores.memory import MemoryStore


@pytest.fixture
def streamator_store() -> Iterator[MemoryStore]:
    """A fresh memory store, which ``JobLogger()`` and ``open_store()`` use too while the test runs.

    The process forgets the stores of earlier tests: a job of theirs is unknown, and ``open_store`` with the same
    options makes a new store. Names given by ``register_store`` in the test are forgotten after it. Loggers that the
    test dropped without ``close`` end, with their warning, before the next test begins.

    For every test: ``usefixtures = ["streamator_store"]`` in pytest's settings.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_stores", WeakSet())
        patch.setattr(registry, "_shared", {})
        patch.setattr(registry, "_classes", dict(registry._classes))
        yield cast(MemoryStore, registry.open_store("memory"))
        end_dropped()
