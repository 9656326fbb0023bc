"""Figures of a pod's daily returns (spec 5, "Metrics"). What cannot be told is None, never 0 or infinite."""

from __future__ import annotations

import math

import numpy as np

from operators.frames import Float64

#: A deviation below this is none: rounding of equal returns.
_NO_DEVIATION = 1e-12


def deviation(returns: Float64) -> float | None:
    """Standard deviation with ddof 1, summed in time order; None with fewer than two returns."""
    count = len(returns)
    if count < 2:
        return None
    centred = returns - math.fsum(returns.tolist()) / count
    return math.sqrt(math.fsum((centred * centred).tolist()) / (count - 1))


def sharpe(returns: Float64, periods_per_year: float) -> float | None:
    """mean/deviation·√P; None without deviation."""
    spread = deviation(returns)
    if spread is None or spread < _NO_DEVIATION:
        return None
    return math.fsum(returns.tolist()) / len(returns) / spread * math.sqrt(periods_per_year)


def sharpe_error(ratio: float, count: int) -> float:
    """Standard error √((1 + SR²/2)/T) of a ratio per period over ``count`` periods (Lo 2002, eq. 9)."""
    return math.sqrt((1.0 + 0.5 * ratio**2) / count)


def volatility(returns: Float64, periods_per_year: float) -> float | None:
    """Annualised deviation."""
    spread = deviation(returns)
    return None if spread is None else spread * math.sqrt(periods_per_year)


def levels(returns: Float64) -> Float64:
    """[T+1] equity that starts at 1 before the first return."""
    path: Float64 = np.concatenate([np.ones(1), np.cumprod(1.0 + returns)])
    return path


def drawdowns(returns: Float64) -> Float64:
    """[T+1] fall from the highest equity so far, as a positive fraction; the starting 1 counts as a peak."""
    path = levels(returns)
    found: Float64 = 1.0 - path / np.maximum.accumulate(path)
    return found


def max_drawdown(returns: Float64) -> float:
    """The deepest fall from a peak, as a positive fraction."""
    return float(drawdowns(returns).max())


def calmar(returns: Float64, periods_per_year: float) -> float | None:
    """mean·P / maximum drawdown; None without a drawdown."""
    fall = max_drawdown(returns)
    return math.fsum(returns.tolist()) / len(returns) * periods_per_year / fall if fall > 0.0 else None


def win_rate(returns: Float64) -> float | None:
    """Share of days with a gain among those with a gain or loss."""
    moved = int(np.count_nonzero(returns))
    return int(np.count_nonzero(returns > 0.0)) / moved if moved else None
