"""Judges commands and keeps which kill switches are set. Pure: a replay obeys at the same cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

from operators.control.authority import Authority
from operators.control.body_check import BodyCheck
from operators.control.carried_out import CarriedOut
from operators.plan import Plan, SchedulePlan
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.control import COMMANDS, BodyError
from schemas.messages import ControlCommand
from schemas.reasons import Reason

EVERY_PORTFOLIO = "*"


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
    """Set kill switches: (scope, name) -> mode. Those of everything and of the whole portfolio have no name; each is
    lifted at the scope that set it."""

    switches: dict[tuple[str, str], str] = field(default_factory=dict)

    def mode(self, scope: str, name: str = "") -> str | None:
        """``freeze``, ``flatten`` or None for a single switch."""
        return self.switches.get((scope, name))

    def everything(self) -> str | None:
        """What the switches over everything and over the whole portfolio say."""
        return stronger(self.mode("global"), self.mode("portfolio"))

    def covers(self, pod: str, strategy: str, schedule: str, symbol: str) -> str | None:
        """The strongest switch over what a schedule does in a symbol."""
        mode = self.everything()
        for scope, name in (("pod", pod), ("strategy", strategy), ("schedule", schedule), ("symbol", symbol)):
            mode = stronger(mode, self.mode(scope, name))
        return mode

    def apply(self, command: ControlCommand) -> None:
        """Sets or lifts the switch that an accepted ``kill`` or ``arm`` names."""
        key = switch_of(command)
        if command.command == "kill":
            self.switches[key] = command.body.get("mode", "freeze")
        else:
            self.switches.pop(key, None)


def switch_of(command: ControlCommand) -> tuple[str, str]:
    """(scope, name) of the switch that a ``kill`` or ``arm`` means."""
    scope = command.target.scope
    return scope, "" if scope in ("global", "portfolio") else command.target.name


def stronger(one: str | None, other: str | None) -> str | None:
    """``flatten`` over ``freeze`` over nothing."""
    return "flatten" if "flatten" in (one, other) else one or other


def legs_of(schedule: SchedulePlan, symbol: str, plan: Plan) -> list[str]:
    """The symbols whose switches count for a schedule in ``symbol``: of one whose legs stand together, every leg's."""
    if not schedule.strategy.legs:
        return [symbol]
    return [plan.symbols[s] for s in schedule.symbols.tolist()]


class CommandJudge:
    """Judges the commands of one portfolio; remembers ids, so that a command counts once."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        pods = [plan.pods[p] for p in own.pods]
        schedules = [plan.schedules[s] for p in pods for s in p.schedules]
        self._portfolio = own.id
        self._others = frozenset(p.id for p in plan.portfolios) - {own.id}
        self._first = portfolio == 0
        self._known: dict[str, frozenset[str]] = {
            "pod": frozenset(p.id for p in pods),
            "schedule": frozenset(s.id for s in schedules),
            "strategy": frozenset(s.strategy_id for s in schedules),
            "symbol": frozenset(plan.symbols[s] for s in own.symbols.tolist()),
            "tag": frozenset(t for s in schedules for t in s.settings.tags),
        }
        operators, time = plan.configuration.operators, plan.configuration.time
        self._authority = Authority(operators)
        self._bodies = BodyCheck(own.configuration, schedules)
        # A command's cycle may end so long after its own time without any of it being late.
        delay = plan.cycle_ns + seconds_to_nanoseconds(time.side_lag_seconds)
        self._done = CarriedOut(seconds_to_nanoseconds(operators.command_window_seconds) + delay)

    def concerns(self, command: ControlCommand) -> bool:
        """True when the command is addressed to this portfolio. What names a portfolio that does not exist concerns the
        first one, which refuses it: no command is lost without a word."""
        addressees = {command.portfolio} - {EVERY_PORTFOLIO}
        if command.target.scope == "portfolio" and command.target.name:
            addressees.add(command.target.name)
        if addressees <= {self._portfolio}:
            return True
        return self._first and not addressees <= self._others | {self._portfolio}

    def judge(self, command: ControlCommand, cycle: int) -> Verdict:
        """The verdict on ``command`` in ``cycle``; an accepted id is remembered."""
        verdict = self._judge(command, cycle)
        if verdict.accepted:
            self._done.add(command, cycle)
        return verdict

    def _judge(self, command: ControlCommand, cycle: int) -> Verdict:
        refusal = self._authority.refusal(command)
        if refusal is not None:
            return Verdict(*refusal)
        if command in self._done:
            return Verdict(Reason.CONTROL_DUPLICATE, f"id {command.id}")
        if command.command not in COMMANDS:
            return Verdict(Reason.CONTROL_UNKNOWN_COMMAND, f"{command.command}; known: {', '.join(sorted(COMMANDS))}")
        if command.expires_at is not None and cycle > command.expires_at:
            return Verdict(Reason.CONTROL_EXPIRED, f"expired at {command.expires_at}")
        if self._done.is_too_old(command, cycle):
            return Verdict(Reason.CONTROL_EXPIRED, "older than operators.command_window_seconds; give it again")
        return self._target(command) or self._body(command)

    def _target(self, command: ControlCommand) -> Verdict | None:
        """Why the target of a known command is none."""
        target = command.target
        named = target.name if target.scope == "portfolio" and target.name else self._portfolio
        for portfolio in (command.portfolio, named):
            if portfolio not in (EVERY_PORTFOLIO, self._portfolio):
                return Verdict(Reason.CONTROL_UNKNOWN_TARGET, f"no portfolio {portfolio!r}")
        scopes = COMMANDS[command.command].scopes
        if target.scope not in scopes:
            detail = f"{command.command} does not apply to scope {target.scope}; it does to {', '.join(scopes)}"
            return Verdict(Reason.CONTROL_UNKNOWN_TARGET, detail)
        if target.scope in self._known and target.name not in self._known[target.scope]:
            return Verdict(Reason.CONTROL_UNKNOWN_TARGET, f"no {target.scope} {target.name!r}")
        return None

    def _body(self, command: ControlCommand) -> Verdict:
        try:
            self._bodies.check(command)
        except BodyError as fault:
            return Verdict(Reason.CONTROL_BAD_BODY, str(fault))
        rearms = command.command == "arm" or (
            command.command == "trading_state" and command.body.get("state") == "ACTIVE"
        )
        if rearms and not (command.note.strip() and command.operator.strip()):
            return Verdict(Reason.CONTROL_NOTE_REQUIRED, "name the operator, and say in `note` why trading may go on")
        return Verdict(Reason.CONTROL_ACCEPTED)

    def snapshot(self) -> list[tuple[str, int]]:
        """Ids that were accepted, with their time."""
        return self._done.snapshot()

    def restore(self, snapshot: list[tuple[str, int]]) -> None:
        """Goes on from a snapshot."""
        self._done.restore(snapshot)
