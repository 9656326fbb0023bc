"""``legacy_macd_rsi``: MACD for the trend, RSI for the moment (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

Window = Annotated[int, Field(ge=1, le=5000)]
Percent = Annotated[float, Field(ge=0, le=100)]


class LegacyMacdRsiParameters(Parameters):
    """Windows in bars, RSI limits 0..100. With ``short`` a sell targets -1, without it flat."""

    fast: Window = 12
    slow: Window = 26
    signal: Window = 9
    rsi: Window = 14
    buy_below: Percent = 35.0
    sell_above: Percent = 65.0
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.65
    short: bool = False

    @model_validator(mode="after")
    def _order(self) -> LegacyMacdRsiParameters:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be shorter than slow ({self.slow})")
        return self


class LegacyMacdRsi(Strategy):
    """Buys at macd > signal and rsi < 35, sells at macd < signal and rsi > 65; in between the target stands."""

    strategy_type = "legacy_macd_rsi"
    version = "1.0.0"
    aliases = ("legacy_macd_rsi",)
    parameters_type = LegacyMacdRsiParameters
    parameters: LegacyMacdRsiParameters

    def features(self) -> tuple[Feature, ...]:
        """MACD, its signal line, RSI."""
        p = self.parameters
        macd = Feature("macd", (p.fast, p.slow, p.signal))
        return (macd, macd._replace(output="signal"), Feature("rsi", (p.rsi,)))

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """Nothing: each bar is judged by itself, and stating the standing target again is no intent."""
        return {}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        macd, signal, rsi = features
        p = self.parameters
        buy = ready & (macd > signal) & (rsi < p.buy_below)
        sell = ready & (macd < signal) & (rsi > p.sell_above)
        value = np.where(buy, 1.0, -1.0 if p.short else 0.0)
        return Targets(buy | sell, value, np.full(ready.shape, p.confidence))
