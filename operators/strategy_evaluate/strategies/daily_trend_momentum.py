"""``daily_trend_momentum``: breakouts in the direction of a confirmed trend (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

Window = Annotated[int, Field(ge=1, le=5000)]


class DailyTrendMomentumParameters(Parameters):
    """Windows in bars; ``atr_multiple`` in average true ranges; ``min_trend`` and ``min_momentum`` as fractions."""

    fast: Window = 20
    slow: Window = 100
    breakout: Window = 55
    momentum: Window = 20
    atr: Window = 14
    atr_multiple: Annotated[float, Field(gt=0)] = 2.0
    min_trend: float = 0.005
    min_momentum: float = 0.0

    @model_validator(mode="after")
    def _order(self) -> DailyTrendMomentumParameters:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be shorter than slow ({self.slow})")
        return self


class DailyTrendMomentum(Strategy):
    """Long or flat, confidence 1. Trend = fast mean / slow mean - 1.

    Enters when the close is at or above the highest high of the ``breakout`` bars before it, the trend is at least
    ``min_trend`` and the momentum at least ``min_momentum``. Exits when any of these holds: the trend is negative, the
    close is at or below peak - ``atr_multiple`` x ATR, the close is at or below the lowest low of the ``breakout`` bars
    before it. The peak is the highest high since the fill, which is the bar after the target; exits are looked at from
    that bar on.
    """

    strategy_type = "daily_trend_momentum"
    version = "1.0.0"
    aliases = ("daily_trend_momentum",)
    parameters_type = DailyTrendMomentumParameters
    parameters: DailyTrendMomentumParameters

    def features(self) -> tuple[Feature, ...]:
        """Both means, the channel before the bar, momentum, ATR, close."""
        p = self.parameters
        channel = Feature("donchian", (p.breakout,), "upper")
        return (
            Feature("sma", (p.fast,)),
            Feature("sma", (p.slow,)),
            channel,
            channel._replace(output="lower"),
            Feature("momentum", (p.momentum,)),
            Feature("atr", (p.atr,)),
            Feature("close"),
        )

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``long``: 1 after an entry; ``peak``: highest high since its fill, 0 before."""
        return {"long": np.zeros(symbols, np.int8), "peak": np.zeros(symbols, np.float64)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        p = self.parameters
        targets = Targets.nothing(ready.shape)
        limits = np.array([p.min_trend, p.min_momentum, p.atr_multiple])
        memory = (state["long"], state["peak"])
        _follow(features, bars.high, bars.fresh, ready, limits, *memory, targets.emit, targets.value)
        return targets


@kernel
def _follow(
    features: tuple[Float64, ...],
    high: Float64,
    fresh: Bool,
    ready: Bool,
    limits: Float64,
    holds: NDArray[np.int8],
    peak: Float64,
    emit: Bool,
    value: Float64,
) -> None:
    fast, slow, upper, lower, momentum, span, close = features
    min_trend, min_momentum, multiple = limits
    for c in range(ready.shape[0]):
        for s in range(ready.shape[1]):
            if fresh[c, s] and holds[s] != 0 and high[c, s] > peak[s]:
                peak[s] = high[c, s]
            if not ready[c, s]:
                continue
            trend = fast[c, s] / slow[c, s] - 1.0
            price = close[c, s]
            if holds[s] != 0:
                if trend < 0.0 or price <= peak[s] - multiple * span[c, s] or price <= lower[c, s]:
                    holds[s] = 0
                    emit[c, s] = True
            elif price >= upper[c, s] and trend >= min_trend and momentum[c, s] >= min_momentum:
                holds[s] = 1
                peak[s] = 0.0
                emit[c, s] = True
                value[c, s] = 1.0
