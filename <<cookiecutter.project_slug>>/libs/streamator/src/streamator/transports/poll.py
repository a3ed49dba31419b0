"""The answer to a poll, and the long poll: ``?wait=20`` waits for up to 20 seconds until there is an event.

A poll that waits is an open stream: its wait ends when the client leaves, when the permission ends, and when the server
stops. It is then answered with what there is.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from .. import wire
from ..filters import Filter
from ..log import EventLog
from ..options import check_number, wrong
from ..stores.base import Store
from .answers import Answer, Refusal, look_up, short
from .open_streams import OpenStream
from .options import StreamOptions
from .scope import Message, Receive, Scope

# About how many bytes of events one answer has. A client that is further behind asks again, after its `next`.
POLL_BYTES = 16_777_216
# The longest wait: some proxies give up on an answer after 30 seconds.
MOST_SECONDS = 30.0


async def poll(
    job_id: str, store: Store | None, options: StreamOptions, query: bytes, after: int, scope: Scope = None,
    receive: Receive | None = None, worker: Any = None,
) -> Answer:  # fmt: skip
    """Answer a poll for the events after an id: at once, or after a wait. ``scope`` and ``receive`` are ASGI's; see
    `OpenStream.register`."""
    try:
        seconds = _seconds(query)
        log, options = await look_up(job_id, store, options, query)
    except Refusal as refusal:
        return refusal.answer
    if seconds:
        waiting = _Poll()
        timer = asyncio.get_running_loop().call_later(seconds, waiting.end)
        watcher = asyncio.ensure_future(waiting.watch(receive or _nothing))
        try:
            waiting.register(scope or {}, job_id, worker)
            await waiting.wait(log, options, after)
        finally:
            waiting.leave()
            watcher.cancel()
            timer.cancel()
    return short(200, await snapshot_json(log, after, options.filter))


class _Poll(OpenStream):
    transport = "poll"

    async def wait(self, log: EventLog, options: StreamOptions, after: int) -> None:
        """Wait for an event that is shown, the log's end, or news of the job's producer."""
        status = log.status
        self.following(batches := options.follow(log, after))
        async for batch in batches:
            if batch and (batch.last or log.status != status):
                return


async def _nothing() -> Message:
    await asyncio.get_running_loop().create_future()


def _seconds(query: bytes) -> float:
    """How long to wait: 0 where the query does not say."""
    if b"wait" not in query:  # no parse: a poll takes 17 us, not 23
        return 0
    text = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("wait", ["0"])[-1]
    try:
        return check_number("wait", float(text), 0, MOST_SECONDS)
    except ValueError:
        raise Refusal(422, str(wrong("wait", text, f"give 0 to {MOST_SECONDS:g} seconds"))) from None


async def snapshot_json(log: EventLog, after: int, filter: Filter | None = None) -> bytes:
    """The answer to a poll: the events after an id that are shown, as JSON, up to about 16 MiB of them. ``next`` counts
    the hidden ones too."""
    after = log.start_at(after)
    parts: list[bytes] = []
    size = 0
    while size < POLL_BYTES and (batch := log.read(after)):
        frames = batch.frames if filter is None else filter.select(batch.frames)
        parts += wire.json_parts(frames)
        size += len(frames)
        after = batch.last
        await asyncio.sleep(0)  # a long log takes many reads: let other tasks run between two
    if log.status == "lost" and not log.closed:
        parts += wire.json_parts(wire.status_frame("lost"))
    return wire.poll_json(parts, next_id=after, closed=log.closed and after >= log.last)
