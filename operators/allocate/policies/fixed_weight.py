"""fixed_weight: weights from the configuration; what they leave stays cash (spec 6, seed 004 "fixed_weight")."""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import FixedWeight, matching_weight
from schemas.reasons import Reason


def fixed_weight(policy: FixedWeight, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """The first match of schedule:profile, strategy:profile, schedule, strategy; 0 where nothing matches.

    An explicit 0 is honoured. Under a policy that hands it a part of the pods, the sum may be less.
    """
    weights = policy.flat()
    matches = [matching_weight(weights, pod.id, pod.traded) for pod in inputs.pods]
    chosen = np.array([0.0 if m is None else m[1] for m in matches])
    left = round(1.0 - math.fsum(chosen), 9)
    why: dict[str, object] = {"matched": inputs.by_pod([None if m is None else m[0] for m in matches])}
    if left > 0:
        why |= {"unallocated": left, "reason": Reason.CAPITAL_UNALLOCATED.name}
    return PolicyAnswer(chosen, why)
