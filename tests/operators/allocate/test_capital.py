"""Capital over pods: policies, and when fractions are computed anew (spec 6)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.allocate.capital import Capital
from operators.allocate.policies.equal_weight import equal_weight
from operators.allocate.policies.fixed_weight import fixed_weight
from operators.allocate.policies.inputs import PolicyInputs
from operators.allocate.policies.inverse_volatility import inverse_volatility, inverse_volatility_weights
from tests.operators.desk import DAY, configuration, desk_of, plan_of, pod

WAVE = np.array([0.01, -0.01] * 15)


def inputs(*returns: np.ndarray) -> PolicyInputs:
    return PolicyInputs(tuple("abcdef"[: len(returns)]), returns)


def capital(pods: int = 2, **more: Any) -> Capital:
    return Capital(plan_of(configuration(*(pod(f"p{n}") for n in range(pods)), **more)), 0)


class TestPolicies:
    def test_equal_weight_is_1_over_n(self) -> None:
        assert equal_weight(inputs(WAVE, WAVE, WAVE, WAVE)).weights.tolist() == [0.25] * 4

    def test_fixed_weight_leaves_the_rest_as_cash_and_says_so(self) -> None:
        answer = fixed_weight(inputs(WAVE, WAVE), {"a": 0.6})
        assert answer.weights.tolist() == [0.6, 0.0]
        assert answer.why == {"unallocated": 0.4, "reason": "CAPITAL_UNALLOCATED"}

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        assert fixed_weight(inputs(WAVE, WAVE), {"a": 0.0, "b": 1.0}).weights.tolist() == [0.0, 1.0]

    def test_inverse_volatility(self) -> None:
        answer = inverse_volatility(inputs(WAVE, 3 * WAVE), 60, 20)
        assert answer.weights == pytest.approx([0.75, 0.25])

    def test_its_lookback_forgets_what_is_older(self) -> None:
        wild = np.concatenate([50 * WAVE, WAVE])
        assert inverse_volatility(inputs(wild, WAVE), 30, 20).weights == pytest.approx([0.5, 0.5])

    def test_its_volatility_is_floored(self) -> None:
        assert inverse_volatility_weights(np.array([1e-12, 1e-8])).tolist() == [0.5, 0.5]

    def test_defect_missing_volatility_is_unknown_never_one(self) -> None:
        """Known pods share by volatility what the unknown one's equal part leaves."""
        answer = inverse_volatility(inputs(WAVE, 3 * WAVE, WAVE[:19]), 60, 20)
        assert answer.weights == pytest.approx([0.5, 1 / 6, 1 / 3])
        assert answer.why["unknown"] == ["c"]
        assert inverse_volatility(inputs(WAVE[:1], np.empty(0)), 60, 20).weights.tolist() == [0.5, 0.5]

    def test_defect_a_pod_that_held_nothing_took_all_capital(self) -> None:
        """No position is no volatility of 0: its weight would be 1/1e-8."""
        assert inverse_volatility(inputs(np.zeros(60), WAVE), 60, 20).weights == pytest.approx([0.5, 0.5])

    @given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8))
    def test_weights_sum_to_one_and_fall_with_volatility(self, volatility: list[float]) -> None:
        weights = inverse_volatility_weights(np.array(volatility))
        assert math.fsum(weights) == pytest.approx(1.0)
        assert np.argmax(weights) == np.argmin(volatility) or np.ptp(volatility) < 1e-12


class TestRebalancing:
    def test_first_of_all(self) -> None:
        given = capital(3)
        assert given.next_due() < 0
        trace = given.rebalance(5 * DAY, np.ones(3))
        assert trace is not None and trace["trigger"] == "first"
        assert given.fractions.tolist() == [0.333333333] * 3

    def test_after_the_interval(self) -> None:
        given = capital()
        given.rebalance(5 * DAY, np.ones(2))
        assert given.next_due() == 12 * DAY
        assert capital(capital={"name": "equal_weight", "rebalance_seconds": 60}).next_due() < 0

    def test_is_skipped_below_2_percent_and_counts_as_made(self) -> None:
        given = capital(capital={"name": "inverse_volatility"})
        given.rebalance(DAY, np.ones(2))
        given.note_days(0, WAVE)
        given.note_days(1, 1.03 * WAVE)
        assert given.rebalance(8 * DAY, np.ones(2)) is None
        assert given.fractions.tolist() == [0.5, 0.5]
        assert given.next_due() == 15 * DAY
        given.note_days(0, WAVE)
        given.note_days(1, np.tile(3 * WAVE, 2))
        trace = given.rebalance(15 * DAY, np.ones(2))
        assert trace is not None and trace["fractions"] == {"p0": 0.75, "p1": 0.25}
        assert trace["turnover"] == 0.25

    def test_forced_passes_the_skip(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        given.force()
        assert given.next_due() < 0
        trace = given.rebalance(2 * DAY, np.ones(2))
        assert trace is not None and trace["trigger"] == "forced"
        assert given.next_due() == 9 * DAY

    def test_on_drift_of_more_than_a_tenth(self) -> None:
        given = capital()
        assert not given.drifted(np.array([9.0, 1.0])), "there is nothing to drift from before the first"
        given.rebalance(DAY, np.array([1.0, 1.0]))
        assert not given.drifted(np.array([1.5, 1.0])), "0.6 to 0.5 is not more than 0.1"
        assert given.drifted(np.array([1.51, 1.0]))

    def test_drift_counts_from_the_last_rebalance_and_with_the_cash_left_out(self) -> None:
        given = capital(capital={"name": "fixed_weight", "weights": {"p0": 0.4, "p1": 0.4}})
        given.rebalance(DAY, np.array([3.0, 1.0]))
        assert not given.drifted(np.array([3.0, 1.0]))
        assert given.drifted(np.array([6.0, 1.0]))

    def test_days_before_the_first_position_do_not_count(self) -> None:
        given = capital(capital={"name": "inverse_volatility"})
        given.note_days(0, np.zeros(40))
        given.note_days(0, np.array([0.0, 0.01, 0.0]))
        assert given.snapshot()["returns"][0] == [0.01, 0.0]

    def test_keeps_no_more_than_the_lookback(self) -> None:
        given = capital(capital={"name": "inverse_volatility", "lookback_days": 30})
        given.note_days(0, np.arange(1.0, 51.0))
        assert given.snapshot()["returns"][0] == list(np.arange(21.0, 51.0))

    def test_goes_on_from_a_snapshot(self) -> None:
        given, again = capital(), capital()
        given.rebalance(DAY, np.ones(2))
        given.note_days(1, WAVE)
        again.restore(given.snapshot())
        assert again.next_due() == given.next_due()
        assert again.snapshot()["returns"] == given.snapshot()["returns"]


class TestInThePortfolio:
    def test_a_drift_seen_at_a_days_end_rebalances(self) -> None:
        fixed = {"name": "fixed_weight", "weights": {"alpha": 0.5, "beta": 0.5}}
        desk = desk_of(pod("alpha"), pod("beta"), capital=fixed, rebalance={"skip_below": 0})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": -0.5}})
        desk.cycle({"AAA": 100.0})
        desk.cycle({"AAA": 150.0}, hours=20)
        decision = desk.cycle({"AAA": 150.0}, hours=4)
        assert decision is not None and decision.capital is not None
        assert decision.capital["trigger"] == "interval_or_drift"

    def test_new_fractions_move_targets_and_orders_in_their_cycle(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"), capital={"name": "inverse_volatility"}, rebalance_band=0)
        rng = np.random.default_rng(5)
        price = 100.0
        desk.cycle({"AAA": price}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 0.25}})
        seen = []
        for _ in range(28):
            price *= float(np.exp(rng.normal(0, 0.02)))
            seen.append(desk.cycle({"AAA": round(price, 2)}, hours=24))
        made = [d for d in seen if d is not None and d.capital is not None]
        assert [d.capital["raw"] for d in made if d.capital] == [made[0].capital["raw"]]  # type: ignore[index]
        assert made[0].capital["raw"]["alpha"] == pytest.approx(0.2, abs=0.02)  # type: ignore[index]
        assert made[0].targets is not None and made[0].orders is not None
