"""A key group over a change of configuration: its time goes on, its symbols, intervals and schedules may differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from operators.continuation.numbers import GONE, Numbers
from operators.continuation.stopped import ScheduleKey, Snapshot, Stopped
from operators.frames import BAR, INTERVAL, KIND, SYMBOL, Bool, Int64
from operators.normalize.group_step import GroupStep
from operators.normalize.scan import FLAWS
from operators.plan import Plan
from operators.strategy_evaluate.runtime import StrategyRuntime

_NO_ROWS = 1 << 40  # more bars than any cycle waits for: one of which nothing is expected


def continue_group(numbers: Numbers, stopped: Stopped, partition: int) -> Snapshot:
    """The group's snapshot for the new plan.

    Rows of open cycles go on with it, but for symbols and intervals that nobody uses any more. A symbol or interval
    that is new is not waited for in cycles that are open already.
    """
    plan = numbers.plan
    fresh = GroupStep(plan, partition).snapshot()
    saved = stopped.steps.groups.get(partition)
    if saved is None:
        return fresh
    names = [plan.symbols[s] for s in plan.groups[partition].symbols]
    moves = _Moves(saved["symbols"], names, saved["intervals"], list(plan.intervals))
    runtime = StrategyRuntime(plan, partition)
    runtime.restore(_continued(saved["strategies"], numbers.continued()))
    return {
        **fresh,
        "position": saved["position"],
        "frames": saved["frames"],
        "letters": saved["letters"],
        "actions": moves.by_symbol(saved["actions"], fresh["actions"]),
        "clock": moves.clock(saved["clock"], fresh["clock"]),
        "strategies": runtime.snapshot(),
    }


def _continued(strategies: Snapshot, keys: set[ScheduleKey]) -> Snapshot:
    """A runtime's snapshot without the schedules that start cold."""
    known = {f"{k.pod.portfolio}/{k.schedule}" for k in keys}
    return {**strategies, "schedules": {k: s for k, s in strategies["schedules"].items() if k in known}}


class _Moves:
    """Where a group's symbols and intervals go."""

    def __init__(self, old: list[str], new: list[str], old_intervals: list[str], new_intervals: list[str]) -> None:
        self.symbols = _places(old, new)
        self.intervals = _places(old_intervals, new_intervals)
        # Behind the intervals stand the lines of quotes and of trades.
        count, before = len(new_intervals), len(old_intervals)
        self.lines = np.concatenate([self.intervals, [count, count + 1]])
        assert len(self.lines) == before + 2

    def clock(self, saved: Snapshot, fresh: Snapshot) -> Snapshot:
        """The group clock's state."""
        pending, kept = self._rows(saved["pending"])
        held = [(self._rows(h[0].reshape(-1, 1)), h[1:]) for h in saved["held"]]
        return {
            "scan": self._scan(saved["scan"], fresh["scan"]),
            "pending": pending,
            "pending_values": saved["pending_values"][:, kept],
            "latest": saved["latest"],
            "held": [(integers[:, 0], *rest) for (integers, keep), rest in held if keep.all()],
        }

    def by_symbol(self, saved: Int64, fresh: Int64) -> Int64:
        """A column [S] of the group's symbols."""
        moved = fresh.copy()
        moved[self.symbols[self.symbols != GONE]] = saved[self.symbols != GONE]
        return moved

    def _rows(self, integers: Int64) -> tuple[Int64, Bool]:
        """Rows [9, n] in the new numbers, and which of the old ones they are."""
        moved = integers.copy()
        bars = integers[KIND] == BAR
        moved[SYMBOL] = self.symbols[integers[SYMBOL]] if len(self.symbols) else GONE
        moved[INTERVAL, bars] = self.intervals[integers[INTERVAL, bars]]
        kept: Bool = (moved[SYMBOL] != GONE) & ~(bars & (moved[INTERVAL] == GONE))
        return np.ascontiguousarray(moved[:, kept]), kept

    def _scan(self, saved: dict[str, npt.NDArray[Any]], fresh: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
        scan = {name: value.copy() for name, value in fresh.items()}
        scan["clock"] = saved["clock"].copy()
        scan["open_cycle"] = saved["open_cycle"].copy()
        for name in ("last_ts", "last_seq"):
            _copy(scan[name], saved[name], self.lines, self.symbols)
        scan["actions"] = self.by_symbol(saved["actions"], fresh["actions"])
        rows = len(saved["open_cycle"])
        scan["awaited"] = np.zeros((rows, *fresh["awaited"].shape[1:]), np.bool_)
        for row in range(rows):
            _copy(scan["awaited"][row], saved["awaited"][row], self.intervals, self.symbols)
        waits = saved["missing"] < _NO_ROWS
        scan["missing"] = np.where(waits, scan["awaited"].sum(axis=(1, 2)), saved["missing"])
        for old, new in enumerate(self.symbols.tolist()):
            if new != GONE:
                _keep_flaws(scan, new, saved, old)
        return scan


def _keep_flaws(scan: dict[str, npt.NDArray[Any]], new: int, saved: dict[str, npt.NDArray[Any]], old: int) -> None:
    """A symbol's last flaws, as many of them as the quality window now has room for."""
    count, at, window = int(saved["ring_count"][old]), int(saved["ring_at"][old]), saved["ring"].shape[1]
    width = scan["ring"].shape[1]
    if width == window:
        scan["ring"][new], scan["ring_at"][new], scan["ring_count"][new] = saved["ring"][old], at, count
        scan["flaw_counts"][new] = saved["flaw_counts"][old]
        return
    ordered = np.take(saved["ring"][old], np.arange(at - count, at), mode="wrap")[-width:]
    scan["ring"][new, : len(ordered)] = ordered
    scan["ring_at"][new], scan["ring_count"][new] = len(ordered) % width, len(ordered)
    scan["flaw_counts"][new] = [int(np.count_nonzero(ordered & (1 << bit))) for bit in range(FLAWS)]


def _copy(target: npt.NDArray[Any], source: npt.NDArray[Any], rows: npt.NDArray[Any], columns: Int64) -> None:
    """Copies a table's cells to where rows and columns went."""
    stay, here = np.flatnonzero(rows != GONE), np.flatnonzero(columns != GONE)
    target[np.ix_(rows[stay], columns[here])] = source[np.ix_(stay, here)]


def _places(old: list[str], new: list[str]) -> Int64:
    return np.array([new.index(name) if name in new else GONE for name in old], np.int64)


def group_columns(plan: Plan, partition: int, old: list[str]) -> Int64:
    """[S] where the columns of the group's symbols stood among ``old``, GONE for a new symbol."""
    return _places([plan.symbols[s] for s in plan.groups[partition].symbols], old)
