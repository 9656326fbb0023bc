"""What commands do to a portfolio: limits, restricted list, pods, capital, a configuration that waits (spec 6, 7)."""

from __future__ import annotations

import pytest

from tests.operators.desk import Desk, configuration, desk_of, pod, quantities, reasons

A = "AAA"


def desk(**portfolio: object) -> Desk:
    return desk_of(pod("alpha"), pod("beta"), symbols=(A,), initial_equity=10_000.0, **portfolio)


def moved(one: Desk) -> list[tuple[str, str, str]]:
    return [(t["subject"], t["before"], t["after"]) for d in one.decisions() for t in d.transitions or []]


class TestRiskLimits:
    def test_a_limit_holds_from_its_cycle_on_and_goes_back_to_the_configuration(self) -> None:
        one = desk(guards={"max_position": 40.0})
        one.cycle({A: 100.0})
        one.command("set_risk_limit", body={"limit": "max_position", "value": 10})
        cut = one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
        assert quantities(cut) == {A: [10.0]}
        assert "GUARD_POSITION_LIMIT" in reasons(cut)
        one.command("clear_risk_limit", body={"limit": "max_position"})
        assert quantities(one.cycle({A: 100.0})) == {A: [30.0]}
        assert moved(one) == [("limit:max_position", "40", "10"), ("limit:max_position", "10", "40")]

    def test_a_lower_limit_sells_nothing_and_lets_nothing_grow(self) -> None:
        one = desk()
        one.cycle({A: 100.0}, {"alpha": {A: 0.5}})
        one.cycle({A: 100.0})
        one.command("set_risk_limit", body={"limit": "max_position", "value": 10})
        assert quantities(one.cycle({A: 100.0})) == {}
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 1.0}})) == {}
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 0.2}})) == {A: [-15.0]}, "a reduction passes"

    @pytest.mark.parametrize(
        ("limit", "value", "reason"),
        [
            ("max_symbol_notional", 500.0, "GUARD_NOTIONAL_LIMIT"),
            ("max_gross_exposure", 0.05, "GUARD_GROSS_EXPOSURE"),
            ("max_position", 5.0, "GUARD_POSITION_LIMIT"),
        ],
    )
    def test_each_limit_of_the_table_cuts(self, limit: str, value: float, reason: str) -> None:
        one = desk()
        one.cycle({A: 100.0})
        one.command("set_risk_limit", body={"limit": limit, "value": value})
        cut = one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
        assert (quantities(cut), reason in reasons(cut)) == ({A: [5.0]}, True)

    def test_the_age_of_a_price(self) -> None:
        one = desk()
        one.command("trading_state", state="HALTED")
        one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
        one.command("set_risk_limit", body={"limit": "max_price_age_seconds", "value": 3600})
        one.cycle({})
        one.command("trading_state", state="ACTIVE")
        assert reasons(one.cycle({})) == ["GUARD_STALE_PRICE"]


class TestRestrictedList:
    def test_only_reductions_pass_until_it_is_lifted(self) -> None:
        one = desk()
        one.cycle({A: 100.0}, {"alpha": {A: 0.5}})
        one.cycle({A: 100.0})
        one.command("restrict", "symbol", A)
        grows = one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
        assert (quantities(grows), reasons(grows)) == ({}, ["GUARD_RESTRICTED"])
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 0.2}})) == {A: [-15.0]}
        one.cycle({A: 100.0})
        one.command("unrestrict", "symbol", A)
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 1.0}})) == {A: [40.0]}
        assert moved(one) == [(f"restricted:{A}", "free", "restricted"), (f"restricted:{A}", "restricted", "free")]

    def test_it_outlives_a_restart(self) -> None:
        one = desk()
        one.cycle({A: 100.0})
        one.command("restrict", "symbol", A)
        one.cycle({A: 100.0})
        one._pickle()
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 1.0}})) == {}


class TestPods:
    def test_a_paused_pod_only_reduces_and_its_resume_lets_it_on(self) -> None:
        one = desk()
        one.cycle({A: 100.0}, {"alpha": {A: 0.5}})
        one.cycle({A: 100.0})
        one.command("pause_pod", "pod", "alpha", reason="odd")
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 1.0}})) == {}
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 0.4}})) == {A: [-5.0]}
        assert quantities(one.cycle({A: 100.0}, {"beta": {A: 0.1}})) == {A: [5.0]}, "the other pod goes on"
        one.command("resume_pod", "pod", "alpha")
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 0.6}})) == {A: [10.0]}

    def test_a_pause_ends_by_itself(self) -> None:
        one = desk()
        one.cycle({A: 100.0})
        one.command("pause_pod", "pod", "alpha", body={"duration_seconds": 3600})
        one.cycle({A: 100.0})
        assert quantities(one.cycle({A: 100.0}, {"alpha": {A: 1.0}})) == {A: [50.0]}

    def test_a_retired_pod_is_sold_by_orders_and_never_comes_back(self) -> None:
        one = desk()
        one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
        one.cycle({A: 100.0})
        assert one.position(A) == 50.0
        one.command("retire_pod", "pod", "alpha", reason="done")
        assert quantities(one.cycle({A: 100.0})) == {A: [-50.0]}
        one.cycle({A: 100.0}, {"alpha": {A: -1.0}})
        one._pickle()
        one.cycle({A: 100.0}, {"alpha": {A: 1.0}}, hours=24 * 8)
        one.cycle({A: 100.0})
        assert one.position(A) == 0.0
        assert moved(one) == [("pod:alpha", "at work", "RETIRED")]


class TestCapital:
    def test_a_policy_is_swapped_and_asked_at_once(self) -> None:
        one = desk()
        one.cycle({A: 100.0})
        policy = {"name": "fixed_weight", "weights": {"sma_cross": 0.2}}
        one.command("swap_policy", body={"policy": policy})
        capital = one.cycle({A: 100.0}).capital  # type: ignore[union-attr]
        assert capital is not None and (capital["policy"], capital["trigger"]) == ("fixed_weight", "forced")
        assert moved(one) == [("capital:policy", "equal_weight", "fixed_weight")]

    def test_without_a_rebalance_it_waits_for_the_next(self) -> None:
        one = desk()
        one.cycle({A: 100.0})
        one.command("swap_policy", body={"policy": "risk_parity", "rebalance": False})
        assert one.cycle({A: 100.0}).capital is None  # type: ignore[union-attr]

    def test_an_interval(self) -> None:
        one = desk(rebalance={"skip_below": 0.0})
        one.cycle({A: 100.0})
        one.command("set_interval", body={"seconds": 7200})
        one.cycle({A: 100.0})
        one.command("force_rebalance")
        assert one.cycle({A: 100.0}).capital is not None  # type: ignore[union-attr]
        assert moved(one) == [("capital:interval", "604800 s", "7200 s")]


def test_a_configuration_is_journalled_as_pending_and_changes_nothing() -> None:
    one = desk()
    one.cycle({A: 100.0})
    one.command("configure", "global", body={"document": configuration(pod("gamma"))})
    decision = one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
    assert quantities(decision) == {A: [50.0]}, "the flow goes on as it was"
    ((subject, before, after),) = moved(one)
    assert (subject, before, len(after)) == ("configuration:pending", "none", 64)
    pending = one.portfolios[0].snapshot()["control"]["standing"]["pending"]
    assert (pending["config_hash"], pending["operator"]) == (after, "ada")
