"""The job's strategy, twice: over whole blocks, and in plain Python per symbol."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.job import LEAST_DEVIATION, RETURNS, RISK, TOLERANCE
from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets
from operators.strategy_evaluate.symbol_strategy import Bar, SymbolStrategy


class Windows(Parameters):
    """Bars in the fast and in the slow average."""

    fast: int
    slow: int


def _features(windows: Windows) -> tuple[Feature, ...]:
    averages = (Feature("sma", (windows.fast,)), Feature("sma", (windows.slow,)))
    return (*averages, Feature("realised_volatility", (RETURNS,)))


class BenchSma(Strategy):
    """Long above, short below: the notional at the change of side is held until the next."""

    strategy_type = "bench_sma"
    version = "1.0.0"
    unit = "notional"
    parameters_type = Windows
    parameters: Windows

    def features(self) -> tuple[Feature, ...]:
        """Both averages and the deviation of returns."""
        return _features(self.parameters)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``side``: 0 before the first."""
        return {"side": np.zeros(symbols, np.int8)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        targets = Targets.nothing(ready.shape)
        fast, slow, deviation = features
        _cross(bars.close, fast, slow, deviation, ready, state["side"], targets.emit, targets.value)
        return targets


@kernel
def _cross(
    close: Float64,
    fast: Float64,
    slow: Float64,
    deviation: Float64,
    ready: Bool,
    side: Any,
    emit: Bool,
    value: Float64,
) -> None:
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            if not ready[c, s]:
                continue
            gap = fast[c, s] - slow[c, s]
            now = 1 if gap > TOLERANCE else (-1 if gap < -TOLERANCE else side[s])
            if now != side[s]:
                side[s] = now
                units = math.floor(RISK / (close[c, s] * max(deviation[c, s], LEAST_DEVIATION)))
                emit[c, s] = True
                value[c, s] = now * units * close[c, s]


class BenchSmaPerSymbol(SymbolStrategy):
    """The same rule, bar by bar."""

    strategy_type = "bench_sma_per_symbol"
    version = "1.0.0"
    unit = "notional"
    parameters_type = Windows
    parameters: Windows

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.side = 0

    def features(self) -> tuple[Feature, ...]:
        """Both averages and the deviation of returns."""
        return _features(self.parameters)

    def on_bar(self, bar: Bar, features: tuple[float, ...], position: float) -> float | None:
        fast, slow, deviation = features
        gap = fast - slow
        side = 1 if gap > TOLERANCE else -1 if gap < -TOLERANCE else self.side
        if side == self.side:
            return None
        self.side = side
        return side * math.floor(RISK / (bar.close * max(deviation, LEAST_DEVIATION))) * bar.close
