"""Donchian channel: the highest high and lowest low before the current bar."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class DonchianChannel(Computation):
    """``donchian(n)`` in price units: ``upper`` = highest high, ``lower`` = lowest low of the n bars *before* this one.

    Warm after n+1 bars. Extremes of a sliding window in constant time a bar: the ring is cut into turns of n bars;
    within a turn a running extreme is kept, and at its end the ring is overwritten by extremes from each place to the
    turn's end (van Herk, 1992).
    """

    name = "donchian"
    parameter_names = ("n",)
    outputs = ("upper", "lower")

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        n = int(self.parameters[0])
        return {
            "highs": numbers(symbols, n),
            "lows": numbers(symbols, n),
            "highest": np.full(symbols, -np.inf),
            "lowest": np.full(symbols, np.inf),
            "position": counters(symbols),
            "seen": counters(symbols),
        }

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        upper, lower = empty_like(bars), empty_like(bars)
        s = self.state
        state = (s["highs"], s["lows"], s["highest"], s["lowest"], s["position"], s["seen"])
        _channel(bars.high, bars.low, bars.fresh, *state, upper, lower)
        return upper, lower


@kernel
def _channel(
    high: Float64,
    low: Float64,
    fresh: Bool,
    highs: Float64,
    lows: Float64,
    highest: Float64,
    lowest: Float64,
    position: Int64,
    seen: Int64,
    upper: Float64,
    lower: Float64,
) -> None:
    n = highs.shape[1]
    for c in range(high.shape[0]):
        for s in range(high.shape[1]):
            h, lo = high[c, s], low[c, s]
            upper[c, s] = np.nan
            lower[c, s] = np.nan
            if not fresh[c, s] or h != h or lo != lo:
                continue
            p = position[s]
            if seen[s] == n:
                upper[c, s] = max(highs[s, p], highest[s])
                lower[c, s] = min(lows[s, p], lowest[s])
            else:
                seen[s] += 1
            highs[s, p] = h
            lows[s, p] = lo
            highest[s] = max(highest[s], h)
            lowest[s] = min(lowest[s], lo)
            position[s] = p + 1
            if p + 1 == n:
                position[s] = 0
                highest[s] = -np.inf
                lowest[s] = np.inf
                for i in range(n - 2, -1, -1):
                    highs[s, i] = max(highs[s, i], highs[s, i + 1])
                    lows[s, i] = min(lows[s, i], lows[s, i + 1])
