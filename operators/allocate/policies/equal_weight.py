"""equal_weight: every pod gets 1/n."""

from __future__ import annotations

import numpy as np

from operators.allocate.policies.inputs import PolicyAnswer, PolicyInputs


def equal_weight(inputs: PolicyInputs) -> PolicyAnswer:
    """1/n for each of n pods."""
    count = len(inputs.pods)
    return PolicyAnswer(np.full(count, 1.0 / count))
