"""The log of one job: its events, in order, and the readers that wait for more."""

from .attempt_log import AttemptLog, SharedLog
from .blocks import Batch
from .event_log import BLOCK_SECONDS, EventLog, LogCounts, Overflow, check_log_options
from .mirrored import MirroredLog

__all__ = [
    "BLOCK_SECONDS", "AttemptLog", "Batch", "EventLog", "LogCounts", "MirroredLog", "Overflow", "SharedLog",
    "check_log_options",
]  # fmt: skip
