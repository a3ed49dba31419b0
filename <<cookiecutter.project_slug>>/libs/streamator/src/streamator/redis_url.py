"""Deprecated: `parse_url` is in `streamator.stores.redis_url`."""

import warnings

from .stores.redis_url import parse_url

__all__ = ["parse_url"]

warnings.warn(
    "streamator.redis_url is deprecated: import parse_url from streamator.stores.redis_url", DeprecationWarning, 2
)
