"""The routes that every app has: its health, what its page needs to know, and its jobs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app import project
from app.errors import ApiError, error_responses
from app.feature import SharedServices
from app.health import FRESH_SECONDS
from app.jobs import Job
from app.users import LOCAL_USER, CurrentUser

__all__ = ["api", "own_job", "root"]

root = APIRouter()
api = APIRouter()


class StoreHealth(BaseModel):
    """The log store; `degraded` is a sentence on what is wrong with it, or null."""

    name: Literal["memory", "dynamo", "redis"]
    degraded: str | None


class Health(BaseModel):
    """Whether all is well. A degraded store slows nothing down here, so the answer is 200 all the same."""

    status: Literal["ok", "degraded"]
    version: str
    store: StoreHealth


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


class Jobs(BaseModel):
    """Jobs, newest first."""

    jobs: list[Job]


@root.get("/healthz", tags=["health"])
async def health(services: SharedServices) -> Health:
    """Says that the server lives, and whether its store is well. It asks nothing and nobody: where it fails to answer,
    the server is to be restarted."""
    degraded = services.store.degraded
    return Health(
        status="ok" if degraded is None else "degraded",
        version=version("app"),
        store=StoreHealth(name=services.settings.streamator_store, degraded=degraded),
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
    rows = await services.jobs.latest(limit, user=user, kind=kind)
    return Jobs(jobs=await services.jobs.with_progress(rows))


@api.get("/jobs/{job_id}", tags=["jobs"], responses=error_responses(404))
async def get_job(services: SharedServices, user: CurrentUser, job_id: str) -> Job:
    """Gives one job."""
    job = await services.jobs.get(job_id, user=user)
    if job is None:
        raise ApiError(404, "not found")
    return (await services.jobs.with_progress([job]))[0]


async def own_job(services: SharedServices, user: CurrentUser, job_id: str) -> None:
    """Lets a user at the log, the result and the end of their own jobs alone: another's is as good as none."""
    if user is not LOCAL_USER and await services.jobs.get(job_id, user=user) is None:
        raise ApiError(404, "not found")
