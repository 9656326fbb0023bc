"""``volatility_target(target 0.10, 60, floor 0.10, clamp 0.1–1, act on >= 2 %)``, annualised (spec 3)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from operators.strategy_evaluate.conformance import assert_block_independent, bars_from_closes, rehearse, sample_bars
from operators.strategy_evaluate.reference import bars_per_year
from operators.strategy_evaluate.registry import default_registry
from operators.strategy_evaluate.strategy import Market, Strategy
from schemas.configuration.instruments import BUILT_IN_CALENDARS

DAY = 86_400_000_000_000
HOUR = DAY // 24


def build(market: Market | None = None, **parameters: Any) -> Strategy:
    return default_registry().build("volatility_target", {"bars_per_year": 252, **parameters}, market)


def answer(strategy: Strategy, annual: float, exposure: float = 0.0) -> float | None:
    """The target at an annual volatility while ``exposure`` stands, or None."""
    volatility = np.array([[annual / math.sqrt(252)]])
    state = {"exposure": np.array([exposure])}
    targets = strategy.step(bars_from_closes([100.0]), (volatility,), np.ones((1, 1), np.bool_), state)
    return float(targets.value[0, 0]) if targets.emit[0, 0] else None


def test_defaults() -> None:
    strategy = default_registry().build("volatility_target", {})
    assert strategy.parameters.model_dump() == {
        "target": 0.10, "window": 60, "floor": 0.10, "least": 0.1, "most": 1.0, "min_change": 0.02,
        "bars_per_year": None,
    }  # fmt: skip
    assert [str(f) for f in strategy.features()] == ["realised_volatility(60)"]


@pytest.mark.parametrize(
    ("annual", "expected"), [(0.20, 0.5), (0.10, 1.0), (0.05, 1.0), (0.0, 1.0), (0.50, 0.2), (4.0, 0.1)]
)
def test_exposure_is_target_over_volatility_within_floor_and_clamp(annual: float, expected: float) -> None:
    assert answer(build(), annual) == pytest.approx(expected, abs=1e-9)


def test_defect_volatility_is_annualised() -> None:
    """Volatility per bar (0.0126 for 20 % a year) would ask for everything."""
    calm = rehearse(build(window=2), bars_from_closes([100.0 * (1 + 0.0126 * (i % 2)) for i in range(4)]))
    assert calm[-1].value < 0.7


@pytest.mark.parametrize(("exposure", "expected"), [(0.48, 0.5), (0.52, 0.5), (0.481, None), (0.5, None)])
def test_acts_on_changes_of_two_per_cent_or_more(exposure: float, expected: float | None) -> None:
    found = answer(build(), 0.20, exposure)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-9))


class TestBarsPerYear:
    @pytest.mark.parametrize(
        ("calendar", "interval", "expected"),
        [
            ("always", DAY, 365.0),
            ("always", HOUR, 8760.0),
            ("weekdays", DAY, 252.0),
            ("weekdays", HOUR, 252.0 * 24),
            ("weekdays", 7 * DAY, 36.0),
        ],
    )
    def test_follow_from_calendar_and_interval(self, calendar: str, interval: int, expected: float) -> None:
        assert bars_per_year(BUILT_IN_CALENDARS[calendar], interval) == pytest.approx(expected)

    def test_are_bound_where_the_configuration_says_nothing(self) -> None:
        market = Market(("A", "B"), (0.0, 0.0), (252.0, 365.0))
        bound = default_registry().build("volatility_target", {}, market)
        assert bound.parameters.bars_per_year == 365.0, "of the busiest: the smaller exposure"
        assert build(market).parameters.bars_per_year == 252.0


def test_measures_what_seed_004_names() -> None:
    features = np.array([[0.20 / math.sqrt(252)], [0.10 / math.sqrt(252)]])
    found = build().measures(features, np.array([0.5, 1.0]), np.array([0.4, 0.7]))
    assert found == {"realized_vs_target_vol_pct": pytest.approx(50.0), "allocation_error_pct": pytest.approx(20.0)}


def test_keeps_the_contract_on_bars_on_which_it_trades() -> None:
    strategy = build(window=10)
    assert len(rehearse(strategy, sample_bars())) > 20
    assert_block_independent(strategy)
