"""Any ASGI framework, and none: `LogApp` is the routes of all jobs, `StreamApp` and `WebSocketApp` are one job's."""

from .transports.asgi import LogApp, StreamApp
from .transports.scope import route_path
from .transports.viewer import SEND_TIMEOUT_SECONDS
from .transports.websocket import WebSocketApp

__all__ = ["SEND_TIMEOUT_SECONDS", "LogApp", "StreamApp", "WebSocketApp", "route_path"]
