"""``grid_trading``: buys each step down from an anchor price, sells each step up (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets

#: A price counts as at a line when it misses it by no more than this part of the spacing: 0.004 is not exact in binary.
TOLERANCE = 1e-9


class GridTradingParameters(Parameters):
    """``levels`` lines on each side, ``spacing`` apart as a fraction of the anchor. Without ``short`` only falls are
    traded."""

    levels: Annotated[int, Field(ge=1, le=1000)] = 5
    spacing: Annotated[float, Field(gt=0, lt=1)] = 0.004
    short: bool = True

    @model_validator(mode="after")
    def _above_zero(self) -> GridTradingParameters:
        if self.levels * self.spacing >= 1.0:
            raise ValueError(f"levels x spacing is {self.levels * self.spacing:g}: the lowest line must lie above zero")
        return self


class GridTrading(Strategy):
    """Holds n/levels of its share, where n counts the grid lines that the price has passed below (short: above).

    Line k lies at anchor x (1 - k x spacing). At n it buys one more step at line n+1 and sells one at line n-1, so that
    between two lines nothing happens and each round trip earns one spacing. The anchor is the first close that it acts
    on; it moves to the current close when nothing is held and the price has left the grid (as it can without
    ``short``). Beyond the last line the position stands. Confidence 1.

    n is the target that stands, filled since at the bar after it: a jump over several lines moves n by several at once,
    and no line is ever waited for twice.
    """

    strategy_type = "grid_trading"
    version = "1.0.0"
    aliases = ("grid_trading",)
    parameters_type = GridTradingParameters
    parameters: GridTradingParameters

    def features(self) -> tuple[Feature, ...]:
        """The close."""
        return (Feature("close"),)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``anchor``: centre of the grid, 0 before the first bar; ``steps``: n, negative when short."""
        return {"anchor": np.zeros(symbols, np.float64), "steps": np.zeros(symbols, np.int64)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        p = self.parameters
        targets = Targets.nothing(ready.shape)
        least = -p.levels if p.short else 0
        memory = (state["anchor"], state["steps"])
        _trade(features[0], ready, p.spacing, p.levels, least, *memory, targets.emit, targets.value)
        return targets


@kernel
def _trade(
    close: Float64,
    ready: Bool,
    spacing: float,
    levels: int,
    least: int,
    anchor: Float64,
    steps: Int64,
    emit: Bool,
    value: Float64,
) -> None:
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            if not ready[c, s]:
                continue
            price = close[c, s]
            if anchor[s] == 0.0:
                anchor[s] = price
                continue
            # Only when nothing is held: moving a grid under a position would forget where it was bought.
            if least == 0 and steps[s] == 0 and price > anchor[s] * (1.0 + levels * spacing):
                anchor[s] = price
                continue
            depth = (1.0 - price / anchor[s]) / spacing
            n = steps[s]
            while n < levels and depth >= n + 1 - TOLERANCE:
                n += 1
            while n > least and depth <= n - 1 + TOLERANCE:
                n -= 1
            if n != steps[s]:
                steps[s] = n
                emit[c, s] = True
                value[c, s] = n / levels
