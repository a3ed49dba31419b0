"""Reads documents and channels, each in a process of its own, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.ingest.channel import Channel
from app.ingest.extract import Log
from app.ingest.identify import Kind
from app.ingest.readers.common import out_of_memory
from app.jobs import JobError
from app.wording import clip, count, duration, size

__all__ = ["ExtractedFile", "Extractor", "LeadsOn"]

_logger = logging.getLogger(__name__)
_BACKEND = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "app.ingest.extract_process")
# A document has no business with the server's credentials, should a parser be talked into looking.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")
_MAX_LINE = 256 * 1024


@dataclass(frozen=True)
class ExtractedFile:
    """What was in a document; its text is in the file that the caller named."""

    title: str
    words: int
    characters: int


class LeadsOn(Exception):
    """A page is none itself, but leads on to another at once.

    Arguments:
        to: the address, as the page writes it.
    """

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.to = to


class Extractor:
    """Extracts documents apart from the server, which stays responsive whatever is in them.

    Guarantee: when `extract` returns, raises or is cancelled, its process is gone.

    Arguments:
        processes: how many run at once (default: one for each core, 2 to 4); the others wait.
        timeout: how long one document may take, in seconds (MAX_READING_SECONDS).
        memory_bytes: how much memory it may take (MAX_READING_MB).
        command: what to run in place of this package's own extraction; for tests.
    """

    def __init__(
        self,
        *,
        processes: int | None = None,
        timeout: float = 120.0,
        memory_bytes: int = 2_000_000_000,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._processes = processes or min(4, max(2, os.cpu_count() or 2))
        self._timeout = timeout
        self._memory_bytes = memory_bytes
        self._command = command
        self._slots = asyncio.Semaphore(self._processes)

    async def extract(
        self,
        path: Path,
        kind: Kind,
        *,
        name: str,
        charset: str | None,
        text_path: Path,
        log: Log,
        follow: bool = False,
    ) -> ExtractedFile:
        """Extracts a document into `text_path`, and calls `log` with each line of progress as it comes. The terms of
        its text, packed, are in a file beside that, with the suffix `.terms`.

        Arguments:
            follow: whether a page that leads on to another is to be told rather than read.

        Raises:
            LeadsOn: it does; only with `follow`.
            JobError: the document cannot be read, takes too long, or took the process down.
        """
        task = {"path": str(path), "kind": kind, "name": name, "charset": charset, "follow": follow}
        message = await self._run({**task, "text_path": str(text_path)}, log)
        if "redirect" in message:
            raise LeadsOn(message["redirect"])
        return ExtractedFile(message["title"], message["words"], message["characters"])

    async def read_channel(
        self,
        path: Path,
        url: str,
        *,
        base: str | None = None,
        charset: str | None = None,
        media_type: str = "",
        text_path: Path,
        log: Log,
    ) -> Channel | None:
        """Reads the items of a feed or a sitemap; gives None where the file is neither.

        Arguments:
            path: the file.
            url: the channel's address.
            base: the address that answered (default: `url`).
            charset: what the answer's header said of its charset.
            media_type: its content type.
            text_path: a file to work with.
            log: takes each line of progress as it comes.

        Raises:
            JobError: as for `extract`.
        """
        task = {"path": str(path), "kind": "channel", "url": url, "base": base or url, "text_path": str(text_path)}
        found = await self._run({**task, "charset": charset, "media_type": media_type}, log)
        if not found["channel"]:
            return None
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
            task["memory_bytes"] = self._memory_bytes
            try:
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
            except OSError as error:
                raise JobError(
                    f"The server cannot start another process ({error.strerror}): try again later."
                ) from error
            complaints = asyncio.create_task(_tail(process.stderr))
            try:
                return await asyncio.wait_for(_converse(process, task, log, complaints), self._timeout)
            except asyncio.TimeoutError:
                _logger.warning("reading %s was stopped: MAX_READING_SECONDS is %g", _name(task), self._timeout)
                raise JobError(
                    f"Reading this {_noun(task)} took longer than {duration(self._timeout)} and was stopped: "
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
        elif "out_of_memory" in message:
            raise _out_of_memory(task)
        elif "error" in message:
            if "traceback" in message:
                _logger.error("a parser failed for %s\n%s", _name(task), message["traceback"])
            raise JobError(message["error"])
        else:
            return message
    code, said = await process.wait(), (await complaints).strip()
    _logger.error("reading %s ended with exit code %d\n%s", _name(task), code, said)
    # Only Python raises MemoryError: C++ and Rust abort, pdfium does without a word, and the system kills.
    if code == -signal.SIGKILL or re.search(r"bad_alloc|out of memory|memory allocation|MemoryError", said, re.I):
        raise _out_of_memory(task)
    raise JobError(_crash(code, said, task))


def _name(task: dict[str, Any]) -> str:
    return clip(task.get("name") or task.get("url") or task["path"])


def _noun(task: dict[str, Any]) -> str:
    return "feed or sitemap" if task["kind"] == "channel" else "document"


def _out_of_memory(task: dict[str, Any]) -> JobError:
    _logger.warning("reading %s was stopped: MAX_READING_MB is %g", _name(task), task["memory_bytes"] / 1_000_000)
    return JobError(out_of_memory(_noun(task), task["memory_bytes"]))


def _crash(code: int, said: str, task: dict[str, Any]) -> str:
    """What took the process down, as a sentence; `said` is the end of what it wrote to stderr."""
    how = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):  # a real-time signal has no name
            how = f"{signal.Signals(-code).name}, {(signal.strsignal(-code) or '').lower()}"
    if said:
        how += f": {said.splitlines()[-1][:300]}"
    elif code in (-signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL):
        how += f", as one does that needs more than {size(task['memory_bytes'])} of memory"
    fix = "split or simplify it, or save it anew, and try again."
    return f"The parser of this {_noun(task)} crashed ({how}): {fix}"


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last of what is written to a stream, which must be read for its writer not to stall."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(4096):
        kept = (kept + chunk)[-4096:]
    return kept.decode("utf-8", "replace")
