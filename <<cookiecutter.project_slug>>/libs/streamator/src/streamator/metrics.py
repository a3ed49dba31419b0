"""Prometheus metrics of the stores and streams of this process.

Needs the ``[metrics]`` extra. What is counted are plain numbers that stores and streams keep anyway (see `counts`);
they are added up when they are asked for, so that metrics cost what a scrape costs, and nothing where there is none.

The labels are few: ``store`` is a store's kind (``memory``, ``dynamo``, ``redis``, or the name of a class of yours),
``transport`` is ``sse`` or ``ws``, ``kind`` one of six, ``reason`` one of three. No label holds a job's id.
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
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        "streamator.metrics needs prometheus-client, which is not installed here "
        f"({error}): pip install 'streamator[metrics]'"
    ) from error

from . import shutdown
from .asgi import NO_STORE, respond
from .counts import BOUNDS, Counts
from .fault import FaultKind
from .options import check_callable, check_kind, check_path
from .store import MemoryStore, Store, stores
from .viewer import ASGIApp, Receive, Scope, Send, given_store, header, route_path

_BOUNDS: Final = (*(str(bound) for bound in BOUNDS), "+Inf")


class Metrics(Collector):
    """A Prometheus collector in a registry, and the ASGI application that answers a scrape of that registry.

    Args:
        store: what to count: a name (with its options) or a `Store` (default: every store that is open here). Streams
            are counted for the whole process.
        registry: where it registers itself (default: a new one, so that any number of applications in a process have
            their own). One registry takes one `Metrics`, or names would be there twice.
        path: with ``otherwise``, the path it answers (default ``"/metrics"``).
        otherwise: the ASGI application that answers all other paths (default: none, it answers what it is asked).
        store_options: what the named store takes, ``table="my-logs"`` for instance.

    Raises:
        ValueError: the registry has one already.
        StoreError: the store is unknown, or its options do not fit.

    Guarantees: what is named ``_total`` never falls while the process lives, also where jobs are forgotten and stores
    go. A scrape waits for no store, runs in a thread of its own, and holds a log's lock for a microsecond.

    Whoever reaches it can read it; it tells how much there is of everything, and nothing of what is in it.
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
        """What stores had counted that nobody uses any more, when they were last seen."""
        if registry is not None:
            check_kind("registry", registry, CollectorRegistry, "give a prometheus_client.CollectorRegistry, or None")
        self.registry = CollectorRegistry() if registry is None else registry
        """For what else is to be in the answer, and for prometheus-client's own servers."""
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """The series, without samples."""
        return _Families().all

    def collect(self) -> Iterable[Metric]:
        """The series, as they are now. From any thread."""
        families = _Families()
        for name, counts in self._counts().items():
            totals = counts.totals
            families.published.add_metric([name], totals.published)
            families.dropped.add_metric([name, "full"], totals.dropped)
            families.active.add_metric([name], counts.active)
            families.size.add_metric([name], counts.size)
            buckets = zip(_BOUNDS, accumulate(totals.publish.counts), strict=True)
            families.publish.add_metric([name], list(buckets), totals.publish.sum)
            if counts.pending is not None:
                families.dropped.add_metric([name, "unstored"], totals.unstored)
                families.dropped.add_metric([name, "refused"], totals.refused)
                families.pending.add_metric([name], counts.pending)
                families.retries.add_metric([name], totals.retries)
                for kind in get_args(FaultKind):
                    families.failures.add_metric([name, kind], totals.failures[kind])
        degraded = [(_name(store), store.degraded is not None) for store in self._stores()]
        for name in dict.fromkeys(name for name, _ in degraded):
            families.degraded.add_metric([name], (name, True) in degraded)
        lags = [(stream.transport, lag) for stream in shutdown.open_streams() if (lag := stream.lag) is not None]
        opened, resumed = shutdown.opened()
        for transport in shutdown.TRANSPORTS:
            families.streams.add_metric([transport], sum(name == transport for name, _ in lags))
            families.opened.add_metric([transport], opened[transport])
            families.reconnects.add_metric([transport], resumed[transport])
        families.lag.add_metric([], max((lag for _, lag in lags), default=0))
        return families.all

    def _stores(self) -> list[Store]:
        return stores() if self._store is None else [self._store]

    def _counts(self) -> dict[str, Counts]:
        """What the stores have counted, those of the same kind together."""
        found: dict[str, Counts] = {}
        with self._lock:
            for store in self._stores():
                if isinstance(store, MemoryStore):  # another one counts nothing that we know of
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
            await respond(send, 405, b'{"error":"only GET is answered here"}', (b"allow", b"GET, HEAD"))
            return
        encode, media_type = choose_encoder(header(scope, b"accept") or "")
        body = await asyncio.to_thread(encode, self.registry)
        headers = [
            (b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), NO_STORE,
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
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


class _Families:
    """The series. Each has its sentence here."""

    def __init__(self) -> None:
        store = ["store"]
        self.published = CounterMetricFamily(
            "streamator_events_published", "Events that jobs of this process have logged.", labels=store
        )
        self.dropped = CounterMetricFamily(
            "streamator_events_dropped",
            "Events that are gone because a log was full, that the store will not get because too many jobs wait "
            "(unstored), or that it refuses for good (refused: the dead letters).",
            labels=[*store, "reason"],
        )
        self.active = GaugeMetricFamily(
            "streamator_jobs_active", "Jobs of this process that are not over.", labels=store
        )
        self.size = GaugeMetricFamily(
            "streamator_log_memory_bytes", "About how much memory the events of these jobs take.", labels=store
        )
        self.publish = HistogramMetricFamily(
            "streamator_publish_duration_seconds",
            "From when an event was logged to when all who may read it can: in memory (sampled), or in the store (the "
            "first event of each write).",
            labels=store,
        )
        self.degraded = GaugeMetricFamily(
            "streamator_store_degraded", "Whether something is wrong with the store (1) or not (0).", labels=store
        )
        self.pending = GaugeMetricFamily(
            "streamator_store_pending_events", "Events that are not known to be stored yet.", labels=store
        )
        self.failures = CounterMetricFamily(
            "streamator_store_write_failures", "Writes to the store that failed, by why.", labels=[*store, "kind"]
        )
        self.retries = CounterMetricFamily(
            "streamator_store_write_retries", "Writes to the store that were made after one had failed.", labels=store
        )
        transport = ["transport"]
        self.streams = GaugeMetricFamily("streamator_streams_active", "Streams that are open.", labels=transport)
        self.opened = CounterMetricFamily(
            "streamator_streams_opened", "Streams that were opened, reconnects among them.", labels=transport
        )
        self.reconnects = CounterMetricFamily(
            "streamator_stream_reconnects", "Streams that were opened after an event seen before.", labels=transport
        )
        self.lag = GaugeMetricFamily(
            "streamator_viewer_lag_events", "Events that the slowest viewer of an open stream has still to take."
        )
        self.all: list[Metric] = list(vars(self).values())


def _name(store: Store) -> str:
    """``"redis"`` for a RedisStore."""
    return type(store).__name__.removesuffix("Store").lower()
