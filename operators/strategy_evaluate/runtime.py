"""The strategies of one key group, from closed bars to intents (spec 3; design, "What strategies may know")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int32, Int64, Intents, StrategyEvent
from operators.intents import join
from operators.normalize.features.engine import FeatureEngine, check_version
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.normalize.features.symbol_rows import take_over
from operators.plan import GroupPlan, Plan
from operators.strategy_evaluate.emission import Changes
from operators.strategy_evaluate.evaluation import ScheduleEvaluation
from operators.strategy_evaluate.slices import read_only, silent_block, symbols_of

SNAPSHOT_VERSION = 2


class EvaluationWatch(Protocol):
    """Whoever looks for hangs by the wall clock, outside the operators (design, "Overrun and hang")."""

    def enter(self, schedule: str, cycle: int, portfolio: str = "") -> None:
        """The schedule is about to be evaluated for ``cycle`` and what follows in its block."""

    def leave(self) -> None:
        """It returned."""


class StrategyRuntime:
    """Features and schedules of ``plan.groups[group]``.

    Everything that it needs is compiled before the constructor returns. Blocks must not change after ``step`` has
    seen them.

    Args:
        plan: the compiled configuration.
        group: index of the key group, or symbols and schedules of a group of its own (``scope: pod``).
        quarantined: schedule id, or portfolio id/schedule id, -> first cycle from which that schedule is silent.
        watch: told before and after each evaluation, so that a hang can be seen from outside.
    """

    def __init__(
        self,
        plan: Plan,
        group: int | GroupPlan,
        quarantined: Mapping[str, int] | None = None,
        watch: EvaluationWatch | None = None,
    ) -> None:
        self.plan = plan
        #: bars evaluated by schedule index since this object was made: for metrics, no part of the state
        self.evaluated: dict[int, int] = {}
        self._watch = watch
        own = group if isinstance(group, GroupPlan) else plan.groups[group]
        self.symbols = own.symbols
        self.names = tuple(plan.symbols[s] for s in own.symbols)
        self._last_close: dict[int, Float64] = {}
        self._evaluations: dict[int, list[tuple[ScheduleEvaluation, Int32 | None]]] = {}
        declared: dict[int, set[Feature]] = {}
        for index, local in own.schedules:
            schedule = plan.schedules[index]
            names = tuple(self.names[i] for i in local)
            portfolio = plan.portfolios[plan.pods[schedule.pod].portfolio].id
            first = quarantined_from(quarantined, portfolio, schedule.id)
            circuit = plan.configuration.circuit
            evaluation = ScheduleEvaluation(schedule, portfolio, names, own.symbols[local], circuit, first)
            columns = None if len(local) == len(own.symbols) else local
            self._evaluations.setdefault(schedule.interval, []).append((evaluation, columns))
            declared.setdefault(schedule.interval, set()).update(evaluation.declared)
        self._engines = {i: FeatureEngine(declared[i], len(own.symbols)) for i in sorted(declared)}
        for interval in self._engines:
            self._last_close[interval] = np.full(len(own.symbols), np.nan)
        self._warm()

    def step(self, blocks: Sequence[BarBlock]) -> tuple[Intents, list[StrategyEvent]]:
        """Evaluates closed bars: a block for each interval, all of the same cycles; empty ones may be left out.

        Returns intents sorted by (cycle, schedule, symbol) with global symbol indices, only where a target differs from
        the standing one, and events sorted by (cycle, schedule).
        """
        pieces: list[Intents] = []
        events: list[StrategyEvent] = []
        for block in blocks:
            if len(block) == 0 or block.interval not in self._engines:
                continue
            bars = read_only(block)
            features = self._engines[bars.interval].step(bars)
            count = int(np.count_nonzero(bars.fresh))
            for evaluation, columns in self._evaluations[bars.interval]:
                own = tuple(_columns(features[f], columns) for f in evaluation.declared)
                own_bars = bars if columns is None else read_only(symbols_of(bars, columns))
                changes, told = self._evaluate(evaluation, own_bars, own)
                index = evaluation.schedule.index
                own_count = count if columns is None else int(np.count_nonzero(own_bars.fresh))
                self.evaluated[index] = self.evaluated.get(index, 0) + own_count
                before = _columns(self._last_close[bars.interval], columns)
                pieces += [self._intents(evaluation, own_bars, own, before, c) for c in changes if len(c.row)]
                events += told
            _remember_close(bars.close, bars.fresh, self._last_close[bars.interval])
        events.sort(key=lambda e: (e.cycle, e.schedule))
        return join(pieces, self.plan.feature_width), events

    def _evaluate(
        self, evaluation: ScheduleEvaluation, bars: BarBlock, features: tuple[Float64, ...]
    ) -> tuple[list[Changes], list[StrategyEvent]]:
        if self._watch is None:
            return evaluation.step(bars, features)
        self._watch.enter(evaluation.schedule.id, int(bars.cycles[0]), evaluation.portfolio)
        try:
            return evaluation.step(bars, features)
        finally:
            self._watch.leave()

    def _intents(
        self, evaluation: ScheduleEvaluation, bars: BarBlock, features: tuple[Float64, ...], before: Float64, c: Changes
    ) -> Intents:
        n = len(c.row)
        missing = np.full(n, np.nan)
        notional = evaluation.schedule.strategy.unit == "notional"
        values = np.full((n, self.plan.feature_width), np.nan)
        places = c.row * len(evaluation.symbols) + c.column
        for i, feature in enumerate(features):
            values[:, i] = feature.take(places)
        return Intents(
            cycle=bars.cycles.take(c.row),
            schedule=np.full(n, evaluation.schedule.index, np.int32),
            symbol=evaluation.symbols.take(c.column),
            strength=missing if notional else c.value,
            notional=c.value if notional else missing,
            confidence=c.confidence,
            price=_price(bars.close, bars.fresh, before, c.row, c.column),
            features=values,
        )

    def _warm(self) -> None:
        for interval, engine in self._engines.items():
            bars = read_only(silent_block(interval, engine.symbols))
            engine.step(bars)
            nowhere = np.empty(0, np.int64)
            _remember_close(bars.close, bars.fresh, self._last_close[interval])
            for evaluation, columns in self._evaluations[interval]:
                before = _columns(self._last_close[interval], columns)
                _price(bars.close, bars.fresh, before, nowhere, nowhere)
                evaluation.warm(interval)

    def snapshot(self) -> dict[str, Any]:
        """A picklable copy of all state, keyed by the names of interval, portfolio/schedule and symbol."""
        return {
            "version": SNAPSHOT_VERSION,
            "symbols": self.names,
            "intervals": {
                self.plan.intervals[i]: {"features": engine.snapshot(), "last_close": self._last_close[i].copy()}
                for i, engine in self._engines.items()
            },
            "schedules": {
                e.key: {"interval": self.plan.intervals[i], **e.snapshot()}
                for i, pairs in self._evaluations.items()
                for e, _ in pairs
            },
        }

    def restore(self, *snapshots: dict[str, Any]) -> None:
        """Takes over snapshots of this group, or after a repartition of several groups, symbol by symbol.

        Features and schedules that a snapshot has under the same name, version and parameters continue; new ones start
        cold; removed ones vanish. Raises SnapshotError for a snapshot of another version.
        """
        for snapshot in snapshots:
            check_version(snapshot, SNAPSHOT_VERSION, "strategies")
        for interval, engine in self._engines.items():
            self._restore_interval(interval, engine, snapshots)
            for evaluation, _ in self._evaluations[interval]:
                self._restore_schedule(interval, evaluation, snapshots)

    def _restore_interval(self, interval: int, engine: FeatureEngine, snapshots: Sequence[dict[str, Any]]) -> None:
        for snapshot in snapshots:
            saved = snapshot["intervals"].get(self.plan.intervals[interval])
            if saved is None:
                continue
            last = {"last_close": self._last_close[interval]}
            take_over(last, self.names, {"last_close": saved["last_close"]}, snapshot["symbols"])
            engine.restore_symbols(saved["features"], self.names, snapshot["symbols"])

    def _restore_schedule(
        self, interval: int, evaluation: ScheduleEvaluation, snapshots: Sequence[dict[str, Any]]
    ) -> None:
        key = evaluation.key
        saved = [s["schedules"][key] for s in snapshots if key in s["schedules"]]
        saved = [s for s in saved if evaluation.continues(s) and s["interval"] == self.plan.intervals[interval]]
        if not saved:
            return
        own = evaluation.snapshot()
        for other in saved:
            take_over(own["columns"], evaluation.names, other["columns"], other["symbols"])
            take_over(own["state"], evaluation.names, other["state"], other["symbols"])
        evaluation.restore(own["columns"], own["state"], saved)


def quarantined_from(quarantined: Mapping[str, int] | None, portfolio: str, schedule: str) -> int | None:
    """First cycle from which a schedule is silent: the earliest that names it, with its portfolio or for all; or
    None."""
    named = (f"{portfolio}/{schedule}", schedule)
    return min(((quarantined or {})[key] for key in named if key in (quarantined or {})), default=None)


def _columns(values: Float64, columns: Int32 | None) -> Float64:
    if columns is None:
        return values
    taken: Float64 = np.take(values, columns, axis=-1)
    taken.flags.writeable = False
    return taken


@kernel
def _price(close: Float64, fresh: Bool, before: Float64, row: Int64, column: Int64) -> Float64:
    """The close of each row and column; where the symbol has no bar there, its last close before."""
    price = np.empty(len(row))
    for i in range(len(row)):
        at, symbol = row[i], column[i]
        while at >= 0 and not fresh[at, symbol]:
            at -= 1
        price[i] = close[at, symbol] if at >= 0 else before[symbol]
    return price


@kernel
def _remember_close(close: Float64, fresh: Bool, last: Float64) -> None:
    for s in range(close.shape[1]):
        for c in range(close.shape[0] - 1, -1, -1):
            if fresh[c, s]:
                last[s] = close[c, s]
                break
