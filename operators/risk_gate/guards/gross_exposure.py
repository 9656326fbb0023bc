"""Gross exposure, open orders included: a pending reduction counts only once it is filled (spec 7)."""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import EQUITY, Ledger, Rules, unit_value, units_of
from operators.risk_gate.guards.reduce_only import capped
from schemas.reasons import Reason

_GROSS = int(Reason.GUARD_GROSS_EXPOSURE)


@compiled
def worst_exposure(ledger: Ledger, rules: Rules, symbol: int) -> float:
    """Largest |notional| that the symbol can have, whatever part of its open orders fills."""
    held = units_of(ledger.position[symbol], rules.lot[symbol])
    open_too = units_of(ledger.position[symbol] + ledger.pending[symbol], rules.lot[symbol])
    largest = max(abs(held), abs(open_too))
    return largest * unit_value(ledger, rules, symbol) if largest > 0.0 else 0.0


@compiled
def gross_with_pending(ledger: Ledger, rules: Rules) -> float:
    """Sum of the worst exposures; NaN when one is unknown."""
    gross = 0.0
    for s in range(len(ledger.position)):
        gross += worst_exposure(ledger, rules, s)
    return gross


@compiled
def gross_exposure(
    ledger: Ledger, rules: Rules, symbol: int, base: float, target: float, gross: float
) -> tuple[float, int]:
    """(allowed position, reason) given the portfolio's ``gross`` with everything reserved so far."""
    value = unit_value(ledger, rules, symbol)
    headroom = rules.max_gross * ledger.scalars[EQUITY] - gross + worst_exposure(ledger, rules, symbol)
    if abs(target) * value <= headroom:
        return target, 0
    # Also reached by NaN: an unknown exposure fails closed.
    room = headroom / value if headroom > 0.0 and value > 0.0 else 0.0
    return capped(base, target, room), _GROSS
