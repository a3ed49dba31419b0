"""The report: figures, what was wrong, and what the servers held over time."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from soak.faults import ENDED, KILLED, Faults
from soak.load import Job, Load
from soak.resources import Resources, State, growth

PLOTTED = {"memory": "memory, MB", "files": "open files", "tasks": "tasks", "threads": "threads", "streams": "streams"}
COLORS = ("#2563eb", "#f59e0b")
LISTED = 100


@dataclass
class Findings:
    """What a soak has found."""

    title: str
    began: float
    problems: list[str] = field(default_factory=list)
    before: dict[str, State] = field(default_factory=dict)
    after: dict[str, State] = field(default_factory=dict)
    marks: list[float] = field(default_factory=list)
    """When the halves of the load began and ended."""
    audited: int = 0

    def not_flat(self) -> list[str]:
        """What has grown."""
        found = [(name, growth(state, self.after[name])) for name, state in self.before.items()]
        return [f"{name} is not flat: {each}" for name, wrong in found for each in wrong]


def markdown(findings: Findings, load: Load, faults: Faults, resources: Resources) -> str:
    """The report's text."""
    viewers = [viewer for job in load.jobs for viewer in job.viewers]
    endings = Counter(f"{each.visit.how}, {each.ending}" for each in viewers)
    refused: Counter[str] = Counter()
    for each in viewers:
        refused.update(each.refused)
    gaps = [missed for each in viewers for _, missed in each.transcript.gaps]
    problems = findings.problems
    text = [
        f"# {findings.title}",
        "",
        f"**{len(problems)} problems.**" if problems else "**Every transcript is right, and the servers are flat.**",
        "",
        *(f"- {problem}" for problem in problems[:LISTED]),
        *([f"- and {len(problems) - LISTED} more"] if len(problems) > LISTED else []),
        "" if problems else "",
        "## What happened",
        "",
        "| | |",
        "|---|---|",
        f"| jobs | {len(load.jobs):,}: {_counts(Counter(map(_outcome, load.jobs)))} |",
        f"| requests for a job that no server took | {load.unstarted:,} |",
        f"| viewers | {len(viewers):,}: {_counts(endings)} |",
        f"| connections | {sum(each.connections for each in viewers):,} |",
        f"| connections refused or broken | {_counts(refused) or 'none'} |",
        f"| lines checked | {sum(each.transcript.lines for each in viewers):,} |",
        f"| gaps | {len(gaps):,}, of {sum(gaps):,} events |",
        f"| looked at again when all was over | {findings.audited:,} |",
        f"| faults | {_counts(Counter(f'{each.process.name} {each.what}' for each in faults.all)) or 'none'} |",
        f"| a server that is asked to end takes | {_seconds([f.took for f in faults.all if f.what == ENDED])} |",
        f"| `lost` is told after the kill by | {_seconds(_lost_after(load.jobs, faults))} |",
        "",
        "## What the servers held",
        "",
        "Between the two measures each has done the same work for as long as before; the plot shows all of it.",
        "",
    ]
    if findings.before:
        names = list(next(iter(findings.before.values())))
        text += [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
        for server, state in findings.before.items():
            for title, held in (("before", state), ("after", findings.after[server])):
                text.append(f"| {server}, {title} | {' | '.join(f'{held[name]:,.0f}' for name in names)} |")
        text.append("")
    text += ["![what the servers held](resources.png)", "", "## When", ""]
    for fault in sorted(faults.all, key=lambda fault: fault.began):
        began, ended = fault.began - findings.began, fault.ended - findings.began
        text.append(f"- {began:6.0f} s to {ended:.0f} s: {fault.process.name} {fault.what}")
    return "\n".join(text) + "\n"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items()))


def _seconds(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.1f} s (median of {len(values)}), {max(values):.1f} s at the most"


def _outcome(job: Job) -> str:
    statuses = {viewer.transcript.status for viewer in job.viewers} - {None}
    if statuses:
        return " and ".join(sorted(map(str, statuses)))
    endings = {viewer.ending for viewer in job.viewers} - {"left"}
    return " and ".join(sorted(endings)) or "not watched to its end"


def _lost_after(jobs: list[Job], faults: Faults) -> list[float]:
    found = []
    for job in jobs:
        told = min((at for viewer in job.viewers for at in viewer.transcript.losses), default=None)
        if told is not None:
            kills = faults.of(job.server, KILLED, after=job.began, before=told)
            found += [told - fault.began for fault in kills[:1]]
    return found


def plot(findings: Findings, faults: Faults, resources: Resources, path: Path) -> None:
    """What the servers held over time; red: something is away or stopped."""
    import matplotlib  # type: ignore[import-not-found]

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # type: ignore[import-not-found]

    figure, axes = plt.subplots(len(PLOTTED), 1, figsize=(14, 2.1 * len(PLOTTED)), sharex=True)
    for axis, (name, title) in zip(axes, PLOTTED.items(), strict=True):
        for (server, samples), color in zip(sorted(resources.samples.items()), COLORS, strict=False):
            times = [at - findings.began for at, _ in samples]
            axis.plot(times, [state[name] for _, state in samples], color=color, linewidth=0.9, label=server)
        for fault in faults.all:
            ended = min(fault.ended, findings.marks[-1])
            axis.axvspan(fault.began - findings.began, ended - findings.began, color="#dc2626", alpha=0.12, linewidth=0)
        for mark in findings.marks:
            axis.axvline(mark - findings.began, color="#6b7280", linewidth=0.8, linestyle="--")
        axis.set_ylim(bottom=0)
        axis.set_title(title, fontsize=9, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    axes[-1].set_xlabel("seconds", fontsize=8)
    figure.suptitle(findings.title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
