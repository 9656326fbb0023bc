"""fixed_weight: weights from the configuration; what they leave stays cash."""

from __future__ import annotations

import numpy as np

from operators.allocate.policies.inputs import PolicyAnswer, PolicyInputs
from schemas.reasons import Reason


def fixed_weight(inputs: PolicyInputs, weights: dict[str, float]) -> PolicyAnswer:
    """The configured weight of each pod, 0 where none is given. An explicit 0 is honoured."""
    chosen = np.array([weights.get(pod, 0.0) for pod in inputs.pods])
    left = round(1.0 - float(chosen.sum()), 9)
    why: dict[str, object] = {}
    if left > 0:
        why = {"unallocated": left, "reason": Reason.CAPITAL_UNALLOCATED.name}
    return PolicyAnswer(chosen, why)
