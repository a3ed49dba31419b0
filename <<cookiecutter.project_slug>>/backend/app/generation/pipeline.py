"""The stages of a run: load the prompt, generate, format, validate, and send back what breaks a rule."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamator import JobEmitter

from app.generation.apart import Survey
from app.generation.events import GenerationComplete, GenerationError, ProviderName, RunMetadata, Stage
from app.generation.prompt import Length, Prompt, PromptError, Prompts
from app.generation.provider import Attempt, Provider, Task, Usage
from app.generation.runs import RunRow, RunTable
from app.generation.validate import Problem
from app.generation.writer import Patience, Stages, Work, Writer, emit
from app.jobs import Job, JobError
from app.processes import Processes
from app.users import User
from app.wording import clip, count, duration

__all__ = ["MAX_RETRIES", "Pipeline", "Price"]

MAX_RETRIES = 2
"""How often a draft is sent back."""


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, going in and coming out."""

    input: float
    output: float

    def of(self, usage: Usage) -> float | None:
        """What these tokens cost; None where not all of them were counted."""
        if usage.input is None or usage.output is None:
            return None
        return round((usage.input * self.input + usage.output * self.output) / 1_000_000, 6)


class Pipeline:
    """Makes drafts. One per app; its parts are what the routes need too."""

    def __init__(
        self,
        *,
        prompts: Prompts,
        providers: Mapping[ProviderName, Provider],
        runs: RunTable,
        processes: Processes,
        prices: Mapping[ProviderName, Price] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.prompts = prompts
        self.providers = providers
        self.runs = runs
        self._processes = processes
        self._prices = prices or {}
        self._patience = patience or Patience()

    async def run(
        self, text: str, prompt: str, provider: Provider, length: Length, user: User, emitter: JobEmitter
    ) -> dict[str, Any]:
        """The job: from a text to an output that keeps the rules of its prompt."""
        stages = Stages(emitter)
        try:
            if emitter.attempt > 1:
                stages.draft("load_prompts", "Begun anew", "")  # what was written so far is not part of what comes now
            await self.runs.add(RunRow(emitter.job_id, prompt, provider.name, length, text), user=user)
            outcome = await self._make(text, prompt, provider, length, user, emitter, stages)
            await self.runs.finish(emitter.job_id, outcome.output, outcome.metadata)
        except Exception as error:
            if isinstance(emitter, Job) and emitter.goes_on(error):
                raise
            message = str(error) if isinstance(error, JobError) else "The server made a mistake; its log says more."
            stages.at("fail", 100, message)
            emit(emitter, GenerationError(message=message))
            raise
        emit(emitter, outcome)
        if not outcome.success:
            raise JobError(f"The draft still breaks the rules: {' '.join(outcome.metadata.problems)}")
        result = outcome.model_dump(mode="json", include={"success", "output", "metadata"})
        return {**result, "partial": " ".join(outcome.metadata.warnings) or None}

    async def _make(
        self,
        text: str,
        name: str,
        provider: Provider,
        length: Length,
        user: User,
        emitter: JobEmitter,
        stages: Stages,
    ) -> GenerationComplete:
        async def work(function: str, *arguments: Any) -> Any:
            return await self._processes.run(f"app.generation.apart:{function}", *arguments, user=user.id)

        started = time.monotonic()
        prompt = await self._load(name)
        headings = ", ".join(section.heading for section in prompt.sections)
        stages.at("load_prompts", 10, f"Loaded the prompt “{prompt.title}”: {headings}")

        known: Survey = await work("survey", text)
        size = count(known["words"], "word")
        stages.at("generator", 30, f"{provider.title} ({provider.model}) has the text: {size}")
        writer = Writer(provider, text, known, emitter, stages, self._patience, work)
        checks = _Checks(writer, prompt, length, emitter, stages, work)
        draft, problems = await writer.write(Task(text, prompt, length, user=user.id), "generator", 30, 50)
        if not problems:
            stages.at("formatter", 60, "Formatting the draft")
            draft = await checks.tidy(draft, "formatter")
            stages.at("validator", 80, "Checking headings, length and links")
            problems = await checks.problems(draft)

        earlier: list[Attempt] = []
        while problems and len(earlier) < MAX_RETRIES:
            earlier.append(Attempt(draft, tuple(problems)))
            begin = 80 + 5 * len(earlier)
            stages.at("retry", begin, f"Sent back ({len(earlier)} of {MAX_RETRIES}): {_sentences(problems)}")
            task = Task(text, prompt, length, tuple(earlier), user=user.id)
            draft, problems = await writer.write(task, "retry", begin, begin + 5)
            if not problems:
                draft = await checks.tidy(draft, "retry")
                problems = await checks.problems(draft)

        words: int = await work("count_words", draft)
        price = self._prices.get(provider.name)
        usage = writer.usage or Usage()
        metadata = RunMetadata(
            prompt=prompt.name,
            provider=provider.name,
            model=provider.model,
            words=words,
            source_words=known["words"],
            attempts=1 + len(earlier),
            problems=[problem.message for problem in problems],
            seconds=round(time.monotonic() - started, 3),
            warnings=writer.warnings,
            input_tokens=usage.input,
            output_tokens=usage.output,
            price=None if price is None else price.of(usage),
        )
        if problems:
            stages.at("fail", 100, f"Not usable after {count(metadata.attempts, 'draft')}: {_sentences(problems)}")
        else:
            stages.at("done", 100, f"Done: {count(words, 'word')} in {duration(metadata.seconds)}")
        return GenerationComplete(success=not problems, output=draft, metadata=metadata)

    async def _load(self, name: str) -> Prompt:
        try:
            prompt = await self.prompts.get(name)
        except PromptError as error:
            raise JobError(str(error)) from error
        if prompt is None:  # it was there when the run was asked for
            raise JobError(f"The prompt {name!r} is gone: choose another one.")
        return prompt


class _Checks:
    """What each draft of a run goes through."""

    def __init__(
        self, writer: Writer, prompt: Prompt, length: Length, emitter: JobEmitter, stages: Stages, work: Work
    ) -> None:
        self._writer = writer
        self._prompt = prompt.model_dump(mode="json")
        self._length: Length = length
        self._emitter = emitter
        self._stages = stages
        self._work = work

    async def tidy(self, answer: str, stage: Stage) -> str:
        """The draft that an answer holds, in one form."""
        formatted, around, words = await self._work("tidy", answer, self._prompt, self._writer.text)
        for said in around:
            self._emitter.log(f"Left out, since it is said around the draft: {clip(said, 200)}")
        if formatted != answer:
            self._stages.draft(stage, f"Formatted: {count(words, 'word')}", formatted)
        return str(formatted)

    async def problems(self, draft: str) -> list[Problem]:
        """What is wrong with it."""
        found = await self._work("check", draft, self._prompt, self._length, self._writer.text)
        return [Problem(message, link) for message, link in found]


def _sentences(problems: Sequence[Problem]) -> str:
    return " ".join(problem.message for problem in problems)
