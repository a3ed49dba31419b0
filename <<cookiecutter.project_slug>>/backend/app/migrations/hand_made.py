"""The steps of versions up to 0.3.0, which had SQLite alone and counted them part by part in `schema_versions`. They
are never edited: with those that it lacks a database of any of these versions becomes what revision 0001 makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

__all__ = ["STEPS", "TOKENIZER", "take_over"]

TOKENIZER = "tokenize=\"ascii tokenchars '.@#+~'\""
"""Of a column of terms with blanks between them: FTS5 makes nothing else of them."""

_Step = Sequence[str]

STEPS: Mapping[str, Sequence[_Step]] = {
    "jobs": (
        (
            """
            CREATE TABLE jobs (
                position INTEGER PRIMARY KEY,
                job_id TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL,
                source TEXT NOT NULL,
                status TEXT NOT NULL,
                created_at TEXT NOT NULL,
                finished_at TEXT,
                result TEXT,
                error TEXT
            )
            """,
            "CREATE INDEX jobs_running ON jobs (status) WHERE status = 'running'",
        ),
        (
            "ALTER TABLE jobs ADD COLUMN user_id TEXT NOT NULL DEFAULT 'local'",
            "CREATE INDEX jobs_of_user ON jobs (user_id, position)",
            "ALTER TABLE jobs ADD COLUMN server TEXT",
        ),
    ),
    "auth": (
        (
            """
            CREATE TABLE auth_users (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL,
                folded TEXT NOT NULL UNIQUE,
                password TEXT NOT NULL,
                created_at TEXT NOT NULL
            )
            """,
            """
            CREATE TABLE auth_sessions (
                id TEXT PRIMARY KEY,
                user_id TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
                current BLOB NOT NULL,
                previous BLOB,
                attempt BLOB,
                expires_at REAL NOT NULL
            )
            """,
            "CREATE INDEX auth_sessions_of_user ON auth_sessions (user_id, expires_at)",
            "CREATE TABLE auth_attempts (position INTEGER PRIMARY KEY, key BLOB NOT NULL, at REAL NOT NULL)",
            "CREATE INDEX auth_attempts_of_key ON auth_attempts (key, at)",
        ),
        (
            "DROP TABLE auth_attempts",
            "CREATE TABLE auth_attempts (key BLOB PRIMARY KEY, level REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
            "CREATE INDEX auth_attempts_by_age ON auth_attempts (at)",
            "DELETE FROM auth_sessions",
        ),
    ),
    "ingest": (
        (
            """
            CREATE TABLE documents (
                position INTEGER PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                sha256 TEXT NOT NULL UNIQUE,
                title TEXT NOT NULL,
                source TEXT NOT NULL,
                file_name TEXT NOT NULL,
                kind TEXT NOT NULL,
                words INTEGER NOT NULL,
                bytes INTEGER NOT NULL,
                created_at TEXT NOT NULL,
                text TEXT NOT NULL
            )
            """,
            """
            CREATE VIRTUAL TABLE documents_index USING fts5 (
                title, text, content='documents', content_rowid='position',
                tokenize="unicode61 remove_diacritics 2"
            )
            """,
            """
            CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
                INSERT INTO documents_index (rowid, title, text) VALUES (new.position, new.title, new.text);
            END
            """,
            """
            CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
                INSERT INTO documents_index (documents_index, rowid, title, text)
                VALUES ('delete', old.position, old.title, old.text);
            END
            """,
        ),
        (
            "DROP TRIGGER documents_added",
            "DROP TRIGGER documents_removed",
            """
            CREATE TABLE documents_of_users (
                position INTEGER PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                user_id TEXT NOT NULL DEFAULT 'local',
                sha256 TEXT NOT NULL,
                title TEXT NOT NULL,
                source TEXT NOT NULL,
                file_name TEXT NOT NULL,
                kind TEXT NOT NULL,
                words INTEGER NOT NULL,
                bytes INTEGER NOT NULL,
                created_at TEXT NOT NULL,
                text TEXT NOT NULL,
                UNIQUE (user_id, sha256)
            )
            """,
            """
            INSERT INTO documents_of_users
                (position, id, sha256, title, source, file_name, kind, words, bytes, created_at, text)
            SELECT position, id, sha256, title, source, file_name, kind, words, bytes, created_at, text FROM documents
            """,
            "DROP TABLE documents",
            "ALTER TABLE documents_of_users RENAME TO documents",
            "CREATE INDEX documents_by_hash ON documents (sha256)",
            "CREATE INDEX documents_by_source ON documents (user_id, source)",
            """
            CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
                INSERT INTO documents_index (rowid, title, text) VALUES (new.position, new.title, new.text);
            END
            """,
            """
            CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
                INSERT INTO documents_index (documents_index, rowid, title, text)
                VALUES ('delete', old.position, old.title, old.text);
            END
            """,
        ),
        ("CREATE INDEX documents_of_user ON documents (user_id, bytes)",),
        (
            """
            CREATE TABLE document_versions (
                position INTEGER PRIMARY KEY,
                document_id TEXT NOT NULL,
                version INTEGER NOT NULL,
                user_id TEXT NOT NULL,
                sha256 TEXT NOT NULL,
                title TEXT NOT NULL,
                source TEXT NOT NULL,
                file_name TEXT NOT NULL,
                kind TEXT NOT NULL,
                words INTEGER NOT NULL,
                bytes INTEGER NOT NULL,
                created_at TEXT NOT NULL,
                text TEXT NOT NULL,
                UNIQUE (document_id, version)
            )
            """,
            "CREATE INDEX document_versions_by_hash ON document_versions (sha256)",
            "CREATE INDEX document_versions_of_user ON document_versions (user_id, bytes)",
            """
            CREATE VIEW all_versions AS
                SELECT id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, text,
                    1 + (SELECT count(*) FROM document_versions WHERE document_id = id) AS version
                FROM documents
                UNION ALL
                SELECT document_id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, text,
                    version
                FROM document_versions
            """,
        ),
        (
            """
            CREATE TABLE validators (
                position INTEGER PRIMARY KEY,
                user_id TEXT NOT NULL,
                source TEXT NOT NULL,
                scope TEXT NOT NULL,
                url TEXT NOT NULL,
                etag TEXT,
                last_modified TEXT,
                UNIQUE (user_id, source, scope)
            )
            """,
        ),
        (
            "DROP TRIGGER documents_added",
            "DROP TRIGGER documents_removed",
            "DROP TABLE documents_index",
            f"CREATE VIRTUAL TABLE documents_index USING fts5 (title, text, content='', prefix=1, {TOKENIZER})",
            """
            CREATE TABLE document_terms (
                position INTEGER PRIMARY KEY REFERENCES documents,
                title TEXT NOT NULL,
                text BLOB NOT NULL
            )
            """,
            "CREATE TABLE documents_to_index (position INTEGER PRIMARY KEY REFERENCES documents ON DELETE CASCADE)",
            "INSERT INTO documents_to_index SELECT position FROM documents",
        ),
        (
            f"CREATE VIRTUAL TABLE titles_index USING fts5 (title, content='', prefix=1, {TOKENIZER})",
            "INSERT INTO titles_index (rowid, title) SELECT position, title FROM document_terms",
        ),
    ),
    "generation": (
        (
            """
            CREATE TABLE runs (
                position INTEGER PRIMARY KEY,
                job_id TEXT NOT NULL UNIQUE,
                user_id TEXT NOT NULL DEFAULT 'local',
                prompt TEXT NOT NULL,
                provider TEXT NOT NULL,
                length TEXT NOT NULL,
                text TEXT NOT NULL,
                output TEXT,
                metadata TEXT
            )
            """,
            "CREATE INDEX runs_of_user ON runs (user_id, position)",
        ),
    ),
    "agents": (
        (
            """
            CREATE TABLE agent_runs (
                position INTEGER PRIMARY KEY,
                run_id TEXT NOT NULL UNIQUE,
                started_at TEXT NOT NULL
            )
            """,
            """
            CREATE TABLE agent_findings (
                position INTEGER PRIMARY KEY,
                document_id TEXT NOT NULL,
                agent_name TEXT NOT NULL,
                user_id TEXT NOT NULL,
                title TEXT NOT NULL,
                status TEXT NOT NULL,
                found TEXT NOT NULL,
                finished_at TEXT NOT NULL,
                UNIQUE (document_id, agent_name)
            )
            """,
            "CREATE INDEX agent_findings_of_user ON agent_findings (user_id, position)",
            'CREATE VIRTUAL TABLE agent_index USING fts5 (text, tokenize="unicode61 remove_diacritics 2")',
            """
            CREATE TRIGGER agent_findings_removed AFTER DELETE ON agent_findings WHEN old.agent_name = 'indexer' BEGIN
                DELETE FROM agent_index WHERE rowid = old.position;
            END
            """,
        ),
        ("ALTER TABLE agent_findings ADD COLUMN version INTEGER NOT NULL DEFAULT 1",),
        (
            "DELETE FROM agent_findings WHERE agent_name = 'indexer'",
            "DROP TABLE agent_index",
            f"CREATE VIRTUAL TABLE agent_index USING fts5 (text, {TOKENIZER})",
        ),
    ),
    "dashboard": (("CREATE INDEX jobs_by_status ON jobs (user_id, status, finished_at)",),),
}


def take_over(connection: Connection) -> None:
    """Takes the steps that a database of an earlier version lacks. From then on Alembic counts."""
    for part, steps in STEPS.items():
        taken = connection.exec_driver_sql("SELECT version FROM schema_versions WHERE part = ?", (part,)).scalar() or 0
        for step in steps[taken:]:
            for statement in step:
                connection.exec_driver_sql(statement)
    connection.exec_driver_sql("DROP VIEW all_versions")
    connection.exec_driver_sql("DROP TABLE schema_versions")
