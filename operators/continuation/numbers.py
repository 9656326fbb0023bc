"""What the numbers of a stopped flow are in a new plan."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from operators.continuation.stopped import PodName, ScheduleKey, Stopped
from operators.frames import Int32, Intents, StrategyEvent
from operators.intents import take
from operators.plan import Plan

#: A number that nothing has any more.
GONE = -1


@dataclass(frozen=True, slots=True)
class Numbers:
    """Old number -> new number, GONE where the plan does not have it.

    Attributes:
        symbols: [S] of global symbols. pods: of pods. schedules: [K] of schedules whose state continues.
        keys: of the plan's schedules, by their number.
    """

    plan: Plan
    symbols: Int32
    pods: dict[int, int]
    schedules: Int32
    keys: tuple[ScheduleKey, ...]

    @classmethod
    def between(cls, stopped: Stopped, plan: Plan) -> Numbers:
        """How ``stopped`` is numbered in ``plan``."""
        names = {PodName(plan.portfolios[p.portfolio].id, p.id): p.index for p in plan.pods}
        keys = tuple(_key(plan, number) for number in range(len(plan.schedules)))
        place = {key: number for number, key in enumerate(keys)}
        return cls(
            plan,
            np.array([plan.symbol_index.get(s, GONE) for s in stopped.symbols], np.int32),
            {number: names.get(name, GONE) for number, name in enumerate(stopped.pods)},
            np.array([place.get(key, GONE) for key in stopped.schedules], np.int32),
            keys,
        )

    def continued(self) -> set[ScheduleKey]:
        """Keys of the schedules that continue."""
        return {self.keys[number] for number in self.schedules.tolist() if number != GONE}

    def intents(self, intents: Intents) -> tuple[Intents, np.ndarray]:
        """The intents of schedules that continue, in symbols that they still trade; and their rows [n] before."""
        schedule = _moved(self.schedules, intents.schedule)
        symbol = _moved(self.symbols, intents.symbol)
        kept = [
            row
            for row, (k, s) in enumerate(zip(schedule.tolist(), symbol.tolist(), strict=True))
            if k != GONE and s != GONE and s in self.plan.schedules[k].symbols
        ]
        rows = np.array(kept, np.int64)
        rows = rows[np.lexsort((symbol[rows], schedule[rows], intents.cycle[rows]))]
        found = take(intents, rows)
        features = np.full((len(rows), self.plan.feature_width), np.nan)
        width = min(self.plan.feature_width, found.features.shape[1])
        features[:, :width] = found.features[:, :width]
        moved = {f.name: getattr(found, f.name) for f in fields(Intents)}
        moved |= {"schedule": schedule[rows], "symbol": symbol[rows], "features": features}
        return Intents(**moved), rows

    def events(self, events: list[StrategyEvent]) -> list[StrategyEvent]:
        """The events of schedules that continue."""
        found: list[StrategyEvent] = []
        for event in events:
            schedule = int(self.schedules[event.schedule])
            symbol = int(self.symbols[event.symbol]) if event.symbol >= 0 else event.symbol
            if schedule != GONE and (event.symbol < 0 or symbol != GONE):
                found.append(StrategyEvent(event.cycle, schedule, symbol, event.reason, event.detail))
        return found


def _moved(numbers: Int32, old: Int32) -> Int32:
    moved: Int32 = numbers[old] if len(numbers) else np.full(len(old), GONE, np.int32)
    return moved


def _key(plan: Plan, number: int) -> ScheduleKey:
    schedule = plan.schedules[number]
    pod = plan.pods[schedule.pod]
    return ScheduleKey(
        PodName(plan.portfolios[pod.portfolio].id, pod.id), schedule.id, schedule.strategy_id, schedule.version,
        schedule.parameter_hash, plan.intervals[schedule.interval],
    )  # fmt: skip
