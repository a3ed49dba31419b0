"""Ingest with its files in S3, and with a storage that cannot take them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.ingest.archive import Archive
from app.ingest.documents import Library
from app.settings import Settings
from app.storage import StorageError
from app.users import LOCAL_USER
from tests.ingest.archives import arrival
from tests.ingest.test_documents import CONTENT, NEW, Shelf, shelf
from tests.s3 import Bucket, bucket, disk_of, own_bucket, s3_server
from tests.support import RunningApp, Web, eventually

__all__ = ["bucket", "own_bucket", "s3_server", "shelf"]  # fixtures

RunApp = Callable[..., RunningApp]
AWAY = "can be neither kept nor read"


def files_of(settings: Settings) -> list[str]:
    """What documents have left on this machine."""
    folders = settings.data_dir / "archive", settings.data_dir / "work"
    return [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.mark.server
def test_documents_are_in_the_bucket_and_nothing_is_left_elsewhere(
    run_app: RunApp, settings: Callable[..., Settings], bucket: Bucket, web: Web
) -> None:
    running = run_app(storage_url=bucket.url, ingest_allow_private_urls=True)
    assert running.client.get("/readyz").status_code == 200
    uploaded = running.result(running.ingest(b"# Title\n\nSome words.", "a.md"))
    url = web.put("/page.txt", b"Other words.", content_type="text/plain")
    fetched = running.result(running.client.post("/api/ingest", json={"url": url}).json()["job_id"])
    for document, content in ((uploaded, b"# Title\n\nSome words."), (fetched, b"Other words.")):
        answer = running.client.get(f"/api/documents/{document['id']}/file")
        assert (answer.content, answer.headers["content-length"]) == (content, str(len(content)))
    eventually(lambda: not [key for key in bucket.keys if "/incoming/" in key])
    assert len(bucket.keys) == 2
    assert all(key.startswith("some/prefix/") and len(key.rpartition("/")[2]) == 64 for key in bucket.keys)
    assert files_of(settings()) == []
    assert running.client.delete(f"/api/documents/{uploaded['id']}").status_code == 204
    assert len(bucket.keys) == 1


@pytest.mark.server
def test_a_storage_that_is_away_is_a_503_for_who_waits_and_fails_the_job_that_needs_it(
    run_app: RunApp, settings: Callable[..., Settings], own_bucket: Bucket, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    running = run_app(storage_url=own_bucket.url, ingest_allow_private_urls=True)
    document = running.result(running.ingest(b"Some words.", "a.txt"))

    def page(socket: Any) -> None:
        own_bucket.go_away()
        socket.write(b"Other words, of an address.")

    job_id = running.client.post("/api/ingest", json={"url": web.put("/a", page, content_type="text/plain")}).json()[
        "job_id"
    ]
    assert running.events(job_id)[-1]["status"] == "failed"
    job = running.client.get(f"/api/jobs/{job_id}").json()
    assert job["error"] == f"Its files {AWAY} (the storage cannot be reached): try again later."
    for answer in (
        running.client.post("/api/ingest", files={"file": ("b.txt", b"More words.")}),
        running.client.get(f"/api/documents/{document['id']}/file"),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json() == {"error": f"files {AWAY} now (the storage cannot be reached): try again later"}
    assert f"the storage cannot be reached: {own_bucket.url}: check STORAGE_URL" in caplog.text
    ready = running.client.get("/readyz")
    assert (ready.status_code, "the storage cannot be reached" in ready.json()["error"]) == (503, True)
    assert running.client.get(f"/api/documents/{document['id']}").json()["text"] == "Some words."
    assert [each["id"] for each in running.client.get("/api/documents").json()["documents"]] == [document["id"]]
    assert files_of(settings()) == []


@pytest.mark.server
def test_a_bucket_that_is_not_there_is_said_at_the_start(
    run_app: RunApp, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        running = run_app(storage_url="s3://not-there")
        eventually(lambda: "there is no bucket 'not-there'" in caplog.text)
    answer = running.client.post("/api/ingest", files={"file": ("b.txt", b"More words.")})
    assert (answer.status_code, "the storage is not there" in answer.json()["error"]) == (503, True)


@pytest.mark.parametrize("size", [600_000, 3_000_000])  # in memory while it comes, or in a file
def test_an_upload_that_the_disk_has_no_room_for_is_a_503_and_leaves_nothing(
    run_app: RunApp, settings: Callable[..., Settings], size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = run_app()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with disk_of(500_000):
        answer = running.client.post("/api/ingest", files={"file": ("a.txt", b"some words " * (size // 11))})
    assert (answer.status_code, answer.json()) == (
        503, {"error": f"files {AWAY} now (the disk is full): try again later"},
    )  # fmt: skip
    assert running.client.get("/api/jobs").json() == {"jobs": []}
    assert files_of(settings()) == []


def test_a_document_that_the_disk_has_no_room_for_fails_its_job_with_the_reason(
    run_app: RunApp, settings: Callable[..., Settings], web: Web
) -> None:
    running = run_app(ingest_allow_private_urls=True)
    url = web.put("/a", b"some words " * 100_000, content_type="text/plain")
    with disk_of(500_000):
        job_id = running.client.post("/api/ingest", json={"url": url}).json()["job_id"]
        assert running.events(job_id)[-1]["status"] == "failed"
    job = running.client.get(f"/api/jobs/{job_id}").json()
    assert job["error"] == f"Its files {AWAY} (the disk is full): try again later."
    eventually(lambda: files_of(settings()) == [])


# One adds what another removes at the same time


@pytest.mark.anyio
@pytest.mark.parametrize("added_before", ["the first look", "the second look"])
async def test_an_original_that_gets_a_document_while_it_is_removed_is_there(shelf: Shelf, added_before: str) -> None:
    await shelf.archive.keep(NEW.sha256, arrival(shelf.directory, CONTENT))
    looks = 0

    async def is_known() -> bool:
        nonlocal looks
        looks += 1
        seen = (await shelf.library.find(user=LOCAL_USER)).total > 0
        if looks == (1 if added_before == "the second look" else 0):
            await shelf.library.add(NEW, arrival(shelf.directory, CONTENT), user=LOCAL_USER)
        return seen

    if added_before == "the first look":
        await shelf.library.add(NEW, arrival(shelf.directory, CONTENT), user=LOCAL_USER)
    await shelf.archive.remove(NEW.sha256, is_known)
    assert shelf.kept


@pytest.mark.anyio
async def test_an_original_that_is_removed_while_it_gets_a_document_is_there(shelf: Shelf) -> None:
    def removed() -> None:
        (shelf.directory / "archive" / shelf.archive.key(NEW.sha256)).unlink()

    await shelf.library.add(NEW, arrival(shelf.directory, CONTENT), user=LOCAL_USER, archived=removed)
    assert shelf.kept


@pytest.mark.anyio
async def test_a_document_goes_though_its_original_cannot(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(self: Archive, *_: object) -> None:
        raise StorageError("away", "for a while")

    document, _ = await shelf.library.add(NEW, arrival(shelf.directory, CONTENT), user=LOCAL_USER)
    monkeypatch.setattr(Archive, "remove", away)
    library: Library = shelf.library
    assert await library.remove(document.id, user=LOCAL_USER)
    assert (await library.find(user=LOCAL_USER)).total == 0
