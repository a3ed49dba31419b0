"""What the server prints: a line for each thing that happens, to read or as JSON, with the job and request it is of.

structlog formats the records of the standard library's loggers, ours and uvicorn's alike.
"""

from __future__ import annotations

import logging
import re
import secrets
from contextlib import AbstractContextManager
from datetime import datetime, timezone

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.processors import EventRenamer, JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import Settings

__all__ = ["JsonFormatter", "RequestIds", "TextFormatter", "bound", "configure"]

_OURS = ("app", "streamator", "uvicorn")
# At debug, uvicorn and what it is made of print each request with its headers, which hold tokens.
_NEVER_BELOW_INFO = ("uvicorn",)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # a traceparent: W3C Trace Context, 3.2
# What ends a line or changes how it is shown: control, direction, and what a terminal takes for a command.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def bound(**fields: str | None) -> AbstractContextManager[None]:
    """Within it, and in the tasks and threads that are begun there, each line has these fields; None is none."""
    return bound_contextvars(**{name: value for name, value in fields.items() if value is not None})


def configure(settings: Settings) -> None:
    """Prints the lines of this app, of streamator and of uvicorn as LOG_LEVEL and LOG_FORMAT say, and of all others
    warnings. What the program around it has configured is left alone."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root.addHandler(handler)
    logging.captureWarnings(True)
    level = logging.getLevelName(settings.log_level.upper())
    root.setLevel(max(level, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(max(level, logging.INFO) if name in _NEVER_BELOW_INFO else level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        if logger.handlers:  # uvicorn's own, in a format of their own
            logger.handlers.clear()
            logger.propagate = True


class TextFormatter(ProcessorFormatter):
    """`2026-01-31T12:00:00.123Z INFO app.jobs.runner: the message [job_id=...]`.

    Guarantee: what a message holds starts no new line. A traceback is printed below its line, as it is.
    """

    def __init__(self) -> None:
        super().__init__(processors=[merge_contextvars, _describe, _to_text], keep_exc_info=True, keep_stack_info=True)


class JsonFormatter(ProcessorFormatter):
    """An object in a line: `time`, `level`, `logger`, `message`; where there is one, the `request_id`, `job_id`,
    `trace_id` and `exception`; of an answer its `client`, `method`, `path` and `status`.

    Guarantee: a line is ASCII, and whatever a message holds it is one object.
    """

    def __init__(self) -> None:
        no_meta = ProcessorFormatter.remove_processors_meta
        to_json: list[Processor] = [EventRenamer("message"), format_exc_info, no_meta, JSONRenderer()]
        super().__init__(processors=[merge_contextvars, _describe, *to_json], pass_foreign_args=True)


def _describe(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Adds what a record says itself, `extra={"job_id": ...}` too."""
    record: logging.LogRecord = line["_record"]
    moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
    line.update(time=moment.replace("+00:00", "Z"), level=record.levelname.lower(), logger=record.name)
    if (job_id := getattr(record, "job_id", None)) is not None:
        line["job_id"] = str(job_id)
    args = line.pop("positional_args", None)
    if record.name == "uvicorn.access" and isinstance(args, tuple) and len(args) == 5:
        line["client"], line["method"], line["path"], _, line["status"] = args
    return line


def _to_text(_: WrappedLogger, __: str, line: EventDict) -> str:
    fields = " ".join(f"{name}={line[name]}" for name in ("request_id", "trace_id", "job_id") if name in line)
    what = f"{line['time']} {line['level'].upper()} {line['logger']}: {line['event']}{f' [{fields}]' if fields else ''}"
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], what)


class RequestIds:
    """A middleware that gives each request an id, which its log lines and its answer (`x-request-id`) have.

    A proxy in front may give it: its `X-Request-ID` is taken, if it is up to 64 letters, digits, `.`, `_` and `-`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given, trace = headers.get("x-request-id", ""), _TRACE.fullmatch(headers.get("traceparent", ""))
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with bound(request_id=request_id, trace_id=trace and trace[1]):
            await self._app(scope, receive, send_with_id)
