"""Finds the Redis server that runs beside the app in development and in tests, and says which one it took and why.

    python scripts/redis_server.py   # prints its path

In this order: REDIS_SERVER (an error if nothing is there), `redis-server` on the PATH, and, for root on a system
with apt-get, Debian's or Ubuntu's own package. When all fail it is an error with exit code 1: nothing is skipped.

Only the standard library is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


class NoServer(Exception):
    """There is no Redis server; the message says how to get one."""


def find() -> tuple[str, str]:
    """Gives the program and the reason why it is this one. Raises NoServer."""
    named = os.environ.get("REDIS_SERVER")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoServer(f"REDIS_SERVER is {named!r}, where there is no program. Correct it, or unset it to search.")
        return found, "REDIS_SERVER names it"
    found = shutil.which("redis-server")
    if found is not None:
        return found, "it is on the PATH"
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "redis-server"]):
            done = subprocess.run([apt, *arguments], env=environment, stdout=sys.stderr, check=False)
            if done.returncode != 0:
                print(f"redis: apt-get {arguments[0]} ended with {done.returncode}", file=sys.stderr)
        found = shutil.which("redis-server")
        if found is not None:
            return found, "it was installed with apt-get"
    raise NoServer(
        "there is no redis-server. Install it (apt install redis-server, brew install redis), set REDIS_SERVER "
        "to where it is, or set STREAMATOR_REDIS_URL to one that runs."
    )


def main() -> int:
    """Prints the path; 1 when there is none."""
    try:
        path, reason = find()
    except NoServer as error:
        print(f"redis: {error}", file=sys.stderr)
        return 1
    print(f"redis: {path} ({reason})", file=sys.stderr)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
