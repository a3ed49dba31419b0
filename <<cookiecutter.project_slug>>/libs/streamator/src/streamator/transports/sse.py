"""An event stream's headers and pieces, for ASGI and for WSGI."""

from __future__ import annotations

from typing import Final

from .. import wire
from ..log import Batch
from .compression import Encoder, encoder_for
from .options import StreamOptions

RETRY_MS = 3_000
OPENING = wire.opening(RETRY_MS)
HEADERS: Final = {
    "content-type": wire.MEDIA_TYPE,
    # no-transform: a proxy that compresses would hold events back until its buffer is full
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def encoding(options: StreamOptions, accept_encoding: str | None) -> tuple[Encoder | None, dict[str, str]]:
    """The compressor of a stream, or None, and the headers that announce it."""
    if not options.compress:
        return None, {}
    encoder = encoder_for(accept_encoding)
    named = {} if encoder is None else {"content-encoding": encoder.name}
    return encoder, {"vary": "accept-encoding", **named}


def piece(batch: Batch, named: bool) -> bytes:
    """A batch as it is sent: its events, or a heartbeat."""
    if not batch:
        return wire.heartbeat(batch.last)
    return wire.named(batch.frames) if named else batch.frames
