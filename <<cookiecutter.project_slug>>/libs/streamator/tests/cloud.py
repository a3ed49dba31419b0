"""Remote stores made of dicts: what is stored, and how it fails.

Two stores on one `Cloud`, or on one `Streams`, are two processes: they share nothing but what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from streamator.events import attempt_parts, last_before
from streamator.stores.chunks.format import Chunk, Fetched, Key
from streamator.stores.chunks.store import ChunkStore
from streamator.stores.memory import check_attempt
from streamator.stores.records.format import Append, Head, Row
from streamator.stores.records.mirror import StreamMirrors
from streamator.stores.records.writer import StreamWriter
from streamator.stores.remote.faults import StoreFault
from streamator.stores.remote.mirror import Mirrors
from streamator.stores.remote.outgoing import Opened
from streamator.stores.remote.store import RemoteStore
from streamator.stores.remote.writer import Writer

T = TypeVar("T")


class Cloud:
    """What is stored, and how it fails."""

    def __init__(self) -> None:
        self.chunks: dict[Key, list[tuple[Chunk, str]]] = {}  # each with its former versions
        self.epochs: dict[Key, int] = {}  # of chunks that are frozen, but not written since
        self.checkpoints: dict[str, tuple[str, Chunk]] = {}
        self.fetches: list[list[Key]] = []
        self.writes: list[Key] = []
        self.on_write: Callable[[str, int, Chunk], None] = lambda job_id, index, chunk: None
        self.on_fetch: Callable[[list[Key]], object] = lambda keys: None
        self.stale = 0.0
        self.unknown = 0.0
        self.lock = threading.Lock()  # what is written is there, or it is not

    def lose_everything(self) -> None:
        with self.lock:
            self.chunks.clear()
            self.epochs.clear()
            self.checkpoints.clear()


class CloudStore(ChunkStore):
    _place = "cloud"

    def __init__(self, cloud: Cloud, **options: Any) -> None:
        self.cloud = cloud
        super().__init__(**{"flush_seconds": 0.02, "lease_seconds": 0.9, "close_seconds": 2, **options})

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        self.cloud.writes.append((job_id, index))
        self.cloud.on_write(job_id, index, chunk)
        with self.cloud.lock:
            versions = self.cloud.chunks.get((job_id, index), [])
            if known and not versions:
                raise StoreFault("gone", "the cloud is empty")
            if versions and (versions[-1][1] != run or versions[-1][0].beat >= chunk.beat):
                if known or versions[-1][0].epoch >= chunk.epoch:
                    raise StoreFault("conflict", "another run")
            self.cloud.chunks[job_id, index] = [*versions, (chunk, run)]
            self.cloud.epochs.pop((job_id, index), None)
        return len(chunk.text) // 4

    def _replace(self, job_id: str, index: int, old: Chunk | None, new: Chunk, run: str) -> None:
        self.cloud.writes.append((job_id, index))
        self.cloud.on_write(job_id, index, new)
        with self.cloud.lock:
            versions = self.cloud.chunks.get((job_id, index), [])
            there = versions[-1][0] if versions else None
            epoch = self.cloud.epochs.get((job_id, index), there.epoch if there else 0)
            if (there and (there.beat, epoch)) != (old and (old.beat, old.epoch)):
                raise StoreFault("conflict", "it is another one")
            self.cloud.chunks[job_id, index] = [*versions, (new, run)]
            self.cloud.epochs.pop((job_id, index), None)

    def _freeze(self, job_id: str, index: int, run: str) -> tuple[Chunk, int]:
        with self.cloud.lock:
            versions = self.cloud.chunks.get((job_id, index))
            if not versions:
                raise StoreFault("busy", "it is not there")
            chunk = versions[-1][0]
            epoch = self.cloud.epochs.get((job_id, index), chunk.epoch) + 1
            self.cloud.epochs[job_id, index] = epoch
            versions[-1] = chunk, run
            return chunk, epoch

    def _keep_checkpoint(self, job_id: str, text: str, chunk: Chunk, run: str) -> None:
        with self.cloud.lock:
            there = self.cloud.checkpoints.get(job_id)
            if there is not None and there[1].epoch > chunk.epoch:
                raise StoreFault("conflict", "another attempt")
            self.cloud.checkpoints[job_id] = text, chunk

    def _checkpoint(self, job_id: str) -> str | None:
        return self.cloud.checkpoints[job_id][0] if job_id in self.cloud.checkpoints else None

    def _fetch(self, keys: list[Key]) -> Fetched:
        self.cloud.fetches.append(keys)
        self.cloud.on_fetch(keys)
        fetched = Fetched()
        for key in keys:
            versions = self.cloud.chunks.get(key)
            if random.random() < self.cloud.unknown:
                fetched.unknown.add(key)
            elif versions:
                back = random.randint(1, 3) if random.random() < self.cloud.stale else 1
                if back <= len(versions):
                    fetched.found[key] = versions[-back][0]
        return fetched


class Streams:
    """What is stored by appending to it, as Redis has it; see `redis` for the rules."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.owners: dict[str, tuple[str, Head]] = {}
        self.beats: dict[str, int] = {}
        self.checkpoints: dict[str, str] = {}
        self.waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        """What is set, once, when there is something new."""

    def lose(self, newest: int) -> None:
        """Lose so many records of each job, and of a job that then has none all that is known of it."""
        for job_id, rows in list(self.rows.items()):
            del rows[max(len(rows) - newest, 0) :]
            if not rows:
                del self.rows[job_id], self.owners[job_id]
                self.checkpoints.pop(job_id, None)
        self.beats.clear()

    def append(self, append: Append, head: Head, maxlen: int) -> int | StoreFault:
        rows = self.rows.get(append.job_id, [])
        last, left = (rows[-1].id, rows[-1].json is None) if rows else (0, False)
        run, owner = self.owners.get(append.job_id, (append.run, head))
        if run != append.run and not 0 < owner.attempt < append.epoch:
            return StoreFault("conflict", "another run")
        if last < append.after:
            return last
        self.rows[append.job_id], self.owners[append.job_id] = rows, (append.run, head)
        if append.checkpoint is not None:
            self.checkpoints[append.job_id] = append.checkpoint
        for event_id, text in append.events:
            if event_id > last:
                closed = append.status is not None and event_id == append.events[-1][0]
                rows.append(Row(event_id, text.decode(), closed))
                last, left = event_id, False
        if append.left and not left:
            rows.append(Row(last, None, False))
        del rows[:-maxlen]
        self._tell()
        return last

    def _tell(self) -> None:
        waiting, self.waiting = self.waiting, []
        for loop, new in waiting:
            with contextlib.suppress(RuntimeError):  # closed, and with it whoever waited
                loop.call_soon_threadsafe(new.set)

    def begin(
        self, job_id: str, run: str, reason: str, reopen: bool, least: int, producer: str, lease: float
    ) -> Opened:
        owner = self.owners.get(job_id)
        before = 0 if owner is None else owner[1].attempt
        number = max(before + 1, least)
        rows = self.rows.get(job_id, [])
        last = rows[-1].id if rows else 0
        check_attempt(job_id, owner is None or before > 0, bool(rows) and rows[-1].closed, reopen)
        self.rows[job_id], self.owners[job_id] = rows, (run, Head(producer, lease, number))
        head, tail = attempt_parts(reason)
        event = f"{head}{number}{tail}" if number > 1 else ""
        if event:
            rows.append(Row(last_before(number, last) + 1, event, False))
            self._tell()
        return Opened(run, number, last, event, self.checkpoints.get(job_id))

    def read(self, cursors: Mapping[str, tuple[int, bool]], limit: int) -> dict[str, list[Row]]:
        found = {
            job_id: [row for row in self.rows.get(job_id, []) if (row.id, row.json is None) > cursor][:limit]
            for job_id, cursor in cursors.items()
        }
        return {job_id: rows for job_id, rows in found.items() if rows}

    def beat(self, producer: str, beat: int) -> bool:
        before, self.beats[producer] = self.beats.get(producer), beat
        return before == beat - 1


class StreamStore(RemoteStore):
    """A store on `Streams`: its own `Appender` and `Reader`."""

    _place = "streams"

    def __init__(self, streams: Streams, **options: Any) -> None:
        self.streams = streams
        self._producer = uuid.uuid4().hex
        super().__init__(**{"flush_seconds": 0.02, "lease_seconds": 0.9, "close_seconds": 2, **options})

    def _new_writer(self, **options: Any) -> Writer[Any]:
        return StreamWriter(self._place, self, **options)

    def _new_mirrors(self, **options: Any) -> Mirrors[Any]:
        return StreamMirrors(self._place, lambda: _StreamReader(self), **options)

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        maxlen = self._maxlen + (self._overflow == "drop_newest")
        return [
            self.streams.append(append, Head(self._producer, self._lease, append.epoch), maxlen) for append in appends
        ]

    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        return self.streams.begin(job_id, run, reason, reopen, least, self._producer, self._lease)

    def beat(self, beat: int) -> bool:
        return self.streams.beat(self._producer, beat)

    async def read(self, effect: Callable[[], T]) -> T:
        """Make one call of the reader."""
        return effect()


class _StreamReader:
    def __init__(self, store: StreamStore) -> None:
        self._store = store
        self._streams = store.streams

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        owners = self._streams.owners
        return await self._store.read(lambda: {job_id: owners[job_id][1] for job_id in job_ids if job_id in owners})

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        found = await self._store.read(partial(self._streams.read, cursors, limit))
        if found or seconds is None:
            return found
        new = asyncio.Event()
        self._streams.waiting.append((asyncio.get_running_loop(), new))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(new.wait(), seconds)
        return self._streams.read(cursors, limit)

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        beats = self._streams.beats
        return await self._store.read(
            lambda: [str(beats[producer]) if producer in beats else None for producer in producers]
        )

    async def close(self) -> None:
        pass
