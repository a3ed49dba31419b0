"""Has a provider write a draft, shows it as it comes, and asks again where that may help."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pydantic import BaseModel
from streamator import JobEmitter

from app.generation.apart import Survey
from app.generation.characters import Characters
from app.generation.draft import split_reasoning, without_marks
from app.generation.events import (
    GenerationDraft,
    GenerationProgress,
    GenerationReasoning,
    GenerationToken,
    Stage,
)
from app.generation.provider import ModelError, Provider, Reasoning, Task, Usage
from app.generation.validate import Problem, count_words
from app.jobs import JobError
from app.wording import clip, count, duration

__all__ = ["MAX_DRAFT", "Patience", "Stages", "Work", "Writer", "emit"]

Work = Callable[..., Awaitable[Any]]
"""Calls a function of `app.generation.apart`, apart from the server: its name, and its arguments."""

MAX_DRAFT = 200_000
"""The characters of a draft; a model that goes on for longer does not come to an end."""

MAX_REASONING = 1_000_000
"""The same of what it says to itself before."""

_TOKEN_INTERVAL = 0.05
_CHARACTERS_PER_SECOND = 400_000
_MOST = {"retry": 3, "repeat": 1, "rewrite": 1, "shorten": 4}
"""How often, in one run, each of these is done."""
_LEAST_TEXT = 200
_MARGIN = 0.9


@dataclass(frozen=True)
class Patience:
    """How a provider is waited for that cannot answer now.

    Arguments:
        most: the seconds that one run waits, in all (GENERATION_MAX_WAIT_SECONDS).
        first: the seconds before it is asked again for the first time, where it does not say how many; then the double.
        jitter: gives a number from 0 to 1; by it the pause is up to a half shorter.
    """

    most: float = 60.0
    first: float = 1.0
    jitter: Callable[[], float] = random.random

    def pause(self, error: ModelError, times: int) -> float:
        """The seconds before it is asked again, for the `times`th time. A date that has passed asks for no wait."""
        return error.wait or self.first * 2.0 ** (times - 1) * (1 - self.jitter() / 2)


class Stages:
    """Says where a run is: each thing once, and never a smaller number after a larger one."""

    def __init__(self, emitter: JobEmitter) -> None:
        self._emitter = emitter
        self._last: tuple[Stage, int] | None = None

    @property
    def progress(self) -> int:
        """How far the run is, in percent."""
        return 0 if self._last is None else self._last[1]

    def at(self, stage: Stage, progress: int, message: str) -> None:
        """Says it, unless there is nothing new about it."""
        progress = max(progress, self.progress)
        if self._last != (stage, progress):
            self._last = (stage, progress)
            self.say(stage, message)

    def say(self, stage: Stage, message: str) -> None:
        """Says what goes on there, no further than before."""
        emit(self._emitter, GenerationProgress(stage=stage, message=message, progress=self.progress))

    def draft(self, stage: Stage, message: str, draft: str) -> None:
        """Shows the whole draft as it is there."""
        emit(self._emitter, GenerationDraft(stage=stage, message=message, progress=self.progress, draft=draft))


class Writer:
    """The provider of one run, for all of its drafts.

    Arguments:
        provider: who writes.
        text: of what.
        known: what is known of the text.
        emitter, stages: where it is shown.
        patience: how long it is waited for.
        work: calls a function of `app.generation.apart`, by its name, where that is done.
    """

    def __init__(
        self,
        provider: Provider,
        text: str,
        known: Survey,
        emitter: JobEmitter,
        stages: Stages,
        patience: Patience,
        work: Work,
    ) -> None:
        self.text = text
        """What of the text is written of: all of it, unless the model does not take as much."""
        self.usage: Usage | None = None
        """The tokens of all that was answered, also where there came no draft of it; None where nothing was."""
        self._provider = provider
        self._name = f"{provider.title} ({provider.model})"
        self._known = known
        self._work = work
        self._emitter = emitter
        self._stages = stages
        self._patience = patience
        self._done: Counter[str] = Counter()
        self._waited = 0.0
        self._shown = False
        self._shortened: str | None = None
        self._broken: str | None = None

    @property
    def warnings(self) -> list[str]:
        """What the draft is not made of, or has lost."""
        return [each for each in (self._shortened, self._broken) if each is not None]

    async def write(self, task: Task, stage: Stage, begin: int, end: int) -> tuple[str, list[Problem]]:
        """A draft, shown as it comes, and what keeps it from being one: that it was cut off.

        Arguments:
            task: what to write; its text is replaced by what fits.
            stage: where the run is.
            begin, end: the percent from which and up to which this leads.

        Raises:
            JobError: there will be no draft.
        """
        while True:
            draft = _Shown(self._emitter, self._stages, stage, keeps_marks=self._known["marks"])
            if self._shown:  # what was written so far is not part of what comes now
                self._stages.draft(stage, "Begun anew", "")
            try:
                await self._answer(task.of(self.text), draft, stage, begin, end)
            except ModelError as error:
                self._done[error.action] += 1
                if self._done[error.action] > _MOST.get(error.action, 0):
                    raise self._given_up(error) from error
                if error.action == "rewrite":
                    return draft.text, [await self._cut(error, draft.text, task)]
                if error.action == "shorten":
                    await self._shorten(error)
                else:
                    await self._wait(error, stage)
            else:
                self._tell_of_losses(draft)
                written = f"Written: {count(await self._work('count_words', draft.text), 'word')}"
                self._stages.at(stage, end, written)
                self._stages.draft(stage, written, draft.text)
                return draft.text, []

    async def _answer(self, task: Task, draft: _Shown, stage: Stage, begin: int, end: int) -> None:
        """One answer of the provider's. The progress is what it reports, or else how much is written."""
        expected = task.prompt.words(task.length)[1]
        usage = Usage()

        def report(message: str, done: float) -> None:
            self._stages.at(stage, begin + int((end - begin) * min(done, 1.0)), message)

        try:
            with draft:
                async with aclosing(self._provider.generate(task, report)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Usage):
                            usage = usage.updated(piece)
                        elif isinstance(piece, Reasoning):
                            draft.think(piece.text)
                        else:
                            draft.add(piece)
                        if draft.length > MAX_DRAFT or draft.thought > MAX_REASONING:
                            most = MAX_DRAFT if draft.length > MAX_DRAFT else MAX_REASONING
                            raise JobError(
                                f"{self._name} was stopped after {most:,} characters: try again, or choose another "
                                "provider."
                            )
                        if draft.words:
                            report("Writing", draft.words / expected)
        finally:
            self._shown = self._shown or draft.text != ""
            if draft.length or draft.thought or usage != Usage():  # else it has answered nothing
                self.usage = usage if self.usage is None else self.usage + usage
        if not draft.text.strip():
            what = "reasoned, and wrote nothing" if draft.thought else "wrote nothing"
            raise ModelError(f"{self._name} {what}.", "Try again, or choose another provider.", "repeat")

    async def _wait(self, error: ModelError, stage: Stage) -> None:
        """Waits before the provider is asked again, and says so.

        Raises:
            JobError: it would take too long.
        """
        times = self._done[error.action]
        pause = self._patience.pause(error, times)
        if self._waited + pause > self._patience.most:
            asks = "It asks to wait" if error.wait else "It would be asked again after"
            waited = f" after {duration(self._waited)} of waiting" if self._waited else ""
            raise JobError(
                f"{error.what} {asks} {duration(pause)}{waited}, and GENERATION_MAX_WAIT_SECONDS is "
                f"{self._patience.most:g}. {error.fix}"
            ) from error
        self._waited += pause
        message = f"{error.what} It is asked again in {duration(pause)} ({times} of {_MOST[error.action]})."
        self._emitter.log(message)
        self._stages.say(stage, message)
        await asyncio.sleep(pause)

    def _given_up(self, error: ModelError) -> JobError:
        times = self._done[error.action]
        return error if times == 1 else JobError(f"{error.what} That was try {times}. {error.fix}")

    async def _cut(self, error: ModelError, draft: str, task: Task) -> Problem:
        """Why a draft that was cut off is to be written anew.

        Raises:
            ModelError: a shorter one would be too short.
        """
        fewest, most = task.prompt.words(task.length)
        words = min(await self._work("count_words", draft) // 2, most)
        if words < fewest:
            raise error
        self._emitter.log(f"{error.what} It is asked for {count(words, 'word')} at most.")
        return Problem(f"It was cut off, since an answer must not be that long: write {words:,} words at most.")

    async def _shorten(self, error: ModelError) -> None:
        """Leaves out the end of the text, as much as does not fit.

        Raises:
            ModelError: nothing would be left.
        """
        fits = 0.5 if error.fits is None else min(max(error.fits * _MARGIN, 0.05), _MARGIN)
        length, words = await self._work("shorten", self.text, int(len(self.text) * fits))
        self.text = self.text[:length]
        if len(self.text) < _LEAST_TEXT:
            raise error
        warning = (
            f"The text is too long for {self._name}: of its {count(self._known['words'], 'word')} only the first "
            f"{words:,} were read."
        )
        self._shortened = warning
        self._emitter.log(f"{warning} {error.what}", "warning")

    def _tell_of_losses(self, draft: _Shown) -> None:
        self._broken = None
        for mark in draft.marks:
            self._emitter.log(f"Left out, since it is a mark of the model's own: {clip(mark, 200)}")
        if draft.broken:
            lost = count(draft.broken, "character")
            self._broken = f"{lost} of the draft came in part and became “\ufffd”."
            self._emitter.log(f"{self._name}: {self._broken}", "warning")


class _Shown:
    """Sends a draft on while it is written, a batch at a time: a viewer reads no faster than twenty times a second."""

    def __init__(self, emitter: JobEmitter, stages: Stages, stage: Stage, *, keeps_marks: bool) -> None:
        self.text = ""
        """The draft, as far as it has been sent on."""
        self.words = 0
        """About how many it has."""
        self.length = 0
        self.thought = 0
        """The characters of what the model says to itself."""
        self.marks: list[str] = []
        """The marks of the model's own that are left out."""
        self._keeps_marks = keeps_marks
        self._characters = Characters()
        self._thought_characters = Characters()
        self._emitter = emitter
        self._stages = stages
        self._stage: Stage = stage
        self._answer: list[str] = []
        self._thoughts: list[str] = []
        self._told = ""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def broken(self) -> int:
        """The characters that only came in part."""
        return self._characters.broken

    def add(self, piece: str) -> None:
        """Takes in the next piece; it is sent within the interval."""
        self._answer.append(self._characters.add(piece))
        self.length += len(piece)
        self._soon()

    def think(self, piece: str) -> None:
        """The same of the reasoning that comes by itself."""
        self._thoughts.append(self._thought_characters.add(piece))
        self.thought += len(piece)
        self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            # All of it is looked at each time: for that a long one has more time between.
            interval = max(_TOKEN_INTERVAL, self.length / _CHARACTERS_PER_SECOND)
            self._timer = asyncio.get_running_loop().call_later(interval, self._send, False)

    def _send(self, whole: bool) -> None:
        self._timer = None
        if whole:
            self._answer.append(self._characters.add("", whole=True))
            self._thoughts += filter(None, [self._thought_characters.add("", whole=True)])
        within, text = split_reasoning("".join(self._answer), whole=whole)
        if not self._keeps_marks:
            text, self.marks = without_marks(text)
        self.thought = max(self.thought, len(within))
        thoughts = "".join(self._thoughts) + ("\n\n" if self._thoughts and within else "") + within
        if thoughts != self._told:
            if not self._told and not text:
                self._stages.say(self._stage, "Reasoning")
            added = thoughts[len(self._told) :] if thoughts.startswith(self._told) else f"\n\n{thoughts}"
            self._told = thoughts
            emit(self._emitter, GenerationReasoning(reasoning=added))
        before, self.text = self.text, text
        if text.startswith(before):
            added = text[len(before) :]
            self.words += count_words(added)
            if added:
                emit(self._emitter, GenerationToken(token=added))
        else:  # it turned out to be none of the draft
            self._stages.draft(self._stage, "What is no part of the draft is left out", text)

    def __enter__(self) -> _Shown:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._send(True)


def emit(emitter: JobEmitter, event: BaseModel) -> None:
    """Puts an event into a run's log."""
    emitter.emit(event.model_dump(mode="json", exclude_none=True))
