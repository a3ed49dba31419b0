"""What a run tells its viewers: the events of its log, beside the lines and the end that every job has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

__all__ = [
    "GenerationComplete",
    "GenerationDraft",
    "GenerationError",
    "GenerationEvent",
    "GenerationProgress",
    "GenerationReasoning",
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
    """The whole draft as it is now; it takes the place of all that came before. Where it is empty, it is begun anew.

    The first draft that is whole comes with the stage `generator` and the `progress` 50, as its writer wrote it.
    """

    event: Literal["draft"] = "draft"
    stage: Stage
    message: str
    progress: int = Field(ge=0, le=100)
    draft: str


class GenerationToken(BaseModel):
    """Text that is added to the draft."""

    event: Literal["token"] = "token"
    token: str


class GenerationReasoning(BaseModel):
    """What the model says to itself, added to what it has said so far: no part of the draft."""

    event: Literal["reasoning"] = "reasoning"
    reasoning: str


class RunMetadata(BaseModel):
    """How an output came about. `input_tokens`, `output_tokens` and `price` are of all that was asked for it."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    prompt: str
    provider: ProviderName
    model: str
    words: int
    source_words: int
    attempts: int = Field(description="how many drafts were written: 1 where the first one was good")
    problems: list[str] = Field(description="what is still wrong with the output; empty where nothing is")
    seconds: float
    warnings: list[str] = Field(default=[], description="what the output is not made of, or was not checked for")
    input_tokens: int | None = Field(default=None, description="as the model's server counts them, where it does")
    output_tokens: int | None = None
    price: float | None = Field(default=None, description="in the currency of the settings, where they have one")


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
            GenerationProgress
            | GenerationDraft
            | GenerationToken
            | GenerationReasoning
            | GenerationComplete
            | GenerationError,
            Field(discriminator="event"),
        ]
    ]
):
    """One event of a run."""
