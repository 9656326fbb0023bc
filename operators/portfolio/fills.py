"""Books fills and attributes them to pods (spec 9)."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.frames import Float64
from operators.portfolio.ledger import CASH, Ledger, Rules, conversion_rate, units_of
from operators.portfolio.profit import book_profit, share_fee


@compiled
def attribute(ledger: Ledger, symbol: int, quantity: float, part: Float64) -> None:
    """Splits a signed fill among the pods, pro rata to each pod's own delta (target - attributed position).

    Opposite deltas cross internally at the fill price, so the pods' positions always sum to the portfolio's and a pod
    that goes to zero ends flat. ``part`` [P] receives each pod's units.
    """
    pods = len(part)
    with_order = 0.0
    against = 0.0
    side = 1.0 if quantity >= 0.0 else -1.0
    for p in range(pods):
        delta = (ledger.units[p, symbol] - ledger.attributed[p, symbol]) * side
        if delta > 0.0:
            with_order += delta
        else:
            against -= delta
    given = abs(quantity) + against
    total = 0.0
    for p in range(pods):
        delta = (ledger.units[p, symbol] - ledger.attributed[p, symbol]) * side
        if delta <= 0.0:
            # Without a pod on the order's side nobody takes what these would give.
            part[p] = delta * side if with_order > 0.0 else 0.0
        else:
            part[p] = delta / with_order * given * side
        total += part[p]
    if with_order <= 0.0:
        _by_position(ledger, symbol, quantity, part)
        return
    _settle_rest(ledger, symbol, quantity - total, part)


@compiled
def _by_position(ledger: Ledger, symbol: int, quantity: float, part: Float64) -> None:
    """A fill that no pod asked for goes to those who hold the symbol, or to all alike."""
    pods = len(part)
    held = 0.0
    for p in range(pods):
        held += abs(ledger.attributed[p, symbol])
    total = 0.0
    for p in range(pods):
        part[p] = quantity * (abs(ledger.attributed[p, symbol]) / held if held > 0.0 else 1.0 / pods)
        total += part[p]
    _settle_rest(ledger, symbol, quantity - total, part)


@compiled
def _settle_rest(ledger: Ledger, symbol: int, rest: float, part: Float64) -> None:
    """Rounding that is left over goes to the largest part."""
    largest = 0
    for p in range(len(part)):
        if abs(part[p]) > abs(part[largest]):
            largest = p
    part[largest] += rest


@compiled
def finish_exits(ledger: Ledger, rules: Rules, symbol: int, part: Float64) -> None:
    """What rounding to the lot leaves of pods that go to zero passes to those that stay: an exit ends flat."""
    left = 0.0
    wanted = 0.0
    for p in range(len(part)):
        if ledger.units[p, symbol] == 0.0:
            left += ledger.attributed[p, symbol] + part[p]
        wanted += abs(ledger.units[p, symbol])
    if left == 0.0 or wanted == 0.0 or abs(left) >= rules.lot[symbol]:
        return
    for p in range(len(part)):
        if ledger.units[p, symbol] == 0.0:
            part[p] = -ledger.attributed[p, symbol]
        else:
            part[p] += left * abs(ledger.units[p, symbol]) / wanted


@compiled
def settle_attribution(ledger: Ledger, rules: Rules, symbol: int, price: float, part: Float64) -> None:
    """Adds the parts of a fill at ``price``; what is less than a millionth of a lot is nothing, unless the position
    keeps it."""
    value = price * rules.multiplier[symbol] * conversion_rate(ledger, rules, symbol)
    for p in range(len(part)):
        if part[p] != 0.0:
            book_profit(ledger, p, symbol, part[p], value)
        ledger.attributed[p, symbol] += part[p]
    if ledger.position[symbol] == 0:
        flat = True
        for p in range(len(part)):
            flat = flat and abs(ledger.attributed[p, symbol]) < 1e-6 * rules.lot[symbol]
        if flat:
            for p in range(len(part)):
                ledger.attributed[p, symbol] = 0.0


@compiled
def fill_price(opened: float, closed: float, lots: int, slippage: float) -> float:
    """Paper fills take the bar's open (its close where there is none), made worse by the slippage."""
    price = opened if opened > 0.0 else closed
    return price * (1.0 + slippage) if lots > 0 else price * (1.0 - slippage)


@compiled
def book_fill(ledger: Ledger, rules: Rules, symbol: int, lots: int, price: float, part: Float64) -> float:
    """Books a fill of ``lots`` at ``price`` with the instrument's fee; returns the fee in base currency."""
    quantity = units_of(lots, rules.lot[symbol])
    fee = abs(quantity) * price * rules.multiplier[symbol] * rules.fee[symbol]
    return book_execution(ledger, rules, symbol, lots, price, fee, part)


@compiled
def book_execution(
    ledger: Ledger, rules: Rules, symbol: int, lots: int, price: float, own_fee: float, part: Float64
) -> float:
    """Books a fill of ``lots`` at ``price`` with a fee in the instrument's currency; returns it in base currency."""
    quantity = units_of(lots, rules.lot[symbol])
    rate = conversion_rate(ledger, rules, symbol)
    notional = quantity * price * rules.multiplier[symbol] * rate
    fee = float(own_fee * rate)
    attribute(ledger, symbol, quantity, part)
    finish_exits(ledger, rules, symbol, part)
    ledger.scalars[CASH] -= notional + fee
    ledger.position[symbol] += lots
    share_fee(ledger, symbol, fee, quantity, part)
    settle_attribution(ledger, rules, symbol, price, part)
    return fee


@compiled
def cross_internally(ledger: Ledger, rules: Rules, symbol: int, part: Float64) -> bool:
    """Pods whose deltas cancel trade with each other at the last price when no order is needed: nobody keeps what it no
    longer wants. ``part`` [P] receives each pod's units; False when there is nothing to cross."""
    bought = 0.0
    sold = 0.0
    for p in range(len(part)):
        delta = ledger.units[p, symbol] - ledger.attributed[p, symbol]
        bought += max(delta, 0.0)
        sold += max(-delta, 0.0)
    crossed = min(bought, sold)
    if crossed <= 1e-6 * rules.lot[symbol]:
        return False
    for p in range(len(part)):
        delta = ledger.units[p, symbol] - ledger.attributed[p, symbol]
        part[p] = delta * (crossed / bought if delta > 0.0 else crossed / sold)
    finish_exits(ledger, rules, symbol, part)
    settle_attribution(ledger, rules, symbol, ledger.last[symbol], part)
    return True


@compiled
def share_order(ledger: Ledger, symbol: int, lots: int, share: Float64) -> None:
    """Each pod's share of an order: its own delta on the order's side, rounded to 1e-9; -1 for a pod without one."""
    total = 0.0
    for p in range(len(share)):
        delta = ledger.units[p, symbol] - ledger.attributed[p, symbol]
        share[p] = delta if lots > 0 else -delta
        total += max(share[p], 0.0)
    for p in range(len(share)):
        share[p] = np.round(share[p] / total, 9) if share[p] > 0.0 else -1.0
