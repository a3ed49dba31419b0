"""Reads documents and channels, each in a process of its own, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.ingest.channel import Channel
from app.ingest.extract import Log
from app.ingest.identify import Kind
from app.jobs import JobError
from app.wording import count, duration

__all__ = ["ExtractedFile", "Extractor"]

_BACKEND = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "app.ingest.extract_process")
# A document has no business with the server's credentials, should a parser be talked into looking.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")
_MAX_LINE = 256 * 1024
_MEMORY_BYTES = 2_000_000_000


@dataclass(frozen=True)
class ExtractedFile:
    """What was in a document; its text is in the file that the caller named."""

    title: str
    words: int
    characters: int


class Extractor:
    """Extracts documents apart from the server, which stays responsive whatever is in them.

    Guarantee: when `extract` returns, raises or is cancelled, its process is gone.

    Arguments:
        processes: how many run at once (default: one for each core, 2 to 4); the others wait.
        timeout: how long one document may take, in seconds.
        command: what to run in place of this package's own extraction; for tests.
    """

    def __init__(
        self, *, processes: int | None = None, timeout: float = 120.0, command: Sequence[str] = _COMMAND
    ) -> None:
        self._processes = processes or min(4, max(2, os.cpu_count() or 2))
        self._timeout = timeout
        self._command = command
        self._slots = asyncio.Semaphore(self._processes)

    async def extract(
        self, path: Path, kind: Kind, *, name: str, charset: str | None, text_path: Path, log: Log
    ) -> ExtractedFile:
        """Extracts a document into `text_path`, and calls `log` with each line of progress as it comes. The terms of
        its text, packed, are in a file beside that, with the suffix `.terms`.

        Raises:
            JobError: the document cannot be read, takes too long, or took the process down.
        """
        message = await self._run(
            {"path": str(path), "kind": kind, "name": name, "charset": charset, "text_path": str(text_path)}, log
        )
        return ExtractedFile(message["title"], message["words"], message["characters"])

    async def read_channel(self, path: Path, url: str, *, text_path: Path, log: Log) -> Channel:
        """Reads the items of a feed or a sitemap that was fetched from `url`; `text_path` is a file to work with.

        Raises:
            JobError: as for `extract`.
        """
        await self._run({"path": str(path), "kind": "channel", "url": url, "text_path": str(text_path)}, log)
        return await asyncio.to_thread(lambda: Channel.model_validate_json(text_path.read_bytes()))

    async def make_terms(self, texts: Sequence[str], path: Path) -> list[bytes]:
        """Gives the packed terms of each text; `path` is a file to work with, and is gone afterwards.

        Raises:
            JobError: it takes too long, or too much memory.
        """
        terms_path = path.with_suffix(".terms")
        try:
            await asyncio.to_thread(lambda: path.write_bytes(json.dumps(texts).encode()))
            await self._run({"path": str(path), "kind": "terms", "text_path": str(terms_path)}, lambda *line: None)
            packed = await asyncio.to_thread(lambda: json.loads(terms_path.read_bytes()))
            return [base64.b64decode(each) for each in packed]
        finally:
            for each in (path, terms_path):
                each.unlink(missing_ok=True)

    async def _run(self, task: dict[str, Any], log: Log) -> dict[str, Any]:
        if self._slots.locked():
            log(f"Waiting: {count(self._processes, 'document is', 'documents are')} being read already", "info")
        async with self._slots:
            task["memory_bytes"] = _MEMORY_BYTES
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=_BACKEND,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                limit=_MAX_LINE,
                start_new_session=True,  # Ctrl-C in the terminal is for the server, which then sees to this
            )
            complaints = asyncio.create_task(_tail(process.stderr))
            try:
                return await asyncio.wait_for(_converse(process, task, log, complaints), self._timeout)
            except asyncio.TimeoutError:
                raise JobError(
                    f"Reading this document took longer than {duration(self._timeout)} and was stopped: "
                    "split or simplify it and try again."
                ) from None
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        # The group, so that nothing that it may have started outlives it.
                        os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                complaints.cancel()


async def _converse(
    process: asyncio.subprocess.Process, task: dict[str, Any], log: Log, complaints: asyncio.Task[str]
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(ConnectionError):  # it died at once: what it wrote says why
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()
    async for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if "log" in message:
            log(message["log"], message["level"])
        elif "error" in message:
            raise JobError(message["error"])
        else:
            return message
    code, said = await process.wait(), await complaints
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    last = said.strip().splitlines()[-1][:300] if said.strip() else "it said nothing"
    raise JobError(f"Reading this document crashed ({how}: {last}): save it anew and try again.")


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last of what is written to a stream, which must be read for its writer not to stall."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(4096):
        kept = (kept + chunk)[-4096:]
    return kept.decode("utf-8", "replace")
