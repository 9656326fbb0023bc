"""Compiled code is loaded before the first bar, not inside the flow (design, measurements)."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from operators.normalize.features.catalogue import FEATURES
from operators.normalize.features.engine import FeatureEngine
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.conformance import sample_bars
from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of, read_only, silent_block
from tests.operators.strategy_evaluate.laboratory import plan_of

pytestmark = pytest.mark.process

PARAMETERS = {"bollinger": (20, 2), "macd": (12, 26, 9)}


def specialisations() -> dict[str, int]:
    """How many argument types each kernel is compiled for, by module and name."""
    found: dict[str, int] = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("operators."):
            for attribute, value in vars(module).items():
                signatures: Any = getattr(value, "signatures", None)
                if signatures is not None:
                    found[f"{name}.{attribute}"] = len(signatures)
    return found


@pytest.mark.parametrize(
    "strategy", ["sma_cross", "legacy_macd_rsi", "intraday_tsmom", "mean_reversion", "plain_steps"]
)
def test_no_kernel_is_compiled_once_bars_flow(strategy: str) -> None:
    schedules: list[dict[str, Any]] = [
        {"id": "all", "strategy": strategy},
        {"id": "some", "strategy": strategy, "symbols": ["S001"]},
    ]
    runtime = StrategyRuntime(plan_of(*schedules, symbols=4), 0)
    before = specialisations()
    for first, last in ((0, 1), (1, 2), (2, 300)):
        runtime.step([cycles_of(sample_bars(300, 4), first, last)])
    assert specialisations() == before
    assert before


def test_no_feature_is_compiled_once_bars_flow() -> None:
    features = [Feature(n, PARAMETERS.get(n, (5,) * len(f.parameter_names)), f.outputs[0]) for n, f in FEATURES.items()]
    engine = FeatureEngine(features, 4)
    engine.step(read_only(silent_block(0, 4)))
    before = specialisations()
    engine.step(read_only(sample_bars(50, 4)))
    assert specialisations() == before
