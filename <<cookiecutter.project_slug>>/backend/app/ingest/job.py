"""The job of ingest: takes in an upload or what an address leads to."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.datastructures import State

from app.ingest.channel import Limit
from app.ingest.pipeline import Arrival, Pipeline, UrlRequest
from app.jobs import Job, job

__all__ = ["IngestArgs", "Upload", "ingest"]


class Upload(BaseModel):
    """A file that has arrived. `file`: its name in the archive's `incoming`; the others as `Arrival` has them."""

    file: str
    name: str
    media_type: str
    charset: str | None
    bytes: int
    sha256: str


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
    if (upload := args.upload) is not None:
        path = pipeline.archive.arrived(upload.file)
        arrival = Arrival(
            path, upload.name, upload.name, upload.media_type, upload.charset, upload.bytes, upload.sha256
        )
        return await pipeline.ingest_upload(arrival, job.user, job)
    path = pipeline.archive.new_path()
    try:
        return await pipeline.ingest_url(UrlRequest(args.url, args.limit, args.refresh), path, job.user, job)
    finally:
        path.unlink(missing_ok=True)


@ingest.on_end
async def _clean_up(state: State, args: IngestArgs, status: str) -> None:
    pipeline: Pipeline = state.ingest
    if args.upload is not None:
        pipeline.archive.arrived(args.upload.file).unlink(missing_ok=True)
