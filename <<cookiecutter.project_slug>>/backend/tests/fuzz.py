"""Random requests, made from the OpenAPI schema, and jobs for them to ask for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from fastapi import APIRouter, FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from app import openapi
from app.database import Database
from app.feature import Feature, SharedServices
from app.jobs import Job, job
from app.users import CurrentUser
from tests.support import JsonObject, RunningApp

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # for each route; 0: a few that are always the same
# The last two know nothing of streams.
_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


class How(BaseModel):
    """Whether a job goes on: `open`."""

    how: str


def jobs_to_ask_for() -> Feature:
    """A feature with a job that is over, one that goes on, and what the server holds while it answers."""
    router = APIRouter()

    @job("fuzz")
    async def fuzz(job: Job, args: How) -> JsonObject:
        for n in range(10):
            job.log(f"line {n}")
        if args.how == "open":
            await asyncio.Event().wait()
        return {"lines": 10}

    @router.post("/fuzz/{how}")
    async def start(how: str, services: SharedServices, user: CurrentUser) -> str:
        return (await services.jobs.start(fuzz, How(how=how), source=how, user=user)).job_id

    @router.get("/fuzz/held")
    async def held(services: SharedServices) -> dict[str, int]:
        await services.processes.close()  # those that wait for more to do: others would be there a minute later
        await services.searches.close()
        counts = services.store.counts()  # type: ignore[attr-defined]
        return {
            "tasks": len(asyncio.all_tasks()),
            "files": open_files(os.getpid()) - pooled(services.database),
            "memory": resident(os.getpid()),
            "open_jobs": counts.active,
        }

    @asynccontextmanager
    async def nothing(app: FastAPI) -> Any:
        yield

    return Feature("fuzz", router, nothing, jobs=[fuzz])


def pooled(database: Database) -> int:
    """How many connections to a PostgreSQL there are: each is made when all others have something to do, and kept."""
    if not database.is_postgres:
        return 0
    pool: Any = database._async_engine.pool
    return int(pool.checkedin() + pool.checkedout())


def open_files(process: int) -> int:
    """How many files and sockets a process has open, but for SQLite's: each of its threads opens it when it
    first has something to do, and keeps it open."""
    count = 0
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += "/app.db" not in str(path.readlink())
    return count


def resident(process: int) -> int:
    """The bytes of memory that a process takes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask_as_the_schema_says(
    running: RunningApp, subtests: pytest.Subtests, known: Mapping[str, Sequence[str]], **headers: str
) -> None:
    """Sends requests of every shape that the schema allows, and of shapes that it does not, to every route of it.

    Arguments:
        known: what there is, by the names of the parameters and fields that may ask for it.
        headers: those of every request.
    """
    described = json.loads(openapi.schema())
    _offer(described, known)
    config = schemathesis.Config.from_dict({
        "base-url": str(running.client.base_url),
        "request-timeout": 10,  # one that takes longer hangs
        "max-stream-events": 1,
    })  # fmt: skip
    schema = schemathesis.openapi.from_dict(described, config=config)
    with requests.Session() as session:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found.err()
            operation = found.ok()
            checks = _CHECKS[:1] if _streams(operation.definition.raw) else _CHECKS
            cases = operation.as_strategy() | operation.as_strategy(schemathesis.GenerationMode("negative"))

            @given(cases)
            @settings(
                max_examples=EXAMPLES or 8, deadline=None, derandomize=not EXAMPLES, database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def ask(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(session=session, headers=headers, checks=checks)  # noqa: B023

            with subtests.test(operation.label):
                ask()


def _streams(operation: JsonObject) -> bool:
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def _offer(node: Any, known: Mapping[str, Sequence[str]]) -> None:
    """Lets every parameter and field of a name that is known be one of its values, or what it may be anyway."""
    if isinstance(node, list):
        for inner in node:
            _offer(inner, known)
    elif isinstance(node, dict):
        if "in" in node and node.get("name") in known:
            node["schema"] = _or_one_of(known[node["name"]], node["schema"])
        if node.get("name") == "run":  # the stream of a run that is known may have nothing to tell for long
            node["required"] = True
        for name, inner in node.get("properties", {}).items():
            if name in known and "in" not in node:
                node["properties"][name] = _or_one_of(known[name], inner)
        for inner in node.values():
            _offer(inner, known)


def _or_one_of(values: Sequence[str], schema: JsonObject) -> JsonObject:
    return {"anyOf": [{"enum": list(values)}, schema]}
