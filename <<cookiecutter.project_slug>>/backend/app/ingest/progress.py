"""How far an ingest job is: events for programs, lines for people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from streamator import JobEmitter

from app.ingest.events import IngestComplete, IngestDetails, IngestItem, IngestProgress, Step
from app.wording import size

__all__ = ["Outcome", "Progress"]

# How much of the work on one document is done when a step begins; for a channel, of each of its items.
_SHARES: dict[Step, float] = {
    "extracting_id": 0,
    "extracted_id": 1,
    "checking_cache": 2,
    "fetching": 3,
    "fetched": 20,  # what follows is to read it, the longest part
    "archiving": 70,
    "archived": 80,
    "storing": 85,
    "stored": 100,
}
# A channel's items begin where its own file has been fetched.
_ITEMS_BEGIN = _SHARES["fetched"]


class Outcome(BaseModel):
    """What came of one address or upload: what its stream says last, and the job's result."""

    status: Literal["success", "skipped"]
    message: str
    details: IngestDetails
    result: dict[str, Any]


class Progress:
    """Tells how one document is taken in.

    Arguments:
        emitter: the job's.
        item: which of a channel's items it is. Of an item no lines are written: one for each is the channel's to
            write.
    """

    def __init__(self, emitter: JobEmitter, item: IngestItem | None = None) -> None:
        self._emitter = emitter
        self._item = item
        self._id: str | None = None
        self.type: Literal["document", "channel"] = "document"
        """What it has turned out to be."""

    def of_item(self, item: IngestItem) -> Progress:
        """The same for an item of this channel."""
        return Progress(self._emitter, item)

    def log(self, message: str, level: str = "info") -> None:
        """Writes a line of the log."""
        if self._item is None:
            self._emitter.log(message, level)

    def begin(self, message: str) -> None:
        """The first step."""
        self.step("extracting_id", message)

    def identified(self, identifier: str) -> None:
        """The step that knows what is taken in: by `identifier` from here on."""
        self._id = identifier
        self.step("extracted_id", f"The id is {identifier}")

    def step(self, step: Step, message: str, *, length: int | None = None) -> None:
        """Begins or ends a part of the work. From any thread."""
        self._emit(step, message, _SHARES[step], length=length)

    def received(self, number: int, total: int | None) -> None:
        """So many bytes of a large document are here."""
        begun, done = _SHARES["fetching"], _SHARES["fetched"]
        share = min(number / total, 1.0) if total else 0.5
        of_total = f" of {size(total)}" if total else ""
        self._emit("fetching", f"Received {size(number)}{of_total}", begun + share * (done - begun))

    def fetching_more(self, message: str) -> None:
        """A channel's own file leads to another."""
        self._emit("fetching", message, _ITEMS_BEGIN)

    def complete(self, status: Literal["success", "error", "skipped"], message: str, details: IngestDetails) -> None:
        """The last event."""
        last = IngestComplete(type=self.type, status=status, message=message, details=details)
        self._emitter.emit(last.model_dump(mode="json", exclude_none=True))

    def _emit(self, step: Step, message: str, percent: float, **facts: Any) -> None:
        item = self._item
        if item is not None:
            done = (item.number - 1 + percent / 100) / item.total
            percent = _ITEMS_BEGIN + done * (100 - _ITEMS_BEGIN)
        event = IngestProgress(step=step, message=message, percent=round(percent, 1), id=self._id, item=item, **facts)
        self._emitter.emit(event.model_dump(mode="json", exclude_none=True))
