"""The judge: whether what a viewer was shown of a job is what a viewer has to be shown.

While events come, `Transcript` checks that each is the next one, word for word, or that a gap says how many are gone.
When all is over, `verdict` checks how it ended for the viewer, by what has happened to the servers and the store.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from soak import content

# What the app itself logs where a job does not come to its end by itself.
LAST_WORDS = (
    "The server is stopping: start this job again later.", "Cancelled.", "This job was to fail.",
    "This attempt was taken for lost, and another one goes on.", "The server stopped while this job was running.",
)  # fmt: skip
ATTEMPT_IDS = 1_000_000_000
"""The ids of attempt 2 begin so far above those of attempt 1, and so on."""
DONE = ("completed", "failed", "cancelled")


class Wrong(Exception):
    """A viewer was shown something else than it had to be."""


@dataclass
class Transcript:
    """What one viewer has of one job, checked while it comes.

    The id of an event is the number of its line, and one more for each event of the app's own before it. These jobs are
    not tried again: in a later attempt their log is closed for a server that was lost, and there are no more lines.
    """

    key: str
    number: int = 0
    """The last line that is done with, shown or hidden. At first: the id to begin after."""
    words: int = 0
    """The events of the app's own that are done with."""
    lines: int = 0
    """How many lines were shown."""
    attempt: int = 1
    anew: bool = False
    """Whether the log before a later attempt is lost."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Of each gap the last id, and how many events are gone."""
    t: float = 0.0
    status: str | None = None
    """How the job ended, as `done` says."""
    lost: bool = False
    """Whether the job is lost, as far as the viewer knows now."""
    losses: list[float] = field(default_factory=list)
    """When it was told to be lost."""
    times: list[tuple[float, int]] = field(default_factory=list)
    """When which id was there, every half second."""
    unsure: bool = field(init=False)
    """Whether it is not known how many events of the app's own were passed over."""

    def __post_init__(self) -> None:
        self.unsure = self.number > 0

    @property
    def seen(self) -> int:
        """The id of the last event that is done with."""
        return (self.attempt - 1) * ATTEMPT_IDS + self.number + self.words

    def take(self, event: dict[str, Any], event_id: int | None) -> None:
        """The next event, with its id; without one where it comes by a poll. Raises `Wrong`."""
        if self.status is not None:
            raise Wrong(f"{_short(event)} comes after the end")
        if event["event"] == "status" and "t" not in event:
            if event["status"] == "lost" and not self.lost:
                self.losses.append(time.monotonic())
            self.lost = event["status"] == "lost"
            return
        if event["event"] == "gap":
            self._gap(event["missed"], event_id)
            return
        if event["event"] == "attempt":
            self._attempt(event, event_id)
            return
        if event["t"] < self.t:
            raise Wrong(f"t falls from {self.t} to {event['t']} at {_short(event)}")
        self.t = event["t"]
        number = content.number_of(event)
        if number is None:
            self._word(event, event_id)
        else:
            self._line(event, number, event_id)
        now = time.monotonic()
        if not self.times or now > self.times[-1][0] + 0.5:
            self.times.append((now, self.seen))

    def move(self, event_id: int) -> None:
        """All up to this id is done with, and what was not shown of it is hidden. Raises `Wrong`."""
        last = event_id - (self.attempt - 1) * ATTEMPT_IDS - self.words
        if self.unsure and event_id >= self.seen:
            self.number = last
        else:
            self._pass_over(last)

    def _attempt(self, event: dict[str, Any], event_id: int | None) -> None:
        if event["attempt"] <= self.attempt:
            raise Wrong(f"{_short(event)} comes after attempt {self.attempt}")
        if event_id is None:
            self.anew = self.anew or self.number + self.words == 0
        elif (event_id - 1) // ATTEMPT_IDS + 1 != event["attempt"]:
            raise Wrong(f"{_short(event)} has the id {event_id}")
        else:
            before = (event_id - 1) % ATTEMPT_IDS  # so many events
            if before == 0 or before < self.number + self.words:
                self.anew = True
                self.words = before - self.number
            else:
                self.move((self.attempt - 1) * ATTEMPT_IDS + before)
        self.attempt, self.t = event["attempt"], 0.0
        self.words += 1

    def _line(self, event: dict[str, Any], number: int, event_id: int | None) -> None:
        if self.attempt > 1:
            raise Wrong(f"line {number} comes within attempt {self.attempt}")
        if not self.unsure:
            if event_id not in (None, number + self.words):
                raise Wrong(f"line {number} has the id {event_id}, after {self.words} events that are no lines")
            self._pass_over(number - 1)
        elif event_id is not None:
            seen, self.words = self.seen, event_id - number
            if not 0 <= self.words <= len(LAST_WORDS):
                raise Wrong(f"line {number} has the id {event_id}")
            self.number = seen - self.words
            self._pass_over(number - 1)
        elif not -3 <= number - 1 - self.number <= 3:  # there may be events of the app's own, and hidden lines
            raise Wrong(f"line {number} comes after {self.number}")
        expected = _expected(self.key, number)
        if content.hidden(number) or {**event, "t": None} != {**expected, "t": None}:
            raise Wrong(f"line {number} is {_short(event)}, not {_short(expected)}")
        self.lines += 1
        self.number = number
        self.unsure = False

    def _word(self, event: dict[str, Any], event_id: int | None) -> None:
        if event["event"] == "done" and event["status"] in DONE:
            self.status = event["status"]
        elif event.get("message") not in LAST_WORDS:
            raise Wrong(f"{_short(event)} is not of this job")
        if event_id is not None:
            self.move(event_id - 1)
        self.words += 1

    def _gap(self, missed: int, event_id: int | None) -> None:
        if event_id is not None:
            self.move(event_id - missed)
        self.number += missed
        self.gaps.append((self.seen, missed))
        self.unsure = True

    def _pass_over(self, last: int) -> None:
        if last < self.number:
            raise Wrong(f"line {last + 1} comes after {self.number}")
        for number in range(self.number + 1, last + 1):
            if not content.hidden(number):
                raise Wrong(f"line {number} is missing: what comes after {self.number} is {last + 1}")
        self.number = last


# The viewers of a job ask for the same lines. The server, whose memory is measured, keeps none.
_expected = lru_cache(maxsize=16_384)(content.event)


def _short(event: dict[str, Any]) -> str:
    text = repr(event)
    return text if len(text) <= 200 else f"{text[:160]}... ({len(text)} characters)"
