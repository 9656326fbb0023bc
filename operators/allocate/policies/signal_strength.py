"""signal_strength: more for pods with strong, confident signals (spec 6, seed 004).

score = max(0, signals)·(1 + confidence); weight = floor/n + (1 − floor)·score/Σscore.
"""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.equal_weight import equal_shares
from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import SignalStrength


def signal_strength(policy: SignalStrength, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """Shares by score over a floor: a pod without a signal now must be able to come back. No signals at all are equal
    weights."""
    scores = np.array([_score(p.signals, p.confidence) for p in inputs.pods])
    equal = equal_shares(len(scores))
    total = math.fsum(scores)
    why = {"score": inputs.by_pod(scores)}
    if not total > 0.0:
        return PolicyAnswer(equal, {**why, "fallback": "equal_weight"})
    return PolicyAnswer(policy.floor * equal + (1.0 - policy.floor) * (scores / total), why)


def _score(signals: float, confidence: float) -> float:
    score = max(0.0, signals) * (1.0 + confidence)
    return score if math.isfinite(score) else 0.0
