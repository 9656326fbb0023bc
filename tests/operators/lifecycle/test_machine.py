"""Every row of the lifecycle's table (spec 5, "Lifecycle")."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from operators.lifecycle.machine import (
    INCUBATION,
    PROBATION,
    PRODUCTION,
    RETIRED,
    WARNING,
    Standing,
    judge,
    promotion_tests,
)
from schemas.configuration.pod_rules import Lifecycle
from schemas.reasons import Reason

RULES = Lifecycle()
#: A pod that passes every test.
FINE = Standing(
    state=INCUBATION, state_days=30.0, live_days=30.0, sharpe=0.5, drawdown=0.20, trades=5, calmar=0.3, win_rate=0.5,
    correlation=0.65, backtest_gap=math.nan, rolling_sharpe=1.0, below_floor_days=0.0, losing_blocks=0, detector=0.0,
    detector_fired=False, all_excluded=False,
)  # fmt: skip


def after(rules: Lifecycle = RULES, **standing: Any) -> tuple[str, str] | None:
    verdict = judge(replace(FINE, **standing), rules)
    return None if verdict is None else (verdict.after, verdict.reason.name)


class TestRetirement:
    @pytest.mark.parametrize("state", [INCUBATION, PRODUCTION, WARNING, PROBATION])
    def test_comes_from_any_state(self, state: str) -> None:
        assert after(state=state, drawdown=0.25) == (RETIRED, "LIFECYCLE_DRAWDOWN")
        assert after(state=state, losing_blocks=6) == (RETIRED, "LIFECYCLE_LOSING_BLOCKS")
        kept = after(state=state, drawdown=0.2499, losing_blocks=5)
        assert kept is None or kept[0] != RETIRED

    def test_is_terminal(self) -> None:
        assert after(state=RETIRED, drawdown=0.9) is None
        assert after(state=RETIRED) is None


class TestIncubation:
    def test_every_test_at_its_limit_promotes(self) -> None:
        assert after() == (PRODUCTION, "LIFECYCLE_PROMOTED")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("live_days", 29.9), ("sharpe", 0.4999), ("sharpe", math.nan), ("drawdown", 0.2001), ("trades", 4),
            ("calmar", 0.2999), ("calmar", math.nan), ("correlation", 0.6501),
        ],
    )  # fmt: skip
    def test_any_one_that_fails_keeps_it(self, name: str, value: float) -> None:
        assert after(**{name: value}) is None
        assert promotion_tests(replace(FINE, **{name: value}), RULES)[name] is False

    def test_correlation_is_skipped_without_other_pods(self) -> None:
        assert after(correlation=math.nan) == (PRODUCTION, "LIFECYCLE_PROMOTED")

    def test_a_backtest_counts_only_where_one_is_given(self) -> None:
        given = Lifecycle(backtest_sharpe=1.0)
        assert after(given, backtest_gap=0.30) == (PRODUCTION, "LIFECYCLE_PROMOTED")
        assert after(given, backtest_gap=0.3001) is None
        assert after(given, backtest_gap=math.nan) is None

    def test_an_infinite_calmar_ratio_passes(self) -> None:
        assert after(calmar=math.inf, drawdown=0.0) == (PRODUCTION, "LIFECYCLE_PROMOTED")

    def test_ends_after_ninety_days(self) -> None:
        assert after(sharpe=0.1, state_days=89.9) is None
        assert after(sharpe=0.1, state_days=90.0) == (RETIRED, "LIFECYCLE_INCUBATION_EXPIRED")
        assert after(state_days=90.0) == (PRODUCTION, "LIFECYCLE_PROMOTED")


class TestProduction:
    def test_is_warned_by_drift_floor_or_exclusion(self) -> None:
        assert after(state=PRODUCTION) is None
        assert after(state=PRODUCTION, detector_fired=True) == (WARNING, "LIFECYCLE_DRIFT")
        low = {"rolling_sharpe": 0.29, "below_floor_days": 10.0}
        assert after(state=PRODUCTION, **low) == (WARNING, "LIFECYCLE_SHARPE_FLOOR")
        assert after(state=PRODUCTION, **{**low, "below_floor_days": 9.9}) is None
        assert after(state=PRODUCTION, all_excluded=True) == (WARNING, "LIFECYCLE_ALL_EXCLUDED")


class TestWarning:
    def test_is_lifted_after_five_days_when_the_detector_is_at_rest(self) -> None:
        calm = {"state": WARNING, "detector": 9.99}
        assert after(**calm, state_days=4.9) is None
        assert after(**calm, state_days=5.0) == (PRODUCTION, "LIFECYCLE_RECOVERED")
        assert after(state=WARNING, detector=10.0, state_days=29.0) is None

    def test_is_not_lifted_while_no_asset_may_trade(self) -> None:
        assert after(state=WARNING, state_days=10.0, all_excluded=True) is None

    def test_ends_in_probation_after_thirty_days(self) -> None:
        assert after(state=WARNING, detector=30.0, state_days=30.0) == (PROBATION, "LIFECYCLE_WARNING_EXPIRED")


class TestProbation:
    def test_is_passed_with_a_sharpe_ratio_and_a_detector_at_rest(self) -> None:
        assert after(state=PROBATION, state_days=1.0) == (PRODUCTION, "LIFECYCLE_PROBATION_PASSED")
        assert after(state=PROBATION, state_days=1.0, sharpe=0.49) is None
        assert after(state=PROBATION, state_days=1.0, detector=10.0) is None

    def test_ends_in_retirement_after_thirty_days(self) -> None:
        assert after(state=PROBATION, state_days=30.0, sharpe=0.1) == (RETIRED, "LIFECYCLE_PROBATION_EXPIRED")


def test_evidence_is_plain_json() -> None:
    evidence = replace(FINE, correlation=math.nan, calmar=math.inf).evidence()
    assert evidence["correlation"] is None and evidence["calmar"] is None
    assert evidence["sharpe"] == 0.5 and "state" not in evidence


NEXT = {
    INCUBATION: {PRODUCTION, RETIRED},
    PRODUCTION: {WARNING, RETIRED},
    WARNING: {PRODUCTION, PROBATION, RETIRED},
    PROBATION: {PRODUCTION, RETIRED},
    RETIRED: set(),
}
RATIO = st.sampled_from([math.nan, -1.0, 0.0, 0.1, 0.26, 0.5, 0.7, 3.0])


class LifecycleMachine(RuleBasedStateMachine):
    """Any standing, week after week."""

    @initialize(state=st.sampled_from([INCUBATION, PRODUCTION, WARNING, PROBATION]))
    def begin(self, state: str) -> None:
        self.state, self.days, self.live = state, 0.0, 0.0

    @rule(
        days=st.sampled_from([0.1, 7.0, 31.0]), sharpe=RATIO, rolling=RATIO, drawdown=st.sampled_from([0.0, 0.1, 0.25]),
        trades=st.integers(0, 8), calmar=RATIO, correlation=RATIO, below=st.sampled_from([0.0, 12.0]),
        blocks=st.integers(0, 6), detector=st.sampled_from([0.0, 30.0]), fired=st.booleans(), excluded=st.booleans(),
    )  # fmt: skip
    def week(
        self, days: float, sharpe: float, rolling: float, drawdown: float, trades: int, calmar: float,
        correlation: float, below: float, blocks: int, detector: float, fired: bool, excluded: bool,
    ) -> None:  # fmt: skip
        self.days, self.live = self.days + days, self.live + days
        seen = Standing(
            self.state, self.days, self.live, sharpe, drawdown, trades, calmar, 0.5, correlation, math.nan, rolling,
            below, blocks, detector, fired, excluded,
        )  # fmt: skip
        verdict = judge(seen, RULES)
        must_end = self.state != RETIRED and (drawdown >= 0.25 or blocks >= 6)
        assert (verdict is not None and verdict.after == RETIRED) or not must_end
        if verdict is not None:
            assert verdict.after in NEXT[self.state]
            assert verdict.reason is not Reason.NONE
            self.state, self.days = verdict.after, 0.0

    @invariant()
    def no_state_outlives_its_timer(self) -> None:
        if hasattr(self, "state"):
            longest = {INCUBATION: 90.0, WARNING: 30.0, PROBATION: 30.0}.get(self.state, math.inf)
            assert self.days < longest


TestLifecycleMachine = LifecycleMachine.TestCase
