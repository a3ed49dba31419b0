"""Who writes drafts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from app.generation.events import ProviderName
from app.generation.prompt import Length, Prompt
from app.generation.validate import Problem
from app.jobs import JobError

__all__ = ["Attempt", "Provider", "Report", "Task", "UnfitText", "conversation", "fix", "said"]

Report = Callable[[str, float], None]
"""Says what is being done, and how much of it, from 0 to 1."""


class UnfitText(JobError):
    """There will be no draft of this text, whoever is asked: it is for its sender to give another one."""


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

    def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        """Gives the draft, in pieces as they come. Closing the generator ends the work.

        Arguments:
            task: what to write.
            report: called with what is being done; for a provider whose pieces alone do not say it.

        Raises:
            JobError: there will be no draft; UnfitText where that is the text's own fault.
        """


def said(error: Exception, api_key: str | None) -> str:
    """What a model's server said, without the key, should it repeat it: users and the server's log get to see it."""
    return str(error).replace(api_key, "***") if api_key else str(error)


def fix(status: int, settings: str) -> str:
    """What to do when a model's server refuses a request.

    Arguments:
        status: what it answered.
        settings: what the names of its settings begin with, such as "OPENAI".
    """
    if status in (401, 403):
        return f"Check {settings}_API_KEY."
    return f"Check {settings}_MODEL and {settings}_BASE_URL." if status == 404 else "Try again later."


def conversation(task: Task) -> list[tuple[str, str]]:
    """A task as the turns of a conversation with a model, each with its role."""
    turns = [("user", f"<text>\n{task.text}\n</text>")]
    for attempt in task.earlier:
        problems = "\n".join(f"- {problem.message}" for problem in attempt.problems)
        turns.append(("assistant", attempt.draft))
        turns.append(("user", f"This cannot be used yet:\n\n{problems}\n\nWrite it all again, without these faults."))
    return turns
