"""Agents over several servers on the same data."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from app.features import FEATURES
from tests.process import Process
from tests.support import eventually

pytestmark = pytest.mark.skipif(
    all(feature.name != "ingest" for feature in FEATURES), reason="needs a feature that takes documents in"
)

TEXT = b"A suspension bridge hangs from cables. The cables of a suspension bridge run over towers of steel and stone."


def run_id(server: Process) -> str:
    return str(eventually(lambda: server.client.get("/api/agents").json()["run_id"]))


def ingest(server: Process, text: bytes) -> str:
    """Takes a text in; gives the document's id once it is stored."""
    job_id = server.ingest(text, "bridges.txt")
    return str(eventually(lambda: server.client.get(f"/api/jobs/{job_id}").json()["document_id"]))


def reports(server: Process, document: str, **query: str) -> list[dict[str, Any]]:
    """The events of a server's stream up to the coordinator's last about a document."""
    found = []
    with server.client.stream("GET", "/api/agents/stream", params=query) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                found.append(event)
                by = event["payload"]["agent_name"]
                if (event["event"], event["source_id"], by) == ("activity_completed", document, "coordinator"):
                    return found
    raise AssertionError("the stream ended")


def test_any_server_works_all_show_it_and_when_one_is_killed_another_goes_on(
    launch: Callable[..., Process], redis: dict[str, str]
) -> None:
    first, second = launch(**redis), launch(**redis)
    document = ingest(first, TEXT)
    run = run_id(second)
    seen = reports(second, document, run=run)
    assert seen == reports(first, document, run=run)
    assert {each["payload"]["agent_name"] for each in seen} == {"coordinator", "tagger", "summariser", "indexer"}

    other = ingest(first, TEXT + b" And more of the same.")
    first.stop(signal.SIGKILL)  # at whatever the agents are then

    def known() -> Any:
        found = second.client.get("/api/agents/findings", params={"document_id": other}).json()["documents"]
        return found[0] if found and len(found[0]["work"]) == 3 else None

    assert [each["document_id"] for each in eventually(known, 60)["related"]] == [document]
