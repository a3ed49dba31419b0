"""A job's events, read to the end of its log."""

from __future__ import annotations

import asyncio

from ..events import Event
from ..follow import follow
from ..log import EventLog
from ..options import check_cursor, check_timeout
from ..stores.base import Store


async def collect(
    source: EventLog | Store, job_id: str | None = None, *, after: int = 0, timeout: float = 10.0
) -> list[Event]:
    """All events of a job, until its log ends: ``events = await collect(store, job_id)``.

    Args:
        source: a log, or a store that is asked for the log of ``job_id`` until it has it.
        job_id: the job; needed with a store, and of no meaning with a log.
        after: the id of the last event to leave out (default 0: none).
        timeout: how long to wait for the end, in seconds (default 10).

    Returns:
        The events as dicts, in order, including gaps and the status of a remote job's producer.

    Raises:
        TimeoutError: the log did not end in time; the message says how far it came.
        ValueError: a store without a ``job_id``.
    """
    if not isinstance(source, EventLog) and job_id is None:
        raise ValueError("collect() has a store but no job_id: give the job_id, or a log")
    check_cursor("after", after)
    check_timeout("timeout", timeout)
    events: list[Event] = []

    async def read() -> None:
        log = source if isinstance(source, EventLog) else await source.find(job_id or "")
        while log is None:  # another process may not have written it yet
            await asyncio.sleep(0.02)
            log = await source.find(job_id or "")  # type: ignore[union-attr]  # a store: a log is never None
        async for batch in follow(log, after):
            events.extend(batch)

    try:
        await asyncio.wait_for(read(), timeout)
    except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
        last = events[-1] if events else None
        raise TimeoutError(
            f"the log {'' if job_id is None else f'of job {job_id!r} '}did not end within {timeout:g} s; "
            f"events read after id {after}: {len(events):,}, the last one {last!r}"
        ) from None
    return events
