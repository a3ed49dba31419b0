"""What the tables of all features are made of. Each feature has its own in its `models.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import REAL, BigInteger, DateTime, Delete, Dialect, Double, Integer, Table, Text, delete, select
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["Base", "Number", "Position", "UserId", "UtcTime", "delete_oldest", "table_of"]


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone. SQLite has no type for one: there it is a text of ISO 8601, which sorts as times do."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.isoformat() if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class Characters(TypeDecorator[str]):
    """Any text. PostgreSQL holds none with U+0000: there that is U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value is not None and dialect.name == "postgresql" else value


class Base(DeclarativeBase):
    """The tables of this app: what Alembic compares a database with (`alembic revision --autogenerate`)."""

    type_annotation_map = {  # noqa: RUF012
        str: Characters,
        datetime: UtcTime,
        float: Double().with_variant(REAL(), "sqlite"),
    }


Number = BigInteger().with_variant(Integer, "sqlite")
"""An integer of 64 bits, as all of SQLite's are."""

Position = Annotated[int, mapped_column(Number, primary_key=True)]
"""The number of a row, in the order in which they came."""

UserId = Annotated[str, mapped_column(server_default="local")]
"""Whose a row is."""


def table_of(model: type[Base]) -> Table:
    """The table of a model: a statement of it is of columns alone, and made without the object-relational mapper."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def delete_oldest(model: type[Base], user_id: Any, *, past: Any) -> Delete:
    """The statement that deletes the oldest rows of a user, past so many."""
    table = table_of(model)
    owned = table.c.user_id == user_id
    newest = select(table.c.position).where(owned).order_by(table.c.position.desc()).limit(1).offset(past)
    return delete(table).where(owned, table.c.position <= newest.scalar_subquery())
