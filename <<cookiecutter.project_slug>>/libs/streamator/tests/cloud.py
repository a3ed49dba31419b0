"""A remote store made of a dict: what is stored, and how it fails.

Two stores on one `Cloud` are two processes: they share nothing but what is stored.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from streamator.remote import Chunk, ChunkStore, Fetched, Key, StoreFault


class Cloud:
    """What is stored, and how it fails."""

    def __init__(self) -> None:
        self.chunks: dict[Key, list[tuple[Chunk, str]]] = {}  # each with its former versions
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


class CloudStore(ChunkStore):
    def __init__(self, cloud: Cloud, **options: Any) -> None:
        self.cloud = cloud
        super().__init__(**{"flush_seconds": 0.02, "lease_seconds": 0.9, "close_seconds": 2, **options})

    @property
    def _place(self) -> str:
        return "cloud"

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        self.cloud.writes.append((job_id, index))
        self.cloud.on_write(job_id, index, chunk)
        with self.cloud.lock:
            versions = self.cloud.chunks.get((job_id, index), [])
            if known and not versions:
                raise StoreFault("gone", "the cloud is empty")
            if versions and (versions[-1][1] != run or versions[-1][0].beat >= chunk.beat):
                raise StoreFault("conflict", "another run")
            self.cloud.chunks[job_id, index] = [*versions, (chunk, run)]
        return len(chunk.text) // 4

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
