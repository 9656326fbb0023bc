"""Judges commands and keeps which kill switches are set. Pure: a replay obeys at the same cycle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from operators.plan import Plan
from schemas.messages import ControlCommand
from schemas.reasons import Reason

EVERY_PORTFOLIO = "*"
TRADING_STATES = ("ACTIVE", "REDUCING", "HALTED")
KILL_MODES = ("freeze", "flatten")
_SCOPES = {
    "kill": ("global", "portfolio", "pod", "strategy", "schedule", "symbol"),
    "arm": ("global", "portfolio", "pod", "strategy", "schedule", "symbol"),
    "trading_state": ("global", "portfolio"),
    "force_rebalance": ("global", "portfolio"),
}


@dataclass(slots=True, frozen=True)
class Verdict:
    """Whether a command is obeyed, and why not."""

    reason: Reason
    detail: str = ""

    @property
    def accepted(self) -> bool:
        """True when the command takes effect."""
        return self.reason is Reason.CONTROL_ACCEPTED


@dataclass(slots=True)
class KillSwitches:
    """Set kill switches: (scope, name) -> mode. Whole-portfolio switches have the scope "portfolio" and name ""."""

    switches: dict[tuple[str, str], str] = field(default_factory=dict)

    def mode(self, scope: str, name: str = "") -> str | None:
        """``freeze``, ``flatten`` or None for a single switch."""
        return self.switches.get((scope, name))

    def apply(self, command: ControlCommand) -> None:
        """Sets or lifts the switch that an accepted ``kill`` or ``arm`` names."""
        scope = "portfolio" if command.target.scope == "global" else command.target.scope
        key = (scope, "" if scope == "portfolio" else command.target.name)
        if command.command == "kill":
            self.switches[key] = command.body.get("mode", "freeze")
        else:
            self.switches.pop(key, None)


class CommandJudge:
    """Judges the commands of one portfolio; remembers ids, so that a command counts once."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        pods = [plan.pods[p] for p in own.pods]
        schedules = [plan.schedules[s] for p in pods for s in p.schedules]
        self._portfolio = own.id
        self._known: dict[str, frozenset[str]] = {
            "pod": frozenset(p.id for p in pods),
            "schedule": frozenset(s.id for s in schedules),
            "strategy": frozenset(s.strategy_id for s in schedules),
            "symbol": frozenset(plan.symbols[s] for s in own.symbols.tolist()),
        }
        self._seen: dict[str, None] = {}

    def concerns(self, command: ControlCommand) -> bool:
        """True when the command is addressed to this portfolio."""
        return command.portfolio in (EVERY_PORTFOLIO, self._portfolio)

    def judge(self, command: ControlCommand, cycle: int) -> Verdict:
        """The verdict on ``command`` in ``cycle``; an accepted id is remembered."""
        verdict = self._judge(command, cycle)
        if verdict.accepted:
            self._seen[command.id] = None
        return verdict

    def _judge(self, command: ControlCommand, cycle: int) -> Verdict:
        if command.id in self._seen:
            return Verdict(Reason.CONTROL_DUPLICATE, f"id {command.id}")
        scopes = _SCOPES.get(command.command)
        if scopes is None:
            return Verdict(Reason.CONTROL_UNKNOWN_COMMAND, f"{command.command}; known: {', '.join(sorted(_SCOPES))}")
        if command.expires_at is not None and cycle > command.expires_at:
            return Verdict(Reason.CONTROL_EXPIRED, f"expired at {command.expires_at}")
        target = command.target
        if target.scope not in scopes:
            return Verdict(Reason.CONTROL_UNKNOWN_TARGET, f"{command.command} does not apply to scope {target.scope}")
        if target.scope in self._known and target.name not in self._known[target.scope]:
            return Verdict(Reason.CONTROL_UNKNOWN_TARGET, f"no {target.scope} {target.name!r}")
        return _judge_body(command)

    def snapshot(self) -> list[str]:
        """Ids that were accepted."""
        return list(self._seen)

    def restore(self, snapshot: list[str]) -> None:
        """Goes on from a snapshot."""
        self._seen = dict.fromkeys(snapshot)


def _judge_body(command: ControlCommand) -> Verdict:
    body: dict[str, Any] = command.body
    if command.command == "kill" and body.get("mode", "freeze") not in KILL_MODES:
        return Verdict(Reason.CONTROL_BAD_BODY, f"mode {body.get('mode')!r} is not one of {', '.join(KILL_MODES)}")
    if command.command == "trading_state" and body.get("state") not in TRADING_STATES:
        return Verdict(Reason.CONTROL_BAD_BODY, f"state {body.get('state')!r} is not one of {', '.join(TRADING_STATES)}")
    rearms = command.command == "arm" or (command.command == "trading_state" and body.get("state") == "ACTIVE")
    if rearms and not command.note.strip():
        return Verdict(Reason.CONTROL_NOTE_REQUIRED, "say in `note` why trading may go on")
    return Verdict(Reason.CONTROL_ACCEPTED)
