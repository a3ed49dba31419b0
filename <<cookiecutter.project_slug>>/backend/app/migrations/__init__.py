"""The steps that bring a database's tables up to date, by Alembic. A new one, once a model has changed:
`alembic revision --autogenerate -m "what it does"`, in `backend`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["upgrade"]


def upgrade(connection: Connection) -> None:
    """Takes all steps that a database has not taken yet.

    Raises:
        CommandError: it has taken one that is not known here.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
