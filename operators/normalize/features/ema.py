"""Exponential moving average of closes."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class ExponentialMovingAverage(Computation):
    """``ema(n)``: exponential mean of closes with weight 2/(n+1), in price units.

    Starts as the simple mean of the first n closes, and is warm from there.
    """

    name = "ema"
    parameter_names = ("n",)

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return ema_state(symbols)

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        smooth(bars.close, bars.fresh, int(self.parameters[0]), self.state["seen"], self.state["mean"], out)
        return (out,)


def ema_state(symbols: int) -> dict[str, StateArray]:
    """State of one exponential mean: values seen (up to n), and their sum until then, the mean from then on."""
    return {"seen": counters(symbols), "mean": numbers(symbols)}


@kernel
def smooth(values: Float64, fresh: Bool, n: int, seen: Int64, mean: Float64, out: Float64) -> None:
    """Exponential means of the fresh and finite values into ``out``; the others leave the state alone."""
    weight = 2.0 / (n + 1.0)
    for c in range(values.shape[0]):
        for s in range(values.shape[1]):
            x = values[c, s]
            out[c, s] = np.nan
            if not fresh[c, s] or x != x:
                continue
            if seen[s] < n:
                seen[s] += 1
                mean[s] += x
                if seen[s] < n:
                    continue
                mean[s] /= n
            else:
                mean[s] += weight * (x - mean[s])
            out[c, s] = mean[s]
