"""What commands do to a portfolio: trading state, kill switches, forced rebalances (spec 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from operators.allocate.capital import Capital
from operators.control.commands import CommandJudge, KillSwitches, Verdict, legs_of, stronger, switch_of
from operators.frames import Bool, SideMessage
from operators.plan import Plan
from operators.portfolio.ledger import ACTIVE, HALTED, REDUCING, TRADING, Ledger
from operators.portfolio.standing_orders import StandingOrders
from schemas.messages import ControlCommand
from schemas.reasons import Reason

_NAMES = {ACTIVE: "ACTIVE", REDUCING: "REDUCING", HALTED: "HALTED"}
#: pod, strategy, schedule and symbol, as a kill switch names them
_Place = tuple[str, str, str, str]
_STATES = {name: state for state, name in _NAMES.items()}


@dataclass(slots=True)
class ControlReport:
    """What the commands of a cycle did, for its decision."""

    commands: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)


class PortfolioControl:
    """Judges and obeys commands; ``ordered`` is the trading state that operators asked for, kill switches apart.

    Attributes:
        standing: what operators have set beside state and switches.
    """

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._judge = CommandJudge(plan, portfolio)
        self._switches = KillSwitches()
        self._cells = _cells(plan, portfolio)
        self._places = {plan.symbols[s]: n for n, s in enumerate(own.symbols.tolist())}
        self._internal = own.configuration.execution.mode == "internal_paper"
        self._live = own.configuration.execution.mode == "live"
        self._ordered = HALTED if self._live else _STATES[own.configuration.guards.initial_state]
        #: nobody has set the state yet: it is the one that the portfolio starts with
        self._untouched = True
        self.standing = StandingOrders(own.configuration.guards.model_dump())
        self._report = ControlReport()

    def apply(
        self, messages: list[SideMessage], cycle: int, ledger: Ledger, capital: Capital, reconciled: bool = True
    ) -> None:
        """Obeys the commands of ``cycle`` in their order.

        ``reconciled`` says that a position report has agreed with the ledger: before that a live portfolio stays
        HALTED, whoever arms it.
        """
        for side in messages:
            command: ControlCommand = side.message
            if not self._judge.concerns(command):
                continue
            verdict = self._judge.judge(command, cycle)
            if verdict.accepted and self._live and not reconciled and _starts_trading(command):
                verdict = Verdict(Reason.CONTROL_NOT_RECONCILED, "no position report has agreed with the ledger yet")
            self._report.commands.append(_record(side, command, verdict.reason, verdict.detail))
            if not verdict.accepted:
                continue
            if command.command == "trading_state":
                self._ordered, self._untouched = _STATES[command.body["state"]], False
            elif self._starts(command):
                self._ordered, self._untouched = ACTIVE, False
            elif command.command in ("kill", "arm"):
                self._switch(command)
            elif (moved := self.standing.obey(command, capital)) is not None:
                self._transition(moved.subject, moved.before, moved.after, moved.reason, command)
                ledger.dirty[:] |= moved.reason in (Reason.STATE_RISK_LIMIT, Reason.STATE_UNRESTRICTED)
            self._settle(command, ledger)

    def _starts(self, command: ControlCommand) -> bool:
        """Whether an ``arm`` means the portfolio that starts HALTED: a switch of the same scope is lifted first."""
        whole = command.command == "arm" and command.target.scope in ("global", "portfolio")
        return (
            whole and self._untouched and self._ordered == HALTED and self._switches.mode(*switch_of(command)) is None
        )

    def freeze(self, symbols: list[str], ledger: Ledger) -> None:
        """Sets the kill switch of symbols whose data need an operator, and takes their open orders back."""
        for symbol in sorted(set(symbols)):
            before = self._switches.mode("symbol", symbol)
            if before is not None:
                continue
            self._switches.switches["symbol", symbol] = "freeze"
            self._report.transitions.append(
                {
                    "after": "freeze",
                    "before": "armed",
                    "evidence": {"symbol": symbol},
                    "reason": Reason.QUALITY_CORPORATE_ACTION.name,
                    "subject": f"kill:symbol:{symbol}",
                }
            )
        self.realign(ledger)
        self._take_back(ledger, ledger.stopped)

    def _switch(self, command: ControlCommand) -> None:
        """Sets or lifts a kill switch, and journals that it changed."""
        scope, name = switch_of(command)
        before = self._switches.mode(scope, name)
        self._switches.apply(command)
        after = self._switches.mode(scope, name)
        if before != after:
            reason = Reason.STATE_ARMED if after is None else Reason.STATE_KILL
            subject = f"kill:{scope}:{name}" if name else f"kill:{scope}"
            self._transition(subject, before or "armed", after or "armed", reason, command)

    def _settle(self, command: ControlCommand, ledger: Ledger) -> None:
        """Brings state and stops in line with the switches, and takes open orders back where trading stops."""
        killed = self._switches.everything()
        state = {None: self._ordered, "freeze": HALTED, "flatten": max(self._ordered, REDUCING)}[killed]
        before = int(ledger.state[TRADING])
        if state != before:
            ledger.state[TRADING] = state
            self._transition("trading", _NAMES[before], _NAMES[state], Reason.STATE_TRADING, command)
        self.realign(ledger)
        kills_all = command.command == "kill" and command.target.scope in ("global", "portfolio")
        takes_back = ledger.stopped | (kills_all or ledger.state[TRADING] == HALTED)
        self._take_back(ledger, takes_back)

    def _take_back(self, ledger: Ledger, takes_back: Bool) -> None:
        for place in np.flatnonzero((ledger.pending != 0) & takes_back & ~ledger.cancelling).tolist():
            if self._internal:
                ledger.pending[place] = 0
            else:
                ledger.cancelling[place] = True
            ledger.dirty[place] = True
            self._report.cancelled.append(place)

    def realign(self, ledger: Ledger) -> None:
        """Brings what is stopped and frozen in line with the switches."""
        for name, place in self._places.items():
            stopped = self._switches.mode("symbol", name) == "freeze"
            if stopped != bool(ledger.stopped[place]):
                ledger.stopped[place] = stopped
                ledger.dirty[place] = True
            ledger.restricted[place] = name in self.standing.restricted
        for pod, place, schedules in self._cells:
            modes = {self._strongest(legs) for legs in schedules}
            ledger.frozen[pod, place] = modes == {"freeze"}

    def _strongest(self, legs: list[_Place]) -> str | None:
        """What the switches say of a schedule, whose legs stand together."""
        mode = None
        for leg in legs:
            mode = stronger(mode, self._switches.covers(*leg))
        return mode

    def _transition(self, subject: str, before: str, after: str, reason: Reason, command: ControlCommand) -> None:
        self._report.transitions.append(
            {
                "after": after,
                "before": before,
                "evidence": {"command": command.id, "operator": command.operator, "note": command.note},
                "reason": reason.name,
                "subject": subject,
            }
        )

    def take_report(self) -> ControlReport:
        """What happened since the last call."""
        report, self._report = self._report, ControlReport()
        return report

    def snapshot(self) -> dict[str, Any]:
        """Accepted ids, switches, the ordered state and standing orders."""
        return {
            "commands": self._judge.snapshot(),
            "switches": dict(self._switches.switches),
            "ordered": self._ordered,
            "untouched": self._untouched,
            "standing": self.standing.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._judge.restore(snapshot["commands"])
        self._switches = KillSwitches(dict(snapshot["switches"]))
        self._ordered, self._untouched = snapshot["ordered"], snapshot["untouched"]
        self.standing.restore(snapshot["standing"])


def _starts_trading(command: ControlCommand) -> bool:
    """Whether a command may let the whole portfolio trade."""
    if command.command == "trading_state":
        return bool(command.body["state"] != "HALTED")
    return command.command == "arm" and command.target.scope in ("global", "portfolio")


def _cells(plan: Plan, portfolio: int) -> list[tuple[int, int, list[list[_Place]]]]:
    """(pod, symbol, the legs of those who trade it there) of every pair that any schedule trades, by place in the
    portfolio."""
    own = plan.portfolios[portfolio]
    found: list[tuple[int, int, list[list[_Place]]]] = []
    for row, number in enumerate(own.pods):
        pod = plan.pods[number]
        schedules = [plan.schedules[s] for s in pod.schedules]
        for place, symbol in enumerate(own.symbols.tolist()):
            name = plan.symbols[symbol]
            traders = [
                [(pod.id, s.strategy_id, s.id, leg) for leg in legs_of(s, name, plan)]
                for s in schedules
                if symbol in s.symbols
            ]
            if traders:
                found.append((row, place, traders))
    return found


def _record(side: SideMessage, command: ControlCommand, reason: Reason, detail: str) -> dict[str, Any]:
    return {
        "accepted": reason is Reason.CONTROL_ACCEPTED,
        "body": command.body,
        "command": command.command,
        "detail": detail,
        "effective": side.effective,
        "id": command.id,
        "late": side.late,
        "note": command.note,
        "operator": command.operator,
        "position": [side.topic, side.partition, side.offset],
        "reason": command.reason,
        "target": msgspec.to_builtins(command.target),
        "verdict": reason.name,
    }
