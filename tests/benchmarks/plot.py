"""The picture of the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # type: ignore[import-not-found]

COLORS = {
    "streamator": "#2563eb", "streamator 0.2.1": "#94a3b8", "sse-starlette": "#f59e0b", "fastapi.sse": "#10b981",
    "limit": "#e5e7eb", "limit, paced": "#d1d5db",
}  # fmt: skip


def draw(rows: list[Any], grown: list[Any], about: dict[str, str], path: Path) -> None:
    """One panel a measure, a bar for each contestant; then how the cost grows."""
    from run import number

    panels = len(rows) + len(grown)
    columns = 3
    lines = -(-panels // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(15, 2.3 * lines), squeeze=False)
    flat = list(axes.flat)
    for axis, row in zip(flat, rows, strict=False):
        names = [name for name in COLORS if name in row.values][::-1]
        values = [row.values[name] for name in names]
        axis.barh(names, values, color=[COLORS[name] for name in names], edgecolor="#6b7280", linewidth=0.4)
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 4, max(values) * 12)
        for index, value in enumerate(values):
            axis.text(value * 1.1, index, number(value, row.unit), va="center", fontsize=8)
        better = "more is better" if row.more_is_better else "less is better"
        axis.set_title(f"{row.title} ({row.unit or 'units'}, {better})", fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
        axis.set_xticks([])
        axis.minorticks_off()
    for axis, one in zip(flat[len(rows) :], grown, strict=False):
        counts, heights = zip(*one.points, strict=True)
        axis.plot(counts, heights, marker="o", color=COLORS["streamator"])
        axis.set_xscale("log")
        axis.set_ylim(0, max(heights) * 1.4)
        axis.set_title(f"{one.title} ({one.unit})", fontsize=9, loc="left")
        axis.set_xlabel(one.what, fontsize=8)
        axis.tick_params(labelsize=8)
    for axis in flat[panels:]:
        axis.axis("off")
    for axis in flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"One uvicorn worker, 120-byte messages; {about['cpu']}, Python {about['python']}; "
        "bars are on a logarithmic scale",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(path, dpi=110)
