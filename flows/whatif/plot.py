"""Baseline and candidate over event time as a PNG: equity, what the candidate gained, drawdown, exposure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from flows.report.curve import Curve
from flows.report.plot import STYLE, drawdown_of, dress_times, money
from operators.frames import Float64

_BASELINE: Final = "#7d8590"
_COLOURS: Final = ("#1f5fa8", "#c4572a", "#3a8f5c", "#7a4fa3", "#8a6d1d", "#4d4d4d")


def write_plot(baseline: dict[str, Curve], candidate: dict[str, Curve], path: Path, *, currency: str) -> Path:
    """Writes the plot.

    Args:
        baseline, candidate: curves by portfolio, from :func:`flows.report.summary.report`.
        path: the file to write.
        currency: base currency, for the axes.
    """
    import matplotlib  # loading it takes half a second, which only a plot is worth

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    with matplotlib.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            4, 1, figsize=(11, 8.4), sharex=True, height_ratios=(3.0, 1.4, 1.2, 1.2), layout="constrained"
        )
        names = sorted(baseline.keys() | candidate.keys())
        for number, name in enumerate(names):
            label = "" if len(names) == 1 else f"{name}, "
            _draw(axes, baseline.get(name), f"{label}baseline", _BASELINE)
            _draw(axes, candidate.get(name), f"{label}candidate", _COLOURS[number % len(_COLOURS)])
            if name in baseline and name in candidate and len(baseline[name].time):
                times, gain = gained(baseline[name], candidate[name])
                colour = _COLOURS[number % len(_COLOURS)]
                axes[1].plot(times, gain, color=colour, linewidth=1.0, drawstyle="steps-post")
        for one, text in zip(
            axes,
            (f"Equity ({currency})", f"Candidate\n- baseline ({currency})", "Drawdown (%)", "Gross (%)"),
            strict=True,
        ):
            one.set_ylabel(text)
        for one in axes[:2]:
            one.yaxis.set_major_formatter(ticker.FuncFormatter(money))
        axes[1].axhline(0, color="#9aa1ab", linewidth=0.8)
        dress_times(axes[3], tuple(axes))
        figure.suptitle("What if", x=0.01, ha="left", fontsize=13, fontweight="bold")
        figure.savefig(path, dpi=130, metadata={"Software": "weir"})
        pyplot.close(figure)
    return path


def gained(baseline: Curve, candidate: Curve) -> tuple[Any, Float64]:
    """(times, candidate's equity - baseline's) at the baseline's points; each stands until its next point."""
    at = np.searchsorted(candidate.time, baseline.time, side="right") - 1
    known = at >= 0
    difference = candidate.value[at[known]] - baseline.value[known]
    return baseline.time[known].astype("datetime64[ns]"), difference


def _draw(axes: Any, curve: Curve | None, label: str, colour: str) -> None:
    if curve is None or not len(curve.time):
        return
    time = curve.time.astype("datetime64[ns]")
    axes[0].plot(time, curve.value, color=colour, linewidth=1.2, label=label, drawstyle="steps-post")
    axes[2].plot(time, -100 * drawdown_of(curve), color=colour, linewidth=0.7, drawstyle="steps-post")
    axes[3].plot(time, 100 * curve.gross, color=colour, linewidth=0.5, alpha=0.8, drawstyle="steps-post")
