"""The log of a run: what agents report, from register to complete, with heartbeats between."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import ValidationError
from streamator import JobEmitter

from app.agents.events import AgentActivity, AgentEvent, AgentName, AgentStatus, EventName
from app.users import LOCAL_USER

__all__ = ["ActivityHandle", "ActivityLog"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivityHandle:
    """Something that an agent has begun to do."""

    agent_name: AgentName
    source_id: str
    user_id: str


class ActivityLog:
    """The activities of one run, as events in its job's log.

    Guarantee: as with any job's log, its methods may be called from any thread, never block and never raise. A progress
    outside of 0 to 100 is taken for the nearest within, and a report that has not the form of one, such as that of an
    agent whom nobody knows, is left out; the server's log says so.

    Arguments:
        emitter: the job.
    """

    def __init__(self, emitter: JobEmitter) -> None:
        self._emitter = emitter
        self.run_id = emitter.job_id
        self.events = 0
        """How many have been reported."""

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
        self,
        activity: ActivityHandle,
        message: str,
        result: Mapping[str, Any] | None = None,
        *,
        status: Literal["completed", "failed"] = "completed",
    ) -> None:
        """Reports what came of an activity.

        Arguments:
            activity: which.
            message: a sentence for the agent's lane.
            result: what came of it, for programs; what JSON cannot hold becomes its string (default: nothing).
            status: whether it succeeded.
        """
        self._emit("activity_completed", activity, status, message, 100, result)

    def heartbeat(self, agent_name: AgentName, status: AgentStatus, message: str) -> None:
        """Reports that an agent is there. Everybody sees it, so it tells of no document."""
        self._emit("heartbeat", ActivityHandle(agent_name, agent_name, LOCAL_USER.id), status, message, 0)

    def _emit(
        self,
        event: EventName,
        activity: ActivityHandle,
        status: AgentStatus,
        message: str,
        progress: float,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        user_id = None if activity.user_id == LOCAL_USER.id else activity.user_id
        try:
            within = min(max(progress, 0), 100)
            if within != progress:
                logger.warning("%s reported a progress of %s: it is from 0 to 100", activity.agent_name, progress)
            # NaN, too, is no progress; the model refuses what is not even a number.
            payload = AgentActivity(agent_name=activity.agent_name, status=status, message=message, progress=within)
            report = AgentEvent(
                source_id=activity.source_id,
                event=event,
                timestamp=datetime.now(timezone.utc),
                payload=payload,
                user_id=user_id,
            ).model_dump(mode="json", exclude_none=True)
        except (ValidationError, TypeError) as error:
            logger.warning("a report of the agent %r is left out: %s", activity.agent_name, error)
            return
        if result is not None:
            report["payload"]["result"] = dict(result)
        self.events += 1
        self._emitter.emit(report)
