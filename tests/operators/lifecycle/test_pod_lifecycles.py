"""Lifecycles inside the portfolio: transitions in decisions, capital that follows, retired pods flattened (spec 5)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.allocate.clamps import RETIRED
from schemas.configuration.load import ConfigurationError
from schemas.decision import DecisionBody
from tests.operators.desk import Desk, configuration, desk_of, plan_of, pod, quantities

#: Judged every day, after a few days.
QUICK = {
    "min_live_days": 3, "max_incubation_days": 20, "min_trades": 1, "min_calmar": -100, "min_sharpe": 0.5,
    "calibration_days": 3, "max_correlation": 1.0, "floor_sharpe": -1e9,
    "page_hinkley": {"delta": 0.0, "threshold": 4.0, "rest": 0.2},
}  # fmt: skip
DAILY = {"rebalance": {"interval_seconds": 86_400, "skip_below": 0.0}}
#: Capital as the policy says, but for the lifecycle.
FREE = {"turnover": {"per_pod": None, "total": None}}


def lifecycle_pod(name: str, symbol: str, **more: Any) -> dict[str, Any]:
    return pod(name, {"id": name, "symbols": [symbol]}, lifecycle={**QUICK, **more.pop("rules", {})}, **more)


def live(*own: dict[str, Any], **more: Any) -> Desk:
    """A desk whose pods are long their own symbol from the first day."""
    symbols = [p["schedules"][0]["symbols"][0] for p in own]
    desk = desk_of(*own, symbols=symbols, rebalance_band=0, **{"capital_limits": FREE, **DAILY, **more})
    wants = {p["id"]: {s: 1.0} for p, s in zip(own, symbols, strict=True)}
    desk.cycle(dict.fromkeys(symbols, 100.0), wants, hours=24)
    return desk


def days(desk: Desk, *moves: list[float]) -> list[DecisionBody | None]:
    """Plays daily closes from the percentage changes of each symbol, sorted by name, from the last."""
    names = sorted({s for row in desk.rows for s in row.prices})
    prices = {s: float(next(r.prices[s] for r in reversed(desk.rows) if s in r.prices)) for s in names}  # type: ignore[arg-type]
    found = []
    for row in zip(*moves, strict=True):
        for name, move in zip(names, row, strict=True):
            prices[name] *= 1.0 + move / 100.0
        found.append(desk.cycle(dict(prices), hours=24))
    return found


def moves_of(decisions: list[DecisionBody | None], pod_id: str = "alpha") -> list[tuple[str, str, str]]:
    """(before, after, reason) of every lifecycle transition of a pod."""
    return [
        (t["before"], t["after"], t["reason"])
        for d in decisions
        for t in ((d.transitions or []) if d is not None else [])
        if t["subject"] == f"pod:{pod_id}"
    ]


GAINS = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]


class TestStates:
    def test_a_good_pod_is_promoted_with_its_evidence_in_the_decision(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA"))
        decisions = days(desk, GAINS)
        assert moves_of(decisions) == [("INCUBATION", "PRODUCTION", "LIFECYCLE_PROMOTED")]
        evidence = next(t for d in decisions if d is not None for t in d.transitions or [])["evidence"]
        assert evidence["tests"] == {
            "live_days": True, "sharpe": True, "drawdown": True, "trades": True, "calmar": True,
        }  # fmt: skip
        assert evidence["live_days"] >= 3 and evidence["sharpe"] > 0.5 and evidence["trades"] == 1
        assert evidence["correlation"] is None

    def test_drift_warns_and_recovery_lifts_the_warning(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA"))
        decisions = days(desk, GAINS + [-2.0, -2.0] + [3.0, 2.5] * 4)
        assert moves_of(decisions) == [
            ("INCUBATION", "PRODUCTION", "LIFECYCLE_PROMOTED"),
            ("PRODUCTION", "WARNING", "LIFECYCLE_DRIFT"),
            ("WARNING", "PRODUCTION", "LIFECYCLE_RECOVERED"),
        ]

    def test_a_warning_that_lasts_becomes_probation_and_then_retirement(self) -> None:
        rules = {"max_warning_days": 6, "max_probation_days": 4, "retire_drawdown": 0.9}
        desk = live(lifecycle_pod("alpha", "AAA", rules=rules))
        decisions = days(desk, GAINS + [-2.0, -1.0] * 9)
        assert [m[1:] for m in moves_of(decisions)] == [
            ("PRODUCTION", "LIFECYCLE_PROMOTED"),
            ("WARNING", "LIFECYCLE_DRIFT"),
            ("PROBATION", "LIFECYCLE_WARNING_EXPIRED"),
            ("RETIRED", "LIFECYCLE_PROBATION_EXPIRED"),
        ]

    def test_the_timer_of_a_warning_begins_anew_on_each_entry(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA", rules={"max_warning_days": 8}))
        spell = [-2.0, -2.0] + [3.0, 2.5] * 4
        decisions = days(desk, GAINS + spell + spell)
        assert ("WARNING", "PROBATION", "LIFECYCLE_WARNING_EXPIRED") not in moves_of(decisions)
        assert [m[1] for m in moves_of(decisions)].count("WARNING") == 2

    def test_all_assets_excluded_warn(self) -> None:
        short = {"min_bars": 2, "sharpe_bars": 3, "return_bars": 3, "drawdown_bars": 3}
        selector = {**short, "absolute_max_drawdown": 0.03, "max_cooldown_cycles": 1}
        quiet = {"page_hinkley": {"threshold": 1e9}}
        own = {**lifecycle_pod("alpha", "AAA", rules=quiet, initial_state="PRODUCTION"), "selector": selector}
        own["schedules"][0]["interval"] = "1d"
        desk = live(own)
        decisions = days(desk, [1.0, 2.0, 1.0, -4.0, 1.0])
        assert moves_of(decisions) == [("PRODUCTION", "WARNING", "LIFECYCLE_ALL_EXCLUDED")]
        assert desk.position("AAA") == 0.0

    def test_the_first_state_is_configuration(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA", initial_state="PROBATION"))
        assert moves_of(days(desk, GAINS))[0] == ("PROBATION", "PRODUCTION", "LIFECYCLE_PROBATION_PASSED")

    def test_off_keeps_the_first_state(self) -> None:
        desk = live(pod("alpha", {"id": "alpha", "symbols": ["AAA"]}, initial_state="PRODUCTION"))
        assert moves_of(days(desk, [-20.0] * 10)) == []
        assert desk.portfolios[0]._lifecycles.states() == (None,)

    def test_impossible_rules_are_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"min_live_days 91\.0 exceeds max_incubation_days 90\.0"):
            plan_of(configuration(pod("alpha", lifecycle={"min_live_days": 91})))


class TestCapital:
    def test_a_state_clamps_the_pods_fraction(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA"))
        assert desk.ledger().fraction.tolist() == [0.10]
        days(desk, GAINS)
        assert desk.ledger().fraction.tolist() == [0.40]

    def test_defect_a_retired_pods_targets_were_left_behind(self) -> None:
        """Zeroed, and flattened by orders, though its strategy still wants to be long."""
        desk = live(lifecycle_pod("alpha", "AAA", rules={"retire_drawdown": 0.10}, initial_state="PRODUCTION"))
        days(desk, [1.0, 1.0])
        held = desk.position("AAA")
        assert held > 0.0
        decisions = days(desk, [-11.0, -1.0, 1.0])
        assert moves_of(decisions) == [("PRODUCTION", "RETIRED", "LIFECYCLE_DRAWDOWN")]
        sold = [q for d in decisions for q in quantities(d).get("AAA", [])]
        assert sum(sold) == pytest.approx(-held)
        assert desk.position("AAA") == 0.0
        assert desk.ledger().units.tolist() == [[0.0]]
        assert desk.ledger().fraction.tolist() == [0.0]

    def test_a_retired_pod_stays_flat_whatever_it_wants(self) -> None:
        desk = live(lifecycle_pod("alpha", "AAA", rules={"retire_drawdown": 0.10}, initial_state="PRODUCTION"))
        days(desk, [1.0, -11.0, -1.0, 1.0, 1.0])
        orders = len(desk.orders)
        for want in (-1.0, 1.0, 0.5):
            desk.cycle({"AAA": 90.0}, {"alpha": {"AAA": want}}, hours=24)
        desk.command("force_rebalance")
        days(desk, [30.0] * 20)
        assert len(desk.orders) == orders
        assert desk.portfolios[0]._lifecycles.states() == (RETIRED,)

    def test_a_retirement_passes_the_turnover_limit_and_the_skip(self) -> None:
        own = [
            lifecycle_pod("alpha", "AAA", rules={"retire_drawdown": 0.10}, initial_state="PRODUCTION"),
            lifecycle_pod("beta", "BBB", initial_state="PRODUCTION"),
        ]
        tight = {"turnover": {"per_pod": 0.01, "total": 0.01}}
        desk = live(*own, capital_limits=tight, rebalance={"interval_seconds": 86_400, "skip_below": 0.9})
        days(desk, [1.0, -12.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0])
        assert desk.ledger().fraction[0] == 0.0
        assert desk.position("AAA") == 0.0


class TestCorrelation:
    def test_a_pod_like_the_others_is_not_promoted(self) -> None:
        rules = {"max_correlation": 0.65, "min_correlation_days": 3, "correlation_days": 30, "min_live_days": 5}
        own = [lifecycle_pod("alpha", "AAA", rules=rules), lifecycle_pod("beta", "BBB", initial_state="PRODUCTION")]
        alike = days(live(*own), GAINS, GAINS)
        assert moves_of(alike) == []
        other = days(live(*own), GAINS, [2.0, 1.0, 2.0, 1.0, 2.0, 1.0])
        assert moves_of(other) == [("INCUBATION", "PRODUCTION", "LIFECYCLE_PROMOTED")]


def test_a_rebalance_makes_no_spike_in_the_books_returns() -> None:
    """Capital that moves from 10 % to 40 % is no profit of the pod's."""
    desk = live(lifecycle_pod("alpha", "AAA"))
    alone = live(pod("alpha", {"id": "alpha", "symbols": ["AAA"]}))
    days(desk, GAINS)
    days(alone, GAINS)
    assert desk.book().scalars.tolist() == alone.book().scalars.tolist()
    assert len({round(f, 9) for f in (d.pods.fraction[0] for d in desk.decisions())}) == 2
    assert max(r for _, r in desk.portfolios[0]._lifecycles._records[0].recent) < 0.021


@pytest.fixture(scope="module")
def lived() -> Desk:
    own = [
        lifecycle_pod("alpha", "AAA", rules={"max_warning_days": 6, "max_probation_days": 4}),
        lifecycle_pod("beta", "BBB", rules={"retire_drawdown": 0.08, "min_correlation_days": 3}),
        lifecycle_pod("gamma", "CCC", initial_state="WARNING"),
    ]
    desk = live(*own)
    wave = [[2.0 * math.sin(0.8 * n + k) + (0.4 if n < 25 else -0.6) for n in range(60)] for k in range(3)]
    days(desk, *wave)
    return desk


def test_the_life_of_these_pods_is_eventful(lived: Desk) -> None:
    found = {m[1] for p in ("alpha", "beta", "gamma") for m in moves_of(list(lived.decisions()), p)}
    assert {"PRODUCTION", "WARNING", "RETIRED"} <= found


@settings(max_examples=8, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(1, 60), max_size=6), snapshots=st.booleans())
def test_lifecycles_do_not_depend_on_cuts_or_restarts(lived: Desk, cuts: list[int], snapshots: bool) -> None:
    again = lived.replayed(cuts, snapshots)
    assert again.bodies == lived.bodies
    assert again.orders == lived.orders
