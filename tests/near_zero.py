"""Runs a command as on a machine that has just been started: its monotonic clock shows a few seconds.

    python tests/near_zero.py COMMAND ...

In a time namespace of Linux (`unshare --time`), with all processes that the command starts. Needs Linux 5.6 or later,
and root, or user namespaces for everybody, or sudo without a password.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

STARTED_SECONDS_AGO = 5


def namespace() -> list[str]:
    """Gives what to put before a command; ends the program where no time namespace can be had."""
    back = STARTED_SECONDS_AGO - int(time.clock_gettime(time.CLOCK_MONOTONIC))
    unshare = ["unshare", "--time", "--fork", "--kill-child", "--monotonic", str(back), "--boottime", str(back)]
    own = ["--user", "--map-current-user"]
    tried = ""
    for command in (unshare, [*unshare, *own], ["sudo", "--non-interactive", "--preserve-env", *unshare]):
        if all(shutil.which(program) for program in (command[0], "unshare")):
            done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return command
            tried += done.stderr
    sys.exit(f"near_zero.py: no time namespace can be made here: {tried.strip() or 'there is no unshare'}")


def main(command: list[str]) -> None:
    """Becomes the command."""
    if not command:
        sys.exit("usage: near_zero.py COMMAND ...")
    before = namespace()
    os.execvp(before[0], [*before, *command])


if __name__ == "__main__":
    main(sys.argv[1:])
