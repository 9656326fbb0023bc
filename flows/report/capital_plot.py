"""Capital over time as a PNG: shares of the pods, and how much of their leverage they use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from flows.report.plot import STYLE, dress_times
from operators.allocate.dashboard import AllocationTimeline

_COLOURS = ("#1f5fa8", "#c4572a", "#3a8f5c", "#7a4fa3", "#8a6d1d", "#4d4d4d", "#2a9d9d", "#a33b5c")
_CASH = "#e3e6ea"


def write_capital_plot(timeline: AllocationTimeline, path: Path) -> Path:
    """Writes the plot of a timeline with at least one snapshot."""
    import matplotlib  # loading it takes half a second, which only a plot is worth

    matplotlib.use("Agg")
    from matplotlib import pyplot

    snapshots = timeline.snapshots
    pods = list(snapshots[-1].fractions)
    time = np.array([*(s.cycle for s in snapshots), timeline.cycle]).astype("datetime64[ns]")
    with matplotlib.rc_context(STYLE):
        figure, (shares, leverage) = pyplot.subplots(
            2, 1, figsize=(11, 6.4), sharex=True, height_ratios=(2.2, 1), layout="constrained"
        )
        _shares(shares, time, [[s.fractions.get(pod, 0.0) for s in snapshots] for pod in pods], pods)
        for number, pod in enumerate(pods):
            used = [_ratio(s.step("leverage")["pods"], pod) for s in snapshots]
            colour = _COLOURS[number % len(_COLOURS)]
            leverage.plot(time, [*used, used[-1]], color=colour, linewidth=1.1, drawstyle="steps-post")
        leverage.axhline(100, color="#9aa1ab", linewidth=0.8)
        leverage.set_ylabel("Leverage used\n(% of the pod's limit)")
        dress_times(leverage, (shares, leverage))
        figure.suptitle(f"Capital of {timeline.portfolio}", x=0.01, ha="left", fontsize=13, fontweight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Software": "weir"})
        pyplot.close(figure)
    return path


def _shares(axes: Any, time: Any, rows: list[list[float]], pods: list[str]) -> None:
    """Stacked steps; what no pod has is cash."""
    table = 100 * np.array([[*row, row[-1]] for row in rows])
    base = np.zeros(table.shape[1])
    for number, pod in enumerate(pods):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.fill_between(
            time, base, base + table[number], step="post", color=colour, alpha=0.75, linewidth=0, label=pod
        )
        base = base + table[number]
    axes.fill_between(time, base, np.maximum(base, 100), step="post", color=_CASH, linewidth=0, label="cash")
    axes.set_ylabel("Share of capital (%)")
    axes.set_ylim(0, max(100.0, float(base.max())))


def _ratio(pods: dict[str, dict[str, float]], pod: str) -> float:
    return 100 * pods[pod]["used"] / pods[pod]["limit"] if pod in pods else 0.0
