"""METRICS: what Prometheus is told, and that the Grafana dashboard asks for nothing else, and for all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.features import FEATURES
from app.settings import PROJECT_ROOT
from tests.support import RunningApp

pytest.importorskip("app.ingest", reason="the jobs of these tests are those of ingest")

RunApp = Callable[..., RunningApp]

DASHBOARD = json.loads((PROJECT_ROOT / "ops" / "grafana" / "streamator.json").read_text(encoding="utf-8"))
TEXT = b"# A note\n\nThe quick brown fox jumps over the lazy dog.\n"
# Prometheus adds these to each sample: whom it has asked, and for which job of its own.
ADDED = {"instance", "job"}


def scrape(running: RunningApp) -> dict[str, set[str]]:
    """The series that an app tells of: their names, and the labels of each."""
    answer = running.client.get("/metrics")
    assert answer.status_code == 200
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def value(running: RunningApp, name: str) -> float:
    """The sum of the series of this name."""
    families = text_string_to_metric_families(running.client.get("/metrics").text)
    values = [sample.value for family in families for sample in family.samples if sample.name == name]
    assert values, name
    return sum(values)


def test_there_are_none_unless_they_are_asked_for(run_app: RunApp) -> None:
    assert run_app().client.get("/metrics").status_code == 404


def test_they_tell_of_a_job_its_viewer_and_the_process(run_app: RunApp) -> None:
    # The agents take up what was ingested, and log events of their own, in their own time.
    features = [each for each in FEATURES if each.name != "agents"]
    running = run_app(features, metrics=True, streamator_store="memory")
    before = value(running, "streamator_events_published_total")
    opened = value(running, "streamator_streams_opened_total")
    active = value(running, "streamator_jobs_active")
    events = running.events(running.ingest(TEXT, "note.md"))
    assert value(running, "streamator_events_published_total") == before + len(events)
    assert value(running, "streamator_streams_opened_total") == opened + 1
    assert value(running, "streamator_jobs_active") == active
    assert value(running, "process_resident_memory_bytes") > 1_000_000


def test_two_apps_in_one_process_have_each_their_own(run_app: RunApp, tmp_path: Path) -> None:
    first = run_app(metrics=True)
    second = run_app(metrics=True, data_dir=tmp_path / "other")
    assert scrape(first).keys() == scrape(second).keys()


# The dashboard


def queries() -> list[tuple[str, str, str]]:
    """Of each query of the dashboard its panel's title, the expression, and the legend."""
    return [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]


def parsed(expression: str) -> Any:
    """The query as Prometheus gets it: Grafana has put in its variables."""
    return promql.parse(expression.replace("$__rate_interval", "1m").replace("$instance", ".*"))


def selectors(node: Any) -> Iterator[tuple[str, set[str]]]:
    """The series that a query asks for: the name, and the labels by which it selects."""
    if isinstance(node, promql.VectorSelector):
        yield str(node.name), {matcher.name for matcher in node.matchers.matchers}
    elif isinstance(node, promql.MatrixSelector):
        yield from selectors(node.vector_selector)
    else:
        for name in ("expr", "lhs", "rhs"):
            if hasattr(node, name):
                yield from selectors(getattr(node, name))
        for argument in getattr(node, "args", ()):
            yield from selectors(argument)


def groupings(node: Any) -> Iterator[set[str]]:
    """The labels by which a query adds up."""
    if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
        yield set(node.modifier.labels)
    for name in ("expr", "lhs", "rhs"):
        if hasattr(node, name):
            yield from groupings(getattr(node, name))
    for argument in getattr(node, "args", ()):
        yield from groupings(argument)


@pytest.fixture(params=["memory", "redis"])
def told(request: pytest.FixtureRequest, run_app: RunApp) -> dict[str, set[str]]:
    """What an app tells of after a job, on a store of either sort."""
    settings = {"metrics": True, "streamator_store": request.param}
    if request.param == "redis":
        settings["streamator_redis_url"] = request.getfixturevalue("redis")["STREAMATOR_REDIS_URL"]
    running = run_app(**settings)
    running.result(running.ingest(TEXT, "note.md"))
    return scrape(running)


def test_every_series_has_its_panel_and_every_panel_its_series(told: dict[str, set[str]]) -> None:
    asked = {name for _, expression, _ in queries() for name, _ in selectors(parsed(expression))}
    ours = {name for name in told if name.startswith("streamator_")}
    assert len(ours) >= 12
    assert ours <= asked
    elsewhere = {name for name in asked if "_store_" in name}  # of remote stores alone
    assert asked <= set(told) | (elsewhere if "streamator_store_pending_events" not in told else set())


def test_every_label_of_a_query_is_one_of_its_series(told: dict[str, set[str]]) -> None:
    for title, expression, legend in queries():
        query = parsed(expression)
        found = [(name, labels) for name, labels in selectors(query) if name in told]
        labels = set.union(*(told[name] for name, _ in found)) | ADDED if found else None
        if labels is None:
            continue
        assert all(matched <= told[name] | ADDED for name, matched in found), title
        by = list(groupings(query))
        assert all(group <= labels for group in by), title
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert all(shown <= group for group in [*by, labels]), title


def test_the_dashboard_can_be_imported_as_it_is() -> None:
    (source, server) = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"], source["name"]) == ("datasource", "prometheus", "datasource")
    assert (server["name"], server["datasource"]["uid"]) == ("instance", "${datasource}")
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert {panel["datasource"]["uid"], *(each["datasource"]["uid"] for each in panel["targets"])} == {
            "${datasource}"
        }
        assert 'instance=~"$instance"' in panel["targets"][0]["expr"]
    places = {
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in panels)  # none over another
    assert max(x for x, _ in places) == 23
