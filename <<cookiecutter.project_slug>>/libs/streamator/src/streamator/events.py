"""What an event is, and how anything a job hands over becomes one, safely.

An event is one JSON object. Encoding never raises and never lets a message's text forge or break an event: the
text that comes out is strict JSON (RFC 8259: no NaN), holds no CR or LF (the JSON grammar escapes both inside
strings), and is valid UTF-8 once encoded (a lone surrogate becomes U+FFFD).
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from json.encoder import encode_basestring as _quote
from math import prod
from typing import Any, Final

from .errors import InvalidJobId

Event = dict[str, Any]

LEVELS: Final = ("info", "success", "warning", "error")
STATUSES: Final = ("completed", "failed", "cancelled")

# Whom an event is for; without one it is user-facing. See `filters`.
USER_FACING: Final = "user_facing"
MODEL_ONLY: Final = "model_only"
LIVE_UI_ONLY: Final = "live_ui_only"
INTERNAL_ONLY: Final = "internal_only"
VISIBILITIES: Final = (USER_FACING, MODEL_ONLY, LIVE_UI_ONLY, INTERNAL_ONLY)

# Names for common events. They are names, not schemas: the job decides what else such an event holds.
WORKFLOW_STARTED: Final = "workflow_started"
STEP_STARTED: Final = "step_started"
STEP_PROGRESS: Final = "step_progress"
STEP_COMPLETED: Final = "step_completed"
TOOL_EXECUTED: Final = "tool_executed"
WORKFLOW_COMPLETED: Final = "workflow_completed"
ERROR: Final = "error"
HEARTBEAT: Final = "heartbeat"

# Event names that every reader acts on: only the log itself makes them.
RESERVED: Final = ("done", "gap", "attempt")

# The ids of a job's attempt 2 begin so far above those of attempt 1, and so on: above any id that a viewer may have
# seen, and a multiple, so that two ids alone tell how many events are between them.
ATTEMPT_IDS: Final = 1_000_000_000
MAX_ATTEMPT: Final = 1_000_000  # its ids are exact in JavaScript

# The longest text kept, in characters: one message, or one string inside an emitted event. 64 Ki characters are
# 256 KiB of UTF-8 at the most, which still fits a DynamoDB item (400 KB) after base64.
MAX_TEXT: Final = 65_536
# The largest event kept, in characters of JSON.
MAX_EVENT: Final = 262_144
# The largest checkpoint, in bytes of JSON.
MAX_CHECKPOINT: Final = 262_144
# The longest reason of an attempt, in characters.
MAX_REASON: Final = 500

_ESCAPED: Final = ('"', "\\", "\n", *map(chr, range(32)))
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_RESERVED_NAME = re.compile(rf'{{"event":"({"|".join(RESERVED)})"')
_MAX_DEPTH = 100


def is_job_id(value: object) -> bool:
    """Whether ``value`` may reach a store as a job id: ``^[A-Za-z0-9_-]{1,128}$``."""
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None


def check_job_id(value: str) -> str:
    """Return ``value`` if it is a valid job id.

    Raises:
        InvalidJobId: it is not; the message shows (the head of) the value and the rule.
    """
    if not is_job_id(value):
        raise InvalidJobId(
            f"invalid job id {text_of(value)[:80]!r}: use 1 to 128 letters, digits, '_' or '-', "
            "or leave job_id out to get a new one"
        )
    return value


def text_of(value: object) -> str:
    """``str(value)``, whatever ``value`` does: an object whose ``__str__`` raises becomes a text that says so."""
    try:
        if isinstance(value, str):
            return str.__str__(value)
        return str.__str__(str(value))
    except Exception as error:  # the job's own object failed: its logging must not
        return f"<{type(value).__name__} that has no text: {type(error).__name__}>"


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """``text``, cut to ``limit`` characters with a marker that says how long it was."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... [truncated: {limit:,} of {len(text):,} characters kept]"


def encode_run(
    first: int, times: Sequence[float], texts: Sequence[str], levels: Sequence[str | None], start: float
) -> bytes:
    """The frames of consecutive entries, in the form `wire` describes.

    Args:
        first: the id of the first entry.
        times: their `time.monotonic` readings, which never fall.
        texts: the message of a log entry, or an event as a JSON object.
        levels: the level of a log entry. For a JSON object: None if its ``t`` is to be added, ``""`` if it has one.
        start: the reading that ``t`` counts from.

    A log entry has exactly ``event, message, level, t``, in this order.
    """
    frames = []
    # Texts that need no escapes are not quoted: encoding takes a third less. The check costs as much as quoting a
    # dozen.
    bare = len(texts) > 12 and all(levels) and _is_bare("".join(texts))
    millisecond, t = -1.0, ""
    for event_id, (time, text, level) in enumerate(zip(times, texts, levels, strict=True), first):
        now = (time - start) * 1_000 // 1
        if now != millisecond:  # entries of a burst share one, and formatting it is half of the work
            millisecond, t = now, f"{now / 1_000:.3f}"
        if level:
            if bare:  # a format of its own: quoting into a variable first takes a sixth longer
                line = f'id: {event_id}\ndata: {{"event":"log","message":"{text}","level":"{level}","t":{t}}}\n\n'
            else:
                line = f'id: {event_id}\ndata: {{"event":"log","message":{_quote(text)},"level":"{level}","t":{t}}}\n\n'
            frames.append(line)
            continue
        if level is None:
            text = f'{text[:-1]},"t":{t}}}' if text != "{}" else f'{{"t":{t}}}'
        frames.append(f"id: {event_id}\ndata: {text}\n\n")
    return to_utf8("".join(frames))


def _is_bare(text: str) -> bool:
    """Whether ``text`` is ASCII in which JSON escapes nothing (RFC 8259, section 7). Searching a long text for each of
    34 characters is five times as fast as quoting it."""
    return text.isascii() and not any(character in text for character in _ESCAPED)


def is_mapping(value: object) -> bool:
    """Whether ``value`` is a mapping, by its type alone: asking the object itself may raise."""
    return issubclass(type(value), Mapping)


def encode_event(event: Any, visibility: str | None = None, trace_id: str | None = None) -> str:
    """Encode ``event`` as a JSON object without a ``t``, which the log adds. Its ``event`` key comes first, so that the
    name can be read without parsing. ``visibility`` replaces the event's own; ``trace_id`` is added unless the event
    has one.

    Never raises. Values that JSON cannot hold become what `_json_form` says, else their string; strings over
    ``MAX_TEXT`` characters are cut with a marker, and an event still over ``MAX_EVENT`` is replaced by its name, its
    visibility, its trace and a note of its size.
    """
    if not is_mapping(event):
        event = {"event": "log", "message": clip(text_of(event)), "level": "info"}
    try:
        fields = _ordered(dict(event), visibility, trace_id)
        text = _strict.encode(fields)
        if len(text) > MAX_TEXT:
            text = _strict.encode(_plain(fields, ()))
    except Exception:  # NaN, a cycle, keys that are no strings, a dict changed by another thread, ...
        try:
            plain = {_key(k): _plain(v, ()) for k, v in dict(event).items()}
            fields = _ordered(plain, visibility, trace_id)
            text = _strict.encode(fields)
        except Exception as error:  # a mapping that cannot even be listed
            message = f"an event could not be read: {type(error).__name__}"
            fields = _ordered({"event": "log", "level": "warning", "message": message}, visibility, trace_id)
            text = _strict.encode(fields)
    if len(text) > MAX_EVENT:
        note = {"truncated": f"the event was {len(text):,} characters of JSON; the limit is {MAX_EVENT:,}"}
        kept = {key: clip(text_of(fields[key]), 200) for key in ("event", "visibility", "trace_id") if key in fields}
        text = _strict.encode({**kept, **note})
    return text


def encode_value(value: object) -> str:
    """The JSON of any value, with values that JSON cannot hold as in `encode_event`. Never raises."""
    try:
        return _strict.encode(value)
    except Exception:  # NaN, a cycle, keys that are no strings, ...
        return _strict.encode(_plain(value, ()))


def encode_checkpoint(data: object) -> str:
    """The JSON of a checkpoint: exactly ``data``, since the next attempt begins with it.

    Raises:
        ValueError: it is no JSON, or too large.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        fix = "give dicts, lists, texts, finite numbers, booleans and None, such as {'page': 7}"
        raise ValueError(f"a checkpoint cannot be stored as JSON ({error}): {fix}") from error
    if size > MAX_CHECKPOINT:
        fix = "keep the data elsewhere, and where it is in the checkpoint"
        raise ValueError(f"a checkpoint is {size:,} bytes of JSON, and the limit is {MAX_CHECKPOINT:,}: {fix}")
    return text


def attempt_parts(reason: str) -> tuple[str, str]:
    """What comes before and after the number in the event that begins an attempt."""
    return '{"event":"attempt","attempt":', f',"reason":{_quote(reason)},"t":0.000}}'


def attempt_of(event_id: int) -> int:
    """The attempt that an event is of, by its id."""
    return (event_id - 1) // ATTEMPT_IDS + 1


def last_before(attempt: int, last: int) -> int:
    """The id that an attempt's first event follows, where ``last`` is the newest one of the attempts before."""
    return (attempt - 1) * ATTEMPT_IDS + last % ATTEMPT_IDS


def count_between(after: int, last: int) -> int:
    """How many events follow the id ``after``, up to the id ``last``. None where attempts are between them and the
    earlier one had more events than the store has kept."""
    between = (last - after) % ATTEMPT_IDS
    return between if between < ATTEMPT_IDS // 2 else 0


def free_name(text: str) -> tuple[str, str | None]:
    """Rename an event whose name is reserved; returns its JSON, and the reserved name if it had one.

    It checks the encoded text, as viewers do, so that an object whose string is ``done`` is caught too.
    """
    match = _RESERVED_NAME.match(text)
    if match is None:
        return text, None
    return f'{{"event":"user_{text[match.start(1) :]}', match[1]


def to_utf8(text: str) -> bytes:
    """``text`` as UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _ordered(fields: Event, visibility: str | None, trace_id: str | None) -> Event:
    """``fields`` with ``event`` first, without ``t``, and with ``visibility`` and ``trace_id`` if they are given. May
    change ``fields``."""
    fields.pop("t", None)
    if visibility is not None:
        fields["visibility"] = visibility
    if trace_id is not None:
        fields.setdefault("trace_id", trace_id)
    if "event" in fields and next(iter(fields)) != "event":
        return {"event": fields["event"], **fields}
    return fields


def _default(value: Any) -> Any:
    """The replacement for a value that JSON cannot hold."""
    return dict(value) if is_mapping(value) else _json_form(value)


def _json_form(value: Any) -> Any:
    """The replacement for a value that is neither JSON nor a mapping. It may hold such values itself.

    An `Enum` member becomes its value; a date or time ISO 8601; a `timedelta` its seconds; a dataclass its fields,
    except those with ``repr=False``, which its string hides too; an object with ``model_dump`` (pydantic) the result of
    that; one with ``tolist`` (numpy, pandas, torch, `array`) its numbers. Anything else becomes its string: exact for a
    `Decimal`, the usual form for a `UUID` or a path. May raise what the value raises.
    """
    kind = type(value)
    if issubclass(kind, Enum):
        return value.value
    if issubclass(kind, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    if issubclass(kind, datetime.timedelta):
        return value.total_seconds()
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind) if field.repr}
    if hasattr(kind, "model_dump"):
        try:
            return value.model_dump(mode="json")
        except Exception:  # pydantic has no JSON for one of its fields; `_plain` may
            return value.model_dump()
    if hasattr(kind, "tolist") and _count(value) <= MAX_EVENT // 2:  # more does not fit an event
        dated = getattr(getattr(value, "dtype", None), "kind", None) == "M"
        return value.astype(str).tolist() if dated else value.tolist()  # `tolist` makes numbers of nanoseconds
    return text_of(value)


def _count(value: Any) -> int:
    """How many numbers there are in an array: 1 in a scalar."""
    return prod(value.shape) if hasattr(value, "shape") else len(value)


def _key(key: object) -> str:
    """A key of a mapping, as text."""
    if issubclass(type(key), Enum):
        key = key.value  # type: ignore[attr-defined]  # mypy narrows by isinstance alone, which would ask the object
    return clip(text_of(key))


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    """``value`` as something strict JSON can hold."""
    kind = type(value)  # `isinstance` would ask the object, which may raise
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return clip(text_of(value))
    if issubclass(kind, int):
        number = int.__int__(value)  # the text of an IntEnum is its name
        text = text_of(number)  # past 4,300 digits Python refuses to print an int
        return number if text.lstrip("-").isdigit() else text
    if issubclass(kind, float):
        return float(value) if value - value == 0 else text_of(value)  # NaN and the infinities are no JSON
    if id(value) in above or len(above) >= _MAX_DEPTH:
        return f"<{type(value).__name__} inside itself>" if id(value) in above else clip(text_of(value))
    above = (*above, id(value))
    try:
        if is_mapping(value):
            return {_key(k): _plain(v, above) for k, v in list(value.items())}
        if issubclass(kind, (list, tuple)):
            return [_plain(v, above) for v in list(value)]
        return _plain(_json_form(value), above)
    except Exception:  # its members cannot be listed
        return f"<{kind.__name__} that cannot be read>"


_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default)
