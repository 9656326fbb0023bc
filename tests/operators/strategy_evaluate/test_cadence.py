"""Cadence and drift of a schedule, on event time (spec 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of
from tests.operators.strategy_evaluate.laboratory import bars, plan_of, run


def runtime(symbols: int = 1, **schedule: Any) -> StrategyRuntime:
    return StrategyRuntime(plan_of({"id": "s", "strategy": "steps", **schedule}, symbols=symbols), 0)


def test_without_a_cadence_every_bar_acts() -> None:
    assert [t for t, *_ in run(runtime(), bars(range(1, 8)))[0]] == [1, 2, 3, 4, 5, 6, 7]


def test_it_acts_on_the_first_bar_at_or_after_each_multiple() -> None:
    """Minute bars, every 3 minutes; the bar of minute 6 is missing, so the next one acts."""
    closes = [1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 7.0, 8.0, 9.0]
    assert [t for t, *_ in run(runtime(cadence_seconds=180), bars(closes))[0]] == [1, 3, 7, 9]


def test_each_symbol_keeps_its_own_slots() -> None:
    """So nothing depends on which symbols share a key group."""
    closes = [[1.0, np.nan], [2.0, 2.0], [3.0, 3.0], [np.nan, 4.0], [5.0, 5.0], [6.0, 6.0]]
    seen = run(runtime(symbols=2, cadence_seconds=180), bars(closes))[0]
    assert [t for t, _, s, *_ in seen if s == "S000"] == [1, 3, 6]
    assert [t for t, _, s, *_ in seen if s == "S001"] == [2, 3, 6]


def test_warm_up_bars_use_no_slot() -> None:
    assert [t for t, *_ in run(runtime(cadence_seconds=180, warmup_bars=4), bars(range(1, 8)))[0]] == [5, 6]


class TestDrift:
    CLOSES = (1.0, 2.0, np.nan, np.nan, 5.0, 6.0)

    @pytest.mark.parametrize(("allowed", "told"), [(119, [(5, "s", "STRATEGY_DRIFT")]), (120, [])])
    def test_a_bar_that_comes_later_than_allowed_after_it_was_due_is_a_warning(
        self, allowed: float, told: list[Any]
    ) -> None:
        assert run(runtime(max_drift_seconds=allowed), bars(self.CLOSES))[1] == told

    def test_it_counts_from_the_slot_that_was_due(self) -> None:
        """Due at minute 3, evaluated at minute 5."""
        found = run(runtime(cadence_seconds=180, max_drift_seconds=60), bars(self.CLOSES))
        assert found[1] == [(5, "s", "STRATEGY_DRIFT")]
        assert found[2][0][1][0].detail == "120 s"

    def test_the_first_bar_is_never_late(self) -> None:
        assert run(runtime(max_drift_seconds=0), bars([np.nan, np.nan, 1.0]))[1] == []


@pytest.mark.parametrize("cuts", [range(1, 30), (7, 8, 21)], ids=str)
def test_any_cut_and_a_restart_give_the_same(cuts: Any) -> None:
    closes = [float(i) if i % 5 else np.nan for i in range(30)]
    settings = {"cadence_seconds": 240, "max_drift_seconds": 30}
    whole = run(runtime(**settings), bars(closes))
    assert whole[1], "the example must drift"
    assert run(runtime(**settings), bars(closes), cuts)[:2] == whole[:2]
    first, second = runtime(**settings), runtime(**settings)
    before = run(first, bars(closes[:13]))
    second.restore(first.snapshot())
    block = bars(closes)
    after = run(second, cycles_of(block, 13, len(block)))
    assert before[0] + after[0] == whole[0]
    assert before[1] + after[1] == whole[1]
