"""What the server prints."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from app import logs
from app.database import Database
from app.settings import Settings
from tests.process import Process, free_port
from tests.support import JsonObject, RunningApp

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def written(settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Configures logging as a server does, and gives what was printed since; takes the settings."""
    names = ("", "app", "streamator", "uvicorn", "uvicorn.error", "uvicorn.access")
    before = [(each, each.handlers[:], each.level, each.propagate) for each in map(logging.getLogger, names)]
    for logger, *_ in before:
        logger.setLevel(logging.NOTSET)  # as in a new process: servers of other tests have set it

    def configure(**values: str) -> str:
        if values:
            logging.getLogger().handlers.clear()  # pytest's
            logs.configure(settings(**values))
        return capsys.readouterr().err

    yield configure
    logging.captureWarnings(False)
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def objects(printed: str) -> list[JsonObject]:
    return [json.loads(line) for line in printed.splitlines()]


def test_a_line_has_the_fields_that_are_bound_around_it(written: Callable[..., str]) -> None:
    written(log_format="json")
    logger = logging.getLogger("app.test")
    with logs.bound(request_id="r1", trace_id=None), logs.bound(job_id="j1"):
        logger.warning("it is %s", "so")
    logger.info("it is over")
    logging.getLogger("streamator").info("of a job", extra={"job_id": "j2"})
    first, second, third = objects(written())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning", "logger": "app.test", "message": "it is so", "request_id": "r1", "job_id": "j1",
    }  # fmt: skip
    assert "job_id" not in second
    assert (third["logger"], third["job_id"]) == ("streamator", "j2")


@pytest.mark.parametrize("forged", ["\n2026-01-01 ERROR app: forged", "\r\x1b[31mred", "\u2028\u202eleft", "\ud800"])
def test_a_message_is_one_line_whatever_it_holds(written: Callable[..., str], forged: str) -> None:
    written(log_format="text")
    logging.getLogger("app").info("started: %s", forged)
    (line,) = written().splitlines()
    assert line.isprintable()
    logging.getLogger().handlers[0].setFormatter(logs.JsonFormatter())
    logging.getLogger("app").info("started: %s", forged)
    (found,) = objects(written())
    assert found["message"] == f"started: {forged}"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_told_with_its_line(written: Callable[..., str], log_format: str) -> None:
    written(log_format=log_format)
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError:
        logging.getLogger("app").exception("it failed")
    printed = written()
    assert "it failed" in printed
    assert "ZeroDivisionError: by nothing" in printed
    if log_format == "json":
        assert objects(printed)[0]["exception"].startswith("Traceback")


def test_the_level_is_for_this_app_and_streamator_and_others_are_heard_from_warnings_on(
    written: Callable[..., str],
) -> None:
    written(log_level="DEBUG")
    for name in ("app", "streamator", "uvicorn.error", "botocore"):
        logging.getLogger(name).debug("at debug")
        logging.getLogger(name).info("at info")
        logging.getLogger(name).warning("at warning")
    told = [line.split(" ", 2)[2] for line in written().splitlines()]
    assert told == [
        "app: at debug", "app: at info", "app: at warning",
        "streamator: at debug", "streamator: at info", "streamator: at warning",
        "uvicorn.error: at info", "uvicorn.error: at warning",  # its debug lines hold headers, and those tokens
        "botocore: at warning",
    ]  # fmt: skip


def test_what_is_configured_around_it_is_left_alone(settings: Callable[..., Settings]) -> None:
    around = logging.getLogger().handlers[:]
    assert around, "pytest's"
    logs.configure(settings(log_format="json"))
    assert logging.getLogger().handlers == around


@pytest.mark.anyio
async def test_a_query_is_of_the_job_that_asks_it(written: Callable[..., str], database: Database) -> None:
    written(log_format="json")
    with logs.bound(job_id="j1"):
        await database.write(lambda _: logging.getLogger("app").info("written"))
        await database.read(lambda _: logging.getLogger("app").info("read"))
    assert [(each["message"], each["job_id"]) for each in objects(written())] == [("written", "j1"), ("read", "j1")]


@pytest.mark.parametrize(
    ("given", "taken"), [("from-the.proxy_1", True), ("x" * 65, False), ("a b", False), ("", False), ("é", False)]
)
def test_an_answer_has_the_id_of_its_request(run_app: Callable[..., RunningApp], given: str, taken: bool) -> None:
    client = run_app(features=()).client
    found = client.get("/healthz", headers=[(b"x-request-id", given.encode())]).headers["x-request-id"]
    assert (found == given) is taken
    assert found != client.get("/healthz").headers["x-request-id"]


@pytest.mark.parametrize("module", ["app", "uvicorn"])
def test_every_line_of_a_server_is_an_object_and_those_of_a_job_have_its_id(
    launch: Callable[..., Process], module: str
) -> None:
    pytest.importorskip("app.ingest", reason="the job of this test is one of ingest's")
    port = str(free_port())
    program = (sys.executable, "-m", module, *(["app.main:app", "--port", port] if module == "uvicorn" else []))
    server = launch(program=program, BACKEND_PORT=port, LOG_FORMAT="json", STREAMATOR_STORE="memory")
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = server.client.post("/api/ingest", files={"file": ("a.txt", b"Some words.")}, headers=headers)
    job_id, request_id = answer.json()["job_id"], answer.headers["x-request-id"]
    assert list(server.lines(job_id))[-1]["status"] == "completed"
    server.stop()
    lines = objects(server.said())
    of_job = [each for each in lines if each.get("job_id") == job_id]
    assert [each["message"].split()[2] for each in of_job] == ["accepted:", "begins:", "the", "completed"]
    assert {(each["request_id"], each["trace_id"]) for each in of_job} == {(request_id, TRACE)}
    (access,) = [each for each in lines if each.get("path") == "/api/ingest"]
    assert (access["logger"], access["method"], access["status"]) == ("uvicorn.access", "POST", 202)
    assert (access["request_id"], access["trace_id"]) == (request_id, TRACE)
    assert {each["logger"] for each in lines} >= {"uvicorn.error", "uvicorn.access", "app.jobs.runner"}
