"""The asset selector: which assets of a pod may take risk (spec 5, "Asset selector").

An asset is judged once for each bar of its interval, by what its own price did (close to close), against the pod's
other assets:

    score = 0.4 rank(Sharpe ratio) + 0.3 rank(return) + 0.3 (1 - rank(drawdown)),   ranks 0..1, ties averaged

The multiplier moves in whole steps of 1/``ramp_steps`` from where it stands, so a reversal never jumps. The bar of a
transition changes the state alone; the next bar takes the first step. Re-entry is cut short by one low score, since an
asset on its way back has no credit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.frames import Bool, Float64, Int32, Int64
from operators.pods.asset_bars import AssetBars, last_returns
from operators.pods.metrics import compounded, max_drawdown, sharpe_ratio
from schemas.configuration.pod_rules import AssetSelector
from schemas.reasons import Reason

ACTIVE, UNDERPERFORMING, COOLDOWN, RE_ENTRY, EXCLUDED = range(5)
SELECTOR_STATES = ("ACTIVE", "UNDERPERFORMING", "COOLDOWN", "RE_ENTRY", "EXCLUDED")
#: Rows of ``Selection.metrics``.
SCORE, SHARPE, RETURN, DRAWDOWN = range(4)
_UNKNOWN_SCORE = 0.5
_LOW_SCORE, _GOOD_SCORE = int(Reason.SELECTOR_LOW_SCORE), int(Reason.SELECTOR_GOOD_SCORE)
_RAMPED_OUT, _RAMPED_UP = int(Reason.SELECTOR_RAMPED_OUT), int(Reason.SELECTOR_RAMPED_UP)
_HARD, _ABSOLUTE = int(Reason.SELECTOR_HARD_EXIT), int(Reason.SELECTOR_ABSOLUTE_EXIT)
_EXCLUDED = int(Reason.SELECTOR_EXCLUDED)


class SelectorRules(NamedTuple):
    """Thresholds of the selector; an absolute limit that is off is NaN, no limit of cooldowns is 0. ``annual`` [S] is
    how many bars of each asset make a year."""

    on: bool
    low_score: float
    low_bars: int
    good_score: float
    good_bars: int
    steps: int
    cooldown_bars: int
    hard_sharpe: float
    hard_drawdown: float
    min_sharpe: float
    max_drawdown: float
    max_cycles: int
    sharpe_bars: int
    return_bars: int
    drawdown_bars: int
    min_bars: int
    annual: Float64


class Selection(NamedTuple):
    """State of the selector over S symbols, changed in place.

    Attributes:
        state: [S] one of ACTIVE .. EXCLUDED.
        level: [S] multiplier in steps: multiplier = level / steps.
        low_run, good_run: [S] bars in a row with a low and a good score.
        cooldown: [S] bars spent in the present cooldown; cycles: [S] how often it cooled down.
        metrics: [4, S] score, Sharpe ratio, return and drawdown at the last bar; NaN where unknown.
    """

    state: Int64
    level: Int64
    low_run: Int64
    good_run: Int64
    cooldown: Int64
    cycles: Int64
    metrics: Float64


class TransitionRows(NamedTuple):
    """What changed state, in order; ``used`` [1] rows are valid. ``symbol`` -1 is the pod as a whole. ``metrics``
    [n, 4] and ``level``, ``cycles`` are the asset's after it."""

    used: Int64
    row: Int64
    symbol: Int32
    before: Int32
    after: Int32
    reason: Int32
    metrics: Float64
    level: Int64
    cycles: Int64


def selector_rules(selector: AssetSelector, on: bool, annual: Float64) -> SelectorRules:
    """The settings as the kernels take them."""

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


def new_selection(symbols: int, steps: int) -> Selection:
    """Every asset active at a multiplier of one."""

    def zeros() -> Int64:
        return np.zeros(symbols, np.int64)

    selection = Selection(zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), np.full((4, symbols), np.nan))
    selection.level[:] = steps
    return selection


def transition_rows(room: int) -> TransitionRows:
    """Room for so many transitions."""
    return TransitionRows(
        used=np.zeros(1, np.int64),
        row=np.empty(room, np.int64),
        symbol=np.empty(room, np.int32),
        before=np.empty(room, np.int32),
        after=np.empty(room, np.int32),
        reason=np.empty(room, np.int32),
        metrics=np.empty((room, 4)),
        level=np.empty(room, np.int64),
        cycles=np.empty(room, np.int64),
    )


@njit(cache=True)
def average_ranks(values: Float64) -> Float64:
    """[n] ranks from 0 (smallest) to 1 (largest), equal values sharing the mean of theirs; 0.5 for a single one."""
    count = len(values)
    ranks = np.full(count, _UNKNOWN_SCORE)
    if count < 2:
        return ranks
    order = np.argsort(values)
    first = 0
    while first < count:
        last = first
        while last + 1 < count and values[order[last + 1]] == values[order[first]]:
            last += 1
        for n in range(first, last + 1):
            ranks[order[n]] = 0.5 * (first + last) / (count - 1)
        first = last + 1
    return ranks


@njit(cache=True)
def _measure(rules: SelectorRules, bars: AssetBars, selection: Selection, symbol: int) -> None:
    metrics = selection.metrics
    if bars.seen[symbol] < rules.min_bars:
        metrics[:, symbol] = np.nan
        return
    metrics[SHARPE, symbol] = np.round(
        sharpe_ratio(last_returns(bars, symbol, rules.sharpe_bars), rules.annual[symbol]), 9
    )
    metrics[RETURN, symbol] = np.round(compounded(last_returns(bars, symbol, rules.return_bars)), 9)
    metrics[DRAWDOWN, symbol] = np.round(max_drawdown(last_returns(bars, symbol, rules.drawdown_bars)), 9)


@njit(cache=True)
def _score(selection: Selection, traded: Bool) -> None:
    """Ranks the known assets; an unknown one, and one without peers, scores 0.5."""
    metrics = selection.metrics
    known = np.flatnonzero(traded & ~np.isnan(metrics[SHARPE]))
    metrics[SCORE] = _UNKNOWN_SCORE
    if len(known) < 2:
        return
    sharpe = average_ranks(metrics[SHARPE][known])
    gain = average_ranks(metrics[RETURN][known])
    drawdown = average_ranks(metrics[DRAWDOWN][known])
    for n in range(len(known)):
        metrics[SCORE, known[n]] = np.round(0.4 * sharpe[n] + 0.3 * gain[n] + 0.3 * (1.0 - drawdown[n]), 9)


@njit(cache=True)
def _move(selection: Selection, out: TransitionRows, row: int, symbol: int, after: int, reason: int) -> None:
    n = out.used[0]
    out.row[n] = row
    out.symbol[n] = symbol
    out.before[n] = selection.state[symbol]
    out.after[n] = after
    out.reason[n] = reason
    out.metrics[n] = selection.metrics[:, symbol]
    out.level[n] = selection.level[symbol]
    out.cycles[n] = selection.cycles[symbol]
    out.used[0] = n + 1
    selection.state[symbol] = after


@njit(cache=True)
def _cool_down(
    rules: SelectorRules, selection: Selection, out: TransitionRows, row: int, symbol: int, reason: int
) -> None:
    selection.level[symbol] = 0
    selection.cooldown[symbol] = 0
    selection.cycles[symbol] += 1
    _move(selection, out, row, symbol, COOLDOWN, reason)
    if rules.max_cycles > 0 and selection.cycles[symbol] >= rules.max_cycles:
        _move(selection, out, row, symbol, EXCLUDED, _EXCLUDED)


@njit(cache=True)
def _breach(rules: SelectorRules, selection: Selection, symbol: int) -> int:
    """The reason why an asset must leave at once, 0 for none. A comparison with an unknown value is false."""
    sharpe, drawdown = selection.metrics[SHARPE, symbol], selection.metrics[DRAWDOWN, symbol]
    if sharpe < rules.min_sharpe or drawdown > rules.max_drawdown:
        return _ABSOLUTE
    return _HARD if sharpe < rules.hard_sharpe and drawdown > rules.hard_drawdown else 0


@njit(cache=True)
def judge(rules: SelectorRules, selection: Selection, out: TransitionRows, row: int, symbol: int) -> None:
    """One bar of one asset's state machine, after its score."""
    state, score = selection.state[symbol], selection.metrics[SCORE, symbol]
    selection.low_run[symbol] = selection.low_run[symbol] + 1 if score < rules.low_score else 0
    selection.good_run[symbol] = selection.good_run[symbol] + 1 if score > rules.good_score else 0
    is_good = selection.good_run[symbol] >= rules.good_bars
    breach = _breach(rules, selection, symbol)
    if state == EXCLUDED:
        return
    if breach != 0 and state != COOLDOWN:
        _cool_down(rules, selection, out, row, symbol, breach)
    elif state == ACTIVE:
        if selection.low_run[symbol] >= rules.low_bars:
            _move(selection, out, row, symbol, UNDERPERFORMING, _LOW_SCORE)
    elif state == UNDERPERFORMING:
        if is_good:
            _move(selection, out, row, symbol, RE_ENTRY, _GOOD_SCORE)
            return
        selection.level[symbol] -= 1
        if selection.level[symbol] <= 0:
            _cool_down(rules, selection, out, row, symbol, _RAMPED_OUT)
    elif state == COOLDOWN:
        selection.cooldown[symbol] += 1
        if selection.cooldown[symbol] >= rules.cooldown_bars and is_good and breach == 0:
            _move(selection, out, row, symbol, RE_ENTRY, _GOOD_SCORE)
    elif score < rules.low_score:
        _move(selection, out, row, symbol, UNDERPERFORMING, _LOW_SCORE)
    else:
        selection.level[symbol] = min(selection.level[symbol] + 1, rules.steps)
        if selection.level[symbol] == rules.steps:
            _move(selection, out, row, symbol, ACTIVE, _RAMPED_UP)


@njit(cache=True)
def select(
    rules: SelectorRules, bars: AssetBars, selection: Selection, traded: Bool, out: TransitionRows, row: int
) -> None:
    """Judges every asset whose bar closed, in symbol order, against all of the pod's assets."""
    for s in range(len(traded)):
        if bars.closing[s]:
            _measure(rules, bars, selection, s)
    _score(selection, traded)
    for s in range(len(traded)):
        if bars.closing[s]:
            judge(rules, selection, out, row, s)


@njit(cache=True)
def all_excluded(selection: Selection, traded: Bool) -> bool:
    """True when no traded asset has a multiplier above zero."""
    for s in range(len(traded)):
        if traded[s] and selection.level[s] > 0:
            return False
    return bool(traded.any())
