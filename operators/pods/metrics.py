"""Performance of a series of simple returns (spec 5 "Metrics").

Conventions: equity starts at 1.0 before the first return and compounds; standard deviations have ddof 1; sums run in
time order. What cannot be known (too few returns, no variance) is NaN, never 0: an unknown Sharpe ratio is neither good
nor bad. Functions are compiled, so that kernels and Python share them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from operators.frames import Float64

#: Daily returns in ``rolling_sharpe_30d`` and ``rolling_drawdown_30d``.
ROLLING_DAYS = 30
#: A standard deviation below this part of the mean's size is the noise of rounding: no variance.
_NO_VARIANCE = 1e-12


@njit(cache=True)
def mean_and_deviation(returns: Float64) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1); NaN deviation with fewer than two returns."""
    count = len(returns)
    if count == 0:
        return np.nan, np.nan
    total = 0.0
    for r in returns:
        total += r
    mean = total / count
    if count < 2:
        return mean, np.nan
    squares = 0.0
    for r in returns:
        squares += (r - mean) * (r - mean)
    return mean, math.sqrt(squares / (count - 1))


@njit(cache=True)
def ratio_of(mean: float, deviation: float, periods_per_year: float) -> float:
    """mean / deviation x sqrt(P); NaN without variance."""
    if not deviation > _NO_VARIANCE * max(1.0, abs(mean)):
        return np.nan
    return mean / deviation * math.sqrt(periods_per_year)


@njit(cache=True)
def sharpe_ratio(returns: Float64, periods_per_year: float) -> float:
    """Annualised Sharpe ratio, mean / sd(ddof 1) x sqrt(P); NaN with fewer than two returns or without variance."""
    mean, deviation = mean_and_deviation(returns)
    return ratio_of(mean, deviation, periods_per_year)


@njit(cache=True)
def max_drawdown(returns: Float64) -> float:
    """Largest fall from a peak of the equity that the returns compound to, as a positive fraction; 0 for none."""
    equity = 1.0
    peak = 1.0
    deepest = 0.0
    for r in returns:
        equity *= 1.0 + r
        peak = max(peak, equity)
        deepest = max(deepest, 1.0 - equity / peak)
    return deepest


@njit(cache=True)
def calmar_of(mean: float, drawdown: float, periods_per_year: float) -> float:
    """mean x P / drawdown; with no drawdown infinite for a gain, NaN for nothing at all."""
    if drawdown > 0.0:
        return mean * periods_per_year / drawdown
    return np.inf if mean > 0.0 else np.nan


@njit(cache=True)
def calmar_ratio(returns: Float64, periods_per_year: float) -> float:
    """mean x P / maximum drawdown; see :func:`calmar_of`."""
    mean, _ = mean_and_deviation(returns)
    return calmar_of(mean, max_drawdown(returns), periods_per_year)


@njit(cache=True)
def win_rate(returns: Float64) -> float:
    """Share of positive returns among those that are not zero; NaN when there is none."""
    won = 0
    lost = 0
    for r in returns:
        if r > 0.0:
            won += 1
        elif r < 0.0:
            lost += 1
    return won / (won + lost) if won + lost else np.nan


@njit(cache=True)
def compounded(returns: Float64) -> float:
    """What the returns compound to, as a simple return."""
    equity = 1.0
    for r in returns:
        equity *= 1.0 + r
    return equity - 1.0
