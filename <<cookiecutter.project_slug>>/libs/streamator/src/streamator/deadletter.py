"""The command that prints and replays dead letters: ``python -m streamator.deadletter --help``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from inspect import signature
from pathlib import Path
from typing import Any, Final

from .errors import StreamatorError
from .events import is_job_id
from .options import check_timeout
from .stores.registry import store_class, store_names
from .stores.remote.deadletters import MAX_BYTES, DeadLetterFile, DeadLetters, Letter, append_line, default_path
from .stores.remote.faults import count
from .stores.remote.store import RemoteStore

__all__ = ["MAX_BYTES", "DeadLetterFile", "DeadLetters", "Letter", "default_path", "main"]

REPLAY_SECONDS: Final = 30.0

_FIELDS: Final = {"time": str, "store": str, "job_id": str, "id": int, "reason": str, "event": dict}


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _printable(text: str) -> str:
    """Escape what a terminal would act on: a job may handle anybody's text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# Reading


def _letter(line: bytes) -> Letter:
    """The letter in a line. Raises ValueError if there is none."""
    try:
        letter = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from None
    if not isinstance(letter, dict):
        raise ValueError("no JSON object")
    for name, kind in _FIELDS.items():
        if not isinstance(letter.get(name), kind):
            raise ValueError(f"no dead letter: {name!r} is missing, or is no {kind.__name__}")
    if not is_job_id(letter["job_id"]):
        raise ValueError(f"no dead letter: {letter['job_id'][:80]!r} is no job id")
    return letter


class _Lines:
    """The lines of a file, by their numbers; empty ones are left out."""

    def __init__(self, content: bytes) -> None:
        self.all = {number: line for number, line in enumerate(content.split(b"\n"), 1) if line.strip()}
        self.letters: dict[int, Letter] = {}
        self.wrong: dict[int, str] = {}
        for number, line in self.all.items():
            try:
                self.letters[number] = _letter(line)
            except ValueError as error:
                self.wrong[number] = str(error)

    def say_wrong(self, path: Path) -> bool:
        """Report the lines that are no letters; returns whether there are any."""
        for number, why in self.wrong.items():
            _say(f"{path}:{number}: {why}")
        return bool(self.wrong)


def _print(path: Path) -> int:
    lines = _Lines(path.read_bytes())
    for letter in lines.letters.values():
        print(f"{letter['time']}  {_printable(letter['store'])}")
        print(f"    job {letter['job_id']}, event {letter['id']}: {_printable(letter['reason'])}")
        print(f"    {_printable(json.dumps(letter['event'], ensure_ascii=False))}")
    jobs = {letter["job_id"] for letter in lines.letters.values()}
    print(f"{count(len(lines.letters), 'dead letter')} of {count(len(jobs), 'job')}")
    return 1 if lines.say_wrong(path) else 0


# Replaying


def _replay(path: Path, name: str, options: dict[str, str], timeout: float) -> int:
    check_timeout("--timeout", timeout)
    lines = _Lines(path.read_bytes())
    if not lines.letters:
        _say(f"{path}: there is no dead letter in it")
        return 2 if lines.say_wrong(path) else 0
    taken = path.with_name(path.name + ".replaying")
    if taken.exists():
        _say(f"{taken} is another replay's, which runs or was interrupted: wait for it, or replay that file")
        return 2
    refused: set[tuple[str, int]] = set()

    def refuse(letter: Letter) -> None:
        refused.add((letter["job_id"], letter["id"]))
        _say(f"job {letter['job_id']}: event {letter['id']} is refused again: {_printable(letter['reason'])}")

    store = _open(name, options, refuse)
    path.rename(taken)  # from now on processes write their letters to a new file
    content = taken.read_bytes()
    lines = _Lines(content)
    lines.say_wrong(path)
    left = dict(lines.all)
    jobs: dict[str, dict[int, Letter]] = {}
    for number, letter in lines.letters.items():
        jobs.setdefault(letter["job_id"], {})[number] = letter
    try:
        for job_id, letters in jobs.items():
            for number in _replay_job(store, job_id, letters, refused, timeout):
                del left[number]
    finally:  # also if it is interrupted: the lines that it did not reach are kept
        for line in left.values():
            append_line(path, line + b"\n")
        # A process that had opened the file before it was renamed may have written to it since.
        late = taken.read_bytes()[len(content) :]
        if late:
            append_line(path, late)
        taken.unlink()
        store.close()
    if left:
        _say(f"{count(len(left), 'line')} kept in {path}")
    return 1 if left else 0


def _open(name: str, options: dict[str, str], dead_letters: DeadLetters) -> RemoteStore:
    """Open the store. An option's text is a number if the option's default is one."""
    made = store_class(name)
    if not issubclass(made, RemoteStore):
        raise StreamatorError(f"the {name} store has no dead letters")
    known = {option: of for base in reversed(made.__mro__) for option, of in signature(base).parameters.items()}
    given: dict[str, Any] = {"dead_letters": dead_letters}
    for option, text in options.items():
        if option not in known or option in given:
            raise StreamatorError(f"{option!r} is no option of {made.__name__}")
        default = known[option].default
        try:
            is_number = isinstance(default, (int, float))
            given[option] = (int(text) if text.isdecimal() else float(text)) if is_number else text
        except ValueError:
            raise StreamatorError(f"{option} is {text!r}: give a number, such as {default}") from None
    return made(**given)


def _replay_job(
    store: RemoteStore, job_id: str, letters: dict[int, Letter], refused: set[tuple[str, int]], timeout: float
) -> list[int]:
    """Write the events of one job as a new job; returns the numbers of the lines that were stored."""
    try:
        new_id = asyncio.run(_free_id(store, job_id))
        log = store.create(new_id).log
    except StreamatorError as error:
        _say(f"job {job_id}: not replayed, and kept: {error}")
        return []
    for letter in letters.values():
        log.append_json(json.dumps(letter["event"], ensure_ascii=False, separators=(",", ":")))
    log.close()
    if store.flush(timeout):
        reason = store.degraded or f"the store did not take it within {timeout:g} s"
        _say(f"job {job_id}: not known to be replayed, and kept: {reason}")
        return []
    stored = [number for event_id, number in enumerate(letters, 1) if (new_id, event_id) not in refused]
    print(f"job {job_id}: {count(len(stored), 'event')} replayed into job {new_id}")
    return stored


async def _free_id(store: RemoteStore, job_id: str) -> str:
    """``{job_id}-replayed``; if there is such a job, ``{job_id}-replayed-2`` and so on."""
    number = 1
    while True:
        suffix = "-replayed" if number == 1 else f"-replayed-{number}"
        new_id = job_id[: 128 - len(suffix)] + suffix
        if await store.find(new_id) is None:
            return new_id
        number += 1


# The command


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
    remote = [name for name in store_names() if name != "memory"]
    replaying.add_argument("--store", required=True, choices=remote)
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
