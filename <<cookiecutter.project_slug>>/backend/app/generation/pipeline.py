"""The stages of a run: load the prompt, generate, format, validate, and send back what breaks a rule."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any

from pydantic import BaseModel
from streamator import JobEmitter

from app.generation.events import (
    GenerationComplete,
    GenerationDraft,
    GenerationError,
    GenerationProgress,
    GenerationToken,
    ProviderName,
    RunMetadata,
    Stage,
)
from app.generation.markdown import format_markdown
from app.generation.prompt import Length, Prompt, PromptError, Prompts
from app.generation.provider import Attempt, Provider, Task
from app.generation.runs import RunRow, RunTable
from app.generation.validate import Problem, count_words, validate
from app.jobs import JobError
from app.users import User
from app.wording import count, duration

__all__ = ["MAX_DRAFT", "MAX_RETRIES", "Pipeline"]

MAX_DRAFT = 200_000
"""The characters of a draft; a model that goes on for longer does not come to an end."""

MAX_RETRIES = 2
"""How often a draft is sent back."""

_TOKEN_INTERVAL = 0.05


class Pipeline:
    """Makes drafts. One per app; its parts are what the routes need too."""

    def __init__(self, *, prompts: Prompts, providers: Mapping[ProviderName, Provider], runs: RunTable) -> None:
        self.prompts = prompts
        self.providers = providers
        self.runs = runs

    async def run(
        self, text: str, prompt: str, provider: Provider, length: Length, user: User, emitter: JobEmitter
    ) -> dict[str, Any]:
        """The job: from a text to an output that keeps the rules of its prompt."""
        stages = _Stages(emitter)
        try:
            await self.runs.add(RunRow(emitter.job_id, prompt, provider.name, length, text), user=user)
            outcome = await self._make(text, prompt, provider, length, emitter, stages)
            await self.runs.finish(emitter.job_id, outcome.output, outcome.metadata)
        except Exception as error:
            message = str(error) if isinstance(error, JobError) else "The server made a mistake; its log says more."
            stages.at("fail", 100, message)
            _emit(emitter, GenerationError(message=message))
            raise
        _emit(emitter, outcome)
        if not outcome.success:
            raise JobError(f"The draft still breaks the rules: {' '.join(outcome.metadata.problems)}")
        return outcome.model_dump(mode="json", include={"success", "output", "metadata"})

    async def _make(
        self, text: str, name: str, provider: Provider, length: Length, emitter: JobEmitter, stages: _Stages
    ) -> GenerationComplete:
        started = time.monotonic()
        prompt = await self._load(name)
        headings = ", ".join(section.heading for section in prompt.sections)
        stages.at("load_prompts", 10, f"Loaded the prompt “{prompt.title}”: {headings}")

        stages.at("generator", 30, f"{provider.title} ({provider.model}) has the text: {_words(text)}")
        draft = await _write(provider, Task(text, prompt, length), emitter, stages, "generator", 30, 50)
        stages.at("formatter", 60, f"Formatting the draft: {_words(draft)}")
        draft = await _format(draft, emitter)
        stages.at("validator", 80, "Checking headings, length and links")
        problems = await _validate(draft, prompt, length, text)

        earlier: list[Attempt] = []
        while problems and len(earlier) < MAX_RETRIES:
            earlier.append(Attempt(draft, tuple(problems)))
            begin = 80 + 5 * len(earlier)
            stages.at("retry", begin, f"Sent back ({len(earlier)} of {MAX_RETRIES}): {_sentences(problems)}")
            _emit(emitter, GenerationDraft(draft=""))
            task = Task(text, prompt, length, tuple(earlier))
            draft = await _write(provider, task, emitter, stages, "retry", begin, begin + 5)
            draft = await _format(draft, emitter)
            problems = await _validate(draft, prompt, length, text)

        metadata = RunMetadata(
            prompt=prompt.name,
            provider=provider.name,
            model=provider.model,
            words=count_words(draft),
            source_words=count_words(text),
            attempts=1 + len(earlier),
            problems=[problem.message for problem in problems],
            seconds=round(time.monotonic() - started, 3),
        )
        if problems:
            stages.at("fail", 100, f"Not usable after {count(metadata.attempts, 'draft')}: {_sentences(problems)}")
        else:
            stages.at("done", 100, f"Done: {_words(draft)} in {duration(metadata.seconds)}")
        return GenerationComplete(success=not problems, output=draft, metadata=metadata)

    async def _load(self, name: str) -> Prompt:
        try:
            prompt = await self.prompts.get(name)
        except PromptError as error:
            raise JobError(str(error)) from error
        if prompt is None:  # it was there when the run was asked for
            raise JobError(f"The prompt {name!r} is gone: choose another one.")
        return prompt


async def _write(
    provider: Provider, task: Task, emitter: JobEmitter, stages: _Stages, stage: Stage, begin: int, end: int
) -> str:
    """A draft, shown as it comes. The progress is what the provider reports, or else how much is written."""
    expected = task.prompt.words(task.length)[1]

    def report(message: str, done: float) -> None:
        stages.at(stage, begin + int((end - begin) * min(done, 1.0)), message)

    with _Tokens(emitter) as tokens:
        async with aclosing(provider.generate(task, report)) as pieces:
            async for piece in pieces:
                tokens.add(piece)
                if tokens.length > MAX_DRAFT:
                    raise JobError(
                        f"{provider.title} ({provider.model}) was stopped after {MAX_DRAFT:,} characters: try again, "
                        "or choose another provider."
                    )
                report("Writing", tokens.words / expected)
    if not tokens.text.strip():
        raise JobError(f"{provider.title} ({provider.model}) wrote nothing: try again, or choose another provider.")
    return tokens.text


async def _format(draft: str, emitter: JobEmitter) -> str:
    formatted = await asyncio.to_thread(format_markdown, draft)
    _emit(emitter, GenerationDraft(draft=formatted))
    return formatted


async def _validate(draft: str, prompt: Prompt, length: Length, source: str) -> list[Problem]:
    return await asyncio.to_thread(validate, draft, prompt=prompt, length=length, source=source)


class _Stages:
    """Says where a run is: each thing once, and never a smaller number after a larger one."""

    def __init__(self, emitter: JobEmitter) -> None:
        self._emitter = emitter
        self._last: tuple[Stage, int] | None = None

    def at(self, stage: Stage, progress: int, message: str) -> None:
        """Says it, unless there is nothing new about it."""
        if self._last is not None:
            progress = max(progress, self._last[1])
        if self._last != (stage, progress):
            self._last = (stage, progress)
            _emit(self._emitter, GenerationProgress(stage=stage, message=message, progress=progress))


class _Tokens:
    """Sends a draft on while it is written, a batch at a time: a viewer reads no faster than twenty times a second."""

    def __init__(self, emitter: JobEmitter) -> None:
        self.words = 0
        self.length = 0
        self._emitter = emitter
        self._pieces: list[str] = []
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Takes in the next piece; it is sent within the interval."""
        self._pieces.append(piece)
        self.length += len(piece)
        self.words += count_words(piece)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TOKEN_INTERVAL, self._send)

    def _send(self) -> None:
        self._timer = None
        token = "".join(self._pieces[self._sent :])
        self._sent = len(self._pieces)
        if token:
            _emit(self._emitter, GenerationToken(token=token))

    def __enter__(self) -> _Tokens:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._send()


def _emit(emitter: JobEmitter, event: BaseModel) -> None:
    emitter.emit(event.model_dump(mode="json", exclude_none=True))


def _words(text: str) -> str:
    return count(count_words(text), "word")


def _sentences(problems: Sequence[Problem]) -> str:
    return " ".join(problem.message for problem in problems)
