"""Portfolio weights to units: layer 3, held units, the band (spec 1 "Sizing chain", 6 "Leverage")."""

from __future__ import annotations

import numpy as np
import pytest

from tests.operators.desk import clips, desk_of, pod, quantities

TWO = ["AAA", "BBB"]
SAME = {"AAA": 100.0, "BBB": 100.0}
A = {"id": "a", "symbols": ["AAA"]}
B = {"id": "b", "symbols": ["BBB"]}


def test_target_units_are_notional_over_price_multiplier_and_conversion() -> None:
    symbols = [{"symbol": "DAX", "contract_multiplier": 50, "currency": "EUR"}, "EURUSD"]
    own = pod("alpha", {"id": "alpha", "symbols": ["DAX"]})
    desk = desk_of(own, symbols=symbols, conversions={"EUR": "EURUSD"})
    decision = desk.cycle({"DAX": 100.0, "EURUSD": 1.25}, {"alpha": {"DAX": 0.5}})
    assert quantities(decision) == {"DAX": [80.0]}, "500,000 / (100 x 50 x 1.25)"


def test_portfolio_weight_is_the_sum_over_pods_of_fraction_times_pod_weight() -> None:
    fixed = {"name": "fixed_weight", "weights": {"alpha": 0.6, "beta": 0.3}}
    desk = desk_of(pod("alpha"), pod("beta"), capital=fixed)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": -0.5}})
    assert quantities(decision) == {"AAA": [4500.0]}, "0.6 - 0.15"


class TestLayer3:
    def test_counts_nets_so_offsetting_pods_do_not_bind_it(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"), max_gross_leverage=0.1)
        decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": -0.9}})
        assert clips(decision) == []
        assert quantities(decision) == {"AAA": [500.0]}

    def test_scales_what_changes_and_what_must_fall(self) -> None:
        desk = desk_of(pod("alpha", A), pod("beta", B), symbols=TWO, max_gross_leverage=0.8)
        first = desk.cycle(SAME, {"a": {"AAA": 1.0}})
        assert quantities(first) == {"AAA": [5000.0]}
        desk.cycle(SAME)
        second = desk.cycle(SAME, {"b": {"BBB": 1.0}})
        assert quantities(second) == {"AAA": [-1000.0], "BBB": [4000.0]}
        assert sorted(clips(second)) == [
            ("LEVERAGE_PORTFOLIO_GROSS", "AAA", 0.5, 0.4),
            ("LEVERAGE_PORTFOLIO_GROSS", "BBB", 0.5, 0.4),
        ]

    def test_a_cap_that_binds_never_trades_the_rest_up(self) -> None:
        """When BBB leaves, AAA could go back to 0.5: nobody asked for it, so it holds 0.4."""
        desk = desk_of(pod("alpha", A), pod("beta", B), symbols=TWO, max_gross_leverage=0.8)
        desk.cycle(SAME, {"a": {"AAA": 1.0}, "b": {"BBB": 1.0}})
        desk.cycle(SAME)
        assert quantities(desk.cycle(SAME, {"b": {"BBB": 0.0}})) == {"BBB": [-4000.0]}
        assert quantities(desk.cycle(SAME)) == {}
        assert desk.position("AAA") == 4000.0

    def test_what_a_freeze_holds_leaves_the_others_the_room_that_remains(self) -> None:
        desk = desk_of(pod("alpha", A), pod("beta", B), symbols=TWO, max_gross_leverage=0.8)
        desk.cycle(SAME, {"a": {"AAA": 1.0}})
        desk.cycle(SAME)
        desk.command("kill", "pod", "alpha")
        decision = desk.cycle(SAME, {"b": {"BBB": 1.0}})
        assert quantities(decision) == {"BBB": [3000.0]}


class TestHeldUnits:
    def test_a_moving_price_alone_is_no_order(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        for price in (100.0, 104.0, 96.0, 112.0):
            assert quantities(desk.cycle({"AAA": price})) == {}

    def test_a_drift_beyond_the_band_is(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        desk.cycle({"AAA": 100.0})
        decision = desk.cycle({"AAA": 130.0})
        # 0.5 x 1,150,000 / 130 = 4423.08 of the 5000 that are held.
        assert quantities(decision) == {"AAA": [-576.92]}
        assert decision is not None and decision.targets is not None
        assert decision.targets.units == [pytest.approx(575_000 / 130)]

    def test_drift_is_measured_at_fresh_prices_only(self) -> None:
        desk = desk_of(pod("alpha"), symbols=TWO)
        desk.cycle(SAME, {"alpha": {"AAA": 1.0, "BBB": 1.0}})
        desk.cycle(SAME)
        assert set(quantities(desk.cycle({"BBB": 200.0}))) == {"BBB"}

    def test_without_equity_everything_goes_flat(self) -> None:
        desk = desk_of(pod("alpha", max_leverage=3), max_gross_leverage=3)
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": -1.0}})
        desk.cycle({"AAA": 100.0})
        desk.cycle({"AAA": 250.0})
        desk.cycle({"AAA": 250.0})
        assert desk.position("AAA") == 0.0
        assert not np.isnan(desk.ledger().scalars).any()
