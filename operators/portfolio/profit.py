"""Profit and loss by pod and symbol at average cost, in base currency (spec 9)."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.frames import Float64
from operators.portfolio.ledger import Ledger, Rules, unit_value


@compiled
def book_profit(ledger: Ledger, pod: int, symbol: int, quantity: float, value: float) -> None:
    """Takes in that ``pod`` trades ``quantity`` units at ``value`` (base currency a unit), before it holds them.

    What adds to a position moves its average cost; what closes realises the difference to it.
    """
    held, cost = ledger.attributed[pod, symbol], ledger.cost[pod, symbol]
    if held * quantity >= 0.0:
        total = abs(held) + abs(quantity)
        if total > 0.0:
            ledger.cost[pod, symbol] = (abs(held) * cost + abs(quantity) * value) / total
        return
    closed = min(abs(held), abs(quantity))
    gain = closed * (value - cost) if held > 0.0 else closed * (cost - value)
    ledger.realised[pod, symbol] += gain
    if abs(quantity) > abs(held):
        ledger.cost[pod, symbol] = value


@compiled
def share_fee(ledger: Ledger, symbol: int, fee: float, quantity: float, part: Float64) -> None:
    """Splits a fee among the pods whose parts [P] lie on the fill's side, pro rata."""
    with_fill = 0.0
    for p in range(len(part)):
        if part[p] * quantity > 0.0:
            with_fill += abs(part[p])
    if with_fill <= 0.0:
        return
    for p in range(len(part)):
        if part[p] * quantity > 0.0:
            ledger.fees[p, symbol] += fee * abs(part[p]) / with_fill


@compiled
def pods_profit(ledger: Ledger, rules: Rules, profit: Float64) -> None:
    """Fills ``profit`` [3, P]: realised, unrealised and fees of each pod so far, in base currency."""
    for p in range(len(ledger.fraction)):
        for n in range(3):
            profit[n, p] = 0.0
    for s in range(len(ledger.position)):
        value = np.nan
        for p in range(len(ledger.fraction)):
            profit[0, p] += ledger.realised[p, s]
            profit[2, p] += ledger.fees[p, s]
            held = ledger.attributed[p, s]
            if held != 0.0:
                if np.isnan(value):
                    value = unit_value(ledger, rules, s)
                profit[1, p] += held * (value - ledger.cost[p, s])
