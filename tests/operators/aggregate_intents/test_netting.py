"""Netting within a pod, and the offset between pods (spec 4)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.aggregate_intents.netting import net_symbol
from operators.aggregate_intents.offset import offset_ratio
from tests.operators.desk import clips, desk_of, pod, reasons, weights

TWO = pod("alpha", {"id": "up"}, {"id": "down"})


def net(*parts: tuple[float, float, int]) -> tuple[float, float, bool]:
    weight, confidence, horizon = (np.array(column) for column in zip(*parts, strict=True))
    return net_symbol.py_func(weight, confidence, horizon)


class TestNetSymbol:
    def test_is_weighted_by_confidence(self) -> None:
        assert net((0.5, 0.8, 0), (0.5, 0.4, 0)) == (0.6, 0.6, False)

    def test_defect_emits_the_net_not_the_winners_sum(self) -> None:
        assert net((0.5, 1.0, 0), (0.5, 1.0, 0), (-0.4, 1.0, 0)) == (0.6, 1.4, True)

    def test_an_exact_zero_of_opposites_is_flat_and_a_conflict(self) -> None:
        assert net((0.3, 1.0, 0), (-0.6, 0.5, 0)) == (0.0, 0.6, True)

    def test_a_zero_confidence_takes_no_side(self) -> None:
        assert net((0.3, 1.0, 0), (-0.6, 0.0, 0)) == (0.3, 0.3, False)

    def test_different_horizons_may_disagree(self) -> None:
        assert net((0.5, 1.0, 0), (-0.2, 1.0, 1)) == (0.3, 0.7, False)
        assert net((0.5, 1.0, 0), (-0.2, 1.0, 1), (0.1, 1.0, 1)) == (0.4, 0.8, True)

    @given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 1), st.integers(0, 2)), min_size=1, max_size=6))
    def test_never_exceeds_the_gross_and_conflicts_only_with_both_signs(
        self, parts: list[tuple[float, float, int]]
    ) -> None:
        total, gross, conflict = net(*parts)
        assert abs(total) <= gross + 1e-9
        signs = {np.sign(w * c) for w, c, _ in parts} - {0.0}
        assert not conflict or signs == {1.0, -1.0}


class TestConflictsOfAPod:
    def test_a_conflict_is_flagged_and_told_once(self) -> None:
        desk = desk_of(TWO)
        assert reasons(desk.cycle({"AAA": 100.0}, {"up": {"AAA": 1.0}})) == []
        decision = desk.cycle({"AAA": 100.0}, {"down": {"AAA": -0.4}})
        # Each schedule has half of the pod: 0.5 against -0.2.
        assert clips(decision) == [("INTENT_CONFLICT", "AAA", 0.7, 0.3)]
        assert weights(decision) == {("alpha", "AAA"): 0.3}
        assert decision is not None and decision.targets is not None and decision.targets.conflict == [True]
        assert reasons(desk.cycle({"AAA": 100.0}, {"up": {"AAA": 0.8}})) == []

    def test_opposites_that_cancel_exactly_are_flat_with_a_reason(self) -> None:
        desk = desk_of(TWO)
        desk.cycle({"AAA": 100.0}, {"up": {"AAA": 1.0}})
        decision = desk.cycle({"AAA": 100.0}, {"down": {"AAA": -1.0}})
        assert clips(decision) == [("INTENT_CONFLICT_FLAT", "AAA", 1.0, 0.0)]
        assert weights(decision) == {("alpha", "AAA"): 0.0}
        desk.cycle({"AAA": 100.0})
        assert desk.position("AAA") == 0.0

    def test_a_conflict_that_leaves_the_target_where_it_was_is_told_too(self) -> None:
        desk = desk_of(TWO)
        decision = desk.cycle({"AAA": 100.0}, {"up": {"AAA": 1.0}, "down": {"AAA": -1.0}})
        assert reasons(decision) == ["INTENT_CONFLICT_FLAT"]
        assert weights(decision) == {}

    def test_defect_two_strategies_on_one_symbol_never_measure_against_the_accounts_position(self) -> None:
        """Each pod keeps a target of its own: the second says long while the account is long, and still buys."""
        desk = desk_of(pod("alpha"), pod("beta"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0}, {"beta": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0})
        assert desk.ledger().attributed[:, 0].tolist() == [5000.0, 5000.0]


class TestOffset:
    def test_is_one_less_net_over_gross(self) -> None:
        assert offset_ratio(np.array([0.5, 0.5]), np.array([[1.0, 0.0], [-0.5, 0.5]])) == 0.5
        assert offset_ratio(np.array([0.5, 0.5]), np.zeros((2, 2))) == 0.0
        assert offset_ratio(np.array([0.5, 0.5]), np.array([[1.0], [-1.0]])) == 1.0

    def test_is_warned_of_above_a_half_when_it_begins(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"))
        assert desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}}).events is None  # type: ignore[union-attr]
        warned = desk.cycle({"AAA": 100.0}, {"beta": {"AAA": -0.6}})
        assert warned is not None and [e["reason"] for e in warned.events or []] == ["INTENT_OFFSET_HIGH"]
        again = desk.cycle({"AAA": 100.0}, {"beta": {"AAA": -0.7}})
        assert again is not None and again.events is None
