"""What a feature that keeps documents offers to those that work on them; neither imports the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["DocumentSource", "DocumentVersion", "SourceDocument"]


@dataclass(frozen=True)
class SourceDocument:
    """A document as others need it."""

    id: str
    user_id: str
    title: str
    text: str
    version: int = 1
    """Another one whenever its text has changed."""


class DocumentVersion(NamedTuple):
    """Whose a document is, and in which version it is there."""

    user_id: str
    version: int


class DocumentSource(Protocol):
    """The documents of a feature, of all users. It puts itself into `Services.documents`."""

    async def document_versions(self) -> Mapping[str, DocumentVersion]:
        """The ids of all its documents, oldest first, each with its user and its version. An id is never used again."""

    async def document(self, identifier: str) -> SourceDocument | None:
        """One document, or None where it is not there any more."""
