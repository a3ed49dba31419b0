"""What the tests of processes have done in them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from app.process_main import Refused

Log = Callable[..., None]


def pid() -> int:
    return os.getpid()


def environment() -> list[str]:
    return list(os.environ)


def echo(*values: object) -> list[object]:
    return list(values)


def refuse(why: str) -> None:
    raise Refused(why)


def fail() -> None:
    raise ZeroDivisionError("by nothing")


def crash() -> None:
    os.abort()


def take(number: int) -> int:
    """So much memory, for a moment."""
    return len(bytearray(number))


def keep(number: int) -> None:
    """So much memory, for ever."""
    _kept.append(b"x" * number)


_kept: list[bytes] = []


def deep(levels: int) -> None:
    deep(levels + 1)


def spin(log: Log) -> None:
    """Says who it is, and holds the interpreter for ever: no thread of its process runs any more."""
    log(os.getpid())
    sum(range(10**15))


def wait_for(path: str, log: Log) -> int:
    """Says who it is, and waits until there is a file."""
    log(os.getpid())
    while not Path(path).exists():
        time.sleep(0.01)
    return os.getpid()
