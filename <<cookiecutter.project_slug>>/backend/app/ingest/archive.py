"""The originals on disk, named by their content's hash, and the place where new ones arrive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import time
from pathlib import Path

__all__ = ["Archive"]

_ABANDONED_SECONDS = 24 * 3600


class Archive:
    """A directory of originals. No name that a user gave is ever part of a path in it.

    Arguments:
        root: the directory. Originals are at `ab/abcd...`, by the hex SHA-256 of their content; files that
            are still arriving are in `incoming/`, on the same file system, so that keeping one is a rename.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    async def open(self) -> None:
        """Makes the directories, and clears away what a killed server left half arrived."""
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        for path in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process may clear up at the same time
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def new_path(self) -> Path:
        """A fresh path for a file that arrives. Whoever asks for it removes what is there when done."""
        return self._incoming / secrets.token_hex(16)

    def arrived(self, name: str) -> Path:
        """A file that has arrived, by the name of what `new_path` gave.

        Raises:
            ValueError: it is no such name.
        """
        if not re.fullmatch(r"[0-9a-f]{32}", name):
            raise ValueError(f"{name[:80]!r} is no file that has arrived: 32 hex digits are needed")
        return self._incoming / name

    def path(self, sha256: str) -> Path:
        """Where the original with this hash is, or would be.

        Raises:
            ValueError: `sha256` is not 64 hex digits.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256[:80]!r} is no SHA-256: 64 hex digits are needed")
        return self._root / sha256[:2] / sha256

    def flush(self, arrived: Path) -> None:
        """Has the disk write a file that has arrived; blocks until it has, for seconds where it is busy."""
        with arrived.open("rb") as file:
            os.fsync(file.fileno())

    def keep(self, arrived: Path, sha256: str) -> Path:
        """Moves a file that was flushed to its place; blocks while the disk works.

        Guarantee: the place holds the whole file or nothing, also when the machine loses power.
        """
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        arrived.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return target

    def remove(self, sha256: str) -> None:
        """Removes an original; fine when there is none."""
        self.path(sha256).unlink(missing_ok=True)
