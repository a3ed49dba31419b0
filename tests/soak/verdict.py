"""How it had to end for a viewer, by what has happened to the servers and the store.

- A gap hides nothing that a log has to keep: none of its last `MAXLEN` events.
- `done` has the status that the job ended with, after its last line. A job that may be lost may have `failed` in a
  later attempt; a log that begins with that one is one whose memory is gone.
- `lost` is told of a job whose server was killed or stopped for a lease (or ended with a store that took nothing), and
  of no other.
- 404 is the answer for a job whose memory is gone: that of its server, or of the store; for one that was not stored yet
  when its server was killed; and for one whose server and store have not run at the same time since it began.
- What anybody has seen `SETTLED_SECONDS` before a server was killed, with the store well, is there for all who come
  later.
- Nobody hangs, and no connection is silent for longer than a heartbeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from soak.content import MAXLEN
from soak.faults import ENDED, KILLED, PAUSED, WIPED, Faults
from soak.judge import LAST_WORDS
from soak.load import Job
from soak.processes import JOB_TTL_SECONDS, LEASE_SECONDS, Stack
from soak.viewers import Viewer

SETTLED_SECONDS = 3.0
STORED_SECONDS = 0.5  # by then a job is in a store that takes it
TOLD_SECONDS = 1.0  # by then somebody who watches a job where it runs is told of its end


class Verdicts:
    """Judges viewers.

    Arguments:
        stack, faults: where they were, and what has happened there.
        clock: that of all times here.
    """

    def __init__(self, stack: Stack, faults: Faults, clock: Callable[[], float] = time.monotonic) -> None:
        self._stack = stack
        self._faults = faults
        self._clock = clock

    def problem(self, job: Job, viewer: Viewer) -> str | None:
        """What was wrong for this viewer; None if nothing was."""
        transcript = viewer.transcript
        if viewer.problem is not None:
            return viewer.problem
        if "silence" in viewer.refused:
            return "a connection was silent for longer than a heartbeat"
        for last, missed in transcript.gaps:
            if last + MAXLEN > job.plan.lines + 4:
                return f"a gap of {missed} up to id {last}, in a log of {job.plan.lines} lines that keeps {MAXLEN}"
        for told in transcript.losses:
            if not self._may_be_lost(job, told):
                return f"lost, {told - job.began:.1f} s after its start, though its server lives"
        if viewer.ending == "open":
            return f"hangs at id {transcript.seen}"
        if transcript.anew and not self._may_be_gone(job, viewer.ended_at):
            return f"its log begins with attempt {transcript.attempt}"
        if viewer.ending == "done":
            return self._end(job, viewer)
        if viewer.ending == "gone" and not self._may_be_gone(job, viewer.ended_at):
            return f"404 after id {transcript.seen}, {viewer.ended_at - job.began:.1f} s after the job's start"
        return None

    def later(self, job: Job, viewer: Viewer) -> str | None:
        """The same for one who came when all was over, to what others had seen before."""
        problem = self.problem(job, viewer)
        if problem is not None or viewer.ending == "gone" or viewer.transcript.anew:
            return problem
        kept = self._must_be_kept(job)
        if viewer.transcript.seen < kept:
            return f"it ends at id {viewer.transcript.seen}, and {kept} had been seen long before the server was killed"
        return None

    def _end(self, job: Job, viewer: Viewer) -> str | None:
        transcript, plan = viewer.transcript, job.plan
        if transcript.attempt > 1:
            if not self._may_be_lost(job, viewer.ended_at) and not self._stops(job, ENDED, before=viewer.ended_at):
                return f"attempt {transcript.attempt}, though its server lives"
            if transcript.status not in ("failed", "cancelled", plan.ending):
                return f"done with {transcript.status!r} after its server was lost"
            return None
        if transcript.status != plan.ending and not (
            transcript.status == "cancelled" and self._stops(job, ENDED, before=viewer.ended_at)
        ):
            return f"done with {transcript.status!r}, and the job was to end with {plan.ending!r}"
        # Who came late enough has seen none of the lines, and does not know how many of the events were lines.
        spare = len(LAST_WORDS) if transcript.unsure else 0
        if transcript.status != "cancelled" and not plan.lines <= transcript.number <= plan.lines + spare:
            return f"done after line {transcript.number} of {plan.lines}"
        return None

    def _stops(self, job: Job, *what: str, before: float) -> list[float]:
        """When that happened to the job's server."""
        return [fault.began for fault in self._faults.of(job.server, *what, after=job.began - 1, before=before)]

    def _may_be_lost(self, job: Job, told: float) -> bool:
        if self._stops(job, KILLED, before=told):
            return True
        pauses = self._faults.of(job.server, PAUSED, after=job.began, before=told)
        if any(fault.ended - fault.began > LEASE_SECONDS for fault in pauses):
            return True
        if any(not self._faults.store_was_well(ended, ended) for ended in self._stops(job, ENDED, before=told)):
            return True
        # A store that loses a job which has ended: nobody is there to write its end once more.
        over = job.over
        return over is not None and bool(
            self._faults.of(self._stack.store, WIPED, after=over - TOLD_SECONDS, before=told)
        )

    def _may_be_gone(self, job: Job, asked: float) -> bool:
        stops = self._stops(job, KILLED, ENDED, before=asked)
        over = job.over
        if self._stack.store is None:
            return bool(stops) or (over is not None and asked > over + JOB_TTL_SECONDS - 1)
        if self._faults.of(self._stack.store, WIPED, after=job.began, before=asked):
            return True
        well = self._faults.store_was_well
        # A writer that was turned away waits for half a lease at the most before it tries again.
        waits = 0.0 if well(job.began, job.began) else LEASE_SECONDS / 2
        if self._faults.longest_calm(job.began, asked, job.server, self._stack.store) < STORED_SECONDS + waits:
            return True
        return any(stop < job.began + SETTLED_SECONDS or not well(job.began, stop) for stop in stops)

    def _must_be_kept(self, job: Job) -> int:
        """The id up to which the store must have the log."""
        now = self._clock()
        end = min(self._stops(job, KILLED, ENDED, before=now), default=now)
        times = [each for viewer in job.viewers for each in viewer.transcript.times]
        settled = [seen for at, seen in times if at + SETTLED_SECONDS < end and self._faults.store_was_well(at, end)]
        return max(settled, default=0)
