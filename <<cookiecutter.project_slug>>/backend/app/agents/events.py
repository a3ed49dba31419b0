"""What agents report, as it is in the log of their run and on the stream."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["AGENTS", "AgentActivity", "AgentEvent", "AgentName", "AgentStatus", "EventName", "WorkerName"]

WorkerName = Literal["tagger", "summariser", "indexer"]
AgentName = Literal["coordinator", WorkerName]
AgentStatus = Literal["waiting", "running", "completed", "failed"]
EventName = Literal["activity_registered", "activity_updated", "activity_completed", "heartbeat"]

AGENTS: tuple[AgentName, ...] = ("coordinator", "tagger", "summariser", "indexer")


class AgentActivity(BaseModel):
    """What an agent is doing, in the words of its lane."""

    agent_name: AgentName
    status: AgentStatus
    message: str
    progress: float = Field(ge=0, le=100, description="in percent")
    result: dict[str, Any] | None = Field(default=None, description="what came of it; where it is over")


class AgentEvent(BaseModel):
    """One report of an agent. Every event of an agents' run that is not the log's own has this form."""

    stream: Literal["agent"] = "agent"
    source_id: str = Field(description="the document that it is about; the agent's own name where it is about none")
    event: EventName
    timestamp: datetime
    payload: AgentActivity
    user_id: str | None = Field(default=None, description="whose document it is, where users sign in")
