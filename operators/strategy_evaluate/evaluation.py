"""One schedule in one key group: evaluates its strategy, isolates its errors, and collects what changes (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from operators.bars import BarBlock
from operators.frames import BEGINNING, Bool, Float64, Int32, StrategyEvent
from operators.plan import SchedulePlan
from operators.strategy_evaluate.cadence import Cadence
from operators.strategy_evaluate.circuit import Circuit
from operators.strategy_evaluate.emission import Changes, Standing, ready_mask, unusable
from operators.strategy_evaluate.isolation import IsolatedStrategy, error_text
from operators.strategy_evaluate.slices import cycles_of, read_only, silent_block
from operators.strategy_evaluate.strategy import Targets
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.configuration.document import Circuit as CircuitSettings
from schemas.reasons import Reason


@dataclass(slots=True)
class _Block:
    """What one evaluation works on: a block in the schedule's own columns, and what came of it."""

    bars: BarBlock
    features: tuple[Float64, ...]
    ready: Bool
    changes: list[Changes] = field(default_factory=list)
    events: list[StrategyEvent] = field(default_factory=list)

    def evaluated(self, first: int, last: int) -> Bool:
        """Which of these rows have any bar."""
        return np.asarray(self.bars.fresh[first:last].any(axis=1))


class ScheduleEvaluation:
    """A schedule's strategy over its symbols of one key group.

    A whole block is evaluated at once. When that fails, the state goes back to before the block and the block runs
    again cycle by cycle, so that the failing cycle is exact and nothing depends on where blocks were cut: each failing
    cycle is one error, and its bar is lost for the strategy. An answer that is not finite is an error too; it alone is
    dropped.

    Args:
        schedule: the schedule's plan; ``portfolio`` the id of its portfolio.
        names: [S] its symbols in this group; ``symbols`` their global indices.
        circuit: limits of the circuit breaker.
        quarantined_from: first cycle from which the watchdog keeps it silent, or None.
    """

    def __init__(
        self,
        schedule: SchedulePlan,
        portfolio: str,
        names: tuple[str, ...],
        symbols: Int32,
        circuit: CircuitSettings,
        quarantined_from: int | None,
    ) -> None:
        self.schedule = schedule
        self.portfolio = portfolio
        #: What its state is kept under: a schedule's id is unique within its portfolio.
        self.key = f"{portfolio}/{schedule.id}"
        self.names = names
        self.symbols = symbols
        self.isolated = IsolatedStrategy(schedule.strategy, len(names))
        self.declared = schedule.strategy.features()
        optional = schedule.strategy.optional_features()
        self._required = [i for i, feature in enumerate(self.declared) if feature not in optional]
        self.standing = Standing(len(names))
        self.seen = np.zeros(len(names), np.int64)
        self.cadence = Cadence(len(names), schedule.cadence_ns, schedule.max_drift_ns, schedule.interval_ns)
        self._together = schedule.strategy.scope == "pod"
        self.circuit = Circuit(circuit.errors, seconds_to_nanoseconds(circuit.open_seconds))
        self.quarantined_from = quarantined_from
        #: the quarantine whose event is out
        self.quarantine_told: int | None = None

    def step(self, bars: BarBlock, features: tuple[Float64, ...]) -> tuple[list[Changes], list[StrategyEvent]]:
        """Evaluates a read-only block given in this schedule's columns; rows of the changes are rows of the block."""
        required = tuple(features[i] for i in self._required)
        warm = ready_mask(bars, required, self.seen, self.schedule.warmup_bars)
        ready, late = self.cadence.due(bars.cycles, warm)
        block = _Block(bars, features, ready)
        for row, column, drift in late.tolist():
            self._tell(block, row, Reason.STRATEGY_DRIFT, f"{drift / 1e9:g} s", int(self.symbols[column]))
        end = len(bars)
        if self.quarantined_from is not None:
            end = int(np.searchsorted(bars.cycles, self.quarantined_from))
        self._run(block, end)
        if end < len(bars) and self.quarantine_told != self.quarantined_from:
            self.quarantine_told = self.quarantined_from
            self._tell(block, end, Reason.STRATEGY_QUARANTINED, "quarantined by the watchdog from this cycle on")
            self._fall_silent(block, end)
        return block.changes, block.events

    def _run(self, block: _Block, end: int) -> None:
        row, careful = 0, False
        while row < end:
            if self.circuit.is_open:
                row = self._first_due(block, row)
                if row >= end:
                    return
                self._tell(block, row, Reason.STRATEGY_CIRCUIT_HALF_OPEN, "one evaluation decides")
                self._cycle(block, row)
                row, careful = row + 1, True
            elif careful:
                self._cycle(block, row)
                row += 1
            elif self._whole(block, row, end):
                return
            else:
                careful = True

    def _first_due(self, block: _Block, row: int) -> int:
        """First row from ``row`` on with a bar to evaluate at or after the circuit's end; the rest is skipped."""
        first = max(row, int(np.searchsorted(block.bars.cycles, self.circuit.open_until)))
        due = np.flatnonzero(block.evaluated(first, len(block.bars)))
        return first + int(due[0]) if len(due) else len(block.bars)

    def _whole(self, block: _Block, first: int, last: int) -> bool:
        """Evaluates rows first..last-1 at once; False when something failed, with the state as before."""
        ready, features = block.ready, block.features
        if (first, last) != (0, len(block.bars)):
            ready, features = ready[first:last], tuple(f[first:last] for f in features)
        try:
            targets = self.isolated.step(cycles_of(block.bars, first, last), features, ready)
            stated = self._may_state(ready)
            faults = unusable(targets, stated)
        except Exception:
            self.isolated.rewind()
            return False
        if len(faults):
            self.isolated.rewind()
            return False
        self._keep(block, self.standing.apply(targets, stated), first)
        if self.circuit.errors and block.evaluated(first, last).any():
            self.circuit.success()
        return True

    def _cycle(self, block: _Block, row: int) -> None:
        """Evaluates one row by itself, with its own verdict for the circuit."""
        if not block.evaluated(row, row + 1)[0]:
            return
        ready = block.ready[row : row + 1]
        features = tuple(f[row : row + 1] for f in block.features)
        try:
            targets = self.isolated.step(cycles_of(block.bars, row, row + 1), features, ready)
            stated = self._may_state(ready)
            faults = unusable(targets, stated)
        except Exception as error:
            self.isolated.rewind()
            self._tell(block, row, Reason.STRATEGY_ERROR, error_text(error))
            self._failed(block, row)
            return
        for _, column in faults:
            detail = f"value {targets.value[0, column]}, confidence {targets.confidence[0, column]}"
            self._tell(block, row, Reason.STRATEGY_NOT_FINITE, detail, int(self.symbols[column]))
        if len(faults):
            usable = targets.emit.copy()
            usable[0, slice(None) if self._together else faults[:, 1]] = False
            targets = Targets(usable, targets.value, targets.confidence)
        self._keep(block, self.standing.apply(targets, stated), row)
        if len(faults):
            self._failed(block, row)
        elif self.circuit.success():
            self._tell(block, row, Reason.STRATEGY_CIRCUIT_CLOSED, "a good evaluation")

    def _may_state(self, ready: Bool) -> Bool:
        """Where targets may be stated: of a pod-scope strategy all symbols at once, so that a leg whose venue is silent
        can be unwound."""
        if not self._together:
            return ready
        acting: Bool = np.asarray(ready.any(axis=1, keepdims=True))
        return np.repeat(acting, ready.shape[1], axis=1)

    def _failed(self, block: _Block, row: int) -> None:
        if self.circuit.failure(int(block.bars.cycles[row])):
            detail = f"after {self.circuit.errors} errors in a row, until event time {self.circuit.open_until}"
            self._tell(block, row, Reason.STRATEGY_CIRCUIT_OPEN, detail)
            self._fall_silent(block, row)

    def _fall_silent(self, block: _Block, row: int) -> None:
        """``on_silence: flat`` takes every standing target to flat; what the same cycle stated before gives way."""
        if self.schedule.on_silence != "flat" or not self.standing.value.any():
            return
        block.changes = [_without_row(c, row) for c in block.changes]
        flat = self.standing.flatten(row)
        self._keep(block, flat, 0)
        self._tell(block, row, Reason.STRATEGY_SILENT_FLAT, f"{len(flat.row)} standing targets are flat")

    def _keep(self, block: _Block, changes: Changes, first: int) -> None:
        if len(changes.row):
            changes.row[:] += first
            block.changes.append(changes)

    def _tell(self, block: _Block, row: int, reason: Reason, detail: str, symbol: int = -1) -> None:
        cycle = int(block.bars.cycles[row])
        block.events.append(StrategyEvent(cycle, self.schedule.index, symbol, reason.name, detail))

    def warm(self, interval: int) -> None:
        """Compiles everything before the first bar; changes nothing."""
        bars = read_only(silent_block(interval, len(self.names)))
        features = tuple(bars.close for _ in self.declared)
        ready = ready_mask(bars, features, self.seen, 0)
        try:
            self.cadence.due(bars.cycles, ready)
            targets = self.isolated.warm(bars, features, ready)
            unusable(targets, ready)
            self.standing.apply(targets, ready)
        except Exception:  # it will fail again on a real cycle, where the error has a place to go
            return

    def snapshot(self) -> dict[str, Any]:
        """State, picklable; lists and arrays have one row for each of ``symbols``."""
        return {
            "strategy": self.schedule.strategy_id,
            "version": self.schedule.version,
            "parameter_hash": self.schedule.parameter_hash,
            "symbols": self.names,
            "columns": {
                "seen": self.seen.copy(),
                "slot": self.cadence.slot.copy(),
                "standing_value": self.standing.value.copy(),
                "standing_confidence": self.standing.confidence.copy(),
            },
            "state": self.isolated.export_state(),
            "errors": self.circuit.errors,
            "open_until": self.circuit.open_until,
            "quarantine_told": self.quarantine_told,
        }

    def continues(self, snapshot: dict[str, Any]) -> bool:
        """Whether a snapshot is of the same strategy, version and parameters; another one starts cold."""
        plan = self.schedule
        return (plan.strategy_id, plan.version, plan.parameter_hash) == (
            snapshot["strategy"],
            snapshot["version"],
            snapshot["parameter_hash"],
        )

    def restore(self, columns: dict[str, Any], state: dict[str, Any], snapshots: list[dict[str, Any]]) -> None:
        """Takes over columns that stand in this group's order, and the gravest circuit among the snapshots."""
        self.seen = columns["seen"]
        self.cadence.slot = columns["slot"]
        self.standing.value = columns["standing_value"]
        self.standing.confidence = columns["standing_confidence"]
        self.isolated.import_state(state)
        self.circuit.errors = max(s["errors"] for s in snapshots)
        self.circuit.open_until = max([BEGINNING, *(s["open_until"] for s in snapshots)])
        told = [s["quarantine_told"] for s in snapshots if s["quarantine_told"] is not None]
        self.quarantine_told = max(told, default=None)


def _without_row(changes: Changes, row: int) -> Changes:
    keep = changes.row != row
    return Changes(changes.row[keep], changes.column[keep], changes.value[keep], changes.confidence[keep])
