"""Cash, equity and attribution add up on any path of prices and wishes (spec 1 "Sizing chain", 9)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.portfolio.ledger import CASH, EQUITY, GROSS, NET, units_of
from tests.operators.desk import HOUR, START, Desk, Row, configuration, plan_of, pod

SYMBOLS = [
    {"symbol": "AAA", "lot": 0.1, "fee_rate": 0.001},
    {"symbol": "BBB", "lot": 3.0, "contract_multiplier": 10, "fee_rate": 0.0005},
    {"symbol": "CCC", "lot": 0.01, "currency": "EUR"},
    {"symbol": "EURUSD", "lot": 1.0},
]
TRADED = ("AAA", "BBB", "CCC")
PLAN = plan_of(
    configuration(
        pod("alpha", {"id": "alpha", "symbols": list(TRADED)}, max_leverage=2),
        pod("beta", {"id": "beta", "symbols": list(TRADED)}, slippage_bps=5),
        symbols=SYMBOLS,
        conversions={"EUR": "EURUSD"},
        execution={"slippage_bps": 5},
        guards={"max_symbol_notional": 400_000},
        max_gross_leverage=1.2,
    )
)

prices = st.fixed_dictionaries({"EURUSD": st.floats(0.8, 1.4)}, optional=dict.fromkeys(TRADED, st.floats(20, 180)))
wants = st.dictionaries(
    st.sampled_from(["alpha", "beta"]),
    st.dictionaries(st.sampled_from(TRADED), st.tuples(st.floats(-2, 2), st.floats(0, 1)), max_size=3),
    max_size=2,
)


def rows_of(steps: list[tuple[dict[str, float], dict[str, dict[str, tuple[float, float]]]]]) -> list[Row]:
    made = []
    for n, (given_prices, given_wants) in enumerate(steps, 1):
        quoted = {s: round(p, 4) for s, p in given_prices.items()}
        wanted = {k: {s: v for s, v in w.items() if s in quoted} for k, w in given_wants.items()}
        made.append(Row(START + n * HOUR, quoted, wanted, frozenset(), []))
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(prices, wants), min_size=1, max_size=14))
def test_the_books_balance_on_every_path(steps: list[Any]) -> None:
    desk = Desk(PLAN)
    rules, ledger = desk.portfolios[0]._rules, desk.ledger()
    paid = 0.0
    for row in rows_of(steps):
        conversion = float(ledger.last[3])
        desk.play([row])
        for decision in desk.decisions()[-1:]:
            if decision.cycle == row.cycle and decision.fills is not None:
                fills = decision.fills
                for symbol, quantity, price, fee in zip(
                    fills.symbol, fills.quantity, fills.price, fills.fee, strict=True
                ):
                    value = {"AAA": 1.0, "BBB": 10.0, "CCC": conversion}[symbol]
                    paid += quantity * price * value + fee
        held = [units_of(int(n), float(lot)) for n, lot in zip(ledger.position, rules.lot, strict=True)]
        # Pods' parts sum to the portfolio's position.
        assert ledger.attributed.sum(axis=0) == pytest.approx(held, abs=1e-9 * 1e5)
        # Cash is what was there less every payment; equity is cash and what is held, at last prices.
        assert ledger.scalars[CASH] == pytest.approx(1_000_000 - paid, abs=1e-4)
        values = np.nan_to_num(np.array([1.0, 10.0, ledger.last[3], 1.0]) * ledger.last)
        assert ledger.scalars[EQUITY] == pytest.approx(ledger.scalars[CASH] + float(held @ values), abs=1e-4)
        assert ledger.scalars[NET] == pytest.approx(float(held @ values), abs=1e-4)
        assert ledger.scalars[GROSS] == pytest.approx(float(np.abs(held) @ values), abs=1e-4)
    # A pod that wants nothing of a symbol, and has no order open there, holds nothing of it.
    flat = (ledger.units == 0.0) & (ledger.pending == 0) & ~ledger.dirty
    others_stay = (np.abs(ledger.units).sum(axis=0) > 0) | (ledger.position == 0)
    assert (np.abs(ledger.attributed[flat & others_stay]) < 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(prices, wants), min_size=2, max_size=12),
    st.sets(st.integers(1, 11), max_size=5),
    st.booleans(),
)
def test_decisions_do_not_depend_on_cuts_or_snapshots(steps: list[Any], cuts: set[int], snapshots: bool) -> None:
    whole = Desk(PLAN)
    whole.play(rows_of(steps))
    again = whole.replayed(cuts, snapshots)
    assert again.bodies == whole.bodies
    assert again.orders == whole.orders


def test_a_flat_book_earns_what_its_trades_did() -> None:
    """Bought 1000 at 100, sold at 110 with 5 bps a side and 0.1 % fee: by hand."""
    desk = Desk(
        plan_of(
            configuration(
                pod("alpha"), symbols=[{"symbol": "AAA", "lot": 1, "fee_rate": 0.001}], execution={"slippage_bps": 5}
            )
        )
    )
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.1}})
    desk.cycle({"AAA": (100.0, 108.0)}, {"alpha": {"AAA": 0.0}})
    desk.cycle({"AAA": (110.0, 50.0)})
    bought, sold = 1000 * 100.05, 1000 * 109.945
    assert desk.ledger().scalars[CASH] == pytest.approx(1_000_000 - bought * 1.001 + sold * 0.999)
    assert desk.ledger().scalars[EQUITY] == desk.ledger().scalars[CASH]
