"""The mirrors of stores that keep chunks: see `format`."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import Any, Final

from ...events import attempt_of, count_between
from ...log import EventLog, MirroredLog
from ..remote.faults import as_fault
from ..remote.mirror import MIRROR_IDLE_SECONDS, Mirror, Mirrors
from .format import GAP, Chunk, Fetch, Fetched, Key

POLL_SECONDS: Final = 0.25  # between two reads of a job whose lines are coming
POLL_IDLE_SECONDS: Final = 2.0  # between two reads of a quiet one, at the most
FETCH_KEYS: Final = 100
ODD_READS: Final = 8  # two seconds of reads that do not join on: no read is stale for so long


class _Mirror(Mirror):
    """How far a job's chunks have been read."""

    __slots__ = (
        "anew", "anew_beat", "carry", "due", "hunt", "index", "index_beat", "interval", "odd", "past", "polled_at",
        "tail", "window",
    )  # fmt: skip

    def __init__(self, log: MirroredLog, attempt: int) -> None:
        super().__init__(log, attempt)
        self.index = 0
        self.index_beat = 0
        """The beat of the chunk ``index``: each later one has a later beat. 0: not known."""
        self.carry = ""
        """The part that is read of the event after the log's last."""
        self.tail = 0
        self.hunt: tuple[int, int] | None = None
        """Some chunks are gone: (one that is gone, a later one that was there)."""
        self.past = False
        """Whether the chunk ``index`` is known to be whole: the next read begins after it."""
        self.window = 1
        self.interval = POLL_SECONDS
        self.due = 0.0
        self.polled_at = 0.0
        self.odd = 0
        """Reads in a row that do not fit what was read before."""
        self.anew = False
        """Whether it is being read from chunk 0 again, and nothing has joined on yet."""
        self.anew_beat = -1
        """The last beat when that was begun."""

    def keys(self) -> list[int]:
        if self.hunt is not None:
            low, high = self.hunt
            return sorted({low + (high - low) * k // 8 for k in range(1, 9)} - {low})
        start = self.index + self.past
        return list(range(start, start + self.window))

    def begin_anew(self) -> None:
        """Read it again from chunk 0; what is there already is not appended again."""
        self.odd = self.index = self.index_beat = self.tail = 0
        self.anew = True
        self.anew_beat = self.beat

    def is_left_over(self, n: int, chunk: Chunk) -> bool:
        """Whether a chunk is left over: the store has lost the log, and the producer writes it again from chunk 0."""
        return n > self.index and chunk.beat < self.index_beat

    def joins(self, chunk: Chunk) -> bool:
        last = self.log.last
        if (chunk.first, chunk.offset) <= (last + 1, len(self.carry)):
            return True
        return not chunk.offset and count_between(last, chunk.first - 1) == 0  # another attempt begins

    def append(self, chunk: Chunk) -> bool:
        """Append what is new in a chunk that joins on. Returns whether there was something."""
        log = self.log
        if chunk.first > log.last + 1 and not chunk.offset:
            self.jump(chunk)
        before = log.last, len(self.carry)
        event_id, offset = chunk.first, chunk.offset
        *lines, part = chunk.text.split("\n")
        for n, line in enumerate(lines, 1):
            gap = GAP.fullmatch(line)
            if gap:
                event_id += int(gap[1])
                log.skip(event_id - 1)
                self.carry = ""
            else:
                if event_id == log.last + 1:
                    text = self.carry[:offset] + line
                    self.carry = ""
                    last = chunk.closed and n == len(lines)
                    if last and attempt_of(event_id) >= self.attempt:  # else it was opened again
                        log.close(json_text=text)
                    else:
                        log.append_json(text)
                event_id += 1
            offset = 0
        if part and event_id == log.last + 1 and offset + len(part) > len(self.carry):
            self.carry = self.carry[:offset] + part
        return before != (log.last, len(self.carry))

    def jump(self, chunk: Chunk) -> None:
        """Skip the events before a chunk: they are lost."""
        self.carry = ""
        self.log.skip(chunk.first if chunk.offset else chunk.first - 1)


class ChunkMirrors(Mirrors[_Mirror]):
    """Reads chunks, in polls.

    Args:
        fetch: the store's read; only the reader's thread calls it.
        place, options: those of `Mirrors`.
    """

    def __init__(self, place: str, fetch: Fetch, **options: Any) -> None:
        super().__init__(place, grace_step=POLL_SECONDS, **options)
        self._fetch = fetch

    def _is_fresh(self, mirror: _Mirror, now: float) -> bool:
        if now < mirror.polled_at + POLL_SECONDS:
            return True
        mirror.due = now
        return False

    def _read(self) -> None:
        self._asked = {}
        wake = threading.Event()
        self._notify = wake.set
        while True:
            wake.clear()
            wait = self._round()
            if self._is_over(threading.current_thread()):
                return
            wake.wait(max(wait, 0.0))

    def _round(self) -> float:
        """Read what is due, in one fetch. Returns the seconds until more is due."""
        now = time.monotonic()
        asked, mirrors = self._due(now)
        asked = asked[: FETCH_KEYS // 2]
        keys = [(job_id, 0) for job_id in asked]
        polled: dict[str, _Mirror] = {}
        for job_id, mirror in sorted(mirrors.items(), key=lambda item: item[1].due):
            wanted = mirror.keys()
            if mirror.due > now or len(keys) + len(wanted) > FETCH_KEYS:
                break
            polled[job_id] = mirror
            keys += [(job_id, n) for n in wanted]
        if keys:
            self._poll(keys, asked, polled)
        now = time.monotonic()
        with self._lock:
            if self._health.trouble is not None and self._finds:
                return self._health.trouble.backoff(1.0)
            due = [mirror.due for mirror in self._mirrors.values() if not mirror.log.closed]
            due += [self._look_at(job_id) for job_id in self._finds]
            return min(min(due, default=inf) - now, MIRROR_IDLE_SECONDS / 4)

    def _poll(self, keys: list[Key], asked: list[str], polled: dict[str, _Mirror]) -> None:
        began = time.monotonic()
        try:
            fetched = self._fetch(keys)
        except Exception as error:
            trouble = self._failed(as_fault(error), asked, polled, time.monotonic() - began)
            due = time.monotonic() + trouble.backoff(POLL_IDLE_SECONDS)
            for mirror in polled.values():
                mirror.due = due
            return
        now = time.monotonic()
        self._worked()
        answers: dict[str, EventLog | None] = {}
        for job_id in asked:
            head = fetched.found.get((job_id, 0))
            closed = self._still_closed(job_id, head.epoch if head is not None else None)
            if closed is not None:
                answers[job_id] = closed
            elif head is not None:
                with self._lock:
                    self._mirrors[job_id] = polled[job_id] = _Mirror(self._new_log(), head.epoch)
            elif (job_id, 0) not in fetched.unknown and self._is_missing(job_id, now):
                answers[job_id] = None
        for job_id, mirror in polled.items():
            if self._take(job_id, mirror, fetched, now) and mirror.ready:
                answers[job_id] = mirror.log
        self._answer(answers)

    def _take(self, job_id: str, mirror: _Mirror, fetched: Fetched, now: float) -> bool:
        """Append what a read gave, and decide when to read next. Returns whether the end was reached."""
        wanted = mirror.keys()
        mirror.polled_at = now
        beat, grown, known = mirror.beat, False, True
        fits = True
        more = True  # there may be more to read at once
        if mirror.hunt is not None:
            known = more = self._hunt(mirror, job_id, fetched, mirror.hunt)
            wanted = []
            if mirror.log.closed:  # what was found is the last chunk
                mirror.ready = True
                return True
        current = mirror.index
        for n in wanted:
            chunk = fetched.found.get((job_id, n))
            if chunk is None or mirror.is_left_over(n, chunk):
                known = (job_id, n) not in fetched.unknown
                if known and n == current and mirror.beat:
                    fits = False  # it was there before: a stale read, or the chunks are gone
                if known and mirror.tail > n > current:
                    mirror.hunt = n, mirror.tail
                else:
                    more = False
                break
            if chunk.beat > mirror.beat:
                mirror.beat = chunk.beat
                self._is_back(job_id, mirror)
            mirror.lease = chunk.lease
            mirror.attempt = max(mirror.attempt, chunk.epoch)
            mirror.tail = max(mirror.tail, chunk.tail)
            if not mirror.joins(chunk):
                expired = n <= mirror.tail and not mirror.ready
                if not expired and (mirror.odd + 1 < ODD_READS or not mirror.anew):
                    fits = more = False
                    break
                mirror.jump(chunk)
            if n > mirror.index:
                mirror.index, mirror.index_beat = n, 0
            if not chunk.tail:  # a renewed chunk 0 has a later beat than the chunks that follow
                mirror.index_beat = max(mirror.index_beat, chunk.beat)
            grown = mirror.append(chunk) or grown
            if mirror.log.closed:
                mirror.ready = True
                return True
        if known:  # an incomplete read does not tell whether the rest fits
            mirror.odd = 0 if fits else mirror.odd + 1
        if grown or (known and fits and not more):  # to its end, and nothing is missing
            mirror.anew = False
        # A read that does not fit says nothing about the producer, unless even reading anew fits nothing.
        told = known and (not mirror.odd or mirror.anew)
        self._watch_lease(job_id, mirror, told, mirror.beat != beat, now, 2 * mirror.interval + 0.1)
        # Reads that do not fit for so long are not stale: the store has lost the log, and it is written anew. Silence
        # may mean the same, if the chunks read here were left over: that is checked before the producer counts as lost.
        silent = mirror.ready and mirror.quiet >= mirror.lease and mirror.anew_beat != mirror.beat
        if mirror.odd >= ODD_READS or silent:
            mirror.begin_anew()
            more = False
        again, mirror.past = mirror.past, more
        if more:
            # Read in growing steps, but ask for little that is not there, since that is billed too: once a log was read
            # to its end, the step grows only if the last read found all it asked for.
            step = max(2, mirror.index // 3) if not mirror.ready else mirror.window * (1 + again)
            mirror.window = min(step, FETCH_KEYS // 2)
            mirror.due = now
            return False
        mirror.window = 2
        if known and not mirror.ready and not mirror.odd:
            mirror.ready = True
            self._was_lost(job_id, mirror)
        longest = min(POLL_IDLE_SECONDS, mirror.lease / 5)
        mirror.interval = POLL_SECONDS if grown or mirror.odd else mirror.interval * 1.5
        mirror.interval = min(mirror.interval, longest)
        mirror.due = now + mirror.interval if known else now + 0.05
        return known

    def _hunt(self, mirror: _Mirror, job_id: str, fetched: Fetched, between: tuple[int, int]) -> bool:
        """Search for the first chunk that has not expired."""
        low, high = between
        for n in mirror.keys():
            if (job_id, n) in fetched.unknown:
                return False
            if (job_id, n) in fetched.found:
                high = n
                break
            low = n
        if low >= high:  # not even the last one is there
            mirror.hunt = None
            mirror.tail = 0
            return True
        mirror.hunt = low, high
        if high == low + 1:
            mirror.hunt = None
            chunk = fetched.found.get((job_id, high))
            if chunk is not None:
                if not mirror.joins(chunk):
                    mirror.jump(chunk)
                mirror.index, mirror.index_beat = high, 0
                mirror.append(chunk)
        return True
