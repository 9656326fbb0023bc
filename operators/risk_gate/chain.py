"""The guard chain. Its order is explicit and the same everywhere:

1. trading state and kill switches, 2. market data, 3. equity left, 4. shorts, 5. position limit, 6. notional limit,
7. gross exposure with pending. Clips compose: each guard sees what the one before it allowed.
"""

from __future__ import annotations

from operators.compiled import compiled
from operators.portfolio.ledger import Ledger, Rules
from operators.risk_gate.guards.gross_exposure import gross_exposure
from operators.risk_gate.guards.market_data import market_data
from operators.risk_gate.guards.position_limits import equity_left, notional_limit, position_limit, shorts_allowed
from operators.risk_gate.guards.trading_state import trading_state


@compiled
def reduces(base: float, target: float) -> bool:
    """True when moving from ``base`` to ``target`` only makes |position| smaller, without changing sign."""
    return (0.0 <= target <= base) if base >= 0.0 else (base <= target <= 0.0)


@compiled
def allow(
    ledger: Ledger, rules: Rules, cycle: int, symbol: int, base: float, target: float, gross: float
) -> tuple[float, int]:
    """The position that the chain allows for a move from ``base`` (position + pending) to ``target``, in units.

    Returns (allowed, reason of the last guard that cut, or 0). Exposure guards let reductions pass.
    """
    allowed, reason = trading_state(ledger, symbol, base, target)
    if allowed == base:
        return allowed, reason
    found, cut = market_data(ledger, rules, cycle, symbol, base, allowed)
    if cut != 0:
        allowed, reason = found, cut
    if reduces(base, allowed):
        return allowed, reason
    found, cut = equity_left(ledger, base, allowed)
    if cut != 0:
        allowed, reason = found, cut
    found, cut = shorts_allowed(rules, symbol, base, allowed)
    if cut != 0:
        allowed, reason = found, cut
    found, cut = position_limit(rules, symbol, base, allowed)
    if cut != 0:
        allowed, reason = found, cut
    found, cut = notional_limit(ledger, rules, symbol, base, allowed)
    if cut != 0:
        allowed, reason = found, cut
    if not reduces(base, allowed):
        found, cut = gross_exposure(ledger, rules, symbol, base, allowed, gross)
        if cut != 0:
            allowed, reason = found, cut
    return allowed, reason
