from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import pytest

from app.database import Database
from app.ingest.documents import Document, Library, NewDocument
from app.searches import Searches
from app.settings import Settings
from app.users import LOCAL_USER
from tests.here import Here
from tests.ingest.archives import archive_in, arrival
from tests.support import RunningApp

pytestmark = pytest.mark.server


def add(settings: Settings, content: bytes, replaces: str | None = None) -> Document:
    """Adds a document as another server on the same data would."""

    async def run() -> Document:
        archive = archive_in(settings.data_dir)
        database = Database(settings.database)
        await archive.open()
        await database.open()
        arrived = arrival(settings.data_dir, content)
        new = NewDocument(
            sha256=hashlib.sha256(content).hexdigest(), title="T", source="https://a.example/", file_name="a.txt",
            kind="text", words=1, bytes=len(content), text=content.decode(),
        )  # fmt: skip
        library = Library(database, archive, Searches(database, Here()))
        document, _ = await library.add(new, arrived, user=LOCAL_USER, replaces=replaces)
        await database.close()
        return document

    return asyncio.run(run())


def test_earlier_versions_can_be_had(run_app: Callable[..., RunningApp], settings: Callable[..., Settings]) -> None:
    running = run_app()
    made = settings()
    document = add(made, b"before")
    add(made, b"after", replaces=document.id)
    path = f"/api/documents/{document.id}"
    assert [each["version"] for each in running.client.get(f"{path}/versions").json()["versions"]] == [2, 1]
    assert running.client.get(path).json()["text"] == "after"
    assert running.client.get(f"{path}/versions/1").json()["text"] == "before"
    assert running.client.get(f"{path}/versions/1/file").content == b"before"
    assert running.client.get(f"{path}/versions/2/file").content == b"after"
    assert running.client.get(f"{path}/versions/3").status_code == 404
    assert running.client.get(f"{path}/versions/3/file").status_code == 404
    assert running.client.get(f"{path}/versions/{10**30}").status_code == 422
    assert running.client.get("/api/documents/none/versions").status_code == 404
