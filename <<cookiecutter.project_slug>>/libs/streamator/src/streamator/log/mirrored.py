"""`MirroredLog`: the log of a job that runs in another process."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from ..events import ATTEMPT_IDS
from .event_log import EventLog

# No viewer in the job's own process is further ahead of the store: a larger id is another log's.
MOST_AHEAD: Final = 1_000_000


class MirroredLog(EventLog):
    """A log that a store's mirror fills. It may lag behind what viewers in the job's own process have seen.

    Args:
        options: those of `EventLog`.
    """

    __slots__ = ("lag_seconds", "steady_since", "steady_until")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lag_seconds = 0.0
        """For how long an event may be missing here that a viewer elsewhere has seen already. The mirror sets it."""
        self.steady_since = self.steady_until = self.start
        """Between these `time.monotonic` readings the store could be read and the job's process lived: only such a wait
        counts."""

    def start_at(self, after: int, since: float | None = None) -> int:
        """As `EventLog.start_at`, but an id past the end may be on its way: it stays the cursor until the reader has
        waited for ``lag_seconds``."""
        last = self.last
        if last < after and (after - last) % ATTEMPT_IDS <= MOST_AHEAD and self.lag_seconds and not self.closed:
            now = monotonic()
            waited = min(now, self.steady_until) - max(now if since is None else since, self.steady_since)
            if self.status == "lost" or waited < self.lag_seconds:
                return after
        return super().start_at(after)
