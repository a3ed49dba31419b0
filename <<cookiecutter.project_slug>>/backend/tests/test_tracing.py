"""The trace of the request that starts a job goes on in the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.feature import Feature, SharedServices
from app.jobs import Job
from tests.support import NoArgs, RunningApp, eventually, job_of

pytest.importorskip("app.ingest", reason="the jobs of these tests are those of ingest")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

RunApp = Callable[..., RunningApp]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # What `set_tracer_provider` sets is set for all other tests too.
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def ingest(app: RunningApp, headers: dict[str, str]) -> str:
    answer = app.client.post("/api/ingest", files={"file": ("a.txt", b"Some words.")}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def test_a_job_is_a_span_of_the_trace_of_its_request(run_app: RunApp, spans: InMemorySpanExporter) -> None:
    app = run_app(streamator_store="memory")
    job_id = ingest(app, HEADERS)
    *entries, done = app.events(job_id)
    assert entries
    assert {entry["trace_id"] for entry in entries} == {TRACE}
    assert (done["status"], "trace_id" in done) == ("completed", False)
    (span,) = eventually(spans.get_finished_spans)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.attributes == {
        "streamator.job_id": job_id, "streamator.store": "memory", "streamator.status": "completed",
    }  # fmt: skip


def test_without_a_tracer_the_entries_name_the_trace_and_without_a_trace_nothing(run_app: RunApp) -> None:
    app = run_app(streamator_store="memory")
    assert {entry["trace_id"] for entry in app.events(ingest(app, HEADERS))[:-1]} == {TRACE}
    for headers in ({}, {"traceparent": "00-nonsense-01"}):
        entries = app.events(ingest(app, headers))
        assert list(entries[0]) == ["event", "message", "level", "t"]


def test_what_a_job_does_is_part_of_its_span(run_app: RunApp, spans: InMemorySpanExporter) -> None:
    router = APIRouter()

    async def work(emitter: Job) -> None:
        with trace.get_tracer("test").start_as_current_span("step"):
            await asyncio.sleep(0)
        raise RuntimeError("out of luck")

    kind = job_of(work)

    @router.post("/test")
    async def start(request: Request, services: SharedServices) -> str:
        return (await services.jobs.start(kind, NoArgs(), source="x", trace=request.headers)).job_id

    @asynccontextmanager
    async def nothing(app: FastAPI) -> Any:
        yield

    app = run_app(features=[Feature("test", router, nothing, jobs=[kind])], streamator_store="memory")
    app.events(app.client.post("/api/test", headers=HEADERS).json())
    step, job = eventually(lambda: len(found := spans.get_finished_spans()) == 2 and found)
    assert (step.name, job.name) == ("step", "streamator.job")
    assert step.parent.span_id == job.context.span_id
    assert step.context.trace_id == job.context.trace_id
    assert job.status.status_code is StatusCode.ERROR
    assert job.status.description == "out of luck"
    assert [event.name for event in job.events] == ["exception"]
