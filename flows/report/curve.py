"""An equity curve kept in bounded memory: one point a UTC day, extremes over every decision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from operators.frames import Float64, Int64

DAY_NS: Final = 86_400_000_000_000
#: Fewer daily returns than this say nothing of risk.
FEWEST_RETURNS: Final = 20
#: More points than this are of no use in a plot; neighbours are merged beyond it.
MOST_POINTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a run, oldest first: ``time`` UTC ns, ``value`` base currency, exposures as fractions of equity.

    ``gross`` is the highest gross exposure since the point before.
    """

    time: Int64
    value: Float64
    gross: Float64
    net: Float64


@dataclass(frozen=True, slots=True)
class Statistics:
    """``max_drawdown`` is positive, over every decision; the others are annualised from daily returns (ddof 1)."""

    max_drawdown: float
    sharpe: float | None
    volatility: float | None


class CurveBuilder:
    """Takes (time, value) in order; keeps every point until there are many, then every second one, and so on."""

    def __init__(self) -> None:
        self.gross_max = 0.0
        self.net_min = 0.0
        self.net_max = 0.0
        self._points: list[tuple[int, float, float, float]] = []
        self._stride = 1
        self._skipped = 0
        self._gross_since = 0.0
        self._peak = -math.inf
        self._drawdown = 0.0
        self._closes: list[float] = []
        self._day: int | None = None
        self._last: tuple[int, float, float] | None = None

    def add(self, time: int, value: float, gross: float, net: float) -> None:
        """One decision; times never go back."""
        self.gross_max = max(self.gross_max, gross)
        self.net_min, self.net_max = min(self.net_min, net), max(self.net_max, net)
        self._peak = max(self._peak, value)
        if self._peak > 0:
            self._drawdown = max(self._drawdown, 1 - value / self._peak)
        self._roll_day(time)
        self._last = time, value, net
        self._gross_since = max(self._gross_since, gross)
        self._skipped += 1
        if self._skipped >= self._stride:
            self._keep(time, value, net)

    def mean_value(self) -> float:
        """Mean of the kept points; 0 without any."""
        return float(np.mean([value for _, value, _, _ in self._points])) if self._points else 0.0

    def statistics(self, periods_per_year: int) -> Statistics:
        """Drawdown, Sharpe ratio and volatility; these two are None with fewer than :data:`FEWEST_RETURNS` days."""
        closes = np.array([*self._closes, *([self._last[1]] if self._last is not None else [])])
        if len(closes) <= FEWEST_RETURNS or bool(np.any(closes[:-1] <= 0)):
            return Statistics(self._drawdown, None, None)
        returns = closes[1:] / closes[:-1] - 1
        deviation = float(returns.std(ddof=1))
        sharpe = float(returns.mean()) / deviation * math.sqrt(periods_per_year) if deviation > 1e-12 else None
        return Statistics(self._drawdown, sharpe, deviation * math.sqrt(periods_per_year))

    def curve(self) -> Curve:
        """The kept points, and the last decision."""
        points = list(self._points)
        if self._last is not None and (not points or points[-1][0] != self._last[0]):
            time, value, net = self._last
            points.append((time, value, self._gross_since, net))
        return Curve(
            np.array([p[0] for p in points], np.int64),
            np.array([p[1] for p in points], np.float64),
            np.array([p[2] for p in points], np.float64),
            np.array([p[3] for p in points], np.float64),
        )

    def _roll_day(self, time: int) -> None:
        """At a change of UTC date, the value before it closes the days gone by; a cycle at midnight ends its day."""
        day = (time - 1) // DAY_NS
        if self._day is not None and self._last is not None and day > self._day:
            # Days without a decision had no return.
            self._closes += [self._last[1]] * (day - self._day)
        self._day = day

    def _keep(self, time: int, value: float, net: float) -> None:
        self._points.append((time, value, self._gross_since, net))
        self._skipped, self._gross_since = 0, 0.0
        if len(self._points) > MOST_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=False)
            self._points = [(b[0], b[1], max(a[2], b[2]), b[3]) for a, b in pairs]
            self._stride *= 2
