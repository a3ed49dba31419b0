"""What a route shows of a log, and in what pieces: the same for every transport."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qs

from .filters import Filter, check_filter, event_type, visibility
from .log import EventLog
from .stream import HEARTBEAT_SECONDS, Follow, check_batching, follow


class View:
    """A filter and the size of the pieces, for any number of viewers.

    Args:
        filter: which events are shown; None for all.
        batch_delay_ms: how long events wait for others to go with them, in ms.
        batch_size: so many waiting events go at once; None: they wait for ``batch_delay_ms``.

    Raises:
        ValueError: see `follow`.
    """

    __slots__ = ("batch_delay", "batch_size", "filter")

    def __init__(self, filter: Filter | None, batch_delay_ms: float = 0.0, batch_size: int | None = None) -> None:
        check_filter(filter)
        check_batching("batch_delay_ms", batch_delay_ms, batch_size, HEARTBEAT_SECONDS * 1_000, "ms")
        self.filter = filter
        self.batch_delay = batch_delay_ms / 1_000
        self.batch_size = batch_size

    def narrowed(self, query: bytes) -> View:
        """This view, less what the query of a request leaves out: ``visibility`` and ``types``, lists with commas.

        A query can only take away: what the view does not show stays hidden.

        Raises:
            ValueError: a visibility that there is not.
        """
        if b"visibility" not in query and b"types" not in query:
            return self
        fields = parse_qs(query.decode("latin-1"))
        names, types = _listed(fields.get("visibility")), _listed(fields.get("types"))
        return _narrowed(self, names, types) if names or types else self

    def follow(self, log: EventLog, after: int, heartbeat: float = HEARTBEAT_SECONDS) -> Follow:
        """Follow a log as this view shows it."""
        return follow(
            log, after, filter=self.filter, heartbeat=heartbeat, batch_delay=min(self.batch_delay, heartbeat),
            batch_size=self.batch_size,
        )  # fmt: skip


@lru_cache(maxsize=64)  # viewers that ask for the same share a filter, and so what it has last selected
def _narrowed(view: View, names: tuple[str, ...], types: tuple[str, ...]) -> View:
    filters = [view.filter] if view.filter is not None else []
    if names:
        filters.append(visibility(*names))
    if types:
        filters.append(event_type(*types))
    all_of = filters[0]
    for one in filters[1:]:
        all_of &= one
    return View(all_of, view.batch_delay * 1_000, view.batch_size)


def view_of(filter: Filter | None, batch_delay_ms: float, batch_size: int | None) -> View:
    """The view with these arguments, one for all that ask with the same."""
    view = View(filter, batch_delay_ms, batch_size)  # first: what cannot be used may be equal to what can
    return _shared(view.filter, view.batch_delay, view.batch_size)


@lru_cache(maxsize=64)
def _shared(filter: Filter | None, batch_delay: float, batch_size: int | None) -> View:
    return View(filter, batch_delay * 1_000, batch_size)


def _listed(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name for value in values or () for name in map(str.strip, value.split(",")) if name)
