"""equal_weight: every pod gets 1/n (spec 6)."""

from __future__ import annotations

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.configuration.capital import EqualWeight


def equal_weight(_policy: EqualWeight, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """1/n for each of n pods."""
    return PolicyAnswer(equal_shares(len(inputs.pods)))


def equal_shares(count: int) -> Float64:
    """[n] of 1/n."""
    return np.full(count, 1.0 / count)
