"""What the server has done apart: done here, without the time that a process takes to start, or looked at from here."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.jobs import JobError
from app.process_main import perform
from app.processes import Processes, RefusedInput
from app.users import LOCAL_USER

__all__ = ["LAG", "Here", "cost", "lag", "of_the_server"]

LAG = 2.5
"""Seconds that an event loop may stand still on a machine that is busy. What holds it does so for longer."""


def cost(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """The processor time that `work()` takes in this thread, in seconds: a busy machine does not matter.

    Garbage is not collected meanwhile: what a collection takes depends on all that the process has loaded.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        before = clock()
        work()
        return clock() - before
    finally:
        if collects:
            gc.enable()


@asynccontextmanager
async def lag() -> AsyncIterator[Callable[[], float]]:
    """Gives a function for the longest time, in seconds, that the event loop has stood still within the block."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before - 0.01)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: longest
    finally:
        watching.cancel()


def of_the_server(*modules: str) -> str:
    """The set, as Python writes it, of what is large and the server's alone that these modules import."""
    code = f"import sys, {', '.join(modules)}; print({{'fastapi', 'httpx', 'streamator'}} & sys.modules.keys())"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


class Here(Processes):
    """Calls what it is asked to call, in this process; all that is given and returned goes through JSON."""

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
        given = json.loads(json.dumps(arguments))
        task = {"function": function, "arguments": given, "noun": noun, "reports": log is not None}
        loop = asyncio.get_running_loop()

        def report(*said: Any) -> None:
            if log is not None:
                loop.call_soon_threadsafe(log, *said)

        # In a thread: what it does runs a loop of its own for PostgreSQL.
        done = await asyncio.to_thread(perform, task, report)
        message = json.loads(json.dumps(done))
        if "refused" in message:
            raise RefusedInput(message["refused"])
        if "result" not in message:
            raise JobError(str(message.get("error", message)))
        return message["result"]
