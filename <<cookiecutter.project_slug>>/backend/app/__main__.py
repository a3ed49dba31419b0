"""`python -m app`: runs the server on BACKEND_HOST and BACKEND_PORT."""

from __future__ import annotations

import argparse
import contextlib
import logging
import resource
import socket
import sys
from functools import partial
from typing import Any, cast

import uvicorn
from streamator.asgi import SEND_TIMEOUT_SECONDS
from uvicorn.supervisors import ChangeReload

from app import logs
from app.connections import HttpProtocol
from app.settings import PROJECT_ROOT, SettingsError, load_settings
from app.websockets import WebSocketProtocol

logger = logging.getLogger("app")

_OTHER_FILES = 200
"""What the server has open beside its connections: the database, uploads, the store."""


def main() -> int:
    """Runs the server until it is stopped; gives the exit code, 2 where a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Run the backend.")
    parser.add_argument("--reload", action="store_true", help="restart when the code changes")
    options = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings)
    _allow_files(settings.max_connections + _OTHER_FILES)
    watched = [PROJECT_ROOT / "backend" / "app", PROJECT_ROOT / "libs" / "streamator" / "src"]
    config = uvicorn.Config(
        "app.main:app",
        host=settings.backend_host,
        port=settings.backend_port,
        reload=options.reload,
        log_config=None,  # it is configured
        reload_dirs=[str(each) for each in watched if each.is_dir()] if options.reload else None,
        # Streams end by themselves; this bounds a request that does not, such as a stalled upload.
        timeout_graceful_shutdown=5,
        http=cast(
            "type[Any]",
            partial(
                HttpProtocol,
                max_header_bytes=settings.max_header_kb * 1_000,
                header_seconds=settings.max_header_seconds,
                max_connections=settings.max_connections,
            ),
        ),
        ws=WebSocketProtocol,
        # Viewers send little over their WebSockets; what is larger is refused before it is read (1009).
        ws_max_size=65_536,
    )
    listener = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        # Each connection has it from the socket that it comes in by: one whose other end confirms nothing for so long
        # is dropped, with what waits to be sent. Else the system keeps trying for a quarter of an hour where the other
        # end has vanished, and for ever where it only takes nothing, though the stream itself has long been given up.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_TIMEOUT_SECONDS * 1_000))
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        if options.reload:
            ChangeReload(config, target=server.run, sockets=[listener]).run()
        else:
            server.run(sockets=[listener])
    return 0 if server.started or options.reload else 3


def _allow_files(wanted: int) -> None:
    """Lets this process open so many files, connections among them, as far as the system allows it to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        logger.warning(
            "MAX_CONNECTIONS needs %s open files, and the system allows %s: raise that (ulimit -n), or lower it",
            f"{wanted:,}",
            f"{allowed:,}",
        )


if __name__ == "__main__":
    sys.exit(main())
