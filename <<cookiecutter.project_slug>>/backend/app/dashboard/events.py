"""What the dashboard's stream tells."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

__all__ = ["Stats", "StatsJob"]


class StatsJob(BaseModel):
    """A job that runs. Its step and how much of it is done (0 to 100) are null until its log says so."""

    job_id: str
    kind: str
    source: str
    step: str | None
    percent: float | None
    age_seconds: float


class Stats(BaseModel):
    """A user's jobs: those that run, newest first, and how many have ended which way. A job that the server's stop
    interrupted counts as failed. `rate_per_minute`: how many have ended in the last 60 seconds."""

    event: Literal["stats"] = "stats"
    processing_count: int
    completed: int
    failed: int
    cancelled: int
    rate_per_minute: int
    jobs: list[StatsJob]
