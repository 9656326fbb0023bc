"""Trading state, kill switches and restricted list: HALTED lets no order out, REDUCING only reductions (spec 7)."""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import HALTED, REDUCING, TRADING, Ledger
from operators.risk_gate.guards.reduce_only import reduced
from schemas.reasons import Reason

_RESTRICTED = int(Reason.GUARD_RESTRICTED)
_SYMBOL_REDUCING = int(Reason.GUARD_SYMBOL_REDUCING)
_HALTED, _REDUCING, _KILLED = int(Reason.GUARD_HALTED), int(Reason.GUARD_REDUCING), int(Reason.GUARD_KILLED)


@compiled
def trading_state(ledger: Ledger, symbol: int, base: float, target: float) -> tuple[float, int]:
    """(allowed position, reason) for a move from ``base`` to ``target``."""
    if ledger.state[TRADING] == HALTED:
        return base, _HALTED
    if ledger.stopped[symbol]:
        return base, _KILLED
    if ledger.state[TRADING] == REDUCING or ledger.reducing[symbol]:
        allowed = reduced(base, target)
        reason = _REDUCING if ledger.state[TRADING] == REDUCING else _SYMBOL_REDUCING
        return allowed, reason if allowed != target else 0
    if ledger.restricted[symbol]:
        allowed = reduced(base, target)
        return allowed, _RESTRICTED if allowed != target else 0
    return target, 0
