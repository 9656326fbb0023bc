"""A portfolio that starts HALTED trades when a named operator arms it, and not before."""

from __future__ import annotations

import pytest

from tests.operators.desk import Desk, desk_of, pod, quantities

AAA = {"AAA": 100.0}


def halted() -> Desk:
    desk = desk_of(pod("alpha"), guards={"initial_state": "HALTED"})
    assert quantities(desk.cycle(AAA, {"alpha": {"AAA": 1.0}})) == {}
    return desk


@pytest.mark.parametrize("scope", ["portfolio", "global"])
def test_arm_starts_it_with_operator_and_note(scope: str) -> None:
    desk = halted()
    desk.command("arm", scope)
    decision = desk.cycle(AAA)
    assert decision is not None and decision.trading_state == "ACTIVE"
    assert quantities(decision) == {"AAA": [10_000.0]}
    (told,) = decision.transitions or []
    assert (told["subject"], told["before"], told["after"]) == ("trading", "HALTED", "ACTIVE")
    assert (told["evidence"]["operator"], told["evidence"]["note"]) == ("ada", "checked")


@pytest.mark.parametrize("missing", [{"note": " "}, {"operator": " "}])
def test_not_without_either(missing: dict[str, str]) -> None:
    desk = halted()
    desk.command("arm", **missing)
    decision = desk.cycle(AAA)
    assert decision is not None and decision.trading_state == "HALTED"
    assert [c["verdict"] for c in decision.commands or []] == ["CONTROL_NOTE_REQUIRED"]


def test_a_switch_of_the_scope_is_lifted_first() -> None:
    desk = halted()
    desk.command("kill", mode="freeze")
    desk.command("arm")
    lifted = desk.cycle(AAA)
    assert lifted is not None and lifted.trading_state == "HALTED", "the switch is gone, the start is not armed"
    desk.command("arm")
    started = desk.cycle(AAA)
    assert started is not None and started.trading_state == "ACTIVE"


def test_what_an_operator_halted_is_not_started_by_arming() -> None:
    desk = halted()
    desk.command("trading_state", state="HALTED")
    desk.command("arm")
    decision = desk.cycle(AAA)
    assert decision is not None and decision.trading_state == "HALTED"


def test_arming_a_pod_starts_nothing() -> None:
    desk = halted()
    desk.command("arm", "pod", "alpha")
    decision = desk.cycle(AAA)
    assert decision is not None and decision.trading_state == "HALTED"


def test_it_stays_armed_over_a_stop() -> None:
    desk = halted()
    desk.command("arm")
    desk.cycle(AAA)
    desk.cycle(AAA, {"alpha": {"AAA": 0.0}})
    assert desk.replayed([1, 2], snapshots=True).bodies == desk.bodies
