"""Equal risk contributions by cyclical coordinate descent (spec 6; design, "Parts": never SLSQP)."""

from __future__ import annotations

import numpy as np
from numba import njit

from operators.frames import Float64

#: A sweep that moves no weight by more than this share of it ends the descent.
_TOLERANCE = 1e-13
_SWEEPS = 5000


@njit(cache=True)
def _descend(covariance: Float64, start: Float64) -> Float64:
    """Minimises ½w'Σw − (1/n)Σ ln w coordinate by coordinate; each step is the positive root of its quadratic."""
    count = len(start)
    weights = start.copy()
    gradient = np.zeros(count)
    for i in range(count):
        for j in range(count):
            gradient[i] += covariance[i, j] * weights[j]
    for _ in range(_SWEEPS):
        moved = 0.0
        for i in range(count):
            variance = covariance[i, i]
            others = gradient[i] - variance * weights[i]
            root = np.sqrt(others * others + 4.0 * variance / count)
            # Of the two forms of the root, the one that subtracts nothing.
            new = (root - others) / (2.0 * variance) if others <= 0.0 else 2.0 / count / (root + others)
            step = new - weights[i]
            if step != 0.0:
                row = covariance[i]
                for j in range(count):
                    gradient[j] += row[j] * step
            moved = max(moved, abs(step) / new)
            weights[i] = new
        if moved < _TOLERANCE:
            break
    return weights


def equal_risk(covariance: Float64) -> Float64:
    """[n] weights, sum 1, whose contributions w_i(Σw)_i to the variance are equal.

    The unique minimum of ½w'Σw − (1/n)Σ ln w, normalised (Maillard, Roncalli and Teïletche 2010; the descent is
    Griveau-Billion, Richard and Roncalli 2013).

    Args:
        covariance: [n, n] positive semi-definite with a positive diagonal.
    """
    # Correlations are descended on: the scale of the variances then costs no sweeps.
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    count = len(deviation)
    weights = _descend(np.ascontiguousarray(correlation), np.full(count, 1.0 / np.sqrt(count))) / deviation
    normalised: Float64 = weights / weights.sum()
    return normalised


def risk_shares(covariance: Float64, weights: Float64) -> Float64:
    """[n] each weight's share of the variance; zeros where there is none."""
    parts: Float64 = weights * (covariance @ weights)
    total = float(parts.sum())
    return parts / total if total > 0.0 else np.zeros(len(weights))
