"""Who of a pod's assets may take risk, and how much of it: bars, selector and allocator together (spec 5).

Both look at prices and standing signals alone, so they run ahead of the pod's kernel, which is told which factors move
in which cycle. A bar that closes in cycle T counts for the targets of T; they fill at the next bar's open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from operators.barrier.prices import PriceBlock
from operators.frames import Bool, Float64, Int32, Int64, PodTransition
from operators.pods.asset_bars import AssetBars, close_due, close_overdue, new_asset_bars
from operators.pods.asset_factors import AssetFactors, MoveRows, new_factors, no_moves
from operators.pods.intra_pod import asset_weights
from operators.pods.selector import (
    SELECTOR_STATES,
    Selection,
    SelectorRules,
    TransitionRows,
    all_excluded,
    new_selection,
    select,
    selector_rules,
    transition_rows,
)
from schemas.configuration.base import NANOSECONDS
from schemas.configuration.pod_rules import AssetAllocator, AssetSelector
from schemas.reasons import Reason

if TYPE_CHECKING:
    from operators.plan import Plan

_DAY = 86_400 * NANOSECONDS
_REASONS = {int(reason): reason.name for reason in Reason}
_ALL_EXCLUDED, _RESUMED = int(Reason.SELECTOR_ALL_EXCLUDED), int(Reason.SELECTOR_RESUMED)
#: Cycles of one kernel call at most; it bounds the room for transitions.
_ROWS = 256
#: States of the pod as a whole in ``TransitionRows``.
_POD_STATES = ("SUPPRESSED", "EMITTING")


class _Judged(NamedTuple):
    """What a run over cycles found: ``used`` [1] levels that moved, by row; transitions."""

    used: Int64
    row: Int64
    symbol: Int32
    level: Int64
    transitions: TransitionRows


def _judged(rows: int, symbols: int) -> _Judged:
    # At most two bars of an asset close in a cycle, each with at most two transitions; the pod has one of its own.
    room = rows * symbols
    return _Judged(
        np.zeros(1, np.int64), np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int64),
        transition_rows(rows * (4 * symbols + 1)),
    )  # fmt: skip


@njit(cache=True)
def _tell_pod(out: TransitionRows, row: int, suppressed: bool) -> None:
    n = out.used[0]
    out.row[n] = row
    out.symbol[n] = -1
    out.before[n], out.after[n] = suppressed, not suppressed
    out.reason[n] = _ALL_EXCLUDED if suppressed else _RESUMED
    out.used[0] = n + 1


@njit(cache=True)
def _judge_row(
    rules: SelectorRules, bars: AssetBars, selection: Selection, traded: Bool, row: int, out: _Judged
) -> None:
    """Judges the bars that close now."""
    if not rules.on:
        return
    before = selection.level.copy()
    was_suppressed = all_excluded(selection, traded)
    select(rules, bars, selection, traded, out.transitions, row)
    suppressed = all_excluded(selection, traded)
    if suppressed != was_suppressed:
        _tell_pod(out.transitions, row, suppressed)
    for s in range(len(traded)):
        if selection.level[s] != before[s]:
            n = out.used[0]
            out.row[n], out.symbol[n], out.level[n] = row, s, selection.level[s]
            out.used[0] = n + 1


@njit(cache=True)
def _run_rows(
    rules: SelectorRules,
    bars: AssetBars,
    selection: Selection,
    traded: Bool,
    interval: Int64,
    every: int,
    pod_bars: Int64,
    cycles: Int64,
    closed: Float64,
    fresh: Bool,
    out: _Judged,
) -> tuple[int, bool]:
    """Judges cycle after cycle up to one in which asset weights are due, inclusive; (rows done, whether they are)."""
    for row in range(len(cycles)):
        is_bar = False
        if close_overdue(bars, traded, interval, cycles[row], fresh[row]):
            _judge_row(rules, bars, selection, traded, row, out)
            is_bar = True
        if close_due(bars, traded, interval, cycles[row], closed[row], fresh[row]):
            _judge_row(rules, bars, selection, traded, row, out)
            is_bar = True
        if is_bar:
            pod_bars[0] += 1
            if every > 0 and pod_bars[0] % every == 0:
                return row + 1, True
    return len(cycles), False


class PodAssets:
    """The assets of one pod. ``factors`` is what its kernel works with.

    A pod that uses neither selector nor allocator keeps no history and costs nothing.
    """

    def __init__(self, plan: Plan, pod: int) -> None:
        own = plan.pods[pod]
        portfolio = plan.configuration.portfolios[own.portfolio]
        # A pod that is being wound up is in no configuration any more: it selects and weighs nothing.
        configured = next((p for p in portfolio.pods if p.id == own.id), None)
        schedules = [plan.schedules[s] for s in own.schedules]
        symbols = len(own.symbols)
        self._pod, self._symbols = own.index, own.symbols
        self._allocator = AssetAllocator() if configured is None else configured.asset_allocator
        chosen = "off" if configured is None else configured.selector
        selector = AssetSelector() if chosen == "off" else chosen
        self.on = chosen != "off" or self._allocator.method != "equal"
        self._interval: Int64 = np.full(symbols, _DAY, np.int64)
        self._traded: Bool = np.zeros(symbols, np.bool_)
        for place, symbol in enumerate(own.symbols.tolist()):
            seen = [int(plan.interval_ns[s.interval]) for s in schedules if symbol in s.symbols]
            self._traded[place] = bool(seen)
            self._interval[place] = min(seen, default=_DAY)
        self._assets: Int64 = np.flatnonzero(self._traded)
        # Daily bars come periods_per_year times a year; shorter and longer ones in proportion to their length.
        self._annual: Float64 = portfolio.periods_per_year * _DAY / self._interval
        if selector.bars_per_year is not None:
            self._annual = np.full(symbols, selector.bars_per_year)
        self._rules = selector_rules(selector, chosen != "off", self._annual)
        # With equal weights none are ever due.
        self._every = self._allocator.every_bars if self._allocator.method != "equal" else 0
        window = max(
            selector.sharpe_bars, selector.return_bars, selector.drawdown_bars, self._allocator.lookback_bars
        )  # fmt: skip
        self._bars = new_asset_bars(symbols, window if self.on else 1)
        self._selection = new_selection(symbols, selector.ramp_steps)
        self._pod_bars = np.zeros(1, np.int64)
        self.factors = new_factors(symbols, len(schedules), self.on)
        self._transitions: list[PodTransition] = []

    def run(self, prices: PriceBlock, first: int, last: int) -> tuple[int, MoveRows, bool]:
        """Judges cycles from row ``first`` on, up to ``last`` at most.

        Returns:
            The row after the last one judged; what the selector moved, with rows counted from ``first``; whether asset
            weights are due in the last cycle judged.
        """
        last = min(last, first + _ROWS)
        out = _judged(last - first, len(self._traded))
        done, due = _run_rows(
            self._rules, self._bars, self._selection, self._traded, self._interval, self._every, self._pod_bars,
            prices.cycles[first:last], prices.close[first:last], prices.fresh[first:last], out,
        )  # fmt: skip
        self._transitions += _transitions(
            out.transitions, prices.cycles[first:last], self._symbols, self._pod, self._rules.steps
        )
        n = int(out.used[0])
        if n == 0:
            return first + done, no_moves(), due
        symbol = out.symbol[:n]
        moves = MoveRows(
            out.row[:n], symbol, self.factors.tilt[symbol], out.level[:n] / self._rules.steps, np.empty(0)
        )  # fmt: skip
        return first + done, moves, due

    def allocate(self, moves: MoveRows, row: int, signals: Float64) -> MoveRows:
        """``moves`` with new asset weights added in their last cycle ``row``; ``signals`` [S] as of that cycle."""
        weights = asset_weights(self._allocator, self._bars, self._assets, self._annual, signals)
        tilt = self.factors.tilt.copy()
        tilt[self._assets] = weights * len(self._assets)
        moved = np.flatnonzero(tilt != self.factors.tilt).astype(np.int32)
        selected = self._selection.level[moved] / self._rules.steps
        return MoveRows(
            np.concatenate([moves.row, np.full(len(moved), row, np.int64)]),
            np.concatenate([moves.symbol, moved]),
            np.concatenate([moves.tilt, tilt[moved]]),
            np.concatenate([moves.selected, selected]),
            np.empty(0),
        )

    def take_transitions(self) -> list[PodTransition]:
        """Changes of state since the last call, in order."""
        found, self._transitions = self._transitions, []
        return found

    def snapshot(self) -> dict[str, Any]:
        """Every array of the state."""
        return {
            "bars": _copies(self._bars),
            "selection": _copies(self._selection),
            "pod_bars": self._pod_bars.copy(),
            "tilt": self.factors.tilt.copy(),
            "selected": self.factors.selected.copy(),
            "notional": self.factors.notional.copy(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot of the same settings."""
        self._bars = AssetBars(**{n: v.copy() for n, v in snapshot["bars"].items()})
        self._selection = Selection(**{n: v.copy() for n, v in snapshot["selection"].items()})
        self._pod_bars = snapshot["pod_bars"].copy()
        self.factors = AssetFactors(
            self.on, snapshot["tilt"].copy(), snapshot["selected"].copy(), snapshot["notional"].copy(),
            np.zeros(snapshot["notional"].shape[1]),
        )  # fmt: skip


def _copies(part: NamedTuple) -> dict[str, Any]:
    return {n: v.copy() for n, v in part._asdict().items()}


def _transitions(out: TransitionRows, cycles: Int64, symbols: Int32, pod: int, steps: int) -> list[PodTransition]:
    """The transitions of a run for the journal, each with its evidence."""
    found: list[PodTransition] = []
    for n in range(int(out.used[0])):
        place = int(out.symbol[n])
        names = _POD_STATES if place < 0 else SELECTOR_STATES
        evidence: dict[str, Any] = {}
        if place >= 0:
            score, sharpe, gain, drawdown = (None if np.isnan(m) else m for m in out.metrics[n].tolist())
            evidence = {
                "cooldown_cycles": int(out.cycles[n]),
                "drawdown": drawdown,
                "multiplier": round(int(out.level[n]) / steps, 9),
                "return": gain,
                "score": score,
                "sharpe": sharpe,
            }
        found.append(
            PodTransition(
                cycle=int(cycles[out.row[n]]),
                pod=pod,
                symbol=int(symbols[place]) if place >= 0 else -1,
                before=names[int(out.before[n])],
                after=names[int(out.after[n])],
                reason=_REASONS[int(out.reason[n])],
                evidence=evidence,
            )
        )
    return found
