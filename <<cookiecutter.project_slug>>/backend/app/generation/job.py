"""The job of a run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.generation.events import ProviderName
from app.generation.pipeline import Pipeline
from app.generation.prompt import Length
from app.jobs import Job, JobError, job

__all__ = ["GenerationArgs", "generate"]


class GenerationArgs(BaseModel):
    """What to write, of which text, and by whom."""

    text: str
    prompt: str
    provider: ProviderName
    length: Length


@job("generation", retries=1)
async def generate(job: Job, args: GenerationArgs) -> dict[str, Any]:
    """Makes a run."""
    pipeline: Pipeline = job.state.generation
    provider = pipeline.providers.get(args.provider)
    if provider is None:  # it was there at the server that accepted the job
        raise JobError(f"The provider {args.provider!r} has no key or address at this worker: choose another one.")
    return await pipeline.run(args.text, args.prompt, provider, args.length, job.user, job)
