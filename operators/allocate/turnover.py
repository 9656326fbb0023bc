"""How far one rebalance moves capital (spec 6, "Turnover")."""

from __future__ import annotations

import math

import numpy as np

from operators.frames import Bool, Float64


def turnover(before: Float64, after: Float64) -> float:
    """½Σ|Δw|."""
    return 0.5 * math.fsum(np.abs(after - before))


def limit_turnover(
    before: Float64, wanted: Float64, per_pod: float = math.inf, total: float = math.inf, exempt: Bool | None = None
) -> Float64:
    """[n] the weights that one rebalance may reach on the way from ``before`` to ``wanted``.

    Each pod moves by at most ``per_pod``; then all moves shrink by one factor so that ½Σ|Δ| ≤ ``total``. Where a pod's
    cut of its fall leaves less room than the others' rises take, the rises shrink: the sum never exceeds both what it
    was and what is wanted. Pods in ``exempt`` go all the way and do not count.
    """
    free = np.zeros(len(before), np.bool_) if exempt is None else exempt
    step = np.where(free, 0.0, np.clip(wanted - before, -per_pod, per_pod))
    made = 0.5 * math.fsum(np.abs(step))
    if made > total:
        step = step * (total / made)
    start = np.where(free, wanted, before)
    most = max(math.fsum(wanted), math.fsum(before))
    rises = math.fsum(step[step > 0.0])
    room = most - math.fsum(start) - math.fsum(step[step < 0.0])
    if rises > room:
        step = np.where(step > 0.0, step * (max(0.0, room) / rises), step)
    return start + step
