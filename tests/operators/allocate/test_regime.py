"""Regime and fragility from the overlay topic: how much room they leave, and that it is applied once (spec 6)."""

from __future__ import annotations

from typing import Any

import pytest

from operators.allocate.regime import RegimeState
from operators.frames import BEGINNING
from schemas.configuration.capital_limits import Regime
from schemas.decision import DecisionBody
from tests.operators.desk import HOUR, Desk, desk_of, pod, quantities, reasons

RULES = {"multipliers": {"bull": 1.2, "bear": 0.5}, "default": 0.9}


def state(**more: Any) -> RegimeState:
    return RegimeState(Regime.model_validate({**RULES, **more}))


def room_after(body: dict[str, Any], **more: Any) -> Any:
    given = state(**more)
    assert given.note(body, 0) is None
    return given.room(0)


class TestRoom:
    def test_without_a_configuration_all_is_neutral(self) -> None:
        neutral = RegimeState(None)
        neutral.note({"label": "bear", "fragility": "crisis"}, 0)
        room = neutral.room(0)
        assert (room.multiplier, room.budget, room.capacity, room.crisis) == (1.0, 1.0, 1.0, False)

    def test_before_the_first_update_the_state_is_elevated(self) -> None:
        room = state().room(BEGINNING)
        assert (room.state, room.multiplier, room.budget, room.capacity) == ("elevated", 0.9, 0.85, 0.8)

    @pytest.mark.parametrize(
        ("fragility", "budget", "capacity", "participation"),
        [
            ("normal", 1, 1, 0.10),
            ("elevated", 0.85, 0.8, 0.08),
            ("stress", 0.55, 0.5, 0.04),
            ("crisis", 0.25, 0.2, 0.02),
        ],
    )
    def test_fragility(self, fragility: str, budget: float, capacity: float, participation: float) -> None:
        room = room_after({"label": "bull", "posterior": 0.9, "fragility": fragility})
        assert (room.budget, room.capacity, room.participation) == (budget, capacity, participation)
        assert room.crisis == (fragility == "crisis")
        assert room.multiplier == 1.2

    def test_an_unknown_state_is_elevated_and_an_unknown_label_the_default(self) -> None:
        room = room_after({"label": "sideways", "fragility": "splendid"})
        assert (room.state, room.multiplier) == ("elevated", 0.9)
        assert room_after({"label": "bull"}).state == "elevated"

    def test_a_low_posterior_counts_for_less(self) -> None:
        assert room_after({"label": "bull", "posterior": 0.59}).multiplier == pytest.approx(0.84)
        assert room_after({"label": "bull", "posterior": 0.60}).multiplier == 1.2

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        rules = {"multipliers": {"bear": 0.0}, "low_posterior_factor": 0.0}
        assert room_after({"label": "bear"}, **rules).multiplier == 0.0
        assert room_after({"label": "other", "posterior": 0.0}, **rules).multiplier == 0.0

    def test_an_old_update_says_nothing_good_any_more(self) -> None:
        given = state(max_age_seconds=3600)
        given.note({"label": "bull", "fragility": "normal"}, 0)
        assert given.room(HOUR).multiplier == 1.2
        stale = given.room(HOUR + 1)
        assert (stale.state, stale.multiplier) == ("elevated", 0.9)
        given.note({"label": "bear", "fragility": "crisis"}, 0)
        stale = given.room(HOUR + 1)
        assert (stale.state, stale.multiplier) == ("crisis", 0.5), "and nothing bad is forgotten"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"label": 7},
            {"label": "bull", "posterior": 1.5},
            {"label": "bull", "posterior": True},
            {"label": "bull", "posterior": float("nan")},
            {"label": "bull", "fragility": 3},
            {"label": "bull", "mood": "good"},
        ],
    )
    def test_what_cannot_be_used_changes_nothing(self, body: dict[str, Any]) -> None:
        given = state()
        given.note({"label": "bear", "fragility": "crisis"}, 0)
        assert given.note(body, 1) is not None
        assert given.room(1).crisis


def portfolio(*pods: dict[str, Any], **more: Any) -> Desk:
    rules = {"regime": {"multipliers": {"bear": 0.5, "mania": 2.0}, **more.pop("regime", {})}}
    return desk_of(*pods or (pod("alpha"),), overlay=True, **rules, **more)


def capital_of(decision: DecisionBody | None) -> dict[str, Any]:
    assert decision is not None and decision.capital is not None
    return decision.capital


def calm(desk: Desk) -> None:
    """The first cycle, in a normal market."""
    desk.overlay("regime", label="calm", posterior=0.9, fragility="normal")
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    desk.cycle({"AAA": 100.0})


class TestInThePortfolio:
    def test_an_update_moves_fractions_and_positions_in_its_cycle(self) -> None:
        desk = portfolio()
        calm(desk)
        desk.overlay("regime", label="bear", posterior=0.9, fragility="normal")
        decision = desk.cycle({"AAA": 100.0})
        assert capital_of(decision)["trigger"] == "regime"
        assert capital_of(decision)["fractions"] == {"alpha": 0.5}
        assert quantities(decision) == {"AAA": [-5000.0]}

    def test_defect_it_is_applied_once(self) -> None:
        """Twice 0.5 would be 0.25: at the next rebalance, or when the same update comes again."""
        desk = portfolio()
        calm(desk)
        for _ in range(3):
            desk.overlay("regime", label="bear", posterior=0.9, fragility="normal")
            desk.command("force_rebalance")
            assert capital_of(desk.cycle({"AAA": 100.0}))["fractions"] == {"alpha": 0.5}

    def test_a_multiplier_above_one_never_lends(self) -> None:
        desk = portfolio()
        calm(desk)
        desk.overlay("regime", label="mania", posterior=0.9, fragility="normal")
        desk.cycle({"AAA": 100.0})
        assert desk.ledger().fraction.tolist() == [1.0]

    def test_defect_the_budget_is_one_for_all_symbols_of_a_cycle(self) -> None:
        """A budget that was reset for every signal would let each symbol have all of it."""
        names = ["AAA", "BBB", "CCC", "DDD"]
        desk = portfolio(pod("alpha", max_leverage=2), symbols=names, max_gross_leverage=1.0)
        desk.overlay("regime", label="calm", posterior=0.9, fragility="stress")
        prices = dict.fromkeys(names, 100.0)
        decision = desk.cycle(prices, {"alpha": dict.fromkeys(names, 2.0)})
        assert sum(q for qs in quantities(decision).values() for q in qs) * 100 == pytest.approx(550_000)
        assert set(reasons(decision)) == {"LEVERAGE_PORTFOLIO_GROSS"}

    def test_capacity_scales_caps_per_symbol(self) -> None:
        desk = portfolio(guards={"max_symbol_notional": 400_000})
        desk.overlay("regime", label="calm", posterior=0.9, fragility="stress")
        assert quantities(desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})) == {"AAA": [2000.0]}

    def test_a_crisis_rejects_what_increases_risk(self) -> None:
        desk = portfolio(symbols=["AAA", "BBB"])
        prices = {"AAA": 100.0, "BBB": 100.0}
        desk.overlay("regime", label="calm", posterior=0.9, fragility="normal")
        desk.cycle(prices, {"alpha": {"AAA": 0.2}})
        desk.cycle(prices)
        desk.overlay("regime", label="calm", posterior=0.9, fragility="crisis")
        decision = desk.cycle(prices, {"alpha": {"BBB": 0.2}})
        assert quantities(decision) == {}
        assert reasons(decision) == ["REGIME_CRISIS"]
        assert quantities(desk.cycle(prices, {"alpha": {"AAA": 0.1}})) == {"AAA": [-500.0]}
        desk.cycle(prices)
        desk.overlay("regime", label="calm", posterior=0.9, fragility="normal")
        assert quantities(desk.cycle(prices)) == {"BBB": [1000.0]}, "tried again when the guard lets go"

    def test_with_risk_defence_bound_to_turnover_it_comes_in_steps(self) -> None:
        desk = portfolio(capital_limits={"risk_defense_bypass_turnover": False})
        calm(desk)
        seen = []
        for _ in range(6):
            desk.overlay("regime", label="bear", posterior=0.9, fragility="normal")
            desk.cycle({"AAA": 100.0})
            seen.append(float(desk.ledger().fraction[0]))
        assert seen == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.5])

    def test_an_old_update_is_looked_at_when_it_grows_old(self) -> None:
        desk = portfolio(regime={"max_age_seconds": 3600, "default": 0.3})
        calm(desk)
        assert desk.ledger().fraction.tolist() == [0.3]
        desk.overlay("regime", label="mania", posterior=0.9, fragility="normal")
        desk.cycle({"AAA": 100.0})
        assert desk.ledger().fraction.tolist() == [1.0]
        desk.cycle({"AAA": 100.0})
        decision = desk.cycle({"AAA": 100.0})
        assert capital_of(decision)["fractions"] == {"alpha": 0.3}

    def test_what_cannot_be_used_is_told_of(self) -> None:
        desk = portfolio()
        calm(desk)
        desk.overlay("regime", label="bear", posterior=7)
        decision = desk.cycle({"AAA": 100.0})
        assert decision is not None and decision.events is not None
        assert [e["reason"] for e in decision.events] == ["CAPITAL_REGIME_IGNORED"]
        assert "posterior: 7" in decision.events[0]["detail"]
        assert desk.ledger().fraction.tolist() == [1.0]

    def test_another_portfolios_update_is_not_ours(self) -> None:
        desk = portfolio()
        calm(desk)
        desk.overlay("regime", portfolio="other", label="bear", posterior=0.9, fragility="normal")
        desk.cycle({"AAA": 100.0})
        assert desk.ledger().fraction.tolist() == [1.0]

    def test_it_does_not_depend_on_cuts_or_restarts(self) -> None:
        desk = portfolio(pod("alpha"), pod("beta"))
        calm(desk)
        for label, fragility in (("bear", "stress"), ("mania", "crisis"), ("bear", "normal")):
            desk.overlay("regime", label=label, posterior=0.9, fragility=fragility)
            desk.cycle({"AAA": 100.0}, {"beta": {"AAA": 0.5}})
            desk.cycle({"AAA": 101.0})
        assert desk.replayed().bodies == desk.bodies
        assert desk.replayed(cuts=(1, 3, 4), snapshots=True).bodies == desk.bodies
