"""The event loop of the calling thread, if it has one."""

from __future__ import annotations

import asyncio


def running_loop() -> asyncio.AbstractEventLoop:
    """asyncio's running event loop. Raises RuntimeError if there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise RuntimeError(
            f"streamator waits on asyncio's event loop, and none runs here ({error}): under trio it does not work; run "
            'the server or the task on asyncio (hypercorn: worker_class = "asyncio", anyio: backend="asyncio")'
        ) from error


def on_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
