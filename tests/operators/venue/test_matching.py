"""When a resting order trades, at what price, and how much of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.venue.matching import RestingOrder, SymbolMarket, trade_price, trade_quantity

INFINITE = float("inf")


def order(side: str = "buy", left: float = 10.0, limit: float | None = None) -> RestingOrder:
    return RestingOrder("id", "AAA", side, left, limit, "gtc", 0, 0)  # type: ignore[arg-type]


def test_a_market_order_takes_the_open_made_worse_by_slippage() -> None:
    bar = SymbolMarket(100.0, 110.0, INFINITE)
    assert trade_price(order("buy"), bar, 0.001) == pytest.approx(100.1)
    assert trade_price(order("sell"), bar, 0.001) == pytest.approx(99.9)


def test_without_an_open_it_takes_the_close() -> None:
    assert trade_price(order(), SymbolMarket(math.nan, 110.0, INFINITE), 0.0) == 110.0


@pytest.mark.parametrize(
    ("side", "limit", "opened", "closed", "price"),
    [
        ("buy", 101.0, 100.0, 105.0, 100.0),  # the open is better than the limit
        ("buy", 99.0, 100.0, 98.0, 99.0),  # the close reaches it
        ("buy", 99.0, 100.0, 105.0, None),  # never reached
        ("sell", 99.0, 100.0, 90.0, 100.0),
        ("sell", 101.0, 100.0, 105.0, 101.0),
        ("sell", 101.0, 100.0, 95.0, None),
    ],
)
def test_a_limit_order_trades_when_open_or_close_reaches_it(
    side: str, limit: float, opened: float, closed: float, price: float | None
) -> None:
    assert trade_price(order(side, limit=limit), SymbolMarket(opened, closed, INFINITE), 0.0) == price


@given(
    st.sampled_from(["buy", "sell"]),
    st.floats(1, 1000),
    st.floats(1, 1000),
    st.floats(1, 1000),
    st.floats(0, 0.05),
)
def test_no_limit_order_trades_worse_than_its_limit(
    side: str, limit: float, opened: float, closed: float, slippage: float
) -> None:
    price = trade_price(order(side, limit=limit), SymbolMarket(opened, closed, INFINITE), slippage)
    assert price is None or (price <= limit if side == "buy" else price >= limit)


@given(st.floats(0, 1e6), st.sampled_from([0.001, 0.01, 0.5, 1.0]), st.integers(1, 10_000))
def test_what_trades_is_whole_lots_within_order_and_volume(available: float, lot: float, lots: int) -> None:
    resting = order(left=lots * lot)
    quantity = trade_quantity(resting, SymbolMarket(1.0, 1.0, available), lot)
    assert 0.0 <= quantity <= resting.left
    assert quantity <= available + 1e-6 * lot
    assert abs(quantity / lot - round(quantity / lot)) < 1e-6
