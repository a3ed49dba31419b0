"""The routes that every app has: its health, what its page needs to know, and its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app import project
from app.errors import ApiError, error_responses
from app.feature import Services, SharedServices
from app.health import FRESH_SECONDS
from app.jobs import JobRecord
from app.users import LOCAL_USER, CurrentUser, User

__all__ = ["api", "ensure_begun", "own_job", "root"]

BEGIN_SECONDS = 20.0
"""How long a request waits for a job to have a log; who asks again waits on."""

root = APIRouter()
api = APIRouter()


class StoreHealth(BaseModel):
    """The log store; `degraded` is a sentence on what is wrong with it, or null."""

    name: Literal["memory", "dynamo", "redis"]
    degraded: str | None


class JobsHealth(BaseModel):
    """What runs jobs; `degraded` is a sentence on what keeps them from being run, or null; `running`: here."""

    workers: Literal["inline", "redis"]
    running: int
    degraded: str | None


class Health(BaseModel):
    """Whether all is well. What is degraded slows nothing down here, so the answer is 200 all the same."""

    status: Literal["ok", "degraded"]
    version: str
    store: StoreHealth
    jobs: JobsHealth


class Ready(BaseModel):
    """The server can do its work."""

    status: Literal["ready"] = "ready"


class Config(BaseModel):
    """What the page needs to know of the server."""

    project_name: str
    description: str
    version: str
    store: Literal["memory", "dynamo", "redis"]
    auth: Literal["none", "jwt"]
    max_upload_bytes: int
    max_running_jobs: int


class Job(JobRecord):
    """A job. `interrupted`: the server stopped while it ran."""


class Cancelled(BaseModel):
    """A job was asked to stop."""

    cancelled: str | None = None
    requested: str | None = None
    status: Literal["requested"] | None = None


class Jobs(BaseModel):
    """Jobs, newest first."""

    jobs: list[Job]


@root.get("/healthz", tags=["health"])
async def health(services: SharedServices) -> Health:
    """Says that the server lives, and whether its store is well. It asks nothing and nobody: where it fails to answer,
    the server is to be restarted."""
    settings, jobs = services.settings, services.jobs
    degraded = services.store.degraded
    return Health(
        status="ok" if degraded is None and jobs.degraded is None else "degraded",
        version=version("app"),
        store=StoreHealth(name=settings.streamator_store, degraded=degraded),
        jobs=JobsHealth(workers=settings.workers, running=jobs.running, degraded=jobs.degraded),
    )


@root.get("/readyz", tags=["health"], responses=error_responses(503))
async def ready(services: SharedServices) -> Ready:
    """Says whether requests should come here: the store can be read and is well, the database can be written, and the
    server is not about to stop. Otherwise 503, with the reasons."""
    problems = await services.readiness.problems()
    if problems:
        raise ApiError(503, "; ".join(problems), {"retry-after": f"{FRESH_SECONDS:g}"})
    return Ready()


@api.get("/config", tags=["config"])
async def config(services: SharedServices) -> Config:
    """Gives the names and limits that the page shows."""
    settings = services.settings
    return Config(
        project_name=project.PROJECT_NAME,
        description=project.DESCRIPTION,
        version=version("app"),
        store=settings.streamator_store,
        auth=settings.auth,
        max_upload_bytes=settings.max_upload_bytes,
        max_running_jobs=settings.max_running_jobs,
    )


@api.get("/jobs", tags=["jobs"], responses=error_responses(422))
async def list_jobs(
    services: SharedServices,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    kind: Annotated[str | None, Query(max_length=40, description="such as ingest; all without it")] = None,
) -> Jobs:
    """Lists the user's newest jobs, of earlier runs of the server and of other processes too."""
    records = await services.jobs.latest(limit, user=user, kind=kind)
    return Jobs(jobs=_shown(await services.jobs.with_progress(records)))


@api.get("/jobs/{job_id}", tags=["jobs"], responses=error_responses(404))
async def get_job(services: SharedServices, user: CurrentUser, job_id: str) -> Job:
    """Gives one job."""
    job = await services.jobs.get(job_id, user=user)
    if job is None:
        raise ApiError(404, "not found")
    return _shown(await services.jobs.with_progress([job]))[0]


def _shown(records: Sequence[JobRecord]) -> list[Job]:
    return [Job.model_construct(**record.__dict__) for record in records]


async def own_job(services: SharedServices, user: CurrentUser, job_id: str) -> None:
    """Lets a user at the log, the result and the end of their own jobs alone: another's is as good as none. A job that
    has no log yet is waited for. Where nobody signs in, a log that is not of a job of the app is shown, too."""
    await ensure_begun(services, job_id, user, or_none=user is LOCAL_USER)


async def ensure_begun(services: Services, job_id: str, user: User | None = None, *, or_none: bool = False) -> None:
    """Waits until a job can be followed.

    Raises:
        ApiError: 404 if it is not there (unless `or_none`), or not this user's; 503 if it waits for longer.
    """
    try:
        found = await services.jobs.begun(job_id, user=user, patience=BEGIN_SECONDS)
    except asyncio.TimeoutError:
        raise ApiError(503, "the job waits for a worker: ask again in a second", {"retry-after": "1"}) from None
    if not found and not or_none:
        raise ApiError(404, "not found")


@api.post("/job/{job_id}/cancel", tags=["jobs"], response_model_exclude_none=True, responses=error_responses(404))
async def cancel_job(services: SharedServices, user: CurrentUser, job_id: str, response: Response) -> Cancelled:
    """Asks a job to stop, wherever it runs or waits; it knows within a second. 202: it runs in another process."""
    if await services.jobs.get(job_id, user=user) is None:
        raise ApiError(404, "not found")
    if await services.jobs.cancel(job_id):
        return Cancelled(cancelled=job_id)
    response.status_code = 202
    return Cancelled(status="requested", requested=job_id)
