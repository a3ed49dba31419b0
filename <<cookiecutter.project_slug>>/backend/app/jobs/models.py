"""The table of jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, Position, UserId

__all__ = ["JobRow"]


_OPEN = text("status IN ('queued', 'running')")
_HELD = text("server IS NOT NULL")


class JobRow(Base):
    """A job: what was accepted, who runs it, and how it ended.

    `status`: `queued`, or a `JobStatus`. `args`, `result`: JSON; a job that is over has no arguments any more.
    `attempt`: how often it was begun; a change by the owner of an earlier attempt finds no row. `tries`: how many of
    these count against its retries. `server`: who runs it (`app.jobs.owner`), or has still to close its log; `seen_at`:
    when that one was last heard of. `cancel`: somebody wants it to stop. `trace`: the `traceparent` it belongs to.
    """

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
    args: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(server_default="0")
    tries: Mapped[int] = mapped_column(server_default="0")
    seen_at: Mapped[datetime | None]
    cancel: Mapped[bool] = mapped_column(server_default=text("false"))
    trace: Mapped[str | None]

    __table_args__ = (
        Index("jobs_open", "status", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("jobs_held", "server", postgresql_where=_HELD, sqlite_where=_HELD),
        Index("jobs_of_user", "user_id", "position"),
        Index("jobs_by_status", "user_id", "status", "finished_at"),
    )
