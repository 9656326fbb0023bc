"""Commands are judged alike by all who obey them, and every verdict is journalled (spec 7, 13)."""

from __future__ import annotations

from typing import Any

import pytest

from operators.control.commands import CommandJudge, stronger
from schemas.messages import ControlCommand, Target
from schemas.reasons import Reason
from tests.operators.desk import HOUR, START, Desk, configuration, desk_of, plan_of, pod

PLAN = plan_of(
    configuration(portfolios=[{"id": "main", "pods": [pod("alpha")]}, {"id": "side", "pods": [pod("gamma")]}])
)


def command(name: str, scope: str = "portfolio", target: str = "", **more: Any) -> ControlCommand:
    given = {"id": "c1", "operator": "ada", "note": "checked", "portfolio": "main", "ts": 0, **more}
    return ControlCommand(command=name, target=Target(scope=scope, name=target), **given)  # type: ignore[arg-type]


def verdict(given: ControlCommand, cycle: int = 10) -> Reason:
    return CommandJudge(PLAN, 0).judge(given, cycle).reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (command("kill"), Reason.CONTROL_ACCEPTED),
        (command("kill", "pod", "alpha", body={"mode": "flatten"}), Reason.CONTROL_ACCEPTED),
        (command("kill", "pod", "alpha", body={"mode": "explode"}), Reason.CONTROL_BAD_BODY),
        (command("kill", "pod", "alpha", body={"mod": "flatten"}), Reason.CONTROL_BAD_BODY),
        (command("kill", "pod", "alpha", body={"mode": ["flatten"]}), Reason.CONTROL_BAD_BODY),
        (command("kill", "pod", "gamma"), Reason.CONTROL_UNKNOWN_TARGET),
        (command("kill", "symbol", "ZZZ"), Reason.CONTROL_UNKNOWN_TARGET),
        (command("kill", "strategy", "sma_cross"), Reason.CONTROL_ACCEPTED),
        (command("kill", "tag", "fast"), Reason.CONTROL_UNKNOWN_TARGET),
        (command("kill", portfolio="mian"), Reason.CONTROL_UNKNOWN_TARGET),
        (command("kill", "portfolio", "mian", portfolio="*"), Reason.CONTROL_UNKNOWN_TARGET),
        (command("arm", note=""), Reason.CONTROL_NOTE_REQUIRED),
        (command("arm", operator="  "), Reason.CONTROL_NOTE_REQUIRED),
        (command("arm"), Reason.CONTROL_ACCEPTED),
        (command("trading_state", body={"state": "ACTIVE"}, note=""), Reason.CONTROL_NOTE_REQUIRED),
        (command("trading_state", body={"state": "HALTED"}, note=""), Reason.CONTROL_ACCEPTED),
        (command("trading_state", body={"state": "OFF"}), Reason.CONTROL_BAD_BODY),
        (command("trading_state", "pod", "alpha", body={"state": "HALTED"}), Reason.CONTROL_UNKNOWN_TARGET),
        (command("force_rebalance"), Reason.CONTROL_ACCEPTED),
        (command("sell_everything"), Reason.CONTROL_UNKNOWN_COMMAND),
        (command("kill", expires_at=9), Reason.CONTROL_EXPIRED),
        (command("kill", expires_at=10), Reason.CONTROL_ACCEPTED),
    ],
)
def test_verdicts(given: ControlCommand, expected: Reason) -> None:
    assert verdict(given) is expected


def test_an_accepted_id_counts_once_and_a_refused_one_may_come_again() -> None:
    judge = CommandJudge(PLAN, 0)
    assert judge.judge(command("kill", "pod", "nobody"), 1).reason is Reason.CONTROL_UNKNOWN_TARGET
    assert judge.judge(command("kill"), 1).reason is Reason.CONTROL_ACCEPTED
    assert judge.judge(command("arm"), 2).reason is Reason.CONTROL_DUPLICATE
    restored = CommandJudge(PLAN, 0)
    restored.restore(judge.snapshot())
    assert restored.judge(command("kill"), 3).reason is Reason.CONTROL_DUPLICATE


class TestAddressees:
    def concerned(self, given: ControlCommand) -> list[int]:
        return [n for n in (0, 1) if CommandJudge(PLAN, n).concerns(given)]

    def test_a_portfolio_everyone_or_a_named_one(self) -> None:
        assert self.concerned(command("kill", portfolio="main")) == [0]
        assert self.concerned(command("kill", portfolio="side")) == [1]
        assert self.concerned(command("kill", "global", portfolio="*")) == [0, 1]

    def test_a_named_portfolio_among_all_leaves_the_others_alone(self) -> None:
        assert self.concerned(command("kill", "portfolio", "side", portfolio="*")) == [1]

    def test_one_that_does_not_exist_is_refused_by_the_first_rather_than_lost(self) -> None:
        assert self.concerned(command("kill", portfolio="mian")) == [0]
        assert self.concerned(command("kill", "portfolio", "mian", portfolio="*")) == [0]


def test_flatten_is_stronger_than_freeze() -> None:
    assert [stronger(a, b) for a, b in ((None, None), ("freeze", None), (None, "flatten"), ("freeze", "flatten"))] == [
        None, "freeze", "flatten", "flatten",
    ]  # fmt: skip


class TestTheJournal:
    def journalled(self, desk: Desk) -> list[tuple[str, bool, bool]]:
        return [(c["verdict"], c["accepted"], c["late"]) for d in desk.decisions() for c in d.commands or []]

    def test_shows_every_verdict_with_what_was_said(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0})
        desk.command("kill", "pod", "alpha", id="k", reason="odd fills")
        desk.command("kill", "pod", "alpha", id="k")
        desk.command("kill", "pod", "nobody")
        desk.command("kill", "pod", "alpha", expires_at=START)
        decision = desk.cycle({"AAA": 100.0})
        assert self.journalled(desk) == [
            ("CONTROL_ACCEPTED", True, False),
            ("CONTROL_DUPLICATE", False, False),
            ("CONTROL_UNKNOWN_TARGET", False, False),
            ("CONTROL_EXPIRED", False, False),
        ]
        assert decision is not None and decision.commands is not None
        first = decision.commands[0]
        assert (first["operator"], first["reason"], first["effective"]) == ("ada", "odd fills", START + 2 * HOUR)

    def test_a_command_in_a_cycle_without_prices_is_obeyed_and_journalled(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
        desk.cycle({"AAA": 100.0})
        desk.command("trading_state", state="HALTED")
        decision = desk.cycle({})
        assert decision is not None and decision.trading_state == "HALTED"
        assert decision.transitions is not None and decision.transitions[0]["subject"] == "trading"

    def test_a_forced_rebalance_is_made_in_its_cycle_and_once(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle({"AAA": 100.0})
        desk.command("force_rebalance")
        forced = desk.cycle({"AAA": 100.0})
        assert forced is not None and forced.capital is not None and forced.capital["trigger"] == "forced"
        assert desk.cycle({"AAA": 100.0}) is None
