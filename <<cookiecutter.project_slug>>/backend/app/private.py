"""What the server keeps is its user's alone."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path

__all__ = ["keep_private"]

logger = logging.getLogger(__name__)

_OTHERS = 0o077


def keep_private(directory: Path) -> int:
    """Makes a folder that only the user of this process can read (0700). All that the process makes from now on is so
    too, wherever: files 0600, folders 0700.

    Where others can read the folder, or what is right in it, all in it is closed to them, and a line of the log says
    so. Where that is not allowed, it says what to do, and goes on.

    Returns:
        the umask that there was before.

    Raises:
        OSError: the folder can neither be found nor made.
    """
    before = os.umask(_OTHERS)
    directory.mkdir(parents=True, exist_ok=True)
    if any(_is_open(path) for path in (directory, *directory.iterdir())):
        try:
            for folder, _, files in os.walk(directory, topdown=False):
                for path in (*(Path(folder, name) for name in files), Path(folder)):
                    # The folder itself is last: a start that breaks off is followed by another. What another server
                    # has removed meanwhile is closed enough.
                    with contextlib.suppress(FileNotFoundError):
                        if _is_open(path):
                            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        except PermissionError as error:
            logger.warning(
                "others can read what is in DATA_DIR: close it to them, chmod -R go= %s (%s)", directory, error
            )
        else:
            logger.warning("others could read what is in DATA_DIR, %s: it is closed to them, with all in it", directory)
    return before


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # another server has removed it
        return False
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)
