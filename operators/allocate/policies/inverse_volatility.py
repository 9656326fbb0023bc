"""inverse_volatility: weight in proportion to 1 / max(volatility, 1e-8)."""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.policies.equal_weight import equal_weight
from operators.allocate.policies.inputs import PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.reasons import Reason

_FLOOR = 1e-8


def inverse_volatility(inputs: PolicyInputs, lookback_days: int, min_returns: int) -> PolicyAnswer:
    """Normalised 1/volatility of daily returns (ddof 1) over the lookback.

    A pod with fewer than ``min_returns`` returns, or with no position in all of the lookback, has an *unknown*
    volatility, never 1.0 and never 0: it gets 1/n, and the known pods share the rest (spec 6). With no known pod this
    is equal weight.
    """
    volatilities = [_volatility(r[-lookback_days:], min_returns) for r in inputs.returns]
    unknown = [pod for pod, v in zip(inputs.pods, volatilities, strict=True) if v is None]
    why: dict[str, object] = {"volatility": dict(zip(inputs.pods, volatilities, strict=True))}
    if unknown:
        why |= {"unknown": unknown, "reason": Reason.CAPITAL_VOLATILITY_UNKNOWN.name}
    if len(unknown) == len(inputs.pods):
        return PolicyAnswer(equal_weight(inputs).weights, why)
    known = np.array([v is not None for v in volatilities])
    weights = np.full(len(known), 1.0 / len(known))
    values = np.array([v for v in volatilities if v is not None])
    weights[known] = inverse_volatility_weights(values) * (known.sum() / len(known))
    return PolicyAnswer(weights, why)


def inverse_volatility_weights(volatility: Float64) -> Float64:
    """[n] normalised 1/max(volatility, 1e-8)."""
    scores: Float64 = 1.0 / np.maximum(volatility, _FLOOR)
    weights: Float64 = scores / scores.sum()
    return weights


def _volatility(returns: Float64, min_returns: int) -> float | None:
    """Sample standard deviation, summed in time order; None when it is unknown."""
    count = len(returns)
    if count < min_returns or not np.any(returns):
        return None
    mean = math.fsum(returns) / count
    return math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (count - 1))
