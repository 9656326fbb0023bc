"""blended: a mixture of policies (spec 6, seed 004 "blended", "composite").

weight = Σ share·component, shares normalised; with ``normalize_components`` each component's weights sum to 1 first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.configuration.capital import Blended


def blended(policy: Blended, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """The mixture of components with a weight and an answer; the fallback where there is none."""
    used: list[tuple[float, Float64]] = []
    parts: dict[str, Any] = {}
    for number, component in enumerate(policy.components):
        answer = context.ask(f"components.{number}", component.policy, inputs)
        total = math.fsum(answer.weights)
        weights = answer.weights / total if policy.normalize_components and total > 0.0 else answer.weights
        parts[f"{number}:{component.label or component.policy.label or component.policy.name}"] = {
            "mix_weight": component.weight,
            "weights": inputs.by_pod(weights),
            **answer.why,
        }
        if component.weight > 0.0 and total > 0.0:
            used.append((component.weight, weights))
    if not used:
        fallback = context.ask("fallback", policy.fallback, inputs)
        parts["fallback"] = fallback.why
        return PolicyAnswer(fallback.weights, {"fallback": policy.fallback.name, "parts": parts})
    whole = math.fsum(weight for weight, _ in used)
    mixed: Float64 = np.zeros(len(inputs.pods))
    for weight, weights in used:
        mixed = mixed + (weight / whole) * weights
    return PolicyAnswer(mixed, {"parts": parts})
