"""A job, as the API shows it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.users import LOCAL_USER

__all__ = ["INTERRUPTED", "Job", "JobStatus", "utc_now"]

JobStatus = Literal["running", "completed", "failed", "cancelled", "interrupted"]

INTERRUPTED = "The server stopped while this job was running."
"""The error of a job that is interrupted."""


class Job(BaseModel):
    """A job as the API shows it. `interrupted`: the server stopped while it ran."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    job_id: str
    user_id: str = Field(default=LOCAL_USER.id, exclude=True)
    kind: str
    source: str
    status: JobStatus
    created_at: datetime
    finished_at: datetime | None = None
    document_id: str | None = None
    error: str | None = None
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
