"""The table of jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, Position, UserId

__all__ = ["JobRow"]

_RUNNING = text("status = 'running'")


class JobRow(Base):
    """A job, across restarts. `server`: the one that runs it, by its `Server.name`; `result`: JSON."""

    __tablename__ = "jobs"

    position: Mapped[Position]
    job_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    source: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    result: Mapped[str | None]
    error: Mapped[str | None]
    user_id: Mapped[UserId]
    server: Mapped[str | None]

    __table_args__ = (
        Index("jobs_running", "status", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
        Index("jobs_of_user", "user_id", "position"),
        Index("jobs_by_status", "user_id", "status", "finished_at"),
    )
