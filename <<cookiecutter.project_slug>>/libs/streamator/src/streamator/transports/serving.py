"""Whether the server behind a stream has stopped, for whatever reason.

A server closes the sockets that it listens on before it waits for its open requests: on Linux that is seen here, for
every server, whether it stops for a signal, a limit of requests, or a call. gunicorn's WSGI workers wait first and
close then, but have a flag for it. On other systems only the signals that `ending` sees tell.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

# How long after a look that found nothing at an address the next one is made.
AGAIN_SECONDS = 1.0

_LISTENS = "0A"  # the state of a TCP socket, see proc_net_tcp(5)
_ACCEPTS = 0x10000  # a flag of a Unix socket


class Server:
    """A server of this process: the files of the sockets that it listens on, and its worker where it has one."""

    __slots__ = ("_files", "_worker")

    def __init__(self, files: list[tuple[int, int]], worker: Any = None) -> None:
        self._files = files
        self._worker = worker

    def has_stopped(self) -> bool:
        """Whether it takes no more requests. Some system calls: a few microseconds."""
        if self._worker is not None and not self._worker.alive:
            return True
        return any(_inode(number) != inode for number, inode in self._files)


class Servers:
    """The servers of one event loop, by the address they listen on: each is looked up once."""

    __slots__ = ("_known", "_missed")

    def __init__(self) -> None:
        self._known: dict[int | str | None, Server] = {}
        self._missed: dict[int | str | None, float] = {}

    def find(self, address: int | str | None, worker: Any = None) -> Server | None:
        """The server of a request; None if nothing is known of it.

        Args:
            address: the port or the path that the request came to; None if that is unknown: any server that listens in
                this process.
            worker: see `gunicorn_worker`.
        """
        known = self._known.get(address)
        if known is not None and not known.has_stopped():
            return known
        now = time.monotonic()
        missed = self._missed.get(address)
        files = [] if missed is not None and now - missed < AGAIN_SECONDS else _listening(address)
        if files or worker is not None:
            known = self._known[address] = Server(files, worker)
        elif address is None:
            return None  # nobody listens: a test's client calls the application itself
        else:
            self._missed[address] = now
        return known


def address_of(scope: Any) -> int | str | None:
    """Where a request came to, by its ASGI scope: a port, or the path of a Unix socket."""
    host, port = scope.get("server") or (None, None)
    return host if port is None else port


def gunicorn_worker() -> Any:
    """The gunicorn worker that has called this, through whatever application; None under another server."""
    module = sys.modules.get("gunicorn.workers.base")
    frame = None if module is None else sys._getframe()
    while module is not None and frame is not None:
        worker = frame.f_locals.get("self")
        if isinstance(worker, module.Worker):
            return worker
        frame = frame.f_back
    return None


def _listening(address: int | str | None) -> list[tuple[int, int]]:
    """The sockets of this process that listen there, or anywhere: each file's number and inode."""
    inodes: set[int] = set()
    if not isinstance(address, str):
        for line in [*_lines("/proc/net/tcp"), *_lines("/proc/net/tcp6")]:
            fields = line.split()
            if fields[3] == _LISTENS and address in (None, int(fields[1].rpartition(":")[2], 16)):
                inodes.add(int(fields[9]))
    if not isinstance(address, int):
        for line in _lines("/proc/net/unix"):
            fields = line.split(maxsplit=7)
            if int(fields[3], 16) & _ACCEPTS and address in (None, *fields[7:]):
                inodes.add(int(fields[6]))
    numbers = [int(name) for name in os.listdir("/proc/self/fd")] if inodes else []
    return [(number, inode) for number in numbers if (inode := _inode(number)) in inodes and inode is not None]


def _lines(path: str) -> list[str]:
    """The rows of a table in /proc; none on other systems."""
    try:
        return Path(path).read_text(errors="surrogateescape").splitlines()[1:]
    except OSError:
        return []


def _inode(number: int) -> int | None:
    """A socket's inode; None if the file is closed, or no socket."""
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_ino if stat.S_ISSOCK(status.st_mode) else None
