"""The chunks of a model's answer, however they are framed."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Any

from app.generation.faults import field

__all__ = ["ChunkError", "NoChunks", "read_chunks"]

_FIELDS = frozenset({"", "data", "event", "id", "retry"})
_LONGEST = 16_000_000


class ChunkError(Exception):
    """An error that stands where a chunk should be; its `body` is what it says."""

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


class NoChunks(Exception):
    """What came is neither an event stream nor JSON; its `text` is what it begins with."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def read_chunks(body: AsyncIterable[bytes]) -> AsyncGenerator[Any, None]:
    """Gives the JSON values of an answer: one for each event of a stream, or the one of an answer that came whole.

    The SDKs' own readers lose the event after a byte order mark, events without a name and a last event without a blank
    line, and they give up at half a character. Here a byte that is no UTF-8 becomes a surrogate (PEP 383), and
    `Characters` puts the halves together.

    Raises:
        ChunkError: an event of the name `error`.
        NoChunks: something else came.
        ValueError: a chunk is no JSON, or has more than 16 million characters.
    """
    async with aclosing(_events(body)) as events:
        async for name, data in events:
            if data.startswith("[DONE]"):
                return
            try:
                value = json.loads(data, strict=False)
            except ValueError:
                if name == "error":
                    raise ChunkError(data) from None
                raise
            if name == "error":
                raise ChunkError(value)
            for chunk in value if isinstance(value, list) else [value]:
                yield chunk
            if field(value, "type") == "message_stop":
                return


async def _events(body: AsyncIterable[bytes]) -> AsyncGenerator[tuple[str, str], None]:
    """The events that have data, each with its name. An answer that came whole is one event.

    Its first character tells which it is: servers send wrong content types.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("surrogateescape"), translate=True)
    parts, length, first, is_json, is_stream = list[str](), 0, "", False, False
    async for data in body:
        piece = decoder.decode(data)
        first = first or piece.lstrip()[:1]
        is_json = is_json or (not is_stream and first in ("{", "["))
        # Only what is new is looked at: an event may come in thousands of pieces.
        is_whole = "\n\n" in "".join(parts[-1:])[-1:] + piece
        if piece:
            parts.append(piece)
            length += len(piece)
        if is_whole and not is_json:
            *blocks, rest = "".join(parts).split("\n\n")
            parts, length, first = [rest] * bool(rest), len(rest), rest.lstrip()[:1]
            for event in map(_event, blocks):
                if event is not None:
                    is_stream = True
                    yield event
        if length > _LONGEST:
            raise ValueError(f"a chunk of more than {_LONGEST:,} characters")
    text = "".join(parts) + decoder.decode(b"", final=True)
    last = ("", text) if is_json else _event(text)
    if last is not None:
        yield last


def _event(block: str) -> tuple[str, str] | None:
    name, data, is_strange = "", list[str](), False
    for line in block.split("\n"):
        key, _, value = line.partition(":")
        if key == "data":
            data.append(value.removeprefix(" "))
        elif key == "event":
            name = value.strip()
        is_strange = is_strange or key not in _FIELDS
    if not data and is_strange:
        raise NoChunks(block)
    return (name, "\n".join(data)) if data else None
