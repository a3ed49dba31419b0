"""What an ingest job tells programs: the events of its stream, beside the lines of its log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel

__all__ = ["IngestComplete", "IngestDetails", "IngestEvent", "IngestFailure", "IngestItem", "IngestProgress", "Step"]

Step = Literal[
    "extracting_id",
    "extracted_id",
    "checking_cache",
    "fetching",
    "fetched",
    "archiving",
    "archived",
    "storing",
    "stored",
]
"""Where a document is. Each begins and ends one part of the work: its name, the cache, the network, the archive of
originals, the library. What is known already goes no further than the cache."""


class IngestItem(BaseModel):
    """Which of a channel's items a step is about, counted from 1."""

    number: int
    total: int
    url: str


class IngestProgress(BaseModel):
    """A step of the work. `id` is there from `extracted_id` on, `length` (in bytes) with `fetched`, and `item` while a
    channel's items are taken in. `percent` is of the whole job, and never falls."""

    event: Literal["progress"] = "progress"
    step: Step
    message: str
    percent: float
    id: str | None = None
    length: int | None = None
    item: IngestItem | None = None


class IngestFailure(BaseModel):
    """An item of a channel that could not be taken in, and why."""

    url: str
    error: str


class IngestDetails(BaseModel):
    """What came of it: of a document its id and size; of a channel how many items went which way, and how many it says
    were deleted, if any."""

    document_id: str | None = None
    title: str | None = None
    words: int | None = None
    found: int | None = None
    stored: int | None = None
    skipped: int | None = None
    failed: int | None = None
    deleted: int | None = None
    failures: list[IngestFailure] | None = None


class IngestComplete(BaseModel):
    """The last event: how it ended. `skipped`: all of it was in the library before.

    Where something was lost, guessed or left out, `partial` says so in a sentence, `warnings` are the first 20 lines of
    the log about it, and `warning_count` is how many there are.
    """

    event: Literal["complete"] = "complete"
    type: Literal["document", "channel"]
    status: Literal["success", "error", "skipped"]
    message: str
    details: IngestDetails
    partial: str | None = None
    warnings: list[str] | None = None
    warning_count: int | None = None


class IngestEvent(RootModel[Annotated[IngestProgress | IngestComplete, Field(discriminator="event")]]):
    """What the stream of an ingest job sends."""
