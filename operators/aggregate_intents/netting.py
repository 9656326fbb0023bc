"""Nets the standing targets of a pod's schedules (spec 4, "Within a pod").

Net = sum of sign x confidence x notional over the schedules, in schedule order. The emitted size is the net, not the
winners' sum. Schedules of one horizon that disagree on the direction are a conflict; an exact zero out of opposites is
flat. Different horizons may disagree: that is what horizons are for.
"""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.frames import Float64, Int64


@compiled
def net_symbol(weight: Float64, confidence: Float64, horizon: Int64) -> tuple[float, float, bool]:
    """Nets one symbol.

    Args:
        weight: [K] standing signed notional of each schedule, as a fraction of the pod's capital.
        confidence: [K] standing confidence, 0..1.
        horizon: [K] number of each schedule's horizon.

    Returns:
        (net, gross, conflict), as fractions of the pod's capital.
    """
    net = 0.0
    gross = 0.0
    positive = negative = False
    for k in range(len(weight)):
        part = weight[k] * confidence[k]
        net += part
        gross += abs(part)
        positive = positive or part > 0.0
        negative = negative or part < 0.0
    conflict = positive and negative and _opposed(weight, confidence, horizon)
    return float(np.round(net, 9)), float(np.round(gross, 9)), conflict


@compiled
def _opposed(weight: Float64, confidence: Float64, horizon: Int64) -> bool:
    """True when two schedules of one horizon want opposite directions."""
    for k in range(len(weight)):
        for j in range(k):
            if horizon[j] == horizon[k] and weight[j] * confidence[j] * weight[k] * confidence[k] < 0.0:
                return True
    return False
