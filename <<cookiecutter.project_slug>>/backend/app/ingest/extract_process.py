"""`python -m app.ingest.extract_process`: reads one document or channel, apart from the server.

A document is a stranger's input to large parsers. In a process of its own it can be killed at any moment,
hang without holding anything up, and run out of memory alone.

It reads one JSON object from a line of stdin, and writes JSON objects to stdout, one a line:
`{"log": message, "level": level}` any number of times, then `{"title", "words", "characters"}` with the text
in the file that was named, and its terms in one beside it (of a channel `{"title", "items"}`, and the file is the
channel as JSON; of a list of texts in JSON `{"texts"}`, and the file is the list of their terms), or
`{"error": sentence}`. When stdin ends, the server has gone, and so does this.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from app.ingest.channel import read_channel
from app.ingest.extract import ExtractError, Log, extract
from app.ingest.terms import pack_terms
from app.wording import clip, size

__all__ = ["main"]

_MAX_WARNINGS = 5


def main() -> int:
    """Reads the file that stdin names; gives the exit code, 0 also where it cannot be read."""
    task = json.loads(sys.stdin.buffer.readline())
    # What the parsers print must not end up among our lines: from here on they print to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    threading.Thread(target=_exit_with_the_server, daemon=True).start()
    _limit_memory(task["memory_bytes"])

    def log(message: str, level: str) -> None:
        _write(out, {"log": message[:1000], "level": level})

    relay = _WarningRelay(log)
    # pypdf speaks of the file; what other parsers log is about themselves.
    logging.getLogger("pypdf").addHandler(relay)
    try:
        found = _WHAT[task["kind"]](task) if task["kind"] in _WHAT else _document(task, log)
    except ExtractError as error:
        _write(out, {"error": str(error)})
    except (MemoryError, RecursionError) as error:
        limit = size(task["memory_bytes"])
        what = f"more than {limit} of memory" if isinstance(error, MemoryError) else "deeper nesting than allowed"
        _write(out, {"error": f"Reading this document takes {what}: split or simplify it and try again."})
    else:
        relay.summarize()
        _write(out, found)
    return 0


def _document(task: Mapping[str, Any], log: Log) -> dict[str, Any]:
    found = extract(Path(task["path"]), task["kind"], name=task["name"], charset=task["charset"], log=log)
    Path(task["text_path"]).write_text(found.text, encoding="utf-8", newline="\n")
    Path(task["text_path"]).with_suffix(".terms").write_bytes(pack_terms(found.text))
    return {"title": found.title, "words": found.words, "characters": len(found.text)}


def _channel(task: Mapping[str, Any]) -> dict[str, Any]:
    found = read_channel(Path(task["path"]).read_bytes(), task["url"])
    Path(task["text_path"]).write_text(found.model_dump_json(), encoding="utf-8")
    return {"title": found.title, "items": len(found.items)}


def _terms(task: Mapping[str, Any]) -> dict[str, Any]:
    texts = json.loads(Path(task["path"]).read_bytes())
    packed = [base64.b64encode(pack_terms(text)).decode() for text in texts]
    Path(task["text_path"]).write_text(json.dumps(packed), encoding="utf-8")
    return {"texts": len(packed)}


_WHAT = {"channel": _channel, "terms": _terms}


class _WarningRelay(logging.Handler):
    """Shows what the parser complains of, the first few in words and the others as a number."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._seen += 1
        if self._seen <= _MAX_WARNINGS:
            self._log(f"The parser says: {clip(record.getMessage(), 160)}", "warning")

    def summarize(self) -> None:
        if self._seen > _MAX_WARNINGS:
            self._log(f"The parser had {self._seen - _MAX_WARNINGS:,} more complaints", "warning")


def _write(out: BinaryIO, message: Mapping[str, Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")


def _exit_with_the_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _limit_memory(number: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (number, number))
    except (ImportError, ValueError, OSError) as error:
        # Not every system has such a limit (macOS refuses it); the time limit and pypdf's own bounds remain.
        print(f"no memory limit: {error}", file=sys.stderr)


if __name__ == "__main__":
    # Without the usual teardown: the thread that waits for stdin would hold its lock.
    code = main()
    sys.stderr.flush()
    os._exit(code)
