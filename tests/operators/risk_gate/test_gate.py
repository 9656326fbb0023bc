"""The gate in the portfolio step: cuts are told once, and what was cut is tried again when the guard opens (spec 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.portfolio.ledger import EQUITY
from operators.risk_gate.guards.gross_exposure import gross_with_pending
from tests.operators.desk import Desk, configuration, desk_of, plan_of, pod, quantities, reasons

AAA = {"AAA": 100.0}
TWO = ["AAA", "BBB"]


def guarded(*pods: dict[str, Any], symbols: list[Any] | None = None, **guards: Any) -> Desk:
    return desk_of(*(pods or (pod("alpha"),)), symbols=symbols or ["AAA"], guards=guards)


class TestToldOnce:
    def test_a_standing_cut_is_journalled_when_it_begins(self) -> None:
        desk = guarded(max_position=3000)
        first = desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        assert (quantities(first), reasons(first)) == ({"AAA": [3000.0]}, ["GUARD_POSITION_LIMIT"])
        desk.cycle(AAA)
        for price in (100.0, 101.0, 103.0):
            assert desk.cycle({"AAA": price}) is None

    def test_a_cut_that_moves_with_the_price_is_neither_told_nor_traded_every_cycle(self) -> None:
        desk = guarded(max_symbol_notional=300_000)
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        desk.cycle(AAA)
        for price in (99.0, 98.0, 102.0, 104.0, 97.0):
            assert desk.cycle({"AAA": price}) is None
        assert desk.position("AAA") == 3000.0

    def test_a_price_that_lifts_a_position_over_its_cap_is_no_order(self) -> None:
        desk = guarded(max_symbol_notional=300_000)
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        desk.cycle(AAA)
        desk.cycle({"AAA": 109.0})
        assert desk.position("AAA") == 3000.0
        assert len(desk.orders) == 1

    def test_a_new_target_is_cut_and_told_anew(self) -> None:
        desk = guarded(max_position=3000)
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        desk.cycle(AAA)
        again = desk.cycle(AAA, {"alpha": {"AAA": 0.9}})
        assert (quantities(again), reasons(again)) == ({}, ["GUARD_POSITION_LIMIT"])


class TestTriedAgain:
    def test_when_trading_becomes_active(self) -> None:
        desk = guarded(initial_state="HALTED")
        decision = desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        assert (quantities(decision), reasons(decision)) == ({}, ["GUARD_HALTED"])
        assert desk.cycle(AAA) is None
        desk.command("trading_state", state="ACTIVE")
        assert quantities(desk.cycle(AAA)) == {"AAA": [5000.0]}

    def test_when_the_price_is_fresh_again(self) -> None:
        desk = guarded(pod("alpha"), pod("beta"), symbols=TWO, max_price_age_seconds=1800)
        desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0, "BBB": 100.0})
        desk.command("trading_state", state="REDUCING")
        desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"beta": {"BBB": 1.0}})
        desk.command("trading_state", state="ACTIVE")
        stale = desk.cycle({"AAA": 100.0})
        assert (quantities(stale), reasons(stale)) == ({}, ["GUARD_STALE_PRICE"])
        assert desk.cycle({"AAA": 100.0}) is None
        assert quantities(desk.cycle({"AAA": 100.0, "BBB": 100.0}))["BBB"] == [2500.0]

    def test_when_the_data_is_no_longer_degraded(self) -> None:
        desk = guarded()
        decision = desk.cycle(AAA, {"alpha": {"AAA": 0.5}}, degraded=["AAA"])
        assert (quantities(decision), reasons(decision)) == ({}, ["GUARD_DEGRADED"])
        assert quantities(desk.cycle(AAA)) == {"AAA": [5000.0]}

    def test_when_another_position_has_made_room(self) -> None:
        """A pending reduction counts only once it is filled: the entry waits a cycle for the room."""
        desk = guarded(symbols=TWO, max_gross_exposure=0.5)
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0}})
        desk.cycle(both)
        turn = desk.cycle(both, {"alpha": {"AAA": 0.0, "BBB": 1.0}})
        assert (quantities(turn), reasons(turn)) == ({"AAA": [-5000.0]}, ["GUARD_GROSS_EXPOSURE"])
        assert quantities(desk.cycle(both)) == {"BBB": [5000.0]}


class TestReductions:
    def test_of_a_stale_symbol_go_at_the_last_good_price_and_are_flagged(self) -> None:
        desk = guarded(symbols=TWO, max_price_age_seconds=3600)
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0}})
        desk.cycle(both)
        desk.cycle({"BBB": 100.0})
        desk.command("kill", "symbol", "AAA", mode="flatten")
        decision = desk.cycle({"BBB": 100.0})
        assert quantities(decision) == {"AAA": [-5000.0]}
        assert reasons(decision) == ["GUARD_LAST_GOOD_PRICE"]
        assert desk.orders[-1]["reference_price"] == 100.0

    def test_are_served_before_anything_that_adds_risk(self) -> None:
        desk = guarded(symbols=["AAA", "ZZZ"])
        both = {"AAA": 100.0, "ZZZ": 100.0}
        desk.cycle(both, {"alpha": {"ZZZ": 1.0}})
        desk.cycle(both)
        desk.cycle(both, {"alpha": {"AAA": 1.0, "ZZZ": 0.0}})
        assert [o["symbol"] for o in desk.orders[-2:]] == ["ZZZ", "AAA"]

    def test_degraded_marks_without_a_fresh_price_count(self) -> None:
        desk = guarded(symbols=TWO)
        desk.cycle({"AAA": 100.0, "BBB": 100.0})
        desk.cycle({"BBB": 100.0}, degraded=["AAA"])
        assert desk.ledger().degraded.tolist() == [True, False]
        desk.cycle({"BBB": 100.0})
        assert desk.ledger().degraded.tolist() == [True, False], "only a fresh price clears it"
        desk.cycle({"AAA": 100.0})
        assert desk.ledger().degraded.tolist() == [False, False]


class TestHalted:
    def test_cancels_what_is_open_and_journals_it(self) -> None:
        desk = guarded()
        desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        desk.command("trading_state", state="HALTED")
        decision = desk.cycle(AAA)
        assert decision is not None and decision.fills is None and decision.cancels is not None
        assert [o["type"] for o in desk.orders] == ["order", "cancel"]
        assert desk.orders[1]["client_order_id"] == desk.orders[0]["client_order_id"]
        assert desk.position("AAA") == 0.0

    def test_defect_what_was_reserved_is_released_on_cancel(self) -> None:
        desk = guarded(max_gross_exposure=0.5)
        desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        assert gross_with_pending.py_func(desk.ledger(), desk.portfolios[0]._rules) == 500_000
        desk.command("trading_state", state="HALTED")
        desk.cycle({})
        assert gross_with_pending.py_func(desk.ledger(), desk.portfolios[0]._rules) == 0.0

    def test_an_open_order_survives_reducing(self) -> None:
        desk = guarded()
        desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
        desk.command("trading_state", state="REDUCING")
        desk.cycle(AAA)
        assert desk.position("AAA") == 5000.0


PLAN = plan_of(
    configuration(
        pod("alpha", max_leverage=4), pod("beta", max_leverage=4), symbols=TWO, guards={"max_gross_exposure": 1.2}
    )
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alpha", "beta"]), st.sampled_from(TWO), st.floats(-4, 4), st.floats(60, 140),
            st.floats(60, 140), st.booleans(),
        ),
        min_size=1,
        max_size=10,
    )
)  # fmt: skip
def test_gross_with_pending_is_never_raised_above_its_limit(
    steps: list[tuple[str, str, float, float, float, bool]],
) -> None:
    """After any cycle the worst case stays within limit x equity. Prices and costs may lift what is held and what was
    open before; the orders of the cycle add nothing to that."""
    desk = Desk(PLAN)
    rules = desk.portfolios[0]._rules
    for who, symbol, strength, first, second, both in steps:
        prices = {"AAA": round(first, 2), "BBB": round(second, 2)} if both else {symbol: round(first, 2)}
        decision = desk.cycle(prices, {who: {symbol: strength}})
        ledger = desk.ledger()
        worst = gross_with_pending.py_func(ledger, rules)
        limit = 1.2 * float(ledger.scalars[EQUITY])
        sent = np.zeros_like(ledger.pending)
        for name, ordered in quantities(decision).items():
            sent[TWO.index(name)] = round(sum(ordered) / 0.01)
        before = gross_with_pending.py_func(ledger._replace(pending=ledger.pending - sent), rules)
        assert worst <= max(limit, before) * (1 + 1e-9) + 1e-6
