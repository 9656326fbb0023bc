"""smoothed: an exponential average over another policy's weights (spec 6, seed 004 "smoothed").

first = raw; |raw − last| < min_delta keeps the last; else last + α(raw − last); then scaled to the raw sum.
"""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import Smoothed


def smoothed(policy: Smoothed, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """Weights that follow the base's; a pod that was not there before begins with its raw weight."""
    base = context.ask("base", policy.base, inputs)
    raw = base.weights
    last = context.memory.get(context.path, {})
    before = np.array([last.get(name, weight) for name, weight in zip(inputs.names, raw.tolist(), strict=True)])
    change = raw - before
    moved = before + policy.alpha * change
    weights = np.where(np.abs(change) < policy.min_delta, before, moved) if last else raw
    total = math.fsum(weights)
    if total > 0.0:
        weights = weights * (math.fsum(raw) / total)
    context.memory[context.path] = dict(zip(inputs.names, weights.tolist(), strict=True))
    why = {"raw": inputs.by_pod(raw), "last": last or None, "parts": {"base": base.why}}
    return PolicyAnswer(weights, why)
