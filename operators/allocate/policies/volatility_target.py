"""volatility_target: more for pods that hit their volatility target (spec 6, seed 004).

score = 1/(1 + err), err = |realised/target volatility − 1|, both annualised.
"""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.inputs import Context, PodView, PolicyAnswer, PolicyInputs
from operators.allocate.policies.unknown import beside_unknown, daily_volatilities, why_unknown
from schemas.configuration.capital import VolatilityTarget


def volatility_target(policy: VolatilityTarget, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """Normalised scores of the pods whose volatility and target are known; the others keep their fallback weight."""
    year = math.sqrt(inputs.periods_per_year)
    errors: list[float | None] = []
    for pod, daily in zip(inputs.pods, daily_volatilities(inputs, policy), strict=True):
        target = _target(policy, pod)
        errors.append(None if daily is None or target is None else abs(daily * year / target - 1.0))
    known = np.array([e is not None for e in errors])
    scores = np.array([1.0 / (1.0 + e) for e in errors if e is not None])
    why = {"error": inputs.by_pod(errors), **why_unknown(inputs, known)}
    if known.all():
        return PolicyAnswer(scores / math.fsum(scores), why)
    fallback = context.ask("fallback", policy.fallback, inputs)
    return PolicyAnswer(beside_unknown(scores, known, fallback.weights), {**why, "parts": {"fallback": fallback.why}})


def _target(policy: VolatilityTarget, pod: PodView) -> float | None:
    return policy.target if pod.volatility_target is None else pod.volatility_target
