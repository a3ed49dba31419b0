"""Where ingest has its files: originals, named by their content's hash, and uploads that wait for their job."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from app.storage import Storage, StorageError, WorkFolder, pieces

__all__ = ["Archive"]

logger = logging.getLogger(__name__)

_INCOMING = "incoming"
_ABANDONED = timedelta(days=7)
"""No job waits for so long: its server, or the queue, has forgotten it."""


class Archive:
    """The originals of documents, and what arrives. No name that a user gave is ever part of a key.

    Arguments:
        storage: where they are: originals at `ab/abcd...`, by the hex SHA-256 of their content, uploads below
            `incoming/` until their job has ended.
        work: where they are while something on this machine works on them.
    """

    def __init__(self, storage: Storage, work: WorkFolder) -> None:
        self.storage = storage
        self.work = work
        self._deleting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Clears away what killed servers have left. A storage that is away is for `Readiness` to tell of."""
        await asyncio.to_thread(self.work.sweep)
        try:
            await self.storage.sweep(_INCOMING, _ABANDONED)
        except StorageError as error:
            logger.warning("uploads that were left behind are cleared away at the next start: %s", error)

    async def close(self) -> None:
        """Waits for what is being deleted."""
        if self._deleting:
            await asyncio.wait(self._deleting)

    def new_upload(self) -> str:
        """A fresh key for an upload. Whoever asks for it deletes what is there when done."""
        return f"{_INCOMING}/{secrets.token_hex(16)}"

    def key(self, sha256: str) -> str:
        """The key that the original with this hash has, or would have.

        Raises:
            ValueError: `sha256` is not 64 hex digits.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256[:80]!r} is no SHA-256: 64 hex digits are needed")
        return f"{sha256[:2]}/{sha256}"

    async def keep(self, sha256: str, original: Path) -> None:
        """Keeps an original, if it is not there already."""
        key = self.key(sha256)
        if await self.storage.size(key) is None:
            await self.storage.put(key, pieces(original))

    async def remove(self, sha256: str, is_known: Callable[[], Awaitable[bool]]) -> None:
        """Removes an original that no document has.

        Guarantee: one that gets a document at the same time, on whatever machine, is there afterwards. It is put aside
        and asked about once more before it goes; and who adds a document calls `keep` again once the row is there.

        Arguments:
            is_known: whether a document has it.
        """
        if await is_known():
            return
        key, aside = self.key(sha256), self.new_upload()
        if await self.storage.move(key, aside):
            if await is_known():
                await self.storage.move(aside, key)
            else:
                await self.storage.delete(aside)

    def delete_soon(self, key: str) -> None:
        """Deletes an upload, and nobody waits for it. One that cannot be deleted is cleared away by a later start."""
        task = asyncio.create_task(self.storage.delete(key))
        self._deleting.add(task)
        task.add_done_callback(self._deleted)

    def _deleted(self, task: asyncio.Task[None]) -> None:
        self._deleting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("an upload is left behind for a while: %s", error)
