"""The routes that every app has: its health, what its page needs to know, and its jobs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app import project
from app.errors import ApiError, error_responses
from app.feature import SharedServices
from app.jobs import Job

__all__ = ["api", "root"]

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


class Config(BaseModel):
    """What the page needs to know of the server."""

    project_name: str
    description: str
    version: str
    store: Literal["memory", "dynamo", "redis"]
    max_upload_bytes: int
    max_running_jobs: int


class Jobs(BaseModel):
    """Jobs, newest first."""

    jobs: list[Job]


class Cancelled(BaseModel):
    """The job that was asked to stop."""

    cancelled: str


@root.get("/healthz", tags=["health"])
async def health(services: SharedServices) -> Health:
    """Says whether the server and its store are well."""
    degraded = services.store.degraded
    return Health(
        status="ok" if degraded is None else "degraded",
        version=version("app"),
        store=StoreHealth(name=services.settings.streamator_store, degraded=degraded),
    )


@api.get("/config", tags=["config"])
async def config(services: SharedServices) -> Config:
    """Gives the names and limits that the page shows."""
    settings = services.settings
    return Config(
        project_name=project.PROJECT_NAME,
        description=project.DESCRIPTION,
        version=version("app"),
        store=settings.streamator_store,
        max_upload_bytes=settings.max_upload_bytes,
        max_running_jobs=settings.max_running_jobs,
    )


@api.get("/jobs", tags=["jobs"], responses=error_responses(422))
async def list_jobs(services: SharedServices, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Jobs:
    """Lists the newest jobs, of earlier runs of the server too."""
    return Jobs(jobs=await services.jobs.latest(limit))


@api.get("/jobs/{job_id}", tags=["jobs"], responses=error_responses(404))
async def get_job(services: SharedServices, job_id: str) -> Job:
    """Gives one job."""
    job = await services.jobs.get(job_id)
    if job is None:
        raise ApiError(404, "not found")
    return job


@api.post("/jobs/{job_id}/cancel", tags=["jobs"], responses=error_responses(403, 404))
async def cancel_job(services: SharedServices, job_id: str) -> Cancelled:
    """Asks a job to stop, whichever server runs it; one that is over stays as it is."""
    if not await services.jobs.cancel(job_id):
        raise ApiError(404, "not found")
    return Cancelled(cancelled=job_id)
