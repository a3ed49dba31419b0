"""`FileStore`: logs as files of JSON lines, for programs on one machine. It needs no server and no extra."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from ..errors import InvalidStore
from ..events import attempt_parts, count_between, last_before, to_utf8
from ..options import check_kind, wrong
from .memory import check_attempt
from .records.format import Append, Head, Row
from .records.mirror import StreamMirrors
from .records.writer import StreamWriter
from .remote.faults import StoreFault, as_fault
from .remote.outgoing import Opened
from .remote.store import RemoteStore

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # as it is there

_LOST: Final = b'{"event":"gap","missed":1}\n'
_ATTEMPT: Final = b'{"event":"attempt",'
_DONE: Final = b'{"event":"done",'


class FileStore(RemoteStore):
    """Logs in a folder: a job is the file ``{job_id}.jsonl``, and its line 7 is the event with the id 7.

    Args:
        folder: where the files are. It is made if it is not there.
        flush_seconds: the least time between two writes (default 0.02).
        options: those of `RemoteStore`, except ``ttl_days``: files stay until somebody deletes them.

    Raises:
        ValueError: an option is invalid, or the folder cannot be written.

    Guarantees: those of `RemoteStore`. What `flush` or the end of a job has waited for outlives the process, also
    ``kill -9``, but not a power failure. One process writes a job: another one that takes the same id leaves the file
    as it is, and logs an error. Any process that uses the folder follows a job by reading its file, and sees a line
    within 0.1 s. It sees ``lost`` when the file's modification time stands still for a lease.

    A job with attempts has two more files: the number of its newest attempt in ``{job_id}.attempt``, which is locked
    (``flock``, so not on Windows) while one writes, and its newest checkpoint in ``{job_id}.checkpoint``.

    A last line without its line break is torn: it is being written, or its process died. Readers leave it out. A file
    that was there before is never written; for one that does not hold events, `find` raises `StoreError`. Not for a
    network folder, where writes and modification times come late.
    """

    def __init__(self, folder: str | os.PathLike[str], *, flush_seconds: float = 0.02, **options: Any) -> None:
        self._folder = Path(check_kind("folder", folder, (str, os.PathLike), "give the path of a folder")).absolute()
        self._place = f"folder {str(self._folder)!r}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self._folder).close()
        except OSError as error:
            raise wrong("folder", folder, f"give the path of a folder that can be written ({error})") from error
        super().__init__(ttl_days=36_500, flush_seconds=flush_seconds, **options)

    def _new_writer(self, **options: Any) -> StreamWriter:
        # By file: size, last id, whether more may come, and the attempt (0: none).
        self._ends: dict[Path, tuple[int, int, bool, int]] = {}
        return StreamWriter(self._place, self, **options)

    def _new_mirrors(self, **options: Any) -> StreamMirrors:
        return StreamMirrors(self._place, lambda: _Reader(self._folder, self._lease), **options)

    def _write_cancel(self, job_id: str) -> None:
        (self._folder / f"{job_id}.cancel").touch()  # deleted at the end of the job

    def _read_cancels(self) -> set[str]:
        return {path.stem for path in self._folder.glob("*.cancel")}

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        """See `records.format.Appender`."""
        return [self._append(append, self._folder / f"{append.job_id}.jsonl") for append in appends]

    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        if fcntl is None:
            raise InvalidStore("FileStore keeps no attempts on Windows, which has no flock: leave attempt out")
        path = self._folder / f"{job_id}.jsonl"
        # In this order: of a job with attempts, that file is there before the log.
        check_attempt(job_id, not path.exists() or path.with_suffix(".attempt").exists(), False, reopen)
        with _epoch(path) as epoch:
            number, exists = max(_number(epoch) + 1, least), path.exists()
            size, last, line = 0, 0, b""
            with path.open("r+b" if exists else "x+b") as file:
                for event_id, text in _numbered(file):
                    last, line, size = event_id, text, size + len(text)
                check_attempt(job_id, True, line.startswith(_DONE), reopen)
                head, tail = attempt_parts(reason)
                event = f"{head}{number}{tail}" if number > 1 else ""
                file.truncate(size)  # a torn line
                if event:
                    file.seek(size)
                    file.write(to_utf8(event) + b"\n")
                end = file.tell() if event else size
            _write_number(epoch, number)
            if line.startswith(_DONE):
                path.with_suffix(".cancel").unlink(missing_ok=True)
            begun = last_before(number, last) + 1 if event else last
            self._ends[path] = end, begun, True, number
            kept = path.with_suffix(".checkpoint")
            return Opened(run, number, last, event, kept.read_text("utf-8") if kept.exists() else None)

    def _append(self, append: Append, path: Path) -> int | StoreFault:
        if not append.epoch:
            return self._append_here(append, path)
        try:
            with _epoch(path) as epoch:
                if _number(epoch) > append.epoch:
                    return StoreFault("conflict", f"attempt {_number(epoch)} of job {append.job_id!r} has begun")
                if _number(epoch) < append.epoch:  # somebody has deleted it
                    _write_number(epoch, append.epoch)
                    self._ends.setdefault(path, (0, 0, True, append.epoch))
                if append.checkpoint is not None:
                    kept = path.with_suffix(".checkpoint")
                    kept.with_suffix(".new").write_bytes(to_utf8(append.checkpoint))
                    kept.with_suffix(".new").replace(kept)
                return self._append_here(append, path)
        except OSError as error:
            return as_fault(error)

    def _append_here(self, append: Append, path: Path) -> int | StoreFault:
        try:
            with path.open("ab" if path in self._ends else "xb") as file:
                size, last, _, _ = self._ends.setdefault(path, (0, 0, True, append.epoch))
                if file.tell() < size:  # somebody has cut or deleted the file: write it again
                    size = last = 0
                file.truncate(size)  # a write that failed may have left a part of itself
                events = append.events if append.after <= last else []
                for event_id, text in events:
                    if event_id > last:
                        file.write(_LOST * count_between(last, event_id - 1) + text + b"\n")
                        last = event_id
                file.flush()
                self._ends[path] = file.tell(), last, not append.left, append.epoch
            if append.status is not None and events:
                del self._ends[path]
                path.with_suffix(".cancel").unlink(missing_ok=True)
        except OSError as error:
            return StoreFault("conflict", str(error)) if isinstance(error, FileExistsError) else as_fault(error)
        return last

    def beat(self, beat: int) -> bool:
        """See `records.format.Appender`. A job's sign of life is its file's modification time."""
        for path, (_, _, is_alive, epoch) in list(self._ends.items()):
            if is_alive and path.exists() and epoch >= _attempt(path):
                os.utime(path)
        return True


@contextlib.contextmanager
def _epoch(path: Path) -> Iterator[IO[bytes]]:
    """The file with the number of a job's newest attempt, locked: whoever holds it writes."""
    with path.with_suffix(".attempt").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _number(epoch: IO[bytes]) -> int:
    epoch.seek(0)
    return int(epoch.read() or 0)


def _write_number(epoch: IO[bytes], number: int) -> None:
    epoch.truncate(0)
    epoch.write(b"%d" % number)
    epoch.flush()


def _attempt(path: Path) -> int:
    """The number of a job's newest attempt; 0 for a job without attempts."""
    try:
        return int(path.with_suffix(".attempt").read_bytes() or 0)
    except FileNotFoundError:
        return 0


def _numbered(file: IO[bytes], last: int = 0) -> Iterator[tuple[int, bytes]]:
    """The whole lines from here on, each with its id; ``last``: the id of the one before."""
    for line in file:
        if not line.endswith(b"\n"):
            return
        if line.startswith(_ATTEMPT):
            last = last_before(json.loads(line)["attempt"], last)
        last += 1
        yield last, line


class _Reader:
    """See `records.format.Reader`. Each job counts as a producer of its own."""

    def __init__(self, folder: Path, lease: float) -> None:
        self._folder = folder
        self._lease = lease
        self._ends: dict[str, tuple[int, int]] = {}  # by job: size and last id, as far as the file is read

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        heads: dict[str, Head | StoreFault] = {}
        for job_id in job_ids:
            path = self._folder / f"{job_id}.jsonl"
            if os.access(path, os.R_OK):
                with path.open("rb") as file:
                    line = file.readline()
                is_ours = not line.endswith(b"\n") or b'"t":' in line or line == _LOST
                not_ours = StoreFault("denied", f"{path} holds no events: move it away")
                heads[job_id] = Head(job_id, self._lease, _attempt(path)) if is_ours else not_ours
        return heads

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        until = time.monotonic() + (seconds or 0.0)
        while not (found := self._new_rows(cursors)) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return found

    def _new_rows(self, cursors: Mapping[str, tuple[int, bool]]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for job_id, (after, _) in cursors.items():
            end, last = self._ends.get(job_id, (0, 0))
            with contextlib.suppress(OSError), (self._folder / f"{job_id}.jsonl").open("rb") as file:
                if last != after or file.seek(0, os.SEEK_END) < end:
                    end = last = 0
                file.seek(end)
                for event_id, line in _numbered(file, last):
                    end, last = end + len(line), event_id
                    if line != _LOST:
                        row = Row(last, line[:-1].decode(), line.startswith(_DONE))
                        found.setdefault(job_id, []).append(row)
            self._ends[job_id] = end, last
        return found

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        paths = [self._folder / f"{job_id}.jsonl" for job_id in producers]
        return [str(path.stat().st_mtime_ns) if path.exists() else None for path in paths]

    async def close(self) -> None: ...
