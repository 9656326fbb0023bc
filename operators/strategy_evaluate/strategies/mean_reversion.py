"""``mean_reversion``: against stretched prices, back to the mean (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

#: Volatility beyond this multiple of the cap ends a position.
EXIT_VOLATILITY = 1.5


class MeanReversionParameters(Parameters):
    """``window`` and ``max_bars`` in bars, ``entry`` and ``exit`` in standard deviations, volatility per bar.

    ``min_volume`` is a filter on entries alone. Without ``short`` only falls are bought.
    """

    window: Annotated[int, Field(ge=2, le=5000)] = 96
    entry: Annotated[float, Field(gt=0)] = 1.8
    exit: Annotated[float, Field(ge=0)] = 0.4
    max_bars: Annotated[int, Field(ge=1)] = 12
    volatility_cap: Annotated[float, Field(gt=0)] = 0.04
    min_volume: Annotated[float, Field(ge=0)] = 0.0
    short: bool = True

    @model_validator(mode="after")
    def _order(self) -> MeanReversionParameters:
        if self.exit >= self.entry:
            raise ValueError(f"exit ({self.exit}) must lie inside entry ({self.entry})")
        return self


class MeanReversion(Strategy):
    """Enters against |z| >= entry when volatility <= cap; -1 after a rise, +1 after a fall. Confidence 1.

    Exits a long at z >= -exit, a short at z <= exit, either after ``max_bars`` bars held, or when volatility exceeds
    1.5 times the cap. Exits look at nothing else: no filter can block them (spec 3, Defect). The hypothetical position
    is filled at the bar after the target, and that bar is the first one held.
    """

    strategy_type = "mean_reversion"
    version = "1.0.0"
    aliases = ("mean_reversion",)
    parameters_type = MeanReversionParameters
    parameters: MeanReversionParameters

    def features(self) -> tuple[Feature, ...]:
        """z-score and volatility over the window; the bar's volume, for entries."""
        p = self.parameters
        score, volatility = Feature("zscore", (p.window,)), Feature("realised_volatility", (p.window,))
        return (score, volatility, *self.optional_features())

    def optional_features(self) -> tuple[Feature, ...]:
        """Volume may be missing, which must not block an exit."""
        return (Feature("volume"),)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``target``: the last one, which the next bar fills; ``held``: bars since that fill."""
        return {"target": np.zeros(symbols, np.int8), "held": np.zeros(symbols, np.int64)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        p = self.parameters
        targets = Targets.nothing(ready.shape)
        limits = np.array([p.entry, p.exit, p.max_bars, p.volatility_cap, p.min_volume, float(p.short)])
        score, volatility, volume = features
        memory = (state["target"], state["held"])
        _revert(score, volatility, volume, bars.fresh, ready, limits, *memory, targets.emit, targets.value)
        return targets


@kernel
def _revert(
    score: Float64,
    volatility: Float64,
    volume: Float64,
    fresh: Bool,
    ready: Bool,
    limits: Float64,
    target: NDArray[np.int8],
    held: Int64,
    emit: Bool,
    value: Float64,
) -> None:
    entry, leave, max_bars, cap, min_volume, short = limits
    for c in range(score.shape[0]):
        for s in range(score.shape[1]):
            if fresh[c, s] and target[s] != 0:
                held[s] += 1
            if not ready[c, s]:
                continue
            z, risk = score[c, s], volatility[c, s]
            if target[s] != 0:
                back = z >= -leave if target[s] > 0 else z <= leave
                if back or held[s] >= max_bars or risk > EXIT_VOLATILITY * cap:
                    target[s] = 0
                    emit[c, s] = True
                continue
            stretched = z <= -entry or (z >= entry and short > 0.0)
            liquid = min_volume == 0.0 or volume[c, s] >= min_volume
            if stretched and liquid and risk <= cap:
                target[s] = 1 if z < 0.0 else -1
                held[s] = 0
                emit[c, s] = True
                value[c, s] = target[s]
