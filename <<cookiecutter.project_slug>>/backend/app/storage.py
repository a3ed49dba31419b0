"""The files that the app keeps, by their keys: in a folder, or in a bucket of S3, which all machines reach."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import anyio

from app.settings import SettingsError

__all__ = ["S3", "Folder", "Storage", "StorageError", "WorkFolder", "check_storage", "disk", "open_storage", "pieces"]

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_MAX_KEY = 500
_PIECE = 256 * 1024
_PART = 5 * 1024 * 1024
"""The bytes that are sent to S3, or asked of it, at a time: the smallest part that it takes."""
_PARTS_AT_ONCE = 2
_ABANDONED = timedelta(days=1)
"""What is older was left behind by a server that was killed."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(Exception):
    """A file can be neither kept nor read now. Its text is the operator's: what happened, where, and the fix.

    Arguments:
        reason: the same in the user's words, as in `the disk is full`.
        detail: what else the operator has to know.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason

    @classmethod
    def from_os(cls, error: OSError, folder: Path) -> StorageError:
        """What an error of this machine's disk means."""
        if error.errno in _FULL:
            return cls("the disk is full", f"{folder} cannot be written ({error.strerror}): make room there")
        return cls(
            "the disk cannot be used", f"{folder}: {error.strerror or error}; check the disk and its permissions"
        )


class Storage(Protocol):
    """Where files are kept. A key is made of names of letters, digits, `.`, `_` and `-`, joined by `/`.

    Every method raises `ValueError` for any other key, and `StorageError` where the storage cannot do its work.
    """

    async def put(self, key: str, content: AsyncIterable[bytes]) -> None:
        """Keeps a file, in place of what was there. A few MB of it are in memory at a time. What `content` raises is
        raised.

        Guarantee: the key has the whole file or what it had before, also when this raises, is cancelled or the machine
        loses power; once it has returned, the file is there for good.
        """

    def get(self, key: str) -> AsyncIterator[bytes]:
        """The content of a file piece by piece, at the pace of its reader.

        Raises:
            FileNotFoundError: there is none.
        """

    async def size(self, key: str) -> int | None:
        """The bytes of a file; None where there is none."""

    async def delete(self, key: str) -> None:
        """Removes a file; fine where there is none."""

    async def move(self, key: str, to: str) -> bool:
        """Gives a file another key; gives whether there was one."""

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A file at a path of this machine, to be read while the context lasts.

        Raises:
            FileNotFoundError: there is none.
        """

    async def sweep(self, prefix: str, age: timedelta) -> None:
        """Removes the files right below a prefix that were put longer than `age` ago."""


class WorkFolder:
    """A folder for files that something on this machine works on.

    Arguments:
        root: made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def new(self) -> Iterator[Path]:
        """A fresh folder, removed afterwards with all that is in it.

        Raises:
            StorageError: it cannot be made.
        """
        with disk(self._root):
            _make_folder(self._root)
            made = Path(tempfile.mkdtemp(dir=self._root))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what a killed server has left a day ago; blocks."""
        for path in _older(self._root, _ABANDONED):
            shutil.rmtree(path, ignore_errors=True)


class Folder:
    """A storage on the disk of this machine. Files are 0600, folders 0700.

    Our own, and not obstore's `LocalStore`: that does not fsync, and leaves the modes to the umask.

    Arguments:
        root: made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # No key begins with a dot. On the same file system, so that a file gets its place in one step.
        self._arriving = root / ".arriving"

    async def put(self, key: str, content: AsyncIterable[bytes]) -> None:
        target, arriving = self._path(key), self._arriving / secrets.token_hex(16)
        with disk(self._root):
            _make_folder(self._arriving)
            # To the page cache, a piece at a time: no thread is worth it.
            file = os.fdopen(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        try:
            with file:
                async for piece in content:
                    with disk(self._root):
                        left = memoryview(piece)
                        while left:
                            left = left[file.write(left) :]
            with disk(self._root):
                await asyncio.to_thread(_flush, arriving)
                await asyncio.to_thread(_make_folder, target.parent)
                arriving.replace(target)
                await asyncio.to_thread(_flush, target.parent)
        finally:
            arriving.unlink(missing_ok=True)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        with disk(self._root):
            async with await anyio.open_file(self._path(key), "rb") as file:
                while piece := await file.read(_PIECE):
                    yield piece

    async def size(self, key: str) -> int | None:
        path = self._path(key)
        with disk(self._root):
            return path.stat().st_size if path.exists() else None

    async def delete(self, key: str) -> None:
        with disk(self._root):
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def move(self, key: str, to: str) -> bool:
        path, target = self._path(key), self._path(to)
        with disk(self._root):
            await asyncio.to_thread(_make_folder, target.parent)
            try:
                path.replace(target)
            except FileNotFoundError:
                return False
            await asyncio.to_thread(_flush, target.parent)
            return True

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        yield path

    async def sweep(self, prefix: str, age: timedelta) -> None:
        def remove() -> None:
            for path in (*_older(self._path(prefix), age), *_older(self._arriving, _ABANDONED)):
                path.unlink(missing_ok=True)

        with disk(self._root):
            await asyncio.to_thread(remove)

    def _path(self, key: str) -> Path:
        return self._root / _checked(key)


class S3:
    """A storage in a bucket of S3, or of another server that speaks its protocol. Needs `obstore`.

    It takes keys, region and endpoint from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL_S3 ...) or from the machine's role.

    Arguments:
        url: `s3://bucket/prefix`.
        work: where files are while something on this machine works on them.
    """

    def __init__(self, url: str, work: WorkFolder) -> None:
        from obstore.store import S3Store

        self._url = url
        self._work = work
        # Each request is for 5 MB at most, so that a minute is long. An endpoint without TLS is the operator's choice.
        self._store = S3Store.from_url(
            url,
            client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "60s"},
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
        )

    async def put(self, key: str, content: AsyncIterable[bytes]) -> None:
        key, raised = _checked(key), list[BaseException]()

        async def parts() -> AsyncIterator[bytes]:
            part = bytearray()
            try:
                async for piece in content:
                    part += piece
                    while len(part) >= _PART:
                        yield bytes(part[:_PART])
                        del part[:_PART]
            except BaseException as error:
                raised.append(error)
                raise
            yield bytes(part)

        async def after(first: bytes) -> AsyncIterator[bytes]:
            yield first
            async for part in rest:
                yield part

        rest = parts()
        first = await anext(rest)
        data = first if len(first) < _PART else after(first)  # the one in one request, the other in parts
        try:
            with self._errors():
                await self._store.put_async(key, data, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        except FileNotFoundError:
            if raised:
                raise raised[0] from None
            bucket = urlsplit(self._url).netloc
            detail = f"there is no bucket {bucket!r}: make it, or name another in STORAGE_URL, which is {self._url}"
            raise StorageError("the storage is not there", detail) from None

    async def get(self, key: str) -> AsyncIterator[bytes]:
        # Not in one request: a slow reader would keep it open for longer than any bound on it.
        size = await self.size(key)
        if size is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        for start in range(0, size, _PART):
            with self._errors():
                piece = await self._store.get_range_async(key, start=start, end=min(start + _PART, size))
            yield bytes(piece)

    async def size(self, key: str) -> int | None:
        key = _checked(key)
        try:
            with self._errors():
                return int((await self._store.head_async(key))["size"])
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        key = _checked(key)
        with self._errors():
            await self._store.delete_async(key)

    async def move(self, key: str, to: str) -> bool:
        key, to = _checked(key), _checked(to)
        try:
            with self._errors():
                await self._store.rename_async(key, to)
        except FileNotFoundError:
            return False
        return True

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        with self._work.new() as folder:
            path = folder / "file"
            with path.open("wb") as file:
                async for piece in self.get(key):
                    with disk(folder):
                        file.write(piece)
                        file.flush()
            yield path

    async def sweep(self, prefix: str, age: timedelta) -> None:
        before = datetime.now(timezone.utc) - age
        with self._errors():
            async for found in self._store.list(prefix=_checked(prefix)):
                await self._store.delete_async([each["path"] for each in found if each["last_modified"] < before])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            rights = "allow its keys s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket"
            raise StorageError("the storage refuses this server", f"{self._url}: {rights} ({_short(error)})") from error
        except BaseError as error:
            fix = "check STORAGE_URL, AWS_ENDPOINT_URL_S3, AWS_REGION and the network"
            raise StorageError("the storage cannot be reached", f"{self._url}: {fix} ({_short(error)})") from error


def open_storage(url: str | None, folder: Path, work: WorkFolder) -> Storage:
    """The storage that STORAGE_URL names, or a folder. Nothing is made or connected to yet.

    Raises:
        SettingsError: `obstore` is not installed, or refuses what the environment says of S3.
    """
    if url is None:
        return Folder(folder)
    try:
        return S3(url, work)
    except ImportError:
        fix = "install the package obstore (the extra `s3` of the backend)"
    except Exception as error:
        fix = f"check it and the AWS_ variables ({_short(error)})"
    raise SettingsError(f"STORAGE_URL={url!r} cannot be used: {fix}.")


async def check_storage(storage: Storage) -> str | None:
    """Why a storage cannot be used, from a file that is put there and deleted again; None where it can."""
    key = f"incoming/check-{secrets.token_hex(8)}"

    async def content() -> AsyncIterator[bytes]:
        yield b"Put by a server that starts, to see whether it can."

    try:
        await storage.put(key, content())
        await storage.delete(key)
    except StorageError as error:
        return str(error)
    return None


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """The content of a file of this machine, piece by piece."""
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(_PIECE):
            yield piece


def _checked(key: str) -> str:
    if len(key) > _MAX_KEY or not _KEY.fullmatch(key):
        raise ValueError(
            f"{key[:80]!r} is no key: names of letters, digits, `.`, `_` and `-`, joined by `/`, are needed"
        )
    return key


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Within it an error of this machine's disk is a `StorageError`."""
    try:
        yield
    except (FileNotFoundError, TimeoutError):
        raise
    except OSError as error:
        raise StorageError.from_os(error, folder) from error


def _make_folder(folder: Path) -> None:
    """Makes a folder, and those that it is in, each so that the disk has it."""
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)  # another server may make it at the same time
            _flush(each.parent)


def _flush(path: Path) -> None:
    """Has the disk write a file, or what is in a folder; blocks until it has, for seconds where it is busy."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _older(folder: Path, age: timedelta) -> Iterator[Path]:
    before = time.time() - age.total_seconds()
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            is_old = path.stat().st_mtime < before
        except FileNotFoundError:  # another server clears up at the same time
            continue
        if is_old:
            yield path


def _short(error: Exception) -> str:
    """The first paragraph of an error: what follows in obstore's is for those who debug it."""
    return " ".join(str(error).partition("\n\n")[0].split())[:500]
