"""How far an ingest job is: events for programs, lines for people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from streamator import JobEmitter

from app.ingest.events import IngestComplete, IngestDetails, IngestItem, IngestProgress, Step
from app.wording import beginning, count, size

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
# Of the warnings with the last event; the log has all of them.
_KEPT_WARNINGS = 20
_MAX_WARNING = 500


class Outcome(BaseModel):
    """What came of one address or upload: what its stream says last, and the job's result."""

    status: Literal["success", "skipped"]
    message: str
    details: IngestDetails
    result: dict[str, Any]
    share: str = ""
    """Of a channel that was not taken in whole, such as `18 of 20 items`."""


class Progress:
    """Tells how one document is taken in.

    Arguments:
        emitter: the job's.
        item: which of a channel's items it is. Of an item no lines are written: one for each is the channel's to
            write.
    """

    def __init__(self, emitter: JobEmitter, item: IngestItem | None = None, warnings: list[str] | None = None) -> None:
        self._emitter = emitter
        self._item = item
        self._warnings: list[str] = [] if warnings is None else warnings
        self._id: str | None = None
        self._percent = 0.0
        self.type: Literal["document", "channel"] = "document"
        """What it has turned out to be."""

    def of_item(self, item: IngestItem) -> Progress:
        """The same for an item of this channel."""
        return Progress(self._emitter, item, self._warnings)

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

    def waiting(self, message: str) -> None:
        """Nothing is done for a while, for this reason: told of an item too."""
        self._emitter.log(f"{self._where}{message}", "info")
        self._emit("fetching", message, _SHARES["fetching"])

    def warn(self, message: str) -> None:
        """Something was lost, guessed or left out: written to the log, of an item too, and told with the completion."""
        line = f"{self._where}{message}"
        self._emitter.log(line, "warning")
        self._warnings.append(line)

    def reading(self, message: str, level: str) -> None:
        """A line of whoever fetches or reads: a warning of theirs is one of the job."""
        if level == "warning":
            self.warn(message)
        else:
            self.log(message, level)

    @property
    def _where(self) -> str:
        return f"{self._item.number}/{self._item.total}: " if self._item is not None else ""

    def fetching_more(self, message: str) -> None:
        """A channel's own file leads to another."""
        self._emit("fetching", message, _ITEMS_BEGIN)

    def partial(self, share: str = "") -> dict[str, Any]:
        """What could not be done, as the fields of the last event and the job's result; nothing where all was done.

        Arguments:
            share: of a channel that was not taken in whole, such as `18 of 20 items`.
        """
        number = len(self._warnings)
        if not number and not share:
            return {}
        parts = [share] if share else []
        if number:
            parts.append(f"{count(number, 'warning')}{', the first' if number > 1 else ''}: {self._warnings[0]}")
        kept = [beginning(line, _MAX_WARNING) for line in self._warnings[:_KEPT_WARNINGS]]
        return {"partial": beginning("; ".join(parts), _MAX_WARNING), "warnings": kept, "warning_count": number}

    def complete(
        self,
        status: Literal["success", "error", "skipped"],
        message: str,
        details: IngestDetails,
        *,
        share: str = "",
    ) -> None:
        """The last event."""
        last = IngestComplete(type=self.type, status=status, message=message, details=details, **self.partial(share))
        self._emitter.emit(last.model_dump(mode="json", exclude_none=True))

    def _emit(self, step: Step, message: str, percent: float, **facts: Any) -> None:
        item = self._item
        if item is not None:
            done = (item.number - 1 + percent / 100) / item.total
            percent = _ITEMS_BEGIN + done * (100 - _ITEMS_BEGIN)
        # A step may come a second time: a page leads on to another, a sitemap to more.
        self._percent = percent = max(self._percent, percent)
        event = IngestProgress(step=step, message=message, percent=round(percent, 1), id=self._id, item=item, **facts)
        self._emitter.emit(event.model_dump(mode="json", exclude_none=True))
