"""Envelopes per (pod, symbol): caps on the *resulting position*, not on the order that leads there (spec 6, seed 001).

``max_size`` and ``max_notional`` cut a target when it is computed; past ``soft_limit`` a position is told of; past
``hard_limit`` it is cut back at once, also where the price alone carried it there. The regime's capacity scales the
caps.
"""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import CAPACITY, Ledger, Rules, unit_value
from schemas.reasons import Reason

_SIZE, _NOTIONAL = int(Reason.ENVELOPE_MAX_SIZE), int(Reason.ENVELOPE_MAX_NOTIONAL)
_HARD = int(Reason.ENVELOPE_HARD_LIMIT)


@compiled
def enveloped(ledger: Ledger, rules: Rules, pod: int, symbol: int, units: float) -> tuple[float, int]:
    """(the position in units that the envelope allows of ``units``, reason of the tightest cut or 0)."""
    if not rules.has_envelopes or units == 0.0:
        return units, 0
    capacity = ledger.room[CAPACITY]
    value = unit_value(ledger, rules, symbol)
    size, reason = abs(units), 0
    if size > rules.most_units[pod, symbol] * capacity:
        size, reason = rules.most_units[pod, symbol] * capacity, _SIZE
    if size * value > rules.most_value[pod, symbol] * capacity:
        size, reason = rules.most_value[pod, symbol] * capacity / value, _NOTIONAL
    if size * value > rules.hard_value[pod, symbol] * capacity:
        size, reason = rules.hard_value[pod, symbol] * capacity / value, _HARD
    return (size if units > 0.0 else -size), reason


@compiled
def over_hard_limit(ledger: Ledger, rules: Rules, pod: int, symbol: int) -> bool:
    """True when the held target is worth more than the hard limit."""
    if not rules.has_envelopes:
        return False
    worth = abs(ledger.units[pod, symbol]) * unit_value(ledger, rules, symbol)
    return bool(worth > rules.hard_value[pod, symbol] * ledger.room[CAPACITY] * (1.0 + 1e-9))


@compiled
def over_soft_limit(ledger: Ledger, rules: Rules, pod: int, symbol: int) -> bool:
    """True when the held target is worth more than the soft limit."""
    worth = abs(ledger.units[pod, symbol]) * unit_value(ledger, rules, symbol)
    return bool(worth > rules.soft_value[pod, symbol] * ledger.room[CAPACITY])
