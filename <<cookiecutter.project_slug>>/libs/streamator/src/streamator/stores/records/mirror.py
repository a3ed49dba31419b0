"""The mirrors of stores that append: see `format`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ...events import ATTEMPT_IDS, attempt_of
from ...log import EventLog, MirroredLog
from ...private_loop import run_alone
from ..remote.faults import StoreFault, as_fault
from ..remote.mirror import MIRROR_IDLE_SECONDS, Mirror, Mirrors
from .format import Head, Reader, Row

READ_ROWS: Final = 1_000
BLOCK_SECONDS: Final = 2.0
BEAT_SECONDS: Final = 2.0  # between two looks at the producers' beats, at the most
MAX_BACKOFF_SECONDS: Final = 1.0
ASK_JOBS: Final = 100  # in one call
# A job that has just begun on another server may not be stored yet: it is looked for again, for so long and so often.
GRACE_SECONDS: Final = 0.25
GRACE_STEP: Final = 0.03
# Between two changes of the jobs that are followed. Each change interrupts the read that waits.
CHANGE_SECONDS: Final = 0.02
CANCEL_SECONDS: Final = 0.1


class _Mirror(Mirror):
    """A job whose records are read."""

    __slots__ = ("_most", "left", "moved", "producer")

    def __init__(self, log: MirroredLog, head: Head) -> None:
        super().__init__(log, head.attempt)
        self.producer = head.producer
        self.lease = head.lease
        self.moved = False
        """Whether another attempt has begun since its head was read."""
        self._most = ATTEMPT_IDS
        """The largest id of the attempt that is being read."""
        self.left = False
        """Whether nothing more will come, though the job is not over."""

    @property
    def cursor(self) -> tuple[int, bool]:
        return self.log.last, self.left

    def append(self, rows: list[Row]) -> None:
        log = self.log
        for row in rows:
            if row.json is None:
                self.left = True
                continue
            if row.id <= log.last:
                continue
            if row.id > self._most:
                number = attempt_of(row.id)
                self._most = number * ATTEMPT_IDS
                self.left = False
                if number > self.attempt:
                    self.attempt, self.moved = number, True
            log.skip(row.id - 1)  # missing ids are lost events, or another attempt's: no append leaves one out
            if row.closed and self._most >= self.attempt * ATTEMPT_IDS:  # else it was opened again
                log.close(json_text=row.json)
            else:
                log.append_json(row.json)


class StreamMirrors(Mirrors[_Mirror]):
    """Reads records: one call waits for all the jobs that are followed.

    Args:
        open_reader: opens the store's `Reader`, on the event loop of the thread that reads.
        place, options: those of `Mirrors`.
    """

    def __init__(self, place: str, open_reader: Callable[[], Reader], **options: Any) -> None:
        super().__init__(place, grace=GRACE_SECONDS, grace_step=GRACE_STEP, **options)
        self._open_reader = open_reader

    def _read(self) -> None:
        run_alone(_Session(self, threading.current_thread()).run())


class _Session:
    """The thread's work, from the first find until there is no job to follow."""

    def __init__(self, mirrors: StreamMirrors, thread: threading.Thread) -> None:
        self._of = mirrors
        self._thread = thread
        self._reader = mirrors._open_reader()
        self._changed = asyncio.Event()
        self._retry_at = 0.0
        self._beats_at = 0.0
        self._beats_every = BEAT_SECONDS
        self._following: asyncio.Task[None] | None = None
        self._followed: dict[str, _Mirror] = {}
        self._follow_at = 0.0

    async def run(self) -> None:
        of = self._of
        of._asked = {}
        loop = asyncio.get_running_loop()

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # closed: the thread has done its last round
                loop.call_soon_threadsafe(self._changed.set)

        # Notices arrive from here on; the first round sees earlier requests.
        of._notify = notify
        try:
            while True:
                self._changed.clear()
                wait = await self._round()
                if of._is_over(self._thread):
                    break
                await self._rest(wait)
        finally:
            await self._follow({})
            with contextlib.suppress(StoreFault):
                await self._reader.close()

    async def _rest(self, wait: float) -> None:
        """Wait for something to do."""
        if wait <= 0:
            return
        changed = asyncio.ensure_future(self._changed.wait())
        tasks: set[asyncio.Future[Any]] = {changed}
        if self._following is not None:
            tasks.add(self._following)
        await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

    async def _round(self) -> float:
        """Do what is due. Returns the seconds until more is."""
        of = self._of
        now = time.monotonic()
        asked, mirrors = of._due(now)
        asked = asked[:ASK_JOBS]
        if self._following is not None and self._following.done():
            task, self._following, self._followed = self._following, None, {}
            error = task.exception()
            if isinstance(error, Exception):
                now = self._failed(error, [], mirrors, now)
        if now < self._retry_at:
            return self._retry_at - now
        try:
            if asked:
                await self._ask(asked)
                with of._lock:
                    mirrors = {job_id: mirror for job_id, mirror in of._mirrors.items() if not mirror.log.closed}
            new = {job_id: mirror for job_id, mirror in mirrors.items() if not mirror.ready}
            more = bool(new) and await self._fill(new)
            due = bool(mirrors) and time.monotonic() >= self._beats_at
            if due:
                await self._beats(mirrors)
            if asked or new or due:
                of._worked()
        except Exception as error:
            now = self._failed(error, asked, mirrors, now)
            return self._retry_at - now
        now = time.monotonic()
        next_looks = [MIRROR_IDLE_SECONDS / 4, 0.0 if more else BEAT_SECONDS]
        with of._lock:
            next_looks += [of._look_at(job_id) - now for job_id in of._finds]
        ready = {job_id: mirror for job_id, mirror in mirrors.items() if mirror.ready and not mirror.log.closed}
        if ready:
            next_looks.append(self._beats_at - now)
        if ready.keys() != self._followed.keys():
            if now < self._follow_at:
                next_looks.append(self._follow_at - now)
            else:
                self._follow_at = now + CHANGE_SECONDS
                await self._follow(ready)
        return min(next_looks)

    # New jobs

    async def _ask(self, asked: list[str]) -> None:
        """Look for jobs."""
        of = self._of
        heads = await self._reader.look(asked)
        now = time.monotonic()
        answers: dict[str, EventLog | None] = {}
        for job_id in asked:
            head = heads.get(job_id)
            closed = of._still_closed(job_id, head.attempt if isinstance(head, Head) else None)
            if closed is not None:
                answers[job_id] = closed
            elif head is None:
                if of._is_missing(job_id, now):
                    answers[job_id] = None
            elif isinstance(head, StoreFault):
                of._refuse(f"could not be read: {head.reason}", [job_id])
            else:
                with of._lock:
                    of._mirrors[job_id] = _Mirror(of._new_log(), head)
        of._answer(answers)

    async def _fill(self, new: dict[str, _Mirror]) -> bool:
        """Read a part of each new job. Returns whether there is more."""
        of = self._of
        found = await self._reader.read({job_id: mirror.cursor for job_id, mirror in new.items()}, READ_ROWS)
        closed: dict[str, EventLog | None] = {}
        open_ones: dict[str, _Mirror] = {}
        for job_id, mirror in new.items():
            rows = found.get(job_id, [])
            mirror.append(rows)
            if mirror.log.closed:
                mirror.ready = True
                closed[job_id] = mirror.log
            elif len(rows) < READ_ROWS:
                open_ones[job_id] = mirror
        # Before the next read, which may fail: a closed log is not looked at again.
        of._answer(closed)
        if open_ones:
            await self._beats(open_ones)
        for job_id, mirror in open_ones.items():
            mirror.ready = True
            of._was_lost(job_id, mirror)
        of._answer({job_id: mirror.log for job_id, mirror in open_ones.items()})
        return len(closed) + len(open_ones) < len(new)

    # Jobs that are followed

    async def _follow(self, mirrors: dict[str, _Mirror]) -> None:
        """Follow these, and no others."""
        task, self._following, self._followed = self._following, None, mirrors
        if task is not None:
            while not task.done():
                # Once is not enough: up to Python 3.11 `asyncio.wait_for`, which redis-py uses to send, loses a
                # cancellation that comes together with its result.
                task.cancel()
                await asyncio.wait([task], timeout=CANCEL_SECONDS)
            if not task.cancelled():
                task.exception()  # retrieved: the next read will show if it lasts
        if mirrors:
            self._following = asyncio.create_task(self._read(dict(mirrors)))

    async def _read(self, mirrors: dict[str, _Mirror]) -> None:
        """Append what comes, until one of the logs is closed."""
        pace = self._of._pace
        while True:
            cursors = {job_id: mirror.cursor for job_id, mirror in mirrors.items()}
            found = await self._reader.read(cursors, READ_ROWS, BLOCK_SECONDS)
            # Nothing is awaited between the answer and the end of the appends: the task may be cancelled anywhere else.
            closed = False
            for job_id, rows in found.items():
                mirror = mirrors[job_id]
                self._of._is_back(job_id, mirror)
                mirror.append(rows)
                closed = closed or mirror.log.closed
                if mirror.moved:  # whose beats are to be read now?
                    self._beats_at = 0.0
                    self._changed.set()
            if closed:
                return
            if found and all(len(rows) < READ_ROWS for rows in found.values()):
                await asyncio.sleep(pace)

    async def _beats(self, mirrors: dict[str, _Mirror]) -> None:
        """Read the producers' beats."""
        of = self._of
        moved = [job_id for job_id, mirror in mirrors.items() if mirror.moved]
        for job_id, head in (await self._reader.look(moved) if moved else {}).items():
            if isinstance(head, Head):
                mirror = mirrors[job_id]
                mirror.producer, mirror.lease, mirror.moved = head.producer, head.lease, False
                mirror.quiet = 0.0
        producers = sorted({mirror.producer for mirror in mirrors.values()})
        beats = dict(zip(producers, await self._reader.beats(producers), strict=True))
        now = time.monotonic()
        for job_id, mirror in mirrors.items():
            value = beats[mirror.producer]
            beat = (mirror.producer, value)
            alive = value is not None and not mirror.left and beat != mirror.beat
            if alive and mirror.ready:
                of._is_back(job_id, mirror)
            mirror.beat = beat
            of._watch_lease(job_id, mirror, True, alive, now, 2 * self._beats_every + 0.1)
        self._beats_every = min([BEAT_SECONDS, *(mirror.lease / 5 for mirror in mirrors.values())])
        self._beats_at = now + self._beats_every

    def _failed(self, error: Exception, asked: list[str], mirrors: dict[str, _Mirror], began: float) -> float:
        """A read that began then failed. Returns the time now."""
        now = time.monotonic()
        trouble = self._of._failed(as_fault(error), asked, mirrors, now - began)
        self._retry_at = now + trouble.backoff(MAX_BACKOFF_SECONDS)
        return now
