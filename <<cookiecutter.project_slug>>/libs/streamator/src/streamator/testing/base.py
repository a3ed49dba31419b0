"""What `StoreContract` and further contracts share: the views of a store, and helpers."""

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
from ..stores.base import Store
from .transcript import collect

T = TypeVar("T")


class Contract:
    """Tests that a store passes. What a test writes is read in each view of the store: its own and the `reader`'s."""

    timeout: float = 10.0
    """How long one job may take to be read to its end, in seconds."""

    def reader(self) -> Store | None:
        """Another store on the same data, as a second process would open it; None (default) if there is none.

        A test that reads calls it for a new reader, and closes that reader. Both stores must then give the same events.
        """
        return None

    @contextmanager
    def _views(self, store: Store) -> Iterator[list[Store]]:
        """The store, and its `reader` if there is one."""
        reader = self.reader()
        try:
            yield [store] if reader is None else [store, reader]
        finally:
            if reader is not None:
                reader.close()

    def _read(self, store: Store, job_id: str) -> list[list[Event]]:
        """The job's events, read to their end in each view."""
        with self._views(store) as views:
            return [run(collect(view, job_id, timeout=self.timeout)) for view in views]

    def _logs(self, store: Store, job_id: str) -> Iterator[EventLog]:
        """The log of a closed job, complete, in each view."""
        with self._views(store) as views:
            for view in views:
                run(collect(view, job_id, timeout=self.timeout))
                log = run(view.find(job_id))
                assert log is not None
                yield log


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
    """Run ``work(0)``, ``work(1)``, ... at once, each in a thread, and ``meanwhile`` here. Raises the first of their
    exceptions. Python switches between the threads as often as it can."""
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
