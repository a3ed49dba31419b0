"""Work whose cost a stranger's input decides, in processes of its own: a few at a time, each user in turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.jobs import JobError
from app.users import LOCAL_USER
from app.wording import clip, count, duration, size

__all__ = ["FairSlots", "Processes", "RefusedInput"]

_logger = logging.getLogger(__name__)
_BACKEND = Path(__file__).resolve().parents[1]
_COMMAND = (sys.executable, "-m", "app.process_main")
# A document has no business with the server's credentials, should a parser be talked into looking.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")
# One thread each for numpy: with one for each core of a large machine it asks for more memory than there is.
_MORE_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_MAX_MESSAGE = 8_000_000  # bytes


class RefusedInput(JobError):
    """What the function itself has to say against its input."""


class FairSlots:
    """So many places, given to users in turn: to the one who waits and has the fewest, and of several such to the one
    whose turn was the longest ago.

    Guarantee: the last place is never given to a user who has all the others, so that who comes next need not wait for
    one user's work. Who wants many has them one after the other, while others have theirs.

    Arguments:
        number: how many there are; with one alone it is everybody's.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._most = max(1, number - 1)
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def held(self) -> int:
        """How many are taken."""
        return self._held.total()

    def must_wait(self, user: str) -> bool:
        """Whether a user who asks now would have to wait."""
        return not self._free or self._held[user] >= self._most or user in self._waiting

    @asynccontextmanager
    async def take(self, user: str) -> AsyncIterator[None]:
        """Waits for a place, and has it until it is left. Who is cancelled meanwhile leaves nothing behind."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        self._give()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._held[user] -= 1
                self._held += Counter()  # without those who hold none
                if user in self._waiting:
                    self._waiting.move_to_end(user)
                self._give()
            else:
                self._leave(user, turn)

    def _leave(self, user: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting[user]
        waiting.remove(turn)
        if not waiting:
            del self._waiting[user]

    def _give(self) -> None:
        while self._free:
            # A turn that is cancelled is about to be taken out by its own task.
            able = [user for user, turns in self._waiting.items() if self._held[user] < self._most and _next(turns)]
            if not able:
                return
            user = min(able, key=self._held.__getitem__)
            turn = _next(self._waiting[user])
            assert turn is not None
            self._leave(user, turn)
            self._free -= 1
            self._held[user] += 1
            turn.set_result(None)


def _next(turns: Sequence[asyncio.Future[None]]) -> asyncio.Future[None] | None:
    return next((turn for turn in turns if not turn.done()), None)


class Processes:
    """Calls functions apart from the server, which stays responsive whatever they are given.

    Guarantee: when `run` raises or is cancelled, its process is gone; when it returns, its process is gone or waits for
    another task. All are gone with the server.

    Arguments:
        slots: how many work at once (default: one for each core, 2 to 4, and one more); one user has all but one of
            them at most.
        seconds: how long one task may take (MAX_READING_SECONDS).
        memory_bytes: how much memory it may take (MAX_READING_MB).
        setting: the name of the setting that `seconds` are, for the server's log.
        idle: how many seconds a process is kept that has nothing to do.
        command: what to run in place of `app.process_main`; for tests.
    """

    def __init__(
        self,
        *,
        slots: int | None = None,
        seconds: float = 120.0,
        memory_bytes: int = 2_000_000_000,
        setting: str = "MAX_READING_SECONDS",
        idle: float = 60.0,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._slots = FairSlots(slots or min(4, max(2, os.cpu_count() or 2)) + 1)
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._setting = setting
        self._idle_seconds = idle
        self._command = command
        self._idle: dict[_Process, asyncio.TimerHandle] = {}

    async def run(
        self,
        function: str,
        *arguments: Any,
        user: str = LOCAL_USER.id,
        noun: str = "text",
        name: str = "",
        fresh: bool = False,
        log: Callable[..., None] | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> Any:
        """Gives what a function returns.

        Arguments:
            function: as `module:name`. It is imported there, and not here.
            arguments: what it is given; these, what it returns and what it reports go through JSON. They are read and
                written on the event loop: up to some megabytes.
            user: the id of the user for whom it is done, who waits for a slot behind their own tasks (default:
                everybody's, where nobody signs in).
            noun: what it reads, for sentences.
            name: of what it reads, for the server's log.
            fresh: whether it has a process to itself, in which nothing was read before and nothing is after.
            log: is called with what the function calls its own argument `log` with; without it, it has no such
                argument.
            waiting: is told where it has to wait for its turn.

        Raises:
            RefusedInput: what the function refuses (`app.process_main.Refused`), or what is nested too deep.
            JobError: it took too long or too much memory, or failed. The text says so, and what to do.
        """
        if waiting is not None and self._slots.must_wait(user):
            waiting(f"Waiting for its turn: {count(self._slots.held, 'task is', 'tasks are')} under way")
        async with self._slots.take(user):
            task = _Task(function, arguments, noun, name, self._memory_bytes, self._seconds, log)
            process = (None if fresh else self._take_idle()) or await _Process.start(self._command)
            again = False
            try:
                result, again = await asyncio.wait_for(process.ask(task), self._seconds)
                return result
            except asyncio.TimeoutError:
                _logger.warning("reading %s was stopped: %s is %g", task.title, self._setting, self._seconds)
                raise JobError(
                    f"Reading this {noun} took longer than {duration(self._seconds)} and was stopped: "
                    "split or simplify it and try again."
                ) from None
            finally:
                if again and not fresh:
                    self._keep(process)
                else:
                    await process.end()

    async def close(self) -> None:
        """Ends the processes that have nothing to do. The others are ended with what runs in them."""
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            await process.end()

    def _keep(self, process: _Process) -> None:
        def expire() -> None:
            del self._idle[process]
            process.kill()

        self._idle[process] = asyncio.get_running_loop().call_later(self._idle_seconds, expire)

    def _take_idle(self) -> _Process | None:
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if process.alive:
                return process
        return None


class _Task:
    """What a process is asked to do."""

    def __init__(
        self,
        function: str,
        arguments: Sequence[Any],
        noun: str,
        name: str,
        memory_bytes: int,
        seconds: float,
        log: Callable[..., None] | None,
    ) -> None:
        self.noun = noun
        self.title = clip(name) if name else f"a {noun}"
        self.memory_bytes = memory_bytes
        self.log = log
        self.line = _encode(
            {
                "function": function,
                "arguments": arguments,
                "noun": noun,
                "reports": log is not None,
                "memory_bytes": memory_bytes,
                "seconds": seconds,
            }
        )

    def out_of_memory(self) -> JobError:
        _logger.warning("reading %s was stopped: MAX_READING_MB is %g", self.title, self.memory_bytes / 1_000_000)
        return JobError(
            f"Reading this {self.noun} takes more than {size(self.memory_bytes)} of memory: split or simplify it and "
            "try again."
        )


def _encode(task: dict[str, Any]) -> bytes:
    return json.dumps(task, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


class _Process:
    """One process, and the conversation with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._complaints = asyncio.create_task(_tail(process.stderr))

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=_BACKEND,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _MORE_ENVIRONMENT,
                limit=_MAX_MESSAGE,
                start_new_session=True,  # Ctrl-C in the terminal is for the server, which then sees to this
            )
        except OSError as error:
            raise JobError(f"The server cannot start another process ({error.strerror}): try again later.") from error
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, task: _Task) -> tuple[Any, bool]:
        """What came of a task, and whether another one can be given.

        Raises:
            JobError: nothing did.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died at once: what it wrote says why
            self._process.stdin.write(task.line)
            await self._process.stdin.drain()
        async for message in self._messages(task):
            if "report" in message:
                if task.log is not None:
                    task.log(*message["report"])
            elif "result" in message:
                return message["result"], message["again"]
            elif "refused" in message:
                raise RefusedInput(message["refused"])
            elif "out_of_memory" in message:
                raise task.out_of_memory()
            else:
                _logger.error("a parser failed for %s\n%s", task.title, message["traceback"])
                raise JobError(message["error"])
        code, said = await self._process.wait(), (await self._complaints).strip()
        _logger.error("reading %s ended with exit code %d\n%s", task.title, code, said)
        # Only Python raises MemoryError: C++ and Rust abort, pdfium does without a word, and the system kills.
        if code == -signal.SIGKILL or re.search(r"bad_alloc|out of memory|memory allocation|MemoryError", said, re.I):
            raise task.out_of_memory()
        raise JobError(_crash(code, said, task))

    async def _messages(self, task: _Task) -> AsyncIterator[dict[str, Any]]:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError as error:
                most = size(_MAX_MESSAGE)
                raise JobError(
                    f"What was read of this {task.noun} is more than {most}: split it and try again."
                ) from error
            if not line:
                return
            yield json.loads(line)

    def kill(self) -> None:
        """Ends it at once, with all that it may have started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """The same, and waits until it is gone."""
        self.kill()
        await self._process.wait()
        self._complaints.cancel()


def _crash(code: int, said: str, task: _Task) -> str:
    """What took the process down, as a sentence; `said` is the end of what it wrote to stderr."""
    how = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):  # a real-time signal has no name
            how = f"{signal.Signals(-code).name}, {(signal.strsignal(-code) or '').lower()}"
    if said:
        how += f": {said.splitlines()[-1][:300]}"
    elif code in (-signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL):
        how += f", as one does that needs more than {size(task.memory_bytes)} of memory"
    fix = "split or simplify it, or save it anew, and try again."
    return f"The parser of this {task.noun} crashed ({how}): {fix}"


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last of what is written to a stream, which must be read for its writer not to stall."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(4096):
        kept = (kept + chunk)[-4096:]
    return kept.decode("utf-8", "replace")
