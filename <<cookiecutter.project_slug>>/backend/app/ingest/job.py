"""The job of ingest: takes in an upload or what an address leads to."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.datastructures import State

from app.ingest.channel import Limit
from app.ingest.pipeline import Pipeline, Upload, UrlRequest
from app.jobs import Job, job

__all__ = ["IngestArgs", "Upload", "ingest"]


class IngestArgs(BaseModel):
    """What to take in: an upload, or else an address as `UrlRequest` has it."""

    upload: Upload | None = None
    url: str = ""
    limit: Limit = "50"
    refresh: bool = False


@job("ingest", retries=2)
async def ingest(job: Job, args: IngestArgs) -> dict[str, Any]:
    """Takes it in. What an attempt before has stored is known already, and skipped."""
    pipeline: Pipeline = job.state.ingest
    if args.upload is not None:
        return await pipeline.ingest_upload(args.upload, job.user, job)
    return await pipeline.ingest_url(UrlRequest(args.url, args.limit, args.refresh), job.user, job)


@ingest.on_end
async def _clean_up(state: State, args: IngestArgs, status: str) -> None:
    pipeline: Pipeline = state.ingest
    if args.upload is not None:
        pipeline.archive.delete_soon(args.upload.key)
