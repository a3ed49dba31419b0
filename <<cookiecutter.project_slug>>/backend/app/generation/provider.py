"""Who writes drafts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from app.generation.events import ProviderName
from app.generation.prompt import Length, Prompt
from app.generation.validate import Problem
from app.jobs import JobError
from app.users import LOCAL_USER

__all__ = [
    "Action",
    "Attempt",
    "ModelError",
    "Piece",
    "Provider",
    "Reasoning",
    "Report",
    "Task",
    "UnfitText",
    "Usage",
    "conversation",
]

Report = Callable[[str, float], None]
"""Says what is being done, and how much of it, from 0 to 1."""


Action = Literal["retry", "repeat", "rewrite", "shorten", "stop"]
"""What to do about an answer that is no draft: ask again, since nothing has been paid for (`retry`), or although
something may have been (`repeat`); ask for a shorter draft (`rewrite`); ask with less of the text (`shorten`); give up
(`stop`)."""


class UnfitText(JobError):
    """The provider can make no draft of this text: its sender has to give another one."""

    code = "unfit"


class ModelError(JobError):
    """A model's answer that is no draft.

    Arguments:
        what: what happened, as a sentence with the value.
        fix: what a person can do about it, as a sentence.
        action: what the app does about it.
        wait: the seconds that the server asks to wait before it is asked again (default: it does not say).
        fits: how much of the text would have fitted, from 0 to 1 (default: it does not say); for `shorten`.
    """

    def __init__(
        self, what: str, fix: str, action: Action = "stop", *, wait: float | None = None, fits: float | None = None
    ) -> None:
        super().__init__(f"{what} {fix}")
        self.what = what
        self.fix = fix
        self.action: Action = action
        self.wait = wait
        self.fits = fits


@dataclass(frozen=True)
class Attempt:
    """A draft that was sent back, and why."""

    draft: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Task:
    """What to write."""

    text: str
    prompt: Prompt
    length: Length
    earlier: tuple[Attempt, ...] = ()
    user: str = LOCAL_USER.id
    """The id of the user for whom."""

    def of(self, text: str) -> Task:
        """The same task for another text."""
        return replace(self, text=text)


@dataclass(frozen=True)
class Reasoning:
    """What a model says to itself before it writes. It is shown apart, and is no part of the draft."""

    text: str


@dataclass(frozen=True)
class Usage:
    """The tokens that an answer has taken so far; None where that is not told."""

    input: int | None = None
    output: int | None = None

    def updated(self, later: Usage) -> Usage:
        """What is known after a later report on the same answer: it is of all so far, but may leave out a part."""
        return Usage(_larger(self.input, later.input), _larger(self.output, later.output))

    def __add__(self, other: Usage) -> Usage:
        """The tokens of two answers; unknown where those of one are."""
        return Usage(_sum(self.input, other.input), _sum(self.output, other.output))


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


Piece = str | Reasoning | Usage
"""Text of the draft, or something beside it. Halves of characters (surrogates) may come in pieces of their own."""


class Provider(Protocol):
    """A writer of drafts. It is shared by all runs, and keeps nothing of them."""

    @property
    def name(self) -> ProviderName:
        """Its name in settings and requests."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def model(self) -> str:
        """What it writes with."""

    def generate(self, task: Task, report: Report) -> AsyncGenerator[Piece, None]:
        """Gives the draft, in pieces as they come. Closing the generator ends the work.

        Guarantee: where it ends without an error the draft is whole, as far as its writer is concerned.

        Arguments:
            task: what to write.
            report: called with what is being done; for a provider whose pieces alone do not say it.

        Raises:
            ModelError: there is no draft yet, and asking in another way, or later, may help.
            JobError: there will be no draft; UnfitText where that is the text's own fault.
        """


def conversation(task: Task) -> list[tuple[str, str]]:
    """A task as the turns of a conversation with a model, each with its role."""
    turns = [("user", f"<text>\n{task.text}\n</text>")]
    for attempt in task.earlier:
        problems = "\n".join(f"- {problem.message}" for problem in attempt.problems)
        turns.append(("assistant", attempt.draft))
        turns.append(("user", f"This cannot be used yet:\n\n{problems}\n\nWrite it all again, without these faults."))
    return turns
