"""Nets the standing targets of a pod's schedules (spec 4, "Within a pod").

Net = sum of sign x confidence x notional over the schedules, in schedule order. The emitted size is the net, not the
winners' sum. Schedules that disagree on the direction are a conflict; an exact zero out of opposites is flat.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from operators.frames import Bool, Float64


@njit(cache=True)
def net_symbol(weight: Float64, confidence: Float64, silent: Bool) -> tuple[float, float, bool]:
    """Nets one symbol.

    Args:
        weight: [K] standing signed notional of each schedule, as a fraction of the pod's capital.
        confidence: [K] standing confidence, 0..1.
        silent: [K] True where the schedule takes no part.

    Returns:
        (net, gross, conflict), as fractions of the pod's capital.
    """
    net = 0.0
    gross = 0.0
    positive = negative = False
    for k in range(len(weight)):
        if silent[k]:
            continue
        part = weight[k] * confidence[k]
        net += part
        gross += abs(part)
        positive = positive or part > 0.0
        negative = negative or part < 0.0
    return np.round(net, 9), np.round(gross, 9), positive and negative
