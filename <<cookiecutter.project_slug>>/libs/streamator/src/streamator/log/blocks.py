"""A log's events as data: blocks of consecutive entries. No lock, no thread, no event loop.

A block keeps its entries as they came and encodes them when somebody first reads it: a log that nobody reads costs no
encoding. One block is about one send.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from copy import copy
from itertools import accumulate, islice
from operator import attrgetter
from sys import getsizeof, maxsize
from typing import Any, Literal

from .. import wire
from ..events import ATTEMPT_IDS, Event, count_between, encode_run

# 256 entries of 120 characters are about 50 KiB on the wire.
BLOCK_ENTRIES = 256
BLOCK_BYTES = 65_536

# About how many bytes Python adds to the characters: of each entry that is not encoded, and of each block.
_ENTRY_OVERHEAD = 80
_BLOCK_OVERHEAD = 300

_FRAME_END = re.compile(rb"\n\n")
_last_id = attrgetter("last")

# The `time.monotonic` readings, the texts and the levels of consecutive entries: see `encode_run`.
Entries = tuple["array[float]", list[str], list[str | None]]


class Batch:
    """Consecutive events read from a log, in their wire form.

    Iterating gives the events as dicts. A batch may begin with ``{"event": "gap", "missed": n}`` where the reader's
    next events are gone. An empty batch is false: a reader gets one when nothing came for a while.
    """

    __slots__ = ("frames", "last", "more")

    def __init__(self, frames: bytes = b"", last: int = 0, more: bool = False) -> None:
        self.frames = frames
        """The events as SSE frames, joined."""
        self.last = last
        """The id to read after next; 0 in a batch that moves no cursor."""
        self.more = more
        """Whether the limit cut it short: the next batch is there already."""

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __iter__(self) -> Iterator[Event]:
        return map(json.loads, wire.json_parts(self.frames))


class Block:
    """Consecutive entries. With ``start`` they are encoded as frames at once, else by the first read. ``size`` is about
    how many bytes of memory they take."""

    __slots__ = ("entries", "first", "frames", "last", "size")

    def __init__(
        self, first: int, times: list[float], texts: list[str], levels: list[str | None], start: float | None
    ) -> None:
        self.first = first
        self.last = first + len(texts) - 1
        if start is None:
            # An array takes a quarter of the memory of floats, and leaves no holes among longer-lived objects.
            self.entries: Entries | None = (array("d", times), texts, levels)
            self.frames = b""
            self.size = getsizeof("".join(texts)) + len(texts) * _ENTRY_OVERHEAD + _BLOCK_OVERHEAD
        else:
            self.entries = None
            self.frames = encode_run(first, times, texts, levels, start)
            self.size = len(self.frames) + _BLOCK_OVERHEAD

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def joins(self, other: Block) -> bool:
        """Whether this block takes in the next one: both fit one send.

        Frames are joined only with as many frames or more, like the digits of a binary counter. So each is copied only
        a few times, even if a reader takes one entry at a time.
        """
        return (
            self.last + 1 == other.first
            and (self.entries is None) == (other.entries is None)
            and (self.entries is not None or self.count <= other.count)
            and other.last - self.first < BLOCK_ENTRIES
            and self.size + other.size <= 2 * BLOCK_BYTES
        )

    def join(self, other: Block) -> None:
        """Take in the block that comes next; see `joins`."""
        if self.entries is not None and other.entries is not None:
            self.entries[0].extend(other.entries[0])
            self.entries[1].extend(other.entries[1])
            self.entries[2].extend(other.entries[2])
        self.frames += other.frames
        self.last = other.last
        self.size += other.size - _BLOCK_OVERHEAD


def _slice(frames: bytes, skip: int, limit: int) -> tuple[bytes, int]:
    """The frames after the first ``skip``, about ``limit`` bytes, at least one: (bytes, how many were cut off)."""
    ends = [match.end() for match in _FRAME_END.finditer(frames)]
    start = ends[skip - 1] if skip else 0
    stop = max(bisect_right(ends, start + limit), skip + 1)
    return frames[start : ends[stop - 1]], len(ends) - stop


class BlockList:
    """The events that a log holds. Ids are 1, 2, 3, ... in the order they are added, and ``t`` never falls; a new
    attempt begins further up, see `ATTEMPT_IDS`.

    Args:
        maxlen: how many events are kept. Past it the oldest go, or with ``newest_go`` the newest are refused.
        start: the `time.monotonic` reading that ``t`` counts from.
    """

    __slots__ = ("_blocks", "_cap", "_kept", "_maxlen", "_start", "floor", "last", "newest_at", "refused", "size")

    def __init__(self, maxlen: int, start: float, newest_go: bool = False) -> None:
        self._maxlen = maxlen + newest_go  # room for the last event, which is always taken
        self._cap = maxlen if newest_go else None
        self._start = start
        self._blocks: list[Block] = []
        self._kept = 0  # events in the blocks
        self.last = 0
        """The newest event's id, even if that event is lost."""
        self.floor = 0
        """Events up to this id are gone, although a block may hold some of them."""
        self.refused = 0
        """How many events came after ``last`` and were not taken."""
        self.size = 0
        """About how many bytes of memory the blocks take."""
        self.newest_at = start
        """The `time.monotonic` reading of the newest event."""

    def add(self, entries: list[Any], seen: int = maxsize, *, encode: bool = False, final: bool = False) -> None:
        """Add events, and drop the oldest past ``maxlen``: see `let_go`.

        Args:
            entries: three items for each event: the `time.monotonic` reading, the text, the level. See `encode_run`.
            encode: encode them now, since they are read at once: a live viewer's turn takes 7 % longer without.
            final: whether it is the last event, which is taken in any case, after a gap for the refused ones.
        """
        if self._cap is not None:
            entries = self._admit(entries, self._cap, final)
        if not entries:
            return
        times = entries[::3]
        if times[0] < self.newest_at or times != sorted(times):  # a thread that read the clock later was faster
            times = list(accumulate([self.newest_at, *times], max))[1:]
        self.newest_at = times[-1]
        blocks = self._blocks
        while len(blocks) > 1 and blocks[-2].joins(blocks[-1]):
            newest = blocks.pop()
            blocks[-1].join(newest)
            self.size -= _BLOCK_OVERHEAD
        block = Block(self.last + 1, times, entries[1::3], entries[2::3], self._start if encode else None)
        blocks.append(block)
        self.last = block.last
        self._kept += len(times)
        self.size += block.size
        if self._kept > self._maxlen:
            self.let_go(seen)

    def _admit(self, entries: list[Any], cap: int, final: bool) -> list[Any]:
        if final:
            self.add(entries[:-3])
            self.last, self.refused = self.last + self.refused, 0
            return entries[-3:]
        room = 3 * max(cap - self.last % ATTEMPT_IDS, 0)
        self.refused += len(entries[room:]) // 3
        return entries[:room]

    @property
    def overflow(self) -> Literal["drop_oldest", "drop_newest"]:
        return "drop_oldest" if self._cap is None else "drop_newest"

    def copied(self, start: float) -> BlockList:
        """A copy, whose new events count their ``t`` from ``start``."""
        other = BlockList(self._maxlen, start)
        for block in self._blocks:
            self._encode(block)  # what is encoded does not change any more, but for a join with what comes next
        other._blocks = [copy(block) for block in self._blocks]
        for name in ("_cap", "_kept", "last", "floor", "refused", "size", "newest_at"):
            setattr(other, name, getattr(self, name))
        return other

    def skip(self, last: int) -> None:
        """Count the events up to the id ``last`` as lost, except those that were added."""
        self.last = max(self.last, last)

    def let_go(self, seen: int = maxsize) -> None:
        """Drop the oldest events past ``maxlen``, but none after the id ``seen``."""
        excess = self._kept - self._maxlen
        for block in self._blocks:
            if excess <= 0:
                break
            self.floor = max(self.floor, min(block.first - 1 + min(excess, block.count), seen))
            excess -= block.count
        while self._blocks and self._blocks[0].last <= self.floor:
            self._drop_oldest()

    def trim(self, size: int) -> None:
        """Drop the oldest blocks, until the others take ``size`` bytes or less."""
        while self._blocks and self.size > size:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        block = self._blocks.pop(0)
        self.size -= block.size
        self._kept -= block.count

    @property
    def dropped(self) -> int:
        """How many events are gone, including the lost and the refused ones."""
        hidden = max(self.floor - self._blocks[0].first + 1, 0) if self._blocks else 0
        return max(self.last % ATTEMPT_IDS - self._kept + hidden, 0) + self.refused

    def read(self, after: int, limit: int) -> Batch:
        """The events after the id ``after``: about ``limit`` bytes, at least one; a gap in place of those that are
        gone."""
        blocks = self._blocks
        # A live reader mostly lacks exactly the newest block: without this its turn takes a tenth longer.
        if blocks and blocks[-1].first == after + 1 and self.floor <= after:
            frames = self._encode(blocks[-1])
            if len(frames) <= limit and blocks[-1].last == self.last:
                return Batch(frames, self.last)
        start = max(after, self.floor)
        pieces: list[bytes] = []
        size = 0
        for block in islice(blocks, bisect_right(blocks, start, key=_last_id), None):
            start = max(start, block.first - 1)
            if start > after and (missed := count_between(after, start)):
                pieces.append(wire.gap_frame(start, missed))
            frames, after = self._encode(block), block.last
            if start >= block.first or len(frames) > limit - size:
                frames, cut = _slice(frames, start + 1 - block.first, limit - size)
                after -= cut
            pieces.append(frames)
            size += len(frames)
            if size >= limit // 2 or after < block.last:
                break
            start = after
        else:
            if after < self.last:
                if missed := count_between(after, self.last):
                    pieces.append(wire.gap_frame(self.last, missed))
                after = self.last
        return Batch(b"".join(pieces), after, after < self.last)

    def _encode(self, block: Block) -> bytes:
        """The frames of a block, which replace its entries."""
        if block.entries is not None:
            self.size -= block.size
            block.frames = encode_run(block.first, *block.entries, self._start)
            block.entries = None
            block.size = len(block.frames) + _BLOCK_OVERHEAD
            self.size += block.size
        return block.frames
