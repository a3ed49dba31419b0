"""Deprecated: `route_path` is in `streamator.asgi`."""

import warnings

from .asgi import SEND_TIMEOUT_SECONDS, route_path

__all__ = ["SEND_TIMEOUT_SECONDS", "route_path"]

warnings.warn("streamator.viewer is deprecated: import route_path from streamator.asgi", DeprecationWarning, 2)
