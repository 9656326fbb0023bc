"""The portfolio governor: less capital at work when the pods together are too volatile (seed 004, spec 6)."""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.covariance import covariance
from operators.allocate.policies.inputs import PolicyInputs
from operators.allocate.policies.unknown import known_returns, return_matrix
from operators.frames import Float64
from schemas.configuration.capital import RiskParity

#: How the pods' covariance is estimated: as risk parity does by default.
_ESTIMATE = RiskParity()


def portfolio_volatility(weights: Float64, matrix: Float64) -> float:
    """√(w'Σw)."""
    return math.sqrt(max(0.0, float(weights @ matrix @ weights)))


def leverage_to_target(volatility: float, target: float, most: float) -> float:
    """Factor that brings a volatility to its target, at most ``most``; both in the same unit of time."""
    return min(most, target / volatility) if volatility > 0.0 else most


def governor_scale(inputs: PolicyInputs, fractions: Float64, target: float | None) -> float:
    """Factor in (0, 1] of all fractions [P] that keeps the portfolio's annualised volatility within ``target``.

    Never up. Pods of which too little is known count as if they did not move.
    """
    known = np.array([known_returns(pod, _ESTIMATE) is not None for pod in inputs.pods], np.bool_)
    if target is None or not known.any():
        return 1.0
    returns = return_matrix(inputs, known, _ESTIMATE.lookback_days, _ESTIMATE.min_returns)
    daily = portfolio_volatility(fractions[known], covariance(returns, _ESTIMATE.covariance))
    return leverage_to_target(daily * math.sqrt(inputs.periods_per_year), target, 1.0)
