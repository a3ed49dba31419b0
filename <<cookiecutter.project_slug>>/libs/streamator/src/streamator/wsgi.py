"""Any WSGI framework: an `EventStream` of the log that `find` gives is what an application returns."""

from .transports.compression import encoder_for
from .transports.wsgi import EventStream, cancel, cursor_of, find, snapshot

__all__ = ["EventStream", "cancel", "cursor_of", "encoder_for", "find", "snapshot"]
