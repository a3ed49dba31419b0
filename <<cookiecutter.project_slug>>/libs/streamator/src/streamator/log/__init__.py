"""The log of one job: its events, in order, and the readers that wait for more."""

from .blocks import Batch
from .event_log import BLOCK_SECONDS, EventLog, LogCounts, Overflow, check_log_options
from .mirrored import MirroredLog

__all__ = [
    "BLOCK_SECONDS", "Batch", "EventLog", "LogCounts", "MirroredLog", "Overflow", "check_log_options",
]  # fmt: skip
