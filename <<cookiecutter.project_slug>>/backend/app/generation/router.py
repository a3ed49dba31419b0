"""The routes of generation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from streamator.fastapi import StreamResponse, make_stream_response

from app.bodies import RequestBody
from app.errors import ApiError, error_responses, stream_error_responses
from app.feature import Services, SharedServices
from app.generation.events import GenerationEvent, ProviderName, RunMetadata
from app.generation.job import GenerationArgs, generate
from app.generation.pipeline import Pipeline
from app.generation.prompt import Length, PromptError
from app.generation.provider import Provider, UnfitText
from app.generation.runs import RunRow
from app.jobs import JobRecord, JobStatus, TooManyJobs
from app.routes import ensure_begun
from app.users import CurrentUser, User
from app.wording import clip

__all__ = ["LARGER_BODIES", "router"]

router = APIRouter(tags=["generation"])

MAX_TEXT = 1_000_000

# A character takes up to four bytes, and there is something around the text.
LARGER_BODIES = dict.fromkeys(("/run", "/run/stream"), 5 * MAX_TEXT)


class RunOptions(RequestBody):
    """How to write. `provider`: one of those that are configured (default: the first of them)."""

    provider: ProviderName | None = None
    length: Length = "standard"


class RunRequest(RequestBody):
    """What to write: of which text, by which prompt."""

    text: Annotated[str, Field(max_length=MAX_TEXT, pattern=r"\S")]
    prompt: Annotated[str, Field(max_length=100)] = "summary"
    options: RunOptions = RunOptions()


class RunResult(BaseModel):
    """A whole result. Without `success` the output breaks rules, and `metadata.problems` says which."""

    job_id: str
    success: bool
    output: str
    metadata: RunMetadata


class PromptChoice(BaseModel):
    """A prompt that may be asked for."""

    name: str
    title: str
    description: str


class ProviderChoice(BaseModel):
    """A provider that may be asked for."""

    name: ProviderName
    title: str
    model: str


class RunChoices(BaseModel):
    """What a run may be asked for. The first provider is the default one."""

    prompts: list[PromptChoice]
    providers: list[ProviderChoice]
    max_text: int


class Run(BaseModel):
    """A run in a list. `words`: of its output, where there is one."""

    job_id: str
    title: str
    status: JobStatus
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    prompt: str
    provider: ProviderName
    words: int | None


class RunDetail(Run):
    """A run with all that went in and came out."""

    length: Length
    text: str
    output: str | None
    metadata: RunMetadata | None


class Runs(BaseModel):
    """Runs, newest first."""

    runs: list[Run]


def _pipeline(request: Request) -> Pipeline:
    pipeline: Pipeline = request.app.state.generation
    return pipeline


Generation = Annotated[Pipeline, Depends(_pipeline)]


@router.get("/run/options")
async def get_options(pipeline: Generation, user: CurrentUser) -> RunChoices:
    """Gives what a run may be asked for."""
    try:
        prompts = await pipeline.prompts.all()
    except PromptError as error:
        raise ApiError(500, str(error)) from error
    return RunChoices(
        prompts=[PromptChoice.model_validate(prompt, from_attributes=True) for prompt in prompts],
        providers=[
            ProviderChoice(name=each.name, title=each.title, model=each.model) for each in pipeline.providers.values()
        ],
        max_text=MAX_TEXT,
    )


@router.post(
    "/run/stream",
    status_code=200,
    response_class=StreamResponse,
    responses={
        200: {"model": GenerationEvent, "description": "The run, as it goes"},
        **stream_error_responses(422, 429),
    },
)
async def run_stream(asked: RunRequest, services: SharedServices, user: CurrentUser, pipeline: Generation) -> Response:
    """Starts a run and streams it, as named events. If the viewer leaves, it goes on: see /api/runs."""
    job = await _start(asked, services, user, pipeline)
    await ensure_begun(services, job.job_id)
    response = make_stream_response(job.job_id, services.store, named=True)
    response.headers["x-job-id"] = job.job_id
    return response


@router.post("/run", responses=error_responses(409, 422, 429, 502, 503))
async def run(asked: RunRequest, services: SharedServices, user: CurrentUser, pipeline: Generation) -> RunResult:
    """Makes a run and gives its whole result at once. If the asker leaves, it goes on: see /api/runs."""
    started = await _start(asked, services, user, pipeline)
    job = await services.jobs.ended(started.job_id, user=user)
    if job is not None and job.code == UnfitText.code:
        raise ApiError(422, job.error or "")
    row = await pipeline.runs.get(started.job_id, user=user)
    if row is not None and row.output is not None and row.metadata is not None:
        return RunResult(
            job_id=started.job_id, success=not row.metadata.problems, output=row.output, metadata=row.metadata
        )
    if job is None or job.status in ("failed", "interrupted"):
        raise ApiError(502, job.error if job and job.error else "the run failed")
    if job.status == "cancelled":
        raise ApiError(409, "the run was cancelled")
    raise ApiError(503, "the server is stopping: start the run again in a few seconds", {"retry-after": "5"})


@router.get("/runs", responses=error_responses(422))
async def list_runs(
    services: SharedServices, user: CurrentUser, pipeline: Generation, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Runs:
    """Lists the user's newest runs."""
    rows = {row.job_id: row for row in await pipeline.runs.latest(limit, user=user)}
    jobs = await services.jobs.latest(limit, user=user, kind=generate.name)
    return Runs(runs=[Run(**_facts(job, rows[job.job_id])) for job in jobs if job.job_id in rows])


@router.get("/runs/{job_id}", responses=error_responses(404))
async def get_run(job_id: str, services: SharedServices, user: CurrentUser, pipeline: Generation) -> RunDetail:
    """Gives one run, with its text and its output."""
    job = await services.jobs.get(job_id, user=user)
    row = await pipeline.runs.get(job_id, user=user)
    if job is None or row is None:
        raise ApiError(404, "not found")
    return RunDetail(**_facts(job, row), length=row.length, text=row.text, output=row.output, metadata=row.metadata)


async def _start(asked: RunRequest, services: Services, user: User, pipeline: Pipeline) -> JobRecord:
    provider = _provider(asked.options.provider, pipeline)
    try:
        prompt = await pipeline.prompts.get(asked.prompt)
    except PromptError as error:
        raise ApiError(500, str(error)) from error
    if prompt is None:
        names = ", ".join(each.name for each in await pipeline.prompts.all())
        raise ApiError(422, f"there is no prompt {asked.prompt!r}: choose one of {names}")
    args = GenerationArgs(text=asked.text, prompt=prompt.name, provider=provider.name, length=asked.options.length)
    title = f"{prompt.title} of {clip(_first_line(asked.text), 60)}"
    try:
        return await services.jobs.start(generate, args, source=title, user=user)
    except TooManyJobs as error:
        raise ApiError(429, str(error), {"retry-after": "5"}) from error


def _first_line(text: str) -> str:
    """What a text begins with, without the marks of a heading or a list."""
    return (text.lstrip(" \t\r\n#>*-") or text)[:1000].splitlines()[0]


def _provider(name: ProviderName | None, pipeline: Pipeline) -> Provider:
    if name is None:
        return next(iter(pipeline.providers.values()))
    if name not in pipeline.providers:
        names = ", ".join(pipeline.providers)
        raise ApiError(422, f"the provider {name!r} has no key or address here: set one, or choose one of {names}")
    return pipeline.providers[name]


def _facts(job: JobRecord, row: RunRow) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "title": job.source,
        "status": job.status,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "error": job.error,
        "prompt": row.prompt,
        "provider": row.provider,
        "words": None if row.metadata is None else row.metadata.words,
    }
