"""The log of a run: what agents report, from register to complete, with heartbeats between."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from streamator import JobEmitter, Store

from app.agents.events import AgentActivity, AgentEvent, AgentName, AgentStatus, EventName
from app.users import LOCAL_USER

__all__ = ["ActivityHandle", "ActivityLog"]


@dataclass(frozen=True)
class ActivityHandle:
    """Something that an agent has begun to do."""

    agent_name: AgentName
    source_id: str
    user_id: str


class ActivityLog:
    """The activities of one run, as events in a job's log.

    Guarantee: as with any job's log, its methods may be called from any thread, never block and never raise.

    Arguments:
        store: where the log is kept.
    """

    def __init__(self, store: Store) -> None:
        self._emitter = JobEmitter(store=store)
        self.events = 0
        """How many have been reported."""

    @property
    def run_id(self) -> str:
        """The id of the log."""
        return self._emitter.job_id

    def register_activity(
        self, agent_name: AgentName, source_id: str, message: str, *, user_id: str = LOCAL_USER.id
    ) -> ActivityHandle:
        """Reports that an agent begins to work on a source; gives what the other methods want to know.

        Arguments:
            agent_name: who.
            source_id: on what: a document's id.
            message: a sentence for the agent's lane.
            user_id: who may see it.
        """
        activity = ActivityHandle(agent_name, source_id, user_id)
        self._emit("activity_registered", activity, "running", message, 0)
        return activity

    def update_activity(self, activity: ActivityHandle, message: str, progress: float) -> None:
        """Reports how far an activity is, in percent."""
        self._emit("activity_updated", activity, "running", message, progress)

    def complete_activity(
        self, activity: ActivityHandle, message: str, *, status: Literal["completed", "failed"] = "completed"
    ) -> None:
        """Reports what came of an activity."""
        self._emit("activity_completed", activity, status, message, 100)

    def heartbeat(self, agent_name: AgentName, status: AgentStatus, message: str) -> None:
        """Reports that an agent is there. Everybody sees it, so it tells of no document."""
        self._emit("heartbeat", ActivityHandle(agent_name, agent_name, LOCAL_USER.id), status, message, 0)

    def close(self, status: str) -> None:
        """Ends the run: `completed` where another one follows, `cancelled` where the server stops."""
        self._emitter.close(status)

    def _emit(
        self, event: EventName, activity: ActivityHandle, status: AgentStatus, message: str, progress: float
    ) -> None:
        user_id = None if activity.user_id == LOCAL_USER.id else activity.user_id
        report = AgentEvent(
            source_id=activity.source_id,
            event=event,
            timestamp=datetime.now(timezone.utc),
            payload=AgentActivity(agent_name=activity.agent_name, status=status, message=message, progress=progress),
            user_id=user_id,
        )
        self.events += 1
        self._emitter.emit(report.model_dump(mode="json", exclude_none=True))
