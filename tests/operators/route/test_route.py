"""Deltas, lots, ticks, minimum notional, ids and sequences (spec 1 "Identity", 8)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.portfolio.ledger import units_of
from operators.route.delta import delta_lots
from schemas.canonical import IdPrefix
from tests.operators.desk import Desk, configuration, desk_of, plan_of, pod, quantities, reasons

AAA = {"AAA": 100.0}


class TestDeltaLots:
    @pytest.mark.parametrize(
        ("approved", "base", "lot", "lots"),
        [
            (0.3, 0, 0.1, 3),  # 0.3 / 0.1 is 2.9999999999999996
            (0.7, 0, 0.1, 7),
            (-0.3, 0, 0.1, -3),
            (1.99, 0, 1.0, 1),
            (-1.99, 0, 1.0, -1),
            (5.4, 5, 1.0, 0),
            (4.6, 5, 1.0, 0),
            (3.9, 5, 1.0, -1),
            (-0.9, 1, 1.0, -1),
            (0.0, 7, 0.01, -7),
        ],
    )
    def test_rounds_towards_zero(self, approved: float, base: int, lot: float, lots: int) -> None:
        assert delta_lots.py_func(approved, base, lot) == lots
        assert delta_lots(approved, base, lot) == lots

    @given(st.integers(-(10**12), 10**12), st.sampled_from([1.0, 0.1, 0.01, 0.001, 1e-8, 0.25, 5.0, 100.0]))
    def test_a_whole_number_of_lots_is_met_exactly(self, lots: int, lot: float) -> None:
        assert delta_lots.py_func(units_of.py_func(lots, lot), 0, lot) == lots
        assert delta_lots.py_func(lots * lot, 0, lot) == lots

    @given(st.floats(-1e6, 1e6), st.integers(-(10**6), 10**6), st.sampled_from([1.0, 0.1, 0.01, 7.0]))
    def test_never_goes_beyond_the_target(self, approved: float, base: int, lot: float) -> None:
        lots = delta_lots.py_func(approved, base, lot)
        wanted = approved / lot - base
        assert lots == 0 or lots * wanted > 0
        assert abs(lots) <= abs(wanted) + 1e-6


class TestOrders:
    def test_go_for_target_less_position_and_pending(self) -> None:
        desk = desk_of(pod("alpha"))
        assert quantities(desk.cycle(AAA, {"alpha": {"AAA": 0.5}})) == {"AAA": [5000.0]}
        assert quantities(desk.cycle(AAA, {"alpha": {"AAA": 0.7}})) == {"AAA": [2000.0]}
        assert quantities(desk.cycle({})) == {}
        assert quantities(desk.cycle(AAA, {"alpha": {"AAA": 0.1}})) == {"AAA": [-6000.0]}

    def test_through_zero_are_split_and_only_the_first_part_reduces(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        decision = desk.cycle(AAA, {"alpha": {"AAA": -0.2}})
        assert quantities(decision) == {"AAA": [-5000.0, -2000.0]}
        assert [o["reducing"] for o in desk.orders[-2:]] == [True, False]
        assert decision is not None and decision.orders is not None
        assert decision.orders.pending == [0.0, -5000.0]
        filled = desk.cycle(AAA)
        assert filled is not None and filled.fills is not None
        assert filled.fills.quantity == [-5000.0, -2000.0]
        assert filled.fills.shares == [[1.0], [1.0]]
        assert desk.position("AAA") == -2000.0

    def test_a_delta_below_a_lot_is_ignored_with_a_reason(self) -> None:
        desk = desk_of(pod("alpha"), symbols=[{"symbol": "AAA", "lot": 1000}])
        desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        desk.cycle(AAA)
        decision = desk.cycle(AAA, {"alpha": {"AAA": 0.55}})
        assert (quantities(decision), reasons(decision)) == ({}, ["ROUTE_BELOW_LOT"])

    def test_an_order_below_the_minimum_notional_is_ignored_with_a_reason(self) -> None:
        desk = desk_of(pod("alpha"), symbols=[{"symbol": "AAA", "min_notional": 10_000}])
        assert quantities(desk.cycle(AAA, {"alpha": {"AAA": 0.01}})) == {"AAA": [100.0]}
        desk.cycle(AAA)
        decision = desk.cycle(AAA, {"alpha": {"AAA": 0.0199}})
        assert (quantities(decision), reasons(decision)) == ({}, ["ROUTE_BELOW_MIN_NOTIONAL"])
        assert desk.cycle(AAA) is None

    def test_an_opposite_delta_cancels_what_is_open_first(self) -> None:
        """The order cannot fill while there is no bar; when its pod wants less, it is taken back."""
        desk = desk_of(pod("alpha"), pod("beta"), symbols=["AAA", "BBB"])
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0}})
        desk.command("kill", "pod", "alpha", mode="flatten")
        decision = desk.cycle({"BBB": 100.0})
        assert decision is not None and decision.cancels is not None
        assert decision.cancels[0]["reason"] == "ROUTE_CANCELLED_BY_TARGET"
        assert decision.orders is None
        desk.cycle(both)
        assert desk.position("AAA") == 0.0

    def test_a_smaller_entry_replaces_the_open_one(self) -> None:
        fixed = {"name": "fixed_weight", "weights": {"alpha": 0.5, "beta": 0.5}}
        desk = desk_of(pod("alpha"), pod("beta"), symbols=["AAA", "BBB"], capital=fixed)
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 1.0}})
        desk.command("kill", "pod", "beta", mode="flatten")
        decision = desk.cycle({"BBB": 100.0})
        assert quantities(decision) == {"AAA": [2500.0]}
        assert [o["type"] for o in desk.orders] == ["order", "cancel", "order"]
        assert [o["sequence"] for o in desk.orders] == [1, 2, 3]
        desk.cycle(both)
        assert desk.position("AAA") == 2500.0


class TestLimitOrders:
    def limit(self, side: float, price: float, tick: float) -> Any:
        execution = {"slippage_bps": 0, "order_type": "limit"}
        desk = desk_of(pod("alpha"), symbols=[{"symbol": "AAA", "tick": tick}], execution=execution)
        desk.cycle({"AAA": price}, {"alpha": {"AAA": side}})
        return desk.orders[0]["limit_price"]

    def test_are_rounded_to_the_tick_never_more_aggressive(self) -> None:
        assert self.limit(1.0, 100.07, 0.05) == 100.05
        assert self.limit(-1.0, 100.07, 0.05) == 100.1

    def test_a_price_on_the_tick_stays_without_noise(self) -> None:
        assert self.limit(1.0, 0.3, 0.1) == 0.3
        assert self.limit(-1.0, 0.3, 0.1) == 0.3
        assert self.limit(1.0, 17.25, 0.25) == 17.25

    def test_market_orders_have_none(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        assert desk.orders[0]["limit_price"] is None


class TestIdentity:
    def ids(self, **more: Any) -> list[str]:
        desk = desk_of(pod("alpha"), symbols=["AAA", "BBB"], **more)
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0, "BBB": -1.0}})
        desk.cycle(both, {"alpha": {"AAA": -1.0, "BBB": 1.0}})
        return [o["client_order_id"] for o in desk.orders]

    def test_is_the_same_in_every_run_and_unique_within_one(self) -> None:
        assert self.ids() == self.ids()
        assert len(set(self.ids())) == 6

    def test_defect_an_id_that_leaves_out_the_account_collides_across_accounts(self) -> None:
        other = self.ids(execution={"slippage_bps": 0, "account": "other"})
        assert not set(self.ids()) & set(other)

    def test_defect_the_account_itself_is_part_of_the_id(self) -> None:
        """The configuration's hash differs between accounts too; so this looks at the id's own parts."""
        plan = plan_of(configuration(pod("alpha")))
        first, second = Desk(plan), Desk(plan)
        second.portfolios[0]._writer.orders._ids = IdPrefix(b"other", b"main")
        for desk in (first, second):
            desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        assert first.decisions()[0].decision_id == second.decisions()[0].decision_id
        assert first.orders[0]["client_order_id"] != second.orders[0]["client_order_id"]

    def test_sequences_have_no_gap_over_orders_and_cancels(self) -> None:
        desk = desk_of(pod("alpha"))
        for n in range(6):
            desk.cycle(AAA, {"alpha": {"AAA": 1.0 if n % 2 else -1.0}})
            desk.command("trading_state", state="HALTED")
            desk.cycle({})
            desk.command("trading_state", state="ACTIVE")
        assert [o["sequence"] for o in desk.orders] == list(range(1, len(desk.orders) + 1))
        assert {o["type"] for o in desk.orders} == {"order", "cancel"}

    def test_attribution_shares_are_the_pods_own_deltas(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"))
        desk.cycle(AAA, {"alpha": {"AAA": 0.6}, "beta": {"AAA": 0.2}})
        assert desk.orders[0]["attribution"] == {"alpha": 0.75, "beta": 0.25}
