"""Momentum: the return over n bars."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class Momentum(Computation):
    """``momentum(n)``: close / close n bars ago - 1; warm after n+1 bars."""

    name = "momentum"
    parameter_names = ("n",)

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {
            "ring": numbers(symbols, int(self.parameters[0])),
            "position": counters(symbols),
            "seen": counters(symbols),
        }

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        _momentum(bars.close, bars.fresh, self.state["ring"], self.state["position"], self.state["seen"], out)
        return (out,)


@kernel
def _momentum(close: Float64, fresh: Bool, ring: Float64, position: Int64, seen: Int64, out: Float64) -> None:
    n = ring.shape[1]
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            x = close[c, s]
            out[c, s] = np.nan
            if not fresh[c, s] or x != x:
                continue
            p = position[s]
            if seen[s] == n:
                out[c, s] = x / ring[s, p] - 1.0
            else:
                seen[s] += 1
            ring[s, p] = x
            position[s] = p + 1 if p + 1 < n else 0
