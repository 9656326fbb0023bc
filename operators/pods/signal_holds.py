"""Suspensions and signal limits of one pod on event time: set by configuration and commands, expired by the log
(spec 3, "Signal limits", "Suspensions")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.control.signal_commands import RESUME, SIGNAL_COMMANDS, SUSPEND, limited_pair, until_of
from operators.frames import BEGINNING, Bool, Int64, StrategyEvent
from operators.plan import Plan, SchedulePlan
from schemas.messages import ControlCommand
from schemas.reasons import Reason

#: ("schedule" | "tag" | "pod", name) of a suspension, (strategy type, risk profile) of a limit.
Key = tuple[str, str]
NO_LIMIT = -1


@dataclass(slots=True, frozen=True)
class Hold:
    """A suspension or a limit in force. ``until`` and ``due`` (its first cycle without it) are None until lifted."""

    until: int | None
    due: int | None
    reason: str
    limit: int = NO_LIMIT


@dataclass(slots=True, frozen=True)
class InForce:
    """What holds from ``cycle`` on: [K] suspended, [K] most entries and increases in a cycle (``NO_LIMIT``: all)."""

    cycle: int
    suspended: Bool
    limit: Int64


@dataclass(slots=True, frozen=True)
class ScheduleState:
    """How a schedule stands, for metrics: ``until`` of its suspension in ns, whether a tag suspends it, its limit."""

    schedule: str
    suspended: bool
    by_tag: bool
    until: int | None
    limit: int


class SignalHolds:
    """Which schedules of a pod are suspended or limited. A schedule's own record wins over its tags'."""

    def __init__(self, plan: Plan, pod: int) -> None:
        own = plan.pods[pod]
        self._cycle_ns = plan.cycle_ns
        self._pod: Key = ("pod", own.id)
        self._schedules = [plan.schedules[s] for s in own.schedules]
        self._initial = plan.configuration.portfolios[own.portfolio]
        self._suspensions: dict[Key, Hold] = {}
        self._limits: dict[Key, Hold] = {}
        self._begun = False
        self._now = self._in_force(BEGINNING)

    # ------------------------------------------------------------ time
    def advance(
        self, first: int | None, to_cycle: int, commands: list[tuple[int, ControlCommand]]
    ) -> tuple[list[InForce], list[StrategyEvent]]:
        """Everything up to ``to_cycle``: what holds from which cycle on, and what was told.

        Args:
            first: the first cycle in which anything happens, None when nothing does; initial records begin there.
            to_cycle: the last cycle of the block.
            commands: accepted commands by cycle.
        """
        events: list[StrategyEvent] = []
        if not self._begun and first is not None:
            self._begin(first, events)
            self._now = self._in_force(first)
        in_force = [self._now]
        if not self._begun:
            return in_force, events
        at = 0
        while True:
            holds = (*self._suspensions.values(), *self._limits.values())
            expiring = min((h.due for h in holds if h.due is not None), default=to_cycle + 1)
            now = min(expiring, commands[at][0] if at < len(commands) else to_cycle + 1)
            if now > to_cycle:
                return in_force, events
            self._expire(now, events)
            while at < len(commands) and commands[at][0] == now:
                self._obey(commands[at][1], now, events)
                at += 1
            self._now = self._in_force(now)
            in_force.append(self._now)

    def _begin(self, first: int, events: list[StrategyEvent]) -> None:
        self._begun = True
        for suspension in self._initial.initial_suspensions:
            key = (suspension.scope, suspension.name)
            if any(key in self._keys(s) for s in self._schedules):
                self._suspend(key, self._hold(suspension.until_ns(first), suspension.reason, first), first, events)
        for limit in self._initial.initial_signal_limits:
            pair = (limit.strategy, limit.risk_profile)
            if any(_pair(s) == pair for s in self._schedules):
                hold = self._hold(limit.until_ns(first), limit.reason, first, limit.limit)
                self._set_limit(pair, hold, first, events)

    def _hold(self, until: int | None, reason: str, now: int, limit: int = NO_LIMIT) -> Hold:
        due = None if until is None else max(-(-until // self._cycle_ns) * self._cycle_ns, now)
        return Hold(until, due, reason, limit)

    def _expire(self, now: int, events: list[StrategyEvent]) -> None:
        for key, hold in sorted((k, h) for k, h in self._suspensions.items() if h.due is not None and h.due <= now):
            del self._suspensions[key]
            self._tell(key, now, Reason.SCHEDULE_SUSPENSION_EXPIRED, _words(key, hold), events)
        for key, hold in sorted((k, h) for k, h in self._limits.items() if h.due is not None and h.due <= now):
            del self._limits[key]
            self._tell_pair(key, now, Reason.SIGNAL_LIMIT_EXPIRED, _words(key, hold), events)

    # ------------------------------------------------------------ commands
    def _obey(self, command: ControlCommand, now: int, events: list[StrategyEvent]) -> None:
        if command.command not in SIGNAL_COMMANDS:
            return
        until = until_of(command.body, now)
        if command.command in (*SUSPEND, *RESUME):
            key = (command.target.scope, command.target.name)
            if command.command in SUSPEND:
                self._suspend(key, self._hold(until, command.reason, now), now, events)
            elif (hold := self._suspensions.pop(key, None)) is not None:
                self._tell(key, now, Reason.SCHEDULE_RESUMED, _words(key, hold), events)
            return
        pair = limited_pair(command)
        if command.command == "set_limit":
            self._set_limit(pair, self._hold(until, command.reason, now, command.body["limit"]), now, events)
        elif (hold := self._limits.pop(pair, None)) is not None:
            self._tell_pair(pair, now, Reason.SIGNAL_LIMIT_CLEARED, _words(pair, hold), events)

    def _suspend(self, key: Key, hold: Hold, now: int, events: list[StrategyEvent]) -> None:
        self._suspensions[key] = hold
        self._tell(key, now, Reason.SCHEDULE_SUSPENDED, _words(key, hold), events)

    def _set_limit(self, pair: Key, hold: Hold, now: int, events: list[StrategyEvent]) -> None:
        self._limits[pair] = hold
        self._tell_pair(pair, now, Reason.SIGNAL_LIMIT_SET, _words(pair, hold), events)

    def _tell(self, key: Key, now: int, reason: Reason, detail: str, events: list[StrategyEvent]) -> None:
        affected = [s for s in self._schedules if key in self._keys(s)]
        events += [StrategyEvent(now, s.index, -1, reason.name, detail) for s in affected]

    def _tell_pair(self, pair: Key, now: int, reason: Reason, detail: str, events: list[StrategyEvent]) -> None:
        affected = [s for s in self._schedules if _pair(s) == pair]
        events += [StrategyEvent(now, s.index, -1, reason.name, detail) for s in affected]

    # ------------------------------------------------------------ what holds
    def _keys(self, schedule: SchedulePlan) -> list[Key]:
        """Records that suspend a schedule: its own, then its tags' in their order, then its pod's."""
        return [("schedule", schedule.id), *(("tag", tag) for tag in schedule.settings.tags), self._pod]

    def _governing(self, schedule: SchedulePlan) -> tuple[Key, Hold] | None:
        """The suspension that counts for a schedule: its own, else that of its first suspended tag."""
        found = [(k, self._suspensions[k]) for k in self._keys(schedule) if k in self._suspensions]
        return found[0] if found else None

    def _limit(self, schedule: SchedulePlan) -> int:
        hold = self._limits.get(_pair(schedule))
        if hold is not None:
            return hold.limit
        return NO_LIMIT if schedule.settings.max_signals is None else schedule.settings.max_signals

    def _in_force(self, cycle: int) -> InForce:
        suspended = np.array([self._governing(s) is not None for s in self._schedules], np.bool_)
        return InForce(cycle, suspended, np.array([self._limit(s) for s in self._schedules], np.int64))

    def states(self) -> list[ScheduleState]:
        """How every schedule of the pod stands, for metrics."""
        states: list[ScheduleState] = []
        for schedule in self._schedules:
            found = self._governing(schedule)
            key, hold = found or (("", ""), None)
            until = None if hold is None else hold.until
            states.append(ScheduleState(schedule.id, hold is not None, key[0] == "tag", until, self._limit(schedule)))
        return states

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """Every record."""
        return {
            "begun": self._begun,
            "suspensions": {k: (h.until, h.due, h.reason, h.limit) for k, h in self._suspensions.items()},
            "limits": {k: (h.until, h.due, h.reason, h.limit) for k, h in self._limits.items()},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._begun = snapshot["begun"]
        self._suspensions = {k: Hold(*h) for k, h in snapshot["suspensions"].items()}
        self._limits = {k: Hold(*h) for k, h in snapshot["limits"].items()}
        self._now = self._in_force(BEGINNING)


def _pair(schedule: SchedulePlan) -> Key:
    return schedule.strategy_id, schedule.settings.risk_profile


def _words(key: Key, hold: Hold) -> str:
    """What a record says, for the journal."""
    what = f"{key[0]} {key[1]}" if hold.limit == NO_LIMIT else f"{key[0]}:{key[1]} limit {hold.limit}"
    until = "until lifted" if hold.until is None else f"until {np.datetime64(hold.until, 'ns')}Z"
    return f"{what}, {until}" + (f": {hold.reason}" if hold.reason else "")
