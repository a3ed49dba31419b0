"""Jobs: functions that are registered by name, the runner that sees each of them to its end, and the table that owns
them. See `backend/docs/queue.md` for how they get to workers."""

from app.jobs.job import Job, JobError, JobRecord, JobStatus, TooManyJobs
from app.jobs.registry import JobKind, job
from app.jobs.runner import SYSTEM, JobRunner
from app.jobs.table import JobTable

__all__ = [
    "SYSTEM",
    "Job",
    "JobError",
    "JobKind",
    "JobRecord",
    "JobRunner",
    "JobStatus",
    "JobTable",
    "TooManyJobs",
    "job",
]
