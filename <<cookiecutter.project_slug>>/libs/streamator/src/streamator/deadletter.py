"""Dead letters: the events that a remote store refuses for good, kept in a file, with the reason.

A letter is one line of JSON: ``{"time", "store", "job_id", "id", "reason", "event"}``. The command prints and replays
them: ``python -m streamator.deadletter --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .errors import StreamatorError
from .events import clip, is_job_id, to_utf8
from .fault import count, logger
from .options import check_count, check_kind, check_timeout

if TYPE_CHECKING:
    from .remote import RemoteStore

Letter = dict[str, Any]
"""``time`` (UTC, ISO 8601), ``store`` (where it was to go), ``job_id``, ``id`` and ``event`` (as the job's viewers here
saw it), ``reason`` (what the store said)."""

DeadLetters = Callable[[Letter], object]
"""What takes the letters. It is called from the store's writer thread, which waits for it."""

MAX_BYTES: Final = 67_108_864
MAX_REASON: Final = 500
REPLAY_SECONDS: Final = 30.0

# What a replay has taken out of a file, until it is done with it.
_TAKEN: Final = ".replaying"


def default_path() -> Path:
    """``$XDG_STATE_HOME/streamator/dead-letters.jsonl``; without that variable, in ``~/.local/state`` (the XDG Base
    Directory Specification's place for logs). Raises RuntimeError where there is no home directory."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative path there is invalid, by the specification.
    folder = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
    return folder / "streamator" / "dead-letters.jsonl"


def make_letter(store: str, job_id: str, event_id: int, reason: str, event_json: str) -> Letter:
    """The letter of an event that was refused just now."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "time": now, "store": store, "job_id": job_id, "id": event_id, "reason": clip(reason, MAX_REASON),
        "event": json.loads(event_json),
    }  # fmt: skip


class DeadLetterFile:
    """Appends letters to a file of JSON lines.

    Args:
        path: the file (default: `default_path`, looked up when the first letter comes). It is made then, readable by
            its owner alone.
        max_bytes: how large it may become (default 67,108,864: 64 MiB). Past it letters are dropped, with one
            warning, until there is room again.

    Guarantees: a line is one write at the file's end, so that several processes may share it; it is opened for each
    letter, so that it may be moved away or deleted at any time.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        if path is not None:
            check_kind("path", path, (str, os.PathLike), "give the file's path, or None for the default")
        self._path = None if path is None else Path(path)
        self._max_bytes = check_count("max_bytes", max_bytes)
        self._full = False

    def __call__(self, letter: Letter) -> None:
        """Append a letter. Raises OSError where it cannot be written, RuntimeError where there is no place for it."""
        path = default_path() if self._path is None else self._path
        line = to_utf8(json.dumps(letter, ensure_ascii=False, separators=(",", ":"))) + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        size = _append(path, line, self._max_bytes)
        if size and not self._full:
            logger.warning(
                "dead letters are dropped: %s has %s bytes, and max_bytes is %s; replay it, or move it away",
                path, f"{size:,}", f"{self._max_bytes:,}",
            )  # fmt: skip
        self._full = bool(size)


def _append(path: Path, line: bytes, max_bytes: int | None = None) -> int:
    """Write a line at the end of a file; where there is no room for it, returns the file's size instead."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        size = os.fstat(file).st_size
        if max_bytes is not None and size + len(line) > max_bytes:
            return size or 1
        if size:
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":  # a full disk has cut off the line before: this one is not to be lost with it
                line = b"\n" + line
        written = os.write(file, line)
        if written < len(line):
            raise OSError(f"only {written:,} of {len(line):,} bytes could be written to {path}")
    finally:
        os.close(file)
    return 0


# The command


class _Unreadable(Exception):
    """A line that is no letter."""


def _read(line: bytes) -> Letter:
    try:
        letter = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"no JSON ({error})") from None
    if not isinstance(letter, dict):
        raise _Unreadable("no JSON object")
    kinds = {"time": str, "store": str, "job_id": str, "id": int, "reason": str, "event": dict}
    for name, kind in kinds.items():
        if not isinstance(letter.get(name), kind):
            raise _Unreadable(f"no dead letter: {name!r} is missing, or is no {kind.__name__}")
    if not is_job_id(letter["job_id"]):
        raise _Unreadable(f"no dead letter: {letter['job_id'][:80]!r} is no job id")
    return letter


class _Line(NamedTuple):
    number: int
    content: bytes
    letter: Letter | None
    wrong: str = ""
    """What is wrong with a line that is no letter."""


def _lines(content: bytes) -> list[_Line]:
    """The lines of a file; empty ones are left out."""
    lines = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                lines.append(_Line(number, line, _read(line)))
            except _Unreadable as error:
                lines.append(_Line(number, line, None, str(error)))
    return lines


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _say_wrong(path: Path, lines: list[_Line]) -> bool:
    """Tell of the lines that are no letters; returns whether there are any."""
    wrong = [line for line in lines if line.letter is None]
    for line in wrong:
        _say(f"{path}:{line.number}: {line.wrong}")
    return bool(wrong)


def _print(path: Path) -> int:
    lines = _lines(path.read_bytes())
    letters = [line.letter for line in lines if line.letter is not None]
    for letter in letters:
        print(f"{letter['time']}  {_printable(letter['store'])}")
        print(f"    job {letter['job_id']}, event {letter['id']}: {_printable(letter['reason'])}")
        print(f"    {_printable(json.dumps(letter['event'], ensure_ascii=False))}")
    jobs = {letter["job_id"] for letter in letters}
    print(f"{count(len(letters), 'dead letter')} of {count(len(jobs), 'job')}")
    return 1 if _say_wrong(path, lines) else 0


def _printable(text: str) -> str:
    """Without what a terminal would act on: the text is whoever's the job handled."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _replay(path: Path, kind: str, options: dict[str, str], timeout: float) -> int:
    check_timeout("--timeout", timeout)
    lines = _lines(path.read_bytes())
    if not any(line.letter for line in lines):
        _say(f"{path}: there is no dead letter in it")
        return 2 if _say_wrong(path, lines) else 0
    taken = path.with_name(path.name + _TAKEN)
    if taken.exists():
        _say(f"{taken} is what another replay is at, or was when it was broken off: wait for it, or replay that file")
        return 2
    refused: set[tuple[str, int]] = set()

    def take(letter: Letter) -> None:
        refused.add((letter["job_id"], letter["id"]))
        _say(f"job {letter['job_id']}: event {letter['id']} is refused again: {_printable(letter['reason'])}")

    store = _open(kind, options, take)
    path.rename(taken)  # processes that have letters begin a new file
    content = taken.read_bytes()
    lines = _lines(content)
    _say_wrong(path, lines)
    left = {line.number: line.content for line in lines}
    jobs: dict[str, list[_Line]] = {}
    for line in lines:
        if line.letter is not None:
            jobs.setdefault(line.letter["job_id"], []).append(line)
    try:
        for job_id, of_job in jobs.items():
            for number in _replay_job(store, job_id, of_job, refused, timeout):
                del left[number]
    finally:  # also where it is broken off: what it did not come to is kept
        for kept in left.values():
            _append(path, kept + b"\n")
        # A process that had opened the file before it was renamed may have written to it since.
        late = taken.read_bytes()[len(content) :]
        if late:
            _append(path, late)
        taken.unlink()
        store.close()
    if left:
        _say(f"{count(len(left), 'line')} kept in {path}")
    return 1 if left else 0


def _open(kind: str, options: dict[str, str], dead_letters: DeadLetters) -> RemoteStore:
    """The store. An option is a number where its default is one."""
    from . import store

    made = store.DynamoStore if kind == "dynamo" else store.RedisStore
    known = {name: option for of in reversed(made.__mro__) for name, option in signature(of).parameters.items()}
    given: dict[str, Any] = {"dead_letters": dead_letters}
    for name, text in options.items():
        if name not in known or name in given:
            raise StreamatorError(f"{name!r} is no option of {made.__name__}")
        default = known[name].default
        try:
            if isinstance(default, (int, float)):
                given[name] = int(text) if text.isdecimal() else float(text)
            else:
                given[name] = text
        except ValueError:
            raise StreamatorError(f"{name} is {text!r}: give a number, such as {default}") from None
    return made(**given)


def _replay_job(
    store: RemoteStore, job_id: str, lines: list[_Line], refused: set[tuple[str, int]], timeout: float
) -> list[int]:
    """Write the events of one job as a job of their own; returns the numbers of the lines that were stored."""
    try:
        new_id = asyncio.run(_free_id(store, job_id))
        log = store.create(new_id).log
    except StreamatorError as error:
        _say(f"job {job_id}: not replayed, and kept: {error}")
        return []
    for line in lines:
        assert line.letter is not None
        log.append_json(json.dumps(line.letter["event"], ensure_ascii=False, separators=(",", ":")))
    log.close()
    if store.flush(timeout):
        reason = store.degraded or f"the store did not take it within {timeout:g} s"
        _say(f"job {job_id}: not known to be replayed, and kept: {reason}")
        return []
    stored = [line.number for event_id, line in enumerate(lines, 1) if (new_id, event_id) not in refused]
    print(f"job {job_id}: {count(len(stored), 'event')} replayed into job {new_id}")
    return stored


async def _free_id(store: RemoteStore, job_id: str) -> str:
    """``{job_id}-replayed``; where there is such a job, ``{job_id}-replayed-2`` and so on."""
    number = 1
    while True:
        suffix = "-replayed" if number == 1 else f"-replayed-{number}"
        new_id = job_id[: 128 - len(suffix)] + suffix
        if await store.find(new_id) is None:
            return new_id
        number += 1


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no option: give NAME=VALUE, such as url=redis://localhost/0")
    return name, value


def main(arguments: Iterable[str] | None = None) -> int:
    """The command. Returns its exit status: 0; 1 where lines were bad or failed again; 2 where nothing was done."""
    parser = argparse.ArgumentParser(prog="python -m streamator.deadletter", description="Dead letters.")
    commands = parser.add_subparsers(dest="command", required=True)
    printing = commands.add_parser("print", help="show what is in a file")
    replaying = commands.add_parser(
        "replay",
        help="write the events again, those of a job as a new job JOB_ID-replayed; what fails again stays in the file",
    )
    for command in (printing, replaying):
        command.add_argument("file", type=Path, metavar="FILE")
    replaying.add_argument("--store", required=True, choices=["dynamo", "redis"])
    replaying.add_argument(
        "--option", type=_option, action="append", default=[], metavar="NAME=VALUE",
        help="one of the store's; may be repeated",
    )  # fmt: skip
    replaying.add_argument(
        "--timeout", type=float, default=REPLAY_SECONDS, metavar="SECONDS",
        help="how long the store may take for one job (default: %(default)g)",
    )  # fmt: skip
    given = parser.parse_args(None if arguments is None else list(arguments))
    try:
        if given.command == "print":
            return _print(given.file)
        return _replay(given.file, given.store, dict(given.option), given.timeout)
    except (OSError, StreamatorError, ValueError) as error:
        _say(str(error))
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
