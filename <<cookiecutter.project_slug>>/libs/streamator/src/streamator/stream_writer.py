"""The writer of stores that append: see `record`."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import deque
from typing import Any, Final

from . import wire
from .fault import StoreFault, as_fault, count, logger
from .log import EventLog
from .record import Append, Appender
from .writer import MISSING, Outgoing, Refusal, Writer

# In one append: as much as one socket takes without a long wait.
APPEND_BYTES: Final = 262_144
CALL_BYTES: Final = 1_048_576
# So many events are in any append of so many bytes.
APPEND_EVENTS: Final = 8_192

_GAP = re.compile(rb'\{"event":"gap","missed":([0-9]{1,18})\}')  # no user's event has this form: each has a t


class _Outgoing(Outgoing):
    """How far a job is stored."""

    __slots__ = ("_writer", "begun", "doubt", "left", "limit", "renew_at", "run", "stored", "trial")

    def __init__(self, job_id: str, log: EventLog, writer: StreamWriter) -> None:
        super().__init__(job_id, log)
        self._writer = writer
        self.run = uuid.uuid4().hex
        self.left = False
        """Whether the store knows that nothing more will come."""
        self.limit = APPEND_EVENTS
        """How many events an append may have: fewer after one that was refused."""
        self.doubt = 0
        """The id up to which it is not made larger again."""
        self.rewind()

    def rewind(self, to: int = 0) -> None:
        self.saved = self.stored = to
        """The last record's id, as `saved`; less, where the events after it are gone."""
        self.begun = False
        """Whether the store is known to have the job, up to ``stored``."""
        self.renew_at = 0.0
        self.trial: Refusal | None = None
        """An event that was refused by itself, while a gap is tried in its place."""

    def notify(self) -> None:
        """From the thread that logs: there is something to write."""
        self._writer.ring(self)

    @property
    def pending(self) -> bool:
        """Whether there is something to write."""
        if self.dead or self.closed:
            return False
        log = self.log
        leaving = log.ended and not log.closed and not self.left
        return not self.begun or log.closed or leaving or log.last > self.saved

    @property
    def settled(self) -> bool:
        return not self.pending

    def narrow(self, append: Append, fault: StoreFault) -> bool:
        """After an append was refused: the next one has fewer events, and after a single one a gap in its place. False
        if it is not the event that is refused, or if it is the last one of a log that is closed."""
        count = len(append.events)
        if self.trial is not None or not count:  # nor is the gap taken
            self.trial = None
            return False
        last, text = append.events[-1]
        if count == 1:
            if append.status is not None or last in self.refused:
                return False
            self.trial = Refusal(last, text.decode(), fault.reason)
        self.limit = max(count // 2, 1)
        self.doubt = max(self.doubt, last)
        return True

    def widen(self) -> None:
        """After an append was good."""
        if self.limit < APPEND_EVENTS and self.saved >= self.doubt:
            self.limit *= 2


class StreamWriter(Writer[_Outgoing]):
    """Appends records, as soon as there are some: the first of a quiet job at once, then every ``flush_seconds``.

    Args:
        appender: the store's calls.
        place, options: those of `Writer`.
    """

    def __init__(self, place: str, appender: Appender, **options: Any) -> None:
        super().__init__(place, **options)
        self._appender = appender
        self._rung: deque[_Outgoing] = deque()
        self._open: dict[_Outgoing, None] = {}
        """The jobs that may have something to write."""
        self._beat = 0
        self._beat_at = 0.0
        self._scan_at = 0.0
        self._round_at = 0.0
        self._failing = False
        self._was_down = False
        self._touched: set[_Outgoing] = set()
        """The jobs that may be finished."""

    def _outgoing(self, job_id: str, log: EventLog) -> _Outgoing:
        out = _Outgoing(job_id, log, self)
        self._rung.append(out)
        return out

    def add(self, job_id: str, log: EventLog) -> _Outgoing:
        out = super().add(job_id, log)
        self._wake.set()
        return out

    def ring(self, out: _Outgoing) -> None:
        """A job has something to write."""
        self._rung.append(out)
        if not self._wake.is_set():
            self._wake.set()

    # The thread

    def _pause(self) -> None:
        now = time.monotonic()
        if now < self._down_until:
            self._wake.wait(self._down_until - now)
        elif self._open:
            self._wake.wait(max(min(out.due for out in self._open) - now, 0.0))
        else:
            self._wake.wait(max(min(self._beat_at, self._scan_at) - now, 0.0))
        while not self._hurry and not self._stopping:
            rest = self._round_at + self._flush_seconds - time.monotonic()
            if rest <= 0:
                break
            time.sleep(min(rest, 0.02))

    def _round(self) -> bool:
        now = self._round_at = time.monotonic()
        if now < self._down_until:
            return False
        try:
            self._give_beat(now)
        except Exception as error:
            self._all_failed(self._all(), as_fault(error))
            return False
        while self._rung:
            self._open[self._rung.popleft()] = None
        self._open.update(dict.fromkeys(self._urgent()))
        if now >= self._scan_at:
            self._scan_at = now + self._lease / 6
            for out in self._all():
                if out.pending or now >= out.renew_at:
                    self._open[out] = None
                self._touched.add(out)
        wrote = False
        again = True
        while again:
            again = False
            appends: list[tuple[_Outgoing, Append, int]] = []
            size = 0
            for out in list(self._open):
                self._touched.add(out)
                if out.dead or out.closed:
                    del self._open[out]
                    continue
                if now < out.due:
                    continue
                if size >= CALL_BYTES:
                    again = True
                    break
                made = self._prepare(out, now)
                if made is None:
                    if out.log.alarm(out, out.saved) or out.finished:
                        del self._open[out]
                    continue
                appends.append((out, *made))
                size += sum(len(text) for _, text in made[0].events)
                again = again or out.log.last > made[1]
            if not appends:
                break
            if not self._append(appends):
                return wrote
            wrote = True
        return wrote

    def _give_beat(self, now: float) -> None:
        if now < self._beat_at and not self._was_down:
            return
        self._beat += 1
        self._totals.retries += self._was_down
        had = self._appender.beat(self._beat)
        self._beat_at = now + self._lease / 3
        if self._was_down or (not had and self._beat > 1):  # is what the store had still there?
            self._was_down = False
            for out in self._all():
                out.begun = False
                self._open[out] = None

    def _prepare(self, out: _Outgoing, now: float) -> tuple[Append, int] | None:
        """What is to be written of a job, and the id up to which that is all; None if there is nothing."""
        log = out.log
        append = Append(out.job_id, out.run, out.stored)
        batch = log.read(out.saved, APPEND_BYTES)
        last = out.saved
        for part in wire.json_parts(batch.frames):
            gap = _GAP.fullmatch(part)
            if gap:
                last += int(gap[1])
            else:
                last += 1
                lost = last in out.refused or (out.trial is not None and out.trial.id == last)
                append.events.append((last, MISSING.encode() if lost else part))
                if len(append.events) >= out.limit:
                    break
        # Looked at after reading: once closed, a log does not grow, so that its last event is known by its id.
        closed = log.closed
        if closed and append.events and last == log.last:
            append.status = str(json.loads(append.events[-1][1]).get("status", "completed"))
        elif closed and last == log.last:  # the last event is gone from memory, or stored
            append.left = True
        elif log.ended and not closed and last == log.last:
            append.left = not out.left
        if not append.events and not append.left and out.begun and now < out.renew_at and last == out.saved:
            return None
        return append, last

    def _append(self, appends: list[tuple[_Outgoing, Append, int]]) -> bool:
        """Write; False if nothing more is to be tried now."""
        self._totals.retries += any(out.trouble is not None for out, _, _ in appends)
        try:
            replies = self._appender.append([append for _, append, _ in appends])
        except Exception as error:
            self._all_failed([out for out, _, _ in appends], as_fault(error))
            return False
        now = time.monotonic()
        good = True
        lost = 0
        for (out, append, last), reply in zip(appends, replies, strict=True):
            if isinstance(reply, StoreFault):
                self._totals.failures[reply.kind] += 1
                if reply.kind == "refused" and out.narrow(append, reply):
                    continue
                self._failing = True
                good = good and reply.kind in ("conflict", "busy", "refused")
                self._failed(out, reply)
                continue
            out.trouble = None
            expected = append.events[-1][0] if append.events else append.after
            if reply < expected:  # it has lost what was stored, and has refused to take what comes later
                lost += append.after - reply
                out.rewind(reply)
                continue
            new = next((text for event_id, text in append.events if event_id > out.reached), None)
            if new is not None:
                self._note_stored(out, new.decode())
            out.begun = True
            out.stored = expected
            out.saved = last
            if out.trial is not None:
                self._bury(out, out.trial)
                out.trial, out.limit = None, APPEND_EVENTS
            out.widen()
            out.left = append.left
            out.closed = append.status is not None or (append.left and out.log.closed)
            out.renew_at = now + min(self._ttl_seconds / 3, 86_400)
            self._look(out)
        if lost > 0:
            text = "the store has lost %s that it had; what is still in memory is written again"
            logger.warning("%s: " + text, self._place, count(lost, "event"))
        return good

    def _all_failed(self, outs: list[_Outgoing], fault: StoreFault) -> None:
        self._failing = self._was_down = True
        self._totals.failures[fault.kind] += 1
        for out in outs:
            if not out.dead:
                self._failed(out, fault)

    def _finished(self) -> list[str]:
        touched, self._touched = self._touched, set()
        return [out.job_id for out in touched if out.finished and self._jobs.get(out.job_id) is out]

    def _tell(self) -> None:
        if self._failing or self._warned:
            super()._tell()
            self._failing = any(out.trouble is not None and not out.dead for out in self._all())
