"""Capital over pods: when fractions are computed anew, by which steps, and what operators can change (spec 6)."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from operators.allocate.capital import Capital
from operators.frames import Float64
from tests.operators.allocate.pods import WAVE
from tests.operators.desk import DAY, configuration, desk_of, plan_of, pod

NO_LIMIT = {"turnover": {"per_pod": None, "total": None}}
#: Days 1, 2, ... as the cycles that completed them.
DAYS = np.arange(1, 41) * DAY


def capital(pods: int = 2, **more: Any) -> Capital:
    given = {"capital_limits": NO_LIMIT, **more}
    return Capital(plan_of(configuration(*(pod(f"p{n}") for n in range(pods)), **given)), 0)


def live(given: Capital, *returns: Float64) -> Capital:
    """With so many daily returns for each pod."""
    for number, values in enumerate(returns):
        given.note_days(number, DAYS[: len(values)], values)
    return given


def step(trace: dict[str, Any] | None, name: str) -> dict[str, Any]:
    assert trace is not None
    found: dict[str, Any] = next(s for s in trace["steps"] if s["step"] == name)
    return found


class TestWhen:
    def test_first_of_all(self) -> None:
        given = capital(3)
        assert given.next_due() < 0
        trace = given.rebalance(5 * DAY, np.ones(3))
        assert trace is not None and trace["trigger"] == "first"
        assert given.fractions.tolist() == [0.333333333] * 3

    def test_after_the_interval(self) -> None:
        given = capital(rebalance={"skip_below": 0})
        given.rebalance(5 * DAY, np.ones(2))
        assert given.next_due() == 12 * DAY
        trace = given.rebalance(12 * DAY, np.ones(2))
        assert trace is not None and trace["trigger"] == "interval"

    def test_the_outermost_policy_that_recommends_an_interval_has_it(self) -> None:
        inner = {"name": "equal_weight", "rebalance_seconds": 60}
        given = capital(capital={"name": "smoothed", "base": inner})
        given.rebalance(0, np.ones(2))
        assert given.next_due() == 60 * 1_000_000_000
        given = capital(capital={"name": "smoothed", "base": inner, "rebalance_seconds": 30})
        given.rebalance(0, np.ones(2))
        assert given.next_due() == 30 * 1_000_000_000

    def test_is_skipped_below_2_percent_and_counts_as_made(self) -> None:
        given = capital(capital={"name": "inverse_volatility"})
        given.rebalance(DAY, np.ones(2))
        live(given, WAVE, 1.03 * WAVE)
        assert given.rebalance(8 * DAY, np.ones(2)) is None
        assert given.fractions.tolist() == [0.5, 0.5]
        assert given.next_due() == 15 * DAY
        live(given, np.empty(0), np.tile(3 * WAVE, 1))
        trace = given.rebalance(15 * DAY, np.ones(2))
        assert trace is not None and trace["turnover"] > 0.1

    def test_forced_passes_the_skip(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        given.force()
        assert given.next_due() < 0
        trace = given.rebalance(2 * DAY, np.ones(2))
        assert trace is not None and trace["trigger"] == "forced"
        assert given.next_due() == 9 * DAY

    def test_on_drift_of_more_than_a_tenth(self) -> None:
        given = capital()
        assert not given.drifted(np.array([9.0, 1.0])), "there is nothing to drift from before the first"
        given.rebalance(DAY, np.array([1.0, 1.0]))
        assert not given.drifted(np.array([1.5, 1.0])), "0.6 to 0.5 is not more than 0.1"
        assert given.drifted(np.array([1.51, 1.0]))

    def test_drift_counts_from_the_last_rebalance_and_with_the_cash_left_out(self) -> None:
        given = capital(capital={"name": "fixed_weight", "weights": {"p0": 0.4, "p1": 0.4}})
        given.rebalance(DAY, np.array([3.0, 1.0]))
        assert not given.drifted(np.array([3.0, 1.0]))
        assert given.drifted(np.array([6.0, 1.0]))

    def test_a_pod_without_equity_drifts_nothing(self) -> None:
        given = capital()
        given.rebalance(DAY, np.array([1.0, 0.0]))
        assert given.drifted(np.array([1.0, 0.0])), "its share is gone"
        assert not given.drifted(np.array([0.0, 0.0]))


class TestHistory:
    def test_days_before_the_first_position_do_not_count(self) -> None:
        given = capital(capital={"name": "inverse_volatility"})
        given.note_days(0, DAYS, np.zeros(40))
        given.note_days(0, DAYS[:3], np.array([0.0, 0.01, 0.0]))
        assert given.snapshot()["histories"][0]["returns"] == [0.01, 0.0]
        assert given.snapshot()["histories"][0]["live_days"] == 2

    def test_keeps_no_more_than_any_lookback_and_remembers_peaks(self) -> None:
        given = capital()
        given.note_days(0, np.arange(1, 601) * DAY, np.concatenate([[1.0], np.full(599, 1e-6)]))
        history = given.snapshot()["histories"][0]
        assert len(history["returns"]) == len(history["days"]) == 512
        assert history["live_days"] == 600
        assert history["equity"][1] > 2.0


class TestSteps:
    def test_they_stand_in_the_trace_in_their_order(self) -> None:
        trace = capital().rebalance(DAY, np.ones(2), np.array([0.5, 0.0]))
        assert trace is not None
        assert [s["step"] for s in trace["steps"]] == [
            "raw", "lifecycle", "bounds", "turnover", "governor", "regime", "hrp", "cvar", "leverage"
        ]  # fmt: skip
        assert step(trace, "hrp")["scale"] == step(trace, "cvar")["scale"] == 1.0
        assert step(trace, "leverage")["pods"] == {"p0": {"used": 0.5, "limit": 1.0}, "p1": {"used": 0.0, "limit": 1.0}}

    def test_the_policys_reasons_are_nested_in_it(self) -> None:
        blend = {"name": "blended", "label": "mix", "components": [{"policy": "equal_weight", "label": "even"}]}
        trace = capital(capital=blend).rebalance(DAY, np.ones(2))
        assert trace is not None
        assert (trace["policy"], trace["label"]) == ("blended", "mix")
        assert trace["why"]["parts"]["0:even"]["weights"] == {"p0": 0.5, "p1": 0.5}

    @pytest.mark.parametrize(
        ("state", "raw", "clamped"),
        [
            (None, 0.8, 0.8),
            ("INCUBATION", 0.8, 0.1),
            ("INCUBATION", 0.04, 0.04),
            ("PRODUCTION", 0.8, 0.4),
            ("PRODUCTION", 0.0, 0.02),
            ("WARNING", 0.8, 0.4),
            ("PROBATION", 0.8, 0.02),
            ("PROBATION", 0.01, 0.01),
            ("RETIRED", 0.8, 0.0),
        ],
    )
    def test_lifecycle_clamps(self, state: str | None, raw: float, clamped: float) -> None:
        given = capital(capital={"name": "fixed_weight", "weights": {"p0": raw, "p1": 0.2}})
        given.note_states([state, None])
        trace = given.rebalance(DAY, np.ones(2))
        assert step(trace, "lifecycle")["weights"]["p0"] == pytest.approx(clamped)
        assert step(trace, "lifecycle")["states"] == {"p0": state, "p1": None}
        assert given.fractions[0] == pytest.approx(clamped), "and no later step gives it back"

    def test_clamps_scale_a_sum_above_one_down_and_none_up(self) -> None:
        limits = {**NO_LIMIT, "lifecycle": {"production_min": 0.6, "production_max": 0.7}}
        given = capital(capital_limits=limits)
        given.note_states(["PRODUCTION", "PRODUCTION"])
        given.rebalance(DAY, np.ones(2))
        assert given.fractions.tolist() == [0.5, 0.5]
        given = capital()
        given.note_states(["INCUBATION", "INCUBATION"])
        given.rebalance(DAY, np.ones(2))
        assert given.fractions.tolist() == [0.1, 0.1]

    def test_bounds_share_out_what_a_cap_takes_by_the_proportional_form(self) -> None:
        fixed = {"name": "fixed_weight", "weights": {"p0": 0.7, "p1": 0.2, "p2": 0.1}}
        given = capital(3, capital=fixed, capital_limits={**NO_LIMIT, "pods": {"p0": {"max": 0.5}}})
        given.rebalance(DAY, np.ones(3))
        assert given.fractions == pytest.approx([0.5, 1 / 3, 1 / 6], abs=1e-9)

    def test_a_retired_pod_takes_no_part(self) -> None:
        given = capital(3)
        given.note_states([None, "RETIRED", None])
        given.rebalance(DAY, np.ones(3))
        assert given.fractions.tolist() == [0.5, 0.0, 0.5]

    def test_when_all_are_retired_everything_is_cash(self) -> None:
        given = capital()
        given.note_states(["RETIRED", "RETIRED"])
        given.rebalance(DAY, np.ones(2))
        assert given.fractions.tolist() == [0.0, 0.0]


class TestTurnover:
    def moved(self, **limits: Any) -> Capital:
        given = capital(capital={"name": "inverse_volatility"}, capital_limits={"turnover": limits})
        given.rebalance(DAY, np.ones(2))
        live(given, WAVE, 9 * WAVE)
        given.rebalance(8 * DAY, np.ones(2))
        return given

    def test_a_pod_moves_by_at_most_a_tenth(self) -> None:
        """From half and half towards 0.9 and 0.1."""
        assert self.moved().fractions == pytest.approx([0.6, 0.4])

    def test_all_together_move_by_at_most_the_total(self) -> None:
        assert self.moved(per_pod=None, total=0.05).fractions == pytest.approx([0.55, 0.45])

    def test_null_switches_a_limit_off(self) -> None:
        assert self.moved(per_pod=None, total=None).fractions == pytest.approx([0.9, 0.1])

    def test_the_first_allocation_passes(self) -> None:
        given = capital(capital_limits={})
        given.rebalance(DAY, np.ones(2))
        assert given.fractions.tolist() == [0.5, 0.5]

    def test_a_retirement_passes_and_is_acted_on_at_once(self) -> None:
        given = capital(3, capital_limits={})
        given.rebalance(DAY, np.ones(3))
        given.note_states([None, None, "RETIRED"])
        assert given.next_due() < 0
        trace = given.rebalance(2 * DAY, np.ones(3))
        assert trace is not None and trace["trigger"] == "retirement"
        assert given.fractions == pytest.approx([1 / 3 + 0.1, 1 / 3 + 0.1, 0.0], abs=1e-8)

    def test_a_retirement_passes_the_skip_however_small(self) -> None:
        fixed = {"name": "fixed_weight", "weights": {"p0": 0.5, "p1": 0.001}}
        given = capital(capital=fixed)
        given.rebalance(DAY, np.ones(2))
        given.note_states([None, "RETIRED"])
        assert given.rebalance(2 * DAY, np.ones(2)) is not None
        assert given.fractions.tolist() == [0.5, 0.0]


class TestGovernor:
    def test_capital_at_work_falls_to_the_volatility_target_and_never_rises(self) -> None:
        daily = float(WAVE.std(ddof=0))
        for target, expected in ((0.5 * daily * np.sqrt(365), 0.5), (9.0, 1.0)):
            given = capital(1, capital_limits={**NO_LIMIT, "target_volatility": target})
            live(given, WAVE)
            trace = given.rebalance(DAY, np.ones(1))
            assert given.fractions == pytest.approx([expected], abs=1e-6)
            assert step(trace, "governor")["scale"] == pytest.approx(expected)

    def test_it_is_applied_once(self) -> None:
        given = capital(1, capital_limits={**NO_LIMIT, "target_volatility": 0.05}, rebalance={"skip_below": 0})
        live(given, WAVE)
        given.rebalance(DAY, np.ones(1))
        first = given.fractions.copy()
        given.rebalance(8 * DAY, np.ones(1))
        assert given.fractions == pytest.approx(first)


class TestAtRunTime:
    def test_a_policy_can_be_swapped(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        given.swap({"name": "fixed_weight", "weights": {"p0": 0.9}})
        trace = given.rebalance(2 * DAY, np.ones(2))
        assert trace is not None and (trace["policy"], trace["trigger"]) == ("fixed_weight", "forced")
        assert given.fractions.tolist() == [0.9, 0.0]

    def test_a_swap_can_wait_for_the_next_rebalance_and_take_its_interval(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        policy = {"name": "fixed_weight", "weights": {"p0": 0.9}, "rebalance_seconds": 3 * 86_400}
        given.swap(policy, rebalance=False)
        assert given.next_due() == 8 * DAY
        given.swap(policy, rebalance=False, adopt_interval=True)
        assert given.next_due() == 4 * DAY

    @pytest.mark.parametrize(
        ("document", "fault"),
        [
            ("astrology", "equal_weight"),
            ({"name": "fixed_weight", "weights": {"nobody": 0.5}}, "unknown pods: nobody"),
            ({"name": "fixed_weight", "weights": {"p0": 0.9, "p1": 0.9}}, "at most 1"),
            ({"name": "smoothed", "alpha": 2}, "alpha"),
            (7, "capital"),
        ],
    )
    def test_what_is_no_policy_changes_nothing(self, document: Any, fault: str) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        before = pickle.dumps(given.snapshot())
        with pytest.raises(ValueError, match=fault):
            given.swap(document)
        assert pickle.dumps(given.snapshot()) == before

    def test_the_next_one_can_be_left_out(self) -> None:
        given = capital(rebalance={"skip_below": 0})
        given.rebalance(DAY, np.ones(2))
        given.skip_next()
        assert given.rebalance(8 * DAY, np.ones(2)) is None
        assert given.rebalance(15 * DAY, np.ones(2)) is not None

    def test_a_forced_one_is_not_left_out(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        given.skip_next()
        given.force()
        assert given.rebalance(2 * DAY, np.ones(2)) is not None

    def test_the_interval_can_be_set(self) -> None:
        given = capital()
        given.rebalance(DAY, np.ones(2))
        given.set_interval(86_400)
        assert given.next_due() == 2 * DAY
        for wrong in (0, -1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="more than 0"):
                given.set_interval(wrong)

    def test_all_of_it_goes_on_from_a_snapshot(self) -> None:
        smooth = {"name": "smoothed", "base": "inverse_volatility"}
        given = live(capital(regime={}), WAVE, 3 * WAVE)
        given.swap(smooth)
        given.rebalance(DAY, np.ones(2))
        given.note_regime({"label": "calm", "fragility": "stress"}, DAY)
        given.set_interval(86_400)
        given.skip_next()
        given.note_states(["WARNING", None])
        again = capital(regime={})
        again.restore(pickle.loads(pickle.dumps(given.snapshot())))
        for cycle in (2, 3, 4):
            one, other = (c.rebalance(cycle * DAY, np.ones(2)) for c in (given, again))
            assert one == other
        assert given.fractions.tolist() == again.fractions.tolist()


class TestInThePortfolio:
    def test_a_drift_seen_at_a_days_end_rebalances(self) -> None:
        fixed = {"name": "fixed_weight", "weights": {"alpha": 0.5, "beta": 0.5}}
        desk = desk_of(pod("alpha"), pod("beta"), capital=fixed, rebalance={"skip_below": 0})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": -0.5}})
        desk.cycle({"AAA": 100.0})
        desk.cycle({"AAA": 150.0}, hours=20)
        decision = desk.cycle({"AAA": 150.0}, hours=4)
        assert decision is not None and decision.capital is not None
        assert decision.capital["trigger"] == "drift"

    def test_new_fractions_move_targets_and_orders_in_their_cycle(self) -> None:
        desk = desk_of(
            pod("alpha"), pod("beta"), capital={"name": "inverse_volatility"}, rebalance_band=0, capital_limits=NO_LIMIT
        )
        rng = np.random.default_rng(5)
        price = 100.0
        desk.cycle({"AAA": price}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 0.25}})
        seen = []
        for _ in range(28):
            price *= float(np.exp(rng.normal(0, 0.02)))
            seen.append(desk.cycle({"AAA": round(price, 2)}, hours=24))
        made = [d for d in seen if d is not None and d.capital is not None]
        assert [d.capital["raw"] for d in made if d.capital] == [made[0].capital["raw"]]  # type: ignore[index]
        assert made[0].capital["raw"]["alpha"] == pytest.approx(0.2, abs=0.02)  # type: ignore[index]
        assert made[0].targets is not None and made[0].orders is not None

    def test_signals_are_the_standing_intents_however_the_log_is_cut(self) -> None:
        desk = desk_of(
            pod("alpha"), pod("beta"), capital={"name": "signal_strength", "floor": 0},
            rebalance={"interval_seconds": 7200, "skip_below": 0}, capital_limits=NO_LIMIT, symbols=["AAA", "BBB"],
        )  # fmt: skip
        prices = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(prices, {"alpha": {"AAA": (1.0, 0.5)}, "beta": {"AAA": (-0.5, 0.0), "BBB": (0.25, 1.0)}})
        desk.cycle(prices, {"beta": {"AAA": (0.25, 1.0)}})
        desk.cycle(prices, {"alpha": {"AAA": 0.0}})
        desk.cycle(prices)
        desk.cycle(prices)
        raw = [d.capital["raw"] for d in desk.decisions() if d.capital is not None]
        # 1 x 1.5 beside 0.75 x 1.5 at first; then beta alone has signals.
        assert raw == [
            {"alpha": pytest.approx(1.5 / 2.625), "beta": pytest.approx(1.125 / 2.625)},
            {"alpha": 0.0, "beta": 1.0},
            {"alpha": 0.0, "beta": 1.0},
        ]
        whole = desk.replayed().bodies
        assert desk.replayed(cuts=(1, 3), snapshots=True).bodies == whole == desk.bodies
