"""The tables of version 0.3.0, and their search on PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.migrations.hand_made import TOKENIZER, take_over
from app.models import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SECONDS: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    connection = op.get_bind()
    if sa.inspect(connection).has_table("schema_versions"):
        take_over(connection)
        return
    _create_jobs()
    _create_auth()
    _create_documents()
    _create_runs()
    _create_findings()
    for statement in _SEARCH_OF_POSTGRES if connection.dialect.name == "postgresql" else _SEARCH_OF_SQLITE:
        op.execute(statement)


def _text(name: str, *, null: bool = False, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, **more)


def _position(*more: sa.ForeignKey) -> sa.Column[int]:
    return sa.Column("position", _NUMBER, *more, primary_key=True)


def _user() -> sa.Column[str]:
    return _text("user_id", server_default="local")


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        _position(),
        _text("job_id", unique=True),
        _text("kind"),
        _text("source"),
        _text("status"),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime()),
        _text("result", null=True),
        _text("error", null=True),
        _user(),
        _text("server", null=True),
    )
    running = sa.text("status = 'running'")
    op.create_index("jobs_running", "jobs", ["status"], sqlite_where=running, postgresql_where=running)
    op.create_index("jobs_of_user", "jobs", ["user_id", "position"])
    op.create_index("jobs_by_status", "jobs", ["user_id", "status", "finished_at"])


def _create_auth() -> None:
    op.create_table(
        "auth_users",
        _text("id", primary_key=True),
        _text("name"),
        _text("folded", unique=True),
        _text("password"),
        sa.Column("created_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "auth_sessions",
        _text("id", primary_key=True),
        sa.Column("user_id", sa.Text(), sa.ForeignKey("auth_users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("current", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary()),
        sa.Column("attempt", sa.LargeBinary()),
        sa.Column("expires_at", _SECONDS, nullable=False),
    )
    op.create_index("auth_sessions_of_user", "auth_sessions", ["user_id", "expires_at"])
    op.create_table(
        "auth_attempts",
        sa.Column("key", sa.LargeBinary(), primary_key=True),
        sa.Column("level", _SECONDS, nullable=False),
        sa.Column("at", _SECONDS, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_attempts_by_age", "auth_attempts", ["at"])


def _create_documents() -> None:
    def content() -> list[sa.Column[Any]]:
        return [
            *map(_text, ("sha256", "title", "source", "file_name", "kind")),
            sa.Column("words", sa.Integer(), nullable=False),
            sa.Column("bytes", _NUMBER, nullable=False),
            sa.Column("created_at", UtcTime(), nullable=False),
            _text("text"),
        ]

    op.create_table(
        "documents",
        _position(),
        _text("id", unique=True),
        _user(),
        *content(),
        sa.UniqueConstraint("user_id", "sha256"),
    )
    op.create_index("documents_by_hash", "documents", ["sha256"])
    op.create_index("documents_by_source", "documents", ["user_id", "source"])
    op.create_index("documents_of_user", "documents", ["user_id", "bytes"])
    op.create_table(
        "document_versions",
        _position(),
        _text("document_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("user_id"),
        *content(),
        sa.UniqueConstraint("document_id", "version"),
    )
    op.create_index("document_versions_by_hash", "document_versions", ["sha256"])
    op.create_index("document_versions_of_user", "document_versions", ["user_id", "bytes"])
    op.create_table(
        "document_terms",
        _position(sa.ForeignKey("documents.position")),
        _text("title"),
        sa.Column("text", sa.LargeBinary(), nullable=False),
    )
    op.create_table("documents_to_index", _position(sa.ForeignKey("documents.position", ondelete="CASCADE")))
    op.create_table(
        "validators",
        _position(),
        *map(_text, ("user_id", "source", "scope", "url")),
        _text("etag", null=True),
        _text("last_modified", null=True),
        sa.UniqueConstraint("user_id", "source", "scope"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        _position(),
        _text("job_id", unique=True),
        _user(),
        *map(_text, ("prompt", "provider", "length", "text")),
        _text("output", null=True),
        _text("metadata", null=True),
    )
    op.create_index("runs_of_user", "runs", ["user_id", "position"])


def _create_findings() -> None:
    op.create_table(
        "agent_runs",
        _position(),
        _text("run_id", unique=True),
        sa.Column("started_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "agent_findings",
        _position(),
        *map(_text, ("document_id", "agent_name", "user_id", "title", "status", "found")),
        sa.Column("finished_at", UtcTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("document_id", "agent_name"),
    )
    op.create_index("agent_findings_of_user", "agent_findings", ["user_id", "position"])


# With prefix=1 what one character begins is in one place: in Chinese that are thousands of terms. Titles by themselves:
# to ask the whole index for them takes a look at each text that has the word.
_SEARCH_OF_SQLITE = (
    f"CREATE VIRTUAL TABLE documents_index USING fts5 (title, text, content='', prefix=1, {TOKENIZER})",
    f"CREATE VIRTUAL TABLE titles_index USING fts5 (title, content='', prefix=1, {TOKENIZER})",
    f"CREATE VIRTUAL TABLE agent_index USING fts5 (text, {TOKENIZER})",
    """
    CREATE TRIGGER agent_findings_removed AFTER DELETE ON agent_findings WHEN old.agent_name = 'indexer' BEGIN
        DELETE FROM agent_index WHERE rowid = old.position;
    END
    """,
)
_SEARCH_OF_POSTGRES = (
    "CREATE TABLE documents_index (position bigint NOT NULL REFERENCES documents, words tsvector NOT NULL)",
    "CREATE INDEX documents_index_of ON documents_index (position)",
    "CREATE INDEX documents_index_words ON documents_index USING gin (words)",
    "CREATE TABLE agent_index (position bigint PRIMARY KEY REFERENCES agent_findings ON DELETE CASCADE, "
    "words tsvector NOT NULL)",
    "CREATE INDEX agent_index_words ON agent_index USING gin (words)",
)
