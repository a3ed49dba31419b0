"""A signal handler that logs and closes, whatever it interrupts: no deadlock, no line lost, none doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from dynamo_server import Proxy
from redis_server import RedisServer

from streamator import EventLog, JobLogger, MemoryStore

INTERRUPTED = """
import asyncio, signal, time
from itertools import count
from streamator import JobLogger, open_store
from streamator.testing import collect

store = open_store({store!r}, max_bytes=3_000_000, **{options!r})
job, others = JobLogger(store), [JobLogger(store) for _ in range(20)]
log = store.get(job.job_id).log
mine = seen = 0
numbers = count()

def handler(*_):
    global seen
    number = next(numbers)
    job.log(f"handler {{number}}")
    seen = number  # or less: one handler may interrupt another
    if number % 25 == 24 and others:
        with others.pop() as other:
            other.log("x" * 2_000)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
end = time.monotonic() + 40
while seen < 600 and time.monotonic() < end:
    for _ in range(10):
        job.log(f"main {{mine}}")
        mine += 1
    log.last  # what a viewer does
signal.setitimer(signal.ITIMER_REAL, 0)
theirs = next(numbers)
signal.signal(signal.SIGALRM, lambda *_: job.close())
signal.raise_signal(signal.SIGALRM)
events = asyncio.run(collect(log))
texts = [event.get("message", event["event"]) for event in events]
missed = sum(event.get("missed", 0) for event in events)
assert theirs >= 600, theirs
assert len(texts) - (missed > 0) + missed == mine + theirs + 1, (len(texts), missed, mine, theirs)
kept = [int(text.split()[1]) for text in texts if text.startswith("main")]
assert kept == list(range(mine - len(kept), mine))
kept = [int(text.split()[1]) for text in texts if text.startswith("handler")]
assert len(set(kept)) == len(kept)
store.close()
print("ok", mine, theirs)
"""


@pytest.mark.parametrize("kind", ["memory", "redis", "dynamo"])
def test_a_handler_that_logs_and_closes_neither_hangs_nor_loses_a_line(
    kind: str, redis_server: RedisServer, proxy: Proxy
) -> None:
    name = uuid.uuid4().hex
    options = {"redis": {"url": redis_server.url, "key_prefix": name}, "dynamo": {"table": name}}.get(kind, {})
    code = INTERRUPTED.format(store=kind, options=options)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.startswith("ok") and done.returncode == 0, done.stderr[-2_000:]


class Interrupting:
    """A follower that is asked under the log's lock, as a signal handler may come at that moment."""

    stalled = -1

    def __init__(self, does: Callable[[], object]) -> None:
        self.does: Callable[[], object] | None = does

    @property
    def seen(self) -> int:
        does, self.does = self.does, None
        if does is not None:
            does()
        return 0


def finishes(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def names(log: EventLog) -> list[Any]:
    return [event.get("message", event["event"]) for event in log.read(0)]


def test_a_line_from_an_interrupting_handler_comes_next() -> None:
    log = EventLog()
    log.append_log("before", "info")
    follower = Interrupting(lambda: log.append_log("in between" + "x" * 2_000, "info"))
    log.add_follower(follower)
    assert finishes(lambda: log.lag)
    log.append_log("after", "info")
    assert [name[:10] for name in names(log)] == ["before", "in between", "after"]


def test_a_log_closed_by_an_interrupting_handler_keeps_all_its_events() -> None:
    log = EventLog()
    log.append_log("before", "info")
    follower = Interrupting(log.close)
    log.add_follower(follower)
    assert finishes(lambda: log.lag)
    assert log.closed and names(log) == ["before", "done"]
    assert not log.append_log("after", "info") and names(log) == ["before", "done"]


def test_an_interrupting_handler_may_log_to_another_job_of_a_full_store() -> None:
    store = MemoryStore(max_bytes=200_000)
    first, second = JobLogger(store), JobLogger(store)
    found = store.get(first.job_id)
    assert found is not None

    def work() -> None:
        for _ in range(200):
            first.log("x" * 1_500)
            second.log("x" * 1_500)
        second.close()

    follower = Interrupting(work)
    found.log.add_follower(follower)
    assert finishes(lambda: found.log.lag)
    assert store.size <= 200_000


def test_a_finalizers_line_during_close_is_dropped_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = EventLog()
    here = threading.get_ident()  # the logs of loggers that were dropped end in another thread, at any time
    calls: list[bool] = []

    def clock() -> float:
        if not calls and threading.get_ident() == here:  # within close(), under its lock
            calls.append(True)
            log.append_json('{"event":"late"}')
        return 1.0

    monkeypatch.setattr("streamator.log.event_log.monotonic", clock)
    with pytest.warns(UserWarning, match="while its log was being closed: dropped"):
        log.close()
    assert names(log) == ["done"]
