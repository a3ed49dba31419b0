"""Who runs a job: a process, as the other ones see it in the table."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

__all__ = ["is_gone", "new_owner"]


def _place() -> str:
    """This machine since its boot, and this namespace of process ids. Where the system has no name for that, one that
    nobody else has: then only a lease tells that a process is gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        name = boot + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return secrets.token_hex(8)
    return hashlib.sha256(name.encode()).hexdigest()[:16]


_PLACE = _place()
_PROCESS = secrets.token_hex(8)


def new_owner() -> str:
    """A name for a runner of this process, that no other has."""
    return f"{_PLACE}:{os.getpid()}:{_PROCESS}:{secrets.token_hex(4)}"


def is_gone(owner: str | None) -> bool:
    """Whether it is sure that the owner's process has ended. No more than a hint to be quick: of other machines, and
    where another process has its id by now, the lease tells."""
    place, pid, process, *_ = [*(owner or "").split(":"), "", "", ""]
    if place != _PLACE or process == _PROCESS:
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
