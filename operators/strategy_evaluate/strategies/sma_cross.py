"""``sma_cross``: follows the crossing of a fast and a slow moving average (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

#: Means closer than this, relative to the slow one, are equal: rounding must not look like a cross.
TOLERANCE = 1e-12


class SmaCrossParameters(Parameters):
    """Windows in bars. With ``short`` a downward cross targets -1, without it flat."""

    fast: Annotated[int, Field(ge=1, le=5000)] = 10
    slow: Annotated[int, Field(ge=2, le=5000)] = 20
    short: bool = False

    @model_validator(mode="after")
    def _order(self) -> SmaCrossParameters:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be shorter than slow ({self.slow})")
        return self


class SmaCross(Strategy):
    """Long after the fast average crosses above the slow one; flat (or short) after it crosses below.

    Acts only when the cross changes; the first computed bar seeds the side and states nothing. Equal averages keep the
    side. Confidence 1.
    """

    strategy_type = "sma_cross"
    version = "1.0.0"
    aliases = ("sma_cross",)
    parameters_type = SmaCrossParameters
    parameters: SmaCrossParameters

    def features(self) -> tuple[Feature, ...]:
        """The fast and the slow average."""
        return (Feature("sma", (self.parameters.fast,)), Feature("sma", (self.parameters.slow,)))

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``side``: 1 above, -1 below, 0 before the first computed bar."""
        return {"side": np.zeros(symbols, np.int8)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        fast, slow = features
        targets = Targets.nothing(ready.shape)
        below = -1.0 if self.parameters.short else 0.0
        _cross(fast, slow, ready, state["side"], below, targets.emit, targets.value)
        return targets


@kernel
def _cross(fast: Float64, slow: Float64, ready: Bool, side: Any, below: float, emit: Bool, value: Float64) -> None:
    for c in range(fast.shape[0]):
        for s in range(fast.shape[1]):
            if not ready[c, s]:
                continue
            gap = fast[c, s] - slow[c, s]
            band = TOLERANCE * abs(slow[c, s])
            now = 1 if gap > band else (-1 if gap < -band else side[s])
            if now != side[s]:
                if side[s] != 0:
                    emit[c, s] = True
                    value[c, s] = 1.0 if now > 0 else below
                side[s] = now
