"""Kill switches: freeze holds, flatten closes, arming needs a name and a note, and nothing is lost over a restart
(spec 4, 7)."""

from __future__ import annotations

import pytest

from tests.operators.desk import Desk, desk_of, pod, quantities, reasons, weights

LONG = {"alpha": {"AAA": 1.0}}
FLAT = {"AAA": 100.0}


def invested(*pods: dict[str, object], **more: object) -> Desk:
    """A desk that holds 10,000 AAA at 100."""
    desk = desk_of(*(pods or (pod("alpha"),)), **more)
    desk.cycle(FLAT, {str(p["id"]): {"AAA": 1.0} for p in pods} or LONG)
    desk.cycle(FLAT)
    assert desk.position("AAA") == 10_000
    return desk


SCOPES = [("pod", "alpha"), ("strategy", "sma_cross"), ("schedule", "alpha"), ("symbol", "AAA")]


@pytest.mark.parametrize(("scope", "name"), [*SCOPES, ("portfolio", ""), ("global", "")])
class TestEveryScope:
    def test_freeze_holds_the_units_whatever_is_asked(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        desk.cycle(FLAT, {"alpha": {"AAA": -1.0}})
        for price in (100.0, 150.0, 50.0):
            desk.cycle({"AAA": price})
        assert desk.position("AAA") == 10_000
        assert len(desk.orders) == 1

    def test_flatten_goes_to_zero(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name, mode="flatten")
        decision = desk.cycle(FLAT, {"alpha": {"AAA": -1.0}})
        assert quantities(decision) == {"AAA": [-10_000.0]}
        desk.cycle(FLAT)
        assert desk.position("AAA") == 0.0

    def test_arming_takes_over_what_reduces(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        desk.cycle(FLAT, {"alpha": {"AAA": 0.25}})
        desk.command("arm", scope, name)
        assert quantities(desk.cycle(FLAT)) == {"AAA": [-7500.0]}

    def test_arming_lets_a_suppressed_entry_wait_for_the_next_change(self, scope: str, name: str) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(FLAT, {"alpha": {"AAA": 0.25}})
        desk.cycle(FLAT)
        desk.command("kill", scope, name)
        desk.cycle(FLAT, {"alpha": {"AAA": 1.0}})
        desk.command("arm", scope, name)
        assert quantities(desk.cycle(FLAT)) == {}
        assert desk.position("AAA") == 2500
        assert quantities(desk.cycle(FLAT, {"alpha": {"AAA": 0.9}})) == {"AAA": [6500.0]}

    def test_arming_after_a_turn_of_direction_goes_flat(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        desk.cycle(FLAT, {"alpha": {"AAA": -1.0}})
        desk.command("arm", scope, name)
        assert quantities(desk.cycle(FLAT)) == {"AAA": [-10_000.0]}

    def test_after_a_flatten_nothing_comes_back_by_itself(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name, mode="flatten")
        desk.cycle(FLAT)
        desk.cycle(FLAT)
        desk.command("kill", scope, name, mode="freeze")
        desk.cycle(FLAT)
        assert desk.position("AAA") == 0.0
        desk.command("arm", scope, name)
        desk.cycle(FLAT)
        desk.cycle(FLAT)
        assert desk.position("AAA") == 0.0
        assert quantities(desk.cycle(FLAT, {"alpha": {"AAA": 0.5}})) == {"AAA": [5000.0]}

    def test_the_switch_outlives_a_restart(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        desk.cycle(FLAT, {"alpha": {"AAA": -1.0}})
        desk.cycle(FLAT, {"alpha": {"AAA": -0.5}})
        again = desk.replayed(range(len(desk.rows)), snapshots=True)
        assert again.bodies == desk.bodies
        again.cycle(FLAT, {"alpha": {"AAA": -0.7}})
        again.cycle(FLAT)
        assert again.position("AAA") == 10_000

    def test_setting_and_lifting_is_journalled_with_its_operator(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        killed = desk.cycle(FLAT)
        desk.command("arm", scope, name, note="venue is back")
        armed = desk.cycle(FLAT)
        assert killed is not None and killed.transitions is not None
        assert armed is not None and armed.transitions is not None
        subject = f"kill:{scope}:{name}" if name else f"kill:{scope}"
        assert (killed.transitions[0]["subject"], killed.transitions[0]["reason"]) == (subject, "STATE_KILL")
        assert (armed.transitions[0]["subject"], armed.transitions[0]["reason"]) == (subject, "STATE_ARMED")
        assert armed.transitions[0]["evidence"]["note"] == "venue is back"

    def test_arming_needs_a_note(self, scope: str, name: str) -> None:
        desk = invested()
        desk.command("kill", scope, name)
        desk.cycle(FLAT)
        desk.command("arm", scope, name, note="  ")
        refused = desk.cycle(FLAT, {"alpha": {"AAA": 0.5}})
        assert refused is not None and refused.commands is not None
        assert refused.commands[0]["verdict"] == "CONTROL_NOTE_REQUIRED"
        desk.cycle(FLAT)
        assert desk.position("AAA") == 10_000


class TestOverlap:
    def test_a_freeze_under_a_flatten_does_not_bring_the_target_back(self) -> None:
        desk = invested()
        desk.command("kill", "schedule", "alpha")
        desk.command("kill", "pod", "alpha", mode="flatten")
        desk.cycle(FLAT)
        desk.command("arm", "pod", "alpha")
        desk.cycle(FLAT)
        desk.cycle(FLAT)
        assert desk.position("AAA") == 0.0

    def test_arming_one_scope_leaves_the_other_set(self) -> None:
        desk = invested()
        desk.command("kill", "global")
        desk.command("kill", "portfolio")
        desk.cycle(FLAT)
        desk.command("arm", "portfolio")
        decision = desk.cycle(FLAT)
        assert decision is not None and decision.trading_state == "HALTED"
        desk.command("arm", "global")
        decision = desk.cycle(FLAT)
        assert decision is not None and decision.trading_state == "ACTIVE"

    def test_a_frozen_schedule_leaves_the_others_of_its_pod_free(self) -> None:
        desk = desk_of(pod("alpha", "one", "two"))
        desk.cycle(FLAT, {"one": {"AAA": 1.0}, "two": {"AAA": 1.0}})
        desk.command("kill", "schedule", "one")
        decision = desk.cycle(FLAT, {"one": {"AAA": 0.0}, "two": {"AAA": 0.0}})
        assert weights(decision) == {("alpha", "AAA"): 0.5}

    def test_a_frozen_pod_holds_while_another_trades(self) -> None:
        desk = desk_of(pod("alpha"), pod("beta"))
        desk.cycle(FLAT, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 1.0}})
        desk.cycle(FLAT)
        desk.command("kill", "pod", "alpha")
        desk.command("force_rebalance", "portfolio")
        desk.cycle({"AAA": 150.0}, {"beta": {"AAA": 0.0}})
        desk.cycle({"AAA": 150.0})
        assert desk.ledger().attributed[:, 0].tolist() == [5000.0, 0.0]


class TestGlobalKill:
    def test_cancels_what_is_open_and_halts(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(FLAT, LONG)
        desk.command("kill", "global")
        decision = desk.cycle({})
        assert decision is not None and decision.trading_state == "HALTED"
        assert [o["type"] for o in desk.orders] == ["order", "cancel"]
        assert decision.cancels is not None and decision.cancels[0]["reason"] == "ROUTE_CANCELLED_BY_HALT"
        assert reasons(decision) == ["GUARD_HALTED"]
        desk.cycle(FLAT)
        assert desk.position("AAA") == 0.0

    def test_that_flattens_cancels_entries_and_lets_only_reductions_out(self) -> None:
        desk = desk_of(pod("alpha"), symbols=["AAA", "BBB"])
        both = {"AAA": 100.0, "BBB": 100.0}
        desk.cycle(both, {"alpha": {"AAA": 1.0}})
        desk.cycle(both, {"alpha": {"BBB": 1.0}})
        desk.command("kill", "global", mode="flatten")
        decision = desk.cycle({"AAA": 100.0})
        assert decision is not None and decision.trading_state == "REDUCING"
        assert quantities(decision) == {"AAA": [-5000.0]}
        assert [(o["type"], o["symbol"]) for o in desk.orders[-2:]] == [("cancel", "BBB"), ("order", "AAA")]
        desk.cycle(both)
        assert (desk.position("AAA"), desk.position("BBB")) == (0.0, 0.0)
