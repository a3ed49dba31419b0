"""A job's routes, and the answers that are not streams: the same in every framework."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..errors import StoreError
from ..log import EventLog
from ..stores.base import Store, find_job
from .lookup import cancel_job, find_log
from .options import StreamOptions

# Each route's method, and what follows ``{prefix}/{job_id}`` in its path. A framework adds those that it can serve.
LOG_ROUTES: Final = {"stream": ("GET", "/stream"), "socket": ("WS", "/ws"), "snapshot": ("GET", "")}
JOB_ROUTES: Final = {
    "stream": ("GET", "/stream"), "socket": ("WS", "/ws"), "result": ("GET", "/result"), "cancel": ("POST", "/cancel"),
}  # fmt: skip


class Answer(NamedTuple):
    """The answer to a request: its body is bytes, or a stream of them."""

    status: int
    body: Any
    headers: dict[str, str]


def short(status: int, body: bytes = b"", **more: str) -> Answer:
    """An answer of JSON, or of nothing (204), that no cache may keep."""
    content = {} if status == 204 else {"content-type": "application/json"}
    return Answer(status, body, {"cache-control": "no-store", **more, **content})


class Refusal(Exception):
    """Why a request gets no log: the answer's status, and the error's text (none with 204)."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status

    @property
    def answer(self) -> Answer:
        """``{"error": "not found"}`` for instance."""
        body = b"" if self.status == 204 else encoded({"error": str(self)})
        return short(self.status, body, **({"retry-after": "2"} if self.status == 503 else {}))


def encoded(data: dict[str, str]) -> bytes:
    """An object as JSON."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


async def look_up(
    job_id: str, store: Store | None, options: StreamOptions, query: bytes, after: int = 0
) -> tuple[EventLog, StreamOptions]:
    """A job's log, and the options that a request's query leaves, for a viewer that has seen the event ``after``.

    Raises:
        Refusal: 404 for an unknown job, 422 for an unknown visibility, 503 if a store cannot be read, 204 if the viewer
            has all there will be.
    """
    try:
        options = options.narrowed(query)
    except ValueError as error:
        raise Refusal(422, str(error)) from error
    try:
        log = await find_log(job_id, store)
    except StoreError as error:
        raise Refusal(503, str(error)) from error
    if log is None:
        raise Refusal(404, "not found")
    if log.is_over_for(after):
        raise Refusal(204)
    return log, options


async def cancel(job_id: str, store: Store | None, options: StreamOptions) -> Answer:
    """Ask the job to stop, in whichever process it runs; see `cancel_job`."""
    try:
        log, _ = await look_up(job_id, store, options, b"")
        status, answer = await cancel_job(job_id, log, store)
    except Refusal as refusal:
        return refusal.answer
    except StoreError as error:
        return Refusal(503, str(error)).answer
    return short(status, encoded(answer))


def result(job_id: str, encode: Callable[[Any], bytes]) -> Answer:
    """The job's result, as JSON; a 404 while there is none."""
    job = find_job(job_id)
    if job is None or not job.has_result:
        return Refusal(404, "not found").answer
    return short(200, encode(job.result))
