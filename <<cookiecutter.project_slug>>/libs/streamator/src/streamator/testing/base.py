"""What the contracts share: the views that a test has of a store, and the small steps of their tests."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..events import Event
from ..log import EventLog
from ..store import Store
from .transcript import collect

T = TypeVar("T")


class Contract:
    """A set of tests that a store passes: it reads what a test wrote from each view that there is of it."""

    timeout: float = 10.0
    """How long one job may take to be read to its end, in seconds."""

    def reader(self) -> Store | None:
        """Another store on the same data, as a second process would have it; None where there is none (default).

        It is called anew for each test that reads, and what it gives is closed when that test is over. Whatever a
        test reads from the store, it must then read from the reader too.
        """
        return None

    @contextmanager
    def _views(self, store: Store) -> Iterator[list[Store]]:
        """The store, and the store of another process if there can be one."""
        reader = self.reader()
        try:
            yield [store] if reader is None else [store, reader]
        finally:
            if reader is not None:
                reader.close()

    def _read(self, store: Store, job_id: str) -> list[list[Event]]:
        """The job's events, as each view gives them."""
        with self._views(store) as views:
            return [run(collect(view, job_id, timeout=self.timeout)) for view in views]

    def _found(self, view: Store, job_id: str) -> EventLog:
        async def look() -> EventLog:
            while (log := await view.find(job_id)) is None:
                await asyncio.sleep(0.02)
            return log

        log = run(asyncio.wait_for(look(), self.timeout))
        run(collect(log, timeout=self.timeout))  # to its end, so that it is all here
        return log


def new_id() -> str:
    return str(uuid.uuid4())


def run(job: Awaitable[T]) -> T:
    async def main() -> T:
        return await job

    return asyncio.run(main())


def messages(events: list[Event]) -> list[Any]:
    return [event["message"] for event in events if event["event"] == "log"]


def raises(kind: type[Exception], call: Callable[[], object]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def in_threads(count: int, work: Callable[[int], object], meanwhile: Callable[[], object] | None = None) -> None:
    """Run ``work(0)``, ``work(1)``, ... at once, each in a thread; raise what one of them raised. They take turns as
    often as Python lets them, wherever they are."""
    errors: list[BaseException] = []
    together = threading.Barrier(count)

    def each(n: int) -> None:
        try:
            together.wait(10)
            work(n)
        except BaseException as error:  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=each, args=(n,)) for n in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        if meanwhile is not None:
            meanwhile()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
