"""Average true range after Wilder."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.computation import Computation, StateArray, counters, empty_like, numbers
from operators.normalize.features.kernel import kernel


class AverageTrueRange(Computation):
    """``atr(n)``: Wilder's mean of true ranges, in price units; warm after n bars.

    True range is the span of the bar and the close before it; the first bar has only its own. The first mean is a
    simple one, later ones move by 1/n. (Wilder, 1978)
    """

    name = "atr"
    parameter_names = ("n",)

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {"seen": counters(symbols), "close": numbers(symbols), "mean": numbers(symbols)}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        s = self.state
        n = int(self.parameters[0])
        _true_range(bars.high, bars.low, bars.close, bars.fresh, n, s["seen"], s["close"], s["mean"], out)
        return (out,)


@kernel
def _true_range(
    high: Float64,
    low: Float64,
    close: Float64,
    fresh: Bool,
    n: int,
    seen: Int64,
    last: Float64,
    mean: Float64,
    out: Float64,
) -> None:
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            out[c, s] = np.nan
            span = high[c, s] - low[c, s]
            if not fresh[c, s] or span != span or close[c, s] != close[c, s]:
                continue
            if seen[s] > 0:
                span = max(high[c, s], last[s]) - min(low[c, s], last[s])
            last[s] = close[c, s]
            if seen[s] < n:
                seen[s] += 1
                mean[s] += span
                if seen[s] < n:
                    continue
                mean[s] /= n
            else:
                mean[s] += (span - mean[s]) / n
            out[c, s] = mean[s]
