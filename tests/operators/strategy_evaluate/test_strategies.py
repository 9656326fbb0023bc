"""The shipped strategies: each rule and default of spec 3, each Defect by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.conformance import (
    assert_block_independent,
    bars_from_closes,
    rehearse,
    sample_bars,
)
from operators.strategy_evaluate.registry import default_registry
from operators.strategy_evaluate.strategy import Strategy, Targets

MINUTE = 60_000_000_000


def build(name: str, **parameters: Any) -> Strategy:
    """A shipped strategy."""
    return default_registry().build(name, parameters)


def steps(strategy: Strategy, closes: list[float]) -> list[tuple[int, float]]:
    """(bar number from 1, target) over one symbol's closes."""
    return [(t.cycle // MINUTE, t.value) for t in rehearse(strategy, bars_from_closes(closes))]


def answer(strategy: Strategy, state: dict[str, Any] | None = None, **features: float) -> tuple[float, float] | None:
    """(value, confidence) for one bar with the given feature values, or None."""
    row = tuple(np.array([[features[_short(f)]]]) for f in strategy.features())
    bars = bars_from_closes([100.0])
    memory = strategy.initial_state(1) if state is None else state
    targets: Targets = strategy.step(bars, row, np.ones((1, 1), np.bool_), memory)
    return (float(targets.value[0, 0]), float(targets.confidence[0, 0])) if targets.emit[0, 0] else None


def _short(feature: Feature) -> str:
    """``ema12``, ``macd``, ``signal``, ``rsi``."""
    if feature.name == "ema":
        return f"ema{feature.parameters[0]:g}"
    return feature.name if feature.output == "value" else feature.output


class TestSmaCross:
    """``sma_cross(10,20)``."""

    def test_defaults_are_10_and_20(self) -> None:
        assert build("sma_cross").features() == (Feature("sma", (10,)), Feature("sma", (20,)))

    def test_the_first_computed_bar_seeds_and_states_nothing(self) -> None:
        assert steps(build("sma_cross", fast=1, slow=2), [1.0, 2.0, 3.0, 4.0]) == []

    def test_acts_only_when_the_cross_changes(self) -> None:
        closes = [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0]
        assert steps(build("sma_cross", fast=1, slow=2), closes) == [(6, 1.0)], "flat is where it starts"
        assert steps(build("sma_cross", fast=1, slow=2, short=True), closes) == [(4, -1.0), (6, 1.0)]

    def test_a_downward_cross_is_flat_unless_short(self) -> None:
        closes = [2.0, 1.0, 2.0, 1.0]
        assert steps(build("sma_cross", fast=1, slow=2), closes) == [(3, 1.0), (4, 0.0)]

    def test_equal_averages_keep_the_side(self) -> None:
        closes = [2.0, 1.0, 2.0, 2.0, 2.0, 3.0]
        assert steps(build("sma_cross", fast=1, slow=2), closes) == [(3, 1.0)]

    def test_rounding_is_no_cross(self) -> None:
        closes = [1.0, 1.1, 0.9, 1.0] + [0.1 + 0.2] * 80
        late = [t for t, _ in steps(build("sma_cross", fast=3, slow=7, short=True), closes) if t > 15]
        assert late == []


class TestLegacyMacdRsi:
    """``legacy_macd_rsi@1.0.0``."""

    @pytest.mark.parametrize(
        ("macd", "signal", "rsi", "expected"),
        [
            (1.0, 0.5, 34.9, (1.0, 0.65)),
            (1.0, 0.5, 35.0, None),
            (0.5, 0.5, 20.0, None),
            (0.5, 1.0, 65.1, (0.0, 0.65)),
            (0.5, 1.0, 65.0, None),
            (1.0, 0.5, 70.0, None),
            (0.5, 1.0, 30.0, None),
        ],
    )
    def test_rules(self, macd: float, signal: float, rsi: float, expected: tuple[float, float] | None) -> None:
        assert answer(build("legacy_macd_rsi@1.0.0"), macd=macd, signal=signal, rsi=rsi) == expected

    def test_short(self) -> None:
        assert answer(build("legacy_macd_rsi", short=True), macd=0.0, signal=1.0, rsi=70.0) == (-1.0, 0.65)

    def test_declares_macd_12_26_9_and_rsi_14(self) -> None:
        assert [str(f) for f in build("legacy_macd_rsi").features()] == [
            "macd(12,26,9)",
            "macd(12,26,9).signal",
            "rsi(14)",
        ]


CALM: dict[str, Any] = {
    "ema12": 2.0,
    "ema26": 1.0,
    "macd": 1.0,
    "signal": 0.95,
    "histogram": 0.05,
    "rsi": 57.0,
    "realised_volatility": 0.010,
}


class TestIntradayTsmom:
    """``intraday_tsmom``."""

    def test_buys_a_confirmed_rise(self) -> None:
        assert answer(build("intraday_tsmom"), **CALM) == (1.0, 0.64)

    @pytest.mark.parametrize(
        "change",
        [
            {"ema12": 1.0},
            {"macd": 0.95},
            {"histogram": 0.039},
            {"rsi": 51.9},
            {"rsi": 62.1},
            {"realised_volatility": 0.0009},
            {"realised_volatility": 0.0121},
        ],
        ids=str,
    )
    def test_every_condition_of_the_buy_counts(self, change: dict[str, Any]) -> None:
        assert answer(build("intraday_tsmom"), **{**CALM, **change}) is None

    @pytest.mark.parametrize("edge", [{"rsi": 52.0}, {"rsi": 62.0}, {"histogram": 0.04}], ids=str)
    def test_limits_are_included(self, edge: dict[str, Any]) -> None:
        assert answer(build("intraday_tsmom"), **{**CALM, **edge}) == (1.0, 0.64)

    def test_missing_volatility_does_not_prevent_a_buy(self) -> None:
        assert answer(build("intraday_tsmom"), **{**CALM, "realised_volatility": np.nan}) == (1.0, 0.64)
        strategy = build("intraday_tsmom", volatility=500)
        assert [t for t in rehearse(strategy, sample_bars(400)) if t.value == 1.0], "its warm-up does not block either"

    @pytest.mark.parametrize(
        ("change", "confidence"),
        [
            ({"histogram": 0.10}, 0.69),
            ({"realised_volatility": 0.008}, 0.67),
            ({"histogram": 0.10, "realised_volatility": 0.008}, 0.72),
        ],
        ids=str,
    )
    def test_buy_confidence(self, change: dict[str, Any], confidence: float) -> None:
        found = answer(build("intraday_tsmom"), **{**CALM, **change})
        assert found is not None
        assert found[1] == pytest.approx(confidence, abs=1e-12)

    def test_buy_confidence_is_capped(self) -> None:
        strong = {**CALM, "histogram": 0.10, "realised_volatility": 0.008}
        found = answer(build("intraday_tsmom", buy_confidence=0.8), **strong)
        assert found == (1.0, 0.82)

    @pytest.mark.parametrize(
        ("change", "confidence"),
        [
            ({"ema12": 0.5, "macd": 0.94, "histogram": -0.01}, 0.62),
            ({"rsi": 66.0}, 0.62),
            ({"rsi": 72.0}, 0.65),
            ({"macd": 0.89, "histogram": -0.06}, 0.62),
        ],
        ids=str,
    )
    def test_sells_on_any_of_three(self, change: dict[str, Any], confidence: float) -> None:
        held = {"side": np.ones(1, np.int8)}
        found = answer(build("intraday_tsmom"), held, **{**CALM, **change})
        assert found is not None
        assert found[0] == 0.0
        assert found[1] == pytest.approx(confidence)

    def test_a_wandering_confidence_alone_is_no_target(self) -> None:
        held = {"side": np.ones(1, np.int8)}
        assert answer(build("intraday_tsmom"), held, **{**CALM, "histogram": 0.2}) is None


def reverting(closes: list[float], **parameters: Any) -> list[tuple[int, float]]:
    """``mean_reversion`` over 20 bars and these closes, which follow 20 bars of quiet trade."""
    quiet = [100.0 + 0.1 * (i % 2) for i in range(40)]
    strategy = build("mean_reversion", **{"window": 20, **parameters})
    return [(t - 40, v) for t, v in steps(strategy, quiet + closes)]


class TestMeanReversion:
    """``mean_reversion(96, entry 1.8, exit 0.4, max 12 bars, vol cap 0.04)``."""

    def test_defaults(self) -> None:
        strategy = build("mean_reversion")
        assert strategy.parameters.model_dump() == {
            "window": 96,
            "entry": 1.8,
            "exit": 0.4,
            "max_bars": 12,
            "volatility_cap": 0.04,
            "min_volume": 0.0,
            "short": True,
        }
        assert [str(f) for f in strategy.features()] == ["zscore(96)", "realised_volatility(96)", "volume()"]

    def test_buys_a_fall_and_leaves_near_the_mean(self) -> None:
        assert reverting([99.0, 99.0, 100.0]) == [(1, 1.0), (3, 0.0)]

    def test_sells_a_rise_and_leaves_near_the_mean(self) -> None:
        assert reverting([101.0, 101.0, 100.0]) == [(1, -1.0), (3, 0.0)]

    def test_without_short_a_rise_is_left_alone(self) -> None:
        assert reverting([101.0, 101.0, 100.0], short=False) == []

    def test_no_entry_above_the_volatility_cap(self) -> None:
        assert reverting([99.0, 99.0], volatility_cap=0.0005) == []

    def test_exits_when_volatility_exceeds_one_and_a_half_times_the_cap(self) -> None:
        strategy = build("mean_reversion", volatility_cap=0.04)
        for volatility, expected in ((0.06, None), (0.0601, (0.0, 1.0))):
            held = {"target": np.ones(1, np.int8), "held": np.zeros(1, np.int64)}
            assert answer(strategy, held, zscore=-2.0, realised_volatility=volatility, volume=1.0) == expected

    def test_exits_after_12_bars_held_since_the_fill(self) -> None:
        """The target of bar 1 is filled at bar 2, the first bar held; bar 13 is the twelfth."""
        sinking = [99.0 - 0.5 * i for i in range(14)]
        found = reverting(sinking, exit=0.0, volatility_cap=1.0)
        assert found[:2] == [(1, 1.0), (13, 0.0)]

    def test_bars_without_trade_are_not_held(self) -> None:
        sinking = [99.0 - 0.5 * i for i in range(14)]
        gap = [sinking[0], float("nan"), float("nan"), *sinking[1:]]
        assert reverting(gap, exit=0.0, volatility_cap=1.0)[1] == (15, 0.0)

    def test_defect_a_low_volume_filter_never_blocks_an_exit(self) -> None:
        closes = [100.0 + 0.1 * (i % 2) for i in range(40)] + [99.0, 99.0, 100.0]
        for quiet in (0.0, np.nan):
            bars = bars_from_closes(closes)
            bars.volume[:41] = 1000.0
            bars.volume[41:] = quiet
            strategy = build("mean_reversion", window=20, min_volume=500)
            assert [t.value for t in rehearse(strategy, bars)] == [1.0, 0.0]

    def test_a_low_volume_filter_blocks_entries(self) -> None:
        assert reverting([99.0, 99.0, 100.0], min_volume=2) == []

    def test_defect_a_position_never_changes_at_the_moment_of_emission(self) -> None:
        """Held bars are counted from the fill, one bar after the target, not from the target."""
        strategy = build("mean_reversion", max_bars=1)
        state = strategy.initial_state(1)
        away = {"zscore": -2.0, "realised_volatility": 0.01, "volume": 1.0}
        assert answer(strategy, state, **away) == (1.0, 1.0)
        assert state["held"].tolist() == [0]
        assert answer(strategy, state, **away) == (0.0, 1.0)


SHIPPED = [
    ("sma_cross", {}),
    ("sma_cross", {"fast": 3, "slow": 8, "short": True}),
    ("legacy_macd_rsi", {"buy_below": 45, "sell_above": 55, "short": True}),
    ("intraday_tsmom", {"short": True}),
    ("mean_reversion", {"window": 20, "entry": 1.2, "min_volume": 900}),
]


@pytest.mark.parametrize(("name", "parameters"), SHIPPED)
def test_keeps_the_contract_on_bars_on_which_it_trades(name: str, parameters: dict[str, Any]) -> None:
    strategy = build(name, **parameters)
    assert len(rehearse(strategy, sample_bars())) > 20
    assert_block_independent(strategy)


@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(1, 299), max_size=40), restart=st.booleans())
@pytest.mark.parametrize(("name", "parameters"), SHIPPED)
def test_any_cut_gives_the_same_targets(name: str, parameters: dict[str, Any], cuts: set[int], restart: bool) -> None:
    strategy = build(name, **parameters)
    bars = sample_bars(300, 2)
    assert rehearse(strategy, bars, cuts, restart) == rehearse(strategy, bars)
