"""Who of a pod's assets may take risk, and how much: bars, selector and allocator as one state (spec 5).

Pod weight = strength x schedule share x asset weight x selector multiplier. Standing targets are kept at 1/n and a
multiplier of one; what the assets make of them is worked out when they are netted, so that a weight or multiplier that
moves takes every standing target with it. A notional is a weight already: only the multiplier touches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from operators.frames import Bool, Float64, Int64, PodTransition
from operators.pods.asset_bars import AssetBars, close_due, close_overdue, new_asset_bars
from operators.pods.intra_pod import (
    METHODS,
    AllocatorRules,
    AssetWeights,
    allocate_assets,
    begin_bar,
    new_asset_weights,
    note_returns,
)
from operators.pods.selector import (
    SELECTOR_STATES,
    Selection,
    SelectorRules,
    TransitionRows,
    all_excluded,
    new_selection,
    select,
    transition_rows,
)
from schemas.configuration.base import NANOSECONDS
from schemas.configuration.pod_rules import AssetAllocator, AssetSelector
from schemas.reasons import Reason

if TYPE_CHECKING:
    from operators.plan import Plan

_DAY = 86_400 * NANOSECONDS
_ALL_EXCLUDED, _RESUMED = int(Reason.SELECTOR_ALL_EXCLUDED), int(Reason.SELECTOR_RESUMED)
#: Cycles of one kernel call while the selector or allocator is on; it bounds the room for transitions.
ASSET_ROWS = 256
#: States of the pod as a whole in ``TransitionRows``.
_EMITTING = ("SUPPRESSED", "EMITTING")


class AssetRules(NamedTuple):
    """Fixed settings: whether any of this is on, which of the pod's symbols it trades [S], the interval of each one's
    bars in ns [S], and the settings of selector and allocator."""

    on: bool
    traded: Bool
    interval: Int64
    selector: SelectorRules
    allocator: AllocatorRules


class Assets(NamedTuple):
    """State, changed in place. ``notional`` [S, K] marks standing targets that are absolute notionals; ``suppressed`` [1]
    is 1 while no asset may take risk."""

    bars: AssetBars
    selection: Selection
    weights: AssetWeights
    notional: Bool
    suppressed: Int64


class AssetOutput(NamedTuple):
    """What a block did: transitions, and ``factor`` [n] by which the assets scaled each of its intents."""

    transitions: TransitionRows
    factor: Float64


def asset_rules(plan: Plan, pod: int) -> AssetRules:
    """The settings of a pod as columns over its symbols."""
    own = plan.pods[pod]
    portfolio = plan.configuration.portfolios[own.portfolio]
    configured = next(p for p in portfolio.pods if p.id == own.id)
    schedules = [plan.schedules[s] for s in own.schedules]
    interval = np.full(len(own.symbols), _DAY, np.int64)
    traded = np.zeros(len(own.symbols), np.bool_)
    for place, symbol in enumerate(own.symbols.tolist()):
        seen = [int(plan.interval_ns[s.interval]) for s in schedules if symbol in s.symbols]
        traded[place] = bool(seen)
        interval[place] = min(seen, default=_DAY)
    chosen, allocator = configured.selector, configured.asset_allocator
    selector = AssetSelector() if chosen == "off" else chosen
    # Daily bars come periods_per_year times a year; shorter and longer ones in proportion to their length.
    annual = portfolio.periods_per_year * _DAY / interval
    if selector.bars_per_year is not None:
        annual = np.full(len(interval), selector.bars_per_year)
    return AssetRules(
        on=chosen != "off" or allocator.method != "equal",
        traded=traded,
        interval=interval,
        selector=_selector_rules(selector, chosen != "off", annual),
        allocator=_allocator_rules(allocator, annual),
    )


def _selector_rules(selector: AssetSelector, on: bool, annual: Float64) -> SelectorRules:
    def limit(value: float | None) -> float:
        return np.nan if value is None else value

    return SelectorRules(
        on=on,
        low_score=selector.low_score,
        low_bars=selector.low_bars,
        good_score=selector.good_score,
        good_bars=selector.good_bars,
        steps=selector.ramp_steps,
        cooldown_bars=selector.cooldown_bars,
        hard_sharpe=selector.hard_sharpe,
        hard_drawdown=selector.hard_drawdown,
        min_sharpe=limit(selector.absolute_min_sharpe),
        max_drawdown=limit(selector.absolute_max_drawdown),
        max_cycles=selector.max_cooldown_cycles or 0,
        sharpe_bars=selector.sharpe_bars,
        return_bars=selector.return_bars,
        drawdown_bars=selector.drawdown_bars,
        min_bars=selector.min_bars,
        annual=annual,
    )


def _allocator_rules(allocator: AssetAllocator, annual: Float64) -> AllocatorRules:
    return AllocatorRules(
        method=METHODS.index(allocator.method),
        every=allocator.every_bars,
        lookback=allocator.lookback_bars,
        min_bars=allocator.min_bars,
        low=allocator.min_weight,
        high=allocator.max_weight,
        annual=annual,
    )


def new_assets(rules: AssetRules, schedules: int) -> Assets:
    """Nothing seen yet. A pod that uses none of this keeps no history."""
    symbols = len(rules.traded)
    s, a = rules.selector, rules.allocator
    window = max(s.sharpe_bars, s.return_bars, s.drawdown_bars, a.lookback) if rules.on else 1
    return Assets(
        bars=new_asset_bars(symbols, window),
        selection=new_selection(symbols, s.steps),
        weights=new_asset_weights(symbols, a.method, a.lookback),
        notional=np.zeros((symbols, schedules), np.bool_),
        suppressed=np.zeros(1, np.int64),
    )


def asset_output(rules: AssetRules, rows: int, intents: int) -> AssetOutput:
    """Room for a block: an asset makes at most two transitions a bar, and at most two bars close in a cycle."""
    room = rows * (4 * len(rules.traded) + 1) if rules.on else 0
    return AssetOutput(transition_rows(room), np.ones(intents if rules.on else 0))


@njit(cache=True)
def _one_pass(rules: AssetRules, assets: Assets, out: AssetOutput, row: int) -> None:
    if rules.selector.on:
        select(rules.selector, assets.bars, assets.selection, rules.traded, out.transitions, row)
    note_returns(assets.weights, assets.bars)


@njit(cache=True)
def _tell_pod(assets: Assets, out: TransitionRows, row: int, suppressed: bool) -> None:
    """Notes that the pod as a whole may no longer emit, or may again."""
    n = out.count[0]
    out.row[n] = row
    out.symbol[n] = -1
    out.before[n], out.after[n] = suppressed, not suppressed
    out.reason[n] = _ALL_EXCLUDED if suppressed else _RESUMED
    out.count[0] = n + 1
    assets.suppressed[0] = suppressed


@njit(cache=True)
def judge_assets(
    rules: AssetRules,
    assets: Assets,
    cycle: int,
    closed: Float64,
    fresh: Bool,
    signal: Float64,
    touched: Bool,
    out: AssetOutput,
    row: int,
) -> bool:
    """Takes a cycle's prices. Marks the symbols whose multiplier or weight moved in ``touched``; True when any did."""
    bars, level, tilt = assets.bars, assets.selection.level.copy(), assets.weights.tilt.copy()
    is_new = False
    if close_overdue(bars, rules.traded, rules.interval, cycle, fresh):
        begin_bar(assets.weights)
        is_new = True
        _one_pass(rules, assets, out, row)
    if close_due(bars, rules.traded, rules.interval, cycle, closed, fresh):
        if not is_new:
            begin_bar(assets.weights)
        is_new = True
        _one_pass(rules, assets, out, row)
    if not is_new:
        return False
    allocate_assets(rules.allocator, assets.weights, bars, rules.traded, signal)
    if rules.selector.on:
        suppressed = all_excluded(assets.selection, rules.traded)
        if suppressed != bool(assets.suppressed[0]):
            _tell_pod(assets, out.transitions, row, suppressed)
    any_moved = False
    for s in range(len(touched)):
        if assets.selection.level[s] != level[s] or assets.weights.tilt[s] != tilt[s]:
            touched[s] = True
            any_moved = True
    return any_moved


@njit(cache=True)
def multiplier(rules: AssetRules, assets: Assets, symbol: int) -> float:
    """The selector's multiplier of a symbol, 0..1."""
    return float(assets.selection.level[symbol] / rules.selector.steps)


@njit(cache=True)
def scaled_targets(
    rules: AssetRules, assets: Assets, symbol: int, targets: Float64, selected: float
) -> Float64:
    """[K] the schedules' standing targets after asset weight and the multiplier ``selected``."""
    scaled = np.empty(len(targets))
    for k in range(len(targets)):
        tilt = 1.0 if assets.notional[symbol, k] else assets.weights.tilt[symbol]
        scaled[k] = np.round(targets[k] * tilt * selected, 9)
    return scaled


def transitions_of(
    out: TransitionRows, cycles: Int64, symbols: Int64, pod: int, steps: int
) -> list[PodTransition]:
    """The transitions of a block for the journal, each with its evidence."""
    found: list[PodTransition] = []
    for n in range(int(out.count[0])):
        place = int(out.symbol[n])
        names = _EMITTING if place < 0 else SELECTOR_STATES
        before, after = int(out.before[n]), int(out.after[n])
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
                before=names[before],
                after=names[after],
                reason=Reason(int(out.reason[n])).name,
                evidence=evidence,
            )
        )
    return found


def asset_snapshot(assets: Assets) -> dict[str, Any]:
    """Every array of the state by name."""
    parts = {"bars": assets.bars, "selection": assets.selection, "weights": assets.weights}
    found: dict[str, Any] = {name: {n: v.copy() for n, v in part._asdict().items()} for name, part in parts.items()}
    return found | {"notional": assets.notional.copy(), "suppressed": assets.suppressed.copy()}


def asset_restore(snapshot: dict[str, Any]) -> Assets:
    """The state that :func:`asset_snapshot` saved."""

    def arrays(name: str) -> dict[str, Any]:
        return {n: v.copy() for n, v in snapshot[name].items()}

    return Assets(
        bars=AssetBars(**arrays("bars")),
        selection=Selection(**arrays("selection")),
        weights=AssetWeights(**arrays("weights")),
        notional=snapshot["notional"].copy(),
        suppressed=snapshot["suppressed"].copy(),
    )
