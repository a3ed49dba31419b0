"""Reads a document that a test has made, and collects what is said on the way."""

from __future__ import annotations

from pathlib import Path

from app.ingest.extract import Extracted, extract
from app.ingest.identify import Kind


class Extraction:
    """Call it with the bytes of a document."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "arrived"
        self.lines: list[tuple[str, str]] = []

    def __call__(self, content: bytes, kind: Kind, name: str = "some-file.x", charset: str | None = None) -> Extracted:
        self._path.write_bytes(content)
        return extract(self._path, kind, name=name, charset=charset, log=lambda *line: self.lines.append(line))

    @property
    def messages(self) -> list[str]:
        return [message for message, _ in self.lines]

    @property
    def warnings(self) -> list[str]:
        return [message for message, level in self.lines if level == "warning"]
