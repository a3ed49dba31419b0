"""The library's threads, event loops and clock, as a test runs them: one thread at a time, in an order that a seed
gives, by a clock that jumps to the next thing that is due.

So a minute takes milliseconds, and happens again as it happened before. A thread gives way where it waits, where it
sleeps, and now and then where it takes a lock, as it would to another one on a real machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from math import inf
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

# How often a lock is a moment for another thread's turn.
YIELD = 0.2
# The least time that a wait takes: less might not move the clock at all, and whoever waits so would wait for ever.
TICK = 1e-6


class Killed(SystemExit):
    """Unwinds a thread of a process that was killed. Not even an event loop goes on after it."""


class Process:
    """Threads that are stopped and killed as one."""

    def __init__(self) -> None:
        self.killed = False
        self.stopped_until = 0.0


class _Turn:
    """A thread's place among the others."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.baton = threading.Lock()
        self.baton.acquire()
        self.ready: Callable[[], bool] = _always
        self.until = 0.0
        self.over = False

    def is_able(self, now: float) -> bool:
        if self.process.killed:
            return True
        return now >= self.process.stopped_until and (now >= self.until or self.ready())

    def due(self, now: float) -> float:
        """When it is able, if nothing happens before."""
        return max(now if self.ready() else self.until, self.process.stopped_until)


class Simulation:
    """One run. Whoever makes it is the first of its threads, and the one whose sleep lets the others run."""

    def __init__(self, seed: int) -> None:
        self.now = 1_000.0
        self.random = random.Random(seed)
        self.errors: list[str] = []
        """What ended a thread, or reached nobody on an event loop."""
        self._over = False
        self._here = threading.local()
        self._here.turn = main = _Turn(Process())
        self._turns = [main]
        self._main = main

    # Waiting, and whose turn it is

    def sleep(self, seconds: float) -> None:
        if not hasattr(self._here, "turn"):
            time.sleep(seconds)  # a thread of a test before this one
        else:
            self.wait(_never, seconds)

    def wait(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Let others run until ``ready()``, or for so many seconds. Returns whether it is ready."""
        if self._over:
            return ready()
        turn = self._turn()
        turn.ready = ready
        turn.until = inf if timeout is None else self.now + (max(timeout, TICK) if timeout > 0 else 0.0)
        following = self._next()
        if following is not turn:
            following.baton.release()
            turn.baton.acquire()
        if turn.process.killed:
            raise Killed
        return ready()

    def give_way(self) -> None:
        if not self._over and self.random.random() < YIELD:
            self.wait(_always)

    def _turn(self) -> _Turn:
        turn: _Turn = self._here.turn
        if turn.process.killed:
            raise Killed
        return turn

    def _next(self) -> _Turn:
        while True:
            able = [turn for turn in self._turns if turn.is_able(self.now)]
            if able:
                return self.random.choice(able)
            self.now = min(turn.due(self.now) for turn in self._turns)
            if self.now == inf:
                raise AssertionError("every thread waits for another one")

    # Processes

    @contextlib.contextmanager
    def inside(self, process: Process) -> Iterator[None]:
        """What is called in the block belongs to the process, and so do the threads that it starts."""
        turn = self._turn()
        before, turn.process = turn.process, process
        try:
            yield
        finally:
            turn.process = before

    def kill(self, process: Process) -> None:
        """As ``kill -9`` would: its threads do nothing more."""
        process.killed = True
        self.wait(lambda: not any(turn.process is process for turn in self._turns))

    def stop(self, process: Process, seconds: float) -> None:
        """As SIGSTOP, and after so many seconds SIGCONT."""
        process.stopped_until = max(process.stopped_until, self.now + seconds)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(self)

    def thread(self, work: Callable[[], object]) -> None:
        """Start a thread of the process that this is called in."""
        self.threading.Thread(target=work, daemon=True).start()

    # What the library sees

    @property
    def threading(self) -> Any:
        sim = self

        class Thread(threading.Thread):
            def start(self) -> None:
                self.turn = _Turn(sim._turn().process)
                super().start()
                sim._turns.append(self.turn)

            def run(self) -> None:
                sim._here.turn = turn = self.turn
                turn.baton.acquire()
                try:
                    if not turn.process.killed:
                        super().run()
                except Killed:
                    pass
                except BaseException:
                    sim.errors.append(traceback.format_exc())
                turn.over = True
                sim._turns.remove(turn)
                sim._next().baton.release()

            def join(self, timeout: float | None = None) -> None:
                sim.wait(lambda: self.turn.over, timeout)

        class Event:
            def __init__(self) -> None:
                self._set = False

            def is_set(self) -> bool:
                return self._set

            def set(self) -> None:
                self._set = True

            def clear(self) -> None:
                self._set = False

            def wait(self, timeout: float | None = None) -> bool:
                return sim.wait(self.is_set, timeout)

        class Lock:
            def __init__(self) -> None:
                self._held = False

            def __enter__(self) -> None:
                sim.give_way()
                while self._held and not sim._over:
                    sim.wait(lambda: not self._held)
                self._held = True

            def __exit__(self, *_: object) -> None:
                self._held = False

        class RLock(Lock):
            def __init__(self) -> None:
                super().__init__()
                self._owner: _Turn | None = None
                self._depth = 0

            def __enter__(self) -> None:
                if self._owner is not sim._turn():
                    super().__enter__()
                    self._owner = sim._turn()
                self._depth += 1

            def __exit__(self, *_: object) -> None:
                self._depth -= 1
                if not self._depth:
                    self._owner = None
                    super().__exit__()

            def acquire(self) -> None:
                self.__enter__()

            def release(self) -> None:
                self.__exit__()

        class Condition(Lock):
            def __init__(self) -> None:
                super().__init__()
                self._told = 0

            def notify_all(self) -> None:
                self._told += 1

            def wait(self, timeout: float | None = None) -> bool:
                before, self._held = self._told, False
                told = sim.wait(lambda: self._told > before, timeout)
                self.__enter__()
                return told

        ours = {"Thread": Thread, "Event": Event, "Lock": Lock, "RLock": RLock, "Condition": Condition}
        return SimpleNamespace(**{**vars(threading), **ours})

    @property
    def queue(self) -> Any:
        sim = self

        class SimpleQueue:
            def __init__(self) -> None:
                self._items: list[Any] = []

            def empty(self) -> bool:
                return not self._items

            def put(self, item: Any) -> None:
                self._items.append(item)

            def get(self, timeout: float | None = None) -> Any:
                if not sim.wait(lambda: not self.empty(), timeout):
                    raise queue.Empty
                return self._items.pop(0)

            def get_nowait(self) -> Any:
                return self.get(0)

        return SimpleNamespace(**{**vars(queue), "SimpleQueue": SimpleQueue})

    @property
    def time(self) -> Any:
        ours = {"monotonic": self.monotonic, "time": self.monotonic, "sleep": self.sleep}
        return SimpleNamespace(**{**vars(time), **ours})

    def monotonic(self) -> float:
        return self.now

    def end(self) -> None:
        """Kill what still runs."""
        for turn in self._turns:
            if turn is not self._main:
                turn.process.killed = True
        self.wait(lambda: len(self._turns) == 1)
        self._over = True  # what is left is collected, and waits for nothing


class _Loop(asyncio.BaseEventLoop):
    """An event loop that waits for other threads and for its timers, and for nothing else."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim
        self._process = sim._turn().process
        self._selector = self  # as its base names it
        self._woken = False

    def time(self) -> float:
        return self._sim.now

    def select(self, timeout: float | None) -> list[Any]:
        # Each pass takes its time: a timer that is due in less than a clock can tell would else be due for ever.
        self._sim.wait(lambda: self._woken, None if timeout is None else max(timeout, TICK))
        self._woken = False
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        self._woken = True

    def call_exception_handler(self, context: Any) -> None:
        if not self._process.killed:
            self._sim.errors.append(repr(context))


def _always() -> bool:
    return True


def _never() -> bool:
    return False


@contextlib.contextmanager
def simulation(seed: int) -> Iterator[Simulation]:
    """Let all of the library, and the stores of `cloud`, run in a simulation, until the end of the block."""
    sim = Simulation(seed)
    ours = [
        (threading, sim.threading), (queue, sim.queue), (time, sim.time), (time.monotonic, sim.monotonic),
        (random, sim.random),
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in ("streamator", "cloud"):
                for attribute, value in list(vars(module).items()):
                    for real, simulated in ours:
                        if value is real:
                            patch.setattr(module, attribute, simulated)
        patch.setattr(asyncio.events, "new_event_loop", sim.new_loop)
        # What was killed is not to be closed when the tests end, nor does it complain.
        patch.setattr("streamator.stores.base._stores", WeakSet())
        patch.setattr(sys, "unraisablehook", lambda unraisable: None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            gc.freeze()  # what was there before needs no look
            try:
                yield sim
            finally:
                sim.end()
                gc.collect()
                gc.unfreeze()
