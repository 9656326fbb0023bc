"""Attribution of fills to pods (spec 9): parts always sum to the position, and an exit ends flat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.portfolio.fills import attribute, book_fill, cross_internally, fill_price
from operators.portfolio.ledger import CASH, Ledger, new_ledger, portfolio_rules
from tests.operators.desk import configuration, desk_of, plan_of, pod

RULES = portfolio_rules(plan_of(configuration(pod("alpha"), symbols=[{"symbol": "AAA", "lot": 1.0}])), 0)
AAA = {"AAA": 100.0}


def ledger(units: list[float], attributed: list[float]) -> Ledger:
    made = new_ledger(len(units), 1, 1000.0, 0)
    made.last[0] = 100.0
    made.units[:, 0], made.attributed[:, 0] = units, attributed
    made.position[0] = round(sum(attributed))
    return made


def parts(units: list[float], attributed: list[float], quantity: float) -> list[float]:
    part = np.zeros(len(units))
    attribute.py_func(ledger(units, attributed), 0, quantity, part)
    return [round(float(p), 9) for p in part]


class TestAttribute:
    def test_is_pro_rata_to_each_pods_own_delta(self) -> None:
        assert parts([60.0, 40.0], [0.0, 0.0], 50.0) == [30.0, 20.0]

    def test_opposite_deltas_cross_internally(self) -> None:
        """One wants 60 more, the other 20 less: the account buys 40, and the buyer gets all 60."""
        assert parts([60.0, 0.0], [0.0, 20.0], 40.0) == [60.0, -20.0]

    def test_defect_shares_by_target_left_positions_open(self) -> None:
        """By |target| the pod that goes to zero would get no share of the sale that closes it."""
        assert parts([0.0, 50.0], [50.0, 50.0], -50.0) == [-50.0, 0.0]

    def test_a_fill_that_nobody_asked_for_goes_to_the_holders_or_to_all_alike(self) -> None:
        assert parts([30.0, 10.0], [30.0, 10.0], 8.0) == [6.0, 2.0]
        assert parts([0.0, 0.0], [0.0, 0.0], 8.0) == [4.0, 4.0]

    @given(
        st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=6),
        st.floats(-1e4, 1e4),
    )
    def test_always_sums_to_the_fill(self, pods: list[tuple[float, float]], quantity: float) -> None:
        part = np.zeros(len(pods))
        attribute.py_func(ledger([u for u, _ in pods], [a for _, a in pods]), 0, quantity, part)
        assert part.sum() == pytest.approx(quantity, abs=1e-7)


class TestCrossing:
    def test_pods_whose_deltas_cancel_trade_with_each_other(self) -> None:
        given_ledger = ledger([0.0, 50.0], [50.0, 0.0])
        cross_internally.py_func(given_ledger, RULES, 0, np.zeros(2))
        assert given_ledger.attributed[:, 0].tolist() == [0.0, 50.0]

    def test_nothing_happens_without_two_sides(self) -> None:
        given_ledger = ledger([50.2, 0.0], [50.0, 0.0])
        cross_internally.py_func(given_ledger, RULES, 0, np.zeros(2))
        assert given_ledger.attributed[:, 0].tolist() == [50.0, 0.0]

    def test_needs_no_order(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"))
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        desk.cycle(AAA)
        desk.cycle(AAA, {"alpha": {"AAA": 0.0}, "beta": {"AAA": 1.0}})
        assert len(desk.orders) == 1
        assert desk.ledger().attributed[:, 0].tolist() == [0.0, 5000.0]


class TestExitsEndFlat:
    def test_what_rounding_leaves_passes_to_those_who_stay(self) -> None:
        """5.3 + 5.3 is 10 lots of 1; when one leaves, 4 are sold: it gives 5 and the other takes 1."""
        given_ledger = ledger([0.0, 5.3], [5.0, 5.0])
        book_fill.py_func(given_ledger, RULES, 0, -4, 100.0, np.zeros(2))
        assert given_ledger.attributed[:, 0].tolist() == [0.0, pytest.approx(6.0)]

    def test_in_the_flow(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"), symbols=[{"symbol": "AAA", "lot": 700.0}])
        desk.cycle(AAA, {"alpha": {"AAA": 0.9}, "beta": {"AAA": 0.8}})
        desk.cycle(AAA)
        desk.cycle(AAA, {"alpha": {"AAA": 0.0}})
        desk.cycle(AAA)
        alpha, beta = desk.ledger().attributed[:, 0]
        assert alpha == 0.0
        assert beta == desk.ledger().position[0] * 700.0

    def test_without_an_order_that_is_large_enough(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"), symbols=[{"symbol": "AAA", "min_notional": 1000}])
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        desk.cycle(AAA)
        desk.cycle(AAA, {"alpha": {"AAA": 0.0}, "beta": {"AAA": 1.001}})
        assert desk.ledger().attributed[:, 0].tolist() == [0.0, pytest.approx(5000.0)]


class TestPaperFills:
    def test_take_the_open_made_worse_by_the_slippage(self) -> None:
        assert fill_price.py_func(100.0, 110.0, 5, 0.0005) == pytest.approx(100.05)
        assert fill_price.py_func(100.0, 110.0, -5, 0.0005) == pytest.approx(99.95)

    def test_take_the_close_where_there_is_no_open(self) -> None:
        assert fill_price.py_func(float("nan"), 110.0, 5, 0.0) == 110.0

    def test_come_with_the_symbols_next_fresh_bar_and_cost_the_fee(self) -> None:
        symbols = [{"symbol": "AAA", "fee_rate": 0.001, "lot": 0.01}, "BBB"]
        desk = desk_of(pod("alpha", {"id": "alpha", "symbols": ["AAA"]}), pod("beta"), symbols=symbols)
        desk.cycle({"AAA": 100.0, "BBB": 10.0}, {"alpha": {"AAA": 1.0}})
        assert desk.cycle({"BBB": 10.0}) is None
        decision = desk.cycle({"AAA": (110.0, 120.0), "BBB": 10.0})
        assert decision is not None and decision.fills is not None
        assert (decision.fills.price, decision.fills.quantity, decision.fills.fee) == ([110.0], [5000.0], [550.0])
        assert decision.cash == 1_000_000 - 550_000 - 550
        assert decision.equity == decision.cash + 5000 * 120

    def test_defect_profit_is_of_equity_marked_to_market_not_of_cash(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
        decision = desk.cycle(AAA)
        assert decision is not None
        assert (decision.cash, decision.equity) == (0.0, 1_000_000.0)
        assert desk.ledger().scalars[CASH] == 0.0
