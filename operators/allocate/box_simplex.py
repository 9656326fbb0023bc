"""Weights within bounds and a given sum by the exact proportional form: w = clip(c v, lo, hi) with one c for all (spec 5, 6).

The weights that no bound touches keep their ratios; clipping and renormalising in turn does not do that. It is the
projection by relative entropy. The sum is piecewise linear in c and never falls, so c is found by walking its corners.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from operators.frames import Float64

#: What rounding of the bounds may add to their sum.
_SLACK = 1e-9


class InfeasibleBounds(ValueError):
    """No weights within the bounds have the sum that is asked for."""


def proportional_weights(values: Float64, low: Float64, high: Float64, total: float = 1.0) -> Float64:
    """[n] w = clip(c values, low, high) with sum ``total``; raises InfeasibleBounds when there are no such weights.

    A value that is not positive or not finite counts as 0: it gets its lower bound, and only what the others' upper
    bounds leave is shared by those, in equal parts as far as their bounds allow.
    """
    lowest, highest = float(low.sum()), float(high.sum())
    if bool(np.any(low > high)):
        raise InfeasibleBounds("a lower bound lies above its upper bound")
    if lowest > total + _SLACK or highest < total - _SLACK:
        raise InfeasibleBounds(f"weights between sums of {lowest:.6g} and {highest:.6g} cannot sum to {total:.6g}")
    weights: Float64 = clip_proportional(values, low, high, total)
    return weights


@njit(cache=True)
def clip_proportional(values: Float64, low: Float64, high: Float64, total: float) -> Float64:
    """:func:`proportional_weights` for bounds that are known to be feasible."""
    count = len(values)
    sound = np.zeros(count)
    for n in range(count):
        if np.isfinite(values[n]) and values[n] > 0.0:
            sound[n] = values[n]
    scale = _scale(sound, low, high, total)
    weights = np.empty(count)
    left = total
    for n in range(count):
        weights[n] = min(max(scale * sound[n], low[n]), high[n]) if sound[n] > 0.0 else low[n]
        left -= weights[n]
    if left > _SLACK:
        # Every positive value stands at its upper bound: the others share what is left.
        ones = np.where(sound > 0.0, 0.0, 1.0)
        rest = left
        for n in range(count):
            if ones[n] > 0.0:
                rest += low[n]
        even = _scale(ones, low, high, rest + _sum_of_low(ones, low))
        for n in range(count):
            if ones[n] > 0.0:
                weights[n] = min(max(even, low[n]), high[n])
    return weights


@njit(cache=True)
def _sum_of_low(values: Float64, low: Float64) -> float:
    """Sum of the lower bounds of what is zero."""
    total = 0.0
    for n in range(len(values)):
        if values[n] == 0.0:
            total += low[n]
    return total


@njit(cache=True)
def _scale(values: Float64, low: Float64, high: Float64, total: float) -> float:
    """The c at which clip(c values, low, high) sums to ``total``; the last corner where that is never reached."""
    count = len(values)
    corners = np.empty(2 * count)
    change = np.empty(2 * count)
    shift = np.empty(2 * count)
    used = 0
    for n in range(count):
        if values[n] > 0.0:
            corners[used], change[used], shift[used] = low[n] / values[n], values[n], -low[n]
            corners[used + 1], change[used + 1], shift[used + 1] = high[n] / values[n], -values[n], high[n]
            used += 2
    level = low.sum()
    slope = 0.0
    scale = 0.0
    for at in np.argsort(corners[:used]):
        if slope > 0.0 and level + slope * corners[at] >= total:
            return float((total - level) / slope)
        slope += change[at]
        level += shift[at]
        scale = corners[at]
    return float(scale)
