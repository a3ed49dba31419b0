"""The migration guides: the second column of each row runs and does what it says.

A row's code uses the names of `namespace`. It may state its outcome: `code` → `value`, `code` warns, `code` raises
`Error`. A request, `GET /path` → 200 `value`, goes to an application with all routes; a value that is not JSON is a
line of the answer. A value alone is an event of the sample job. `...` matches anything.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import json
import logging
import re
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from dynamorator import DynamoDBStore
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import streamator
import streamator.fastapi
from streamator import JobEmitter, JobLogger, MemoryStore, events
from streamator.asgi import LogApp, WebSocketApp
from streamator.emitter import start_reaper
from streamator.metrics import Metrics, add_metrics_route
from streamator.store import stores
from streamator.testing import collect

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {name: (DOCS / f"from-{name}.md").read_text(encoding="utf-8") for name in ("streamator-0.2", "streamweaver")}
ROWS = [
    (name, *(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:3]))
    for name, page in PAGES.items()
    for row in re.findall(r"^\|.*\|$", page, re.MULTILINE)
    if not re.match(r"\|-|\|[^`|]*\| (now|here) \|", row)
]
NOW = re.compile(r"`([^`]+)`(?: (→|raises)(?: (\d+))?(?: `([^`]+)`)?| (warns))?")
JSON_NAMES = {"true": True, "false": False, "null": None}

# The names in the old packages' sources.
OLD_NAMES = {
    "streamator-0.2": """
        JobLogger JobEmitter job_id start_t log close emit track set_result cancel pop_result exists start_reaper
        MemoryStore DynamoStore set_key append snapshot stream make_stream_response make_job_stream_response
        add_log_routes add_job_routes level store table ttl_days ttl_seconds interval prefix
    """,
    "streamweaver": """
        StreamEvent StreamEventType EventVisibility generate_event_id SessionData SessionStore InMemorySessionStore
        StreamWeaver StreamWeaverConfig StreamGenerator BackpressurePolicy BackpressureQueue EventBuffer
        SessionEventBuffers EventFilter VisibilityFilter TypeFilter CompositeFilter NotFilter CallableFilter
        SessionFilter apply_filter USER_FACING_FILTER LIVE_UI_FILTER NO_HEARTBEAT_FILTER PROGRESS_ONLY_FILTER
        StreamWeaverMetrics get_metrics init_metrics EventBatcher BatcherPool BatchConfig WorkflowStartedData
        WorkflowCompletedData StepStartedData StepProgressData StepCompletedData StepFailedData ToolExecutedData
        ToolCompletedData ErrorData AgentMessageData validate_event_data create_workflow_started create_step_progress
        create_tool_executed create_error create_lifespan setup_streaming_routes create_streaming_app
        WebSocketStreamHandler RedisSessionStore safe_serialize clean_event_data
        initialize register_session get_session publish get_stream_response register_event_callback check_capacity
        cleanup_session_resources close_stream get_replay_events get_queue_stats shutdown
        session_timeout max_concurrent_streams enable_heartbeat heartbeat_interval queue_size backpressure_policy
        enable_replay event_buffer_size enable_batching batch_size batch_delay_ms enable_metrics metrics_prefix
        enable_compression compression_threshold log_level redis_url key_prefix pool_size db
    """,
}


def matches(expected: Any, got: Any) -> bool:
    """Whether they are equal, where ``...`` equals everything."""
    if expected is ... or expected == [...]:
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        return list(expected) == list(got) and all(matches(expected[name], got[name]) for name in expected)
    if isinstance(expected, list) and expected and expected[-1] is ... and isinstance(got, list):
        return len(got) >= len(expected) - 1 and all(map(matches, expected[:-1], got))
    return bool(expected == got)


def value(text: str) -> Any:
    return eval(text, {"__builtins__": {}}, JSON_NAMES)  # a page of this repository


@asynccontextmanager
async def namespace() -> AsyncIterator[dict[str, Any]]:
    """The names that the rows use: a finished job, open ones, and an application with their routes."""
    store = MemoryStore()
    finished, running = JobEmitter(store), JobEmitter(store)
    finished.log("Working...")
    finished.emit({"event": "progress", "step": 1})
    finished.set_result({"steps_completed": 5})
    finished.close()
    task = asyncio.create_task(asyncio.sleep(60))
    running.track(task)
    names = {name: getattr(streamator, name) for name in streamator.__all__}
    names |= {name: getattr(streamator.fastapi, name) for name in streamator.fastapi.__all__}
    names |= {
        "asyncio": asyncio, "logging": logging, "collect": collect, "start_reaper": start_reaper, "events": events,
        "LogApp": LogApp, "WebSocketApp": WebSocketApp, "Metrics": Metrics, "add_metrics_route": add_metrics_route,
        "app": FastAPI(), "store": store,
        "logger": JobLogger(store), "emitter": JobEmitter(store), "job_id": finished.job_id,
        "running": running.job_id, "log": await store.find(finished.job_id), "task": task,
    }  # fmt: skip
    yield names
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def run(code: str, names: dict[str, Any]) -> Any:
    try:
        compiled = compile(code, "row", "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        compiled = compile(code, "row", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    got = eval(compiled, names)
    if isinstance(got, JobLogger):
        got.close()
    return await got if inspect.iscoroutine(got) else got


async def answer(method: str, path: str, store: MemoryStore) -> tuple[int, list[str]]:
    """The status and the lines of the answer. For a WebSocket: its close code and its messages."""
    app = FastAPI()
    streamator.fastapi.add_log_routes(app, store=store)
    streamator.fastapi.add_job_routes(app, store=store)
    add_metrics_route(app)
    if method == "WS":
        return await asyncio.to_thread(socket_messages, app, path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        got = await client.request(method, path)
        return got.status_code, got.text.splitlines()


def socket_messages(app: FastAPI, path: str) -> tuple[int, list[str]]:
    messages: list[str] = []
    with TestClient(app).websocket_connect(path) as socket:
        try:
            while True:
                messages.append(socket.receive_text())
        except WebSocketDisconnect as error:
            return error.code, messages


async def check(cell: str) -> None:
    found = NOW.fullmatch(cell)
    assert found, f"the second column is {cell!r}, which this test cannot read"
    code, arrow, status, expected, warns = found.groups()
    async with namespace() as names:
        if code.startswith("{"):
            events = await collect(names["log"])
            assert any(matches(value(code), event) for event in events), events
        elif re.match(r"(GET|POST|WS) /", code):
            method, path = code.format(**names).split(" ", 1)
            answered, lines = await answer(method, path, names["store"])
            assert answered == int(status), lines
            if expected is not None and expected.startswith(("{", "[")):
                assert any(matches(value(expected), json.loads(line)) for line in lines), lines
            else:
                assert expected is None or expected in lines, lines
        elif warns:
            with pytest.warns(UserWarning):
                await run(code, names)
        elif arrow == "raises":
            with pytest.raises(vars(builtins)[expected]):
                await run(code, names)
        else:
            got = await run(code, names)
            assert arrow is None or matches(value(expected), got), got


@pytest.fixture(scope="module", autouse=True)
def former_table(server: tuple[int, int]) -> Iterator[None]:
    """DynamoDB, with a table as 0.2 left it: one item for each job."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server[0]}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        table = DynamoDBStore(table_name="old-logs", silent=True)
        table.put("written-by-0-2", {"logs": [{"event": "log", "message": "x", "level": "info", "t": 0.1}]}, ttl_days=7)
        yield
        for store in stores():
            store.close()


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_each_row_runs_as_it_says(row: int) -> None:
    *_, now = ROWS[row]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(check(now))


@pytest.mark.parametrize("page", OLD_NAMES)
def test_each_old_name_has_a_row(page: str) -> None:
    old = " ".join(cell for name, cell, _ in ROWS if name == page)
    words = set(re.findall(r"\w+", old))
    assert set(OLD_NAMES[page].split()) <= words, set(OLD_NAMES[page].split()) - words
