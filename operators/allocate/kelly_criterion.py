"""The Kelly criterion: growth-optimal fractions of bets and of assets (Kelly 1956; Thorp 2006).

All of it in returns over a cash rate: f = Σ⁻¹(μ − r). A period's growth is r + f'(μ − r) − ½f'Σf.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from operators.frames import Float64

_SWEEPS = 5000
_TOLERANCE = 1e-13


def bet_fraction(chance: float, odds: float) -> float:
    """f = (b·p − q)/b of a bet that wins ``odds`` with ``chance`` and loses its stake otherwise."""
    return (odds * chance - (1.0 - chance)) / odds


def bet_growth(fraction: float, chance: float, odds: float) -> float:
    """Expected log growth of staking ``fraction``; −∞ where everything can be lost."""
    if not -1.0 / odds < fraction < 1.0:
        return -math.inf
    return chance * math.log1p(odds * fraction) + (1.0 - chance) * math.log1p(-fraction)


def growth(fractions: Float64, excess: Float64, covariance: Float64) -> float:
    """Growth over the cash rate in a period: f'(μ − r) − ½f'Σf."""
    return float(fractions @ excess - 0.5 * fractions @ covariance @ fractions)


@njit(cache=True)
def _descend(excess: Float64, covariance: Float64, price: float, most: float, fractions: Float64) -> None:
    """Maximises f'(μ − price) − ½f'Σf over 0 ≤ f ≤ most, coordinate by coordinate, in place."""
    count = len(excess)
    slope = excess - price
    for i in range(count):
        for j in range(count):
            slope[i] -= covariance[i, j] * fractions[j]
    for _ in range(_SWEEPS):
        moved = 0.0
        for i in range(count):
            new = min(max(fractions[i] + slope[i] / covariance[i, i], 0.0), most)
            step = new - fractions[i]
            if step != 0.0:
                for j in range(count):
                    slope[j] -= covariance[i, j] * step
                fractions[i] = new
                moved = max(moved, abs(step) / max(1e-3, new))
        if moved < _TOLERANCE:
            break


def _near_optimum(excess: Float64, covariance: Float64) -> Float64:
    """A start for the descent: Σ⁻¹μ, again over those that it gives something while it gives others less."""
    found = np.zeros(len(excess))
    held = np.arange(len(excess))
    while len(held):
        try:
            part = np.linalg.solve(covariance[np.ix_(held, held)], excess[held])
        except np.linalg.LinAlgError:
            return found
        if (part > 0.0).all():
            found[held] = part
            return found
        held = held[part > 0.0]
    return found


def long_only_fractions(
    excess: Float64, covariance: Float64, most: float = math.inf, total: float = math.inf
) -> Float64:
    """[n] the growth-optimal f with 0 ≤ f ≤ ``most`` and Σf ≤ ``total``.

    The budget's price is found by bisection: at it the fractions of the unpriced problem sum to ``total``.

    Args:
        excess: [n] mean returns over cash of a period.
        covariance: [n, n] of the same returns, positive definite.
    """
    found = np.minimum(_near_optimum(excess, covariance), most)
    _descend(excess, covariance, 0.0, most, found)
    if math.fsum(found) <= total:
        return found
    low, high = 0.0, float(excess.max())
    for _ in range(100):
        price = (low + high) / 2.0
        _descend(excess, covariance, price, most, found)
        if math.fsum(found) > total:
            low = price
        else:
            high = price
        if high - low <= 1e-15 * max(abs(high), 1e-300):
            break
    _descend(excess, covariance, high, most, found)
    return found
