"""The tables of documents. The index by which they are found is in `app.ingest.index`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, literal, select, union_all
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, Number, Position, UserId

__all__ = ["ALL_VERSIONS", "NEWEST", "DocumentRow", "Terms", "ToIndex", "ValidatorRow", "VersionRow"]


class _Content:
    """What a document has, and each of its earlier versions."""

    sha256: Mapped[str]
    title: Mapped[str]
    source: Mapped[str]
    file_name: Mapped[str]
    kind: Mapped[str]
    words: Mapped[int]
    bytes: Mapped[int] = mapped_column(Number)
    created_at: Mapped[datetime]
    text: Mapped[str]


class DocumentRow(_Content, Base):
    """A document as it is now. A content is there once for each user."""

    __tablename__ = "documents"

    position: Mapped[Position]
    id: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UserId]

    __table_args__ = (
        UniqueConstraint("user_id", "sha256"),
        Index("documents_by_hash", "sha256"),
        Index("documents_by_source", "user_id", "source"),
        Index("documents_of_user", "user_id", "bytes"),
    )


class VersionRow(_Content, Base):
    """What a document was before its source changed; the search never sees it."""

    __tablename__ = "document_versions"

    position: Mapped[Position]
    document_id: Mapped[str]
    version: Mapped[int]
    user_id: Mapped[str]

    __table_args__ = (
        UniqueConstraint("document_id", "version"),
        Index("document_versions_by_hash", "sha256"),
        Index("document_versions_of_user", "user_id", "bytes"),
    )


class Terms(Base):
    """What the index was given of a document: it has to be given the same again to forget it."""

    __tablename__ = "document_terms"

    position: Mapped[Position] = mapped_column(ForeignKey(DocumentRow.position))
    title: Mapped[str]
    text: Mapped[bytes]


class ToIndex(Base):
    """The documents whose terms are to be made anew, while the app serves."""

    __tablename__ = "documents_to_index"

    position: Mapped[Position] = mapped_column(ForeignKey(DocumentRow.position, ondelete="CASCADE"))


class ValidatorRow(Base):
    """What a server said of an address, so that it can be asked whether that has changed."""

    __tablename__ = "validators"

    position: Mapped[Position]
    user_id: Mapped[str]
    source: Mapped[str]
    scope: Mapped[str]
    url: Mapped[str]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]

    __table_args__ = (UniqueConstraint("user_id", "source", "scope"),)


NEWEST = (
    select(literal(1) + func.count())
    .where(VersionRow.document_id == DocumentRow.id)
    .correlate(DocumentRow)
    .scalar_subquery()
)
"""The number of the version that a document is in."""

_CONTENT = list(_Content.__annotations__)

ALL_VERSIONS = union_all(
    select(DocumentRow.id, DocumentRow.user_id, NEWEST.label("version"), *(getattr(DocumentRow, n) for n in _CONTENT)),
    select(VersionRow.document_id, VersionRow.user_id, VersionRow.version, *(getattr(VersionRow, n) for n in _CONTENT)),
).subquery("all_versions")
"""All documents in all of their versions."""
