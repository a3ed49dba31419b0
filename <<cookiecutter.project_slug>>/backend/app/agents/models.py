"""The tables of the agents."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, Position

__all__ = ["AgentFinding"]


class AgentFinding(Base):
    """What one worker has found out about a version of a document, and in which run. `found`: JSON."""

    __tablename__ = "agent_findings"

    position: Mapped[Position]
    document_id: Mapped[str]
    agent_name: Mapped[str]
    user_id: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    found: Mapped[str]
    finished_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")
    run_id: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("document_id", "agent_name"),
        Index("agent_findings_of_user", "user_id", "position"),
    )
