"""`FileStore`: logs as files of JSON lines, for programs on one machine. It needs no server and no extra."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from ..options import check_kind, wrong
from .records.format import Append, Head, Row
from .records.mirror import StreamMirrors
from .records.writer import StreamWriter
from .remote.faults import StoreFault, as_fault
from .remote.store import RemoteStore

_LOST: Final = b'{"event":"gap","missed":1}\n'


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
        self._ends: dict[Path, tuple[int, int, bool]] = {}  # by file: size, last id, whether more may come
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

    def _append(self, append: Append, path: Path) -> int | StoreFault:
        try:
            with path.open("ab" if path in self._ends else "xb") as file:
                size, last, _ = self._ends.setdefault(path, (0, 0, True))
                if file.tell() < size:  # somebody has cut or deleted the file: write it again
                    size = last = 0
                file.truncate(size)  # a write that failed may have left a part of itself
                events = append.events if append.after <= last else []
                for event_id, text in events:
                    if event_id > last:
                        file.write(_LOST * (event_id - last - 1) + text + b"\n")
                        last = event_id
                file.flush()
                self._ends[path] = file.tell(), last, not append.left
            if append.status is not None and events:
                del self._ends[path]
                path.with_suffix(".cancel").unlink(missing_ok=True)
        except OSError as error:
            return StoreFault("conflict", str(error)) if isinstance(error, FileExistsError) else as_fault(error)
        return last

    def beat(self, beat: int) -> bool:
        """See `records.format.Appender`. A job's sign of life is its file's modification time."""
        for path, (_, _, is_alive) in self._ends.items():
            if is_alive and path.exists():
                os.utime(path)
        return True


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
                heads[job_id] = Head(job_id, self._lease) if is_ours else not_ours
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
                for line in file:
                    if line.endswith(b"\n"):
                        end, last = end + len(line), last + 1
                        if line != _LOST:
                            row = Row(last, line[:-1].decode(), line.startswith(b'{"event":"done",'))
                            found.setdefault(job_id, []).append(row)
            self._ends[job_id] = end, last
        return found

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        paths = [self._folder / f"{job_id}.jsonl" for job_id in producers]
        return [str(path.stat().st_mtime_ns) if path.exists() else None for path in paths]

    async def close(self) -> None: ...
