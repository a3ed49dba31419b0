"""What the jobs log: any line of any job follows from the job's key and the line's number.

So the judge knows what a viewer has to see without having seen the job itself.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

# So few events of a job are kept that viewers of long ones see gaps.
MAXLEN = 1_500
LEVELS = ("info", "info", "info", "success", "warning", "error")
# What has broken parsers, terminals and JSON before. A lone surrogate is not in it: it is changed on the wire.
AWKWARD = ("\r\n", "\n\ndata: {}\n\n", "\u2028", "\x00", "\x1b[31m", "😀", "é", '"\\', "id: 9\n", "event: done\n")
WORDS = ("fetch", "parse", "store", "page", "retry", "chunk", "line", "of", "the", "log", "and", "then", "words")


class Emitter(Protocol):
    """What of `streamator.JobEmitter` is used here."""

    def log(self, message: str, level: str = "info", visibility: str | None = None) -> None: ...

    def emit(self, event: dict[str, Any]) -> None: ...


def hidden(number: int) -> bool:
    """Whether the line is one that viewers are not shown: it takes an id, and no more."""
    return number % 13 == 5


def event(key: str, number: int) -> dict[str, Any]:
    """The event of a line, without its `t`."""
    rng = random.Random(f"{key} {number}")
    words = rng.choices(WORDS, k=rng.randrange(2, 24))
    if number % 17 == 0:
        words += rng.sample(AWKWARD, 4)
    text = f"{number} {key} {' '.join(words)}"
    if number % 19 == 3:
        return {"event": "progress", "number": number, "message": text, "data": {"words": words, "share": rng.random()}}
    if rng.random() < 0.005:
        text += "-" * rng.randrange(1_000, 30_000)
    return {"event": "log", "message": text, "level": rng.choice(LEVELS)}


def number_of(event: dict[str, Any]) -> int | None:
    """The number of the line that an event is; None for one that no job of a soak has logged."""
    if event.get("event") not in ("log", "progress"):
        return None
    first = str(event.get("message", "")).partition(" ")[0]
    return int(first) if first.isdigit() else None


def write(emitter: Emitter, key: str, number: int) -> None:
    """Log a line."""
    if hidden(number):
        emitter.log(f"{number} {key} hidden", visibility="internal_only")
        return
    line = event(key, number)
    if line["event"] == "log":
        emitter.log(line["message"], line["level"])
    else:
        emitter.emit(line)
