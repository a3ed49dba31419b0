"""The log of a job as one of its attempts writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from .. import wire
from ..events import clip, encode_event, encode_run
from .event_log import EventLog


class AttemptLog(EventLog):
    """What one attempt has logged: a buffer that a store's writer reads. Viewers read what is stored.

    Args:
        base: the id that the attempt's first event follows; see `ATTEMPT_IDS`.
        options: those of `EventLog`.
    """

    __slots__ = ("base", "checkpoint", "on_over", "over")

    def __init__(self, base: int, **options: Any) -> None:
        super().__init__(**options)
        self.base = base
        self.over = ""
        """``"fenced"`` by a newer attempt, or ``"left"`` to the next one. It then takes nothing, not even its end."""
        self.checkpoint: str | None = None
        """The newest one's data, as JSON."""
        self.on_over: Callable[[], None] | None = None
        """Called when `over` is set."""
        self._blocks.skip(base)

    def append_log(self, message: str, level: str) -> bool:
        return not self.over and super().append_log(message, level)

    def _append(self, text: str, level: str | None) -> bool:
        return not self.over and super()._append(text, level)

    def close(self, event: Mapping[str, Any] | None = None, *, json_text: str | None = None) -> bool:
        return not self.over and super().close(event, json_text=json_text)

    def fence(self) -> None:
        """A newer attempt has begun: nothing of this one's is taken any more."""
        if self.over != "fenced" and not self.closed:
            self.over = "fenced"
            self.evict()
            self._tell()

    def leave(self) -> None:
        """End the attempt, but not the job: what it has logged is written, and the log stays open for the next one."""
        if self.over or self.closed:
            return
        with self._lock:
            self._settle()
            self.over = "left"
            self.evicted = True
        self._wake()
        self._tell()

    def _tell(self) -> None:
        told, self.on_over = self.on_over, None
        if told is not None:
            told()


class SharedLog(AttemptLog):
    """An attempt's hand on the one log that a job's attempts write in turn, in the memory of one process."""

    __slots__ = ("_shown", "guard")

    def __init__(self, shown: EventLog, guard: threading.RLock, **options: Any) -> None:
        super().__init__(shown.last, **options)
        self._shown = shown
        self.guard = guard  # the same for all attempts of a job

    @property
    def last(self) -> int:
        return self._shown.last

    def append_log(self, message: str, level: str) -> bool:
        return self._append(clip(message), level)

    def _append(self, text: str, level: str | None) -> bool:
        with self.guard:
            if self.over or self.closed:
                return False
            return self._shown._append(*self._stamped(text, level))

    def _stamped(self, text: str, level: str | None) -> tuple[str, str | None]:
        """An entry whose ``t`` counts from this attempt's start."""
        if self.start == self._shown.start:
            return text, level
        return wire.json_parts(encode_run(0, [monotonic()], [text], [level], self.start))[0].decode(), ""

    def close(self, event: Mapping[str, Any] | None = None, *, json_text: str | None = None) -> bool:
        with self.guard:
            if self.over or self.closed:
                return False
            if json_text is None and self.start != self._shown.start:
                done = {"event": "done", "status": "completed"} if event is None else event
                json_text, _ = self._stamped(encode_event(done), None)
            self.closed = True
            self.closed_at = monotonic()
            return self._shown.close(event, json_text=json_text)

    def fence(self) -> None:
        with self.guard:
            super().fence()

    async def drain(self, left: int | None = None, timeout: float = 30.0) -> bool:
        return await self._shown.drain(left, timeout)
