"""Decompresses what a server sent packed, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

__all__ = ["GZIP", "Unpacker"]

GZIP = b"\x1f\x8b"
_PIECE = 65_536


class Unpacker:
    """Decompresses gzip, of any number of members one after the other (RFC 1952, 2.2), or zlib.

    Guarantee: no piece is larger than 64 KiB, so that whoever takes them can stop at any size.

    Arguments:
        deflate: the data is HTTP's `deflate`: zlib by the standard, and of some servers without its header.

    Raises:
        zlib.error: from `feed` and `finish`, where the data is no such thing or damaged.
    """

    def __init__(self, *, deflate: bool = False) -> None:
        self._deflate = deflate
        self._stream: Any = None
        self._held = b""
        self.ignored = 0
        """How many bytes came after the end that belong to nothing; zeros, which fill up a block, do not count."""

    @property
    def complete(self) -> bool:
        """Whether the data has come to its end; of no data at all, True."""
        return self._stream.eof if self._stream is not None else not self._held

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes in more of the data; gives what it unpacks to."""
        data, self._held = self._held + data, b""
        while data:
            if self._stream is None or self._stream.eof:
                if len(data) < len(GZIP):  # too little to know what begins here
                    self._held = data
                    return
                if self._stream is not None and not data.startswith(GZIP):
                    self.ignored += len(data.strip(b"\0"))
                    return
                self._stream = zlib.decompressobj(-15 if self._deflate and not _begins_zlib(data) else 47)
            piece = self._stream.decompress(data, _PIECE)
            if piece:
                yield piece
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        """Gives what is left when no more data comes."""
        if self._stream is not None and not self._stream.eof and (piece := self._stream.flush(_PIECE)):
            yield piece


def _begins_zlib(data: bytes) -> bool:
    return data.startswith(GZIP) or (data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0)
