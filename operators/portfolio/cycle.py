"""The compiled pass of a portfolio over cycles: fills, marks, targets, guards, deltas (spec 6, 7, 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.aggregate_intents.offset import offset_ratio
from operators.allocate.envelopes import enveloped, over_soft_limit
from operators.allocate.targets import (
    hold_or_drift,
    ideal_units,
    must_fall,
    net_weight,
    portfolio_scale,
    retarget,
    weight_after_scale,
)
from operators.frames import Bool, Float64, Int32, Int64
from operators.portfolio.fills import book_fill, cross_internally, fill_price, share_order
from operators.portfolio.ledger import EQUITY, HALTED, TRADING, Ledger, Rules, mark_to_market, unit_value, units_of
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
_SOFT_LIMIT = int(Reason.ENVELOPE_SOFT_LIMIT)

#: Columns of ``CycleOutput.ends``, and entries of ``counts``: rows of each table.
FILLS, TARGETS, CLIPS, ORDERS, CANCELS = range(5)
#: A standing cut whose room moved with the price alone is traded again only past this part of the target.
_RETRY = 0.1
#: Cycles of one run at most, and how many of them have room for everything to happen at once.
RUN_CYCLES, _ROOM_CYCLES = 256, 4


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
    """What a run of cycles did, table by table; the first ``counts[...]`` rows are valid.

    Attributes:
        counts: [5] rows of each table. Of each cycle of the run: ends [R, 5] the counts after it, scalars [R, 4] of the
            ledger, offset [R] how far the pods offset each other, -1 in a cycle without new targets.
        fill_symbol, fill_lots, fill_price, fill_fee: fills; fill_part [n, P] each pod's units.
        target_pod, target_symbol: pods' targets that changed, with the pod's weight and units; target_change is the row
            of ``Changes`` that it came from, -1 where only fractions, caps or drift moved it.
        clip_symbol, clip_reason, clip_before, clip_after, clip_in_units: cuts; clip_pod is -1 at portfolio level.
        order_symbol, order_lots: orders; order_approved in units, order_position and order_pending in lots before,
            order_price the reference price; order_share [n, P] each pod's share of it, negative where it has none.
        cancel_symbol: symbols whose open orders are taken back, because the target turned before they filled.
        touched: [S] symbols whose pod weights changed in this cycle; change [P, S] by which row of ``Changes``, or -1.
    """

    counts: Int64
    ends: Int64
    scalars: Float64
    offset: Float64
    fill_symbol: Int32
    fill_lots: Int64
    fill_price: Float64
    fill_fee: Float64
    fill_part: Float64
    target_pod: Int32
    target_symbol: Int32
    target_weight: Float64
    target_units: Float64
    target_change: Int64
    clip_pod: Int32
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
    order_price: Float64
    order_share: Float64
    cancel_symbol: Int32
    touched: Bool
    change: Int64


def cycle_output(pods: int, symbols: int) -> CycleOutput:
    """Room for a run of cycles of a portfolio."""
    fills, targets = _ROOM_CYCLES * symbols, _ROOM_CYCLES * 2 * pods * symbols
    clips, orders = _ROOM_CYCLES * (6 + 3 * pods) * symbols, _ROOM_CYCLES * 2 * symbols
    return CycleOutput(
        counts=np.zeros(5, np.int64),
        ends=np.zeros((RUN_CYCLES, 5), np.int64),
        scalars=np.zeros((RUN_CYCLES, 4)),
        offset=np.zeros(RUN_CYCLES),
        fill_symbol=np.empty(fills, np.int32),
        fill_lots=np.empty(fills, np.int64),
        fill_price=np.empty(fills),
        fill_fee=np.empty(fills),
        fill_part=np.empty((fills, pods)),
        target_pod=np.empty(targets, np.int32),
        target_symbol=np.empty(targets, np.int32),
        target_weight=np.empty(targets),
        target_units=np.empty(targets),
        target_change=np.empty(targets, np.int64),
        clip_pod=np.empty(clips, np.int32),
        clip_symbol=np.empty(clips, np.int32),
        clip_reason=np.empty(clips, np.int32),
        clip_before=np.empty(clips),
        clip_after=np.empty(clips),
        clip_in_units=np.empty(clips, np.bool_),
        order_symbol=np.empty(orders, np.int32),
        order_lots=np.empty(orders, np.int64),
        order_approved=np.empty(orders),
        order_position=np.empty(orders, np.int64),
        order_pending=np.empty(orders, np.int64),
        order_price=np.empty(orders),
        order_share=np.empty((orders, pods)),
        cancel_symbol=np.empty(fills, np.int32),
        touched=np.zeros(symbols, np.bool_),
        change=np.full((pods, symbols), -1, np.int64),
    )


@njit(cache=True)
def _has_room(out: CycleOutput) -> bool:
    """True when a cycle in which everything happens still fits."""
    pods, symbols = out.change.shape
    return bool(
        out.counts[FILLS] + symbols <= len(out.fill_symbol)
        and out.counts[TARGETS] + 2 * pods * symbols <= len(out.target_pod)
        and out.counts[CLIPS] + (6 + 3 * pods) * symbols <= len(out.clip_symbol)
        and out.counts[ORDERS] + 2 * symbols <= len(out.order_symbol)
        and out.counts[CANCELS] + symbols <= len(out.cancel_symbol)
    )


@njit(cache=True)
def _clip(out: CycleOutput, symbol: int, reason: int, before: float, after: float, in_units: bool) -> None:
    n = out.counts[CLIPS]
    out.clip_pod[n] = -1
    out.clip_symbol[n] = symbol
    out.clip_reason[n] = reason
    out.clip_before[n] = before
    out.clip_after[n] = after
    out.clip_in_units[n] = in_units
    out.counts[CLIPS] = n + 1


@njit(cache=True)
def _tell_envelope(ledger: Ledger, rules: Rules, pod: int, symbol: int, out: CycleOutput) -> None:
    """Journals what the pod's envelope cut of its target, and a position past the soft limit when it gets there."""
    ideal = ideal_units(ledger, rules, pod, symbol)
    units, reason = enveloped(ledger, rules, pod, symbol, ideal)
    if reason != 0:
        _clip(out, symbol, reason, ideal, units, True)
        out.clip_pod[out.counts[CLIPS] - 1] = pod
    soft = over_soft_limit(ledger, rules, pod, symbol)
    if soft and not ledger.soft_told[pod, symbol]:
        _clip(out, symbol, _SOFT_LIMIT, ledger.units[pod, symbol], ledger.units[pod, symbol], True)
        out.clip_pod[out.counts[CLIPS] - 1] = pod
    ledger.soft_told[pod, symbol] = soft


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
    pending = ledger.pending
    for s in range(len(fresh)):
        if pending[s] == 0 or not fresh[s]:
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
def _note_target(ledger: Ledger, out: CycleOutput, pod: int, symbol: int) -> None:
    n = out.counts[TARGETS]
    out.target_pod[n] = pod
    out.target_symbol[n] = symbol
    out.target_weight[n] = ledger.pod_weight[pod, symbol]
    out.target_units[n] = ledger.units[pod, symbol]
    out.target_change[n] = out.change[pod, symbol]
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
                # A capacity that fell cuts what it leaves too much of, though its weight stands.
                if not rules.has_envelopes or enveloped(ledger, rules, p, s, ledger.units[p, s])[1] == 0:
                    continue
            if not retarget(ledger, rules, p, s, weight):
                _clip(out, s, _NO_PRICE, weight, 0.0, False)
            elif rules.has_envelopes:
                _tell_envelope(ledger, rules, p, s, out)
            _note_target(ledger, out, p, s)


@njit(cache=True)
def _drift(ledger: Ledger, rules: Rules, fresh: Bool, out: CycleOutput) -> None:
    touched, stopped, pending, held = out.touched, ledger.stopped, ledger.pending, ledger.held
    units, unsized, band, equity = ledger.units, ledger.unsized, rules.band, ledger.scalars[EQUITY]
    for s in range(len(fresh)):
        if not fresh[s] or touched[s] or stopped[s] or pending[s] != 0:
            continue
        value = unit_value(ledger, rules, s)
        for p in range(len(held)):
            if held[p, s] == 0.0:
                continue
            # Without a division: whether it lies well inside the band. The rest is looked at exactly.
            ideal = held[p, s] * equity
            inside = equity > 0.0 and not unsized[p, s] and not rules.has_envelopes
            if inside and abs(units[p, s] * value - ideal) < 0.999 * band * abs(ideal):
                continue
            if hold_or_drift(ledger, rules, p, s):
                if rules.has_envelopes:
                    _tell_envelope(ledger, rules, p, s, out)
                _note_target(ledger, out, p, s)


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
    out.order_price[n] = ledger.last[symbol]
    share_order(ledger, symbol, lots, out.order_share[n])
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
    dirty, pending, position = ledger.dirty, ledger.pending, ledger.position
    any_due = False
    for s in range(len(dirty)):
        if dirty[s]:
            if pending[s] != 0:
                _cancel_opposite(ledger, rules, s, out)
            any_due = any_due or pending[s] == 0
    if not any_due:
        return
    gross = gross_with_pending(ledger, rules)
    for pass_reducing in (True, False):
        for s in range(len(dirty)):
            if not dirty[s] or pending[s] != 0:
                continue
            base = units_of(position[s], rules.lot[s])
            if reduces(base, _target(ledger, s)) == pass_reducing:
                gross = _route(ledger, rules, cycle, s, gross, out, part)


@njit(cache=True)
def _take_changes(ledger: Ledger, changes: Changes, row: int, at: int, out: CycleOutput) -> int:
    """The pods' new weights of a cycle; returns the first row of ``changes`` after it."""
    while at < len(changes.row) and changes.row[at] == row:
        pod, symbol = changes.pod[at], changes.symbol[at]
        ledger.pod_weight[pod, symbol] = changes.weight[at]
        out.touched[symbol] = True
        out.change[pod, symbol] = at
        at += 1
    return at


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
    out: CycleOutput,
    part: Float64,
) -> tuple[int, int]:
    """Runs cycles ``first`` .. ``last`` - 1, or as many as there is room for in ``out``.

    ``at`` is the first row of ``changes`` not yet taken; ``refraction`` says that capital fractions changed before the
    first cycle. Returns (next cycle row, next row of changes).
    """
    out.counts[:] = 0
    last = min(last, first + RUN_CYCLES)
    for row in range(first, last):
        if not _has_room(out):
            return row, at
        cycle = prices.cycles[row]
        _fill_open_orders(ledger, rules, prices.open[row], prices.close[row], prices.fresh[row], out)
        mark_to_market(ledger, rules, cycle, prices.close[row], prices.fresh[row], prices.degraded[row])
        any_touched = refraction and row == first
        out.touched[:] = any_touched
        begin, at = at, _take_changes(ledger, changes, row, at, out)
        if any_touched or at > begin:
            _retarget_changed(ledger, rules, out)
        _drift(ledger, rules, prices.fresh[row], out)
        _route_all(ledger, rules, cycle, out, part)
        for n in range(begin, at):
            out.change[changes.pod[n], changes.symbol[n]] = -1
        has_targets = out.counts[TARGETS] > (out.ends[row - first - 1, TARGETS] if row > first else 0)
        out.offset[row - first] = offset_ratio(ledger.fraction, ledger.pod_weight) if has_targets else -1.0
        out.ends[row - first] = out.counts
        out.scalars[row - first] = ledger.scalars
    return last, at
