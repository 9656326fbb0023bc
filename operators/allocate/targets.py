"""Portfolio weights to target units: leverage layer 3, held units, the rebalance band (spec 1 "Sizing chain", 6)."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.portfolio.ledger import EQUITY, Ledger, Rules, unit_value

#: What rounding to 1e-9 may add to a sum, for each weight.
_ROUNDING = 1e-9


@compiled
def net_weight(ledger: Ledger, symbol: int) -> float:
    """Sum over pods of fraction x pod weight, without what a freeze holds."""
    net = 0.0
    for p in range(len(ledger.fraction)):
        if not ledger.frozen[p, symbol]:
            net += ledger.fraction[p] * ledger.pod_weight[p, symbol]
    return float(np.round(net, 9))


@compiled
def portfolio_scale(ledger: Ledger, rules: Rules) -> float:
    """Layer 3: what every weight is multiplied with so that the sum of |net| stays within ``max_gross_leverage``.

    What a freeze holds is not scaled; the others share the room that it leaves.
    """
    gross = 0.0
    room = rules.max_leverage
    for s in range(len(ledger.position)):
        gross += abs(net_weight(ledger, s))
        kept = 0.0
        for p in range(len(ledger.fraction)):
            if ledger.frozen[p, s]:
                kept += ledger.held[p, s]
        room -= abs(kept)
    gross = np.round(gross, 9)
    room = max(room, 0.0)
    rounding = _ROUNDING * len(ledger.fraction) * len(ledger.position)
    return float(room / gross) if gross > room + rounding else 1.0


@compiled
def ideal_units(ledger: Ledger, rules: Rules, pod: int, symbol: int) -> float:
    """Units of the held weight at the current equity and price; NaN without a price or a conversion."""
    weight = ledger.held[pod, symbol]
    if weight == 0.0 or not ledger.scalars[EQUITY] > 0.0:
        return 0.0
    return float(weight * ledger.scalars[EQUITY] / unit_value(ledger, rules, symbol))


@compiled
def retarget(ledger: Ledger, rules: Rules, pod: int, symbol: int, weight: float) -> bool:
    """Sets a pod's portfolio weight and computes its units; False when there is no price to compute them with: they
    are computed when there is one."""
    ledger.held[pod, symbol] = weight
    units = ideal_units(ledger, rules, pod, symbol)
    ledger.unsized[pod, symbol] = not np.isfinite(units)
    if ledger.unsized[pod, symbol]:
        return False
    if units != ledger.units[pod, symbol]:
        ledger.units[pod, symbol] = units
        ledger.dirty[symbol] = True
    return True


@compiled
def hold_or_drift(ledger: Ledger, rules: Rules, pod: int, symbol: int) -> bool:
    """Recomputes units that drifted out of the band; True when it did. A moving price alone is no order."""
    late = ledger.unsized[pod, symbol]
    if ledger.frozen[pod, symbol] or ledger.held[pod, symbol] == 0.0 or (rules.band <= 0.0 and not late):
        return False
    ideal = ideal_units(ledger, rules, pod, symbol)
    if not np.isfinite(ideal) or (not late and abs(ledger.units[pod, symbol] - ideal) <= rules.band * abs(ideal)):
        return False
    ledger.unsized[pod, symbol] = False
    ledger.units[pod, symbol] = ideal
    ledger.dirty[symbol] = True
    return True


@compiled
def weight_after_scale(ledger: Ledger, pod: int, symbol: int, scale: float) -> float:
    """A pod's portfolio weight after layer 3; what a freeze holds stays."""
    if ledger.frozen[pod, symbol]:
        return float(ledger.held[pod, symbol])
    return float(np.round(scale * ledger.fraction[pod] * ledger.pod_weight[pod, symbol], 9))


@compiled
def must_fall(ledger: Ledger, symbol: int, scale: float) -> bool:
    """True when an untouched symbol holds more than a binding cap allows: it falls, and is never traded up."""
    if scale >= 1.0:
        return False
    held = 0.0
    allowed = 0.0
    for p in range(len(ledger.fraction)):
        held += ledger.held[p, symbol]
        allowed += weight_after_scale(ledger, p, symbol, scale)
    return bool(abs(np.round(allowed, 9)) < abs(np.round(held, 9)))
