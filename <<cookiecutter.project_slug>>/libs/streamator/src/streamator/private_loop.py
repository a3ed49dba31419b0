"""An event loop of this process's own, for threads that have none: what serves requests under WSGI, and reads Redis.

It runs in a thread of the system's. Where gevent has put greenlets in the place of threads, a loop in one of them would
be the running loop of all others too, and neither their ``asyncio.run`` nor ours would work.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from . import shutdown

_Result = TypeVar("_Result")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine on the private loop, and wait for what it gives."""
    return asyncio.run_coroutine_threadsafe(work, private_loop()).result()


def run_alone(work: Coroutine[Any, Any, _Result]) -> _Result:
    """As `asyncio.run`; under gevent, where that does not work in its greenlets, as `run`."""
    return asyncio.run(work) if _gevent() is None else run(work)


def private_loop() -> asyncio.AbstractEventLoop:
    """The loop; it runs from the first call on, for ever."""
    global _loop
    with _lock:
        if _loop is None:
            made: Future[asyncio.AbstractEventLoop] = Future()
            monkey = _gevent()
            if monkey is None:
                threading.Thread(target=_run, args=(made,), name="streamator-loop", daemon=True).start()
            else:
                monkey.get_original("_thread", "start_new_thread")(_run, (made,))
            _loop = made.result()
        return _loop


def _run(made: Future[asyncio.AbstractEventLoop]) -> None:
    loop = asyncio.new_event_loop()  # here, because gevent's selectors are of the thread that makes them
    loop.call_soon(shutdown.serve_threads)
    loop.call_soon(made.set_result, loop)
    loop.run_forever()


def _gevent() -> Any:
    """What tells of gevent's patches, where it has patched threads."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey is not None and monkey.is_module_patched("threading") else None


def _after_fork() -> None:
    """In the child: the loop's thread is not there."""
    global _lock, _loop
    _lock = threading.Lock()
    _loop = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
