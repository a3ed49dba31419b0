"""Dead letters: the events that a remote store refuses for good, kept in a file, with the reason.

A letter is one line of JSON: ``{"time", "store", "job_id", "id", "reason", "event"}``. The command
`streamator.deadletter` prints and replays them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from ...events import clip, to_utf8
from ...options import check_count, check_kind
from .faults import logger

Letter = dict[str, Any]
"""``time`` (UTC, ISO 8601), ``store`` (where it was to go), ``job_id``, ``id`` and ``event`` (as the job's viewers here
saw it), ``reason`` (what the store said)."""

DeadLetters = Callable[[Letter], object]
"""Takes a letter. The store's writer thread calls it, and waits for it."""

MAX_BYTES: Final = 67_108_864
MAX_REASON: Final = 500


def default_path() -> Path:
    """``$XDG_STATE_HOME/streamator/dead-letters.jsonl``; without that variable, in ``~/.local/state`` (the XDG Base
    Directory Specification's place for logs). Raises RuntimeError if there is no home directory."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative path there is invalid, by the specification.
    folder = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
    return folder / "streamator" / "dead-letters.jsonl"


def make_letter(store: str, job_id: str, event_id: int, reason: str, event_json: str) -> Letter:
    """The letter of an event that was refused just now."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "time": now, "store": store, "job_id": job_id, "id": event_id, "reason": clip(reason, MAX_REASON),
        "event": json.loads(event_json),
    }  # fmt: skip


class DeadLetterFile:
    """Appends letters to a file of JSON lines.

    Args:
        path: the file (default: `default_path`, looked up when the first letter comes). It is made then, readable by
            its owner alone.
        max_bytes: how large it may become (default 67,108,864: 64 MiB). Past it letters are dropped, with one
            warning, until there is room again.

    Guarantees: a line is one write at the file's end, so that several processes may share the file. It is opened for
    each letter, so that it may be moved or deleted at any time.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        if path is not None:
            check_kind("path", path, (str, os.PathLike), "give the file's path, or None for the default")
        self._path = None if path is None else Path(path)
        self._max_bytes = check_count("max_bytes", max_bytes)
        self._full = False

    def __call__(self, letter: Letter) -> None:
        """Append a letter. Raises OSError if it cannot be written, RuntimeError if there is no home directory."""
        path = default_path() if self._path is None else self._path
        line = to_utf8(json.dumps(letter, ensure_ascii=False, separators=(",", ":"))) + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        size = append_line(path, line, self._max_bytes)
        if size and not self._full:
            logger.warning(
                "dead letters are dropped: %s has %s bytes, and max_bytes is %s; replay it, or move it away",
                path, f"{size:,}", f"{self._max_bytes:,}",
            )  # fmt: skip
        self._full = bool(size)


def append_line(path: Path, line: bytes, max_bytes: int | None = None) -> int:
    """Append a line to a file. Returns 0, or the file's size if there was no room for the line."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        size = os.fstat(file).st_size
        if max_bytes is not None and size + len(line) > max_bytes:
            return size or 1
        if size:
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":  # a full disk has cut off the line before: begin a new one
                line = b"\n" + line
        written = os.write(file, line)
        if written < len(line):
            raise OSError(f"only {written:,} of {len(line):,} bytes could be written to {path}")
    finally:
        os.close(file)
    return 0
