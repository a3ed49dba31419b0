"""A job: what its function is given, and how the app remembers it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import State
from streamator import JobEmitter, Store

from app.users import LOCAL_USER, User

__all__ = ["INTERRUPTED", "Job", "JobError", "JobRecord", "JobStatus", "TooManyJobs", "utc_now"]

JobStatus = Literal["running", "completed", "failed", "cancelled", "interrupted"]

INTERRUPTED = "The server stopped while this job was running."
"""The error of a job that is interrupted."""


class JobError(Exception):
    """A job cannot go on, for a reason that its user understands: the text is shown as it is, and it is not retried."""

    code: str | None = None
    """What kind of a reason it is, for the route that has started the job."""


class TooManyJobs(Exception):
    """As many jobs as may run or wait at once do, or as many of this user."""


class Job(JobEmitter):
    """One attempt of a job, as its function gets it: a `JobEmitter` with what the attempt works with.

    Arguments:
        store, job_id, reason, trace: as `JobEmitter` has them.
        user: whose job it is.
        state: the app's, with what the features have put there.
        attempt: which one it is by the table. For a later one the store, which fences the one before, has to answer.
    """

    def __init__(
        self,
        store: Store,
        job_id: str,
        user: User,
        state: State,
        attempt: int,
        *,
        reason: str | None = None,
        trace: str | None = None,
    ) -> None:
        super().__init__(
            store, job_id=job_id, trace=trace, error_text=str, attempt=attempt, reason=reason, will_retry=True
        )
        self.user = user
        self.state = state
        self.retries_left = 0
        self.goes_on_elsewhere = False

    def goes_on(self, error: BaseException) -> bool:
        """Whether another attempt follows if this one ends by an error: then viewers are not told that the job has
        failed."""
        if isinstance(error, asyncio.CancelledError):
            return self.goes_on_elsewhere
        return self.retries_left > 0 and not isinstance(error, JobError)

    def leave(self, reason: str) -> None:
        """Ends the attempt, not the job: its log stays open for the next one. `reason`: the last line."""
        self.__exit__(None, _Left(reason), None)


class _Left(Exception):
    """Why an attempt ends and its job does not."""


class JobRecord(BaseModel):
    """A job as the API shows it. `interrupted`: the server stopped while it ran."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    job_id: str
    user_id: str = Field(default=LOCAL_USER.id, exclude=True)
    kind: str
    source: str
    status: JobStatus
    waits: bool = Field(default=False, exclude=True)
    """Whether it waits for a worker; it counts as running."""
    attempt: int = 1
    """Which attempt it is at, or ended in; 0 before the first."""
    created_at: datetime
    finished_at: datetime | None = None
    document_id: str | None = None
    error: str | None = None
    code: str | None = Field(default=None, exclude=True)
    """The `JobError.code` of a job that has failed."""
    partial: str | None = None
    """Of a job that is completed: what of it could not be done, in a sentence; null where all was."""
    step: str | None = None
    """Of a job that runs: where it is, as the last progress event of its log says; with `percent` from 0 to 100."""
    percent: float | None = None
    age_seconds: float | None = None
    """Of a job that runs: since its start."""


def utc_now() -> datetime:
    """The time, as jobs have it."""
    return datetime.now(timezone.utc)
