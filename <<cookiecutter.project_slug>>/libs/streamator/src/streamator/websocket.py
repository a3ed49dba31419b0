"""Deprecated: `WebSocketApp` is in `streamator.asgi`."""

import warnings

from .asgi import WebSocketApp

__all__ = ["WebSocketApp"]

warnings.warn("streamator.websocket is deprecated: import WebSocketApp from streamator.asgi", DeprecationWarning, 2)
