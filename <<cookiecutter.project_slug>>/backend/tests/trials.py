"""Tries families of hostile texts: what each costs the server, and how long another user waits meanwhile."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.wording import size as size_of
from tests.families import BOUND, FAMILIES, TELLING, Growth, Make, Parser, growth, parsers
from tests.places import BODY_BYTES, SHORT, Place, places, whole_answers
from tests.waits import Waits, Watched, request, watched

WAIT_SECONDS = 0.25
"""How long another user may wait, in seconds of the server's processor."""
LEFT_BYTES = 32_000_000
"""How much more memory a server may take after what it has done before as well."""
ENVIRONMENT = {"MAX_FETCH_SECONDS": "2", "MAX_READING_SECONDS": "20", "MAX_SEARCH_SECONDS": "60"}
"""Of the server: what takes long is over sooner. A search is not, on a busy machine: asked is who waits for it."""
_FIRST = 4_000  # characters
_FLOOR = 0.3
"""Seconds of processor below which the growth of a request's cost says nothing."""

_NO_WAITS = Waits(0, 0)


@dataclass(frozen=True)
class Trial:
    """What a family costs at a place: `seconds` of the server's processor at the largest `size` that was tried."""

    where: str
    family: str
    size: int
    seconds: float
    slope: float
    waits: Waits = _NO_WAITS
    ended: bool = True
    """Whether all that it began was over in time."""
    status: int | None = None
    """Of the answer, if there was one."""
    left: int = 0
    """How many bytes of memory the server takes more afterwards."""

    @property
    def fails(self) -> str:
        """What of it is more than may be; empty where nothing is."""
        problems = []
        if self.slope > BOUND:
            problems.append(f"time grows with the power {self.slope:.1f} of the size")
        if self.waits.worst > WAIT_SECONDS:
            problems.append(f"another user waits {self.waits.worst:.2f} s")
        if self.left > LEFT_BYTES:
            problems.append(f"{size_of(self.left)} of memory stay")
        if not self.ended:
            problems.append("the server is still at work when its job is cancelled")
        return ", ".join(problems)

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.family} at {self.size:,}: {self.seconds:.3f} s, slope {self.slope:.2f}, "
            f"waits {self.waits.loop:.3f} s (loop) and {self.waits.request:.3f} s (request)"
            + (f": {self.fails}" if self.fails else "")
        )


def try_parser(label: str, parser: Parser, families: Mapping[str, Make], **options: Any) -> Iterator[Trial]:
    """A parser alone, over families of texts; options are those of `growth`."""
    try:
        parser("It is so. " * 100)  # it may load what it needs, once
    except (TypeError, AttributeError, NameError):
        raise  # it is not called as it must be
    except Exception as refusal:
        str(refusal)
    for name, family in families.items():
        found: Growth = growth(parser, family, **options)
        yield Trial(label, name, found.size, found.seconds, found.slope)


def try_place(server: Watched, place: Place, *, short: bool, patience: float = 10) -> Iterator[Trial]:
    """A place of a request, over its families: sizes grow until one fails, or to the largest.

    Arguments:
        short: whether to try only the telling families, and up to a quarter of a million.
        patience: how many seconds a job may take before it is cancelled.
    """
    largest = min(place.largest, 250_000) if short else place.largest
    for name, family in place.families.items():
        if short and name not in SHORT:
            continue
        # What is worked on may take far too long already where a header or a name takes nothing.
        size = largest if largest <= BODY_BYTES else _FIRST
        before: Trial | None = None
        while True:
            trial = _tried(server, place, name, family, size, before, patience)
            for _ in range(2):  # a coincidence does not come again, nor does what is loaded once
                if not trial.fails:
                    break
                if not trial.ended:
                    server.restart()
                trial = min(trial, _tried(server, place, name, family, size, before, patience), key=_badness)
            if trial.fails or size >= largest:
                break
            size, before = min(16 * size, largest), trial
        yield trial


def _badness(trial: Trial) -> tuple[bool, float, float]:
    return not trial.ended, trial.waits.worst, trial.slope


def _tried(
    server: Watched, place: Place, name: str, family: Make, size: int, smaller: Trial | None, patience: float
) -> Trial:
    bytes_ = place.fill(family(size))
    began = server.worked
    status = server.send(bytes_, whole=not place.streams, seconds=place.seconds)
    starts = place.operation.startswith("POST") and (200 <= status < 300 if status else place.largest > BODY_BYTES)
    ended = server.settle(patience) if starts else True
    seconds = server.worked - began
    # Nobody can have waited longer than the server has worked.
    waits = server.waits() if seconds > WAIT_SECONDS / 4 else _NO_WAITS
    slope = 0.0
    if smaller is not None and seconds > _FLOOR and smaller.seconds:
        slope = math.log(seconds / max(smaller.seconds, _FLOOR / 10)) / math.log(size / smaller.size)
    return Trial(str(place), name, size, seconds, slope, waits, ended, status)


def try_crowd(server: Watched, where: str, request_: bytes, *, number: int = 4, rounds: int = 2) -> Iterator[Trial]:
    """Asks the same so many times at once, in so many rounds after one that does not count. What is told is the least
    of the rounds, as is what the server has more in memory after each: a coincidence does not come again."""
    found: list[Trial] = []
    for _ in range(rounds + 1):
        server.waits()
        before, began = server.memory, server.worked
        with ThreadPoolExecutor(number) as threads:
            statuses = list(threads.map(server.send, [request_] * number))
        server.settle(30)
        waits, seconds = server.waits(), server.worked - began
        status = max(statuses, key=lambda status: status or 0)
        trial = Trial(where, f"{number} at once", number, seconds, 0, waits, status=status, left=server.memory - before)
        found.append(trial)
    least = min(found[1:], key=lambda trial: trial.waits.worst)
    yield replace(least, left=min(trial.left for trial in found[1:]))


def known(server: Watched) -> dict[str, str]:
    """What ada has, by the names of the parameters that ask for it: her largest document, and a job."""
    found = server.server.client.get("/api/documents", params={"limit": 1}, headers=server.attacker).json()
    text = "It is so in the house, and that is what they have said of it. " * 3_000
    run = server.server.client.post("/api/run", json={"text": text}, headers=server.attacker, timeout=300)
    assert run.status_code == 200, run.text
    return {"document_id": found["documents"][0]["id"], "job_id": run.json()["job_id"], "version": "1"}


def answers(server: Watched, what: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """A request for each whole answer, and for a search."""
    yield from whole_answers(what, server.attacker)
    # What is found is shown with the place where it is: at the end of each text.
    yield "GET /api/documents, a search", request("GET", "/api/documents?q=house&limit=500", server.attacker)


def all_of(what: str, *, only: str = "", family: str = "", short: bool = False) -> Iterator[Trial]:
    """All trials of parsers, places or answers, with these in the names of the place and the family."""
    if what == "parsers":
        chosen = {name: make for name, make in FAMILIES.items() if family in name and (not short or name in TELLING)}
        with tempfile.TemporaryDirectory() as folder:
            for label, parser in parsers(Path(folder)).items():
                if only in label:
                    yield from try_parser(label, parser, chosen, largest=8_000 if short else 64_000)
        return
    from tests.ingest.library import fill_library

    with tempfile.TemporaryDirectory() as folder, watched(Path(folder), fill_library, **ENVIRONMENT) as server:
        there = known(server)
        with server.another_asks():
            if what == "answers":
                for operation, request_ in answers(server, there):
                    if only in operation:
                        yield from try_crowd(server, operation, request_)
                return
            for place in places(there, server.attacker):
                if only in str(place):
                    named = {name: make for name, make in place.families.items() if family in name}
                    yield from try_place(server, replace(place, families=named), short=short)
