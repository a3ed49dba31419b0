"""What Alembic runs: on the connection that the app hands it, or on DATABASE_URL where it is run by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from app.models import Base


def _is_ours(_: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    # The indexes of the full text search have tables that no model has, and so has a feature that was deleted.
    return not (kind == "table" and reflected and compared_to is None)


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_is_ours,
        render_as_batch=True,  # SQLite alters a table by making it anew
    )
    with context.begin_transaction():
        context.run_migrations()


def _run_apart() -> None:
    from app import features  # noqa: F401  # their models
    from app.database import Database
    from app.settings import load_settings

    asyncio.run(Database(load_settings().database).migrate(_run))


if (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    _run_apart()
