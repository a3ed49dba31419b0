"""A Redis server for a test: a real process on this machine that can be stopped, killed and restarted."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from functools import cache
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import redis

LOOPBACK = "127.0.0.1"


@cache
def find_server() -> str:
    """The program: REDIS_SERVER, else ``redis-server`` on the PATH, else, for root on Debian, a newly installed one."""
    named = os.environ.get("REDIS_SERVER")
    if named:
        found = shutil.which(named)
        if found is None:
            raise RuntimeError(f"REDIS_SERVER is {named!r}, which is no program: correct it or unset it")
        return found
    found = shutil.which("redis-server")
    if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "redis-server"], check=False, stdout=subprocess.DEVNULL)
        found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError(
            "there is no redis-server: install it (apt install redis-server, brew install redis), or set REDIS_SERVER "
            "to where it is"
        )
    return found


class RedisServer:
    """``with RedisServer() as server: ... server.url``. Each has its own directory and port.

    Args:
        options: of redis-server, ``"--maxmemory", "8mb"`` for instance.
    """

    def __init__(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://{LOOPBACK}:{self.port}/0"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self.folder = Path(self._folder.name)
        self.client: Any = redis.Redis(port=self.port, host=LOOPBACK, protocol=2, socket_timeout=10)

    def start(self, *options: str) -> None:
        """Start it, and return when it answers."""
        command = [
            find_server(), "--port", str(self.port), "--bind", LOOPBACK, "--dir", str(self.folder), "--save", "",
            "--appendonly", "no", "--loglevel", "warning", *self.options, *options,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                if self.client.ping():
                    return
            except redis.RedisError:
                pass
            assert self.process.poll() is None and time.monotonic() < end, "redis-server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a crash does. The data in its memory is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.client.connection_pool.disconnect()

    def pause(self) -> None:
        """Make it hang: it accepts connections but answers nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RedisServer:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.client.close()
        self._folder.cleanup()


class Throttle:
    """Between a store and Redis: refuses a random share of the appends, and passes on everything else.

    Args:
        port: the port of Redis.
        share: the share to refuse, from 0 to 1.
    """

    def __init__(self, port: int, share: float) -> None:
        class Handler(socketserver.StreamRequestHandler):
            wbufsize = -1

            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port)) as server:
                    answers = server.makefile("rb")
                    while request := _value(self.rfile):
                        if b"\r\nEVAL\r\n" in request and random.random() < share:
                            self.wfile.write(b"-BUSY Redis is busy running a script\r\n")
                        else:
                            server.sendall(request)
                            self.wfile.write(_value(answers))
                        self.wfile.flush()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server((LOOPBACK, 0), Handler)
        self.url = f"redis://{LOOPBACK}:{self._server.server_address[1]}/0"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _value(stream: BufferedIOBase) -> bytes:
    """The bytes of one RESP 2 value; none at the end of the stream."""
    line = stream.readline()
    if line[:1] == b"$" and line != b"$-1\r\n":
        return line + stream.read(int(line[1:]) + 2)
    if line[:1] == b"*":
        return line + b"".join(_value(stream) for _ in range(int(line[1:])))
    return line
