"""How much the pods of a portfolio work against each other (spec 4, "Across pods")."""

from __future__ import annotations

import numpy as np

from operators.frames import Float64

#: Above this the offset is warned of.
OFFSET_LIMIT = 0.5


def offset_ratio(fraction: Float64, pod_weight: Float64) -> float:
    """1 - sum |net| / sum gross over symbols, with net = sum over pods of fraction x pod weight; 0 without any weight.

    Args:
        fraction: [P] capital fractions.
        pod_weight: [P, S] signed weights at pod capital.
    """
    weight = fraction[:, np.newaxis] * pod_weight
    gross = float(np.abs(weight).sum())
    return round(1.0 - float(np.abs(weight.sum(axis=0)).sum()) / gross, 9) if gross > 0.0 else 0.0
