"""How a log is shown to its viewers: the options that all routes and streams share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import parse_qs

from ..filters import DEFAULT_FILTER, Filter, check_filter, event_type, visibility
from ..follow import HEARTBEAT_SECONDS, Follow, check_batching, check_heartbeat, follow
from ..log import EventLog
from ..options import check_flag


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a log is shown, to any number of viewers.

    Args:
        heartbeat: seconds without an event after which a heartbeat is sent (default 15).
        filter: which events are shown (default: those that are ``user_facing`` or ``live_ui_only``); None for all. A
            viewer's ``?visibility=`` and ``?types=``, lists with commas, can take away from it and add nothing.
        batch_delay_ms: how long events wait for others to go out with them, in ms (default 0).
        batch_size: so many waiting events go out at once (default: they wait for ``batch_delay_ms``); see `follow`.
        compress: send the stream compressed to a client that takes it, as gzip or, with the ``[compress]`` extra, zstd
            (default False); lines still arrive one by one, and a viewer costs about 30 KB more.
        named: put each event's name on an ``event:`` line, for an endpoint that starts a job and streams it as the
            answer to a POST (default False: unnamed, so that a browser's ``onmessage`` sees every event).

    Raises:
        ValueError: an option is out of its range, or there is a ``batch_size`` without a delay.
    """

    heartbeat: float = HEARTBEAT_SECONDS
    filter: Filter | None = DEFAULT_FILTER
    batch_delay_ms: float = 0.0
    batch_size: int | None = None
    compress: bool = False
    named: bool = False

    def __post_init__(self) -> None:
        check_heartbeat(self.heartbeat)
        check_filter(self.filter)
        check_batching("batch_delay_ms", self.batch_delay_ms, self.batch_size, HEARTBEAT_SECONDS * 1_000, "ms")
        check_flag("compress", self.compress)
        check_flag("named", self.named)

    def narrowed(self, query: bytes) -> StreamOptions:
        """These options, less what a request's query hides: ``visibility`` and ``types``, lists with commas.

        Raises:
            ValueError: an unknown visibility.
        """
        if b"visibility" not in query and b"types" not in query:
            return self
        fields = parse_qs(query.decode("latin-1"))
        names, types = _listed(fields.get("visibility")), _listed(fields.get("types"))
        return _narrowed(self, names, types) if names or types else self

    def follow(self, log: EventLog, after: int) -> Follow:
        """Follow a log as these options show it."""
        return follow(
            log, after, filter=self.filter, heartbeat=self.heartbeat,
            batch_delay=min(self.batch_delay_ms / 1_000, self.heartbeat), batch_size=self.batch_size,
        )  # fmt: skip


@lru_cache(maxsize=64)  # viewers that ask for the same share a filter, and its last result
def _narrowed(options: StreamOptions, names: tuple[str, ...], types: tuple[str, ...]) -> StreamOptions:
    filters = [options.filter] if options.filter is not None else []
    if names:
        filters.append(visibility(*names))
    if types:
        filters.append(event_type(*types))
    all_of = filters[0]
    for one in filters[1:]:
        all_of &= one
    return replace(options, filter=all_of)


def _listed(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name for value in values or () for name in map(str.strip, value.split(",")) if name)
