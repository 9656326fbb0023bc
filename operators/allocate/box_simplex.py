"""The proportional box: weights within bounds that keep the ratios of those that no bound holds (spec 5, 6).

w = clip(c·v, lo, hi) with the one c for which Σw is the total: the Kullback–Leibler projection of v onto the box.
Clipping and renormalising in turn is something else: it ends elsewhere, or nowhere.
"""

from __future__ import annotations

import math

import numpy as np

from operators.frames import Float64

_SLACK = 1e-9


class InfeasibleBounds(ValueError):
    """No weights within these bounds have this sum."""


def proportional_box(v: Float64, lo: Float64, hi: Float64, total: float = 1.0) -> Float64:
    """[n] clip(c·v, lo, hi) whose sum is ``total``.

    Where every positive v is at its upper bound and something is left, it stays unallocated: nothing scales a zero up.

    Raises:
        InfeasibleBounds: Σlo > total, Σhi < total, or some lo > hi.
        ValueError: a negative or non-finite v.
    """
    if not (np.isfinite(v).all() and (v >= 0.0).all()):
        raise ValueError("weights to bound must be finite and not negative")
    least, most = math.fsum(lo), math.fsum(hi)
    if (lo > hi).any() or least > total + _SLACK or most < total - _SLACK:
        raise InfeasibleBounds(f"bounds allow sums from {least:g} to {most:g}, not {total:g}")
    positive = v > 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        breaks = np.unique(np.concatenate([lo[positive] / v[positive], hi[positive] / v[positive], np.zeros(1)]))
    breaks = breaks[np.isfinite(breaks)]
    if _sum(v, lo, hi, breaks[-1]) <= total:
        most_reached: Float64 = np.clip(breaks[-1] * v, lo, hi)
        return most_reached
    first, last = 0, len(breaks) - 1
    while last - first > 1:
        middle = (first + last) // 2
        if _sum(v, lo, hi, breaks[middle]) <= total:
            first = middle
        else:
            last = middle
    return _within(v, lo, hi, total, float(breaks[first] + breaks[last]) / 2.0)


def _sum(v: Float64, lo: Float64, hi: Float64, scale: float) -> float:
    return math.fsum(np.clip(scale * v, lo, hi))


def _within(v: Float64, lo: Float64, hi: Float64, total: float, inside: float) -> Float64:
    """The exact answer, given a scale ``inside`` the right segment: which weights are free no longer changes."""
    scaled = inside * v
    free = (scaled > lo) & (scaled < hi)
    weight = math.fsum(v[free])
    if not weight > 0.0:
        return np.clip(scaled, lo, hi)
    held = math.fsum(np.where(free, 0.0, np.clip(scaled, lo, hi)))
    return np.clip(max(0.0, total - held) / weight * v, lo, hi)
