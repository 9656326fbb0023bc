"""Relative strength index after Wilder."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class RelativeStrengthIndex(Computation):
    """``rsi(n)``: 0..100 from Wilder's means of gains and losses; warm after n+1 bars.

    The first means are simple ones over n changes, later ones move by 1/n. Without losses it is 100, without any
    change 50. (Wilder, New Concepts in Technical Trading Systems, 1978)
    """

    name = "rsi"
    parameter_names = ("n",)

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {
            "seen": counters(symbols),
            "close": numbers(symbols),
            "gain": numbers(symbols),
            "loss": numbers(symbols),
        }

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        s = self.state
        _strength(bars.close, bars.fresh, int(self.parameters[0]), s["seen"], s["close"], s["gain"], s["loss"], out)
        return (out,)


@kernel
def _strength(
    close: Float64, fresh: Bool, n: int, seen: Int64, last: Float64, gain: Float64, loss: Float64, out: Float64
) -> None:
    weight = 1.0 / n
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            x = close[c, s]
            out[c, s] = np.nan
            if not fresh[c, s] or x != x:
                continue
            change = x - last[s]
            last[s] = x
            if seen[s] == 0:
                seen[s] = 1
                continue
            up = 0.5 * (abs(change) + change)  # exact, and cheaper than a branch that is taken at random
            down = 0.5 * (abs(change) - change)
            if seen[s] <= n:  # sums until n changes are there
                seen[s] += 1
                gain[s] += up
                loss[s] += down
                if seen[s] <= n:
                    continue
                gain[s] /= n
                loss[s] /= n
            else:
                gain[s] += (up - gain[s]) * weight
                loss[s] += (down - loss[s]) * weight
            total = gain[s] + loss[s]
            out[c, s] = 100.0 * gain[s] / total if total > 0.0 else 50.0
