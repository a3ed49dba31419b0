"""Faults: why a remote store did not do what it was asked, and how long to wait before it is asked again."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import Final, Literal

logger = logging.getLogger("streamator")

RETRY_SECONDS: Final = 0.1

FaultKind = Literal["busy", "down", "denied", "refused", "conflict", "gone"]


class StoreFault(Exception):
    """What a store says that did not do what it was asked. What is done about it depends on the kind:

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
        """The trouble there was, and one fault more."""
        if trouble is None:
            trouble = cls(fault.kind, fault.reason)
        trouble.kind, trouble.reason = fault.kind, fault.reason
        trouble.tries += 1
        trouble.severe = trouble.severe or fault.kind not in ("busy", "gone")
        return trouble

    @property
    def serious(self) -> bool:
        """Whether to tell: a request turned away now and then is what stores do under load. What was told is
        not over before something is done."""
        return self.severe or time.monotonic() - self.began > 2

    def wait(self, cap: float) -> float:
        """Seconds before the next try: twice as many each time, ``cap`` at the most, half of them by chance,
        so that not all come at once."""
        wait: float = min(RETRY_SECONDS * 2 ** min(self.tries - 1, 20), cap)
        return wait * (0.5 + random.random() / 2)


def as_fault(error: Exception) -> StoreFault:
    """A store's error as a fault; one that the store does not know is logged with its traceback."""
    if isinstance(error, StoreFault):
        return error
    logger.error("a store failed in a way it does not know", exc_info=error)
    return StoreFault("down", f"{type(error).__name__}: {error}")


def count(n: int, noun: str) -> str:
    """``3 events``, for messages."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
