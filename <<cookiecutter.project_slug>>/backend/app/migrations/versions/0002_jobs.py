"""Jobs are owned by their table: what they were asked for, their attempts, who runs them. The runs of the agents are
jobs, and what was found out knows in which."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.models import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("args", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("seen_at", UtcTime()),
        sa.Column("cancel", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("trace", sa.Text()),
    ]
    for added in columns:
        op.add_column("jobs", added)
    # Whoever ran a job of an earlier version had to be stopped for this one.
    op.execute("UPDATE jobs SET server = NULL")
    op.drop_index("jobs_running", "jobs")
    for name, column, where in (
        ("jobs_open", "status", sa.text("status IN ('queued', 'running')")),
        ("jobs_held", "server", sa.text("server IS NOT NULL")),
    ):
        op.create_index(name, "jobs", [column], sqlite_where=where, postgresql_where=where)
    op.drop_table("agent_runs")
    op.add_column("agent_findings", sa.Column("run_id", sa.Text()))
