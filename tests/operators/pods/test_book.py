"""A pod's own book at a capital of 1.0: fills, costs, marks, days, sizing (spec 1 "Sizing chain", 5 "Book")."""

from __future__ import annotations

import pytest

from operators.pods.book import EQUITY
from tests.operators.desk import HOUR, START, Desk, configuration, desk_of, plan_of, pod, weights


def equity(desk: Desk, number: int = 0) -> float:
    return float(desk.book(number).scalars[EQUITY])


class TestFills:
    def test_at_the_open_of_the_next_fresh_bar(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        assert desk.book().quantity[0] == 0.0
        desk.cycle({})
        assert desk.book().quantity[0] == 0.0
        desk.cycle({"AAA": (125.0, 150.0)})
        # 0.01 units bought at 125 and marked at 150.
        assert desk.book().quantity[0] == 0.01
        assert equity(desk) == pytest.approx(1 + 0.01 * 25)

    def test_at_its_close_where_there_is_no_open(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": (float("nan"), 110.0)})
        assert equity(desk) == 1.0

    def test_cost_the_slippage_and_the_instruments_fee(self) -> None:
        desk = desk_of(pod("alpha", slippage_bps=5), symbols=[{"symbol": "AAA", "fee_rate": 0.001}])
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.0}})
        assert equity(desk) == pytest.approx(1 - 0.0015)
        desk.cycle({"AAA": 100.0})
        assert equity(desk) == pytest.approx(1 - 2 * 0.0015)

    def test_count_the_contract_multiplier_and_the_conversion(self) -> None:
        """A point of a 50-fold contract in euros at 1.25 is 62.5 in dollars."""
        symbols = [{"symbol": "DAX", "contract_multiplier": 50, "currency": "EUR"}, "EURUSD"]
        own = pod("alpha", {"id": "alpha", "symbols": ["DAX"]})
        desk = desk_of(own, symbols=symbols, conversions={"EUR": "EURUSD"})
        desk.cycle({"DAX": 100.0, "EURUSD": 1.25}, {"alpha": {"DAX": 1.0}})
        desk.cycle({"DAX": (100.0, 110.0), "EURUSD": 1.25})
        assert desk.book().quantity[0] * 62.5 * 100 == pytest.approx(1.0)
        assert equity(desk) == pytest.approx(1.1)
        desk.cycle({"DAX": 110.0, "EURUSD": 1.5})
        assert equity(desk) == pytest.approx(1.1 * 1.2)

    def test_wait_for_a_conversion_that_is_not_there_yet(self) -> None:
        symbols = [{"symbol": "DAX", "currency": "EUR"}, "EURUSD"]
        own = pod("alpha", {"id": "alpha", "symbols": ["DAX"]})
        desk = desk_of(own, symbols=symbols, conversions={"EUR": "EURUSD"}, rebalance_band=0)
        desk.cycle({"DAX": 100.0}, {"alpha": {"DAX": 1.0}})
        desk.cycle({"DAX": 100.0})
        assert desk.book().wanted[0] == 0.0
        desk.cycle({"DAX": 100.0, "EURUSD": 1.25})
        assert desk.book().wanted[0] == pytest.approx(1 / 125)
        assert desk.ledger().units[0, 0] == pytest.approx(8000.0)

    def test_never_come_without_a_conversion(self) -> None:
        desk = desk_of(pod("alpha"), symbols=[{"symbol": "DAX", "currency": "EUR"}])
        desk.cycle({"DAX": 100.0}, {"alpha": {"DAX": 1.0}})
        desk.cycle({"DAX": 120.0})
        assert equity(desk) == 1.0
        assert desk.orders == []


class TestSizing:
    def test_defect_a_missing_1_over_n_gave_n_times_the_leverage(self) -> None:
        names = ["AAA", "BBB", "CCC", "DDD"]
        desk = desk_of(pod("alpha"), symbols=names)
        decision = desk.cycle(dict.fromkeys(names, 100.0), {"alpha": dict.fromkeys(names, 1.0)})
        assert weights(decision) == {("alpha", n): 0.25 for n in names}

    def test_n_counts_the_pods_assets_not_those_it_only_converts_with(self) -> None:
        own = pod("alpha", {"id": "alpha", "symbols": ["AAA"]})
        desk = desk_of(own, symbols=["AAA", "EURUSD"], conversions={"EUR": "EURUSD"})
        decision = desk.cycle({"AAA": 100.0, "EURUSD": 1.0}, {"alpha": {"AAA": 1.0}})
        assert weights(decision) == {("alpha", "AAA"): 1.0}

    def test_schedules_without_a_share_share_alike(self) -> None:
        desk = desk_of(pod("alpha", "one", "two"))
        assert weights(desk.cycle({"AAA": 100.0}, {"one": {"AAA": 1.0}})) == {("alpha", "AAA"): 0.5}

    def test_a_share_of_its_own_is_honoured(self) -> None:
        desk = desk_of(pod("alpha", {"id": "one", "share": 0.75}, {"id": "two", "share": 0.25}))
        assert weights(desk.cycle({"AAA": 100.0}, {"one": {"AAA": 1.0}})) == {("alpha", "AAA"): 0.75}

    def test_a_moving_price_alone_is_no_trade(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        for price in (100.0, 105.0, 112.0):
            desk.cycle({"AAA": price})
        assert desk.book().quantity[0] == 0.005

    def test_a_drift_beyond_the_band_is(self) -> None:
        """Half in the asset: at 130 it is 65 of 115, the ideal 57.5, and 13 % too much."""
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        desk.cycle({"AAA": 100.0})
        desk.cycle({"AAA": 130.0})
        assert desk.book().wanted[0] == pytest.approx(0.5 * 1.15 / 130)
        desk.cycle({"AAA": 130.0})
        assert desk.book().quantity[0] == pytest.approx(0.5 * 1.15 / 130)

    def test_a_band_of_zero_means_never(self) -> None:
        desk = desk_of(pod("alpha"), rebalance_band=0)
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        for price in (100.0, 200.0, 300.0):
            desk.cycle({"AAA": price})
        assert desk.book().quantity[0] == 0.005
        assert len(desk.orders) == 1


def daily(desk: Desk) -> list[float]:
    """The first pod's daily returns, as the portfolio heard of them."""
    found: list[float] = desk.portfolios[0]._capital.snapshot()["histories"][0]["returns"]
    return found


class TestDays:
    def test_roll_on_the_last_close_before_the_new_day(self) -> None:
        """A cycle that closes at midnight belongs to the day that ends."""
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0})
        desk.cycle({"AAA": 110.0}, hours=22)
        assert (desk.rows[-1].cycle - START) == 24 * HOUR
        assert daily(desk) == []
        desk.cycle({"AAA": 55.0})
        assert daily(desk) == [pytest.approx(0.1)]

    def test_a_gap_of_days_is_one_return(self) -> None:
        desk = desk_of(pod("alpha"), capital={"name": "inverse_volatility"})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": (100.0, 120.0)}, hours=23)
        desk.cycle({"AAA": 90.0}, hours=72)
        desk.cycle({"AAA": 90.0}, hours=24)
        assert daily(desk) == [pytest.approx(0.2), pytest.approx(-0.25)]


class TestWipedOut:
    def test_a_pod_without_equity_is_flat_and_says_so_once(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": -1.0}})
        desk.cycle({"AAA": 100.0})
        decision = desk.cycle({"AAA": 200.0})
        assert decision is not None and decision.clips is not None
        assert decision.clips.reason == ["POD_WIPED_OUT"]
        assert desk.book().weight.tolist() == [0.0]
        assert desk.cycle({"AAA": 200.0}).clips is None  # type: ignore[union-attr]
        assert desk.cycle({"AAA": 200.0}) is None
        assert desk.position("AAA") == 0.0


def test_a_pod_whose_schedules_are_all_off_does_not_stop_its_portfolio() -> None:
    off = pod("beta", {"id": "beta", "enabled": False})
    desk = desk_of(pod("alpha"), off)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    assert weights(decision) == {("alpha", "AAA"): 1.0}


def test_a_portfolio_without_any_schedule_on_still_closes_its_cycles() -> None:
    desk = Desk(plan_of(configuration(pod("alpha", {"id": "alpha", "enabled": False}))))
    assert desk.cycle({"AAA": 100.0}) is not None
    assert desk.portfolios[0]._cycle == START + HOUR
