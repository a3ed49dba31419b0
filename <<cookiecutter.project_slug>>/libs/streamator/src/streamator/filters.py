"""Filters: which of a log's events a reader is shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from .events import USER_FACING, VISIBILITIES, Event, text_of
from .options import check_callable, check_kind

Predicate = Callable[[Event], Any]

# Every filter shows these: the end of the log, missing events, and where another attempt begins.
ALWAYS = ("done", "gap", "attempt")

_VISIBILITY = b'"visibility"'

logger = logging.getLogger("streamator")


class Filter:
    """Which events a reader is shown: ``follow(log, filter=visibility("user_facing") & ~event_type("token"))``.

    Args:
        predicate: called with each event, a dict; returns true for an event to show.

    Filters combine with ``&``, ``|`` and ``~``, also with plain functions of an event.

    Guarantees: ``done``, ``gap``, ``attempt``, and the ``status`` of a remote job's producer always pass, so that no
    filter hides the end of a log. An event for which the predicate raises is not shown, so that nothing shows by
    accident; the first such exception goes to the logger ``streamator``.
    """

    __slots__ = ("_memo", "_predicate", "_unless", "_warned")

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = check_callable("predicate", predicate, "give a function that takes an event, a dict")
        # Frames that contain none of these bytes pass without being parsed: parsing each event makes the routes'
        # default filter take 20 times as long as a read. Empty: every event is parsed.
        self._unless: tuple[bytes, ...] = ()
        self._memo = (b"", b"")
        self._warned = False

    def __call__(self, event: Event) -> bool:
        """Whether the event is shown."""
        name = event.get("event")
        if name in ALWAYS or (name == "status" and "t" not in event):  # with a `t` it is the job's own
            return True
        try:
            return bool(self._predicate(event))
        except Exception:
            if not self._warned:
                self._warned = True
                logger.exception("a filter failed for the event %s: not shown", text_of(event)[:200])
            return False

    def __and__(self, other: Predicate) -> Filter:
        """What both show."""
        one, two = self._predicate, _of(other)._predicate
        both = Filter(lambda event: one(event) and two(event))
        if self._unless and isinstance(other, Filter) and other._unless:
            both._unless = (*self._unless, *other._unless)
        return both

    def __or__(self, other: Predicate) -> Filter:
        """What either of the two shows."""
        one, two = self._predicate, _of(other)._predicate
        either = Filter(lambda event: one(event) or two(event))
        either._unless = self._unless or (other._unless if isinstance(other, Filter) else ())
        return either

    def __invert__(self) -> Filter:
        """What this one does not show; the events that always pass are shown by both."""
        one = self._predicate
        return Filter(lambda event: not one(event))

    def select(self, frames: bytes) -> bytes:
        """The frames (see `wire`) that are shown; ``frames`` itself if all are.

        Readers that wait together get the same bytes object, so the last result is kept for the next reader: 0.7 us for
        10 events, not 33.
        """
        unless = self._unless
        if unless and not any(mark in frames for mark in unless):
            return frames
        memo = self._memo
        if memo[0] is frames:
            return memo[1]
        parts = frames.split(b"\n\n")[:-1]
        shown = [part for part in parts if self._shows(part)]
        result = frames if len(shown) == len(parts) else b"".join(part + b"\n\n" for part in shown)
        self._memo = (frames, result)
        return result

    def _shows(self, part: bytes) -> bool:
        if self._unless and not any(mark in part for mark in self._unless):
            return True
        text = part.partition(b"data: ")[2]
        return not text or self(json.loads(text))


def _of(other: Predicate) -> Filter:
    return other if isinstance(other, Filter) else Filter(other)


def visibility(*names: str) -> Filter:
    """Show the events of these visibilities; an event without one is ``user_facing``.

    Args:
        names: one or more of ``user_facing``, ``model_only``, ``live_ui_only``, ``internal_only``.

    Raises:
        ValueError: an unknown name, or no name.
    """
    for name in names:
        if name not in VISIBILITIES:
            raise ValueError(f"unknown visibility {text_of(name)[:80]!r}: use {', '.join(VISIBILITIES)}")
    if not names:
        raise ValueError(f"no visibility given: use {', '.join(VISIBILITIES)}")

    def shows(event: Event) -> bool:
        given = event.get("visibility")
        return (USER_FACING if given is None else given) in names

    shown = Filter(shows)
    if USER_FACING in names:
        shown._unless = (_VISIBILITY,)
    return shown


def event_type(*names: str) -> Filter:
    """Show the events of these names: ``event_type("log", "progress")``.

    Args:
        names: the ``event`` names to show.

    Raises:
        ValueError: no name is given.
    """
    if not names:
        raise ValueError("no event name given: event_type('log', 'progress') for instance")
    return Filter(lambda event: event.get("event") in names)


def check_filter(filter: object) -> None:
    """Raise ValueError unless it is a `Filter` or None."""
    if filter is not None:
        check_kind("filter", filter, Filter, "give a Filter, such as visibility('user_facing'), or None to show all")


VisibilityFilter = visibility
TypeFilter = event_type

DEFAULT_FILTER = visibility("user_facing", "live_ui_only")
"""The routes' default."""
