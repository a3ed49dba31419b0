"""`python -m app.process_main`: does what it is told, apart from the server. `app.processes` starts it and talks to it.

What a stranger sends is input to large parsers. In a process of its own their work can be killed at any moment, hang
without holding anything up, and run out of memory alone. It imports nothing of the server's: it starts in a moment.

It reads tasks from stdin, a JSON object in each line: `{"function": "module:name", "arguments", "noun", "reports",
"memory_bytes", "seconds"}`. It writes JSON objects to stdout, one in a line: `{"report": [...]}` any number of times
(with `reports` the function is given a `log` to call), then one of `{"result": value, "again": bool}`, `{"refused":
sentence}`, `{"out_of_memory": true}`, or `{"error": sentence, "traceback": text}` where the function raised what none
of our code expects. Only after a result with `again` it takes another task. When stdin ends, or the server does, this
ends too.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from app.wording import brief

__all__ = ["Refused", "main", "perform"]

_MOST_TASKS = 200
_MOST_KEPT_BYTES = 300_000_000
"""A process that has more takes no further task: its memory is the system's again."""

_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The input's own fault, or somebody else's who can mend it. Its text says why, and what to do."""


def main() -> int:
    """Does the tasks that stdin gives; gives the exit code."""
    _end_with_the_server()
    # What the parsers print must not end up among our lines: from here on they print to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    os.nice(10)  # the server is everybody's, and goes first
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(lines,), daemon=True).start()

    def report(*values: Any) -> None:
        _write(out, {"report": values})

    for left in reversed(range(_MOST_TASKS)):
        task = json.loads(lines.get())
        _limit(task["memory_bytes"], task["seconds"])
        message = perform(task, report)
        again = "result" in message and left > 0 and _kept_bytes() < _MOST_KEPT_BYTES
        _write(out, {**message, "again": again})
        if not again:
            break
    return 0


def perform(task: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """Calls the function of a task; gives the last message, whatever it raises."""
    noun = task["noun"]
    try:
        module, name = task["function"].split(":")
        function = getattr(import_module(module), name)
        options = {"log": report} if task["reports"] else {}
        return {"result": function(*task["arguments"], **options)}
    except Refused as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"out_of_memory": True}
    except RecursionError:
        return {"refused": f"This {noun} is nested deeper than can be read: simplify it and try again."}
    except BaseException as error:  # a stranger's parser raises anything, SystemExit too
        trace = "".join(traceback.format_exception(error))
        said = f"The parser of this {noun} failed ({brief(error)}): save it anew, or in another format, and try again."
        return {"error": said, "traceback": trace[-20_000:]}


def _write(out: BinaryIO, message: Mapping[str, Any]) -> None:
    # Half a character, in what a parser says, would be refused by whatever writes it: a log, a database.
    line = memoryview(json.dumps(message, ensure_ascii=False).encode(errors="replace") + b"\n")
    while line:
        line = line[out.write(line) :]  # a pipe may take a part


def _receive(lines: SimpleQueue[bytes]) -> None:
    while line := sys.stdin.buffer.readline():
        lines.put(line)
    os._exit(1)


def _end_with_the_server() -> None:
    # The thread that waits for the end of stdin waits in vain while a parser holds the interpreter.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(memory_bytes: int, seconds: float) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime + 2 * seconds) + 5  # the server ends it before; this is if it cannot
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, ValueError, OSError) as error:
        # Not every system has such limits (macOS refuses them); the server's own on time remains.
        print(f"no limit on memory and processor: {error}", file=sys.stderr)


def _kept_bytes() -> int:
    """The memory that this has now; where the system does not say, the most that it has had."""
    try:
        # Not `ru_maxrss`: on Linux that counts what the server had when it started this.
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    # As the module that the functions import: there is one `Refused`.
    from app import process_main

    code = process_main.main()
    # Without the usual teardown: the thread that waits for stdin would hold its lock.
    sys.stderr.flush()
    os._exit(code)
