"""A market in crisis rejects what increases risk (spec 6)."""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import CRISIS, Ledger
from operators.risk_gate.guards.reduce_only import reduced
from schemas.reasons import Reason

_CRISIS = int(Reason.REGIME_CRISIS)


@compiled
def crisis(ledger: Ledger, base: float, target: float) -> tuple[float, int]:
    """In a crisis only reductions pass."""
    if ledger.room[CRISIS] == 0.0:
        return target, 0
    allowed = reduced(base, target)
    return allowed, _CRISIS if allowed != target else 0
