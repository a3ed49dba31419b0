"""The poll of a long log: a piece at a time."""

from __future__ import annotations

import asyncio
import json

import pytest

from streamator import JobLogger, MemoryStore
from streamator.transports.poll import snapshot_json


def test_a_long_log_is_polled_in_pieces_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamator.transports.poll.POLL_BYTES", 100_000)
    store = MemoryStore()
    with JobLogger(store=store) as logger:
        for number in range(5_000):
            logger.log(f"{number} {'x' * 100}")
    job = store.get(logger.job_id)
    assert job is not None
    found, after, closed, answers = [], 0, False, 0
    while not closed:
        body = asyncio.run(snapshot_json(job.log, after))
        assert len(body) < 100_000 + 2 * 65_536
        answer = json.loads(body)
        found += answer["logs"]
        after, closed, answers = answer["next"], answer["closed"], answers + 1
    assert [event["message"].split()[0] for event in found[:-1]] == [str(number) for number in range(5_000)]
    assert (found[-1]["event"], after) == ("done", 5_001)
    assert answers > 3
