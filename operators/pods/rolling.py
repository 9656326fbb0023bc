"""``rolling_sharpe_30d`` and ``rolling_drawdown_30d`` of a pod's own book (spec 5 "Metrics", seed 000)."""

from __future__ import annotations

import numpy as np

from operators.frames import Float64
from operators.pods.metrics import ROLLING_DAYS, max_drawdown, sharpe_ratio


class RollingMetrics:
    """The last 30 daily returns of a pod, and what they say. A window compounds from 1.0 of its own."""

    def __init__(self, periods_per_year: float) -> None:
        self._periods = periods_per_year
        self._returns: Float64 = np.empty(0)

    def take(self, returns: Float64) -> tuple[Float64, Float64]:
        """Takes completed days, in order; ([D] Sharpe ratio, [D] drawdown) after each, NaN where unknown."""
        sharpe, drawdown = np.empty(len(returns)), np.empty(len(returns))
        series = np.concatenate([self._returns, returns])
        known = len(self._returns)
        for day in range(len(returns)):
            window = series[max(0, known + day + 1 - ROLLING_DAYS) : known + day + 1]
            sharpe[day] = sharpe_ratio(window, self._periods)
            drawdown[day] = max_drawdown(window)
        self._returns = series[max(0, len(series) - ROLLING_DAYS) :].copy()
        return sharpe, drawdown

    def snapshot(self) -> Float64:
        """The window."""
        return self._returns.copy()

    def restore(self, snapshot: Float64) -> None:
        """Goes on from a snapshot."""
        self._returns = snapshot.copy()
