"""The servers that share a DATA_DIR: which of them still live."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from pathlib import Path

__all__ = ["Server"]

_NAME = re.compile(r"[0-9a-f]{32}")


class Server:
    """This server, as the others on the same DATA_DIR see it: a file that it holds a lock on for as long as it lives.

    The system lets go of the lock when the process ends, however it ends: there is no time-out to wait for, and no
    process id that another program may have got since. A server that is stopped (SIGSTOP) or slow is alive.

    Arguments:
        directory: where the servers' files are; it is made when needed. It must be on a local file system, as SQLite
            asks of its database too.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None
        self.name = secrets.token_hex(16)
        """Unique to this run of this server."""

    def open(self) -> None:
        """Says that this server lives, and clears away the files of those that were killed.

        Raises:
            OSError: the directory cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        while self._file is None:
            file = os.open(self._path(self.name), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            # Between the two calls another server may have taken the file for a dead one's, and removed it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), self._path(self.name).stat()):
                    self._file = file
                    break
            os.close(file)
        for path in self._directory.iterdir():
            if _NAME.fullmatch(path.name):
                self.lives(path.name)

    def lives(self, name: str) -> bool:
        """Whether the server of that name runs; the file of one that does not is removed. It does not block."""
        if name == self.name:
            return self._file is not None
        if not _NAME.fullmatch(name):
            return False
        try:
            file = os.open(self._path(name), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            # Shared: two that look at the same time do not take each other for the server.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._path(name).unlink(missing_ok=True)
            return False
        finally:
            os.close(file)

    def close(self) -> None:
        """Says that this server is gone. Quiet the second time."""
        if self._file is not None:
            self._path(self.name).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _path(self, name: str) -> Path:
        return self._directory / name
