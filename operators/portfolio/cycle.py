"""The compiled pass of a portfolio over cycles: fills, marks, targets, guards, deltas (spec 6, 7, 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.aggregate_intents.offset import offset_ratio
from operators.allocate.envelopes import enveloped
from operators.allocate.targets import (
    hold_or_drift,
    must_fall,
    net_weight,
    portfolio_scale,
    retarget,
    weight_after_scale,
)
from operators.compiled import compiled
from operators.frames import Bool, Float64, Int32, Int64
from operators.portfolio.cycle_output import (
    CANCELS,
    FILLS,
    ORDERS,
    RUN_CYCLES,
    TARGETS,
    CycleOutput,
    clip,
    has_room,
    tell,
    tell_envelope,
    was_told,
)
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


@compiled
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


@compiled
def _note_target(ledger: Ledger, out: CycleOutput, pod: int, symbol: int) -> None:
    n = out.counts[TARGETS]
    out.target_pod[n] = pod
    out.target_symbol[n] = symbol
    out.target_weight[n] = ledger.pod_weight[pod, symbol]
    out.target_units[n] = ledger.units[pod, symbol]
    out.target_change[n] = out.change[pod, symbol]
    out.counts[TARGETS] = n + 1


@compiled
def _retarget_changed(ledger: Ledger, rules: Rules, out: CycleOutput) -> None:
    """Layer 3 and units for touched symbols, and for untouched ones that must fall under a binding cap."""
    scale = portfolio_scale(ledger, rules)
    for s in range(len(out.touched)):
        if not out.touched[s] and not must_fall(ledger, s, scale):
            continue
        if scale < 1.0:
            net = net_weight(ledger, s)
            if net != 0.0:
                clip(out, s, _PORTFOLIO_GROSS, net, np.round(net * scale, 9), False)
        for p in range(len(ledger.fraction)):
            weight = weight_after_scale(ledger, p, s, scale)
            if weight == ledger.held[p, s]:
                # A capacity that fell cuts what it leaves too much of, though its weight stands.
                if not rules.has_envelopes or enveloped(ledger, rules, p, s, ledger.units[p, s])[1] == 0:
                    continue
            if not retarget(ledger, rules, p, s, weight):
                clip(out, s, _NO_PRICE, weight, 0.0, False)
            elif rules.has_envelopes:
                tell_envelope(ledger, rules, p, s, out)
            _note_target(ledger, out, p, s)


@compiled
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
                    tell_envelope(ledger, rules, p, s, out)
                _note_target(ledger, out, p, s)


@compiled
def _target(ledger: Ledger, symbol: int) -> float:
    total = 0.0
    for p in range(len(ledger.fraction)):
        total += ledger.units[p, symbol]
    return total


@compiled
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


@compiled
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
    elif not was_told(ledger, symbol, reason, target) or (goes and abs(allowed - base) > _RETRY * abs(target)):
        tell(ledger, out, symbol, reason, target, allowed)
    else:
        goes = False
    if not goes:
        if ledger.state[TRADING] != HALTED and not ledger.stopped[symbol]:
            cross_internally(ledger, rules, symbol, part)
        if reason == 0 and abs(allowed - base) > 1e-9 * rules.lot[symbol]:
            tell(ledger, out, symbol, _BELOW_LOT if lots == 0 else _BELOW_NOTIONAL, target, base)
        return gross
    if reduces(base, allowed) and is_stale(ledger, rules, cycle, symbol):
        clip(out, symbol, _LAST_GOOD, allowed, allowed, True)
    if base_lots != 0 and (base_lots > 0) != (base_lots + lots > 0) and base_lots + lots != 0:
        # An order through zero is split: the first part closes, the second opens.
        _order(ledger, out, symbol, -base_lots, 0.0)
        _order(ledger, out, symbol, lots + base_lots, allowed)
    else:
        _order(ledger, out, symbol, lots, allowed)
    return gross + worst_exposure(ledger, rules, symbol) - before


@compiled
def _cancel_opposite(ledger: Ledger, rules: Rules, symbol: int, out: CycleOutput) -> None:
    """An opposite delta cancels what is open first: it must not fill on the way to a target that fell."""
    open_lots = ledger.position[symbol] + ledger.pending[symbol]
    lots = delta_lots(_target(ledger, symbol), open_lots, rules.lot[symbol])
    if (lots < 0 and ledger.pending[symbol] > 0) or (lots > 0 and ledger.pending[symbol] < 0):
        ledger.pending[symbol] = 0
        out.cancel_symbol[out.counts[CANCELS]] = symbol
        out.counts[CANCELS] += 1


@compiled
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


@compiled
def _take_changes(ledger: Ledger, changes: Changes, row: int, at: int, out: CycleOutput) -> int:
    """The pods' new weights of a cycle; returns the first row of ``changes`` after it."""
    while at < len(changes.row) and changes.row[at] == row:
        pod, symbol = changes.pod[at], changes.symbol[at]
        ledger.pod_weight[pod, symbol] = changes.weight[at]
        out.touched[symbol] = True
        out.change[pod, symbol] = at
        at += 1
    return at


@compiled
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
        if not has_room(out):
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
        for n in range(len(out.counts)):
            out.ends[row - first, n] = out.counts[n]
        for n in range(len(ledger.scalars)):
            out.scalars[row - first, n] = ledger.scalars[n]
    return last, at
