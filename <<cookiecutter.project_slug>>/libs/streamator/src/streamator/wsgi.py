"""A job's stream for WSGI servers, where a request has a thread and no event loop.

One event loop, in a thread of its own, does for all streams of a process what a server's loop does elsewhere; the
thread of a request asks it for the next batch when the client has taken the one before. A server gives each open
stream a thread for as long as it lasts: let it have as many as there may be viewers. It is also the server that
notices, at the next heartbeat, that a client has left or takes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from . import shutdown, wire
from .compression import Encoder
from .errors import StoreError
from .filters import DEFAULT_FILTER, Filter, check_filter
from .log import Batch, EventLog
from .options import check_cursor, check_flag, check_kind
from .private_loop import private_loop, run
from .serving import gunicorn_worker
from .store import Store
from .stream import HEARTBEAT_SECONDS, Follow, check_heartbeat
from .view import View, view_of
from .viewer import RETRY_MS, cancel_job, find_log, given_store, snapshot_json

NO_STORE = {"cache-control": "no-store"}


class EventStream(Iterator[bytes]):
    """A job's log as server-sent events: what a WSGI application returns.

    Args:
        log: the job's log; see `find`.
        after: the id of the last event that the viewer has (default 0).
        heartbeat: seconds without an event after which a comment is sent (default 15).
        named: put each event's name on an ``event:`` line (default False).
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); None for all.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        encoder: what compresses the stream (default: nothing); see `encoder_for`.

    Each item is all that is ready, once the one before is taken. It ends after the job's last event; and, without
    it, when the log is no longer kept here and when the server shuts down (see `shutdown.watch_signals`).
    A WSGI server calls `close` when it is done with it; so must everybody else.
    """

    transport = "sse"

    def __init__(
        self, log: EventLog, after: int = 0, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        encoder: Encoder | None = None,
    ) -> None:  # fmt: skip
        self._view = view_of(filter, batch_delay_ms, batch_size)
        self._log = log
        self._after = check_cursor("after", after)
        self._heartbeat = check_heartbeat(heartbeat)
        self._named = check_flag("named", named)
        if encoder is not None:
            check_kind("encoder", encoder, Encoder, "give what encoder_for() returns, or None")
        self._encoder = encoder
        self._follow: Follow | None = None
        self._closed = False

    def __next__(self) -> bytes:
        """The next piece of the stream; waits for it."""
        if self._closed:
            raise StopIteration
        if self._follow is None:
            run(self._begin(gunicorn_worker()))
            return self._encoded(wire.opening(RETRY_MS))
        batch = run(self._read(self._follow))
        if batch is None:
            self.close()
            if self._encoder is None:
                raise StopIteration
            return self._encoder.finish()
        return self._piece(batch)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """The pieces for an event loop, which it then does not block: ``StreamingHttpResponse(aiter(stream))`` under
        Django's ASGI, for instance."""
        await self._begin(None)
        follow = self._follow
        assert follow is not None
        try:
            yield self._encoded(wire.opening(RETRY_MS))
            while (batch := await self._read(follow)) is not None:
                yield self._piece(batch)
            if self._encoder is not None:
                yield self._encoder.finish()
        finally:
            self._closed = True
            self._leave(follow)

    def _piece(self, batch: Batch) -> bytes:
        if not batch:
            return self._encoded(wire.heartbeat(batch.last))
        return self._encoded(wire.named(batch.frames) if self._named else batch.frames)

    def _encoded(self, data: bytes) -> bytes:
        return data if self._encoder is None else self._encoder.encode(data)

    def close(self) -> None:
        """Be done with it, from any thread; quiet if that is known."""
        self._closed = True
        if self._follow is not None:
            private_loop().call_soon_threadsafe(self._leave, self._follow)

    # On the loop that reads: the private one, or that of `async for`

    async def _begin(self, worker: Any) -> None:
        self._follow = self._view.follow(self._log, self._after, self._heartbeat)
        shutdown.count_opened(self.transport, resumed=self._follow.seen > 0)
        shutdown.add(self, worker=worker)

    async def _read(self, batches: Follow) -> Batch | None:
        return await anext(batches, None)

    def _leave(self, batches: Follow) -> None:
        batches.stop()
        shutdown.remove(self)

    @property
    def lag(self) -> int | None:
        """How many events the client has still to take; None while it follows no log. From any thread."""
        return None if self._follow is None or self._closed else self._follow.lag

    def end(self) -> None:
        """End, without the job's last event: the server shuts down. On the private loop."""
        if self._follow is not None:
            self._follow.stop()

    def sweep(self, now: float) -> None:
        """A client that takes nothing is the server's to give up: what it has not taken is one batch."""


def find(job_id: str, store: Store | None = None) -> EventLog | None:
    """A job's log, wherever the job runs; None for a job that does not exist. Accepts any string.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).

    Raises:
        StoreError: the job was not found, and a store cannot be read.
    """
    return run(find_log(job_id, given_store(store, {})))


class Refusal(Exception):
    """What a request is answered in place of a log: a status, and the text of its error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        return NO_STORE if self.status != 503 else {**NO_STORE, "retry-after": "2"}


def look_up(job_id: str, store: Store | None, view: View, query: bytes = b"") -> tuple[EventLog, View]:
    """A job's log, and the view of it that a request's query leaves.

    Raises:
        Refusal: 404 for an unknown job, 422 for an unknown visibility, 503 where a store cannot be read.
    """
    try:
        view = view.narrowed(query)
    except ValueError as error:
        raise Refusal(422, str(error)) from error
    try:
        log = find(job_id, store)
    except StoreError as error:  # some are a ValueError, too
        raise Refusal(503, str(error)) from error
    if log is None:
        raise Refusal(404, "not found")
    return log, view


def cursor_of(last_event_id: str | None, after: Sequence[str]) -> int:
    """As `viewer.cursor`, of the header, which a framework makes of several with commas, and all ``?after=``."""
    return wire.parse_cursor(["", *after][-1] if last_event_id is None else last_event_id.rpartition(",")[2])


def snapshot(log: EventLog, after: int = 0, filter: Filter | None = DEFAULT_FILTER) -> bytes:
    """What a poll is answered, as JSON: ``{"logs": [...events after the id], "next": 7, "closed": false}``."""
    check_cursor("after", after)
    check_filter(filter)
    return run(snapshot_json(log, after, filter))


def cancel(job_id: str, log: EventLog, store: Store | None = None) -> tuple[int, dict[str, str]]:
    """Ask the job with this log to stop, in whichever process it runs: the status and the JSON of the answer."""
    return run(cancel_job(job_id, log, store))
