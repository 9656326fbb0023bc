"""``daily_trend_momentum``: each condition of entry and exit (spec 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.strategy_evaluate.conformance import (
    assert_block_independent,
    bars_from_closes,
    rehearse,
    sample_bars,
)
from operators.strategy_evaluate.registry import default_registry
from operators.strategy_evaluate.strategy import Strategy

SMALL = {"fast": 2, "slow": 4, "breakout": 3, "momentum": 2, "atr": 2}


def build(**parameters: Any) -> Strategy:
    return default_registry().build("daily_trend_momentum", parameters)


def answer(strategy: Strategy, state: dict[str, Any], high: float = 100.0, **changed: float) -> float | None:
    """The target for one bar, or None; by default a breakout that is an entry."""
    values = {
        "fast": 101.0, "slow": 100.0, "upper": 100.0, "lower": 90.0, "momentum": 0.01, "atr": 1.0, "close": 100.0,
        **changed,
    }  # fmt: skip
    bars = bars_from_closes([high])
    row = tuple(np.array([[v]]) for v in values.values())
    targets = strategy.step(bars, row, np.ones((1, 1), np.bool_), state)
    return float(targets.value[0, 0]) if targets.emit[0, 0] else None


def held(peak: float = 100.0) -> dict[str, Any]:
    return {"long": np.ones(1, np.int8), "peak": np.array([peak])}


def test_defaults() -> None:
    strategy = build()
    assert strategy.parameters.model_dump() == {
        "fast": 20, "slow": 100, "breakout": 55, "momentum": 20, "atr": 14, "atr_multiple": 2.0, "min_trend": 0.005,
        "min_momentum": 0.0,
    }  # fmt: skip
    assert [str(f) for f in strategy.features()] == [
        "sma(20)", "sma(100)", "donchian(55).upper", "donchian(55).lower", "momentum(20)", "atr(14)", "close()",
    ]  # fmt: skip


def test_the_fast_window_must_be_the_shorter_one() -> None:
    with pytest.raises(Exception, match="shorter than slow"):
        build(fast=100, slow=100)


class TestEntry:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, 1.0),
            ({"close": 99.99}, None),
            ({"fast": 100.49}, None),
            ({"fast": 100.51}, 1.0),
            ({"momentum": -0.0001}, None),
            ({"momentum": 0.0}, 1.0),
        ],
        ids=str,
    )
    def test_needs_breakout_trend_and_momentum(self, changed: dict[str, float], expected: float | None) -> None:
        strategy = build()
        assert answer(strategy, strategy.initial_state(1), **changed) == expected

    def test_the_channel_is_of_the_bars_before(self) -> None:
        """A close at its own high would always be the highest; only the bars before it count."""
        closes = [10.0, 10.5, 11.0, 10.9, 11.0]
        found = rehearse(build(**SMALL), bars_from_closes(closes))
        assert [(t.cycle // 60_000_000_000, t.value) for t in found] == [(5, 1.0)]


class TestExit:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"close": 99.0}, None),
            ({"fast": 99.99}, 0.0),
            ({"fast": 100.0}, None),
            ({"close": 98.0}, 0.0),
            ({"close": 98.01}, None),
            ({"close": 98.5, "lower": 98.5}, 0.0),
        ],
        ids=str,
    )
    def test_on_any_of_trend_trailing_stop_and_channel(self, changed: dict[str, float], expected: float | None) -> None:
        assert answer(build(), held(), **{"upper": 200.0, **changed}) == expected

    def test_the_stop_trails_the_highest_high_since_the_fill(self) -> None:
        state = held(peak=100.0)
        assert answer(build(), state, high=110.0, close=109.0, upper=200.0) is None
        assert state["peak"].tolist() == [110.0]
        assert answer(build(), state, high=109.0, close=108.0, upper=200.0) == 0.0

    def test_defect_a_position_never_changes_at_the_moment_of_emission(self) -> None:
        """The high of the bar that states the entry is not part of the trade: the next bar fills it."""
        strategy = build()
        state = strategy.initial_state(1)
        assert answer(strategy, state, high=130.0) == 1.0
        assert state["peak"].tolist() == [0.0]
        assert answer(strategy, state, high=101.0, close=100.5, upper=200.0) is None
        assert state["peak"].tolist() == [101.0]

    def test_a_bar_without_a_ready_feature_still_moves_the_peak(self) -> None:
        strategy, state = build(), held()
        bars = bars_from_closes([120.0])
        row = tuple(np.full((1, 1), np.nan) for _ in strategy.features())
        strategy.step(bars, row, np.zeros((1, 1), np.bool_), state)
        assert state["peak"].tolist() == [120.0]


def test_keeps_the_contract_on_bars_on_which_it_trades() -> None:
    strategy = build(**SMALL, min_trend=0.0001)
    assert len(rehearse(strategy, sample_bars())) > 20
    assert_block_independent(strategy)
