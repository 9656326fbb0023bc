"""The compiled pass of a portfolio over cycles: fills, marks, targets, guards, deltas (spec 6, 7, 8)."""

from __future__ import annotations

import numpy as np

from operators.aggregate_intents.offset import offset_ratio
from operators.allocate.targets import (
    hold_or_drift,
    must_fall,
    net_weight,
    portfolio_scale,
    retarget,
    weight_after_scale,
)
from operators.compiled import compiled
from operators.frames import Bool, Float64
from operators.portfolio.cycle_output import (
    FILLS,
    RUN_CYCLES,
    TARGETS,
    Changes,
    CycleOutput,
    Prices,
    clip,
    has_room,
)
from operators.portfolio.fills import book_fill, fill_price
from operators.portfolio.ledger import EQUITY, Ledger, Rules, mark_to_market, unit_value
from operators.portfolio.profit import pods_profit
from operators.portfolio.routing import route_all
from schemas.reasons import Reason

_PORTFOLIO_GROSS = int(Reason.LEVERAGE_PORTFOLIO_GROSS)
_NO_PRICE = int(Reason.GUARD_NO_PRICE)


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
                continue
            if not retarget(ledger, rules, p, s, weight):
                clip(out, s, _NO_PRICE, weight, 0.0, False)
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
            inside = equity > 0.0 and not unsized[p, s]
            if inside and abs(units[p, s] * value - ideal) < 0.999 * band * abs(ideal):
                continue
            if hold_or_drift(ledger, rules, p, s):
                _note_target(ledger, out, p, s)


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
        if rules.internal:
            _fill_open_orders(ledger, rules, prices.open[row], prices.close[row], prices.fresh[row], out)
        mark_to_market(ledger, rules, cycle, prices.close[row], prices.fresh[row], prices.degraded[row])
        any_touched = refraction and row == first
        out.touched[:] = any_touched
        begin, at = at, _take_changes(ledger, changes, row, at, out)
        if any_touched or at > begin:
            _retarget_changed(ledger, rules, out)
        _drift(ledger, rules, prices.fresh[row], out)
        route_all(ledger, rules, cycle, out)
        for n in range(begin, at):
            out.change[changes.pod[n], changes.symbol[n]] = -1
        has_targets = out.counts[TARGETS] > (out.ends[row - first - 1, TARGETS] if row > first else 0)
        out.offset[row - first] = offset_ratio(ledger.fraction, ledger.pod_weight) if has_targets else -1.0
        for n in range(len(out.counts)):
            out.ends[row - first, n] = out.counts[n]
        for n in range(len(ledger.scalars)):
            out.scalars[row - first, n] = ledger.scalars[n]
        pods_profit(ledger, rules, out.profit[row - first])
    return last, at
