"""Jobs: the runner that owns their tasks, and the table that remembers them."""

from app.jobs.job import Job, JobStatus
from app.jobs.runner import JobError, JobRunner, TooManyJobs, Work
from app.jobs.table import JobTable

__all__ = ["Job", "JobError", "JobRunner", "JobStatus", "JobTable", "TooManyJobs", "Work"]
