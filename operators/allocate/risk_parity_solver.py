"""Equal risk contribution by cyclical coordinate descent (spec 6 ``risk_parity``; Griveau-Billion, Richard, Roncalli 2013).

Minimises 1/2 w' S w - sum b ln w; each coordinate has a closed form, and the scaled minimum contributes risk by budget.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from operators.frames import Float64

_SWEEPS = 1000
_TOLERANCE = 1e-12


@njit(cache=True)
def risk_budget_weights(covariance: Float64, budget: Float64) -> Float64:
    """[n] weights that sum to 1 with w_i (S w)_i = b_i w' S w; every variance and budget must be positive.

    Sweeps in symbol order until no coordinate moves by more than 1e-12 of itself, at most 1000 times.
    """
    count = len(covariance)
    weights = np.empty(count)
    for n in range(count):
        weights[n] = 1.0 / math.sqrt(covariance[n, n])
    weights /= weights.sum()
    product = covariance @ weights
    variance = 0.0
    for n in range(count):
        variance += weights[n] * product[n]
    if variance > 0.0:
        weights /= math.sqrt(variance)
        product = covariance @ weights
    for _ in range(_SWEEPS):
        moved = 0.0
        for n in range(count):
            own = covariance[n, n]
            others = product[n] - own * weights[n]
            after = (-others + math.sqrt(others * others + 4.0 * own * budget[n])) / (2.0 * own)
            step = after - weights[n]
            moved = max(moved, abs(step) / after)
            weights[n] = after
            for k in range(count):
                product[k] += covariance[k, n] * step
        if moved < _TOLERANCE:
            break
    total = 0.0
    for n in range(count):
        total += weights[n]
    return weights / total
