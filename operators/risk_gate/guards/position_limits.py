"""Shorts, units and notional per symbol: caps on the *resulting position*, not on the order's size (spec 6, 7)."""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import EQUITY, Ledger, Rules, unit_value
from operators.risk_gate.guards.reduce_only import capped, reduced
from schemas.reasons import Reason

_SHORTS, _POSITION = int(Reason.GUARD_SHORTS_FORBIDDEN), int(Reason.GUARD_POSITION_LIMIT)
#: Whole numbers up to here are exact in a float.
_MOST_LOTS = 2.0**53
_NOTIONAL, _EQUITY = int(Reason.GUARD_NOTIONAL_LIMIT), int(Reason.GUARD_EQUITY_EXHAUSTED)


@compiled
def shorts_allowed(rules: Rules, symbol: int, base: float, target: float) -> tuple[float, int]:
    """No new position below zero in what may not be sold short."""
    if target < 0.0 and not rules.shortable[symbol]:
        return reduced(base, target), _SHORTS
    return target, 0


@compiled
def position_limit(rules: Rules, symbol: int, base: float, target: float) -> tuple[float, int]:
    """|position| <= max_position units. What lots cannot count exactly (a price next to nothing) is no position."""
    if not abs(target) <= _MOST_LOTS * rules.lot[symbol]:
        return base, _POSITION
    allowed = capped(base, target, rules.max_position)
    return allowed, _POSITION if allowed != target else 0


@compiled
def notional_limit(ledger: Ledger, rules: Rules, symbol: int, base: float, target: float) -> tuple[float, int]:
    """|position| x unit value <= max_symbol_notional. An unknown value lets only reductions through."""
    value = unit_value(ledger, rules, symbol)
    if not value > 0.0:
        return reduced(base, target), _NOTIONAL
    allowed = capped(base, target, rules.max_notional / value)
    return allowed, _NOTIONAL if allowed != target else 0


@compiled
def equity_left(ledger: Ledger, base: float, target: float) -> tuple[float, int]:
    """Without equity (or with an unknown one) only reductions pass."""
    if ledger.scalars[EQUITY] > 0.0:
        return target, 0
    allowed = reduced(base, target)
    return allowed, _EQUITY if allowed != target else 0
