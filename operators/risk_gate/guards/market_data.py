"""Staleness, degraded data, missing prices and conversions: without good data no new risk (spec 2, 7)."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.portfolio.ledger import Ledger, Rules, conversion_rate
from operators.risk_gate.guards.reduce_only import reduced
from schemas.reasons import Reason

_NO_PRICE, _NO_CONVERSION = int(Reason.GUARD_NO_PRICE), int(Reason.GUARD_NO_CONVERSION)
_STALE, _DEGRADED = int(Reason.GUARD_STALE_PRICE), int(Reason.GUARD_DEGRADED)


@compiled
def market_data(ledger: Ledger, rules: Rules, cycle: int, symbol: int, base: float, target: float) -> tuple[float, int]:
    """(allowed position, reason). Reductions pass at the last good price; without any price nothing passes."""
    if np.isnan(ledger.last[symbol]):
        return base, _NO_PRICE
    allowed = reduced(base, target)
    if allowed == target:
        return target, 0
    if np.isnan(conversion_rate(ledger, rules, symbol)):
        return allowed, _NO_CONVERSION
    if cycle - ledger.fresh_at[symbol] > rules.max_age:
        return allowed, _STALE
    if ledger.degraded[symbol]:
        return allowed, _DEGRADED
    return target, 0


@compiled
def is_stale(ledger: Ledger, rules: Rules, cycle: int, symbol: int) -> bool:
    """True when the last price is older than ``max_price_age``."""
    return bool(cycle - ledger.fresh_at[symbol] > rules.max_age)
