"""``volatility_target``: as much exposure as brings the volatility to its target (spec 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Market, Parameters, Strategy, Targets

#: Differences of exposure are compared after rounding to this many places, as weights are.
PLACES = 9


class VolatilityTargetParameters(Parameters):
    """Volatilities per year, ``window`` in bars, exposures as fractions of the share.

    ``bars_per_year`` annualises; unset it follows from the schedule's interval and the instruments' calendars.
    """

    target: Annotated[float, Field(gt=0)] = 0.10
    window: Annotated[int, Field(ge=2, le=5000)] = 60
    floor: Annotated[float, Field(gt=0)] = 0.10
    least: Annotated[float, Field(ge=0)] = 0.1
    most: Annotated[float, Field(gt=0)] = 1.0
    min_change: Annotated[float, Field(ge=0)] = 0.02
    bars_per_year: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _order(self) -> VolatilityTargetParameters:
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) must not exceed most ({self.most})")
        return self


class VolatilityTarget(Strategy):
    """Long by clamp(target / max(volatility, floor), least, most), confidence 1.

    Volatility is the standard deviation of the last ``window`` simple returns times the root of ``bars_per_year``:
    volatility per bar would ask for the most at all times (spec 3, "annualised"). It acts when the exposure differs
    from the standing target by ``min_change`` (2 % of the share) or more.
    """

    strategy_type = "volatility_target"
    version = "1.0.0"
    aliases = ("volatility_target",)
    parameters_type = VolatilityTargetParameters
    parameters: VolatilityTargetParameters

    @classmethod
    def bind(cls, parameters: Mapping[str, Any], market: Market) -> dict[str, Any]:
        """``bars_per_year`` of the busiest instrument: more bars mean a higher volatility and a smaller exposure."""
        if parameters.get("bars_per_year") is not None or not market.bars_per_year:
            return dict(parameters)
        return {**parameters, "bars_per_year": max(market.bars_per_year)}

    def features(self) -> tuple[Feature, ...]:
        """Volatility per bar over the window."""
        return (Feature("realised_volatility", (self.parameters.window,)),)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``exposure``: the last target."""
        return {"exposure": np.zeros(symbols, np.float64)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        p = self.parameters
        targets = Targets.nothing(ready.shape)
        annual = features[0] * np.sqrt(p.bars_per_year or 252.0)
        wanted = np.round(np.clip(p.target / np.maximum(annual, p.floor), p.least, p.most), PLACES)
        _adjust(wanted, ready, p.min_change, state["exposure"], targets.emit, targets.value)
        return targets

    def measures(self, features: Float64, value: Float64, before: Float64) -> dict[str, float]:
        """Realised against target volatility, and how far exposures had been from what was wanted, in per cent."""
        annual = features[:, 0] * np.sqrt(self.parameters.bars_per_year or 252.0)
        return {
            "realized_vs_target_vol_pct": float(np.mean(annual / self.parameters.target - 1.0)) * 100.0,
            "allocation_error_pct": float(np.mean(np.abs(value - before))) * 100.0,
        }


@kernel
def _adjust(wanted: Float64, ready: Bool, least: float, exposure: Float64, emit: Bool, value: Float64) -> None:
    for c in range(wanted.shape[0]):
        for s in range(wanted.shape[1]):
            if ready[c, s] and np.round(abs(wanted[c, s] - exposure[s]), PLACES) >= least:
                exposure[s] = wanted[c, s]
                emit[c, s] = True
                value[c, s] = wanted[c, s]
