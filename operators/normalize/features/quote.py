"""Features of the cycle's last quote; NaN in a cycle without a bar or a quote."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.computation import Computation, StateArray, empty_like
from operators.normalize.features.kernel import kernel


class Spread(Computation):
    """``spread``: (ask - bid) / mid, a fraction of the price."""

    name = "spread"

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        _difference(bars.ask, bars.bid, 2.0, bars.fresh, out)
        return (out,)


class Imbalance(Computation):
    """``imbalance``: (bid size - ask size) / (bid size + ask size), -1..1; positive when buyers show more."""

    name = "imbalance"

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        out = empty_like(bars)
        _difference(bars.bid_size, bars.ask_size, 1.0, bars.fresh, out)
        return (out,)


@kernel
def _difference(first: Float64, second: Float64, scale: float, fresh: Bool, out: Float64) -> None:
    for c in range(first.shape[0]):
        for s in range(first.shape[1]):
            total = first[c, s] + second[c, s]
            known = fresh[c, s] and total > 0.0
            out[c, s] = scale * (first[c, s] - second[c, s]) / total if known else np.nan
