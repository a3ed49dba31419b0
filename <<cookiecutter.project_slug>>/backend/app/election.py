"""Which of several server processes on the same data does what only one may do."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

__all__ = ["elected"]


@contextlib.contextmanager
def elected(path: Path) -> Iterator[bool]:
    """Whether this is the one process that may go on: true for one at a time of all that name the same file.

    The office is held until the block ends, or the process does, however it does: the kernel lets go of the lock.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True  # closing the file lets go
