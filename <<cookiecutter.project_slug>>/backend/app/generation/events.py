"""What a run tells its viewers: the events of its log, beside the lines and the end that every job has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel

__all__ = [
    "GenerationComplete",
    "GenerationDraft",
    "GenerationError",
    "GenerationEvent",
    "GenerationProgress",
    "GenerationToken",
    "ProviderName",
    "RunMetadata",
    "Stage",
]

Stage = Literal["load_prompts", "generator", "formatter", "validator", "retry", "done", "fail"]
ProviderName = Literal["extractive", "anthropic", "openai"]


class GenerationProgress(BaseModel):
    """Where the run is. `progress` is in percent and never goes back."""

    event: Literal["progress"] = "progress"
    stage: Stage
    message: str
    progress: int = Field(ge=0, le=100)


class GenerationDraft(BaseModel):
    """The whole draft as it is now; it takes the place of all that came before."""

    event: Literal["draft"] = "draft"
    draft: str


class GenerationToken(BaseModel):
    """Text that is added to the draft."""

    event: Literal["token"] = "token"
    token: str


class RunMetadata(BaseModel):
    """How an output came about."""

    prompt: str
    provider: ProviderName
    model: str
    words: int
    source_words: int
    attempts: int = Field(description="how many drafts were written: 1 where the first one was good")
    problems: list[str] = Field(description="what is still wrong with the output; empty where nothing is")
    seconds: float


class GenerationComplete(BaseModel):
    """The end of a run that has an output. `success`: the output keeps all the rules."""

    event: Literal["complete"] = "complete"
    success: bool
    output: str
    metadata: RunMetadata


class GenerationError(BaseModel):
    """The end of a run that has no output."""

    event: Literal["error"] = "error"
    message: str


class GenerationEvent(
    RootModel[
        Annotated[
            GenerationProgress | GenerationDraft | GenerationToken | GenerationComplete | GenerationError,
            Field(discriminator="event"),
        ]
    ]
):
    """One event of a run."""
