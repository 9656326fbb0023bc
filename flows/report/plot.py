"""Equity, drawdown and exposure as a PNG; :mod:`flows.report.terminal` draws them in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from flows.report.curve import Curve
from operators.frames import Float64

_COLOURS: Final = ("#1f5fa8", "#c4572a", "#3a8f5c", "#7a4fa3", "#8a6d1d", "#4d4d4d")
_NET: Final = "#7d8590"
#: Steps across the exposure plot.
_BINS: Final = 250
_GRID: Final = "#d9dde3"
_INK: Final = "#2b2f36"
#: Of every plot.
STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": "#9aa1ab",
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "svg.hashsalt": "weir",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def write_plot(curves: dict[str, Curve], path: Path, *, title: str = "", currency: str = "USD") -> Path:
    """Writes equity, drawdown and exposure of every portfolio as a PNG.

    Args:
        curves: by portfolio, from :func:`flows.report.summary.report`.
        path: the file to write.
        title: heading; by default the period.
        currency: base currency, for the axis.
    """
    import matplotlib  # loading it takes half a second, which only a plot is worth

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context(STYLE):
        figure, (equity, drawdown, exposure) = pyplot.subplots(
            3, 1, figsize=(11, 7.2), sharex=True, height_ratios=(3.2, 1.2, 1.6), layout="constrained"
        )
        for number, (name, curve) in enumerate(sorted(curves.items())):
            colour = _COLOURS[number % len(_COLOURS)]
            _draw(equity, drawdown, exposure, name, curve, colour, len(curves) == 1)
        _dress(equity, drawdown, exposure, currency)
        figure.suptitle(title or _period(curves), x=0.01, ha="left", fontsize=13, fontweight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Software": "weir"})
        pyplot.close(figure)
    return path


def _draw(equity: Any, drawdown: Any, exposure: Any, name: str, curve: Curve, colour: str, alone: bool) -> None:
    time = curve.time.astype("datetime64[ns]")
    equity.plot(time, curve.value, color=colour, linewidth=1.3, label=name, drawstyle="steps-post")
    fall = drawdown_of(curve)
    drawdown.fill_between(time, -100 * fall, 0, color=colour, alpha=0.25, linewidth=0, step="post")
    drawdown.plot(time, -100 * fall, color=colour, linewidth=0.7, drawstyle="steps-post")
    _band(exposure, curve, curve.gross, colour, "gross" if alone else f"{name} gross")
    if alone:
        _band(exposure, curve, curve.net, _NET, "net")


def _band(axes: Any, curve: Curve, values: Float64, colour: str, label: str) -> None:
    """Mean exposure with the range between lowest and highest behind it: thousands of swings stay readable."""
    if not len(values):
        return
    starts = np.unique(np.linspace(0, len(values), _BINS, endpoint=False).astype(np.int64))
    counts = np.diff(np.append(starts, len(values)))
    time = curve.time[starts].astype("datetime64[ns]")
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    mean = np.add.reduceat(values, starts) / counts
    axes.fill_between(time, 100 * low, 100 * high, color=colour, alpha=0.18, linewidth=0, step="post")
    axes.plot(time, 100 * mean, color=colour, linewidth=1.2, label=label, drawstyle="steps-post")


def _dress(equity: Any, drawdown: Any, exposure: Any, currency: str) -> None:
    from matplotlib import ticker

    equity.set_ylabel(f"Equity ({currency})")
    drawdown.set_ylabel("Drawdown (%)")
    exposure.set_ylabel("Exposure\n(% of equity)")
    equity.yaxis.set_major_formatter(ticker.FuncFormatter(money))
    drawdown.yaxis.set_major_locator(ticker.MaxNLocator(4))
    exposure.yaxis.set_major_locator(ticker.MaxNLocator(6))
    exposure.axhline(0, color="#9aa1ab", linewidth=0.8)
    dress_times(exposure, (equity, drawdown, exposure))


def dress_times(lowest: Any, every: tuple[Any, ...]) -> None:
    """The time axis under ``lowest``; grid, margins and legends of all axes."""
    from matplotlib import dates

    # These two have no type hints.
    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=5, maxticks=10)
    lowest.set_xlabel("Event time (UTC)")
    lowest.xaxis.set_major_locator(locator)
    lowest.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))
    for axes in every:
        axes.grid(visible=True, color=_GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
        _, labels = axes.get_legend_handles_labels()
        if labels:
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), frameon=False, ncols=6, borderaxespad=0.2)


def money(value: float, _position: int) -> str:
    """A tick label of money."""
    return f"{value / 1e6:,.2f} M" if abs(value) >= 500_000 else f"{value:,.0f}"


def drawdown_of(curve: Curve) -> Float64:
    """The fall from the highest value so far, as a positive fraction of 1."""
    peaks = np.maximum.accumulate(curve.value) if len(curve.value) else curve.value
    return np.where(peaks > 0, 1 - curve.value / np.where(peaks > 0, peaks, 1.0), 0.0)


def _period(curves: dict[str, Curve]) -> str:
    times = [int(t) for curve in curves.values() if len(curve.time) for t in (curve.time[0], curve.time[-1])]
    if not times:
        return "Equity and exposure"
    first, last = (datetime.fromtimestamp(t / 1e9, UTC).strftime("%d %b %Y") for t in (min(times), max(times)))
    return f"Equity and exposure, {first} to {last}"
