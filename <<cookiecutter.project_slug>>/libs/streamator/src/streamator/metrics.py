"""Prometheus metrics of the stores and streams of this process.

Needs the ``[metrics]`` extra. Stores and streams keep plain numbers anyway (see `counts`). A scrape adds them up, so
that metrics cost nothing between two scrapes.

The labels are few: ``store`` is a store's kind (``memory``, ``dynamo``, ``redis``, ``file``, or the name of a class of
yours), ``transport`` is ``sse``, ``ws`` or ``poll``, ``kind`` one of six, ``reason`` one of three. No label holds a
job's id.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, Protocol, get_args

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily as Counter
    from prometheus_client.core import GaugeMetricFamily as Gauge
    from prometheus_client.core import HistogramMetricFamily as Histogram
    from prometheus_client.core import Metric
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        "streamator.metrics needs prometheus-client, which is not installed here "
        f"({error}): pip install 'streamator[metrics]'"
    ) from error

from .options import check_callable, check_kind, check_path
from .stores.base import Store, stores
from .stores.counts import BOUNDS, Counts
from .stores.memory import MemoryStore
from .stores.remote.faults import FaultKind
from .transports import open_streams
from .transports.answers import encoded, short
from .transports.lookup import given_store
from .transports.scope import ASGIApp, Receive, Scope, Send, header, raw, respond, route_path

_BOUNDS: Final = (*(str(bound) for bound in BOUNDS), "+Inf")


class Metrics(Collector):
    """A Prometheus collector in a registry, and the ASGI application that answers a scrape of that registry.

    Args:
        store: what to count: a name (with its options) or a `Store` (default: every store that is open here). Streams
            are counted for the whole process.
        registry: where it registers itself (default: a new one, so that each application in a process has its own). A
            registry takes one `Metrics`: two would have the same names.
        path: with ``otherwise``, the path it answers (default ``"/metrics"``).
        otherwise: the ASGI application that answers all other paths (default: none, it answers all paths).
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    Raises:
        ValueError: the registry has one already.
        StoreError: the store is unknown, or its options do not fit.

    Guarantees: what is named ``_total`` never falls while the process lives, even when jobs are forgotten and stores
    go. A scrape waits for no store, runs in a thread of its own, and holds a log's lock for a microsecond.

    Whoever reaches it can read it: it shows counts, and no contents.
    """

    def __init__(
        self, store: str | Store | None = None, *, registry: CollectorRegistry | None = None, path: str = "/metrics",
        otherwise: ASGIApp | None = None, **store_options: Any,
    ) -> None:  # fmt: skip
        self._store = given_store(store, store_options)
        self._path = check_path("path", path)
        if otherwise is not None:
            check_callable("otherwise", otherwise, "give an ASGI application, or None")
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self._seen: dict[weakref.ref[Store], tuple[str, Counts]] = {}
        self._gone: dict[str, Counts] = {}
        """The last counts of stores that are gone, by name."""
        if registry is not None:
            check_kind("registry", registry, CollectorRegistry, "give a prometheus_client.CollectorRegistry, or None")
        self.registry = CollectorRegistry() if registry is None else registry
        """For further metrics in the same answer, and for prometheus-client's own servers."""
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """The series, without samples."""
        return _families().values()

    def collect(self) -> Iterable[Metric]:
        """The series, as they are now. From any thread."""
        families = _families()
        for name, counts in self._counts().items():
            totals = counts.totals
            families["published"].add_metric([name], totals.published)
            families["dropped"].add_metric([name, "full"], totals.dropped)
            families["active"].add_metric([name], counts.active)
            families["size"].add_metric([name], counts.size)
            buckets = zip(_BOUNDS, accumulate(totals.publish.counts), strict=True)
            families["publish"].add_metric([name], list(buckets), totals.publish.sum)
            if counts.pending is not None:
                families["dropped"].add_metric([name, "unstored"], totals.unstored)
                families["dropped"].add_metric([name, "refused"], totals.refused)
                families["pending"].add_metric([name], counts.pending)
                families["retries"].add_metric([name], totals.retries)
                for kind in get_args(FaultKind):
                    families["failures"].add_metric([name, kind], totals.failures[kind])
        degraded = [(_name(store), store.degraded is not None) for store in self._stores()]
        for name in dict.fromkeys(name for name, _ in degraded):
            families["degraded"].add_metric([name], (name, True) in degraded)
        lags = [(stream.transport, lag) for stream in open_streams.open_streams() if (lag := stream.lag) is not None]
        opened, resumed = open_streams.opened()
        for transport in open_streams.TRANSPORTS:
            families["streams"].add_metric([transport], sum(name == transport for name, _ in lags))
            families["opened"].add_metric([transport], opened[transport])
            families["reconnects"].add_metric([transport], resumed[transport])
        families["lag"].add_metric([], max((lag for _, lag in lags), default=0))
        return families.values()

    def _stores(self) -> list[Store]:
        return stores() if self._store is None else [self._store]

    def _counts(self) -> dict[str, Counts]:
        """The stores' counts, added up by kind."""
        found: dict[str, Counts] = {}
        with self._lock:
            for store in self._stores():
                if isinstance(store, MemoryStore):  # other stores have no counts
                    self._seen[weakref.ref(store)] = _name(store), store.counts()
            for ref in [ref for ref in self._seen if ref() is None]:
                name, last = self._seen.pop(ref)
                pending = None if last.pending is None else 0
                self._gone.setdefault(name, Counts()).add(Counts(last.totals, pending=pending))
            for name, counts in (*self._gone.items(), *self._seen.values()):
                found.setdefault(name, Counts()).add(counts)
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape, as Prometheus' text or, where it is asked for, as OpenMetrics."""
        if self._otherwise is not None and route_path(scope) != self._path:
            await self._otherwise(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"streamator's Metrics answers no {scope['type']!r}: only http")
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, short(405, encoded({"error": "only GET is answered here"}), allow="GET, HEAD"))
            return
        encode, media_type = choose_encoder(header(scope, b"accept") or "")
        body = await asyncio.to_thread(encode, self.registry)
        headers = {"content-type": media_type, "content-length": str(len(body)), "cache-control": "no-store"}
        await send({"type": "http.response.start", "status": 200, "headers": raw(headers)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class _HasRoutes(Protocol):
    """A Starlette or FastAPI application, or a router of theirs."""

    def add_route(self, path: str, route: Any) -> Any: ...


def add_metrics_route(
    app: _HasRoutes, path: str = "/metrics", store: str | Store | None = None, *,
    registry: CollectorRegistry | None = None, **store_options: Any,
) -> Metrics:  # fmt: skip
    """Add ``GET {path}`` to an application of FastAPI or Starlette: what Prometheus asks for.

    Args:
        app: the application or router. FastAPI's dependencies and route classes hold for this route too.
        path: where (default ``"/metrics"``).
        store, registry, store_options: see `Metrics`.

    Returns:
        The `Metrics`; more can be registered in its ``registry``.
    """
    from starlette.responses import Response

    metrics = Metrics(store, registry=registry, path=path, **store_options)

    class Scrape(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await metrics(scope, receive, send)

    async def scrape() -> Response:
        return Scrape()

    add_api_route = getattr(app, "add_api_route", None)
    if add_api_route is None:
        app.add_route(path, metrics)
    else:
        add_api_route(path, scrape, methods=["GET", "HEAD"], include_in_schema=False, response_model=None)
    return metrics


_STORE, _TRANSPORT = ["store"], ["transport"]
# Each series: its key here, its kind, its name without "streamator_", its labels and its help text.
_SERIES: Final[list[tuple[str, Any, str, list[str], str]]] = [
    ("published", Counter, "events_published", _STORE, "Events that jobs of this process have logged."),
    (
        "dropped", Counter, "events_dropped", ["store", "reason"],
        "Events that are gone because a log was full, that the store will not get because too many jobs wait "
        "(unstored), or that it refuses for good (refused: the dead letters).",
    ),
    ("active", Gauge, "jobs_active", _STORE, "Jobs of this process that are not over."),
    ("size", Gauge, "log_memory_bytes", _STORE, "About how much memory the events of these jobs take."),
    (
        "publish", Histogram, "publish_duration_seconds", _STORE,
        "From when an event was logged to when all who may read it can: in memory (sampled), or in the store (the "
        "first event of each write).",
    ),
    ("degraded", Gauge, "store_degraded", _STORE, "Whether something is wrong with the store (1) or not (0)."),
    ("pending", Gauge, "store_pending_events", _STORE, "Events that are not known to be stored yet."),
    ("failures", Counter, "store_write_failures", ["store", "kind"], "Writes to the store that failed, by why."),
    ("retries", Counter, "store_write_retries", _STORE, "Writes to the store that were made after one had failed."),
    ("streams", Gauge, "streams_active", _TRANSPORT, "Streams that are open."),
    ("opened", Counter, "streams_opened", _TRANSPORT, "Streams that were opened, reconnects among them."),
    ("reconnects", Counter, "stream_reconnects", _TRANSPORT, "Streams that were opened after an event seen before."),
    ("lag", Gauge, "viewer_lag_events", [], "Events that the slowest viewer of an open stream has still to take."),
]  # fmt: skip


def _families() -> dict[str, Any]:
    return {key: kind(f"streamator_{name}", text, labels=labels) for key, kind, name, labels, text in _SERIES}


def _name(store: Store) -> str:
    """``"redis"`` for a RedisStore."""
    return type(store).__name__.removesuffix("Store").lower()
