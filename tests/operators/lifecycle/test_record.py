"""A pod's record: moments, drawdown, 30-day blocks, rolling floor, Page-Hinkley (spec 5)."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.frames import BEGINNING
from operators.lifecycle.correlation import correlation_to_others
from operators.lifecycle.moments import RunningMoments
from operators.lifecycle.page_hinkley import PageHinkleyTest
from operators.lifecycle.record import DAY, PodRecord
from operators.pods.metrics import calmar_ratio, max_drawdown, sharpe_ratio, win_rate
from schemas.configuration.pod_rules import Lifecycle

VECTORS = Path(__file__).parents[2] / "vectors"
STREAMING: list[dict[str, Any]] = json.loads((VECTORS / "streaming.json").read_text())["cases"]
FIRST_DAY = 19_723
RETURNS = st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=120)


def lived(returns: list[float], rules: Lifecycle | None = None, *, incubating: bool = True) -> PodRecord:
    """A record of one return a day, each completed by the first cycle of the next."""
    record = PodRecord()
    for n, value in enumerate(returns):
        cycle = (FIRST_DAY + n + 1) * DAY + 1
        record.take_day(cycle, value, n, math.nan, rules or Lifecycle(), incubating)
    return record


class TestMoments:
    @pytest.mark.parametrize("case", [c for c in STREAMING if c["kind"].startswith("moments")], ids=lambda c: c["id"])
    def test_reference_vectors(self, case: dict[str, Any]) -> None:
        values = case["x"] if "x" in case else [case["first"], *case["pair"] * case["repeat"]]
        moments = RunningMoments()
        for value in values:
            moments.take(value)
        assert moments.deviation() == pytest.approx(case["expected"]["sd"], rel=case["rtol"])
        if "mean" in case["expected"]:
            assert moments.mean == pytest.approx(case["expected"]["mean"], rel=case["rtol"])

    def test_one_value_has_no_deviation(self) -> None:
        moments = RunningMoments()
        moments.take(1.0)
        assert math.isnan(moments.deviation())


class TestRatios:
    @given(returns=RETURNS)
    def test_equal_those_of_the_whole_series(self, returns: list[float]) -> None:
        record = lived(returns)
        begun = next((n for n, r in enumerate(returns) if r != 0.0), len(returns))
        series = np.array(returns[begun:])
        assert record.drawdown == pytest.approx(max_drawdown(series), abs=1e-12)
        assert record.win_rate() == pytest.approx(win_rate(series), nan_ok=True)
        if len(series) > 1 and np.ptp(series) > 1e-6:
            assert record.sharpe(252) == pytest.approx(sharpe_ratio(series, 252), rel=1e-9, abs=1e-9)
        if max_drawdown(series) > 1e-9:
            assert record.calmar(252) == pytest.approx(calmar_ratio(series, 252), rel=1e-9, abs=1e-9)

    def test_days_before_the_first_position_tell_nothing(self) -> None:
        assert lived([0.0] * 50 + [0.01, 0.03]).sharpe(252) == lived([0.01, 0.03]).sharpe(252)

    def test_a_flat_day_later_on_counts(self) -> None:
        assert lived([0.01, 0.0, 0.03]).moments.count == 3


class TestBlocks:
    def test_close_every_thirty_calendar_days(self) -> None:
        record = lived([-0.001] * 30 + [0.002] * 30 + [-0.001] * 61)
        assert record.blocks == pytest.approx([0.999**30 - 1, 1.002**30 - 1, 0.999**30 - 1, 0.999**30 - 1], abs=1e-12)
        assert record.losing == 2

    def test_a_flat_block_is_no_loss_and_ends_the_streak(self) -> None:
        assert lived([-0.001] * 60 + [0.0] * 31).losing == 0

    def test_days_without_data_belong_to_their_block(self) -> None:
        record = PodRecord()
        for day, value in ((0, -0.01), (29, -0.01), (30, 0.05), (125, 0.0), (126, 0.0)):
            record.take_day((FIRST_DAY + day + 1) * DAY + 1, value, 0, math.nan, Lifecycle(), True)
        # The second return was made in the day that the first one's completion opened; two blocks had no data at all.
        assert record.blocks == pytest.approx([0.99 * 0.99 - 1, 0.05, 0.0, 0.0], abs=1e-12)
        assert record.losing == 0

    @given(returns=RETURNS, cut=st.integers(0, 120))
    def test_defect_the_history_was_trimmed_on_restore(self, returns: list[float], cut: int) -> None:
        """Whatever the cut, a record that was pickled and restored knows every block."""
        whole = lived(returns * 4)
        record = lived((returns * 4)[:cut])
        record = PodRecord.restored(pickle.loads(pickle.dumps(record.snapshot())))
        for n, value in list(enumerate(returns * 4))[cut:]:
            record.take_day((FIRST_DAY + n + 1) * DAY + 1, value, n, math.nan, Lifecycle(), True)
        assert repr(record) == repr(whole)
        assert len(record.blocks) == (len(returns) * 4 - 1) // 30


class TestFloor:
    def test_counts_from_the_first_day_below_and_begins_anew(self) -> None:
        record, rules = PodRecord(), Lifecycle()
        seen = []
        for day, sharpe in enumerate((0.5, 0.2, 0.1, 0.4, math.nan, -1.0), start=1):
            record.take_day(day * DAY + 1, 0.01, 0, sharpe, rules, False)
            seen.append(record.below_since)
        assert seen == [BEGINNING, 2 * DAY + 1, 2 * DAY + 1, BEGINNING, BEGINNING, 6 * DAY + 1]


class TestDetector:
    RULES = Lifecycle(calibration_days=20)

    def noise(self, count: int, scale: float, mean: float = 0.0) -> list[float]:
        """Deterministic values of no trend."""
        return [mean + scale * (1 if n % 2 else -1) for n in range(count)]

    def test_defect_a_threshold_of_50_could_never_be_reached_on_raw_returns(self) -> None:
        """A pod that loses one and a half deviations a day for 200 days: standardised it fires, raw it cannot."""
        returns = self.noise(60, 0.01, 0.0005) + self.noise(200, 0.01, -0.015)
        raw = PageHinkleyTest()
        for value in returns:
            raw.take(value, 0.005, 50.0)
        assert raw.score < 2.0 and not raw.fired
        calibrated = lived(returns[:60], self.RULES)
        for n, value in enumerate(returns[60:], start=60):
            calibrated.take_day((FIRST_DAY + n + 1) * DAY + 1, value, n, math.nan, self.RULES, False)
        assert calibrated.detector.fired

    def test_does_not_depend_on_the_size_of_the_pods_returns(self) -> None:
        shape = self.noise(40, 1.0, 0.1) + self.noise(100, 1.0, -0.4)
        scores = [lived([r * size for r in shape], self.RULES).detector.score for size in (0.0001, 0.01)]
        assert scores[0] == pytest.approx(scores[1])

    def test_is_standardised_by_incubation_alone(self) -> None:
        record = lived(self.noise(40, 0.01), self.RULES)
        before = record.calibration.deviation()
        for n in range(40, 80):
            record.take_day((FIRST_DAY + n + 1) * DAY + 1, 0.1, n, math.nan, self.RULES, False)
        assert record.calibration.deviation() == before

    def test_a_pod_that_began_in_production_calibrates_on_its_first_days(self) -> None:
        record = lived(self.noise(50, 0.01), self.RULES, incubating=False)
        assert (record.calibration.count, record.detector.count) == (20, 30)

    def test_gains_bring_it_to_rest(self) -> None:
        test = PageHinkleyTest()
        for value in [0.0] * 20 + [-2.0] * 40:
            test.take(value, 0.005, 50.0)
        high = test.score
        for _ in range(200):
            test.take(1.0, 0.005, 50.0)
        assert high > 10 and test.score == 0.0


class TestCorrelation:
    OWN = tuple((n, 0.01 * (1 if n % 2 else -1)) for n in range(30))

    def test_to_the_mean_of_the_others(self) -> None:
        same = [(n, 3 * r) for n, r in self.OWN]
        opposite = [(n, -r) for n, r in self.OWN]
        assert correlation_to_others(self.OWN, [same], 20) == pytest.approx(1.0)
        assert correlation_to_others(self.OWN, [same, opposite], 20) == pytest.approx(1.0)
        assert correlation_to_others(self.OWN, [opposite], 20) == pytest.approx(-1.0)

    def test_is_skipped_without_others_common_days_or_movement(self) -> None:
        flat, short = [(n, 0.0) for n, _ in self.OWN], self.OWN[:19]
        for others in ([], [short], [flat]):
            assert math.isnan(correlation_to_others(self.OWN, others, 20))
