"""Asks a policy, and through it every policy that it wraps; checks what comes back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from operators.allocate.policies.blended import blended
from operators.allocate.policies.drawdown_guard import drawdown_guard
from operators.allocate.policies.equal_weight import equal_weight
from operators.allocate.policies.fixed_weight import fixed_weight
from operators.allocate.policies.inputs import Context, Memory, PolicyAnswer, PolicyFunction, PolicyInputs
from operators.allocate.policies.inverse_volatility import inverse_volatility
from operators.allocate.policies.kelly import kelly
from operators.allocate.policies.metric_weighted import metric_weighted
from operators.allocate.policies.risk_parity import risk_parity
from operators.allocate.policies.risk_profile import risk_profile
from operators.allocate.policies.signal_strength import signal_strength
from operators.allocate.policies.smoothed import smoothed
from operators.allocate.policies.tag_quota import tag_quota
from operators.allocate.policies.volatility_target import volatility_target
from schemas.configuration.capital import CapitalPolicy

POLICIES: Final[dict[str, PolicyFunction]] = {
    "blended": blended,
    "drawdown_guard": drawdown_guard,
    "equal_weight": equal_weight,
    "fixed_weight": fixed_weight,
    "inverse_volatility": inverse_volatility,
    "kelly": kelly,
    "metric_weighted": metric_weighted,
    "risk_parity": risk_parity,
    "risk_profile": risk_profile,
    "signal_strength": signal_strength,
    "smoothed": smoothed,
    "tag_quota": tag_quota,
    "volatility_target": volatility_target,
}


def weigh(policy: CapitalPolicy, inputs: PolicyInputs, memory: Memory, path: str = "capital") -> PolicyAnswer:
    """[P] raw weights of a policy, not negative and of sum ≤ 1, and why.

    ``memory`` is what smoothing policies keep between two rebalances; it is changed.

    Raises:
        ValueError: a policy answered with something that is no weight: a fault in the policy, never in its inputs.
    """
    if not inputs.pods:
        return PolicyAnswer(np.empty(0))
    answer = POLICIES[policy.name](policy, inputs, Context(weigh, memory, path))
    weights = answer.weights
    if not (np.isfinite(weights).all() and (weights >= 0.0).all() and weights.sum() <= 1.0 + 1e-6):
        raise ValueError(f"{path}: {policy.name} answered {inputs.by_pod(weights)}")
    why: dict[str, Any] = {"policy": policy.name, **answer.why}
    if policy.label is not None:
        why["label"] = policy.label
    return PolicyAnswer(weights, why)
