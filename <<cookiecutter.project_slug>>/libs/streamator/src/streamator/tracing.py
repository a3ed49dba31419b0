"""Tracing: a job as a span in the trace of the request that started it. Needs the ``[otel]`` extra; without it there
are no spans.

`JobLogger` does all of it; its ``trace`` names the trace.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from .events import text_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Headers(Protocol):
    """The headers of a request, of any framework."""

    def get(self, name: str, /) -> str | None: ...


class JobSpan:
    """The span of one job, from its logger's creation to its `close`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.trace_id = f"{span.get_span_context().trace_id:032x}"
        """32 hexadecimal digits, as in ``traceparent``."""
        self._error: BaseException | None = None

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within it, new spans are children of this one. An exception that leaves it is recorded, and does not end the
        span."""
        from opentelemetry.trace import use_span

        with use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except Exception as error:
                self._record(error)
                raise

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the span. ``failed`` marks it as an error: ``error``, or else the last exception that was recorded."""
        from opentelemetry.trace import StatusCode

        if error is not None:
            self._record(error)
        self._span.set_attribute("streamator.status", status)
        if status == "failed":
            self._span.set_status(StatusCode.ERROR, None if self._error is None else text_of(self._error))
        self._span.end()
        self._error = None  # its traceback keeps alive all that the job held

    def _record(self, error: BaseException) -> None:
        if error is not self._error:  # it may come twice: from `current`, and to `end`
            self._error = error
            self._span.record_exception(error)


def start_span(trace: str | Headers | None, job_id: str, store: object) -> JobSpan | None:
    """Start the span of a job.

    Args:
        trace: a ``traceparent`` header (W3C Trace Context, section 3.2), or all headers, which may include
            ``tracestate``. None, or a malformed value (section 4.2), names no parent. The parent is the span it names,
            or else the current span; of two in the same trace the current one, which is closer.
        job_id, store: for the span's attributes.

    Returns:
        None if there is no trace: OpenTelemetry is not installed, or it has no SDK and there is no parent.
    """
    # If nobody has imported OpenTelemetry, there is no current span.
    if trace is None and "opentelemetry.trace" not in sys.modules:
        return None
    try:
        from opentelemetry.context import get_current
        from opentelemetry.trace import get_current_span, get_tracer
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return None
    context = here = get_current()
    if trace is not None:
        given = TraceContextTextMapPropagator().extract(_carrier(trace), here)
        if _trace_id(get_current_span(given)) != _trace_id(get_current_span(here)):
            context = given
    attributes = {
        "streamator.job_id": job_id, "streamator.store": type(store).__name__.removesuffix("Store").lower(),
    }  # fmt: skip
    span = get_tracer("streamator").start_span("streamator.job", context, attributes=attributes)
    return JobSpan(span) if span.get_span_context().is_valid else None


def _carrier(trace: str | Headers) -> dict[str, str]:
    """What OpenTelemetry reads the parent from."""
    if not hasattr(trace, "get"):
        return {"traceparent": text_of(trace)}
    found = {name: trace.get(name) for name in ("traceparent", "tracestate")}
    return {name: text_of(value) for name, value in found.items() if value is not None}


def _trace_id(span: Span) -> int:
    return span.get_span_context().trace_id
