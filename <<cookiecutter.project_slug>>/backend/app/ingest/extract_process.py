"""`python -m app.ingest.extract_process`: reads one document or channel, apart from the server.

A document is a stranger's input to large parsers. In a process of its own it can be killed at any moment,
hang without holding anything up, and run out of memory alone.

It reads one JSON object from a line of stdin, and writes JSON objects to stdout, one a line: `{"log": message, "level":
level}` any number of times, then `{"title", "words", "characters"}` with the text in the file that was named, and its
terms in one beside it (asked for a channel `{"channel": true}`, and the file is the channel as JSON, or `{"channel":
false}` where it is none; of a page that leads on at once `{"redirect": url}`; of a list of texts in JSON `{"texts"}`,
and the file is the list of their terms), or `{"out_of_memory": true}`, or `{"error": sentence}`, with the `traceback`
where a parser raised what none of our code expects. When stdin ends, the server has gone, and so does this.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from app.ingest.channel import read_channel, refuse_markup
from app.ingest.charset import decode
from app.ingest.extract import ExtractError, Log, extract
from app.ingest.readers.common import brief
from app.ingest.readers.html import redirect_of
from app.terms import pack_terms
from app.wording import beginning

__all__ = ["main", "read"]


def main() -> int:
    """Reads the file that stdin names; gives the exit code, 0 also where it cannot be read."""
    task = json.loads(sys.stdin.buffer.readline())
    # What the parsers print must not end up among our lines: from here on they print to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    threading.Thread(target=_exit_with_the_server, daemon=True).start()
    _limit_memory(task["memory_bytes"])

    def log(message: str, level: str) -> None:
        _write(out, {"log": beginning(message, 1000), "level": level})

    _write(out, read(task, log))
    return 0


def read(task: Mapping[str, Any], log: Log) -> dict[str, Any]:
    """What is in the file of a task, or why it cannot be read, whatever its parser raises: the last message."""
    noun = "feed or sitemap" if task["kind"] == "channel" else "document"
    try:
        return _WHAT.get(task["kind"], _document)(task, log)
    except ExtractError as error:
        return {"error": beginning(str(error), 1000)}
    except MemoryError:
        return {"out_of_memory": True}
    except RecursionError:
        return {"error": f"This {noun} is nested deeper than can be read: simplify it and try again."}
    except BaseException as error:  # a stranger's parser raises anything, SystemExit too
        trace = "".join(traceback.format_exception(error))
        said = f"The parser of this {noun} failed ({brief(error)}): save it anew, or in another format, and try again."
        return {"error": said, "traceback": trace[-20_000:]}


def _document(task: Mapping[str, Any], log: Log) -> dict[str, Any]:
    path, charset = Path(task["path"]), task["charset"]
    if task["kind"] == "text":
        refuse_markup(path.read_bytes(), charset, task["name"])
    if task["kind"] == "html" and task["follow"]:
        to = redirect_of(decode(path.read_bytes(), charset, lambda *_: None, html=True))
        if to is not None:
            return {"redirect": to}
    found = extract(path, task["kind"], name=task["name"], charset=charset, log=log)
    text_path = Path(task["text_path"])
    _save(text_path, found.text.encode())
    _save(text_path.with_suffix(".terms"), pack_terms(found.text))
    return {"title": found.title, "words": found.words, "characters": len(found.text)}


def _channel(task: Mapping[str, Any], log: Log) -> dict[str, Any]:
    data = Path(task["path"]).read_bytes()
    options = {name: task[name] for name in ("base", "charset", "media_type")}
    found = read_channel(data, task["url"], **options, log=log)
    if found is not None:
        _save(Path(task["text_path"]), found.model_dump_json().encode())
    return {"channel": found is not None}


def _terms(task: Mapping[str, Any], _log: Log) -> dict[str, Any]:
    texts = json.loads(Path(task["path"]).read_bytes())
    packed = [base64.b64encode(pack_terms(text)).decode() for text in texts]
    _save(Path(task["text_path"]), json.dumps(packed).encode())
    return {"texts": len(packed)}


_WHAT = {"channel": _channel, "terms": _terms}


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ExtractError(f"What was read cannot be kept ({error.strerror}): make room in DATA_DIR.") from error


def _write(out: BinaryIO, message: Mapping[str, Any]) -> None:
    # Half a character, in what a parser says, would be refused by whatever writes it: a log, a database.
    out.write(json.dumps(message, ensure_ascii=False).encode(errors="replace") + b"\n")


def _exit_with_the_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _limit_memory(number: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (number, number))
    except (ImportError, ValueError, OSError) as error:
        # Not every system has such a limit (macOS refuses it); the time limit remains.
        print(f"no memory limit: {error}", file=sys.stderr)


if __name__ == "__main__":
    # Without the usual teardown: the thread that waits for stdin would hold its lock.
    code = main()
    sys.stderr.flush()
    os._exit(code)
