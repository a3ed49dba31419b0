"""Faults: why a remote store's call failed, and how long to back off."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import Final, Literal

logger = logging.getLogger("streamator")

# The backoff: the wait before the second try, and the longest one.
BACKOFF_SECONDS: Final = 0.1
MAX_BACKOFF_SECONDS: Final = 5.0

FaultKind = Literal["busy", "down", "denied", "refused", "conflict", "gone"]


class StoreFault(Exception):
    """A call of a store failed. The kind decides what is done about it:

    - ``busy``: this request was turned away (throttled, 5xx); others may pass.
    - ``down``: no answer; nothing passes.
    - ``denied``: credentials, region or rights are wrong; tried again slowly.
    - ``refused``: this chunk will never be taken; a smaller one may.
    - ``conflict``: the chunk belongs to another run.
    - ``gone``: what the store had is lost (its table was deleted); it is written again from the start.
    """

    def __init__(self, kind: FaultKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FaultKind = kind
        self.reason = reason


@dataclass(slots=True)
class Trouble:
    """Faults in a row."""

    kind: FaultKind
    reason: str
    began: float = field(default_factory=time.monotonic)
    clock: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
    tries: int = 0
    severe: bool = False

    @classmethod
    def after(cls, trouble: Trouble | None, fault: StoreFault) -> Trouble:
        """The trouble so far, and one more fault."""
        if trouble is None:
            trouble = cls(fault.kind, fault.reason)
        trouble.kind, trouble.reason = fault.kind, fault.reason
        trouble.tries += 1
        trouble.severe = trouble.severe or fault.kind not in ("busy", "gone")
        return trouble

    @property
    def serious(self) -> bool:
        """Whether to report it: stores under load turn requests away now and then. A severe trouble stays serious until
        a call succeeds."""
        return self.severe or time.monotonic() - self.began > 2

    def backoff(self, most: float = MAX_BACKOFF_SECONDS) -> float:
        """Seconds before the next try: twice as many each time, ``most`` at the most. Half of them are jitter, so that
        processes do not retry all at once."""
        seconds: float = min(BACKOFF_SECONDS * 2 ** min(self.tries - 1, 20), most)
        return seconds * (0.5 + random.random() / 2)


class Health:
    """Whether one kind of work on a store succeeds: one warning when it begins to fail, one when it works again.

    Args:
        place: where the store's data is.
        fails, works: the two warnings; a reason follows the first.
    """

    def __init__(self, place: str, fails: str, works: str) -> None:
        self.trouble: Trouble | None = None
        self._place = place
        self._fails = fails
        self._works = works
        self._warned = False

    def failed(self, fault: StoreFault) -> Trouble:
        """Note a failure."""
        self.trouble = Trouble.after(self.trouble, fault)
        if self.trouble.serious and not self._warned:
            self._warned = True
            logger.warning("%s: %s: %s", self._place, self._fails, fault.reason)
        return self.trouble

    def worked(self) -> None:
        """Note a success."""
        self.trouble = None
        if self._warned:
            self._warned = False
            logger.warning("%s: %s", self._place, self._works)


def as_fault(error: Exception) -> StoreFault:
    """A store's error as a fault; an unexpected one is logged with its traceback."""
    if isinstance(error, StoreFault):
        return error
    if isinstance(error, OSError):
        return StoreFault("denied" if isinstance(error, PermissionError) else "down", str(error))
    logger.error("a store raised an unexpected error", exc_info=error)
    return StoreFault("down", f"{type(error).__name__}: {error}")


def count(n: int, noun: str) -> str:
    """``3 events``, for messages."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
