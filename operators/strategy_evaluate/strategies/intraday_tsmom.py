"""``intraday_tsmom``: time-series momentum within the day (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

Window = Annotated[int, Field(ge=1, le=5000)]
Percent = Annotated[float, Field(ge=0, le=100)]
Confidence = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]


class IntradayTsmomParameters(Parameters):
    """Windows in bars; ``histogram`` and ``gap`` limits in price units; RSI 0..100; volatility per bar.

    With ``short`` a sell targets -1, without it flat.
    """

    fast: Window = 12
    slow: Window = 26
    signal: Window = 9
    rsi: Window = 14
    volatility: Annotated[int, Field(ge=2, le=5000)] = 20
    min_histogram: float = 0.04
    strong_histogram: float = 0.10
    rsi_low: Percent = 52.0
    rsi_high: Percent = 62.0
    rsi_exit: Percent = 66.0
    rsi_extreme: Percent = 72.0
    min_volatility: NonNegative = 0.001
    max_volatility: NonNegative = 0.012
    calm_volatility: NonNegative = 0.008
    gap_exit: NonNegative = 0.06
    buy_confidence: Confidence = 0.64
    max_buy_confidence: Confidence = 0.82
    sell_confidence: Confidence = 0.62
    short: bool = False

    @model_validator(mode="after")
    def _order(self) -> IntradayTsmomParameters:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be shorter than slow ({self.slow})")
        if self.rsi_low > self.rsi_high:
            raise ValueError(f"rsi_low ({self.rsi_low}) must not exceed rsi_high ({self.rsi_high})")
        return self


class IntradayTsmom(Strategy):
    """Buys a confirmed rise that is not yet stretched, sells its reversal or its exhaustion.

    Buy: fast ema > slow ema, macd > signal, histogram >= 0.04, rsi in 52..62, volatility in 0.001..0.012 or missing.
    Confidence 0.64, +0.05 at histogram >= 0.10, +0.03 at volatility <= 0.008, at most 0.82.
    Sell on any of: the reverse trend (fast ema < slow ema and macd < signal), rsi >= 66, a gap of
    signal - macd >= 0.06.
    Confidence 0.62, +0.03 at rsi >= 72.

    A target is stated when the side changes, so that a wandering confidence alone is no intent.
    """

    strategy_type = "intraday_tsmom"
    version = "1.0.0"
    aliases = ("intraday_tsmom",)
    parameters_type = IntradayTsmomParameters
    parameters: IntradayTsmomParameters

    def features(self) -> tuple[Feature, ...]:
        """Both averages, MACD with signal and histogram, RSI, volatility."""
        p = self.parameters
        macd = Feature("macd", (p.fast, p.slow, p.signal))
        return (
            Feature("ema", (p.fast,)),
            Feature("ema", (p.slow,)),
            macd,
            macd._replace(output="signal"),
            macd._replace(output="histogram"),
            Feature("rsi", (p.rsi,)),
            *self.optional_features(),
        )

    def optional_features(self) -> tuple[Feature, ...]:
        """Volatility may be missing."""
        return (Feature("realised_volatility", (self.parameters.volatility,)),)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``side``: 1 after a buy, -1 after a sell, 0 before either."""
        return {"side": np.zeros(symbols, np.int8)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        fast, slow, macd, signal, histogram, rsi, volatility = features
        p = self.parameters
        in_band = (volatility >= p.min_volatility) & (volatility <= p.max_volatility)
        buy = (fast > slow) & (macd > signal) & (histogram >= p.min_histogram) & (np.isnan(volatility) | in_band)
        buy &= (rsi >= p.rsi_low) & (rsi <= p.rsi_high)
        reverse = (fast < slow) & (macd < signal)
        sell = reverse | (rsi >= p.rsi_exit) | (-histogram >= p.gap_exit)
        emit = np.zeros(ready.shape, np.bool_)
        _changed_side(buy & ready, sell & ready, state["side"], emit)
        bonus = 0.05 * (histogram >= p.strong_histogram) + 0.03 * (volatility <= p.calm_volatility)
        bought = np.minimum(p.buy_confidence + bonus, p.max_buy_confidence)
        sold = np.minimum(p.sell_confidence + 0.03 * (rsi >= p.rsi_extreme), 1.0)
        value = np.where(buy, 1.0, -1.0 if p.short else 0.0)
        return Targets(emit, value, np.where(buy, bought, sold))


@kernel
def _changed_side(buy: Bool, sell: Bool, side: Any, emit: Bool) -> None:
    for c in range(buy.shape[0]):
        for s in range(buy.shape[1]):
            now = 1 if buy[c, s] else (-1 if sell[c, s] else side[s])
            emit[c, s] = now != side[s]
            side[s] = now
