"""The table of runs."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, Position, UserId

__all__ = ["StoredRun"]


class StoredRun(Base):
    """What was asked for in a run, and what came of it. `metadata_`: JSON."""

    __tablename__ = "runs"

    position: Mapped[Position]
    job_id: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UserId]
    prompt: Mapped[str]
    provider: Mapped[str]
    length: Mapped[str]
    text: Mapped[str]
    output: Mapped[str | None]
    metadata_: Mapped[str | None] = mapped_column("metadata")

    __table_args__ = (Index("runs_of_user", "user_id", "position"),)
