from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from streamator import JobEmitter, MemoryStore

from app.agents.activity import ActivityLog
from app.agents.events import AgentEvent


class Log:
    """A run's log, and what is in it."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.emitter = JobEmitter(self._store)
        self.log = ActivityLog(self.emitter)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        job = self._store.get(self.emitter.job_id)
        assert job is not None
        events = [dict(each) for each in job.log.read(0)]
        for event in events:
            AgentEvent.model_validate(event)  # who follows the run reads each of them
        return [event["payload"] for event in events]


@pytest.fixture
def agents() -> Iterator[Log]:
    made = Log()
    yield made
    made.emitter.close("completed")


@pytest.mark.parametrize(
    ("progress", "shown"), [(150, 100), (-1, 0), (math.inf, 100), (-math.inf, 0), (100.5, 100), (40, 40)]
)
def test_a_progress_is_within_its_bounds(
    agents: Log, caplog: pytest.LogCaptureFixture, progress: float, shown: float
) -> None:
    activity = agents.log.register_activity("tagger", "d1", "Reading")
    agents.log.update_activity(activity, "Counting", progress)
    assert agents.payloads[-1]["progress"] == shown
    assert ("it is from 0 to 100" in caplog.text) == (progress != shown)


@pytest.mark.parametrize(
    ("agent", "message", "progress"),
    [("spy", "Listening", 10), ("", "x", 10), (None, "x", 10), ("tagger", None, 10), ("tagger", "x", "half"),
     ("tagger", "x", None), ("tagger", "x", math.nan), (["tagger"], "x", 10)],
)  # fmt: skip
def test_a_report_of_another_form_is_left_out_and_that_is_told(
    agents: Log, caplog: pytest.LogCaptureFixture, agent: Any, message: Any, progress: Any
) -> None:
    activity = agents.log.register_activity(agent, "d1", "Reading")
    before = len(agents.payloads)
    agents.log.update_activity(activity, message, progress)
    agents.log.heartbeat("indexer", "waiting", "Here")
    assert [each["message"] for each in agents.payloads[before:]] == ["Here"]
    assert agents.log.events == len(agents.payloads)
    assert f"a report of the agent {agent!r} is left out" in caplog.text


def test_what_came_of_an_activity_is_told_as_data(agents: Log) -> None:
    activity = agents.log.register_activity("tagger", "d1", "Reading")
    agents.log.complete_activity(activity, "bridges", {"tags": ["bridges"], "on": date(2026, 1, 2), "odd": {1, 2}})
    result = agents.payloads[-1]["result"]
    assert result["tags"] == ["bridges"]
    assert "2026" in result["on"]
    agents.log.complete_activity(activity, "nothing")
    assert "result" not in agents.payloads[-1]
