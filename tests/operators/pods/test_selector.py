"""The asset selector's state machine, asset by asset (spec 5, "Asset selector")."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from operators.pods.selector import (
    ACTIVE,
    COOLDOWN,
    DRAWDOWN,
    EXCLUDED,
    RE_ENTRY,
    SCORE,
    SELECTOR_STATES,
    SHARPE,
    UNDERPERFORMING,
    Selection,
    SelectorRules,
    average_ranks,
    judge,
    new_selection,
    selector_rules,
    transition_rows,
)
from schemas.configuration.pod_rules import AssetSelector
from schemas.reasons import Reason

LOW, MIDDLE, GOOD = 0.1, 0.3, 0.8


class Asset:
    """One asset of a selector, fed scores by hand."""

    def __init__(self, **settings: Any) -> None:
        self.rules: SelectorRules = selector_rules(AssetSelector(**settings), True, np.array([365.0]))
        self.selection: Selection = new_selection(1, self.rules.steps)
        self.reasons: list[str] = []

    def bar(self, score: float, sharpe: float = 1.0, drawdown: float = 0.0) -> str:
        self.selection.metrics[[SCORE, SHARPE, DRAWDOWN], 0] = score, sharpe, drawdown
        out = transition_rows(2)
        judge(self.rules, self.selection, out, 0, 0)
        self.reasons += [Reason(int(r)).name for r in out.reason[: out.used[0]]]
        return self.state

    def bars(self, *scores: float) -> list[str]:
        return [self.bar(score) for score in scores]

    @property
    def state(self) -> str:
        return SELECTOR_STATES[int(self.selection.state[0])]

    @property
    def multiplier(self) -> float:
        return float(self.selection.level[0] / self.rules.steps)

    @property
    def cycles(self) -> int:
        return int(self.selection.cycles[0])


def cooling(**settings: Any) -> Asset:
    """An asset that has just ramped out."""
    asset = Asset(**settings)
    asset.bars(*[LOW] * 8)
    assert asset.state == "COOLDOWN"
    return asset


class TestActive:
    def test_five_low_bars_in_a_row_make_it_underperform(self) -> None:
        asset = Asset()
        assert asset.bars(LOW, LOW, LOW, LOW) == ["ACTIVE"] * 4
        assert asset.bar(LOW) == "UNDERPERFORMING"
        assert asset.multiplier == 1.0

    def test_one_better_bar_begins_the_count_anew(self) -> None:
        asset = Asset()
        asset.bars(LOW, LOW, LOW, LOW, MIDDLE, LOW, LOW, LOW, LOW)
        assert asset.state == "ACTIVE"

    def test_exactly_the_limit_is_not_low(self) -> None:
        assert set(Asset().bars(*[0.20] * 20)) == {"ACTIVE"}


class TestUnderperforming:
    def test_the_multiplier_steps_down_by_thirds_and_ends_in_cooldown(self) -> None:
        asset = Asset()
        asset.bars(*[LOW] * 5)
        seen = []
        for _ in range(3):
            asset.bar(LOW)
            seen.append(asset.multiplier)
        assert seen == pytest.approx([2 / 3, 1 / 3, 0.0])
        assert (asset.state, asset.cycles) == ("COOLDOWN", 1)
        assert asset.reasons == ["SELECTOR_LOW_SCORE", "SELECTOR_RAMPED_OUT"]

    def test_three_good_bars_make_it_re_enter_from_the_current_multiplier(self) -> None:
        asset = Asset(ramp_steps=10)
        asset.bars(*[LOW] * 5, GOOD, GOOD)
        before = asset.multiplier
        assert before == pytest.approx(0.8)
        assert asset.bar(GOOD) == "RE_ENTRY"
        assert asset.multiplier == before

    def test_exactly_the_limit_is_not_good(self) -> None:
        asset = Asset(ramp_steps=100)
        asset.bars(*[LOW] * 5, *[0.35] * 20)
        assert asset.state == "UNDERPERFORMING"


class TestCooldown:
    def test_lasts_thirty_bars_and_until_it_is_good(self) -> None:
        asset = cooling()
        assert set(asset.bars(*[GOOD] * 29)) == {"COOLDOWN"}
        assert asset.bar(GOOD) == "RE_ENTRY"
        late = cooling()
        assert set(late.bars(*[LOW] * 40, GOOD, GOOD)) == {"COOLDOWN"}
        assert late.bar(GOOD) == "RE_ENTRY"

    def test_is_not_left_while_a_limit_is_passed(self) -> None:
        asset = cooling()
        asset.bars(*[GOOD] * 28)
        assert [asset.bar(GOOD, sharpe=-2.0, drawdown=0.2) for _ in range(5)] == ["COOLDOWN"] * 5
        assert asset.bar(GOOD) == "RE_ENTRY"

    def test_too_many_exclude_for_good(self) -> None:
        asset = cooling(max_cooldown_cycles=2)
        asset.bars(*[GOOD] * 33)
        assert asset.state == "ACTIVE"
        asset.bars(*[LOW] * 8)
        assert (asset.state, asset.cycles, asset.multiplier) == ("EXCLUDED", 2, 0.0)
        assert asset.reasons[-2:] == ["SELECTOR_RAMPED_OUT", "SELECTOR_EXCLUDED"]
        assert set(asset.bars(*[GOOD] * 100)) == {"EXCLUDED"}


class TestReEntry:
    def test_steps_up_by_thirds_to_active(self) -> None:
        asset = cooling()
        asset.bars(*[GOOD] * 30)
        seen = []
        for _ in range(3):
            asset.bar(GOOD)
            seen.append((asset.state, round(asset.multiplier, 3)))
        assert seen == [("RE_ENTRY", 0.333), ("RE_ENTRY", 0.667), ("ACTIVE", 1.0)]

    def test_defect_a_shared_ramp_counter_jumped_on_reversal(self) -> None:
        """Down and up again never leaves the multiplier more than one step from where it was."""
        asset = Asset(ramp_steps=10)
        asset.bars(*[LOW] * 7)
        steps = [asset.multiplier]
        for score in (GOOD, GOOD, GOOD, GOOD, GOOD, LOW, LOW, LOW, GOOD, GOOD, GOOD, GOOD, LOW, GOOD):
            asset.bar(score)
            steps.append(asset.multiplier)
        assert max(abs(a - b) for a, b in itertools.pairwise(steps)) <= 0.1 + 1e-12
        assert {"SELECTOR_GOOD_SCORE", "SELECTOR_LOW_SCORE"} <= set(asset.reasons[1:])

    def test_one_low_bar_turns_it_back(self) -> None:
        asset = cooling()
        asset.bars(*[GOOD] * 31)
        assert asset.multiplier == pytest.approx(1 / 3)
        assert asset.bar(LOW) == "UNDERPERFORMING"
        assert asset.multiplier == pytest.approx(1 / 3)


class TestLimits:
    def test_the_hard_exit_needs_both(self) -> None:
        asset = Asset()
        assert asset.bar(GOOD, sharpe=-1.5, drawdown=0.15) == "ACTIVE"
        assert asset.bar(GOOD, sharpe=-1.0, drawdown=0.30) == "ACTIVE"
        assert asset.bar(GOOD, sharpe=-1.01, drawdown=0.16) == "COOLDOWN"
        assert (asset.multiplier, asset.cycles) == (0.0, 1)

    @pytest.mark.parametrize(("sharpe", "drawdown"), [(-0.6, 0.0), (2.0, 0.31)])
    def test_an_absolute_limit_acts_whatever_the_peers_do(self, sharpe: float, drawdown: float) -> None:
        asset = Asset(absolute_min_sharpe=-0.5, absolute_max_drawdown=0.3)
        assert asset.bar(1.0, -0.5, 0.3) == "ACTIVE"
        assert asset.bar(1.0, sharpe, drawdown) == "COOLDOWN"
        assert asset.reasons == ["SELECTOR_ABSOLUTE_EXIT"]

    def test_an_unknown_ratio_passes_no_limit(self) -> None:
        asset = Asset(absolute_min_sharpe=-0.5, absolute_max_drawdown=0.3)
        assert asset.bar(0.5, np.nan, np.nan) == "ACTIVE"

    def test_an_absolute_limit_of_zero_is_honoured(self) -> None:
        asset = Asset(absolute_min_sharpe=0.0)
        assert asset.bar(GOOD, sharpe=-0.001) == "COOLDOWN"


class TestRanks:
    def test_run_from_zero_to_one_and_ties_share_their_mean(self) -> None:
        assert average_ranks(np.array([3.0, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.5]
        assert average_ranks(np.array([2.0, 1.0, 2.0, 2.0, 5.0])).tolist() == pytest.approx([0.5, 0.0, 0.5, 0.5, 1.0])
        assert average_ranks(np.array([7.0, 7.0])).tolist() == [0.5, 0.5]
        assert average_ranks(np.array([7.0])).tolist() == [0.5]


#: Where each state may lead.
NEXT = {
    ACTIVE: {UNDERPERFORMING, COOLDOWN},
    UNDERPERFORMING: {RE_ENTRY, COOLDOWN},
    COOLDOWN: {RE_ENTRY, EXCLUDED},
    RE_ENTRY: {ACTIVE, UNDERPERFORMING, COOLDOWN},
    EXCLUDED: set(),
}


class SelectorMachine(RuleBasedStateMachine):
    """Any scores and metrics, any settings."""

    @initialize(
        steps=st.integers(1, 5), most=st.none() | st.integers(1, 3), cooldown=st.integers(1, 4), low=st.integers(1, 3)
    )
    def begin(self, steps: int, most: int | None, cooldown: int, low: int) -> None:
        self.asset = Asset(ramp_steps=steps, max_cooldown_cycles=most, cooldown_bars=cooldown, low_bars=low)
        self.most, self.before, self.level = most, ACTIVE, steps

    @rule(
        score=st.sampled_from([LOW, MIDDLE, GOOD]),
        sharpe=st.sampled_from([np.nan, -2.0, 0.5]),
        drawdown=st.sampled_from([0.0, 0.2]),
    )
    def bar(self, score: float, sharpe: float, drawdown: float) -> None:
        before, level, cycles = self.before, self.level, self.asset.cycles
        self.asset.bar(score, sharpe, drawdown)
        after, now = int(self.asset.selection.state[0]), int(self.asset.selection.level[0])
        reached = NEXT[before] | {before} | ({EXCLUDED} if COOLDOWN in NEXT[before] else set())
        assert after in reached
        assert abs(now - level) <= 1 or (now == 0 and after in (COOLDOWN, EXCLUDED))
        assert now <= level or after in (RE_ENTRY, ACTIVE)
        assert self.asset.cycles - cycles == (after in (COOLDOWN, EXCLUDED) and before not in (COOLDOWN, EXCLUDED))
        self.before, self.level = after, now

    @invariant()
    def state_and_multiplier_agree(self) -> None:
        if not hasattr(self, "asset"):
            return
        state, level = self.asset.selection.state[0], self.asset.selection.level[0]
        assert 0 <= level <= self.asset.rules.steps
        assert state not in (COOLDOWN, EXCLUDED) or level == 0
        assert state != ACTIVE or level == self.asset.rules.steps
        assert (state == EXCLUDED) == (self.most is not None and self.asset.cycles >= self.most)


TestSelectorMachine = SelectorMachine.TestCase
