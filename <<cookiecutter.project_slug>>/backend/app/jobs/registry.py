"""Kinds of jobs: functions with typed arguments, by the names that the table and the queue know them by."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel
from starlette.datastructures import State
from streamator import JobCancelled

from app.jobs.job import Job

__all__ = ["JobKind", "Missed", "Result", "job"]

Arguments = TypeVar("Arguments", bound=BaseModel)

Result = BaseModel | Mapping[str, Any] | None
"""What a job gives: data, of which `document_id` and `partial` are shown in the list of jobs."""

Missed = Callable[[State], Awaitable[Mapping[str, Arguments]]]
"""Gives the jobs that should be there, each by its `source`."""


class JobKind(Generic[Arguments]):
    """A function as a kind of job; made by `job`, and put into `Feature.jobs`. Calling it calls the function.

    Attributes:
        name: what the table and the queue know it by; never change it while jobs of it wait.
        arguments: the model of its arguments.
        retries: how often it is tried again after its worker died, or after an exception that is no `JobError`.
        timeout: seconds that one attempt may take; None for MAX_JOB_SECONDS.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Job, Arguments], Awaitable[Result] | Result],
        retries: int,
        timeout: float | None,
    ) -> None:
        self.name = name
        self.retries = retries
        self.timeout = timeout
        self.arguments: type[Arguments] = _arguments_of(function)
        self.missed_every = 0.0
        self._function = function
        self._missed: Missed[Arguments] | None = None
        self._on_end: Callable[[State, Arguments, str], Awaitable[None]] | None = None

    async def __call__(self, job: Job, arguments: Arguments) -> Result:
        """Runs the function: a plain `def` in a thread, which is waited for also when the job is cancelled; it has to
        look at `job.cancel_requested` or `job.raise_if_cancelled()` between two steps."""
        if inspect.iscoroutinefunction(self._function):
            result: Result = await self._function(job, arguments)
            return result
        function = cast(Callable[[Job, Arguments], Result], self._function)
        thread = asyncio.ensure_future(asyncio.to_thread(function, job, arguments))
        while not thread.done():
            with contextlib.suppress(asyncio.CancelledError):  # `cancel_requested` is set: the thread sees it
                await asyncio.wait([thread])
        try:
            return thread.result()
        except JobCancelled:
            raise asyncio.CancelledError from None

    def on_end(self, function: Callable[[State, Arguments, str], Awaitable[None]]) -> None:
        """Registers what is done once a job is over, however and wherever it ended, to clean up for instance:
        `async def (state, args, status)`. After a kill it may be done twice."""
        self._on_end = function

    async def ended(self, state: State, arguments: str, status: str) -> None:
        """Does it for a job with these arguments, as JSON."""
        if self._on_end is not None:
            await self._on_end(state, self.arguments.model_validate_json(arguments), status)

    def missed(self, *, every: float) -> Callable[[Missed[Arguments]], Missed[Arguments]]:
        """Registers the sweep of a kind: `async def (state) -> {source: args}` gives the jobs that should be there.
        Each that neither waits nor runs is started, by one of the servers.

        Arguments:
            every: seconds between two looks; the first is at the start.
        """

        def register(function: Missed[Arguments]) -> Missed[Arguments]:
            self._missed, self.missed_every = function, every
            return function

        return register

    async def look(self, state: State) -> Mapping[str, Arguments]:
        """The jobs that should be there, by the sweep of this kind."""
        return {} if self._missed is None else await self._missed(state)


def job(
    name: str, *, retries: int = 0, timeout: float | None = None
) -> Callable[[Callable[[Job, Arguments], Awaitable[Result] | Result]], JobKind[Arguments]]:
    """Makes a function a kind of job: `@job("ingest", retries=2)` over `async def ingest(job: Job, args: IngestArgs)`.

    An `async def` runs on the event loop, a plain `def` in a thread. Its arguments are a pydantic model: they are kept
    as JSON, and may be read by a later version of the app. It may run several times, also where it had done all but
    said so: what it does must bear that. What an attempt has done it may tell the next by `job.checkpoint(data)`.

    Arguments:
        name, retries, timeout: see `JobKind`.

    Raises:
        TypeError: the function's second parameter is no pydantic model.
    """
    return lambda function: JobKind(name, function, retries, timeout)


def _arguments_of(function: Callable[..., Any]) -> Any:
    hints = get_type_hints(function)
    parameters: Sequence[str] = list(inspect.signature(function).parameters)
    kind = hints.get(parameters[1]) if len(parameters) == 2 else None
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        raise TypeError(
            f"{function.__qualname__} cannot be a job: declare it as (job: Job, args: Args), with a pydantic model for "
            "its arguments, imported at run time"
        )
    return kind
