"""Finding a job for a viewer, in whichever store it is, and asking it to stop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidStore, StoreError
from ..events import is_job_id
from ..log import EventLog
from ..stores.base import Store, find_job, stores
from ..stores.memory import MemoryStore
from ..stores.registry import open_store
from . import workers

logger = logging.getLogger("streamator")


async def find_log(job_id: str, store: Store | None) -> EventLog | None:
    """The log of a job of this process, or else of the store (None: of any that is open here).

    None for a job that does not exist, and for an id that no store should see. Raises `StoreError` if the job was not
    found and a store cannot be read.
    """
    if not is_job_id(job_id):
        return None
    job = find_job(job_id)
    if job is not None and not job.is_buffer:
        return job.log
    unread: StoreError | None = None
    asked = [store] if store is not None else stores()
    for one in asked:
        try:
            log = await one.find(job_id)
        except Exception as error:
            unread = error if isinstance(error, StoreError) else failure(one, error)
        else:
            if log is not None:
                return log
    if unread is not None:
        raise unread
    if not any(is_shared(one) for one in asked):
        workers.tell_of_an_unknown_job(job_id)
    return None


def is_shared(store: Store) -> bool:
    """Whether the store may know jobs of other processes."""
    return type(store).find is not MemoryStore.find


def failure(store: Store, error: Exception) -> StoreError:
    """What a viewer is told of a store's own error, which is logged."""
    logger.error("%s failed: %s: %s", type(store).__name__, type(error).__name__, error, exc_info=error)
    return StoreError("the log store has failed: try again in a moment")


async def cancel_job(job_id: str, log: EventLog, store: Store | None) -> tuple[int, dict[str, str]]:
    """Ask the job with this log to stop, in whichever process it runs: the status and the JSON of the answer.

    200 ``{"cancelled": job_id}``: its task stops, or the job is over by then. 202 ``{"status": "requested",
    "requested": job_id}``: the request is stored, and only the job's process knows whether the job heeds it. 409
    ``{"error": why}``: it cannot be stopped. Raises `StoreError` if the store cannot be reached.
    """
    cancelled, requested = {"cancelled": job_id}, {"status": "requested", "requested": job_id}
    if log.closed:
        return 200, cancelled
    if log.status == "lost":
        why = "gives no sign of life: the process that ran it has died, and nobody is there to cancel it"
        return 409, {"error": f"job {job_id} {why}"}
    job = find_job(job_id)
    if job is not None and not job.elsewhere:
        # Also for a job that has not checked yet: it sees the request at its first check.
        return (200, cancelled) if job.ask_to_stop() == "cancelled" or log.closed else (202, requested)
    for one in [store] if store is not None else stores():
        try:
            if await one.cancel(job_id):
                return (200, cancelled) if log.closed else (202, requested)
        except StoreError:
            raise
        except Exception as error:
            raise failure(one, error) from error
    if log.closed:
        return 200, cancelled
    return 409, {"error": f"job {job_id} runs in another process, which cannot be asked: cancel it there"}


def given_store(store: str | Store | None, options: Mapping[str, Any]) -> Store | None:
    """The store that a route was given, by name or as it is; None for every store that is open here. Raises
    `InvalidStore`."""
    if store is None and options:
        raise InvalidStore(f"options {sorted(options)} without a store: name it, store='dynamo' for instance")
    return None if store is None else open_store(store, **options)
