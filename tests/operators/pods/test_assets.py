"""Selector and allocator inside the pod: bars, suppression, asset weights, cuts, snapshots (spec 5)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.pods.selector import COOLDOWN
from schemas.configuration.load import ConfigurationError
from schemas.decision import DecisionBody
from tests.operators.desk import Desk, clips, configuration, desk_of, plan_of, pod, quantities, weights

#: Windows short enough to follow by hand.
SHORT = {
    "min_bars": 2, "sharpe_bars": 3, "return_bars": 3, "drawdown_bars": 3, "low_bars": 2, "cooldown_bars": 3,
}  # fmt: skip
#: No asset leaves at once by a hard exit.
CALM = {**SHORT, "hard_sharpe": -1e9}


def transitions(decision: DecisionBody | None) -> list[tuple[str, str, str, str]]:
    """(subject, before, after, reason) of a decision's transitions."""
    rows = (decision.transitions or []) if decision is not None else []
    return [(t["subject"], t["before"], t["after"], t["reason"]) for t in rows]


def walk(desk: Desk, changes: dict[str, list[float]]) -> list[DecisionBody | None]:
    """Plays hourly closes from the percentage changes of each symbol, from 100 each."""
    prices = dict.fromkeys(changes, 100.0)
    decisions = []
    for row in zip(*changes.values(), strict=True):
        for symbol, change in zip(changes, row, strict=True):
            prices[symbol] *= 1.0 + change / 100.0
        decisions.append(desk.cycle(dict(prices)))
    return decisions


def opened(*own: dict[str, Any], **more: Any) -> Desk:
    """A desk whose pod is long both of its assets before the first change of price."""
    desk = desk_of(*own, symbols=["AAA", "BBB"], rebalance_band=0, **more)
    desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"alpha": {"AAA": 1.0, "BBB": 1.0}})
    return desk


class TestSelector:
    def test_the_worst_asset_ramps_out_and_its_position_goes_flat(self) -> None:
        desk = opened(pod("alpha", selector=CALM))
        decisions = walk(desk, {"AAA": [1.0, 2.0] * 4, "BBB": [-1.0, -2.0] * 4})
        found = [t for d in decisions for t in transitions(d)]
        assert found == [
            ("asset:alpha:BBB", "ACTIVE", "UNDERPERFORMING", "SELECTOR_LOW_SCORE"),
            ("asset:alpha:BBB", "UNDERPERFORMING", "COOLDOWN", "SELECTOR_RAMPED_OUT"),
        ]
        steps = [w for d in decisions for (_, s), w in weights(d).items() if s == "BBB"]
        assert steps == pytest.approx([0.5 * 2 / 3, 0.5 / 3, 0.0])
        assert desk.position("BBB") == 0.0
        assert desk.position("AAA") > 0.0

    def test_every_cut_and_transition_says_why(self) -> None:
        desk = opened(pod("alpha", selector=CALM))
        decisions = walk(desk, {"AAA": [1.0, 2.0] * 4, "BBB": [-1.0, -2.0] * 4})
        cuts = [c for d in decisions for c in clips(d) if c[0] == "SELECTOR_CUT"]
        assert cuts == [("SELECTOR_CUT", "BBB", 0.5, pytest.approx(0.5 * n / 3, abs=1e-9)) for n in (2, 1, 0)]
        evidence = next(t["evidence"] for d in decisions if d is not None for t in d.transitions or [])
        assert evidence["score"] == 0.0
        assert evidence["sharpe"] < 0 < evidence["drawdown"]
        assert set(evidence) == {"cooldown_cycles", "drawdown", "multiplier", "return", "score", "sharpe"}

    def test_a_single_asset_is_never_judged_by_peers(self) -> None:
        desk = desk_of(pod("alpha", selector=CALM))
        assert not [t for d in walk(desk, {"AAA": [-1.0, -2.0] * 10}) for t in transitions(d)]

    def test_it_is_off_by_default(self) -> None:
        desk = opened(pod("alpha"))
        assert not [t for d in walk(desk, {"AAA": [1.0, 2.0] * 9, "BBB": [-3.0, -2.0] * 9}) for t in transitions(d)]

    def test_a_bare_off_and_on_in_yaml_are_understood(self) -> None:
        own = pod("alpha", selector=False, lifecycle=False)
        assert plan_of(configuration(own)).portfolios[0].configuration.pods[0].selector == "off"
        judged = plan_of(configuration(pod("alpha", selector=True, lifecycle=True))).portfolios[0].configuration.pods[0]
        assert judged.selector != "off" and judged.lifecycle != "off"

    def test_defect_it_was_evaluated_per_message_and_not_per_bar(self) -> None:
        """Daily bars over hourly cycles: a fall of the price every hour is one bar a day."""
        own = pod("alpha", {"id": "alpha", "interval": "1d"}, selector=CALM)
        desk = opened(own)
        falls = {"AAA": [0.1] * 47, "BBB": [-0.1] * 47}
        assert not [t for d in walk(desk, falls) for t in transitions(d)]
        bars = desk.pods[0]._assets._bars
        assert bars.seen.tolist() == [1, 1]
        assert bars.returns[0].tolist() == pytest.approx([(1.001**24 - 1), (0.999**24 - 1)], rel=1e-6)

    def test_a_bar_whose_border_brought_no_price_closes_at_the_last_one_before(self) -> None:
        desk = desk_of(pod("alpha", {"id": "alpha", "interval": "2h"}, selector=CALM))
        for price in (100.0, 101.0, 110.0, None, 121.0, 150.0):
            desk.cycle({} if price is None else {"AAA": price})
        bars = desk.pods[0]._assets._bars
        assert bars.returns[: bars.seen[0], 0].tolist() == pytest.approx([110 / 101 - 1, 150 / 110 - 1])


#: An asset that falls by more than 5 % is excluded for good.
HARD = {**SHORT, "absolute_max_drawdown": 0.05, "max_cooldown_cycles": 1}


class TestAllExcluded:
    def excluded(self) -> tuple[Desk, list[DecisionBody | None]]:
        desk = opened(pod("alpha", selector=HARD))
        return desk, walk(desk, {"AAA": [1.0, -8.0, -1.0, 0.5, 1.0], "BBB": [-1.0, -9.0, -2.0, 0.25, 1.0]})

    def test_it_emits_no_new_risk_and_says_so(self) -> None:
        desk, decisions = self.excluded()
        found = [t for d in decisions for t in transitions(d)]
        assert ("signals:alpha", "EMITTING", "SUPPRESSED", "SELECTOR_ALL_EXCLUDED") in found
        decision = desk.cycle({"AAA": 95.0, "BBB": 92.0}, {"alpha": {"AAA": 1.0, "BBB": -1.0}})
        assert quantities(decision) == {}
        assert [c[0] for c in clips(decision)] == ["SELECTOR_CUT", "SELECTOR_CUT"]

    def test_defect_stale_targets_were_left_behind(self) -> None:
        desk, _ = self.excluded()
        assert (desk.position("AAA"), desk.position("BBB")) == (0.0, 0.0)
        assert desk.ledger().units.tolist() == [[0.0, 0.0]]
        assert desk.book().quantity.tolist() == [0.0, 0.0]

    def test_its_state_goes_on(self) -> None:
        desk, _ = self.excluded()
        before = desk.pods[0]._assets._bars.seen.tolist()
        desk.cycle({"AAA": 95.0, "BBB": 92.0})
        assert desk.pods[0]._assets._bars.seen.tolist() == [n + 1 for n in before]

    def test_an_asset_that_returns_lets_the_pod_emit_again(self) -> None:
        desk = opened(pod("alpha", selector={**SHORT, "absolute_max_drawdown": 0.05}))
        falls = {"AAA": [1.0, -8.0, -1.0], "BBB": [-1.0, -9.0, -2.0]}
        walk(desk, falls)
        assert set(desk.pods[0]._assets._selection.state.tolist()) == {COOLDOWN}
        decisions = walk(desk, {"AAA": [1.0, 2.0] * 4, "BBB": [1.0, 1.5] * 4})
        found = [t for d in decisions for t in transitions(d)]
        assert ("signals:alpha", "SUPPRESSED", "EMITTING", "SELECTOR_RESUMED") in found
        assert desk.position("AAA") > 0.0


def allocated(method: str, **more: Any) -> dict[str, Any]:
    bounds = {"min_weight": 0.05, "max_weight": 0.95, "min_bars": 2, "every_bars": 2, "lookback_bars": 4}
    return pod("alpha", asset_allocator={"method": method, **bounds, **more})


class TestAllocator:
    def test_equal_is_the_default_and_needs_no_bounds(self) -> None:
        assert weights(opened(pod("alpha")).decisions()[0]) == {("alpha", "AAA"): 0.5, ("alpha", "BBB"): 0.5}

    def test_inverse_volatility_takes_standing_targets_with_it(self) -> None:
        desk = opened(allocated("inverse_volatility"))
        decisions = walk(desk, {"AAA": [1.0, -1.0, 1.0], "BBB": [3.0, -3.0, 3.0]})
        assert weights(decisions[2]) == {
            ("alpha", "AAA"): pytest.approx(0.75, abs=2e-3), ("alpha", "BBB"): pytest.approx(0.25, abs=2e-3),
        }  # fmt: skip
        assert sum(weights(decisions[2]).values()) == pytest.approx(1.0)

    def test_it_acts_every_few_bars_only(self) -> None:
        desk = opened(allocated("inverse_volatility", every_bars=5))
        decisions = walk(desk, {"AAA": [1.0, -1.0, 1.0, -1.0, 2.0, 1.0], "BBB": [3.0, -3.0, 3.0, -3.0, 1.0, 1.0]})
        assert [bool(weights(d)) for d in decisions] == [False, False, False, True, False, False]

    def test_risk_parity_of_two_assets_is_inverse_volatility(self) -> None:
        moves = {"AAA": [1.0, -2.0, 3.0], "BBB": [2.0, 1.0, -3.0]}
        found = []
        for method in ("inverse_volatility", "risk_parity"):
            found.append(weights(walk(opened(allocated(method)), moves)[2]))
        assert found[0] == {k: pytest.approx(w, abs=1e-8) for k, w in found[1].items()}

    def test_an_asset_of_unknown_volatility_gets_its_even_part(self) -> None:
        own = allocated("inverse_volatility")
        desk = desk_of(own, symbols=["AAA", "BBB", "CCC"], rebalance_band=0)
        for prices in ({"AAA": 100.0, "BBB": 100.0}, {"AAA": 101.0, "BBB": 103.0}, {"AAA": 100.0, "BBB": 100.0}):
            desk.cycle(prices)
        decision = desk.cycle({"AAA": 101.0, "BBB": 103.0, "CCC": 50.0}, {"alpha": {"CCC": 1.0}})
        assert weights(decision) == {("alpha", "CCC"): pytest.approx(1 / 3)}

    def test_defect_signal_weighted_looked_at_the_current_symbol_alone(self) -> None:
        """BBB's signal is old, and still counts: three to one."""
        desk = desk_of(allocated("signal_weighted"), symbols=["AAA", "BBB"], rebalance_band=0)
        desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"alpha": {"BBB": -0.25}})
        decision = desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"alpha": {"AAA": 0.75}})
        assert weights(decision) == {("alpha", "AAA"): 0.75 * 0.75, ("alpha", "BBB"): -0.25 * 0.25}

    def test_without_any_signal_weights_are_even(self) -> None:
        desk = desk_of(allocated("signal_weighted"), symbols=["AAA", "BBB"])
        desk.cycle({"AAA": 100.0, "BBB": 100.0})
        desk.cycle({"AAA": 100.0, "BBB": 100.0})
        assert desk.pods[0]._assets.factors.tilt.tolist() == [1.0, 1.0]

    def test_bounds_hold_by_the_proportional_form(self) -> None:
        own = allocated("signal_weighted", min_weight=0.2, max_weight=0.5)
        desk = desk_of(own, symbols=["AAA", "BBB", "CCC"], rebalance_band=0)
        names = ["AAA", "BBB", "CCC"]
        desk.cycle(dict.fromkeys(names, 100.0))
        decision = desk.cycle(dict.fromkeys(names, 100.0), {"alpha": {"AAA": 1.0, "BBB": 0.3, "CCC": 0.1}})
        # c = 1: the unclamped one keeps its ratio, 0.5 + 0.3 + 0.2 = 1
        assert weights(decision) == {
            ("alpha", "AAA"): 0.5, ("alpha", "BBB"): pytest.approx(0.3 * 0.3), ("alpha", "CCC"): pytest.approx(0.02),
        }  # fmt: skip

    def test_infeasible_bounds_are_a_configuration_error_beside_the_others(self) -> None:
        own = [
            pod("few", {"id": "few", "symbols": ["AAA"]}, asset_allocator={"method": "risk_parity"}),
            pod("many", {"id": "many"}, asset_allocator={"method": "risk_parity", "min_weight": 0.5}),
            pod("fine", asset_allocator={"method": "equal", "min_weight": 0.5}),
        ]
        with pytest.raises(ConfigurationError) as error:
            plan_of(configuration(*own, symbols=["AAA", "BBB", "CCC"]))
        assert error.value.problems == [
            "pods.few.asset_allocator: 1 assets of at most 0.6 sum to less than 1: set max_weight >= 1",
            "pods.many.asset_allocator: 3 assets of at least 0.5 sum to more than 1: set min_weight <= 0.333333",
        ]

    def test_weight_and_multiplier_both_scale_a_strength(self) -> None:
        own = {**allocated("signal_weighted"), "selector": CALM}
        desk = opened(own)
        decisions = walk(desk, {"AAA": [1.0, 2.0] * 2, "BBB": [-1.0, -2.0] * 2})
        assert weights(decisions[-1])["alpha", "BBB"] == pytest.approx(0.5 * 2 / 3)


def eventful() -> Desk:
    """Two pods with everything on over a market that moves, long enough for every kind of transition."""
    everything = {**allocated("risk_parity"), "selector": {**SHORT, "absolute_max_drawdown": 0.045}}
    other = {
        **pod("beta", selector=CALM, asset_allocator={"method": "signal_weighted", "max_weight": 0.9}),
        "schedules": [{"id": "beta", "strategy": "sma_cross", "interval": "2h"}],
    }
    desk = desk_of(everything, other, symbols=["AAA", "BBB", "CCC"])
    prices = {"AAA": 100.0, "BBB": 50.0, "CCC": 20.0}
    for n in range(90):
        for k, symbol in enumerate(prices):
            prices[symbol] *= 1.0 + 0.02 * math.sin(0.9 * n + 2.1 * k) - 0.004 * (k == n // 30)
        seen = {s: p for k, (s, p) in enumerate(prices.items()) if (n + k) % 11}
        wants = {}
        if n % 7 == 0:
            wants["alpha"] = {s: math.cos(n + ord(s[0])) for s in seen}
        if n % 9 == 0:
            wants["beta"] = {s: math.sin(n * ord(s[0])) for s in seen}
        desk.cycle(seen, wants)
    return desk


@pytest.fixture(scope="module")
def lived() -> Desk:
    return eventful()


def test_the_eventful_market_is_eventful(lived: Desk) -> None:
    found = {t[3] for d in lived.decisions() for t in transitions(d)}
    assert {"SELECTOR_LOW_SCORE", "SELECTOR_GOOD_SCORE", "SELECTOR_RAMPED_UP", "SELECTOR_ABSOLUTE_EXIT"} <= found


@settings(max_examples=8, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(1, 89), max_size=6), snapshots=st.booleans())
def test_results_do_not_depend_on_cuts_or_restarts(lived: Desk, cuts: list[int], snapshots: bool) -> None:
    again = lived.replayed(cuts, snapshots)
    assert again.bodies == lived.bodies
    assert again.orders == lived.orders
