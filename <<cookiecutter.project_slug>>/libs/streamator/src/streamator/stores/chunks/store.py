"""`ChunkStore`: the base of the stores that keep a log in chunks."""

from __future__ import annotations

from typing import Any

from ..remote.mirror import Mirrors
from ..remote.store import RemoteStore
from ..remote.writer import Writer
from .format import Chunk, Fetched, Key
from .mirror import ChunkMirrors
from .writer import ChunkWriter


class ChunkStore(RemoteStore):
    """The base of stores that keep a log as `format` says: see `DynamoStore` for one.

    A subclass defines `_place`, `_write` and `_fetch`. The latter two are called from the store's own threads only,
    never from an event loop.

    Args:
        options: those of `RemoteStore`.
    """

    def _new_writer(self, **options: Any) -> Writer[Any]:
        return ChunkWriter(self._place, self._write, self._fetch, **options)

    def _new_mirrors(self, **options: Any) -> Mirrors[Any]:
        # A job that began elsewhere is stored by the next flush there, and the write takes a moment.
        return ChunkMirrors(self._place, self._fetch, grace=2 * self._flush_seconds + 0.3, **options)

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        """Store a chunk; returns its size in bytes, as it is billed.

        Args:
            job_id, index: the chunk's key.
            chunk: what to store.
            run: identifies this run of the job. A chunk of another run must not be overwritten, nor one with a later
                beat.
            known: the chunk was stored before: if it is not there, that is a `StoreFault` of kind ``gone``.

        Raises:
            StoreFault: it is not known to be stored.
        """
        raise NotImplementedError

    def _fetch(self, keys: list[Key]) -> Fetched:
        """Read up to 100 chunks. Raises `StoreFault` if nothing could be read."""
        raise NotImplementedError
