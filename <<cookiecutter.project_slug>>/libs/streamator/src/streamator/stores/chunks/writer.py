"""The writer of stores that keep chunks: see `format`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ... import wire
from ...log import AttemptLog, EventLog
from ..remote.faults import StoreFault, as_fault, logger
from ..remote.outgoing import MISSING, Opened, Outgoing, Refusal
from ..remote.writer import Writer
from .format import GAP, Chunk, Fetch, Keep, Write, place_after

# Characters in one chunk. JSON in ASCII takes 12 bytes for the costliest of them, so that a chunk of any
# content is within 393,216 bytes, and fits a store's limit of 400 KB even where nothing can be compressed.
CHUNK_CHARS: Final = 32_768
# A tail is full when its next write would bring it to more stored bytes than these. Each flush writes the tail once
# more, so large chunks cost writes, and small ones reads. With this limit a busy job pays 1 or 2 write units a flush.
FULL_BYTES: Final = 2_304
# An idle job's tail is rewritten for its beat alone: in one write unit, if it is smaller than this.
IDLE_BYTES: Final = 900

CHECK_SECONDS: Final = 2.0
# A refused chunk is written in ever smaller ones, down to this; after that event by event.
LEAST_CHARS: Final = 1_024


class Place(NamedTuple):
    """Where an attempt begins."""

    number: int
    """The number of its first chunk."""
    tail: Chunk
    head: Chunk | None
    """Chunk 0, if it is another one: it holds events of the first attempt."""


class _Outgoing(Outgoing):
    """A job's tail, and what is known of the chunks before it. While the refused one of several events is searched for,
    each event up to `doubt` is written by itself."""

    __slots__ = (
        "beat", "checked_at", "first", "full", "head", "head_at", "index", "kept", "left_out", "offset", "proven",
        "read", "rest", "size", "stored", "text",
    )  # fmt: skip

    MOST = CHUNK_CHARS

    def __init__(self, job_id: str, log: EventLog, opened: Opened | None = None) -> None:
        self.beat = 0
        super().__init__(job_id, log, opened)

    def rewind(self) -> None:
        self.index = 0
        self.head: Chunk | None = None
        """Chunk 0 of an attempt that has not written it."""
        self.kept: str | None = None
        """The checkpoint that the store has."""
        self.first, self.offset = self.log.base + 1, 0
        self.text = ""
        self.stored = -1
        """How many characters of `text` are known to be stored; -1: not even the chunk itself."""
        self.size = 0
        self.full = False
        self.rest = ""
        """Read from the log, but not yet in a chunk."""
        self.read = self.saved = self.log.base
        self.renew_at = 0.0
        self.head_at = 0.0
        self.checked_at = 0.0
        self.proven = True
        """Whether the chunks before this one are known to have been there when it was begun, or later."""
        self.trial = None
        self.left_out = 0, ""
        """Of the event in whose place a gap is tried: how many of its characters are stored, and those that are not."""

    def resume(self, opened: Opened) -> None:
        place: Place = opened.place
        self.index, self.head = place.number, place.head
        self.first, self.text, self.beat = place.tail.first, place.tail.text, place.tail.beat
        self.stored = self.size = len(self.text)
        self.read = self.saved = place_after(self.first, 0, self.text)[0] - 1
        self.kept = opened.checkpoint
        self.head_at = self.checked_at = time.monotonic()

    @property
    def settled(self) -> bool:
        return self.stored >= 0 and not self.pending

    @property
    def pending(self) -> bool:
        """Whether there is something to write, leases apart."""
        if self.dead or self.closed:
            return False
        return self.stored < len(self.text) or bool(self.rest) or self.log.last > self.read or self.log.closed

    def release(self) -> None:
        super().release()
        self.text = self.rest = ""

    def fill(self) -> bool:
        """Move what is new in the log into the tail, as far as it has room. True if the last event is in."""
        while not self.full and not self.trial:
            single = self.doubt > 0 and place_after(self.first, self.offset, self.text)[0] <= self.doubt
            if single and len(self.text) > max(self.stored, 0):
                break
            if not self.rest:
                batch = self.log.read(self.read)
                if not batch:
                    break
                self.rest = self._lines(wire.json_parts(batch.frames))
                self.read = batch.last
            room = self.limit - len(self.text)
            cut = self.rest.index("\n") + 1 if single else len(self.rest)
            if cut > room:
                cut = self.rest.rfind("\n", 0, max(room, 0)) + 1
                if not cut and not self.text:
                    cut = room  # one event that is longer than a chunk
                self.full = True
            self.text += self.rest[:cut]
            self.rest = self.rest[cut:]
        # Checked after reading: a closed log does not grow, so the chunk with its last event can say so.
        return self.log.closed and not self.rest and self.read >= self.log.last

    def step(self) -> None:
        """Leave the tail as it is stored and begin the next chunk."""
        self.first, self.offset = place_after(self.first, self.offset, self.text)
        self.index += 1
        self.text = ""
        self.stored = -1
        self.size = 0
        self.full = False
        self.proven = False

    def _lines(self, parts: list[bytes]) -> str:
        """What was read, as lines; a gap in the place of each event that is a dead letter."""
        text = b"\n".join([*parts, b""]).decode()
        if not self.refused:
            return text
        lines = text.split("\n")
        event_id = self.read
        for n, line in enumerate(lines[:-1]):
            gap = GAP.fullmatch(line)
            event_id += int(gap[1]) if gap else 1
            if not gap and event_id in self.refused:
                lines[n] = MISSING
        return "\n".join(lines)

    def _split(self) -> bool:
        kept = max(self.stored, 0)
        refused = self.text[kept:]
        if not kept:
            if len(refused) > LEAST_CHARS:
                self.limit = max(min(self.limit, len(refused)) // 2, LEAST_CHARS)
            elif "\n" in refused[:-1]:
                self.doubt = place_after(self.first, self.offset, refused[:-1])[0]
            else:
                return False
        self.rest = refused + self.rest
        self.text = self.text[:kept]
        self.full = False
        if kept:
            self.step()
        return True

    def _leave_out(self, reason: str) -> Refusal | None:
        part, _, rest = (self.text + self.rest).partition("\n")
        if not part or GAP.fullmatch(part) or (self.log.closed and self.first == self.log.last):
            return None
        event: str | None = part
        if self.offset:
            event = wire.json_parts(self.log.read(self.first - 1, 1).frames)[0].decode()
            event = None if GAP.fullmatch(event) else event
        self.left_out = self.offset, part
        self.offset = 0
        self.text, self.rest = f"{MISSING}\n", rest
        return Refusal(self.first, event, reason)

    def _give_back(self) -> None:
        self.offset, part = self.left_out
        self.text, self.rest = "", f"{part}\n{self.rest}"


class ChunkWriter(Writer[_Outgoing]):
    """Writes chunks.

    Args:
        write, fetch, keep: the store's calls; they are made from the writer's thread alone.
        place, options: those of `Writer`.
    """

    def __init__(self, place: str, write: Write, fetch: Fetch, keep: Keep, **options: Any) -> None:
        super().__init__(place, **options)
        self._write = write
        self._keep = keep
        self._fetch = fetch
        self._round_at = 0.0

    def _outgoing(self, job_id: str, log: EventLog, opened: Opened | None) -> _Outgoing:
        return _Outgoing(job_id, log, opened)

    def _round(self) -> bool:
        """One write for each job in turn, as long as one has more to write. True if something was written."""
        wrote = False
        busy = True
        # A flush of one job does not write the tails of the others more often.
        everyone = time.monotonic() >= self._round_at
        if everyone:
            self._round_at = time.monotonic() + self._flush_seconds
        while busy:
            busy = False
            for out in dict.fromkeys([*self._urgent(), *(self._all() if everyone else ())]):
                now = time.monotonic()
                if now < self._down_until:
                    return wrote
                if now < out.due or out.dead or out.closed:
                    continue
                if out.index and now >= out.head_at + self._ttl_seconds / 2:
                    self._write_head(out)
                elif out.pending or out.stored < 0 or now >= out.renew_at:
                    written = self._write_tail(out)
                    wrote = wrote or written
                    busy = busy or (bool(out.rest) if written else out.due <= now)
        return wrote

    def _write_tail(self, out: _Outgoing) -> bool:
        """Write what is new. False if it is not known to be stored: it is tried again, at once or when it is due."""
        if out.stored == len(out.text) and (out.full or (not out.pending and out.size > IDLE_BYTES)):
            out.step()
        before = out.size
        closed = out.fill()
        out.beat += 1
        self._totals.retries += out.trouble is not None
        chunk = Chunk(out.first, out.offset, out.text, out.beat, self._lease, closed, out.epoch)
        try:
            if isinstance(out.log, AttemptLog):
                self._keep_checkpoint(out, out.log, chunk)
            if not out.proven:
                self._check_head(out, closed)
            out.size = self._write(out.job_id, out.index, chunk, out.run, out.stored >= 0)
        except Exception as error:
            self._failed(out, as_fault(error))
            return False
        known = out.reached - out.saved  # events that are written again
        lines = out.text[max(out.stored, 0) :].split("\n", known + 1)
        # The last line is not whole, nor is the first one of a chunk that begins in the middle of a long event.
        if len(lines) > known + 1 and not (out.offset and out.stored <= 0):
            self._note_stored(out, lines[known])
        now = time.monotonic()
        out.stored = len(out.text)
        self._worked(out)
        out.full = out.full or 2 * out.size - before > FULL_BYTES
        out.saved = place_after(out.first, out.offset, out.text)[0] - 1
        out.closed = closed
        out.renew_at = now + self._lease / 3
        if out.index == 0:
            out.head_at = out.checked_at = now
        self._look(out)
        return True

    def _keep_checkpoint(self, out: _Outgoing, log: AttemptLog, chunk: Chunk) -> None:
        """Before the chunk with its event: the store must not have that with an older checkpoint."""
        text = log.checkpoint
        if text is not None and text is not out.kept:
            self._keep(out.job_id, text, chunk, out.run)
            out.kept = text

    def _check_head(self, out: _Outgoing, closed: bool) -> None:
        """Are the chunks before the tail still there? A write of the tail shows a loss since the tail was begun, but no
        earlier one: that is checked now and then, and always before the last write."""
        now = time.monotonic()
        if not closed and now < out.checked_at + CHECK_SECONDS:
            return
        try:
            fetched = self._fetch([(out.job_id, 0)])
            if fetched.unknown:
                raise StoreFault("busy", f"the log of job {out.job_id!r} could not be checked")
        except StoreFault as fault:
            if closed and fault.kind != "denied":  # perhaps this process may write, but not read
                raise
            return
        if not fetched.found:
            raise StoreFault("gone", f"the log of job {out.job_id!r} is not there any more")
        if fetched.found[out.job_id, 0].epoch > out.epoch:
            raise StoreFault("conflict", f"a newer attempt of job {out.job_id!r} has begun")
        out.checked_at = now
        out.proven = out.stored >= 0

    def _write_head(self, out: _Outgoing) -> None:
        """Renew chunk 0, by which a job is found, before it expires; it points past chunks that do expire."""
        out.beat += 1
        self._totals.retries += out.trouble is not None
        chunk = replace(out.head or self._first_chunk(out), beat=out.beat, tail=out.index, epoch=out.epoch)
        try:
            self._write(out.job_id, 0, chunk, out.run, False)
        except Exception as error:
            fault = as_fault(error)
            if fault.kind != "refused":
                self._failed(out, fault)
                return
            # The store has taken it before. It is tried again later, so that the tail does not wait for it.
            logger.warning(
                "%s: the first chunk of job %r may expire: %s", self._place, out.job_id, fault.reason,
                extra={"job_id": out.job_id},
            )  # fmt: skip
        out.head_at = time.monotonic()

    def _first_chunk(self, out: _Outgoing) -> Chunk:
        head = _Outgoing(out.job_id, out.log)
        head.limit, head.refused = out.limit, out.refused
        head.fill()
        # Events that the log has dropped may still be in the chunks that follow: a gap must not hide them.
        text = "" if GAP.match(head.text) else head.text
        return Chunk(head.first, 0, text, out.beat, self._lease)

    def _put_off(self, out: _Outgoing, fault: StoreFault) -> None:
        if fault.kind == "gone":
            jobs = self._all()
            if any(other.stored >= 0 or other.index for other in jobs):
                logger.warning("%s: %s; what is still in memory is written again", self._place, fault.reason)
            for other in jobs:
                other.rewind()
        super()._put_off(out, fault)
