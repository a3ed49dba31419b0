"""A job's stream for WSGI servers, where a request has a thread and no event loop.

One event loop, in a thread of its own, does for all streams of a process what a server's loop does elsewhere; the
thread of a request asks it for the next batch when the client has taken the one before. A server gives each open
stream a thread for as long as it lasts: let it have as many as there may be viewers. It is also the server that
notices, at the next heartbeat, that a client has left or takes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from .. import wire
from ..events import encode_value, to_utf8
from ..filters import DEFAULT_FILTER, Filter, check_filter
from ..follow import HEARTBEAT_SECONDS, Follow
from ..log import Batch, EventLog
from ..options import check_cursor, check_kind
from ..private_loop import private_loop, run
from ..stores.base import Store
from . import answers
from .answers import Answer, Refusal, look_up
from .compression import Encoder
from .lookup import cancel_job, find_log, given_store
from .open_streams import OpenStream
from .options import StreamOptions
from .poll import poll, snapshot_json
from .serving import gunicorn_worker
from .sse import HEADERS, OPENING, encoding, piece


class EventStream(OpenStream, Iterator[bytes]):
    """A job's log as server-sent events: what a WSGI application returns.

    Args:
        log: the job's log; see `find`.
        after: the id of the last event that the viewer has (default 0).
        heartbeat, named, filter, batch_delay_ms, batch_size: see `StreamOptions`.
        encoder: what compresses the stream (default: nothing); see `encoder_for`.

    Each item is all that is ready, once the one before is taken. It ends after the job's last event; and, without
    it, when the log is no longer kept here and when the server shuts down (see `shutdown.watch_signals`).
    A WSGI server calls `close` when it is done with it; so must everybody else. A client that takes nothing is the
    server's to give up: what it has not taken is one batch.
    """

    transport = "sse"

    def __init__(
        self, log: EventLog, after: int = 0, *, heartbeat: float = HEARTBEAT_SECONDS, named: bool = False,
        filter: Filter | None = DEFAULT_FILTER, batch_delay_ms: float = 0.0, batch_size: int | None = None,
        encoder: Encoder | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._log = log
        self._after = check_cursor("after", after)
        self.options = StreamOptions(heartbeat, filter, batch_delay_ms, batch_size, named=named)
        if encoder is not None:
            check_kind("encoder", encoder, Encoder, "give what encoder_for() returns, or None")
        self._encoder = encoder
        self._closed = False

    def __next__(self) -> bytes:
        """The next piece of the stream; waits for it."""
        batches = self.follow
        if self._closed:
            raise StopIteration
        if batches is None:
            run(self._begin(gunicorn_worker()))
            return self._encoded(OPENING)
        batch = run(self._read(batches))
        if batch is None:
            self.close()
            if self._encoder is None:
                raise StopIteration
            return self._encoder.finish()
        return self._encoded(piece(batch, self.options.named))

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """The pieces for an event loop, which it then does not block: ``StreamingHttpResponse(aiter(stream))`` under
        Django's ASGI, for instance."""
        batches = await self._begin(None)
        try:
            yield self._encoded(OPENING)
            async for batch in batches:
                yield self._encoded(piece(batch, self.options.named))
            if self._encoder is not None:
                yield self._encoder.finish()
        finally:
            self._closed = True
            self.leave()

    def _encoded(self, data: bytes) -> bytes:
        return data if self._encoder is None else self._encoder.encode(data)

    def close(self) -> None:
        """End the stream, from any thread; quiet the second time."""
        self._closed = True
        if self.follow is not None:
            private_loop().call_soon_threadsafe(self.leave)

    # On the loop that reads: the private one, or that of `async for`

    async def _begin(self, worker: Any) -> Follow:
        batches = self.options.follow(self._log, self._after)
        self.register({}, worker=worker)
        self.following(batches)
        return batches

    async def _read(self, batches: Follow) -> Batch | None:
        return await anext(batches, None)


def find(job_id: str, store: Store | None = None) -> EventLog | None:
    """A job's log, wherever the job runs; None for a job that does not exist. Accepts any string.

    Args:
        job_id: the job.
        store: where to look for a job that does not run in this process (default: in every store that is open here).

    Raises:
        StoreError: the job was not found, and a store cannot be read.
    """
    return run(find_log(job_id, given_store(store, {})))


def cursor_of(last_event_id: str | None, after: Sequence[str]) -> int:
    """As `scope.cursor`, from the header's value, in which a framework joins several by commas, and all ``?after=``."""
    return wire.parse_cursor(["", *after][-1] if last_event_id is None else last_event_id.rpartition(",")[2])


def snapshot(log: EventLog, after: int = 0, filter: Filter | None = DEFAULT_FILTER) -> bytes:
    """The answer to a poll, as JSON: ``{"logs": [...events after the id], "next": 7, "closed": false}``."""
    check_cursor("after", after)
    check_filter(filter)
    return run(snapshot_json(log, after, filter))


def cancel(job_id: str, log: EventLog, store: Store | None = None) -> tuple[int, dict[str, str]]:
    """Ask the job with this log to stop, in whichever process it runs: the status and the JSON of the answer."""
    return run(cancel_job(job_id, log, store))


def answer(route: str, job_id: str, store: Store | None, options: StreamOptions, environ: Mapping[str, Any]) -> Answer:
    """What a route, by its name in the tables of `answers`, answers a request with this environ (PEP 3333). The body of
    a stream is an `EventStream`."""
    if route == "cancel":
        return run(answers.cancel(job_id, store, options))
    if route == "result":
        return answers.result(job_id, lambda data: to_utf8(encode_value(data)))
    query = str(environ.get("QUERY_STRING", "")).encode("latin-1", "replace")
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("after", [])
    after = cursor_of(environ.get("HTTP_LAST_EVENT_ID"), given)
    if route == "snapshot":
        return run(poll(job_id, store, options, query, after, worker=gunicorn_worker()))
    try:
        log, options = run(look_up(job_id, store, options, query, after))
    except Refusal as refusal:
        return refusal.answer
    encoder, more = encoding(options, environ.get("HTTP_ACCEPT_ENCODING"))
    stream = EventStream(log, after, encoder=encoder)
    stream.options = options
    return Answer(200, stream, {**HEADERS, **more})
