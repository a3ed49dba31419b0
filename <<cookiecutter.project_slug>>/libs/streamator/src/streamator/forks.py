"""Forked processes: what they must not take over from their parent."""

from __future__ import annotations

import os
from collections.abc import Callable


def after_fork(reset: Callable[[], object]) -> Callable[[], object]:
    """Decorate a function to be called in each process that is forked from this one. The event loops, threads and jobs
    are the parent's, and a lock may be held by a thread that the child does not have."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
    return reset
