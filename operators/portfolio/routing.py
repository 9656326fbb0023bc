"""Guards and routes a cycle's changed targets: reservations, crossings, cancels, orders (spec 7, 8)."""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.cycle_output import CANCELS, FILLS, ORDERS, CycleOutput, clip, tell, was_told
from operators.portfolio.fills import cross_internally, share_order
from operators.portfolio.ledger import HALTED, TRADING, Ledger, Rules, unit_value, units_of
from operators.risk_gate.chain import allow, reduces
from operators.risk_gate.guards.gross_exposure import gross_with_pending, worst_exposure
from operators.risk_gate.guards.market_data import is_stale
from operators.route.delta import delta_lots
from schemas.reasons import Reason

_BELOW_LOT = int(Reason.ROUTE_BELOW_LOT)
_BELOW_NOTIONAL = int(Reason.ROUTE_BELOW_MIN_NOTIONAL)
_LAST_GOOD = int(Reason.GUARD_LAST_GOOD_PRICE)
#: A standing cut whose room moved with the price alone is traded again only past this part of the target.
_RETRY = 0.1


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
def _cross(ledger: Ledger, rules: Rules, symbol: int, out: CycleOutput) -> None:
    n = out.counts[FILLS]
    if cross_internally(ledger, rules, symbol, out.fill_part[n]):
        out.fill_symbol[n] = symbol
        out.fill_lots[n] = 0
        out.fill_price[n] = ledger.last[symbol]
        out.fill_fee[n] = 0.0
        out.counts[FILLS] = n + 1


@compiled
def _route(ledger: Ledger, rules: Rules, cycle: int, symbol: int, gross: float, out: CycleOutput) -> float:
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
            _cross(ledger, rules, symbol, out)
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
def _cancel_turned(ledger: Ledger, rules: Rules, symbol: int, out: CycleOutput) -> None:
    """An opposite delta cancels what is open first: it must not fill on the way to a target that fell.

    A venue may leave an order open for long, so there any new target replaces it; and what it is asked to take back
    stays pending until it says so, for it may trade on the way.
    """
    if ledger.cancelling[symbol]:
        return
    open_lots = ledger.position[symbol] + ledger.pending[symbol]
    lots = delta_lots(_target(ledger, symbol), open_lots, rules.lot[symbol])
    opposite = (lots < 0 and ledger.pending[symbol] > 0) or (lots > 0 and ledger.pending[symbol] < 0)
    replaced = not rules.internal and lots != 0 and ledger.told_reason[symbol] == 0
    if opposite or replaced:
        if rules.internal:
            ledger.pending[symbol] = 0
        else:
            ledger.cancelling[symbol] = True
        out.cancel_symbol[out.counts[CANCELS]] = symbol
        out.counts[CANCELS] += 1


@compiled
def route_all(ledger: Ledger, rules: Rules, cycle: int, out: CycleOutput) -> None:
    """Order of service: reducing first, then symbol. What is open is waited for unless the target turned against it."""
    dirty, pending, position = ledger.dirty, ledger.pending, ledger.position
    any_due = False
    for s in range(len(dirty)):
        if dirty[s]:
            if pending[s] != 0:
                _cancel_turned(ledger, rules, s, out)
            any_due = any_due or pending[s] == 0
    if not any_due:
        return
    gross = gross_with_pending(ledger, rules)
    for pass_reducing in (True, False):
        for s in range(len(dirty)):
            if not dirty[s] or pending[s] != 0 or cycle < ledger.retry_at[s]:
                continue
            base = units_of(position[s], rules.lot[s])
            if reduces(base, _target(ledger, s)) == pass_reducing:
                gross = _route(ledger, rules, cycle, s, gross, out)
