"""Every command of the table: accepted, refused for each reason, duplicated, late, replayed (issue 6; spec 13)."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from operators.control.commands import CommandJudge
from operators.frames import SideFrame, SideMessage
from operators.plan import Plan
from schemas.command_signature import key_text, sign
from schemas.control import COMMANDS, ROLES
from schemas.messages import ControlCommand, Target
from schemas.reasons import Reason
from tests.operators.desk import DAY, HOUR, START, Desk, configuration, decoded, plan_of, pod

#: A name for each scope that exists, and a body for each command that has to have one.
NAMES = {"pod": "alpha", "strategy": "sma_cross", "schedule": "alpha", "tag": "fast", "symbol": "AAA"}
BODIES: dict[str, dict[str, Any]] = {
    "trading_state": {"state": "REDUCING"},
    "set_limit": {"risk_profile": "balanced", "limit": 1},
    "clear_limit": {"risk_profile": "balanced"},
    "set_risk_limit": {"limit": "max_position", "value": 5},
    "clear_risk_limit": {"limit": "max_position"},
    "swap_policy": {"policy": "inverse_volatility"},
    "set_interval": {"seconds": 3600},
    "configure": {"document": configuration(pod("alpha"))},
}
KEYS = {role: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n, role in enumerate(ROLES, 1)}
CASES = [(name, scope) for name, rule in COMMANDS.items() for scope in rule.scopes]


def document(**more: Any) -> dict[str, Any]:
    pods = (pod("alpha", {"id": "alpha", "tags": ["fast"]}), pod("beta"))
    return {**configuration(*pods, symbols=("AAA", "BBB"), rebalance={"interval_seconds": 7 * 86400}), **more}


def signed_document() -> dict[str, Any]:
    keys = [
        {"id": f"{role}-1", "operator": role, "role": role, "public_key": key_text(key.public_key())}
        for role, key in KEYS.items()
    ]
    return document(operators={"keys": keys})


PLAN, SIGNED = plan_of(document()), plan_of(signed_document())


def given(name: str, scope: str | None = None, **more: Any) -> ControlCommand:
    scope = scope or COMMANDS[name].scopes[0]
    target = Target(scope=scope, name=NAMES.get(scope, ""))  # type: ignore[arg-type]
    fields = {"id": "c1", "operator": "ada", "ts": START, "portfolio": "main", "note": "checked", **more}
    return ControlCommand(command=name, target=target, **{"body": BODIES.get(name, {}), **fields})


def by(role: str, command: ControlCommand) -> ControlCommand:
    return sign(msgspec.structs.replace(command, operator=role), f"{role}-1", KEYS[role])


def verdict(command: ControlCommand, plan: Plan = PLAN, cycle: int = START) -> Reason:
    return CommandJudge(plan, 0).judge(command, cycle).reason


def detail(command: ControlCommand, plan: Plan = PLAN) -> str:
    return CommandJudge(plan, 0).judge(command, START).detail


@pytest.mark.parametrize(("name", "scope"), CASES)
class TestEach:
    def test_is_accepted_once(self, name: str, scope: str) -> None:
        judge = CommandJudge(PLAN, 0)
        assert judge.judge(given(name, scope), START).reason is Reason.CONTROL_ACCEPTED
        assert judge.judge(given(name, scope), START + HOUR).reason is Reason.CONTROL_DUPLICATE

    def test_expired_is_refused(self, name: str, scope: str) -> None:
        assert verdict(given(name, scope, expires_at=START - 1)) is Reason.CONTROL_EXPIRED

    def test_for_an_unknown_target_is_refused(self, name: str, scope: str) -> None:
        unknown = Target(scope=scope, name="nobody") if scope != "global" else Target(scope="pod", name="nobody")  # type: ignore[arg-type]
        assert verdict(msgspec.structs.replace(given(name), target=unknown)) is Reason.CONTROL_UNKNOWN_TARGET

    def test_with_an_unknown_key_in_its_body_is_refused(self, name: str, scope: str) -> None:
        command = given(name, scope, body={**BODIES.get(name, {}), "typo": 1})
        assert verdict(command) is Reason.CONTROL_BAD_BODY
        assert "typo" in detail(command), "the text names the key"
        assert f"the body of {name} is" in detail(command), "and the fix"


class TestAuthority:
    @pytest.mark.parametrize(("role", "name"), list(itertools.product(ROLES, COMMANDS)))
    def test_which_role_may_give_which_command(self, role: str, name: str) -> None:
        may = ROLES.index(role) >= ROLES.index(COMMANDS[name].role)  # type: ignore[arg-type]
        expected = Reason.CONTROL_ACCEPTED if may else Reason.CONTROL_FORBIDDEN
        assert verdict(by(role, given(name)), SIGNED) is expected

    def test_letting_trading_go_on_takes_more_than_stopping_it(self) -> None:
        active = given("trading_state", body={"state": "ACTIVE"})
        assert verdict(by("operator", active), SIGNED) is Reason.CONTROL_FORBIDDEN
        assert verdict(by("risk", active), SIGNED) is Reason.CONTROL_ACCEPTED

    def test_without_configured_operators_everything_passes_as_it_comes(self) -> None:
        assert verdict(given("configure")) is Reason.CONTROL_ACCEPTED
        assert verdict(by("viewer", given("configure"))) is Reason.CONTROL_ACCEPTED

    def test_unsigned(self) -> None:
        assert verdict(given("kill"), SIGNED) is Reason.CONTROL_UNSIGNED
        assert verdict(given("sell_everything", "pod"), SIGNED) is Reason.CONTROL_UNSIGNED, "strangers learn nothing"

    def test_a_key_that_nobody_has_or_somebody_else(self) -> None:
        stranger = sign(given("kill", operator="risk"), "risk-2", KEYS["risk"])
        assert verdict(stranger, SIGNED) is Reason.CONTROL_UNKNOWN_KEY
        borrowed = sign(given("kill", operator="admin"), "risk-1", KEYS["risk"])
        assert verdict(borrowed, SIGNED) is Reason.CONTROL_UNKNOWN_KEY, "attributable: the key is risk's"

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "c2"}, {"portfolio": "*"}, {"command": "arm"}, {"target": Target(scope="portfolio")},
            {"body": {"mode": "flatten"}}, {"effective_at": START}, {"expires_at": START + DAY}, {"reason": "x"},
            {"note": "other"}, {"ts": START + 1}, {"signature": None, "key_id": "admin-1"}, {"signature": "%%%"},
            {"signature": ""}, {"signature": "A" * 88},
        ],
        ids=str,
    )  # fmt: skip
    def test_one_changed_field_breaks_the_signature(self, change: dict[str, Any]) -> None:
        altered = msgspec.structs.replace(by("risk", given("kill")), **change)
        assert verdict(altered, SIGNED) in (Reason.CONTROL_BAD_SIGNATURE, Reason.CONTROL_UNSIGNED)

    def test_the_signature_survives_the_wire(self) -> None:
        command = by("risk", given("set_risk_limit", body={"limit": "max_position", "value": 0.1 + 0.2}))
        again = msgspec.json.decode(msgspec.json.encode(command), type=ControlCommand)
        assert verdict(again, SIGNED) is Reason.CONTROL_ACCEPTED


class TestBodies:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("suspend", {"duration_seconds": 1e300}),
            ("suspend", {"duration_seconds": "30m"}),
            ("suspend", {"until": "tomorrow"}),
            ("suspend", {"until": "2026-01-01T00:00:00"}),
            ("suspend", {"until": "9999-12-31T00:00:00Z"}),
            ("suspend", {"until": 10**30}),
            ("suspend", {"until": -1}),
            ("set_limit", {"risk_profile": "balanced", "limit": 2**70}),
            ("set_limit", {"risk_profile": "balanced", "limit": -1}),
            ("set_limit", {"risk_profile": "balanced", "limit": True}),
            ("set_limit", {"risk_profile": "bold", "limit": 1}),
            ("set_limit", {"limit": 1}),
            ("set_interval", {"seconds": 0}),
            ("set_interval", {"seconds": 1e300}),
            ("set_risk_limit", {"limit": "max_fun", "value": 1}),
            ("set_risk_limit", {"limit": "max_gross_exposure", "value": None}),
            ("set_risk_limit", {"limit": "max_position", "value": -1}),
            ("set_risk_limit", {"limit": "max_position"}),
            ("swap_policy", {"policy": "astrology"}),
            ("swap_policy", {"policy": {"name": "fixed_weight", "weights": {"nobody": 1.0}}}),
            ("configure", {"document": {"portfolios": []}}),
            ("configure", {"document": None}),
        ],
        ids=str,
    )
    def test_what_cannot_be_used_is_refused_and_named(self, name: str, body: dict[str, Any]) -> None:
        assert verdict(given(name, body=body)) is Reason.CONTROL_BAD_BODY
        assert detail(given(name, body=body))

    def test_the_text_names_key_value_and_fix(self) -> None:
        assert detail(given("kill", body={"mode": "explode"})) == (
            "mode 'explode': Invalid enum value 'explode'; the body of kill is `mode`: `freeze` (default) or `flatten`"
        )


class TestMemory:
    """Ids are remembered for a window, and what is older is refused: bounded, and never carried out twice."""

    WINDOW = plan_of(document(operators={"command_window_seconds": 7200}))

    def test_an_id_is_forgotten_only_when_its_command_would_be_refused_anyway(self) -> None:
        judge = CommandJudge(self.WINDOW, 0)
        assert judge.judge(given("kill"), START).accepted
        seen = [judge.judge(given("kill"), START + n * HOUR).reason for n in range(1, 8)]
        assert Reason.CONTROL_ACCEPTED not in seen
        for n in range(1, 400):
            judge.judge(given("kill", id=f"k{n}", ts=START + n * HOUR), START + n * HOUR)
        assert len(judge.snapshot()) <= 4
        assert judge.judge(given("kill"), START + 400 * HOUR).reason is Reason.CONTROL_EXPIRED

    def test_a_scheduled_command_counts_from_when_it_is_due(self) -> None:
        later = given("kill", effective_at=START + 30 * DAY)
        judge = CommandJudge(self.WINDOW, 0)
        assert judge.judge(later, START + 30 * DAY).accepted
        assert judge.judge(later, START + 30 * DAY + HOUR).reason is Reason.CONTROL_DUPLICATE

    def test_a_snapshot_remembers(self) -> None:
        judge, restored = CommandJudge(PLAN, 0), CommandJudge(PLAN, 0)
        judge.judge(given("kill"), START)
        restored.restore(judge.snapshot())
        assert restored.judge(given("kill"), START).reason is Reason.CONTROL_DUPLICATE


class TestReplay:
    """The same log gives the same bytes however it is cut, and over snapshots, with every command in it."""

    def played(self, plan: Plan, role: str | None) -> Desk:
        desk = Desk(plan)
        prices = {"AAA": 100.0, "BBB": 50.0}
        strengths = itertools.cycle([1.0, -0.5, 0.25, 0.0])
        for n, (name, scope) in enumerate(CASES):
            command = given(name, scope, id=f"c{n}", ts=desk._last + HOUR, reason=f"test {n}")
            command = command if role is None else by(role, command)
            desk._waiting.append(command)
            if n % 3 == 0:
                desk._waiting.append(command)
            if n % 5 == 0:
                desk._waiting.append(msgspec.structs.replace(command, id=f"bad{n}", body={"typo": n}))
            prices = {s: round(p * (1.01 if n % 2 else 0.985), 2) for s, p in prices.items()}
            strength = next(strengths)
            desk.cycle(prices, {"alpha": {"AAA": strength}, "beta": {"BBB": -strength}})
        return desk

    @pytest.mark.parametrize(("plan", "role"), [(PLAN, None), (SIGNED, "admin"), (SIGNED, "operator")])
    def test_cuts_and_snapshots_change_no_byte(self, plan: Plan, role: str | None) -> None:
        desk = self.played(plan, role)
        assert len(desk.bodies["main"]) >= len(CASES)
        for cuts in ([], [1, 2, 3, 7, 20], list(range(0, len(desk.rows), 2))):
            assert desk.replayed(cuts).bodies == desk.bodies
        assert desk.replayed(range(1, len(desk.rows), 3), snapshots=True).bodies == desk.bodies

    def test_every_verdict_is_journalled_with_its_reason(self) -> None:
        verdicts = [c["verdict"] for d in self.played(SIGNED, "operator").decisions() for c in d.commands or []]
        assert {"CONTROL_ACCEPTED", "CONTROL_FORBIDDEN", "CONTROL_DUPLICATE", "CONTROL_BAD_SIGNATURE"} == {*verdicts}

    def test_a_late_command_is_obeyed_and_marked(self) -> None:
        desk = Desk(PLAN)
        desk.cycle({"AAA": 100.0, "BBB": 50.0})
        late = SideMessage(START + HOUR + 1, "control", 0, 7, True, given("kill", id="late", ts=START + 1))
        step = desk.portfolios[0]
        step.step(SideFrame("control", 0, desk._side_frames + 1, START + HOUR, [late]))
        desk._side_frames += 1
        for pod_step in desk.pods:
            frame = pod_step.step(SideFrame("control", 0, desk._side_frames, START + HOUR, [late]))
            assert frame is None
        desk.cycle({"AAA": 101.0, "BBB": 50.0})
        told = [c for b in desk.bodies["main"] for c in decoded(b).commands or []]
        assert [(c["id"], c["late"], c["verdict"]) for c in told] == [("late", True, "CONTROL_ACCEPTED")]
