"""An archive on a directory of a test's own, and files that have arrived there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.ingest.archive import Archive
from app.storage import Folder, WorkFolder

__all__ = ["archive_in", "arrival"]


def archive_in(directory: Path) -> Archive:
    """What a server on this directory has of it."""
    return Archive(Folder(directory / "archive"), WorkFolder(directory / "work"))


def arrival(directory: Path, content: bytes) -> Path:
    """A file as a job has it that is about to add it to the library."""
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        file.write(content)
    return Path(file.name)
