"""Equity over gross exposure, drawn in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from flows.report.curve import Curve
from operators.frames import Float64

_COLOURS = ("blue+", "orange+", "green+", "magenta+", "yellow+", "white")


def terminal_plot(curves: dict[str, Curve], *, width: int = 100, height: int = 20, colour: bool = True) -> str:
    """Equity above, gross exposure below, as text with or without colour codes.

    Args:
        curves: by portfolio, from :func:`flows.report.summary.report`.
        width, height: size of the whole in characters.
        colour: whether to colour it; leave it out where the output is no terminal.
    """
    upper = max(8, round(height * 0.62))
    names = sorted(curves)
    equity = _panel("Equity", names, [curves[n] for n in names], [curves[n].value for n in names], width, upper, colour)
    gross = [100 * curves[n].gross for n in names]
    exposure = _panel(
        "Gross exposure, % of equity", names, [curves[n] for n in names], gross, width, max(7, height - upper), colour
    )
    return f"{equity}\n{exposure}"


def _panel(
    title: str, names: list[str], curves: list[Curve], values: list[Float64], width: int, height: int, colour: bool
) -> str:
    import plotext  # loading it is worth it only for a plot

    figure: Any = plotext.figure
    figure.clear()
    figure.theme("default" if colour else "colorless")
    figure.plot_size(width, height)
    figure.title(title)
    for name, curve, column in zip(names, curves, values, strict=True):
        # Two points for each column of characters is what braille dots can show.
        keep = np.unique(np.linspace(0, max(len(column) - 1, 0), min(len(column), 2 * width)).astype(np.int64))
        if not len(keep):
            continue
        signal = figure.signal((curve.time[keep] / 1e9).tolist(), column[keep].tolist(), marker="braille").lines()
        figure.draw(signal.label(name) if len(names) > 1 else signal)
    _label_times(figure, curves, width)
    _label_values(figure, values, height)
    matrix = figure.build()
    text: str = matrix.string(not colour)
    return text.rstrip("\n")


def _label_times(figure: Any, curves: list[Curve], width: int) -> None:
    ends = [t for curve in curves if len(curve.time) for t in (int(curve.time[0]), int(curve.time[-1]))]
    if not ends:
        return
    first, last = min(ends) / 1e9, max(ends) / 1e9
    form = "%Y-%m-%d" if last - first > 4 * 86_400 else "%m-%d %H:%M"
    places = np.linspace(first, last, max(2, width // 20)).tolist()
    figure.ruler("x").ticks(places, [datetime.fromtimestamp(place, UTC).strftime(form) for place in places])


def _label_values(figure: Any, values: list[Float64], height: int) -> None:
    held = [column for column in values if len(column)]
    if not held:
        return
    low, high = min(float(c.min()) for c in held), max(float(c.max()) for c in held)
    places = np.linspace(low, high if high > low else low + 1.0, max(3, height // 3)).tolist()
    figure.ruler("y").ticks(places, [f"{place / 1e6:,.3f} M" if high >= 5e5 else f"{place:,.0f}" for place in places])
