"""metric_weighted: weights from pods' metrics (spec 6, seed 004).

score = default_score + Σ weight·scale·clamp(metric, min, max), over the rules in the order of their names.
"""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.inputs import Context, PodView, PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.configuration.capital import MetricRule, MetricWeighted

#: What the lowest score becomes when it had to be lifted and ``default_score`` is 0.
_LEAST = 1e-6


def metric_weighted(policy: MetricWeighted, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """Normalised scores; when the lowest is not positive, all are lifted by what makes it ``default_score``. Without
    rules the fallback is asked."""
    if not policy.metrics:
        fallback = context.ask("fallback", policy.fallback, inputs)
        return PolicyAnswer(fallback.weights, {"fallback": policy.fallback.name, "parts": {"fallback": fallback.why}})
    parts = [{name: _part(rule, pod, name) for name, rule in sorted(policy.metrics.items())} for pod in inputs.pods]
    scores = np.array([policy.default_score + math.fsum(p.values()) for p in parts])
    positive = lifted(scores, policy.default_score)
    why = {"score": inputs.by_pod(scores), "parts": inputs.by_pod(parts), "lifted": bool((positive != scores).any())}
    return PolicyAnswer(positive / math.fsum(positive), why)


def lifted(scores: Float64, least: float) -> Float64:
    """Scores that are all positive."""
    lowest = float(scores.min())
    return scores if lowest > 0.0 else scores - lowest + max(least, _LEAST)


def _part(rule: MetricRule, pod: PodView, name: str) -> float:
    value = pod.metrics.get(name, math.nan)
    if not math.isfinite(value):
        if rule.default is None:
            return 0.0
        value = rule.default
    if rule.min is not None:
        value = max(value, rule.min)
    if rule.max is not None:
        value = min(value, rule.max)
    part = rule.weight * rule.scale * value
    return part if math.isfinite(part) else 0.0
