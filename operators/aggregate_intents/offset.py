"""How much the pods of a portfolio work against each other (spec 4, "Across pods")."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled
from operators.frames import Float64

#: Above this the offset is warned of.
OFFSET_LIMIT = 0.5


@compiled
def offset_ratio(fraction: Float64, pod_weight: Float64) -> float:
    """1 - sum |net| / sum gross over symbols, with net = sum over pods of fraction x pod weight; 0 without any weight.

    Args:
        fraction: [P] capital fractions.
        pod_weight: [P, S] signed weights at pod capital.
    """
    gross = 0.0
    netted = 0.0
    for s in range(pod_weight.shape[1]):
        net = 0.0
        for p in range(len(fraction)):
            weight = fraction[p] * pod_weight[p, s]
            net += weight
            gross += abs(weight)
        netted += abs(net)
    return float(np.round(1.0 - netted / gross, 9)) if gross > 0.0 else 0.0
