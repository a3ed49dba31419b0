"""Facts as people read them: sizes, durations, counts, quotations."""

from __future__ import annotations

import regex

__all__ = ["beginning", "brief", "clip", "count", "duration", "size"]


# What a reader takes for one character.
_CLUSTER = regex.compile(r"\X")
_LONG_CLUSTER = 64  # characters


def size(number: int) -> str:
    """`1234567` -> `1.2 MB`. Units of 1000, as in MAX_UPLOAD_MB."""
    if number < 1000:
        return count(number, "byte")
    value = float(number)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95 or unit == "GB":
            break
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}".replace(".0 ", " ")


def count(number: int, one: str, many: str = "") -> str:
    """`count(1, "page")` -> `1 page`; `count(1200, "page")` -> `1,200 pages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`0.0123` -> `12 ms`, `3.21` -> `3.2 s`, `75` -> `1 min 15 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def clip(text: str, length: int = 80) -> str:
    """`text` on one line, in typographic quotes, cut with an ellipsis after `length` characters."""
    line = " ".join(text[: length * 4].split())
    return f"“{line if len(line) <= length else beginning(line, length - 1).rstrip() + '…'}”"


def beginning(text: str, length: int, start: int = 0) -> str:
    """As much of a text, from `start` on, as has at most `length` characters, and cuts nothing that a reader takes for
    one: an emoji or a flag of several, a letter with its marks."""
    if len(text) - start <= length:
        return text[start:]
    end = start
    for cluster in _CLUSTER.finditer(text, start, start + length + _LONG_CLUSTER):
        if cluster.end() > start + length:
            break
        end = cluster.end()
    return text[start:end] or text[start : start + length]


def brief(error: BaseException) -> str:
    """An exception's type and text, on one line."""
    try:
        text = str(error).rstrip(".")
    except Exception:  # of a stranger's class, whose __str__ fails as well
        text = ""
    return clip(f"{type(error).__name__}: {text}" if text else type(error).__name__, 120).strip("“”")
