"""The writer of stores that append: see `format`."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from typing import Any, Final

from ... import wire
from ...events import count_between, last_before
from ...log import AttemptLog, EventLog
from ..remote.faults import StoreFault, as_fault, count, logger
from ..remote.outgoing import MISSING, Opened, Outgoing, Refusal
from ..remote.writer import Writer
from .format import Append, Appender

# In one append, and in one call with several: as much as a socket takes without a long wait.
APPEND_BYTES: Final = 262_144
CALL_BYTES: Final = 1_048_576

_GAP = re.compile(rb'\{"event":"gap","missed":([0-9]{1,18})\}')  # no user's event has this form: each has a t
_NOTHING: Final = Append("", "", 0)


class _Outgoing(Outgoing):
    """How far a job is stored."""

    __slots__ = ("_writer", "begun", "kept", "left", "read", "sent", "stored")

    MOST = 8_192
    """Events: so many are in any append of `APPEND_BYTES`."""

    def __init__(self, job_id: str, log: EventLog, writer: StreamWriter, opened: Opened | None) -> None:
        self._writer = writer
        self.left = False
        """Whether the store knows that nothing more will come."""
        self.sent = _NOTHING
        """The append under way. It is dropped afterwards, so that a quiet job holds no event twice."""
        self.read = 0
        """The id up to which all is in `sent`, or lost."""
        super().__init__(job_id, log, opened)

    def rewind(self, to: int = 0) -> None:
        self.stored = to
        """The last record's id, as `saved`; less, where the events after it are gone, or another attempt's."""
        self.saved = max(to, self.log.base)
        self.kept: str | None = None
        """The checkpoint that the store has."""
        self.begun = False
        """Whether the store is known to have the job, up to ``stored``."""
        self.renew_at = 0.0
        self.trial = None

    def resume(self, opened: Opened) -> None:
        self.stored = opened.last
        if opened.event:
            self.stored = last_before(opened.attempt, opened.last) + 1
        self.saved = self.read = self.stored
        self.begun = True
        self.kept = opened.checkpoint

    def notify(self) -> None:
        """From the thread that logs: there is something to write."""
        self._writer.note_pending(self)

    @property
    def pending(self) -> bool:
        """Whether there is something to write."""
        if self.dead or self.closed:
            return False
        log = self.log
        leaving = log.evicted and not log.closed and not self.left
        return not self.begun or log.closed or leaving or log.last > self.saved

    @property
    def settled(self) -> bool:
        return not self.pending

    def _split(self) -> bool:
        events = self.sent.events
        if len(events) > 1:
            self.limit = len(events) // 2
            self.doubt = max(self.doubt, events[-1][0])
        return len(events) > 1

    def _leave_out(self, reason: str) -> Refusal | None:
        if not self.sent.events or self.sent.status is not None:
            return None
        event_id, text = self.sent.events[0]
        if event_id in self.refused:  # its gap is refused
            return None
        self.limit, self.doubt = 1, max(self.doubt, event_id)
        return Refusal(event_id, text.decode(), reason)


class StreamWriter(Writer[_Outgoing]):
    """Appends records, as soon as there are some: the first of a quiet job at once, then every ``flush_seconds``.

    Args:
        appender: the store's calls.
        place, options: those of `Writer`.
    """

    def __init__(self, place: str, appender: Appender, **options: Any) -> None:
        super().__init__(place, **options)
        self._appender = appender
        self._notified: deque[_Outgoing] = deque()
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

    def _outgoing(self, job_id: str, log: EventLog, opened: Opened | None) -> _Outgoing:
        out = _Outgoing(job_id, log, self, opened)
        self._notified.append(out)
        return out

    def add(self, job_id: str, log: EventLog, opened: Opened | None = None) -> _Outgoing:
        out = super().add(job_id, log, opened)
        self._wake.set()
        return out

    def note_pending(self, out: _Outgoing) -> None:
        """A job has something to write."""
        self._notified.append(out)
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
        while not self._is_flushing and not self._stopping:
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
        while self._notified:
            self._open[self._notified.popleft()] = None
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
            outs: list[_Outgoing] = []
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
                if not self._prepare(out, now):
                    if out.log.alarm(out, out.saved) or out.finished:
                        del self._open[out]
                    continue
                outs.append(out)
                size += sum(len(text) for _, text in out.sent.events)
                again = again or out.log.last > out.read
            if not outs:
                break
            if not self._append(outs):
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
        if self._was_down or (not had and self._beat > 1):  # does the store still have its data?
            self._was_down = False
            for out in self._all():
                out.begun = False
                self._open[out] = None

    def _prepare(self, out: _Outgoing, now: float) -> bool:
        """Make the next append of a job; False if there is nothing to write."""
        log = out.log
        out.sent = append = Append(out.job_id, out.run, out.stored)
        if isinstance(log, AttemptLog):
            append.epoch = out.epoch
            append.checkpoint = None if log.checkpoint is out.kept else log.checkpoint
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
        # Checked after reading: a closed log does not grow, so its last event is known by its id.
        closed = log.closed
        if closed and append.events and last == log.last:
            append.status = str(json.loads(append.events[-1][1]).get("status", "completed"))
        elif closed and last == log.last:  # the last event is gone from memory, or stored
            append.left = True
        elif log.evicted and not closed and last == log.last:
            append.left = not out.left
        out.read = last
        return bool(append.events) or append.left or not out.begun or now >= out.renew_at or last > out.saved

    def _append(self, outs: list[_Outgoing]) -> bool:
        """Write; False if nothing more is to be tried now."""
        self._totals.retries += any(out.trouble is not None for out in outs)
        try:
            replies = self._appender.append([out.sent for out in outs])
        except Exception as error:
            self._all_failed(outs, as_fault(error))
            return False
        now = time.monotonic()
        good = True
        lost = 0
        for out, reply in zip(outs, replies, strict=True):
            append = out.sent
            if isinstance(reply, StoreFault):
                if not self._failed(out, reply):
                    self._failing = True
                    good = good and reply.kind in ("conflict", "busy", "refused")
                continue
            expected = append.events[-1][0] if append.events else append.after
            if reply < expected:  # the store has lost events, and refuses later ones
                lost += count_between(reply, append.after)
                out.trouble = None
                out.rewind(reply)
                continue
            self._worked(out)
            out.sent = _NOTHING
            new = next((text for event_id, text in append.events if event_id > out.reached), None)
            if new is not None:
                self._note_stored(out, new.decode())
            out.begun = True
            out.kept = append.checkpoint or out.kept
            out.stored = expected
            out.saved = out.read
            if out.limit < out.MOST and out.saved >= out.doubt:
                out.limit *= 2
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
                self._put_off(out, fault)

    def _finished(self) -> list[str]:
        touched, self._touched = self._touched, set()
        return [out.job_id for out in touched if out.finished and self._jobs.get(out.job_id) is out]

    def _tell(self) -> None:
        if self._failing or self._warned:
            super()._tell()
            self._failing = any(out.trouble is not None and not out.dead for out in self._all())
