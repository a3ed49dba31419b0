"""The end of the server: the public names of `ending` and `transports.open_streams`."""

from .ending import is_ending, watch_signals
from .transports.open_streams import end_streams, open_streams

__all__ = ["end_streams", "is_ending", "open_streams", "watch_signals"]
