"""Databases of earlier versions are taken over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.database import Database
from app.jobs import JobTable
from app.migrations.hand_made import STEPS
from app.searches import Searches
from app.terms import pack_terms
from app.users import LOCAL_USER, User
from tests.earlier import earlier_database, have_no_differences, references
from tests.here import Here

accounts = pytest.importorskip("app.auth.accounts", reason="there is nobody to take over")
documents = pytest.importorskip("app.ingest.documents", reason="there is no document to take over")
archives = pytest.importorskip("tests.ingest.archives")

pytestmark = pytest.mark.anyio

EARLIER = """
INSERT INTO jobs (job_id, kind, source, status, created_at, finished_at, result, user_id, server) VALUES
    ('j1', 'ingest', 'a.txt', 'completed', '2026-01-02T03:04:05+00:00', '2026-01-02T03:04:06.5+00:00',
     '{"document_id": "d1"}', 'u1', NULL);
INSERT INTO auth_users VALUES ('u1', 'Ada', 'ada', 'a hash', '2026-01-01T00:00:00+00:00');
INSERT INTO auth_sessions VALUES ('s1', 'u1', x'01', NULL, NULL, 9e9);
INSERT INTO auth_attempts VALUES (x'02', 1.5, 1e9);
INSERT INTO documents VALUES
    (7, 'd1', 'u1', 'h2', 'Títle', 'https://a.example/', 'a.txt', 'text', 2, 10, '2026-01-02T03:04:05+00:00',
     'some words');
INSERT INTO document_versions VALUES
    (1, 'd1', 1, 'u1', 'h1', 'Before', 'https://a.example/', 'a.txt', 'text', 1, 5, '2026-01-01T00:00:00+00:00',
     'words');
INSERT INTO validators VALUES (1, 'u1', 'https://a.example/', 'document', 'https://a.example/', '"1"', NULL);
INSERT INTO runs VALUES (1, 'j2', 'u1', 'summary', 'extractive', 'short', 'text', 'output', NULL);
INSERT INTO agent_runs VALUES (1, 'r1', '2026-01-01T00:00:00+00:00');
INSERT INTO agent_findings VALUES
    (3, 'd1', 'indexer', 'u1', 'T', 'completed', '{}', '2026-01-01T00:00:00+00:00', 2);
INSERT INTO agent_index (rowid, text) VALUES (3, 'some words')
"""


async def test_a_database_of_version_0_3_0_is_taken_over_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with earlier_database(path) as connection:
        for statement in EARLIER.split(";\n"):
            connection.execute(statement)
        position_and_terms = (7, "title", pack_terms("some words"))
        connection.execute("INSERT INTO document_terms VALUES (?, ?, ?)", position_and_terms)
        connection.execute("INSERT INTO documents_index (rowid, title, text) VALUES (7, 'title', 'some words')")
        connection.execute("INSERT INTO titles_index (rowid, title) VALUES (7, 'title')")
        connection.commit()
        before = contents(connection)
    for _ in range(2):
        database = Database(f"sqlite:///{path}")
        await database.open()
        await database.migrate(have_no_differences)
        ada = User("u1", "Ada")
        jobs = await JobTable(database).latest(9, user=ada)
        assert [(job.job_id, job.document_id, job.created_at.isoformat()) for job in jobs] == [
            ("j1", "d1", "2026-01-02T03:04:05+00:00")
        ]
        library = documents.Library(database, archives.archive_in(tmp_path), Searches(database, Here()))
        assert [each.id for each in (await library.find("title words", user=ada)).documents] == ["d1"]
        assert [each.version for each in await library.versions("d1", user=ada)] == [2, 1]
        account = await accounts.Accounts(database).find("ADA")
        assert account is not None
        assert (account.user, account.password) == (ada, "a hash")
        await database.close()
    with closing(sqlite3.connect(path)) as connection:
        after = contents(connection)
    new = Database(f"sqlite:///{tmp_path / 'new.db'}")
    await new.open()
    await new.close()
    assert references(path) == references(tmp_path / "new.db")
    # A run of the agents is a job now: which logs they had is of no use any more, what they found is there.
    del before["agent_runs"]
    for grown in ("jobs", "agent_findings"):
        (row,), (taken_over,) = before.pop(grown), after.pop(grown)
        assert taken_over[: len(row)] == row
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() == {"alembic_version"}


async def test_a_database_of_any_step_before_0_3_0_is_taken_over(tmp_path: Path) -> None:
    for number in range(max(map(len, STEPS.values()))):
        path = tmp_path / str(number) / "app.db"
        # The step of the dashboard came after the second of the jobs.
        steps = {**dict.fromkeys(STEPS, number), "dashboard": number // 2}
        with earlier_database(path, **steps) as connection:
            if number:
                connection.execute(
                    "INSERT INTO documents (id, sha256, title, source, file_name, kind, words, bytes, created_at, text)"
                    " VALUES ('d1', 'h', 'T', 's', 'f', 'text', 1, 1, '2026-01-01T00:00:00+00:00', 'words')"
                )
        database = Database(f"sqlite:///{path}")
        await database.open()
        await database.migrate(have_no_differences)
        library = documents.Library(database, archives.archive_in(tmp_path), Searches(database, Here()))
        assert [each.id for each in (await library.find(user=LOCAL_USER)).documents] == ["d1"] * bool(number)
        await database.close()


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables, but for those that only counted the steps."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = [name for (name,) in tables if name != "schema_versions"]
    return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
