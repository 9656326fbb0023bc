"""Volume-weighted average price of the session."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel

DAY_NS = 86_400_000_000_000


class SessionVwap(Computation):
    """``vwap``: mean of typical prices (high + low + close) / 3 weighted by volume since the UTC day began.

    In price units. A bar that closes at midnight belongs to the day that it ends. NaN until the day has seen volume.
    """

    name = "vwap"

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {"day": counters(symbols), "traded": numbers(symbols), "volume": numbers(symbols)}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        prices = (bars.high, bars.low, bars.close)
        s = self.state
        _session(bars.cycles, *prices, bars.volume, bars.fresh, s["day"], s["traded"], s["volume"], out)
        return (out,)


@kernel
def _session(
    cycles: Int64,
    high: Float64,
    low: Float64,
    close: Float64,
    volume: Float64,
    fresh: Bool,
    day: Int64,
    traded: Float64,
    total: Float64,
    out: Float64,
) -> None:
    for c in range(close.shape[0]):
        today = (cycles[c] - 1) // DAY_NS
        for s in range(close.shape[1]):
            out[c, s] = np.nan
            if not fresh[c, s]:
                continue
            if day[s] != today:
                day[s] = today
                traded[s] = 0.0
                total[s] = 0.0
            amount = (high[c, s] + low[c, s] + close[c, s]) / 3.0 * volume[c, s]
            if amount == amount:
                traded[s] += amount
                total[s] += volume[c, s]
            if total[s] > 0.0:
                out[c, s] = traded[s] / total[s]
