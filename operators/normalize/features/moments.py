"""Mean and standard deviation over a rolling window: what volatility, Bollinger bands and z-score share."""

from __future__ import annotations

import numpy as np

from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import StateArray, counters, numbers
from operators.normalize.features.kernel import kernel

#: Below this part of the largest sum of squares since the last exact summation, too many digits have cancelled.
CANCELLED = 1e-7


def moments_state(symbols: int, n: int) -> dict[str, StateArray]:
    """State of :func:`rolling_moments`: the last n values and sums over their distances from ``shift``."""
    return {
        "ring": numbers(symbols, n),
        "position": counters(symbols),
        "seen": counters(symbols),
        "sums": numbers(symbols, 4),
    }


def rolling_moments(values: Float64, fresh: Bool, state: dict[str, StateArray]) -> tuple[Float64, Float64]:
    """[C, S] mean and standard deviation (ddof 1) of the last n fresh and finite values; NaN until n are there."""
    mean, deviation = np.empty(values.shape), np.empty(values.shape)
    _moments(values, fresh, state["ring"], state["position"], state["seen"], state["sums"], mean, deviation)
    return mean, deviation


@kernel
def _moments(
    values: Float64,
    fresh: Bool,
    ring: Float64,
    position: Int64,
    seen: Int64,
    sums: Float64,
    mean: Float64,
    deviation: Float64,
) -> None:
    n = ring.shape[1]
    per_value, per_degree = 1.0 / n, 1.0 / max(n - 1, 1)
    for c in range(values.shape[0]):
        for s in range(values.shape[1]):
            mean[c, s] = np.nan
            deviation[c, s] = np.nan
            x = values[c, s]
            if not fresh[c, s] or x != x:
                continue
            if seen[s] == 0:
                sums[s, 0] = x
            p = position[s]
            leaving = ring[s, p] - sums[s, 0]
            ring[s, p] = x
            position[s] = p + 1 if p + 1 < n else 0
            shift, total, squares, peak = sums[s, 0], sums[s, 1], sums[s, 2], sums[s, 3]
            entering = x - shift
            total += entering
            squares += entering * entering
            if seen[s] < n:
                seen[s] += 1
            else:
                total -= leaving
                squares -= leaving * leaving
            k = seen[s]
            each = per_value if k == n else 1.0 / k
            peak = squares if squares > peak else peak
            scatter = squares - total * total * each
            if p + 1 == n or scatter < CANCELLED * peak:  # summed anew about the latest value
                shift, total, squares = x, 0.0, 0.0
                for i in range(k):
                    d = ring[s, i] - shift
                    total += d
                    squares += d * d
                peak = squares
                scatter = squares - total * total * each
            sums[s, 0], sums[s, 1], sums[s, 2], sums[s, 3] = shift, total, squares, peak
            if k == n:
                mean[c, s] = shift + total * per_value
                deviation[c, s] = np.sqrt(scatter * per_degree) if scatter > 0.0 else 0.0
