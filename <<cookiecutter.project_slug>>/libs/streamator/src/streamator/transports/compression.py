"""Streams that are sent compressed: one gzip or zstd stream from its start to its end, flushed at each send.

Log lines are alike, so a stream shrinks to a fourth or less even line by line. The settings are small ones: a
compressor takes about 30 KB for as long as its viewer watches, a larger one takes ten times that and gains little.
"""

from __future__ import annotations

import re
import zlib
from typing import Protocol

try:
    import zstandard
except ImportError:  # the [compress] extra; gzip needs none
    zstandard = None  # type: ignore[assignment]  # a module is no Optional to mypy

_GZIP_WINDOW_BITS, _GZIP_MEMORY = 16 + 12, 5  # 16: with gzip's own header
_ZSTD_WINDOW_BITS, _ZSTD_TABLE_BITS = 15, 13
_ACCEPTED = re.compile(r"\s*([a-z0-9*-]+)\s*(?:;\s*q=([0-9.]+)\s*)?", re.IGNORECASE)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int, /) -> bytes: ...


class Encoder:
    """One stream's compressor. What `encode` gives can be read by the client as soon as it has it."""

    __slots__ = ("_compressor", "_finish", "_flush", "name")

    def __init__(self, name: str, compressor: _Compressor, flush: int, finish: int) -> None:
        self.name = name
        """What it is called in ``Content-Encoding``."""
        self._compressor = compressor
        self._flush = flush
        self._finish = finish

    def encode(self, data: bytes) -> bytes:
        """The next bytes of the stream: all of ``data``."""
        return self._compressor.compress(data) + self._compressor.flush(self._flush)

    def finish(self) -> bytes:
        """The last bytes of the stream."""
        return self._compressor.flush(self._finish)


def encoder_for(accept_encoding: str | None) -> Encoder | None:
    """A compressor for a client that sends this ``Accept-Encoding``; None if it takes none of ours.

    zstd if it is installed, which takes a third of gzip's time, or else gzip (RFC 9110, section 12.5.3). A client's
    ranking is ignored, except for a rank of 0.
    """
    if not accept_encoding:
        return None
    taken: dict[str, bool] = {}
    for part in accept_encoding.split(","):
        match = _ACCEPTED.fullmatch(part)
        if match:
            taken[match[1].lower()] = (match[2] or "1").strip("0.") != ""
    if zstandard is not None and taken.get("zstd"):
        return _zstd()
    if taken.get("gzip", taken.get("*")):
        compressor = zlib.compressobj(6, zlib.DEFLATED, _GZIP_WINDOW_BITS, _GZIP_MEMORY)
        return Encoder("gzip", compressor, zlib.Z_SYNC_FLUSH, zlib.Z_FINISH)
    return None


def _zstd() -> Encoder:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=_ZSTD_WINDOW_BITS, hash_log=_ZSTD_TABLE_BITS, chain_log=_ZSTD_TABLE_BITS, write_content_size=False
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return Encoder("zstd", compressor, zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH)
