"""risk_parity: every pod contributes alike to the portfolio's risk (spec 6).

min ½w'Σw − (1/n)Σ ln w, normalised: Maillard, Roncalli and Teïletche, "The properties of equally weighted risk
contribution portfolios" (2010). With ``covariance: diagonal`` this is 1/σ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.allocate.covariance import covariance
from operators.allocate.performance import deviation
from operators.allocate.policies.equal_weight import equal_shares
from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.allocate.policies.inverse_volatility import inverse_volatility_weights
from operators.allocate.policies.unknown import beside_unknown, known_returns, return_matrix, why_unknown
from operators.allocate.risk_budget import equal_risk, risk_shares
from operators.frames import Bool, Float64
from schemas.configuration.capital import Moments, RiskParity


def risk_parity(policy: RiskParity, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """Equal risk contributions among the known pods; an unknown one gets 1/n."""
    known, _, matrix = known_moments(policy, inputs)
    return risk_parity_of(policy, inputs, known, matrix)


def known_moments(policy: Moments, inputs: PolicyInputs) -> tuple[Bool, Float64, Float64]:
    """Which pods are known, their daily returns [T, n] side by side, and the covariance [n, n] of these."""
    known = np.array([known_returns(pod, policy) is not None for pod in inputs.pods])
    if not known.any():
        return known, np.empty((0, 0)), np.empty((0, 0))
    returns = return_matrix(inputs, known, policy.lookback_days, policy.min_returns)
    return known, returns, covariance(returns, policy.covariance, policy.ewma_decay)


def risk_parity_of(policy: Moments, inputs: PolicyInputs, known: Bool, matrix: Float64) -> PolicyAnswer:
    """Equal risk contributions for a covariance that is there already."""
    why: dict[str, Any] = {"covariance": policy.covariance, **why_unknown(inputs, known)}
    if not known.any():
        return PolicyAnswer(equal_shares(len(known)), why)
    if policy.covariance == "diagonal":
        # Its closed form, from each pod's own returns: no day has to be shared.
        own = [deviation(r) for p in inputs.pods if (r := known_returns(p, policy)) is not None]
        scores = inverse_volatility_weights(np.array(own))
    else:
        scores = equal_risk(matrix)
    names = [name for name, is_known in zip(inputs.names, known.tolist(), strict=True) if is_known]
    why["volatility"] = dict(zip(names, np.sqrt(np.diag(matrix)).tolist(), strict=True))
    why["risk_share"] = dict(zip(names, risk_shares(matrix, scores).tolist(), strict=True))
    return PolicyAnswer(beside_unknown(scores, known, equal_shares(len(known))), why)
