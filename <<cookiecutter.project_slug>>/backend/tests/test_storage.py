"""Where files are kept: one contract for the folder and S3, and what each does when it cannot."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.settings import SettingsError, load_settings
from app.storage import S3, Folder, Storage, StorageError, WorkFolder, check_storage, open_storage, pieces
from tests.s3 import Bucket, bucket, disk_of, own_bucket, s3_server

__all__ = ["bucket", "own_bucket", "s3_server"]  # fixtures

pytestmark = pytest.mark.anyio

MB = 1_000_000


async def content(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error is not None:
        raise error


def found(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


async def read(storage: Storage, key: str) -> bytes:
    return b"".join([piece async for piece in storage.get(key)])


class StorageContract:
    """What every storage does."""

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    @pytest.mark.parametrize("size", [0, 1, 300_000, 5 * 1024 * 1024, 12 * MB])
    async def test_what_was_put_comes_back(self, storage: Storage, size: int) -> None:
        data = os.urandom(size)
        await storage.put("ab/some-File_1.txt", content(*(data[at : at + 99_999] for at in range(0, size, 99_999))))
        assert await read(storage, "ab/some-File_1.txt") == data
        assert await storage.size("ab/some-File_1.txt") == size
        async with storage.local("ab/some-File_1.txt") as path:
            assert path.read_bytes() == data

    async def test_what_is_put_again_is_in_place_of_what_was_there(self, storage: Storage) -> None:
        await storage.put("x", content(b"before, and longer"))
        await storage.put("x", content(b"after"))
        assert (await read(storage, "x"), await storage.size("x")) == (b"after", 5)

    async def test_what_is_not_there_is_told(self, storage: Storage) -> None:
        assert await storage.size("a/none") is None
        with pytest.raises(FileNotFoundError):
            await read(storage, "a/none")
        with pytest.raises(FileNotFoundError):
            async with storage.local("a/none"):
                pass
        await storage.delete("a/none")
        assert not await storage.move("a/none", "b/none")

    async def test_what_is_deleted_is_gone(self, storage: Storage) -> None:
        await storage.put("a/x", content(b"x"))
        await storage.delete("a/x")
        assert await storage.size("a/x") is None

    async def test_a_file_moves_in_place_of_what_was_there(self, storage: Storage) -> None:
        await storage.put("a/x", content(b"x"))
        await storage.put("b/y", content(b"y"))
        assert await storage.move("a/x", "b/y")
        assert (await storage.size("a/x"), await read(storage, "b/y")) == (None, b"x")

    @pytest.mark.parametrize("size", [10, 12 * MB])
    async def test_a_put_whose_content_breaks_off_leaves_what_was_there(self, storage: Storage, size: int) -> None:
        await storage.put("a/x", content(b"before"))
        for error in (RuntimeError("broken off"), FileNotFoundError("of the content"), OSError("of the content")):
            with pytest.raises(type(error), match=str(error)):
                await storage.put("a/x", content(b"x" * size, error=error))
            with pytest.raises(type(error), match=str(error)):
                await storage.put("a/y", content(b"x" * size, error=error))
        assert await read(storage, "a/x") == b"before"
        assert await storage.size("a/y") is None

    async def test_a_put_that_is_cancelled_leaves_what_was_there(self, storage: Storage) -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 12 * MB
            begun.set()
            await asyncio.Event().wait()

        await storage.put("a/x", content(b"before"))
        putting = asyncio.create_task(storage.put("a/x", endless()))
        await asyncio.wait_for(begun.wait(), 10)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert await read(storage, "a/x") == b"before"

    async def test_nothing_is_whole_in_memory(self, storage: Storage) -> None:
        size = 96 * MB

        async def large() -> AsyncIterator[bytes]:
            for _ in range(size // MB):
                yield os.urandom(MB)

        tracemalloc.start()
        try:
            await storage.put("large", large())
            taken = 0
            async for piece in storage.get("large"):
                taken += len(piece)
            async with storage.local("large") as path:
                assert path.stat().st_size == taken == size
            assert tracemalloc.get_traced_memory()[1] < size / 2
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/proc/x",  # where even a key that is let through changes nothing
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            ".hidden",
            "a/.hidden",
            "a\\b",
            "a\0",
            "é",
            "a\n",
            "x" * 501,
        ],
    )
    async def test_only_a_key_is_a_key(self, storage: Storage, key: str) -> None:
        for use in (
            lambda: storage.put(key, content(b"x")),
            lambda: storage.size(key),
            lambda: storage.delete(key),
            lambda: storage.move(key, "x"),
            lambda: read(storage, key),
        ):
            with pytest.raises(ValueError, match="is no key"):
                await use()
        await storage.put("x", content(b"x"))
        with pytest.raises(ValueError, match="is no key"):
            await storage.move("x", key)
        with pytest.raises(ValueError, match="is no key"):
            async with storage.local(key):
                pass

    async def test_what_is_older_is_swept_away(self, storage: Storage) -> None:
        await storage.put("incoming/x", content(b"x"))
        await storage.put("ab/x", content(b"x"))
        await storage.sweep("incoming", timedelta(hours=1))
        assert await storage.size("incoming/x") == 1
        await storage.sweep("incoming", timedelta(hours=-1))
        assert (await storage.size("incoming/x"), await storage.size("ab/x")) == (None, 1)

    async def test_it_can_be_used(self, storage: Storage) -> None:
        assert await check_storage(storage) is None


class TestFolder(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return Folder(tmp_path / "not" / "there" / "yet")

    async def test_it_is_its_users_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            await Folder(tmp_path / "files").put("ab/cd/x", content(b"x"))
        finally:
            os.umask(before)
        assert {stat.S_IMODE(path.stat().st_mode) for path in found(tmp_path) if path.is_dir()} == {0o700}
        assert {stat.S_IMODE(path.stat().st_mode) for path in found(tmp_path) if path.is_file()} == {0o600}

    async def test_the_disk_has_a_file_and_its_name_before_put_returns(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed, fsync = list[Path](), os.fsync

        def noted(file: int) -> None:
            flushed.append(Path(f"/proc/self/fd/{file}").readlink())
            fsync(file)

        monkeypatch.setattr(os, "fsync", noted)
        root = tmp_path / "files"
        await Folder(root).put("ab/x", content(b"x"))
        folders = [tmp_path, root, root, root / "ab"]
        assert [path for path in flushed if path.is_dir()] == folders
        assert [path.parent.name for path in flushed if path not in folders] == [".arriving"]

    async def test_a_full_disk_is_named_and_leaves_what_was_there(self, tmp_path: Path) -> None:
        storage = Folder(tmp_path)
        await storage.put("x", content(b"before"))
        with disk_of(MB), pytest.raises(StorageError) as refused:
            await storage.put("x", content(b"x" * 2 * MB))
        assert str(refused.value) == f"the disk is full: {tmp_path} cannot be written (File too large): make room there"
        assert await read(storage, "x") == b"before"
        assert list((tmp_path / ".arriving").iterdir()) == []

    async def test_a_folder_that_is_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "files").write_bytes(b"")
        with pytest.raises(StorageError, match=r"the disk cannot be used: .*/files: "):
            await Folder(tmp_path / "files").put("x", content(b"x"))


@pytest.mark.server
class TestS3(StorageContract):
    @pytest.fixture
    def storage(self, bucket: Bucket, tmp_path: Path) -> Storage:
        return S3(bucket.url, WorkFolder(tmp_path / "work"))

    async def test_all_of_it_is_below_the_prefix_and_nothing_on_this_machine(
        self, storage: Storage, bucket: Bucket, tmp_path: Path
    ) -> None:
        await storage.put("ab/x", content(b"x"))
        async with storage.local("ab/x") as path:
            assert path.read_bytes() == b"x"
        assert bucket.keys == ["some/prefix/ab/x"]
        assert [each for each in found(tmp_path) if each.is_file()] == []

    async def test_what_broke_off_leaves_no_parts_that_cost(self, storage: Storage, bucket: Bucket) -> None:
        with pytest.raises(RuntimeError):
            await storage.put("x", content(b"x" * 12 * MB, error=RuntimeError("broken off")))
        assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)

    async def test_a_bucket_that_is_not_there_is_named(self, bucket: Bucket, tmp_path: Path) -> None:
        storage = S3("s3://not-there/x", WorkFolder(tmp_path))
        with pytest.raises(StorageError) as refused:
            await storage.put("x", content(b"x"))
        assert str(refused.value) == (
            "the storage is not there: there is no bucket 'not-there': make it, or name another in STORAGE_URL, which "
            "is s3://not-there/x"
        )
        assert await check_storage(storage) == str(refused.value)

    async def test_a_bucket_without_rights_is_named(self, own_bucket: Bucket, tmp_path: Path) -> None:
        own_bucket.ask_who_it_is()
        storage = S3(own_bucket.url, WorkFolder(tmp_path))
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: storage.put("x", content(b"x")),
            lambda: storage.size("x"),
            lambda: storage.delete("x"),
        ]
        for use in uses:
            with pytest.raises(StorageError) as refused:
                await use()
            assert str(refused.value).startswith(
                f"the storage refuses this server: {own_bucket.url}: allow its keys s3:GetObject, s3:PutObject, "
            )

    async def test_one_that_goes_away_in_mid_put_is_named(self, own_bucket: Bucket, tmp_path: Path) -> None:
        async def cut_off() -> AsyncIterator[bytes]:
            yield b"x" * 12 * MB
            own_bucket.go_away()
            yield b"x" * 12 * MB

        with pytest.raises(StorageError) as refused:
            await S3(own_bucket.url, WorkFolder(tmp_path)).put("x", cut_off())
        assert str(refused.value).startswith(
            f"the storage cannot be reached: {own_bucket.url}: check STORAGE_URL, AWS_ENDPOINT_URL_S3, AWS_REGION and "
        )
        assert "Debug source" not in str(refused.value)


def test_a_folder_is_the_default(tmp_path: Path) -> None:
    assert isinstance(open_storage(None, tmp_path, WorkFolder(tmp_path)), Folder)


def test_s3_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(SettingsError) as refused:
        open_storage("s3://bucket", tmp_path, WorkFolder(tmp_path))
    assert str(refused.value) == (
        "STORAGE_URL='s3://bucket' cannot be used: install the package obstore (the extra `s3` of the backend)."
    )


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket/x",
        "s3:bucket",
        "s3://",
        "s3://Bucket",
        "s3://b",
        "s3://bucket/a b",
        "s3://bucket/../x?y",
        "/folder",
    ],
)
def test_another_address_is_named_with_what_would_do(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(_env_file=None, storage_url=url)
    assert str(refused.value) == (
        f"STORAGE_URL={url!r} cannot be used: set a bucket as in s3://bucket/prefix, or leave it unset for the folder "
        "DATA_DIR."
    )


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(_env_file=None, storage_url="s3://key:hidden@bucket")
    assert "hidden" not in str(refused.value)


async def test_a_work_folder_is_gone_with_what_is_in_it(tmp_path: Path) -> None:
    with WorkFolder(tmp_path / "work").new() as folder:
        (folder / "x").write_bytes(b"xy")
        assert [piece async for piece in pieces(folder / "x")] == [b"xy"]
    assert list((tmp_path / "work").iterdir()) == []
