"""inverse_volatility: weight in proportion to 1 / max(σ, 1e-8) (spec 6)."""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.covariance import LEAST_VOLATILITY
from operators.allocate.policies.equal_weight import equal_shares
from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.allocate.policies.unknown import beside_unknown, daily_volatilities, why_unknown
from operators.frames import Float64
from schemas.configuration.capital import InverseVolatility


def inverse_volatility(policy: InverseVolatility, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """Normalised 1/σ of daily returns (ddof 1) over the lookback.

    A pod with fewer than ``min_returns`` returns, or with no position in all of the lookback, has an *unknown*
    volatility, never 1.0 and never 0: it gets 1/n, and the known pods share the rest. With no known pod this is equal
    weight.
    """
    volatilities = daily_volatilities(inputs, policy)
    known = np.array([v is not None for v in volatilities])
    scores = inverse_volatility_weights(np.array([v for v in volatilities if v is not None]))
    why = {"volatility": inputs.by_pod(volatilities), **why_unknown(inputs, known)}
    return PolicyAnswer(beside_unknown(scores, known, equal_shares(len(known))), why)


def inverse_volatility_weights(volatility: Float64) -> Float64:
    """[n] normalised 1/max(σ, 1e-8)."""
    scores: Float64 = 1.0 / np.maximum(volatility, LEAST_VOLATILITY)
    return scores / math.fsum(scores)
