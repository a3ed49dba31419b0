"""An event loop in a thread of its own, for WSGI requests and, under gevent, for the reader of Redis.

It runs in a real thread. Where gevent has replaced threads by greenlets, a loop in one greenlet counts as the running
loop of all others, and ``asyncio.run`` fails in them.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from . import ending
from .forks import after_fork

_Result = TypeVar("_Result")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine on the private loop, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(work, private_loop()).result()


def run_alone(work: Coroutine[Any, Any, _Result]) -> _Result:
    """`asyncio.run`; under gevent, in whose greenlets that fails, `run`."""
    return asyncio.run(work) if _gevent() is None else run(work)


def private_loop() -> asyncio.AbstractEventLoop:
    """The loop. The first call starts it; it runs forever."""
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
    loop = asyncio.new_event_loop()  # made here: gevent ties a selector to the thread that makes it
    loop.call_soon(ending.serve_threads)
    loop.call_soon(made.set_result, loop)
    loop.run_forever()


def _gevent() -> Any:
    """``gevent.monkey``, if gevent has patched threads."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey is not None and monkey.is_module_patched("threading") else None


@after_fork
def _reset() -> None:
    global _lock, _loop
    _lock = threading.Lock()
    _loop = None
