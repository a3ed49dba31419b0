"""The tables of sign-in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base

__all__ = ["Attempt", "StoredSession", "UserRow"]


class UserRow(Base):
    """Who can sign in. `folded`: the name as it is compared; `password`: its hash."""

    __tablename__ = "auth_users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    created_at: Mapped[datetime]


class StoredSession(Base):
    """A session. `current` and `previous`: the hashes of its refresh tokens; `attempt`: that of the request which got
    the current one; `expires_at`: seconds since 1970."""

    __tablename__ = "auth_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    current: Mapped[bytes]
    previous: Mapped[bytes | None]
    attempt: Mapped[bytes | None]
    expires_at: Mapped[float]

    __table_args__ = (Index("auth_sessions_of_user", "user_id", "expires_at"),)


class Attempt(Base):
    """How many attempts to sign in count for a name or a network (`key`: a keyed hash), and when the last one was."""

    __tablename__ = "auth_attempts"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    level: Mapped[float]
    at: Mapped[float]

    __table_args__ = (Index("auth_attempts_by_age", "at"), {"sqlite_with_rowid": False})
