"""Simple moving average of closes."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class SimpleMovingAverage(Computation):
    """``sma(n)``: mean of the last n closes, in price units; warm after n bars."""

    name = "sma"
    parameter_names = ("n",)

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {
            "ring": numbers(symbols, int(self.parameters[0])),
            "position": counters(symbols),
            "seen": counters(symbols),
            "total": numbers(symbols),
        }

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        s = self.state
        _average(bars.close, bars.fresh, s["ring"], s["position"], s["seen"], s["total"], out)
        return (out,)


@kernel
def _average(
    close: Float64, fresh: Bool, ring: Float64, position: Int64, seen: Int64, total: Float64, out: Float64
) -> None:
    n = ring.shape[1]
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            x = close[c, s]
            if not fresh[c, s] or x != x:
                out[c, s] = np.nan
                continue
            p = position[s]
            total[s] += x - ring[s, p]
            ring[s, p] = x
            if seen[s] < n:
                seen[s] += 1
            position[s] = p + 1
            if p + 1 == n:  # summed anew once a turn, so that rounding cannot pile up
                position[s] = 0
                exact = 0.0
                for i in range(n):
                    exact += ring[s, i]
                total[s] = exact
            out[c, s] = total[s] / n if seen[s] == n else np.nan
