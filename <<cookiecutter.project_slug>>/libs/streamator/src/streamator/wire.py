"""Events on the wire: server-sent events (WHATWG HTML, section 9.2), poll JSON and WebSocket text.

A *frame* is one event in its SSE form: ``id: 7\\ndata: {...}\\n\\n``. Its JSON holds no line break, so frames can
be joined, cut apart at their blank lines and turned into any other form without being parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from .events import to_utf8

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": heartbeat\n\n"
_EVENT_NAME = re.compile(rb'(?:id: [0-9]+\n)?data: \{"event":"([^"\\]*)"')
_FRAME = re.compile(rb"(?:id: ([0-9]+)\n)?data: ([^\n]*)\n\n")
_CURSOR = re.compile(r"[0-9]{1,18}")


def opening(retry_ms: int) -> bytes:
    """What a stream starts with: the time in ms that a browser waits before it reconnects, and a comment that
    makes proxies and clients see the stream as open at once."""
    return b"retry: %d\n: ok\n\n" % retry_ms


def retry(retry_ms: int) -> bytes:
    """Change the time that a browser waits before it reconnects, in ms."""
    return b"retry: %d\n\n" % retry_ms


def frame(event_id: int, json_text: str) -> bytes:
    """The SSE frame of one event."""
    return to_utf8(f"id: {event_id}\ndata: {json_text}\n\n")


def gap_frame(event_id: int, missed: int) -> bytes:
    """The frame that stands for ``missed`` lost events, of which ``event_id`` was the last."""
    return b'id: %d\ndata: {"event":"gap","missed":%d}\n\n' % (event_id, missed)


def heartbeat(event_id: int = 0) -> bytes:
    """Sent while there are no events. An id moves the cursor of a viewer whose filter has hidden the events up to it: a
    block with an ``id`` and no data sets the last event id, and is no event (HTML Standard, 9.2.6)."""
    return b": heartbeat\nid: %d\n\n" % event_id if event_id else HEARTBEAT


def status_frame(status: str) -> bytes:
    """The frame of a producer's passing state. It has no id: it is not part of the log."""
    return b'data: {"event":"status","status":"%s"}\n\n' % status.encode()


def json_parts(frames: bytes) -> list[bytes]:
    """The JSON of each frame; blocks without data are left out."""
    return [text for part in frames.split(b"\n\n") if (text := part.partition(b"data: ")[2])]


def named(frames: bytes) -> bytes:
    """The same frames with an ``event:`` line, so that a client can tell them apart by name. One without a name is a
    ``message``, as the specification calls it."""
    parts = frames.split(b"\n\n")[:-1]
    return b"".join(
        b"event: %s\n%s\n\n" % (match[1] if (match := _EVENT_NAME.match(part)) else b"message", part) for part in parts
    )


def poll_json(parts: Iterable[bytes], *, next_id: int, closed: bool) -> bytes:
    """The answer to a poll: the events, the id to ask after next, and whether there will be more."""
    return b'{"logs":[%s],"next":%d,"closed":%s}' % (b",".join(parts), next_id, b"true" if closed else b"false")


@lru_cache(maxsize=8)  # viewers that wait together send the same: 0.1 us for 10 events, not 6
def websocket_text(frames: bytes, last: int = 0) -> str:
    """The same frames as a JSON array, ``[{"id": 7, "event": {...}}, ...]``; the id of a passing state is null. Without
    frames it is a heartbeat, with the id ``last`` as in `heartbeat`: ``[{"id": 7, "event": null}]``."""
    if last and not frames:
        return f'[{{"id":{last},"event":null}}]'
    parts = (b'{"id":%s,"event":%s}' % (match[1] or b"null", match[2]) for match in _FRAME.finditer(frames))
    return f"[{b','.join(parts).decode()}]"


def parse_cursor(text: str | None) -> int:
    """The id in a ``Last-Event-ID`` header or an ``after`` parameter; anything else reads as 0.

    An id of more than 18 digits is past the end of any log; it reads as the largest of 18.
    """
    text = (text or "").strip().lstrip("0")
    if _CURSOR.fullmatch(text):
        return int(text)
    return 10**18 - 1 if text.isascii() and text.isdigit() else 0
