"""The compiled pass of a portfolio over cycles: fills, marks, targets, guards, deltas (spec 6, 7, 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.allocate.targets import (
    hold_or_drift,
    must_fall,
    net_weight,
    portfolio_scale,
    retarget,
    weight_after_scale,
)
from operators.frames import Bool, Float64, Int32, Int64
from operators.portfolio.fills import book_fill, cross_internally, fill_price
from operators.portfolio.ledger import HALTED, TRADING, Ledger, Rules, mark_to_market, unit_value, units_of
from operators.risk_gate.chain import allow, reduces
from operators.risk_gate.guards.gross_exposure import gross_with_pending, worst_exposure
from operators.risk_gate.guards.market_data import is_stale
from operators.route.delta import delta_lots
from schemas.reasons import Reason

_PORTFOLIO_GROSS = int(Reason.LEVERAGE_PORTFOLIO_GROSS)
_NO_PRICE = int(Reason.GUARD_NO_PRICE)
_BELOW_LOT = int(Reason.ROUTE_BELOW_LOT)
_BELOW_NOTIONAL = int(Reason.ROUTE_BELOW_MIN_NOTIONAL)
_LAST_GOOD = int(Reason.GUARD_LAST_GOOD_PRICE)

#: Entries of ``CycleOutput.counts``.
FILLS, TARGETS, CLIPS, ORDERS, CANCELS = range(5)
#: A standing cut whose room moved with the price alone is traded again only past this part of the target.
_RETRY = 0.1


class Changes(NamedTuple):
    """Pod targets that changed, by cycle row: pod and symbol within the portfolio, weight at pod capital."""

    row: Int64
    pod: Int32
    symbol: Int32
    weight: Float64


class Prices(NamedTuple):
    """A block's prices, [C, S]; see PriceBlock."""

    cycles: Int64
    open: Float64
    close: Float64
    fresh: Bool
    degraded: Bool


class CycleOutput(NamedTuple):
    """What one cycle did; the first ``count[...]`` rows are valid.

    Attributes:
        fill_symbol, fill_lots, fill_price, fill_fee: fills; fill_part [S, P] each pod's units.
        target_pod, target_symbol: pods' targets that changed.
        clip_symbol, clip_reason, clip_before, clip_after, clip_in_units: cuts at portfolio level.
        order_symbol, order_lots: orders; order_approved in units, order_position and order_pending in lots before.
        cancel_symbol: symbols whose open orders are taken back, because the target turned before they filled.
    """

    counts: Int64
    fill_symbol: Int32
    fill_lots: Int64
    fill_price: Float64
    fill_fee: Float64
    fill_part: Float64
    target_pod: Int32
    target_symbol: Int32
    clip_symbol: Int32
    clip_reason: Int32
    clip_before: Float64
    clip_after: Float64
    clip_in_units: Bool
    order_symbol: Int32
    order_lots: Int64
    order_approved: Float64
    order_position: Int64
    order_pending: Int64
    cancel_symbol: Int32
    touched: Bool


def cycle_output(pods: int, symbols: int) -> CycleOutput:
    """Room for one cycle of a portfolio."""
    clips = (6 + pods) * symbols
    return CycleOutput(
        counts=np.zeros(5, np.int64),
        fill_symbol=np.empty(symbols, np.int32),
        fill_lots=np.empty(symbols, np.int64),
        fill_price=np.empty(symbols),
        fill_fee=np.empty(symbols),
        fill_part=np.empty((symbols, pods)),
        target_pod=np.empty(pods * symbols, np.int32),
        target_symbol=np.empty(pods * symbols, np.int32),
        clip_symbol=np.empty(clips, np.int32),
        clip_reason=np.empty(clips, np.int32),
        clip_before=np.empty(clips),
        clip_after=np.empty(clips),
        clip_in_units=np.empty(clips, np.bool_),
        order_symbol=np.empty(2 * symbols, np.int32),
        order_lots=np.empty(2 * symbols, np.int64),
        order_approved=np.empty(2 * symbols),
        order_position=np.empty(2 * symbols, np.int64),
        order_pending=np.empty(2 * symbols, np.int64),
        cancel_symbol=np.empty(symbols, np.int32),
        touched=np.zeros(symbols, np.bool_),
    )


@njit(cache=True)
def _clip(out: CycleOutput, symbol: int, reason: int, before: float, after: float, in_units: bool) -> None:
    n = out.counts[CLIPS]
    out.clip_symbol[n] = symbol
    out.clip_reason[n] = reason
    out.clip_before[n] = before
    out.clip_after[n] = after
    out.clip_in_units[n] = in_units
    out.counts[CLIPS] = n + 1


@njit(cache=True)
def _tell(ledger: Ledger, out: CycleOutput, symbol: int, reason: int, before: float, after: float) -> None:
    """Journals a cut of the target ``before``, and remembers it."""
    ledger.told_reason[symbol] = reason
    ledger.told_target[symbol] = before
    _clip(out, symbol, reason, before, after, True)


@njit(cache=True)
def _was_told(ledger: Ledger, symbol: int, reason: int, target: float) -> bool:
    """True for a standing cut: it is journalled when it begins, not every cycle."""
    return bool(ledger.told_reason[symbol] == reason and ledger.told_target[symbol] == target)


@njit(cache=True)
def _fill_open_orders(
    ledger: Ledger, rules: Rules, opened: Float64, closed: Float64, fresh: Bool, out: CycleOutput
) -> None:
    for s in range(len(fresh)):
        if ledger.pending[s] == 0 or not fresh[s]:
            continue
        n = out.counts[FILLS]
        lots = ledger.pending[s]
        price = fill_price(opened[s], closed[s], lots, rules.slippage)
        out.fill_symbol[n] = s
        out.fill_lots[n] = lots
        out.fill_price[n] = price
        ledger.pending[s] = 0
        if np.isnan(ledger.last[s]):
            ledger.last[s] = price
        out.fill_fee[n] = book_fill(ledger, rules, s, lots, price, out.fill_part[n])
        out.counts[FILLS] = n + 1


@njit(cache=True)
def _note_target(out: CycleOutput, pod: int, symbol: int) -> None:
    n = out.counts[TARGETS]
    out.target_pod[n] = pod
    out.target_symbol[n] = symbol
    out.counts[TARGETS] = n + 1


@njit(cache=True)
def _retarget_changed(ledger: Ledger, rules: Rules, out: CycleOutput) -> None:
    """Layer 3 and units for touched symbols, and for untouched ones that must fall under a binding cap."""
    scale = portfolio_scale(ledger, rules)
    for s in range(len(out.touched)):
        if not out.touched[s] and not must_fall(ledger, s, scale):
            continue
        if scale < 1.0:
            net = net_weight(ledger, s)
            if net != 0.0:
                _clip(out, s, _PORTFOLIO_GROSS, net, np.round(net * scale, 9), False)
        for p in range(len(ledger.fraction)):
            weight = weight_after_scale(ledger, p, s, scale)
            if weight == ledger.held[p, s]:
                continue
            if not retarget(ledger, rules, p, s, weight):
                _clip(out, s, _NO_PRICE, weight, 0.0, False)
            _note_target(out, p, s)


@njit(cache=True)
def _drift(ledger: Ledger, rules: Rules, fresh: Bool, out: CycleOutput) -> None:
    for s in range(len(fresh)):
        if not fresh[s] or out.touched[s] or ledger.stopped[s] or ledger.pending[s] != 0:
            continue
        for p in range(len(ledger.fraction)):
            if hold_or_drift(ledger, rules, p, s):
                _note_target(out, p, s)


@njit(cache=True)
def _target(ledger: Ledger, symbol: int) -> float:
    total = 0.0
    for p in range(len(ledger.fraction)):
        total += ledger.units[p, symbol]
    return total


@njit(cache=True)
def _order(ledger: Ledger, out: CycleOutput, symbol: int, lots: int, approved: float) -> None:
    n = out.counts[ORDERS]
    out.order_symbol[n] = symbol
    out.order_lots[n] = lots
    out.order_approved[n] = approved
    out.order_position[n] = ledger.position[symbol]
    out.order_pending[n] = ledger.pending[symbol]
    out.counts[ORDERS] = n + 1
    ledger.pending[symbol] += lots


@njit(cache=True)
def _route(
    ledger: Ledger, rules: Rules, cycle: int, symbol: int, gross: float, out: CycleOutput, part: Float64
) -> float:
    """Guards and routes one dirty symbol; returns the gross exposure with what it reserved."""
    base_lots = ledger.position[symbol] + ledger.pending[symbol]
    base = units_of(base_lots, rules.lot[symbol])
    target = _target(ledger, symbol)
    before = worst_exposure(ledger, rules, symbol)
    allowed, reason = allow(ledger, rules, cycle, symbol, base, target, gross)
    lots = delta_lots(allowed, base_lots, rules.lot[symbol])
    # A cut target stays dirty: it is tried again when the guard lets go.
    ledger.dirty[symbol] = reason != 0
    notional = abs(units_of(lots, rules.lot[symbol])) * unit_value(ledger, rules, symbol)
    goes = lots != 0 and not notional < rules.min_notional[symbol]
    if reason == 0:
        ledger.told_reason[symbol] = 0
    elif not _was_told(ledger, symbol, reason, target) or (goes and abs(allowed - base) > _RETRY * abs(target)):
        _tell(ledger, out, symbol, reason, target, allowed)
    else:
        goes = False
    if not goes:
        if ledger.state[TRADING] != HALTED and not ledger.stopped[symbol]:
            cross_internally(ledger, rules, symbol, part)
        if reason == 0 and abs(allowed - base) > 1e-9 * rules.lot[symbol]:
            _tell(ledger, out, symbol, _BELOW_LOT if lots == 0 else _BELOW_NOTIONAL, target, base)
        return gross
    if reduces(base, allowed) and is_stale(ledger, rules, cycle, symbol):
        _clip(out, symbol, _LAST_GOOD, allowed, allowed, True)
    if base_lots != 0 and (base_lots > 0) != (base_lots + lots > 0) and base_lots + lots != 0:
        # An order through zero is split: the first part closes, the second opens.
        _order(ledger, out, symbol, -base_lots, 0.0)
        _order(ledger, out, symbol, lots + base_lots, allowed)
    else:
        _order(ledger, out, symbol, lots, allowed)
    return gross + worst_exposure(ledger, rules, symbol) - before


@njit(cache=True)
def _cancel_opposite(ledger: Ledger, rules: Rules, symbol: int, out: CycleOutput) -> None:
    """An opposite delta cancels what is open first: it must not fill on the way to a target that fell."""
    open_lots = ledger.position[symbol] + ledger.pending[symbol]
    lots = delta_lots(_target(ledger, symbol), open_lots, rules.lot[symbol])
    if (lots < 0 and ledger.pending[symbol] > 0) or (lots > 0 and ledger.pending[symbol] < 0):
        ledger.pending[symbol] = 0
        out.cancel_symbol[out.counts[CANCELS]] = symbol
        out.counts[CANCELS] += 1


@njit(cache=True)
def _route_all(ledger: Ledger, rules: Rules, cycle: int, out: CycleOutput, part: Float64) -> None:
    """Order of service: reducing first, then symbol. What is open is waited for unless the target turned against it."""
    if not ledger.dirty.any():
        return
    for s in range(len(ledger.dirty)):
        if ledger.dirty[s] and ledger.pending[s] != 0:
            _cancel_opposite(ledger, rules, s, out)
    gross = gross_with_pending(ledger, rules)
    for pass_reducing in (True, False):
        for s in range(len(ledger.dirty)):
            if not ledger.dirty[s] or ledger.pending[s] != 0:
                continue
            base = units_of(ledger.position[s], rules.lot[s])
            if reduces(base, _target(ledger, s)) == pass_reducing:
                gross = _route(ledger, rules, cycle, s, gross, out, part)


@njit(cache=True)
def run_cycles(
    ledger: Ledger,
    rules: Rules,
    prices: Prices,
    changes: Changes,
    first: int,
    last: int,
    at: int,
    refraction: bool,
    stop_always: bool,
    out: CycleOutput,
    part: Float64,
) -> tuple[int, int]:
    """Runs cycles ``first`` .. ``last`` - 1 until one has something to report.

    ``at`` is the first row of ``changes`` not yet taken; ``refraction`` says that capital fractions changed before the
    first cycle; ``stop_always`` ends after the first cycle. Returns (next cycle row, next row of changes); the report
    of the cycle before the returned row stands in ``out``.
    """
    for row in range(first, last):
        out.counts[:] = 0
        cycle = prices.cycles[row]
        _fill_open_orders(ledger, rules, prices.open[row], prices.close[row], prices.fresh[row], out)
        mark_to_market(ledger, rules, cycle, prices.close[row], prices.fresh[row], prices.degraded[row])
        any_touched = refraction and row == first
        out.touched[:] = any_touched
        while at < len(changes.row) and changes.row[at] == row:
            ledger.pod_weight[changes.pod[at], changes.symbol[at]] = changes.weight[at]
            out.touched[changes.symbol[at]] = True
            any_touched = True
            at += 1
        if any_touched:
            _retarget_changed(ledger, rules, out)
        _drift(ledger, rules, prices.fresh[row], out)
        _route_all(ledger, rules, cycle, out, part)
        if out.counts.any() or stop_always:
            return row + 1, at
    return last, at
