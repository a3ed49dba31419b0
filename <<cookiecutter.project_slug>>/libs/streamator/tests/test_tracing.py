"""The trace of the request that started a job: the job's span, and the entries that name it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from streamator import JobEmitter, JobLogger, MemoryStore
from streamator.testing import collect

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # `set_tracer_provider` is for good, and every job of every other test would be a span.
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def events(store: MemoryStore, job: JobLogger) -> list[dict[str, Any]]:
    return asyncio.run(collect(store, job.job_id))


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


def ids(span: ReadableSpan) -> tuple[str, str | None]:
    """Trace, and parent."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else None


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# The span


def test_a_job_is_a_span_of_the_trace_that_a_header_names(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    with JobLogger(store, trace=TRACEPARENT) as job:
        assert spans.get_finished_spans() == ()
        assert job.trace_id == TRACE
    span = only(spans)
    assert ids(span) == (TRACE, PARENT)
    assert span.name == "streamator.job"
    assert span.attributes == {
        "streamator.job_id": job.job_id, "streamator.store": "memory", "streamator.status": "completed",
    }  # fmt: skip
    assert span.status.status_code is StatusCode.UNSET


class Headers(dict[str, str]):
    """As a framework has them: names in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return next((value for key, value in self.items() if key.lower() == name.lower()), default)


def test_all_request_headers_are_accepted_with_their_tracestate(
    spans: InMemorySpanExporter, store: MemoryStore
) -> None:
    headers = Headers({"Host": "localhost", "Traceparent": TRACEPARENT, "Tracestate": "vendor=7"})
    JobLogger(store, trace=headers).close()
    span = only(spans)
    assert ids(span) == (TRACE, PARENT)
    assert span.context is not None and span.context.trace_state.get("vendor") == "7"


def test_without_a_header_the_parent_is_the_current_span(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        job = JobLogger(store)
    job.close()  # the request is over: the job goes on
    _, span = spans.get_finished_spans()
    context = request.get_span_context()
    assert ids(span) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_a_current_span_of_the_same_trace_is_closer_than_the_header(
    spans: InMemorySpanExporter, store: MemoryStore
) -> None:
    first = JobLogger(store, trace=TRACEPARENT)
    with first.in_trace():
        JobLogger(store, trace=TRACEPARENT).close()
        JobLogger(store, trace=TRACEPARENT.replace(TRACE, "a" * 32)).close()
    first.close()
    near, far, outer = spans.get_finished_spans()
    assert outer.context is not None
    assert ids(near) == (TRACE, f"{outer.context.span_id:016x}")
    assert ids(far) == ("a" * 32, PARENT)


@pytest.mark.parametrize(
    "header",
    [
        "", "nonsense", TRACEPARENT.upper(), f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"{TRACEPARENT}-more", TRACEPARENT[:-1], "0" * 100_000, "00-\ud800", b"00-x", 7,
        {}, {"traceparent": "nonsense"}, {"traceparent": None}, {"traceparent": ["x"]},
    ],
)  # fmt: skip
def test_a_malformed_header_counts_as_none(spans: InMemorySpanExporter, store: MemoryStore, header: Any) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        JobLogger(store, trace=header).close()
    job, _ = spans.get_finished_spans()
    assert ids(job)[0] == f"{request.get_span_context().trace_id:032x}"


def test_a_future_version_of_the_header_is_read_as_the_first(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    JobLogger(store, trace=f"cc-{TRACE}-{PARENT}-01-what-comes-later").close()
    assert ids(only(spans)) == (TRACE, PARENT)


def test_an_exception_is_the_spans_error(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    with pytest.raises(ValueError, match="broken"), JobLogger(store, trace=TRACEPARENT) as job:
        raise ValueError("broken")
    span = only(spans)
    assert span.status.status_code is StatusCode.ERROR and span.status.description == "broken"
    (recorded,) = span.events
    assert recorded.attributes is not None and recorded.attributes["exception.type"] == "ValueError"
    error, done = events(store, job)
    assert (error["message"], error["trace_id"], done["status"]) == ("ValueError: broken", TRACE, "failed")


@pytest.mark.parametrize("caught", [True, False])
def test_an_exception_that_leaves_a_trace_is_recorded_once(
    spans: InMemorySpanExporter, store: MemoryStore, caught: bool
) -> None:
    async def work(job: JobEmitter) -> None:
        with job.in_trace():
            raise ValueError("broken")

    async def main() -> None:
        job = JobEmitter(store, trace=TRACEPARENT)
        task = asyncio.create_task(work(job))
        if not caught:
            job.track(task)
        await asyncio.wait([task])
        assert isinstance(task.exception(), ValueError)
        job.close()  # what is caught is no failure

    asyncio.run(main())
    span = only(spans)
    assert [event.name for event in span.events] == ["exception"]
    assert span.status.status_code is (StatusCode.UNSET if caught else StatusCode.ERROR)


def test_a_task_that_is_cancelled_is_no_error(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    async def main() -> None:
        job = JobEmitter(store, trace=TRACEPARENT)
        task = asyncio.create_task(asyncio.sleep(10))
        job.track(task)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    span = only(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None and span.attributes["streamator.status"] == "cancelled"


def test_a_job_that_is_closed_as_failed_is_an_error_and_ends_once(
    spans: InMemorySpanExporter, store: MemoryStore
) -> None:
    job = JobLogger(store, trace=TRACEPARENT)
    job.close("failed")
    job.close()
    assert only(spans).status.status_code is StatusCode.ERROR


def test_spans_of_the_job_are_the_job_spans_children(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    tracer = trace.get_tracer("test")

    async def main() -> None:
        async with JobEmitter(store, trace=TRACEPARENT):
            with tracer.start_as_current_span("step"):
                await asyncio.sleep(0)
        assert not trace.get_current_span().get_span_context().is_valid

    asyncio.run(main())
    step, job = spans.get_finished_spans()
    assert job.context is not None
    assert ids(step) == (TRACE, f"{job.context.span_id:016x}")


def test_an_unsampled_trace_is_still_named(spans: InMemorySpanExporter, store: MemoryStore) -> None:
    with JobLogger(store, trace=f"00-{TRACE}-{PARENT}-00") as job:
        job.log("x")
    assert spans.get_finished_spans() == ()
    assert events(store, job)[0]["trace_id"] == TRACE


# The entries


@pytest.mark.usefixtures("spans")
def test_entries_and_events_name_the_trace(store: MemoryStore) -> None:
    with JobEmitter(store, trace=TRACEPARENT) as job:
        job.log("short", "warning")
        job.log("x" * 5_000)
        job.log("y" * 100_000)
        job.log(Exception("an object"))
        job.log("hidden", visibility="internal_only")
        job.emit({"event": "progress", "step": 1})
        job.emit({"event": "own", "trace_id": "mine"})
        job.emit({"event": "large", "data": ["x" * 60_000] * 5})
        job.step_started("one")
    *got, done = events(store, job)
    assert [event["trace_id"] for event in got] == [TRACE] * 6 + ["mine"] + [TRACE] * 2
    assert list(got[0]) == ["event", "message", "level", "trace_id", "t"]
    assert (got[0]["message"], got[0]["level"], len(got[1]["message"])) == ("short", "warning", 5_000)
    assert got[2]["message"].endswith("... [truncated: 65,536 of 100,000 characters kept]")
    assert got[2]["message"].count("truncated") == 1
    assert list(done) == ["event", "status", "t"]
    assert [event["t"] for event in got] == sorted(event["t"] for event in got)


def test_without_a_trace_an_entry_is_unchanged(store: MemoryStore) -> None:
    # In a process of its own: here the SDK makes a trace for each job.
    code = """
import json, asyncio
import opentelemetry.trace
from streamator import JobLogger, open_store
from streamator.testing import collect
for trace in (None, "nonsense"):
    with JobLogger(trace=trace) as job:
        job.log("x")
    assert job.trace_id is None
    with job.in_trace():
        pass
    print(json.dumps([list(event) for event in asyncio.run(collect(open_store(), job.job_id))]))
"""
    expected = json.dumps([["event", "message", "level", "t"], ["event", "status", "t"]])
    assert python(code).splitlines() == [expected] * 2


def test_a_header_works_without_an_sdk() -> None:
    code = f"""
from opentelemetry.trace import get_current_span
from streamator import JobLogger
with JobLogger(trace={TRACEPARENT!r}) as job:
    job.log("x")
    assert get_current_span().get_span_context().span_id == 0x{PARENT}
print(job.trace_id)
"""
    assert python(code) == TRACE


def test_where_nobody_uses_opentelemetry_it_is_not_imported() -> None:
    code = """
import sys
from streamator import JobLogger
with JobLogger() as job:
    job.log("x")
assert not any(name.partition(".")[0] == "opentelemetry" for name in sys.modules)
"""
    python(code)


def test_without_opentelemetry_a_header_does_nothing() -> None:
    code = f"""
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
from streamator import JobEmitter, open_store
from streamator.testing import collect
import asyncio
with JobEmitter(trace={TRACEPARENT!r}) as job, job.in_trace():
    job.log("x")
assert job.trace_id is None
print(list(asyncio.run(collect(open_store(), job.job_id))[0]))
"""
    assert python(code) == "['event', 'message', 'level', 't']"
