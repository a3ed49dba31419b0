"""The benchmark: ours, its peers and the limit side by side, measure by measure, interleaved.

    python run.py [--quick] [--only NAME ...] [--out FOLDER]

Absolute times are this machine's, now; the ratios are what to look at. Every run checks that each viewer got every
entry once and in order. Writes results.json, results.md and results.png. `make bench` installs what it needs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
LIBRARY = REPOSITORY / "<<cookiecutter.project_slug>>" / "libs" / "streamator"
OLD = Path(os.environ.get("STREAMATOR_021", REPOSITORY / "build" / "bench" / "streamator-0.2.1"))

OURS, LIMIT, PACED = "streamator", "limit", "limit, paced"
PEERS = [name for name in CONTESTANTS if name not in (OURS, LIMIT, PACED)]
Results = dict[str, list[dict[str, float]]]


# Processes


def environment(name: str) -> dict[str, str]:
    path = OLD if name == "streamator 0.2.1" else LIBRARY / "src"
    return {**os.environ, "PYTHONPATH": str(path), "PYTHONWARNINGS": "ignore"}


@contextmanager
def serving(name: str) -> Iterator[int]:
    """A server of that contestant; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, str(HERE / "contestants.py"), name, "--port", str(port)]
    process = subprocess.Popen(command, env=environment(name))
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    raise SystemExit(f"the server of {name!r} ended with code {process.returncode}") from None
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def client(port: int, do: str, **task: Any) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(HERE / "client.py")], input=json.dumps({"port": port, "do": do, **task}),
        stdout=subprocess.PIPE, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the client failed at {do} {task}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def solo(name: str, count: int) -> dict[str, float]:
    found: dict[str, float] = output([sys.executable, str(HERE / "contestants.py"), name, "--solo", str(count)], name)
    return found


def output(command: list[str], name: str) -> Any:
    """The JSON on the last line of what a command prints."""
    done = subprocess.run(command, env=environment(name), stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def interleaved(names: list[str], rounds: int, measure: Callable[[str, int], dict[str, float]]) -> Results:
    """``rounds`` times: each contestant's server, in an order that changes, is measured once."""
    results: Results = {name: [] for name in names}
    for turn in range(rounds):
        for name in random.Random(turn).sample(names, len(names)):
            with serving(name) as port:
                results[name].append(measure(name, port))
    return results


# Measures


@dataclass
class Row:
    """One line of the table: a figure of each contestant, and what ours is to be."""

    title: str
    unit: str
    values: dict[str, float]
    more_is_better: bool = True
    goals: list[tuple[str, float]] = field(default_factory=list)
    """(of whom, at least so many times as good): ``("limit", 0.2)``, ``("best peer", 10)``."""
    absolute: float | None = None
    """Ours is good enough with this figure too."""

    def best_peer(self) -> float | None:
        found = [self.values[name] for name in PEERS if name in self.values]
        return (max if self.more_is_better else min)(found) if found else None

    def ratio(self, other: float | None) -> float | None:
        """How many times as good ours is."""
        ours = self.values.get(OURS)
        if not ours or not other:
            return None
        return ours / other if self.more_is_better else other / ours

    def met(self) -> bool | None:
        if not self.goals and self.absolute is None:
            return None
        ours = self.values[OURS]
        if self.absolute is not None and (ours >= self.absolute if self.more_is_better else ours <= self.absolute):
            return True
        found = [self.ratio(self.best_peer() if of == "best peer" else self.values.get(of)) for of, _ in self.goals]
        pairs = [(ratio, least) for ratio, (_, least) in zip(found, self.goals, strict=True) if ratio is not None]
        return bool(pairs) and all(ratio >= least for ratio, least in pairs)

    def goal(self) -> str:
        if self.more_is_better:
            parts = [f">= {least:g} x {of}" for of, least in self.goals]
        else:
            parts = [f"<= {1 / least:.3g} x {of}" for of, least in self.goals]
        if self.absolute is None:
            return " and ".join(parts) or "-"
        sign = ">=" if self.more_is_better else "<="
        return " or ".join(
            [f"{sign} {number(self.absolute, self.unit)}", " and ".join(parts)]
            if parts
            else [f"{sign} {number(self.absolute, self.unit)}"]
        )


def medians(results: Results, key: str, scale: float = 1) -> dict[str, float]:
    return {name: statistics.median(one[key] for one in found) * scale for name, found in results.items() if found}


@dataclass
class Size:
    """How much is measured."""

    rounds: int
    entries: int
    viewers: int
    idle: int
    idle_seconds: float
    seconds: float
    growth: bool


QUICK = Size(rounds=2, entries=40_000, viewers=300, idle=1_000, idle_seconds=5, seconds=3, growth=False)
FULL = Size(rounds=3, entries=100_000, viewers=1_000, idle=2_000, idle_seconds=15, seconds=6, growth=True)

EVERYBODY = list(CONTESTANTS)
MANY = [name for name, kind in CONTESTANTS.items() if kind.many_viewers]


def log_and_memory(size: Size) -> list[Row]:
    results: Results = {name: [] for name in EVERYBODY if name != PACED}
    for _ in range(size.rounds):
        for name, found in results.items():
            found.append(solo(name, 2 * size.entries))
    return [
        Row("log(), no viewer", "ns", medians(results, "log_ns"), False, [("best peer", 3.5)], 250),
        Row("memory of an entry, unread", "B", medians(results, "unread"), False, [], 270),
        Row("memory of an entry, read", "B", medians(results, "read"), False, [], 270),
    ]


def one_viewer(size: Size) -> list[Row]:
    def burst(name: str, port: int) -> dict[str, float]:
        client(port, "watch", how="burst", n=2_000, viewers=1)
        first = client(port, "watch", how="burst", n=size.entries, viewers=1)["events_per_s"]
        each = client(port, "watch", how="each", n=size.entries // 2, viewers=1)["events_per_s"]
        return {"burst": first, "each": each}

    results = interleaved(EVERYBODY, size.rounds, burst)
    return [
        Row("1 viewer, bursts of 100", "events/s", medians(results, "burst"),
            goals=[(LIMIT, 0.2), ("best peer", 10)]),
        Row("1 viewer, the job yields after each", "events/s", medians(results, "each"),
            goals=[(PACED, 0.65), ("best peer", 7)]),
    ]  # fmt: skip


def many_viewers(size: Size) -> list[Row]:
    rows = []
    for viewers in (100, size.viewers):

        def measure(name: str, port: int) -> dict[str, float]:
            paced = name in (OURS, PACED)
            n = (2_000_000 if paced else 60_000) // viewers  # noqa: B023
            return client(port, "watch", how="each", n=n, viewers=viewers)  # noqa: B023

        results = interleaved(MANY, max(size.rounds // 2, 1), measure)
        rows.append(Row(f"{viewers:,} viewers, the job yields after each", "events/s delivered",
                        medians(results, "events_per_s"), goals=[(PACED, 0.9), ("best peer", 100)]))  # fmt: skip
    return rows


def late_viewer(size: Size) -> list[Row]:
    def measure(name: str, port: int) -> dict[str, float]:
        return client(port, "late", n=size.entries, times=3 if CONTESTANTS[name].replays else 1)

    results = interleaved([name for name in EVERYBODY if name != PACED], size.rounds, measure)
    scale = 1e3 * 100_000 / size.entries
    after = {name: found for name, found in results.items() if CONTESTANTS[name].replays}
    return [
        Row("late viewer of 100,000, the first", "ms", medians(results, "first", scale), False, [], 200),
        Row("late viewer of 100,000, the next", "ms", medians(after, "next", scale), False, [], 30),
    ]


def from_a_thread(size: Size) -> list[Row]:
    def measure(name: str, port: int) -> dict[str, float]:
        client(port, "watch", how="thread", n=2_000, viewers=1)
        return client(port, "watch", how="thread", n=size.entries, viewers=1)

    results = interleaved([OURS], size.rounds, measure)
    return [Row("logged by a worker thread, 1 viewer", "events/s", medians(results, "events_per_s"), absolute=300_000)]


def latency(size: Size) -> list[Row]:
    def measure(name: str, port: int) -> dict[str, float]:
        client(port, "watch", how="rate", n=500, viewers=100, jobs=100, rate=1_000)
        return client(port, "watch", how="rate", n=int(1_000 * size.seconds), viewers=100, jobs=100, rate=1_000)

    results = interleaved(EVERYBODY, size.rounds, measure)
    title = "latency, 1,000 events/s over 100 jobs"
    return [
        Row(f"{title}, p50", "us", medians(results, "p50", 1e6), False, [(LIMIT, 1 / 1.15)]),
        Row(f"{title}, p99", "us", medians(results, "p99", 1e6), False),
    ]


def idle_streams(size: Size) -> list[Row]:
    def measure(name: str, port: int) -> dict[str, float]:
        return client(port, "idle", viewers=size.idle, seconds=size.idle_seconds)

    results = interleaved([name for name in EVERYBODY if name != PACED], max(size.rounds // 2, 1), measure)
    cpu = {name: max(value, 1e-6) for name, value in medians(results, "cpu", 100).items()}
    return [
        Row(f"{size.idle:,} idle streams, each", "KB", medians(results, "bytes", 1e-3), False, [], 18),
        Row(f"{size.idle:,} idle streams, CPU of all", "%", cpu, False, [], 1),
    ]


def dynamo(size: Size) -> list[Row]:
    found: dict[str, dict[str, float]] = {}
    for name in (OURS, "streamator 0.2.1"):
        lines = 1_000 if name == OURS or size.growth else 100
        command = [sys.executable, str(HERE / "dynamo.py"), str(lines)]
        found[name] = output(command, name)
    title = "DynamoDB, 1,000 lines at 100/s"
    if not size.growth:  # what a line costs there grows with the lines before it
        del found["streamator 0.2.1"]
    return [
        Row(f"{title}, write units", "", {name: one["write"] for name, one in found.items()}, False, [], 100),
        Row(f"{title}, read units of a replay", "", {OURS: found[OURS]["read"]}, False, [], 5),
    ]


MEASURES = {
    "log": log_and_memory,
    "one": one_viewer,
    "many": many_viewers,
    "late": late_viewer,
    "thread": from_a_thread,
    "latency": latency,
    "idle": idle_streams,
    "dynamo": dynamo,
}


# How the cost grows


@dataclass
class Growth:
    """Ours, as something becomes larger."""

    title: str
    what: str
    unit: str
    points: list[tuple[int, float]]


def growth(size: Size) -> list[Growth]:
    entries, first, after, viewers = [], [], [], []
    with serving(OURS) as port:
        for n in (1_000, 10_000, 100_000, 999_999):  # with its last event, as many as a log keeps
            live = client(port, "watch", how="burst", n=n, viewers=1)
            entries.append((n, live["seconds"] / n * 1e6))
            found = client(port, "late", n=n, times=3)
            first.append((n, found["first"] / n * 1e6))
            after.append((n, found["next"] / n * 1e6))
    with serving(OURS) as port:
        for count in (1, 10, 100, 1_000, 2_000):
            n = 1_000_000 // max(count, 10)
            live = client(port, "watch", how="each", n=n, viewers=count)
            viewers.append((count, live["seconds"] / (n * count) * 1e6))
    jobs = output([sys.executable, str(HERE / "jobs.py")], OURS)
    return [
        Growth("one live viewer, bursts of 100", "entries", "us/entry", entries),
        Growth("a late viewer, the first", "entries", "us/entry", first),
        Growth("a late viewer, the next", "entries", "us/entry", after),
        Growth("live viewers, the job yields after each", "viewers", "us/delivered event", viewers),
        *(Growth(title, "jobs", unit, [tuple(p) for p in points]) for title, unit, points in jobs),
    ]


# Results


def number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "events/s" or unit.startswith("events/s "):
        return f"{value / 1e3:,.1f}k" if value < 1e5 else f"{value / 1e3:,.0f}k"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")


def machine() -> dict[str, str]:
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())  # fmt: skip
    packages = ("uvicorn", "uvloop", "httptools", "fastapi", "starlette", "sse-starlette")
    found = {"cpu": f"{cpu}, {os.cpu_count()} cores", "python": platform.python_version(), "system": platform.system()}
    return found | {name: version(name) for name in packages}


def markdown(rows: list[Row], grown: list[Growth], about: dict[str, str], load: float) -> str:
    lines = [
        f"| measure | streamator | {' | '.join([*PEERS, LIMIT, PACED])} | to the best peer | to the limit | goal | |",
        "|---|" + "---:|" * (len(PEERS) + 5) + "---|---|",
    ]
    for row in rows:
        limit = row.values.get(PACED if any(of == PACED for of, _ in row.goals) else LIMIT)
        cells = [number(row.values.get(name), row.unit) for name in (OURS, *PEERS, LIMIT, PACED)]
        found = (row.ratio(row.best_peer()), row.ratio(limit))
        ratios = [f"{ratio:.2f} x" if ratio is not None else "-" for ratio in found]
        met = {None: "", True: "met", False: "missed"}[row.met()]
        lines.append(f"| {row.title} | {' | '.join(cells)} | {' | '.join(ratios)} | {row.goal()} | {met} |")
    if grown:
        lines += ["", "How the cost grows:", ""]
    for one in grown:
        points = ", ".join(f"{n:,}: {value:,.2f}" for n, value in one.points)
        lines.append(f"- {one.title}, {one.unit} by {one.what}: {points}")
    lines += ["", "A ratio above 1 says that ours is better, whatever the unit.",
              f"One uvicorn worker, {', '.join(f'{k} {v}' for k, v in about.items())}; load {load:.1f}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="about two minutes, smaller and fewer rounds")
    parser.add_argument("--only", nargs="*", choices=[*MEASURES, "growth"], default=[])
    where = "where the results go (default: here; with --quick or --only: build/bench)"
    parser.add_argument("--out", type=Path, default=None, help=where)
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    out = arguments.out or (REPOSITORY / "build" / "bench" if arguments.quick or arguments.only else HERE)
    began = time.monotonic()
    rows: list[Row] = []
    for name, measure in MEASURES.items():
        if not arguments.only or name in arguments.only:
            found = measure(size)
            rows += found
            for row in found:
                cells = ", ".join(f"{who} {number(value, row.unit)}" for who, value in row.values.items())
                print(f"[{time.monotonic() - began:4.0f} s] {row.title}: {cells}", flush=True)
    grown = growth(size) if size.growth and (not arguments.only or "growth" in arguments.only) else []
    about, load = machine(), os.getloadavg()[1]
    text = markdown(rows, grown, about, load)
    print("\n" + text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.md").write_text(text)
    (out / "results.json").write_text(json.dumps({
        "machine": about, "load": round(load, 1),
        "rows": [
            {"title": row.title, "unit": row.unit, "values": row.values, "goal": row.goal(), "met": row.met()}
            for row in rows
        ],
        "growth": [vars(one) for one in grown],
    }, indent=1) + "\n")  # fmt: skip
    if rows:
        from plot import draw

        draw(rows, grown, about, out / "results.png")
    print(f"{time.monotonic() - began:.0f} s; results.md, results.json and results.png are in {out}")


if __name__ == "__main__":
    main()
