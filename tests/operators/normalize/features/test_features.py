"""Every shared feature against a plain oracle, and however its bars are cut (spec 2)."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bars import BarBlock
from operators.contiguity import SnapshotError
from operators.normalize.features.catalogue import FEATURES
from operators.normalize.features.engine import FeatureEngine
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.conformance import bars_from_closes, sample_bars
from operators.strategy_evaluate.slices import cycles_of
from schemas.configuration import ConfigurationError
from tests.operators.normalize.features.oracles import Columns, expected

SMALL: dict[str, list[tuple[float, ...]]] = {
    "sma": [(1,), (5,), (20,)],
    "ema": [(1,), (5,), (20,)],
    "macd": [(3, 7, 4), (12, 26, 9)],
    "rsi": [(1,), (14,)],
    "atr": [(1,), (14,)],
    "realised_volatility": [(2,), (20,)],
    "bollinger": [(2, 1.5), (20, 2)],
    "zscore": [(2,), (33,)],
    "donchian": [(1,), (2,), (7,), (55,)],
    "momentum": [(1,), (10,)],
}
EVERY = [
    Feature(name, parameters, output)
    for name, family in FEATURES.items()
    for parameters in SMALL.get(name, [()])
    for output in family.outputs
]
COLUMNS = ("open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size")


def one_symbol(bars: BarBlock, symbol: int) -> Columns:
    """The fresh bars of one symbol."""
    rows = bars.fresh[:, symbol]
    columns = {name: getattr(bars, name)[rows, symbol] for name in COLUMNS}
    return {"cycles": bars.cycles[rows].astype(np.float64), **columns}


def close_feature(name: str, closes: list[float], *parameters: float, output: str = "value") -> list[float]:
    """A feature of one symbol's closes, NaN left out."""
    feature = Feature(name, parameters, output)
    values = FeatureEngine([feature], 1).step(bars_from_closes(closes))[feature][:, 0]
    return [float(v) for v in values if not np.isnan(v)]


@pytest.mark.parametrize("feature", EVERY, ids=str)
def test_equals_its_oracle_for_every_symbol(feature: Feature) -> None:
    bars = sample_bars(cycles=400, symbols=4)
    found = FeatureEngine([feature], 4).step(bars)[feature]
    for symbol in range(4):
        fresh = bars.fresh[:, symbol]
        assert np.isnan(found[~fresh, symbol]).all(), "no value without a bar"
        np.testing.assert_allclose(
            found[fresh, symbol], expected(feature, one_symbol(bars, symbol)), rtol=1e-9, atol=1e-11
        )


@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(1, 149), max_size=30), restart=st.booleans())
def test_never_depends_on_where_blocks_are_cut(cuts: set[int], restart: bool) -> None:
    """Bit for bit, also when every cut is a restart from a pickled snapshot."""
    bars = sample_bars(cycles=150, symbols=3)
    whole = FeatureEngine(EVERY, 3).step(bars)
    engine = FeatureEngine(EVERY, 3)
    borders = [0, *sorted(cuts), 150]
    parts = []
    for first, last in itertools.pairwise(borders):
        parts.append(engine.step(cycles_of(bars, first, last)))
        if restart:
            saved = pickle.loads(pickle.dumps(engine.snapshot()))
            engine = FeatureEngine(EVERY, 3)
            engine.restore(saved)
    for feature in EVERY:
        joined = np.concatenate([p[feature] for p in parts])
        assert joined.tobytes() == whole[feature].tobytes(), feature


class TestPublishedValues:
    """Worked examples from the literature."""

    CLOSES = (
        "44.3389 44.0902 44.1497 43.6124 44.3278 44.8264 45.0955 45.4245 45.8433 46.0826 45.8931 46.0328"
        " 45.6140 46.2820 46.2820 46.0028 46.0328 46.4116 46.2222 45.6439 46.2122 46.2521 45.7137 46.4515"
        " 45.7835 45.3548 44.0288 44.1783 44.2181 44.5672 43.4205 42.6628 43.1314"
    )
    RSI = (
        "70.53 66.32 66.55 69.41 66.36 57.97 62.93 63.26 56.06 62.38 54.71 50.42 39.99 41.46 41.87 45.46 37.30 33.08"
        " 37.77"
    )
    PRICES = (
        "22.27 22.19 22.08 22.17 22.18 22.13 22.23 22.43 22.24 22.29 22.15 22.39 22.38 22.61 23.36 24.05 23.75 23.83"
        " 23.95 23.63 23.82 23.87 23.65 23.19 23.10 23.33 22.68 23.10 22.40 22.17"
    )
    EMA = (
        "22.22 22.21 22.24 22.27 22.33 22.52 22.80 22.97 23.13 23.28 23.34 23.43 23.51 23.54 23.47 23.40 23.39 23.26"
        " 23.23 23.08 22.92"
    )

    def test_rsi_14_of_the_stockcharts_sheet(self) -> None:
        found = close_feature("rsi", [float(x) for x in self.CLOSES.split()], 14)
        assert found == pytest.approx([float(x) for x in self.RSI.split()], abs=0.0101)

    def test_ema_10_of_the_stockcharts_sheet(self) -> None:
        found = close_feature("ema", [float(x) for x in self.PRICES.split()], 10)
        assert found == pytest.approx([float(x) for x in self.EMA.split()], abs=0.0101)


class TestNumericalStability:
    """Windows keep their digits far from zero, after jumps, and over millions of bars."""

    def test_nist_numacc1_mean_1e7_deviation_1(self) -> None:
        upper = close_feature("bollinger", [10000001.0, 10000003.0, 10000002.0], 3, 1, output="upper")
        assert upper == [10000003.0]

    def test_nist_numacc3_deviation_is_a_tenth(self) -> None:
        closes = [1000000.2] + [1000000.1, 1000000.3] * 500
        bands = [close_feature("bollinger", closes, 1001, 1, output=o)[0] for o in ("upper", "middle")]
        assert bands[0] - bands[1] == pytest.approx(0.1, rel=1e-8)

    def test_a_split_does_not_leave_its_shadow_in_the_window(self) -> None:
        """A drop by ten million leaves the deviation exact as soon as the old prices have left."""
        before = [1e9 + (i % 7) for i in range(50)]
        after = [100.0 + (i % 5) for i in range(60)]
        found = close_feature("bollinger", before + after, 20, 1, output="upper")[-40:]
        clean = close_feature("bollinger", after, 20, 1, output="upper")[-40:]
        assert found == pytest.approx(clean, rel=1e-12)

    def test_constant_prices_have_exactly_no_deviation_and_no_score(self) -> None:
        closes = [0.1 * i for i in range(1, 40)] + [0.1] * 40
        assert close_feature("zscore", closes, 20)[-1] == 0.0
        assert close_feature("realised_volatility", closes, 20)[-1] == 0.0
        assert close_feature("rsi", [7.0] * 20, 14) == [50.0] * 6

    def test_a_million_bars_later_the_mean_has_not_drifted(self) -> None:
        turn = np.tile([1e8, 0.1, 3e-3, 77.7, 12345.678], 200_000)
        found = close_feature("sma", list(turn), 5)
        assert found[-1] == pytest.approx(np.mean(turn[-5:]), rel=1e-14)


class TestMeaning:
    """What a name promises."""

    def test_donchian_looks_only_at_the_bars_before(self) -> None:
        assert close_feature("donchian", [1, 2, 3, 9, 4], 3, output="upper") == [3.0, 9.0]
        assert close_feature("donchian", [1, 2, 3, 0.5, 4], 3, output="lower") == [1.0, 0.5]

    def test_vwap_starts_anew_each_utc_day_and_midnight_closes_the_day_before(self) -> None:
        hours = bars_from_closes([float(h) for h in range(1, 27)], interval_ns=3_600_000_000_000)
        found = FeatureEngine([Feature("vwap")], 1).step(hours)[Feature("vwap")][:, 0]
        assert found[23] == pytest.approx(np.mean(range(1, 25)))
        assert found[24] == 25.0

    def test_absent_volume_leaves_vwap_missing(self) -> None:
        bars = bars_from_closes([1.0, 2.0])
        bars.volume[:] = np.nan
        assert np.isnan(FeatureEngine([Feature("vwap")], 1).step(bars)[Feature("vwap")]).all()

    def test_volatility_is_per_bar_and_not_annualised(self) -> None:
        assert close_feature("realised_volatility", [100, 101, 100.0], 2) == pytest.approx(
            [np.std([0.01, 100 / 101 - 1], ddof=1)]
        )


class TestEngine:
    """Computes once, refuses early, shares safely."""

    def test_outputs_of_one_computation_share_its_state(self) -> None:
        macd = [Feature("macd", (12, 26, 9), o) for o in ("value", "signal", "histogram")]
        engine = FeatureEngine([*macd, *macd, Feature("macd", (12.0, 26.0, 9.0))], 2)
        assert list(engine.state()) == ["macd(12,26,9)"]

    def test_parameters_that_differ_in_the_last_digit_are_different_features(self) -> None:
        engine = FeatureEngine([Feature("bollinger", (20, w), "upper") for w in (2.0, 2.000000001)], 1)
        assert len(engine.state()) == 2

    @pytest.mark.parametrize(
        ("feature", "complaint"),
        [
            (Feature("smma", (20,)), "known: atr, bollinger, close"),
            (Feature("sma", (0,)), "n is 0: give a whole number of bars from 1 to 100000"),
            (Feature("sma", (2.5,)), "n is 2.5"),
            (Feature("sma", (float("nan"),)), "n is nan"),
            (Feature("zscore", (1,)), "from 2"),
            (Feature("sma", (5, 10)), "sma takes (n), 2 given"),
            (Feature("vwap", (5,)), "vwap takes no parameters"),
            (Feature("macd", (26, 12, 9)), "fast is 26: it must be shorter than slow (12)"),
            (Feature("macd", (12, 26, 9), "line"), "macd has the outputs value, signal, histogram"),
            (Feature("bollinger", (20, 0.0), "upper"), "width is 0"),
        ],
    )
    def test_what_cannot_be_computed_is_a_configuration_error(self, feature: Feature, complaint: str) -> None:
        with pytest.raises(ConfigurationError, match="feature") as caught:
            FeatureEngine([feature, Feature("sma", (5,))], 1)
        assert complaint in str(caught.value)

    def test_no_strategy_can_change_what_another_sees(self) -> None:
        for feature, values in FeatureEngine(EVERY, 2).step(sample_bars(10, 2)).items():
            assert not values.flags.writeable, feature

    def test_a_snapshot_of_another_version_refuses(self) -> None:
        engine = FeatureEngine([Feature("sma", (5,))], 1)
        with pytest.raises(SnapshotError, match="features: snapshot version 99 cannot be read"):
            engine.restore({**engine.snapshot(), "version": 99})

    def test_symbols_move_between_engines_by_name(self) -> None:
        bars = sample_bars(60, 3)
        donor = FeatureEngine([Feature("sma", (20,))], 3)
        donor.step(cycles_of(bars, 0, 40))
        heir = FeatureEngine([Feature("sma", (20,))], 2)
        heir.restore_symbols(donor.snapshot(), ["C", "X"], ["A", "B", "C"])
        state, own = donor.state()["sma(20)"], heir.state()["sma(20)"]
        assert own["ring"][0].tolist() == state["ring"][2].tolist()
        assert own["seen"].tolist() == [state["seen"][2], 0]
